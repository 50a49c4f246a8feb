//! Vocabulary values (D33, D20, D34).

use super::super::dice::Dice;
use super::super::layout::Layout;
use super::super::{Value, label};

/// D33: a vocabulary value in one of its spellings, or one that is unknown. The clean form is the canonical value.
pub fn term(layout: &Layout, dice: Dice, k: u64, vocabulary: &'static str, canonical: &'static str) -> Value {
    let _ = (layout, dice, k, vocabulary);
    label(canonical)
}
