//! Numbers and booleans as text (D53 to D56).

use super::super::super::Told;
use super::super::dice::Dice;
use super::super::layout::Layout;
use super::super::{Value, text};

/// D54: an integer as text; the clean form is its digits.
pub fn integer(layout: &Layout, dice: Dice, k: u64, number: u64) -> Value {
    let _ = (layout, dice, k);
    text(number.to_string())
}

/// D53: a truth value as text; the clean form is `true` or `false`.
pub fn boolean(layout: &Layout, dice: Dice, k: u64, truth: bool) -> Value {
    const TRUE: [&str; 8] = ["TRUE", "true", "Y", "yes", "1", "t", "T", "✓"];
    const FALSE: [&str; 8] = ["FALSE", "false", "N", "No", "0", "f", "F", "no"];
    if layout.dirt == 0.0 {
        return Told::clean(if truth { "true" } else { "false" }, truth).into();
    }
    if dice.chance(k, layout.dirty(20_000)) {
        return Told::dropped("D53", "maybe", "INVALID_BOOLEAN").into();
    }
    if dice.chance(k + 1, layout.dirty(20_000)) {
        return Told::normalised("D53", "", serde_json::Value::Null).into();
    }
    Told::normalised("D53", dice.pick(k + 2, if truth { &TRUE } else { &FALSE }), truth).into()
}
