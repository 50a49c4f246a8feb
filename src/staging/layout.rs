//! Names of folders and files: safe on every store and file system in use, and injective.

use crate::dataflow::TableName;

/// The longest name kept as it is; longer ones end in a hash.
const LONGEST: usize = 180;

/// A file-safe, injective form of a name: ASCII letters, digits, `_` and `-` stay, every other byte becomes `!XX`.
/// With `colon_as_dot` a `:` becomes `.` (source keys: `Promo:1234` is `Promo.1234`); a dot is always encoded, so both
/// forms are injective. Names beyond 180 bytes are cut and end in their BLAKE3. The result has only characters that the
/// hot folder of Flex accepts (contract, "What a loader must know first", 10).
pub fn safe_name(name: &str, colon_as_dot: bool) -> String {
    let mut safe = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => safe.push(char::from(byte)),
            b':' if colon_as_dot => safe.push('.'),
            other => safe.push_str(&format!("!{other:02X}")),
        }
    }
    if safe.len() > LONGEST {
        safe.truncate(LONGEST);
        safe.push_str(&format!("!!{}", &blake3::hash(name.as_bytes()).to_hex()[..32]));
    }
    safe
}

/// The longest part of a folder's name that is kept as it is: two of them with their endings are a name of 255 bytes.
const LONGEST_PART: usize = 90;

/// Names that Windows keeps for devices, whatever follows after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The folder of a table's dataset below `raw/`: `{schema}.{table}`, each part made safe. Different tables have different
/// folders, also where a file system folds case: a part with capitals ends in `!!` and where they stand, as a number in
/// hexadecimal (`CON` is `CON!!7`). A part that grows too long is cut and ends in its BLAKE3.
pub fn raw_folder(table: &TableName) -> String {
    let schema = raw_part(&table.schema);
    // The whole name's beginning is what counts on Windows: `con.t` is the console, `public.con` is not.
    let device = |name: &str| {
        DEVICES.contains(&name) || matches!(name.as_bytes(), [b'c', b'o', b'm', _] | [b'l', b'p', b't', _])
    };
    let folded = table.schema.to_ascii_lowercase();
    let schema = match schema.split_at_checked(1) {
        Some((first, rest)) if device(&folded) => format!("!{:02X}{rest}", first.as_bytes()[0]),
        _ => schema,
    };
    format!("{schema}.{}", raw_part(&table.name))
}

fn raw_part(name: &str) -> String {
    let mut part = safe_name(name, false);
    if part.len() > LONGEST_PART {
        part.truncate(LONGEST_PART);
        part.push_str(&format!("!!{}", &blake3::hash(name.as_bytes()).to_hex()[..32]));
        return part;
    }
    let capitals = name.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
    let places = capitals.fold(0_u128, |places, (place, _)| places | 1 << place);
    if places != 0 {
        part.push_str(&format!("!!{places:x}"));
    }
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_readable() {
        assert_eq!(safe_name("Promo:1234", true), "Promo.1234");
        assert_eq!(raw_folder(&TableName::new("public", "asset_master")), "public.asset_master");
        assert_eq!(raw_folder(&TableName::new("public", "Legacy Metadata")), "public.Legacy!20Metadata!!81");
        assert_eq!(safe_name("../a", false), "!2E!2E!2Fa");
    }

    /// Every name of two tables that is likely to meet another: in case, in what is encoded, at the dot between schema and
    /// name, in what devices are called, and beyond every length.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a", "A", "b", "B", ".", "..", "/", "\\", "%", "%2e", "!", "!!", "!2E", "!!7", "con", "CON", "Con", "nul",
            "COM1", "lpt9", "_", "-", " ", "\"", "\n", "\u{1}", "é", "É", "€", "0", "7", "f", "F", "~", ":", "*",
        ]);
        let plain = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
        prop_oneof![8 => plain, 1 => "\\PC{1,63}", 1 => "[aA\u{e9}\u{c9}]{40,63}"]
    }

    fn is_safe(folder: &str) -> bool {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-!.".contains(c);
        let base = folder.split('.').next().unwrap().to_ascii_lowercase();
        let device = ["con", "prn", "aux", "nul"].contains(&base.as_str())
            || ((base.starts_with("com") || base.starts_with("lpt")) && base.len() == 4);
        folder.len() <= 255
            && folder.chars().all(allowed)
            && !folder.ends_with('.')
            && !folder.starts_with('.')
            && !device
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn different_tables_have_different_folders_whatever_becomes_of_case(
            a in (hostile(), hostile()), b in (hostile(), hostile()), swap in 0..4,
        ) {
            // Names that only differ a little are rare by chance: make them.
            let b = match swap {
                0 => (a.0.clone(), a.1.to_lowercase()),
                1 => (a.0.to_uppercase(), a.1.clone()),
                2 => (format!("{}.{}", a.0, a.1), b.1),
                _ => b,
            };
            let folders = [&a, &b].map(|(schema, name)| raw_folder(&TableName::new(schema, name)));
            let folded = folders.each_ref().map(|folder| folder.to_lowercase());
            prop_assert_eq!(a == b, folded[0] == folded[1], "{:?}", folders);
            prop_assert!(folders.iter().all(|folder| is_safe(folder)), "{:?}", folders);
            // What an object store makes of a part of a key is the part itself.
            prop_assert_eq!(object_store::path::Path::default().join(folders[0].as_str()).to_string(), folders[0].as_str());
        }
    }

    proptest! {
        #[test]
        fn different_names_stay_different(a in "\\PC{0,300}", b in "\\PC{0,300}") {
            prop_assert_eq!(a == b, safe_name(&a, true) == safe_name(&b, true));
        }
    }
}
