//! Whether a text is a misspelling of a term.

use arrow::datatypes::DataType::Utf8;
use datafusion::logical_expr::ScalarUDF;
use unicode_script::{Script, UnicodeScript};

use super::kernel::of_texts;
use super::text::fold_key;

/// Folded texts shorter than this are too often one edit from another word (dirt D33, rulings A08).
const SHORTEST: usize = 6;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![of_texts("within_one_edit", &[Utf8, Utf8], |row| Some(within_one_edit(row.text(0)?, row.text(1)?)))]
}

/// Whether one insertion, deletion, replacement or exchange of neighbours (optimal string alignment) at most lies between
/// a raw value and a term, both folded. Never where the value is short or holds letters of a script that the term has
/// none of: look-alikes are unknown (rulings A26).
fn within_one_edit(raw: &str, term: &str) -> bool {
    let (raw, term) = (fold_key(raw), fold_key(term));
    let length = raw.chars().count();
    length >= SHORTEST
        && length.abs_diff(term.chars().count()) <= 1
        && !foreign_script(&raw, &term)
        && strsim::osa_distance(&raw, &term) <= 1
}

fn foreign_script(raw: &str, term: &str) -> bool {
    let script = |character: char| Some(character.script()).filter(|script| !is_shared(*script));
    raw.chars().filter_map(script).any(|own| !term.chars().filter_map(script).any(|known| known == own))
}

/// Digits, signs and marks belong to every script.
fn is_shared(script: Script) -> bool {
    matches!(script, Script::Common | Script::Inherited | Script::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_edit_is_near_enough_in_long_words_of_one_script() {
        for (raw, term) in [
            ("Epsiode", "Episode"),
            ("EPISODE ", "Episode"),
            ("Promo.", "Promo"),
            ("Appproved", "Approved"),
            ("Aproved", "Approved"),
            ("Mini Series", "Mini-Series"),
            ("Ｅｐｉｓｏｄｅｓ", "Episode"),
        ] {
            assert!(within_one_edit(raw, term), "{raw}");
        }
        for (raw, term) in [
            ("Pormo", "Promo"),
            ("Epsidoe", "Episode"),
            ("\u{410}pproved", "Approved"),
            ("\u{420}romos", "Promo"),
            ("Foo", "Film"),
            ("", ""),
        ] {
            assert!(!within_one_edit(raw, term), "{raw}");
        }
    }
}
