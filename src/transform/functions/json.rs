//! Values out of JSON that PostgreSQL's `json` takes and stricter readers refuse.

use std::borrow::Cow;

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use serde_json::Value;

use super::kernel::{Outcome, of_texts};
use super::split::names;

/// What may stand for half of a surrogate pair until a value is picked: code points that are never characters, of which
/// one is taken that the document does not hold.
const STAND_INS: std::ops::RangeInclusive<char> = '\u{FDD0}'..='\u{FDEF}';

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        of_texts("json_text", &[Utf8, Utf8], |row| match row.text(0) {
            Some(json) => json_text(json, row.text(1).unwrap_or_default()),
            None => Outcome::ABSENT,
        }),
        of_texts("json_names", &[Utf8], |row| row.text(0).map_or(Outcome::ABSENT, names)),
    ]
}

/// The value at a path of names and indices, `cast.0.name`, as text: a text as it is, numbers in all their digits, objects
/// and arrays as JSON; the whole document for an empty path. No value where there is none, or JSON's null, or where the text
/// is no JSON at all. Of U+0000 and halves of surrogate pairs the value is freed, with a warning (dirt D41).
fn json_text(json: &str, path: &str) -> Outcome<Cow<'static, str>> {
    let Some((document, mut freed)) = parse(json) else { return Outcome::ABSENT };
    let mut found = Some(&document);
    for step in path.split('.').filter(|step| !step.is_empty()) {
        found = match found {
            Some(Value::Object(fields)) => fields.get(step),
            Some(Value::Array(items)) => step.parse().ok().and_then(|place: usize| items.get(place)),
            _ => None,
        };
    }
    let text = match found {
        None | Some(Value::Null) => return Outcome::ABSENT,
        Some(Value::String(text)) => freed.text(text),
        Some(other) => freed.value(other).to_string(),
    };
    Outcome { value: (!text.is_empty()).then_some(Cow::Owned(text)), warning: freed.warning() }
}

/// What the values that were read were freed of, and what stands in their document for halves of surrogate pairs.
#[derive(Debug, Default)]
pub(super) struct Freed {
    stand_in: Option<char>,
    nul: bool,
    surrogate: bool,
}

impl Freed {
    pub(super) fn warning(&self) -> Option<&'static str> {
        match (self.nul, self.surrogate) {
            (true, true) => Some("NUL_REMOVED SURROGATE_REPLACED"),
            (true, false) => Some("NUL_REMOVED"),
            (false, true) => Some("SURROGATE_REPLACED"),
            (false, false) => None,
        }
    }

    /// A text of a parsed document without U+0000 and without what was put in for halves of surrogate pairs.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.nul |= text.contains('\0');
        let text = text.replace('\0', "");
        match self.stand_in.filter(|stand_in| text.contains(*stand_in)) {
            Some(stand_in) => {
                self.surrogate = true;
                text.replace(stand_in, "\u{FFFD}")
            }
            None => text,
        }
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, value)| (self.text(name), self.value(value))).collect(),
            other => other.clone(),
        }
    }
}

/// A document, and what will tell of what its values are freed of; of a name that occurs twice in an object the last value
/// counts. None where it cannot be read.
pub(super) fn parse(json: &str) -> Option<(Value, Freed)> {
    if let Ok(document) = serde_json::from_str(json) {
        return Some((document, Freed::default()));
    }
    let stand_in = stand_in(json);
    let document = serde_json::from_str(&readable(json, stand_in)).ok()?;
    Some((document, Freed { stand_in: Some(stand_in), ..Freed::default() }))
}

/// A code point that the document holds neither as it is nor escaped; U+FFFD if it holds them all.
fn stand_in(json: &str) -> char {
    let lower = json.to_ascii_lowercase();
    let free =
        |stand_in: &char| !lower.contains(*stand_in) && !lower.contains(&format!("\\u{:04x}", u32::from(*stand_in)));
    STAND_INS.into_iter().find(free).unwrap_or('\u{FFFD}')
}

/// The document with what JSON forbids made readable: halves of surrogate pairs as a stand-in, and words and numbers that
/// are none (`NaN`, `1.`, `007`) as texts.
fn readable(json: &str, stand_in: char) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let length = string_length(rest);
                push_string(rest.get(..length).unwrap_or_default(), stand_in, &mut out);
                length
            }
            '{' | '}' | '[' | ']' | ',' | ':' | ' ' | '\t' | '\n' | '\r' => {
                out.push(first);
                1
            }
            _ => {
                let ends = |character: char| {
                    matches!(character, '"' | '{' | '}' | '[' | ']' | ',' | ':') || character.is_whitespace()
                };
                let length = rest.find(ends).unwrap_or(rest.len()).max(first.len_utf8());
                push_bare(rest.get(..length).unwrap_or_default(), &mut out);
                length
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// A word or number outside of strings: as it is where JSON knows it, else as a string.
fn push_bare(bare: &str, out: &mut String) {
    match serde_json::from_str::<Value>(bare) {
        Ok(_) => out.push_str(bare),
        Err(_) => out.push_str(&Value::from(bare).to_string()),
    }
}

/// The bytes of a string literal with both its quotes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// A string literal, in which each `\u` of half a pair is replaced.
fn push_string(literal: &str, stand_in: char, out: &mut String) {
    let mut rest = literal;
    while let Some(place) = rest.find('\\') {
        out.push_str(rest.get(..place).unwrap_or_default());
        rest = rest.get(place..).unwrap_or_default();
        let length = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push(stand_in);
                rest = rest.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            // any other escape is two characters of ASCII, or no JSON
            (None, _) => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
        };
        out.push_str(rest.get(..length).unwrap_or_default());
        rest = rest.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The UTF-16 unit that an escape at the start of the text gives.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_picked_as_text() {
        let json = r#"{"a": "x", "n": 1.50, "big": 1234567890123456789012345678901234567890, "t": true, "z": null,
            "l": [{"name": "Ann"}, 2], "a": "y", "e": ""}"#;
        for (path, expected) in [
            ("a", Some("y")),
            ("n", Some("1.50")),
            ("big", Some("1234567890123456789012345678901234567890")),
            ("t", Some("true")),
            ("z", None),
            ("e", None),
            ("missing", None),
            ("l.0.name", Some("Ann")),
            ("l.1", Some("2")),
            ("l.2", None),
            ("l.0", Some(r#"{"name":"Ann"}"#)),
            ("a.b", None),
        ] {
            assert_eq!(json_text(json, path).value.as_deref(), expected, "{path}");
        }
        assert_eq!(json_text(r#""whole""#, ""), Outcome::of("whole".into()));
        assert_eq!(json_text("no JSON", "a"), Outcome::ABSENT);
    }

    #[test]
    fn what_json_forbids_is_read_all_the_same() {
        for (json, expected, warning) in [
            (r#"{"a": "x\u0000y"}"#, "xy", Some("NUL_REMOVED")),
            (r#"{"a": "x\ud83dy"}"#, "x\u{FFFD}y", Some("SURROGATE_REPLACED")),
            (r#"{"a": "\ude00\u0000"}"#, "\u{FFFD}", Some("NUL_REMOVED SURROGATE_REPLACED")),
            (r#"{"a": "\ud83d\ude00 \ud83d"}"#, "😀 \u{FFFD}", Some("SURROGATE_REPLACED")),
            (r#"{"b": "\ud83d", "a": "untouched"}"#, "untouched", None),
            (r#"{"a": "\\u0000 \\ud83d", "b": "\ud83d"}"#, r"\u0000 \ud83d", None),
            // a code point that is never a character is data all the same
            ("{\"a\": \"x\u{FDD0}\"}", "x\u{FDD0}", None),
            ("{\"a\": \"x\u{FDD0}\", \"b\": NaN}", "x\u{FDD0}", None),
            ("{\"a\": \"\\ud83d\u{FDD0}\\uFDD1\"}", "\u{FFFD}\u{FDD0}\u{FDD1}", Some("SURROGATE_REPLACED")),
            (r#"{"a": NaN}"#, "NaN", None),
            (r#"{"a": -Infinity, "b": 007}"#, "-Infinity", None),
            (r#"{"a": 007}"#, "007", None),
            (r#"{"a": ["\u0000x", NaN]}"#, r#"["x","NaN"]"#, Some("NUL_REMOVED")),
        ] {
            assert_eq!(json_text(json, "a"), Outcome { value: Some(expected.into()), warning }, "{json}");
        }
        assert_eq!(json_text(r#"{"a": "\u0000"}"#, "a"), Outcome { value: None, warning: Some("NUL_REMOVED") });
    }
}
