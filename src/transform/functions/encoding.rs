//! Text that was decoded with the wrong encoding.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use encoding_rs::WINDOWS_1252;

use super::kernel::{Outcome, Text, text_outcome};

/// How often UTF-8 was read as windows-1252 at most (rulings A14).
const ROUNDS: usize = 3;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![text_outcome("repair_mojibake", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, repair))]
}

/// The text whose UTF-8 bytes, read as windows-1252 (that of the WHATWG, where 81, 8D, 8F, 90 and 9D pass through), give
/// this one; itself if there is none (dirt D38). A genuine accent stays: its byte alone is no UTF-8.
fn repair(text: &str) -> Outcome<Text<'_>> {
    let mut repaired = Cow::Borrowed(text);
    let mut warning = None;
    for _ in 0..ROUNDS {
        match misread(&repaired) {
            Some(original) => repaired = Cow::Owned(original),
            None => break,
        }
        warning = Some("MOJIBAKE_FIXED");
    }
    Outcome { value: Some(repaired), warning }
}

fn misread(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
    if unmappable { None } else { String::from_utf8(bytes.into_owned()).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_round_trips_is_repaired() {
        for (raw, expected) in [
            ("CafÃ©", "Café"),
            ("CafÃƒÂ©", "Café"),
            ("Itâ€™s", "It’s"),
            ("Ã\u{81}", "Á"),
            ("ðŸ˜€", "😀"),
            ("Ã©", "é"),
            ("Ã\u{A0}", "à"),
        ] {
            assert_eq!(repair(raw), Outcome::noted(expected.into(), "MOJIBAKE_FIXED"), "{raw}");
        }
        for raw in ["", "Cafe", "Café", "é", "Ã", "CafÃ© in Łódź", "CafÃ© Café", "😀"] {
            assert_eq!(repair(raw), Outcome::of(raw.into()), "{raw}");
        }
    }

    #[test]
    fn three_rounds_and_no_more() {
        let worse = |text: &str| WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned();
        let thrice = worse(&worse(&worse("Café")));
        assert_eq!(repair(&thrice).value.as_deref(), Some("Café"));
        assert_eq!(repair(&worse(&thrice)).value.as_deref(), Some("CafÃ©"));
    }
}
