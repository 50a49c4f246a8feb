//! Text that was decoded with the wrong encoding.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Outcome, Text, text_outcome};

/// How often UTF-8 was read as windows-1252 at most (rulings A14).
const ROUNDS: usize = 3;

/// What windows-1252 has at 80 to 9F, by the WHATWG's Encoding Standard; what it leaves open passes through as C1 control.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

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
    let bytes: Option<Vec<u8>> = text.chars().map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// The byte that windows-1252 reads as a character.
fn byte(character: char) -> Option<u8> {
    match character {
        '\u{80}'..='\u{9F}' if !HIGH.contains(&character) => None,
        '\0'..='\u{FF}' => u8::try_from(character).ok(),
        other => (0x80..).zip(HIGH).find(|(_, high)| *high == other).map(|(byte, _)| byte),
    }
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
    fn every_byte_has_a_character_and_back() {
        for value in 0..=u8::MAX {
            let read = if (0x80..0xA0).contains(&value) { HIGH[usize::from(value - 0x80)] } else { char::from(value) };
            assert_eq!(byte(read), Some(value));
        }
        assert_eq!(byte('\u{80}'), None);
        assert_eq!(byte('Ł'), None);
    }

    #[test]
    fn three_rounds_and_no_more() {
        let read =
            |byte: u8| if (0x80..0xA0).contains(&byte) { HIGH[usize::from(byte - 0x80)] } else { char::from(byte) };
        let worse = |text: &str| text.bytes().map(read).collect::<String>();
        let thrice = worse(&worse(&worse("Café")));
        assert_eq!(repair(&thrice).value.as_deref(), Some("Café"));
        assert_eq!(repair(&worse(&thrice)).value.as_deref(), Some("CafÃ©"));
    }
}
