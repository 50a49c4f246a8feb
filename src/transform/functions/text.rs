//! Plain text: trimming, control characters, placeholders, keys for comparison.

use std::borrow::Cow;

use arrow::datatypes::DataType::{Int64, Utf8};
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::kernel::{Outcome, outcome, plain};

/// What people type where they have nothing to say, folded.
const PLACEHOLDERS: [&str; 7] = ["null", "n/a", "-", "tbd", "untitled", "none", "(blank)"];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        outcome("clean_line", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, clean_line)),
        outcome("clean_text", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, clean_text)),
        plain("fold_key", &[Utf8], |row| row.text(0).map(fold_key).filter(|key| !key.is_empty())),
        plain("without_extension", &[Utf8], |row| row.text(0).map(|name| without_extension(name).to_owned())),
        outcome("truncate_text", &[Utf8, Int64], |row| {
            let limit = row.text(1).and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
            row.text(0).map_or(Outcome::ABSENT, |text| truncate(text, limit))
        }),
    ]
}

/// White space of Unicode, and the blanks of no width that it leaves out.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200B}' | '\u{2060}' | '\u{FEFF}')
}

/// The text without blanks of any kind at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Whether the whole text is a word for "nothing", in any case.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = trim(text);
    text.len() <= 10 && PLACEHOLDERS.contains(&text.to_lowercase().as_str())
}

/// One line: NFC, controls removed, line breaks and runs of blanks as one blank, trimmed; a placeholder is no value.
fn clean_line(text: &str) -> Outcome<String> {
    let mut cleaned = without_controls(text);
    let before = cleaned.text.len();
    if cleaned.text.chars().any(is_bidi_control) {
        cleaned.text = cleaned.text.chars().filter(|character| !is_bidi_control(*character)).collect::<String>().into();
    }
    let bidi = cleaned.text.len() != before;
    let mut line = String::with_capacity(cleaned.text.len());
    for character in trim(&cleaned.text).chars() {
        match character {
            ' ' | '\t' | '\n' if line.ends_with(' ') => {}
            '\t' | '\n' => line.push(' '),
            other => line.push(other),
        }
    }
    finish(line, cleaned.removed, bidi)
}

/// Text of many lines: NFC, controls removed, line breaks as LF, trimmed; a placeholder is no value.
pub(super) fn clean_text(text: &str) -> Outcome<String> {
    let cleaned = without_controls(text);
    finish(trim(&cleaned.text).to_owned(), cleaned.removed, false)
}

fn finish(text: String, removed: bool, bidi: bool) -> Outcome<String> {
    if text.is_empty() {
        return Outcome::ABSENT;
    }
    if is_placeholder(&text) {
        return Outcome::dropped("PLACEHOLDER_DROPPED");
    }
    let warning = match (removed, bidi) {
        (true, true) => Some(Cow::Borrowed("CONTROL_REMOVED BIDI_REMOVED")),
        (true, false) => Some(Cow::Borrowed("CONTROL_REMOVED")),
        (false, true) => Some(Cow::Borrowed("BIDI_REMOVED")),
        (false, false) => None,
    };
    Outcome { value: Some(text), warning }
}

/// The embedding, override and isolate marks of the bidirectional algorithm.
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

struct Cleaned<'a> {
    text: Cow<'a, str>,
    removed: bool,
}

/// NFC; line ends (CRLF, CR, all of C1, U+2028, U+2029) as LF; other controls and byte order marks removed.
fn without_controls(text: &str) -> Cleaned<'_> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return Cleaned { text: Cow::Borrowed(text), removed: false };
    }
    let mut removed = false;
    let mut out = String::with_capacity(text.len());
    let mut characters = text.nfc().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\t' | '\n' => out.push(character),
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\u{80}'..='\u{9F}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\0'..='\u{1F}' | '\u{7F}' | '\u{FEFF}' => removed = true,
            other => out.push(other),
        }
    }
    Cleaned { text: Cow::Owned(out), removed }
}

/// A key under which spellings of one term meet: NFKC, lower case, trimmed, inner runs of blanks as one.
pub(super) fn fold_key(text: &str) -> String {
    let folded = text.nfkc().collect::<String>().to_lowercase();
    trim(&folded).split(char::is_whitespace).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A name without its extension: a last dot followed by two to five ASCII letters or digits, a letter among them.
fn without_extension(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && (2..=5).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && extension.bytes().any(|byte| byte.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => name,
    }
}

/// At most `limit` code points, cut at the last grapheme boundary before, without blanks at the end.
fn truncate(text: &str, limit: usize) -> Outcome<String> {
    let Some((end, _)) = text.char_indices().nth(limit) else { return Outcome::of(text.to_owned()) };
    let boundary = text.grapheme_indices(true).map(|(start, _)| start).take_while(|start| *start <= end).last();
    let cut = text.get(..boundary.unwrap_or(0)).unwrap_or_default();
    Outcome::noted(cut.trim_end_matches(is_blank).to_owned(), "TEXT_TRUNCATED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_its_blanks_collapse() {
        for (raw, expected) in [
            ("  Silent  Harbor\t", Some("Silent Harbor")),
            ("Silent\r\nHarbor", Some("Silent Harbor")),
            ("a\u{A0}b", Some("a\u{A0}b")),
            ("\u{A0}\u{200B}\u{FEFF}", None),
            ("", None),
            ("e\u{301}t\u{E9}", Some("\u{E9}t\u{E9}")),
            ("👨‍👩‍👧", Some("👨‍👩‍👧")),
        ] {
            assert_eq!(clean_line(raw), Outcome { value: expected.map(str::to_owned), warning: None }, "{raw:?}");
        }
    }

    #[test]
    fn what_is_taken_out_is_told() {
        assert_eq!(clean_line("a\u{1}b").warning.as_deref(), Some("CONTROL_REMOVED"));
        assert_eq!(clean_line("a\u{202A}b\u{1}").warning.as_deref(), Some("CONTROL_REMOVED BIDI_REMOVED"));
        assert_eq!(clean_text("a\u{202A}b").warning, None);
        assert_eq!(clean_line("\u{1}\u{2}"), Outcome::ABSENT);
        assert_eq!(clean_text(" a\r\n b\u{2028}c ").value.as_deref(), Some("a\n b\nc"));
    }

    #[test]
    fn placeholders_are_no_values() {
        for raw in ["null", "NULL", "N/A", "n/a", "-", "TBD", " Untitled ", "none", "(blank)"] {
            assert_eq!(clean_line(raw), Outcome::dropped("PLACEHOLDER_DROPPED"), "{raw:?}");
        }
        for raw in ["Null, Jack", "None of us", "--", "NA"] {
            assert_eq!(clean_line(raw).value.as_deref(), Some(raw));
        }
    }

    #[test]
    fn names_lose_only_what_looks_like_an_extension() {
        for (raw, expected) in [
            ("NLC_HC100234_v1_h264.mov", "NLC_HC100234_v1_h264"),
            ("Mr. Smith", "Mr. Smith"),
            ("Vol. 2", "Vol. 2"),
            ("Vol.22", "Vol.22"),
            ("a.mp4", "a"),
            (".mov", ".mov"),
        ] {
            assert_eq!(without_extension(raw), expected);
        }
    }

    #[test]
    fn keys_meet() {
        assert_eq!(fold_key(" Mini-\u{FF33}eries  X "), "mini-series x");
        assert_ne!(fold_key("\u{420}romo"), fold_key("Promo"));
    }

    #[test]
    fn long_text_is_cut_between_graphemes() {
        assert_eq!(truncate("abc", 3), Outcome::of("abc".to_owned()));
        assert_eq!(truncate("ab cd", 3), Outcome::noted("ab".to_owned(), "TEXT_TRUNCATED"));
        assert_eq!(truncate("ab👨‍👩‍👧", 4), Outcome::noted("ab".to_owned(), "TEXT_TRUNCATED"));
    }
}
