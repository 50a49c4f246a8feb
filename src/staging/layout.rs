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

/// The folder of a table's dataset below `raw/`: `{schema}.{table}`, each part made safe.
pub fn raw_folder(table: &TableName) -> String {
    format!("{}.{}", safe_name(&table.schema, false), safe_name(&table.name, false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_readable() {
        assert_eq!(safe_name("Promo:1234", true), "Promo.1234");
        assert_eq!(raw_folder(&TableName::new("public", "Legacy Metadata")), "public.Legacy!20Metadata");
        assert_eq!(safe_name("../a", false), "!2E!2E!2Fa");
    }

    proptest! {
        #[test]
        fn different_names_stay_different(a in "\\PC{0,300}", b in "\\PC{0,300}") {
            prop_assert_eq!(a == b, safe_name(&a, true) == safe_name(&b, true));
        }
    }
}
