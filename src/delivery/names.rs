//! Names that a hot folder takes.
//!
//! A hot folder of Flex takes letters and digits of ASCII and ``! @ $ # & _ - ^ ` ' ~ ; [ ] ( ) { } .`` in the names of
//! files, and nothing else. The rule, for each part of a key between slashes:
//!
//! - what is allowed stays as it is, but for `~`; a space is `~_`; every other byte of the UTF-8 is `~` and its two
//!   hexadecimal digits (`~C3~A9` for `é`), `~` itself too (`~7E`);
//! - a dot at the beginning or the end is `~2E` (hidden files, `.` and `..`, and what Windows cuts off);
//! - the first letter of a name that Windows keeps for devices is written in hexadecimal (`~43ON.json`);
//! - nothing between two slashes is `~-`.
//!
//! [`original`] reverses that: two keys have the same name only if they are the same key. Two things cannot be told from
//! the key alone and are settled by `~~` and 32 digits of the key's BLAKE3 before the ending, which no name has otherwise:
//! names longer than a file's may be, which are cut; and keys that differ in case alone or of which one is a folder of
//! another, of which all get it. The map of names reverses those.
//!
//! Slashes stay: the folders of the source are folders of the delivery. Their names are part of what tells documents apart,
//! `2021/a.json` and `2022/a.json` need no digits at their ends, and the rule is one for file names, which a folder's
//! separator is no part of.

use std::collections::HashSet;

/// The longest name of a file or folder, in bytes (ext4, APFS, NTFS).
const LONGEST_PART: usize = 255;
/// The longest name with its folders: a key of S3 has 1,024 bytes, of which a prefix needs some.
const LONGEST: usize = 800;
/// What stays beside letters and digits.
const ALLOWED: &[u8] = b"!@$#&_-^`';[](){}.";
/// Names that Windows keeps for devices, whatever follows after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// The longest ending that stays at the end of a cut name, with its dot.
const LONGEST_ENDING: usize = 17;

/// How a key came to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is one already.
    Same,
    /// By the rule.
    Encoded,
    /// It was too long.
    Cut,
    /// It met another where case is folded, or is a folder of another.
    Collision,
}

impl How {
    /// The word in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Encoded => "encoded",
            Self::Cut => "cut",
            Self::Collision => "collision",
        }
    }
}

/// The names of a set of keys. Memory is 16 bytes a key and folder while they are gathered.
#[derive(Debug, Default)]
pub struct Names {
    /// Hashes of folded names, of which those that stand twice are kept in the end.
    files: Vec<u128>,
    folders: HashSet<u128>,
    met: HashSet<u128>,
}

impl Names {
    /// Adds a key of the set.
    pub fn add(&mut self, key: &str) {
        let name = plain(key).to_ascii_lowercase();
        for (slash, _) in name.match_indices('/') {
            self.folders.insert(hash(&name[..slash]));
        }
        self.files.push(hash(&name));
    }

    /// Ends the set: names can be asked for.
    pub fn settle(&mut self) {
        self.files.sort_unstable();
        let twice = self.files.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let both = self.files.iter().copied().filter(|file| self.folders.contains(file));
        self.met = twice.chain(both).collect();
        self.files = Vec::new();
        self.folders = HashSet::new();
    }

    /// The name of a key of the set.
    pub fn name(&self, key: &str) -> (String, How) {
        let name = plain(key);
        if self.met.contains(&hash(&name.to_ascii_lowercase())) {
            (with_hash(key, &name), How::Collision)
        } else if is_too_long(&name) {
            (with_hash(key, &name), How::Cut)
        } else {
            let how = if name == key { How::Same } else { How::Encoded };
            (name, how)
        }
    }
}

/// The key of a name that was neither cut nor met another.
pub fn original(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'~', [b'_', after @ ..]) => {
                bytes.push(b' ');
                after
            }
            (b'~', [b'-', after @ ..]) => after,
            (b'~', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                after
            }
            (b'~', _) => return None,
            (byte, after) => {
                bytes.push(byte);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

/// The name by the rule alone.
fn plain(key: &str) -> String {
    key.split('/').map(plain_part).collect::<Vec<_>>().join("/")
}

fn plain_part(part: &str) -> String {
    if part.is_empty() {
        return "~-".to_owned();
    }
    let device = is_device(part);
    let mut name = String::with_capacity(part.len());
    for (place, byte) in part.bytes().enumerate() {
        let edge = place == 0 || place + 1 == part.len();
        match byte {
            b' ' => name.push_str("~_"),
            b'.' if edge => name.push_str("~2E"),
            byte if place == 0 && device => name.push_str(&format!("~{byte:02X}")),
            byte if byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte) => name.push(char::from(byte)),
            byte => name.push_str(&format!("~{byte:02X}")),
        }
    }
    name
}

fn is_device(part: &str) -> bool {
    let base = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
    DEVICES.contains(&base.as_str())
        || matches!(base.as_bytes(), [b'c', b'o', b'm', b'0'..=b'9'] | [b'l', b'p', b't', b'0'..=b'9'])
}

fn is_too_long(name: &str) -> bool {
    name.len() > LONGEST || name.split('/').any(|part| part.len() > LONGEST_PART)
}

/// The name with the key's hash before its ending. Folders that are too long become the hash alone.
fn with_hash(key: &str, name: &str) -> String {
    let digits = &blake3::hash(key.as_bytes()).to_hex()[..32];
    let (folders, file) = name.rsplit_once('/').map_or((None, name), |(folders, file)| (Some(folders), file));
    let dot = file.rfind('.').filter(|dot| *dot > 0 && file.len() - dot <= LONGEST_ENDING);
    let (stem, ending) = dot.map_or((file, ""), |dot| file.split_at(dot));
    let ending = if ending.contains('~') { "" } else { ending };
    let room = LONGEST_PART - 2 - digits.len() - ending.len();
    let mut stem = &stem[..stem.len().min(room)];
    // Not in the midst of an encoded byte.
    if let Some(begin) = stem.rfind('~').filter(|begin| stem.len() - begin < 3 && !stem[*begin..].starts_with("~_")) {
        stem = &stem[..begin];
    }
    let file = format!("{stem}~~{digits}{ending}");
    match folders {
        None => file,
        Some(folders) if is_too_long(folders) || folders.len() + 1 + file.len() > LONGEST => {
            format!("~~{digits}/{file}")
        }
        Some(folders) => format!("{folders}/{file}"),
    }
}

fn hash(text: &str) -> u128 {
    super::hash128(&[text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn names(keys: &BTreeSet<String>) -> Vec<(String, How)> {
        let mut names = Names::default();
        keys.iter().for_each(|key| names.add(key));
        names.settle();
        keys.iter().map(|key| names.name(key)).collect()
    }

    fn is_safe(name: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte) || byte == b'~';
        let part = |part: &str| {
            !part.is_empty()
                && part.len() <= LONGEST_PART
                && part.bytes().all(allowed)
                && !part.starts_with('.')
                && !part.ends_with('.')
                && !is_device(part)
        };
        name.len() <= LONGEST && name.split('/').all(part)
    }

    #[test]
    fn names_stay_readable() {
        let name = |key: &str| {
            let mut names = Names::default();
            names.add(key);
            names.settle();
            names.name(key).0
        };
        assert_eq!(name("2021/promo-1.json"), "2021/promo-1.json");
        assert_eq!(name("My Promo (1).json"), "My~_Promo~_(1).json");
        assert_eq!(name("caf\u{e9}: 50%.json"), "caf~C3~A9~3A~_50~25.json");
        assert_eq!(name("a//../.b"), "a/~-/~2E~2E/~2Eb");
        assert_eq!(name("CON.json"), "~43ON.json");
        assert!(name(&format!("{}.json", "x".repeat(300))).ends_with(".json"));
    }

    #[test]
    fn keys_that_meet_are_told_apart_whatever_their_order() {
        let keys: BTreeSet<String> = ["a.json", "A.json", "b", "b/c", "d.json"].map(String::from).into();
        let found = names(&keys);
        let how: Vec<How> = found.iter().map(|(_, how)| *how).collect();
        assert_eq!(how, [How::Collision, How::Collision, How::Collision, How::Same, How::Same], "{found:?}");
        let folded: BTreeSet<String> = found.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert_eq!(folded.len(), keys.len());
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a", "A", "b", "B", ".", "..", "/", "\\", "%", "~", "~~", "~_", "~2E", "con", "CON", "nul", "COM1", "_",
            "-", " ", "\"", "\n", "\u{1}", "\u{e9}", "e\u{301}", "\u{c9}", "?", "*", ":", "<", ".json", ".JSON",
        ]);
        let plain = prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat());
        prop_oneof![6 => plain, 1 => "\\PC{1,100}", 1 => "[aA]{250,300}\\.json", 1 => "[ab/ ]{700,1024}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn keys_of_a_set_have_different_safe_names_also_where_case_is_folded(
            keys in prop::collection::btree_set(hostile(), 1..24),
        ) {
            let found = names(&keys);
            let folded: BTreeSet<String> = found.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            prop_assert_eq!(folded.len(), keys.len(), "{:?}", found);
            for ((name, how), key) in found.iter().zip(&keys) {
                prop_assert!(is_safe(name), "{} of {:?}", name, key);
                prop_assert_eq!(*how == How::Same, name == key);
                if matches!(how, How::Same | How::Encoded) {
                    prop_assert_eq!(original(name), Some(key.clone()));
                }
                // No name is a folder of another.
                let folder = format!("{}/", name.to_ascii_lowercase());
                prop_assert!(!folded.iter().any(|other| other.starts_with(&folder)), "{}", name);
            }
        }
    }
}
