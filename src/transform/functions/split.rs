//! Several values written in one cell.

use std::borrow::Cow;

use serde_json::Value;

use super::json::{self, Freed};
use super::kernel::Outcome;
use super::text::{clean_line, fold_key, trim};

/// How a cell separates its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separators {
    /// JSON array, quotes, `|`, `;`, ` / `, `,`: the first that is present splits, the others do not.
    All,
    /// Only `|` and `;`, since names hold commas.
    People,
}

impl Separators {
    pub(super) fn named(name: Option<&str>) -> Self {
        if name == Some("people") { Self::People } else { Self::All }
    }
}

/// The values of one cell, each as a clean line, without blanks and placeholders, in their order (dirt D28, rulings A11).
/// D03 speaks of the whole string: a placeholder among other values is left out without a warning.
pub(super) fn split(cell: &str, separators: Separators) -> Vec<String> {
    let cell = trim(cell);
    if let Some(items) = json_array(cell) {
        return kept(items.iter().map(String::as_str));
    }
    let between: &[char] = if separators == Separators::All { &[',', ';'] } else { &[';', '|'] };
    let cell = match quoted(cell, between).as_deref() {
        Some([inner]) => inner.clone(),
        Some(items) => return kept(items.iter().map(String::as_str)),
        _ => cell.to_owned(),
    };
    let known: &[&str] = match separators {
        Separators::All => &["|", ";", " / ", ","],
        Separators::People => &["|", ";"],
    };
    match known.iter().find(|separator| cell.contains(**separator)) {
        Some(separator) => kept(cell.split(separator)),
        None => kept(std::iter::once(cell.as_str())),
    }
}

fn kept<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    items.filter_map(|item| clean_line(item).value).map(Cow::into_owned).collect()
}

fn json_array(cell: &str) -> Option<Vec<String>> {
    if !(cell.starts_with('[') && cell.ends_with(']')) {
        return None;
    }
    match json::parse(cell)? {
        (Value::Array(items), mut freed) => {
            Some(items.iter().filter_map(|item| scalar_text(item, &mut freed)).collect())
        }
        _ => None,
    }
}

fn scalar_text(value: &Value, freed: &mut Freed) -> Option<String> {
    match value {
        Value::String(text) => Some(freed.text(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The quoted texts of a cell that consists of them, with one of the separators between; `""` inside stands for one quote.
fn quoted(cell: &str, between: &[char]) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = cell;
    loop {
        let mut item = String::new();
        rest = rest.strip_prefix('"')?;
        loop {
            let (part, behind) = rest.split_once('"')?;
            item.push_str(part);
            rest = behind;
            match rest.strip_prefix('"') {
                Some(behind) => {
                    item.push('"');
                    rest = behind;
                }
                None => break,
            }
        }
        items.push(item);
        if trim(rest).is_empty() {
            return Some(items);
        }
        rest = trim(trim(rest).strip_prefix(between)?);
    }
}

/// The names in a JSON document: an array of texts or of objects with `name` and perhaps `role` (then `Name (role)`), one
/// such object, or a text of names. A number is its digits. What is no JSON is read as a text of names. Of U+0000 and halves of
/// surrogate pairs the names are freed, with a warning (dirt D41).
pub(super) fn names(json: &str) -> Outcome<Vec<String>> {
    let (document, mut freed) =
        json::parse(json).map_or((None, Freed::default()), |(document, freed)| (Some(document), freed));
    let names: Vec<String> = match document {
        Some(Value::Array(items)) => items.iter().filter_map(|item| name(item, &mut freed)).collect(),
        Some(Value::String(text)) => split(&freed.text(&text), Separators::People),
        Some(value @ Value::Object(_)) => name(&value, &mut freed).into_iter().collect(),
        Some(_) => Vec::new(),
        None => split(json, Separators::People),
    };
    Outcome { value: (!names.is_empty()).then_some(names), warning: freed.warning() }
}

fn name(value: &Value, freed: &mut Freed) -> Option<String> {
    let mut line = |value: &Value| match value {
        Value::String(text) => clean_line(&freed.text(text)).value.map(Cow::into_owned),
        Value::Number(digits) => Some(digits.to_string()),
        _ => None,
    };
    match value {
        Value::Object(fields) => {
            let name = line(fields.get("name")?)?;
            Some(match fields.get("role").and_then(&mut line) {
                Some(role) => format!("{name} ({role})"),
                None => name,
            })
        }
        other => line(other),
    }
}

/// The uses that a file of an asset may have, in the order of their list.
const USES: [&str; 5] = ["SOURCE", "MEZZANINE", "PROXY", "THUMBNAIL", "THUMBNAIL_VIDEO"];

/// The set of uses that a cell names; what is none of them is left out (dirt D69).
pub(super) fn uses(cell: &str) -> Vec<&'static str> {
    let spelled = |item: &str| fold_key(item).replace([' ', '-'], "_");
    let named: Vec<String> = split(cell, Separators::All).iter().map(|item| spelled(item)).collect();
    USES.into_iter().filter(|known| named.iter().any(|item| item.eq_ignore_ascii_case(known))).collect()
}

/// The items that differ by more than case and blanks at their ends, each in its first spelling. Full width and ligatures
/// tell items apart: values keep them (dirt D28, D37).
pub(super) fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    items.filter(|item| seen.insert(trim(item).to_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_present_splits() {
        for (raw, expected) in [
            ("|A|B|", vec!["A", "B"]),
            ("A, B", vec!["A", "B"]),
            ("A;B", vec!["A", "B"]),
            ("A / B", vec!["A", "B"]),
            ("[\"A\",\"B\"]", vec!["A", "B"]),
            ("\"charity,person\"", vec!["charity", "person"]),
            ("\"a, b\",\"c\"", vec!["a, b", "c"]),
            ("\"say \"\"hi\"\"\"", vec!["say \"hi\""]),
            ("[\"A\", 7, null, \"n/a\"]", vec!["A", "7"]),
            ("[\"A\\ud83d\"]", vec!["A\u{FFFD}"]),
            ("[A", vec!["[A"]),
            ("A | e\u{301}  f\u{1}", vec!["A", "é f"]),
            ("A; B, C", vec!["A", "B, C"]),
            ("on/off", vec!["on/off"]),
            ("  ", vec![]),
            ("null", vec![]),
        ] {
            assert_eq!(split(raw, Separators::All), expected, "{raw}");
        }
        assert_eq!(split("Smith, John; Null, Jack", Separators::People), ["Smith, John", "Null, Jack"]);
        assert_eq!(split("Ann Null | Null", Separators::People), ["Ann Null"]);
        assert_eq!(split("\"Smith, John\"", Separators::People), ["Smith, John"]);
        assert_eq!(split("\"Smith, John\"; \"Doe, Jane\"", Separators::People), ["Smith, John", "Doe, Jane"]);
    }

    #[test]
    fn names_are_read_from_json() {
        for (json, expected, warning) in [
            (r#"["Ann Lee","Smith, John"]"#, vec!["Ann Lee", "Smith, John"], None),
            (r#"[{"name":"Ann","role":"Host"},{"name":"Bo"}]"#, vec!["Ann (Host)", "Bo"], None),
            (r#""A; B""#, vec!["A", "B"], None),
            (r#"{"name": "Ann", "role": ""}"#, vec!["Ann"], None),
            (r#"{"name": "Ann", "name": "Bo"}"#, vec!["Bo"], None),
            ("A; B", vec!["A", "B"], None),
            // numbers and words that are none are kept as texts, in all their digits
            (
                r#"["A", 1234567890123456789012345678901234567890, NaN]"#,
                vec!["A", "1234567890123456789012345678901234567890", "NaN"],
                None,
            ),
            (r#"["A\ud83d", "N/A", {"role": "Host"}, 1]"#, vec!["A\u{FFFD}", "1"], Some("SURROGATE_REPLACED")),
            (r#"[{"name": "Ann", "role": "H\u0000ost"}]"#, vec!["Ann (Host)"], Some("NUL_REMOVED")),
            (r#"[{"name": "Ann", "id": "\u0000"}]"#, vec!["Ann"], None),
            (r#""A\ude00; B\u0000""#, vec!["A\u{FFFD}", "B"], Some("NUL_REMOVED SURROGATE_REPLACED")),
        ] {
            let value = Some(expected.into_iter().map(str::to_owned).collect());
            assert_eq!(names(json), Outcome { value, warning }, "{json}");
        }
        assert_eq!(names("null"), Outcome::ABSENT);
        assert_eq!(names(r#"["\u0000"]"#), Outcome { value: None, warning: Some("NUL_REMOVED") });
    }

    #[test]
    fn the_first_spelling_is_kept() {
        assert_eq!(distinct(["Cat", "dog", "CAT", "cat "].into_iter()), ["Cat", "dog"]);
        assert_eq!(
            distinct(["TV", "\u{ff34}\u{ff36}", "\u{ff54}\u{ff36}", "tv"].into_iter()),
            ["TV", "\u{ff34}\u{ff36}"]
        );
    }

    #[test]
    fn uses_are_a_set_of_known_ones() {
        for (raw, expected) in [
            ("|SOURCE|MEZZANINE|", vec!["SOURCE", "MEZZANINE"]),
            ("Source", vec!["SOURCE"]),
            ("source,proxy", vec!["SOURCE", "PROXY"]),
            ("THUMBNAIL VIDEO", vec!["THUMBNAIL_VIDEO"]),
            ("|PROXY|SOURCE|proxy|", vec!["SOURCE", "PROXY"]),
            ("unknown", vec![]),
        ] {
            assert_eq!(uses(raw), expected, "{raw}");
        }
    }
}
