//! Numbers and booleans as text (D53 to D56).

use super::super::dice::Dice;
use super::super::layout::Layout;
use super::super::{Value, text};

/// D54: an integer as text; the clean form is its digits.
pub fn integer(layout: &Layout, dice: Dice, k: u64, number: u64) -> Value {
    let _ = (layout, dice, k);
    text(number.to_string())
}
