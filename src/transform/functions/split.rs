//! Several values written in one cell.

use super::text::{fold_key, is_placeholder, trim};

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

/// The values of one cell, trimmed, without blanks and placeholders, in their order.
pub(super) fn split(cell: &str, separators: Separators) -> Vec<String> {
    let cell = trim(cell);
    if let Some(items) = json_array(cell) {
        return kept(items.iter().map(String::as_str));
    }
    let cell = match cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) if separators == Separators::All && !inner.contains('"') => inner,
        _ => cell,
    };
    let known: &[&str] = match separators {
        Separators::All => &["|", ";", " / ", ","],
        Separators::People => &["|", ";"],
    };
    match known.iter().find(|separator| cell.contains(**separator)) {
        Some(separator) => kept(cell.split(separator)),
        None => kept(std::iter::once(cell)),
    }
}

fn kept<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    items.map(trim).filter(|item| !item.is_empty() && !is_placeholder(item)).map(str::to_owned).collect()
}

fn json_array(cell: &str) -> Option<Vec<String>> {
    if !(cell.starts_with('[') && cell.ends_with(']')) {
        return None;
    }
    serde_json::from_str(cell).ok()
}

/// The names in a JSON document: an array of texts or of objects with `name` and perhaps `role` (then `Name (role)`), one
/// such object, or a text of names. What is no JSON is read as a text of names.
pub(super) fn names(json: &str) -> Vec<String> {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::Array(items)) => items.iter().filter_map(name).collect(),
        Ok(serde_json::Value::String(text)) => split(&text, Separators::People),
        Ok(value @ serde_json::Value::Object(_)) => name(&value).into_iter().collect(),
        Ok(_) => Vec::new(),
        Err(_) => split(json, Separators::People),
    }
}

fn name(value: &serde_json::Value) -> Option<String> {
    let text = |value: Option<&serde_json::Value>| {
        value.and_then(|value| value.as_str()).map(trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    match value {
        serde_json::Value::Object(fields) => {
            let name = text(fields.get("name"))?;
            Some(text(fields.get("role")).map_or(name.clone(), |role| format!("{name} ({role})")))
        }
        other => text(Some(other)),
    }
}

/// The items that differ by their key, each in its first spelling.
pub(super) fn distinct<'a>(items: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    items.filter(|item| seen.insert(fold_key(item))).collect()
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
            ("A; B, C", vec!["A", "B, C"]),
            ("on/off", vec!["on/off"]),
            ("  ", vec![]),
            ("null", vec![]),
        ] {
            assert_eq!(split(raw, Separators::All), expected, "{raw}");
        }
        assert_eq!(split("Smith, John; Null, Jack", Separators::People), ["Smith, John", "Null, Jack"]);
    }

    #[test]
    fn names_are_read_from_json() {
        assert_eq!(names(r#"["Ann Lee","Smith, John"]"#), ["Ann Lee", "Smith, John"]);
        assert_eq!(names(r#"[{"name":"Ann","role":"Host"},{"name":"Bo"}]"#), ["Ann (Host)", "Bo"]);
        assert_eq!(names(r#""A; B""#), ["A", "B"]);
        assert!(names("null").is_empty());
    }

    #[test]
    fn the_first_spelling_is_kept() {
        assert_eq!(distinct(["Cat", "dog", "CAT", "cat "].into_iter()), ["Cat", "dog"]);
    }
}
