//! Plain text: trimming, control characters, placeholders, keys for comparison, limits of length.

use std::borrow::Cow;

use arrow::datatypes::DataType::{Int64, Utf8};
use datafusion::logical_expr::ScalarUDF;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_segmentation::GraphemeCursor;

use super::kernel::{self, Outcome, Row, Text, text_outcome, written};

/// What people type where they have nothing to say, folded.
const PLACEHOLDERS: [&str; 7] = ["null", "n/a", "-", "tbd", "untitled", "none", "(blank)"];

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        text_outcome("clean_line", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, clean_line)),
        text_outcome("clean_title", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, clean_title)),
        text_outcome("clean_text", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, clean_text)),
        kernel::text("squeeze", &[Utf8], |row| row.text(0).map(squeeze).filter(|text| !text.is_empty())),
        written("fold_key", &[Utf8], |row, out| {
            if let Some(text) = row.text(0) {
                fold_into(text, out);
            }
        }),
        text_outcome("truncate_text", &[Utf8, Int64], |row| {
            row.text(0).map_or(Outcome::ABSENT, |text| truncate(text, limit(row)))
        }),
        text_outcome("truncate_bytes", &[Utf8, Int64], |row| {
            row.text(0).map_or(Outcome::ABSENT, |text| truncate_bytes(text, limit(row)))
        }),
    ]
}

/// The second argument as a limit; without one there is none.
fn limit(row: &Row) -> usize {
    row.text(1).and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX)
}

/// White space of Unicode, and the blanks of no width that it leaves out (rulings A07).
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{200B}' | '\u{2060}' | '\u{FEFF}')
}

/// The text without blanks of any kind at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Whether the whole text is a word for "nothing", in any case (dirt D03, rulings A05).
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = trim(text);
    text.len() <= 10 && PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(text))
}

/// Runs of white space as one blank, none at the ends; nothing else is changed.
fn squeeze(text: &str) -> Text<'_> {
    let outer = text.trim();
    let mut before = false;
    let is_single = outer.bytes().all(|byte| {
        let doubled = before && byte == b' ';
        before = byte == b' ';
        !doubled && byte.is_ascii() && !matches!(byte, b'\t'..=b'\r')
    });
    if is_single {
        return Cow::Borrowed(outer);
    }
    let mut line = String::with_capacity(outer.len());
    for word in outer.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    Cow::Owned(line)
}

/// One line: NFC, controls removed, line breaks and runs of blanks as one blank, trimmed; a placeholder is no value.
pub(super) fn clean_line(text: &str) -> Outcome<Text<'_>> {
    let line = line(text);
    match &line.value {
        Some(value) if is_placeholder(value) => Outcome::dropped("PLACEHOLDER_DROPPED"),
        _ => line,
    }
}

/// A line that may be the title `None`, in this case (rulings A05).
fn clean_title(text: &str) -> Outcome<Text<'_>> {
    let line = line(text);
    match &line.value {
        Some(value) if is_placeholder(value) && value != "None" => Outcome::dropped("PLACEHOLDER_DROPPED"),
        _ => line,
    }
}

fn line(text: &str) -> Outcome<Text<'_>> {
    let trimmed = trim(text);
    if is_plain(trimmed, false) && !trimmed.contains("  ") && !loses_control(text, trimmed) {
        return stated(Cow::Borrowed(trimmed), None);
    }
    let cleaned = Cleaned::of(text, false);
    let mut line = String::with_capacity(cleaned.text.len());
    for character in trim(&cleaned.text).chars() {
        match character {
            ' ' | '\t' | '\n' if line.ends_with(' ') => {}
            '\t' | '\n' => line.push(' '),
            other => line.push(other),
        }
    }
    stated(Cow::Owned(line), cleaned.warning())
}

/// Text of many lines: NFC, controls removed, line breaks as LF, trimmed; a placeholder is no value.
pub(super) fn clean_text(text: &str) -> Outcome<Text<'_>> {
    let trimmed = trim(text);
    if is_placeholder(trimmed) {
        return Outcome::dropped("PLACEHOLDER_DROPPED");
    }
    if is_plain(trimmed, true) && !loses_control(text, trimmed) {
        return stated(Cow::Borrowed(trimmed), None);
    }
    let cleaned = Cleaned::of(text, true);
    match trim(&cleaned.text) {
        placeholder if is_placeholder(placeholder) => Outcome::dropped("PLACEHOLDER_DROPPED"),
        kept => stated(Cow::Owned(kept.to_owned()), cleaned.warning()),
    }
}

fn stated<'a>(text: Text<'a>, warning: Option<&'static str>) -> Outcome<Text<'a>> {
    if text.is_empty() { Outcome::ABSENT } else { Outcome { value: Some(text), warning } }
}

/// The embedding, override and isolate marks of the bidirectional algorithm (rulings A35).
fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether trimming takes a control with it, which is to be told: some are white space.
pub(super) fn loses_control(text: &str, trimmed: &str) -> bool {
    trimmed.len() < text.len() && text.contains(['\u{B}', '\u{C}', '\u{FEFF}'])
}

/// What [`Cleaned::of`] changes, and byte order marks.
fn is_control(character: char) -> bool {
    matches!(character, '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}

/// Whether a text is NFC and holds nothing to take out, but perhaps tabs and line feeds where there may be many lines.
fn is_plain(text: &str, many_lines: bool) -> bool {
    if text.is_ascii() {
        return text.bytes().all(|byte| matches!(byte, b' '..=b'~') || (many_lines && matches!(byte, b'\n' | b'\t')));
    }
    let odd = |character: char| {
        let kept = many_lines && (matches!(character, '\n' | '\t') || is_bidi_control(character));
        !kept && (is_control(character) || is_bidi_control(character))
    };
    !text.chars().any(odd) && is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// A text freed of controls: NFC; line ends (CRLF, CR, all of C1, U+2028, U+2029: rulings A13) as LF; other controls and
/// byte order marks removed (dirt D39), and the marks of bidirectional text unless they are to stay (dirt D36).
pub(super) struct Cleaned {
    pub(super) text: String,
    controls: bool,
    bidi: bool,
}

impl Cleaned {
    pub(super) fn of(text: &str, keep_bidi: bool) -> Self {
        let (mut controls, mut bidi, mut after_return) = (false, false, false);
        let kept = text.chars().filter_map(|character| {
            let after = std::mem::replace(&mut after_return, character == '\r');
            match character {
                '\n' if after => None,
                '\t' | '\n' => Some(character),
                '\r' | '\u{80}'..='\u{9F}' | '\u{2028}' | '\u{2029}' => Some('\n'),
                '\0'..='\u{1F}' | '\u{7F}' | '\u{FEFF}' => {
                    controls = true;
                    None
                }
                mark if !keep_bidi && is_bidi_control(mark) => {
                    bidi = true;
                    None
                }
                other => Some(other),
            }
        });
        let mut out = String::with_capacity(text.len());
        out.extend(kept.nfc());
        Self { text: out, controls, bidi }
    }

    pub(super) fn warning(&self) -> Option<&'static str> {
        match (self.controls, self.bidi) {
            (true, true) => Some("CONTROL_REMOVED BIDI_REMOVED"),
            (true, false) => Some("CONTROL_REMOVED"),
            (false, true) => Some("BIDI_REMOVED"),
            (false, false) => None,
        }
    }
}

/// A key under which spellings of one term meet: NFKC, case folded, trimmed, inner runs of blanks as one (dirt D33).
pub(super) fn fold_key(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

/// Appends the key of a text.
pub(super) fn fold_into(text: &str, out: &mut String) {
    let start = out.len();
    let mut pending = false;
    let mut push = |character: char| {
        if character.is_whitespace() {
            pending = true;
        } else {
            if std::mem::take(&mut pending) && out.len() > start {
                out.push(' ');
            }
            out.push(character);
        }
    };
    let trimmed = trim(text);
    if trimmed.is_ascii() {
        trimmed.chars().for_each(|character| push(character.to_ascii_lowercase()));
    } else {
        // NFKC may leave blanks at the ends that were none before, and lower case what is not NFKC
        let folded: String = trimmed.nfkc().flat_map(fold_case).nfkc().collect();
        trim(&folded).chars().for_each(push);
    }
}

/// Lower case, and the two letters whose case folding differs from it in what people write.
fn fold_case(character: char) -> impl Iterator<Item = char> {
    let (first, second) = match character {
        'ß' | 'ẞ' => (Some('s'), Some('s')),
        'ς' => (Some('σ'), None),
        _ => (None, None),
    };
    let lower = first.is_none().then(|| character.to_lowercase()).into_iter().flatten();
    first.into_iter().chain(second).chain(lower)
}

/// At most `limit` code points, cut at the last grapheme boundary before, without blanks at the end (rulings A06).
fn truncate(text: &str, limit: usize) -> Outcome<Text<'_>> {
    if text.len() <= limit {
        return Outcome::of(Cow::Borrowed(text));
    }
    match text.char_indices().nth(limit) {
        Some((end, _)) => cut(text, end),
        None => Outcome::of(Cow::Borrowed(text)),
    }
}

/// At most `limit` bytes of UTF-8, cut likewise (dirt D42).
fn truncate_bytes(text: &str, limit: usize) -> Outcome<Text<'_>> {
    if text.len() <= limit { Outcome::of(Cow::Borrowed(text)) } else { cut(text, text.floor_char_boundary(limit)) }
}

/// The text up to the last grapheme boundary that is not behind `end`; one grapheme longer than that is cut inside.
fn cut(text: &str, end: usize) -> Outcome<Text<'_>> {
    let mut cursor = GraphemeCursor::new(end, text.len(), true);
    let boundary = match cursor.is_boundary(text, 0) {
        Ok(true) => end,
        _ => cursor.prev_boundary(text, 0).ok().flatten().filter(|boundary| *boundary > 0).unwrap_or(end),
    };
    let cut = text.get(..boundary).unwrap_or_default().trim_end_matches(is_blank);
    Outcome { value: Some(Cow::Borrowed(cut)).filter(|cut| !cut.is_empty()), warning: Some("TEXT_TRUNCATED") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_squeezed() {
        for (raw, squeezed) in [
            ("a b", "a b"),
            ("  a \t b\r\nc  ", "a b c"),
            ("é\u{2003}\u{a0}x", "é x"),
            ("a  b", "a b"),
            ("", ""),
            (" \n ", ""),
        ] {
            assert_eq!(squeeze(raw), squeezed, "{raw:?}");
        }
    }

    #[test]
    fn a_line_is_trimmed_and_its_blanks_collapse() {
        for (raw, expected) in [
            ("  Silent  Harbor\t", Some("Silent Harbor")),
            ("Silent\r\nHarbor", Some("Silent Harbor")),
            ("a\u{85}b\u{2028}c\u{2029}d\re", Some("a b c d e")),
            ("a\u{A0}b", Some("a\u{A0}b")),
            ("\u{A0}\u{200B}\u{FEFF}", None),
            ("\u{A0}a\u{200B}", Some("a")),
            ("", None),
            ("e\u{301}t\u{E9}", Some("\u{E9}t\u{E9}")),
            ("ﬁn Ｆull", Some("ﬁn Ｆull")),
            ("👨‍👩‍👧 🇩🇪 👍🏽", Some("👨‍👩‍👧 🇩🇪 👍🏽")),
            ("a\u{FFFD}b", Some("a\u{FFFD}b")),
            ("50 ‰ ‹x›", Some("50 ‰ ‹x›")),
            (r"\u0000 \0 %00 ^@ \ '", Some(r"\u0000 \0 %00 ^@ \ '")),
            ("${jndi:ldap://x} =cmd() {{7*7}}", Some("${jndi:ldap://x} =cmd() {{7*7}}")),
        ] {
            let expected = Outcome { value: expected.map(Cow::Borrowed), warning: None };
            assert_eq!(clean_line(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn what_is_taken_out_is_told() {
        for (raw, value, warning) in [
            ("a\u{1}b\u{7F}", "ab", Some("CONTROL_REMOVED")),
            ("\u{FEFF}a b", "a b", Some("CONTROL_REMOVED")),
            ("a\u{B}", "a", Some("CONTROL_REMOVED")),
            ("a\u{202A}b\u{1}", "ab", Some("CONTROL_REMOVED BIDI_REMOVED")),
            ("a\u{2066}b", "ab", Some("BIDI_REMOVED")),
            // what a control parted joins to one character
            ("e\u{1}\u{301}", "\u{E9}", Some("CONTROL_REMOVED")),
        ] {
            assert_eq!(clean_line(raw), Outcome { value: Some(Cow::Borrowed(value)), warning }, "{raw:?}");
        }
        assert_eq!(clean_text("a\u{202A}b"), Outcome::of(Cow::Borrowed("a\u{202A}b")));
        assert_eq!(clean_line("\u{1}\u{2}"), Outcome::ABSENT);
        assert_eq!(clean_text(" a\r\n  b\u{2028}\tc\u{85}").value.as_deref(), Some("a\n  b\n\tc"));
    }

    #[test]
    fn placeholders_are_no_values() {
        for raw in ["null", "NULL", "N/A", "n/a", "-", "TBD", " Untitled ", "none", "None", "(blank)", "\u{1}null"] {
            assert_eq!(clean_line(raw), Outcome::dropped("PLACEHOLDER_DROPPED"), "{raw:?}");
            assert_eq!(clean_text(raw), Outcome::dropped("PLACEHOLDER_DROPPED"), "{raw:?}");
        }
        for raw in ["Null, Jack", "None of us", "--", "NA"] {
            assert_eq!(clean_line(raw).value.as_deref(), Some(raw));
        }
        assert_eq!(clean_title(" None ").value.as_deref(), Some("None"));
        assert_eq!(clean_title("none"), Outcome::dropped("PLACEHOLDER_DROPPED"));
    }

    #[test]
    fn keys_meet() {
        for (raw, expected) in [
            (" Mini-\u{FF33}eries \u{A0} X ", "mini-series x"),
            ("EPISODE", "episode"),
            ("episode\u{200B} ", "episode"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ΣΟΦΟΣ", "σοφοσ"),
            ("Σοφος", "σοφοσ"),
            ("\u{200B}", ""),
        ] {
            assert_eq!(fold_key(raw), expected, "{raw:?}");
        }
        assert_ne!(fold_key("\u{420}romo"), fold_key("Promo"));
    }

    #[test]
    fn long_text_is_cut_between_graphemes() {
        assert_eq!(truncate("abc", 3), Outcome::of(Cow::Borrowed("abc")));
        assert_eq!(truncate("äöü", 3), Outcome::of(Cow::Borrowed("äöü")));
        assert_eq!(truncate("ab cd", 3), Outcome::noted(Cow::Borrowed("ab"), "TEXT_TRUNCATED"));
        assert_eq!(truncate("ab👨‍👩‍👧", 4), Outcome::noted(Cow::Borrowed("ab"), "TEXT_TRUNCATED"));
        assert_eq!(truncate("e\u{301}e\u{301}", 3), Outcome::noted(Cow::Borrowed("e\u{301}"), "TEXT_TRUNCATED"));
        assert_eq!(truncate("👨‍👩‍👧", 3).value.as_deref(), Some("👨\u{200D}👩"));
        let emoji = "👍".repeat(255);
        assert_eq!(truncate(&emoji, 255), Outcome::of(Cow::Borrowed(emoji.as_str())));
        assert_eq!(truncate_bytes("aéé", 4), Outcome::noted(Cow::Borrowed("aé"), "TEXT_TRUNCATED"));
        assert_eq!(truncate_bytes("aé", 3), Outcome::of(Cow::Borrowed("aé")));
    }
}
