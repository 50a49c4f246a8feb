//! Which of the cells that a value may have come from hold it, judged by the value alone.
//!
//! A plan tells all cells that a value may be taken from: each struct of an array, each branch of a `coalesce`. The value
//! tells more: a cell that holds it was taken, one that holds another was not. Where cells hold the same, or the value was
//! computed, so that no cell holds it, this rule knows no more than the plan.

use std::collections::BTreeSet;

use serde_json::Value;

/// How a cell may hold a value, the closest first. A looser way counts only where no cell holds the value in a closer one.
const WAYS: [fn(&Text, &Text) -> bool; 3] = [
    |cell, wanted| cell.exact == wanted.exact,
    |cell, wanted| cell.has_words() && cell.words == wanted.words,
    |cell, wanted| wanted.has_words() && cell.words.contains(&wanted.words),
];

/// A text and its words: runs of letters or of digits in lower case, each between blanks.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text {
    exact: String,
    words: String,
}

impl Text {
    fn of(exact: String) -> Self {
        let mut words = " ".to_owned();
        let mut last = None;
        for c in exact.chars() {
            let kind = c.is_alphanumeric().then(|| c.is_numeric());
            if kind != last && !words.ends_with(' ') {
                words.push(' ');
            }
            if kind.is_some() {
                words.extend(c.to_lowercase());
            }
            last = kind;
        }
        if !words.ends_with(' ') {
            words.push(' ');
        }
        Self { exact, words }
    }

    fn has_words(&self) -> bool {
        !self.words.trim().is_empty()
    }
}

/// For each of `cells`, whether it is one that `values` came from; `None` when some value is in none of them, so that
/// nothing can be told. Lists and structs are of the values in them.
pub(super) fn holding(values: &[Value], cells: &[Value]) -> Option<Vec<bool>> {
    let wanted: BTreeSet<Text> = values.iter().flat_map(texts).collect();
    let cells: Vec<Vec<Text>> = cells.iter().map(texts).collect();
    let mut held = vec![false; cells.len()];
    for value in &wanted {
        let by = WAYS.iter().find(|way| cells.iter().flatten().any(|cell| way(cell, value)));
        let found: Vec<bool> = match by {
            Some(way) => cells.iter().map(|cell| cell.iter().any(|text| way(text, value))).collect(),
            None => parts(value, &cells)?,
        };
        held.iter_mut().zip(found).for_each(|(held, found)| *held |= found);
    }
    Some(held)
}

/// The cells that a value was put together from: those within it, if no word of it but single letters is left over.
fn parts(value: &Text, cells: &[Vec<Text>]) -> Option<Vec<bool>> {
    let is_part = |text: &&Text| text.has_words() && value.words.contains(&text.words);
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for cell in cells {
        let parts: Vec<&Text> = cell.iter().filter(is_part).collect();
        known.extend(parts.iter().flat_map(|part| part.words.split_whitespace()));
        found.push(!parts.is_empty());
    }
    let is_left = |word: &str| word.chars().nth(1).is_some() && !known.contains(word);
    (found.contains(&true) && !value.words.split_whitespace().any(is_left)).then_some(found)
}

/// The texts of a value: its own, or those in it.
fn texts(value: &Value) -> Vec<Text> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::String(text) => vec![Text::of(text.clone())],
        other => vec![Text::of(other.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn held(values: Value, cells: Value) -> Option<Vec<bool>> {
        let list = |value: Value| value.as_array().cloned().unwrap_or_default();
        holding(&list(values), &list(cells))
    }

    #[test]
    fn the_closest_way_counts_and_all_cells_that_hold_the_value_are_meant() {
        assert_eq!(
            held(json!(["NLD"]), json!(["nld", "NLD", "x", null, "NLD"])),
            Some(vec![false, true, false, false, true])
        );
        assert_eq!(held(json!(["A Tale"]), json!(["a_tale", "A Tale of Two"])), Some(vec![true, false]));
        assert_eq!(held(json!(["Tale"]), json!(["<p>Tale</p>", "Tales"])), Some(vec![true, false]));
    }

    #[test]
    fn lists_are_of_the_cells_that_hold_their_items() {
        assert_eq!(held(json!([["b", "c d"]]), json!(["a, b", "c d", "e"])), Some(vec![true, true, false]));
        assert_eq!(held(json!([["b", "z"]]), json!(["a, b", "c"])), None);
    }

    #[test]
    fn a_value_put_together_is_of_its_parts_if_they_are_all_of_it() {
        assert_eq!(held(json!(["1920x1080"]), json!([1920, 1080, "16:9"])), Some(vec![true, true, false]));
        assert_eq!(held(json!(["One two three"]), json!(["One", "two"])), None);
        assert_eq!(held(json!([15015]), json!(["00:00:15;15"])), None);
    }
}
