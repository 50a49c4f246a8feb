//! Dates as text (D45, D46) and moments (D47, D48, D51, D52).

use super::super::dice::{Dice, date};
use super::super::layout::Layout;
use super::super::{Value, text};

/// D45, D46: a date as text in one of its forms, or one that is none. `moment` in seconds of the Unix epoch; the clean
/// form is ISO. Day-first forms come from source 12 only.
pub fn text_date(layout: &Layout, dice: Dice, k: u64, moment: u64, day_first: bool) -> Value {
    let _ = (layout, dice, k, day_first);
    text(date(moment))
}
