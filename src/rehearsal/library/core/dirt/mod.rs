//! Dirt, one function a kind (section 8 of the specification). Each draws numbers of its own, so the clean facts of a
//! row are the same whatever the dirt; rates are parts of a million at dirt level 1.
//!
//! A function that soils a cell gives a [`super::super::Told`]: the raw form and what it means. Draws for the dirt of
//! a column start at [`draws`]; a cell has one kind of dirt at most. `text` soils text, `name` titles, `term` vocabulary values,
//! `identity` types and versions,
//! `date` dates as text, `described` technical terms of picklists, `number` numbers and booleans as text, `media` technical values, `file` formats, names and
//! checksums; here are the kinds that concern whole rows: D19 (orphans), D50 (deleted), and
//! what is out of scope rather than wrong: derived promos and D58 (system and smart collections).

pub mod code;
pub mod date;
pub mod described;
pub mod file;
pub mod identity;
pub mod media;
pub mod name;
pub mod number;
mod spelling;
pub mod term;
pub mod text;

use super::super::{Disposition, Told};
use super::Value;
use super::dice::{Dice, instant};
use super::layout::{Layout, NOWHERE};
use super::{label, text};

/// The first draw number of dirt.
pub const DRAW: u64 = 3000;

/// Where the draws for the dirt of a column start: 32 for each, by the column's place among the stored columns (for
/// property values by the field's id).
pub fn draws(column: u64) -> u64 {
    4000 + 32 * column
}

/// What stands for a missing value though it is text (D03).
pub const PLACEHOLDERS: [&str; 9] = ["null", "NULL", "N/A", "n/a", "-", "TBD", "Untitled", "none", "(blank)"];

/// Blank text (D02).
pub const BLANKS: [&str; 5] = ["", "   ", "\u{a0}", "\u{200b}", "\u{1}\u{1f}"];

/// D19: whether a row's reference to its parent points nowhere.
pub fn orphan(layout: &Layout, dice: Dice, ppm: u64) -> bool {
    dice.chance(DRAW + 5, layout.dirty(ppm))
}

/// D19: an id that no row has.
pub fn nowhere(dice: Dice) -> u64 {
    NOWHERE + dice.below(DRAW + 6, 1_000_000)
}

/// D19: a reference to no row, for which a row is rejected.
pub fn lost(id: u64) -> Value {
    Told::kept("D19", Value::id(id), serde_json::Value::Null).disposed(Disposition::Rejected).into()
}

/// D19: a reference to no row, for which a row that nobody asks for is skipped and counted.
pub fn parentless(id: u64) -> Value {
    Told::kept("D19", Value::id(id), serde_json::Value::Null).and("ORPHAN_ROW").disposed(Disposition::Skipped).into()
}

/// D19: no reference where there must be one (rulings A48).
pub fn no_asset() -> Value {
    Told::kept("D19", Value::Null, serde_json::Value::Null).disposed(Disposition::Rejected).into()
}

/// D31: a reference to no row, for which a link is skipped.
pub fn missing(id: u64) -> Value {
    Told::kept("D31", Value::id(id), serde_json::Value::Null)
        .and("LINK_TARGET_MISSING")
        .disposed(Disposition::Skipped)
        .into()
}

/// D32: the preferred keyword of another, of which that one is the preferred one in turn.
pub fn circular(keyword: u64) -> Value {
    Told::kept("D32", Value::id(keyword), serde_json::Value::Null).and("SYNONYM_CYCLE").into()
}

/// D73: cached names of categories that are not those of the table.
pub fn category_cache(names: String) -> Value {
    Told::kept("D73", names, serde_json::Value::Null).into()
}

/// D50: the flag and, where a table has it, the time of deletion.
pub fn deleted(layout: &Layout, dice: Dice, ppm: u64) -> (Value, Value) {
    let at = |after| instant(dice.later(DRAW + 8, after));
    if dice.chance(DRAW + 7, layout.dirty(ppm)) {
        return deletion(Some(true), Some(&at(super::dice::NOW - 30_000_000)));
    }
    if dice.chance(DRAW + 9, layout.dirty(6_000)) {
        return deletion(None, None);
    }
    if dice.chance(DRAW + 10, layout.dirty(2_000)) {
        return deletion(Some(false), Some(&at(super::dice::NOW - 90_000_000)));
    }
    if dice.chance(DRAW + 11, layout.dirty(200)) {
        return deletion(Some(false), Some("infinity"));
    }
    deletion(Some(false), None)
}

/// D50: a flag and a time of deletion with what they mean: whether the row is deleted, and since when.
pub fn deletion(flag: Option<bool>, at: Option<&str>) -> (Value, Value) {
    let deleted = match flag {
        Some(true) => Told::kept("D50", true, true).disposed(Disposition::OutOfScope).into(),
        Some(false) => Value::Bool(false),
        None => Told::normalised("D50", Value::Null, false).into(),
    };
    let at = match at {
        Some("infinity") => Told::normalised("D50", label("infinity"), serde_json::Value::Null).into(),
        // Not yet.
        Some(at) if at > super::now().as_str() => Told::kept("D50", at.to_owned(), at).into(),
        Some(at) if flag == Some(false) => {
            Told::warned("D50", at.to_owned(), at, "DELETED_FLAG_CONFLICT").disposed(Disposition::OutOfScope).into()
        }
        at => at.map_or(Value::Null, text),
    };
    (deleted, at)
}

/// Whether a version that is not current is deleted (1 % of all versions).
pub fn deleted_version(layout: &Layout, dice: Dice) -> bool {
    dice.chance(DRAW + 15, layout.dirty(50_000))
}

/// Whether a version that is not current names no master (0.3 % of all versions).
pub fn without_master(layout: &Layout, dice: Dice) -> bool {
    dice.chance(DRAW + 16, layout.dirty(15_000))
}

/// Whether a video without a promo row has content type Promo all the same (0.5 %; its target row warns
/// PROMO_DERIVED, so a clean library has none).
pub fn derived_promo(layout: &Layout, dice: Dice) -> bool {
    dice.chance(DRAW + 12, layout.dirty(5_000))
}

/// D58: the kind of a collection that is out of scope (6 %).
pub fn out_of_scope_collection(layout: &Layout, dice: Dice) -> Option<Value> {
    let kind = dice.pick(DRAW + 14, &["SYSTEM", "SMART"]);
    dice.chance(DRAW + 13, layout.dirty(60_000)).then(|| out_of_scope_kind(kind))
}

/// D58: such a kind.
pub fn out_of_scope_kind(kind: &'static str) -> Value {
    Told::kept("D58", label(kind), kind).disposed(Disposition::OutOfScope).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::core::tests::layout;

    fn rates(dirt: f64) -> [usize; 4] {
        let layout = layout(0.0001, dirt);
        let mut found = [0; 4];
        for row in 0..200_000 {
            let dice = layout.dice(1, row);
            let title = name::title(&layout, dice, "Clean".to_owned());
            found[0] += usize::from(title.means() == serde_json::Value::Null);
            found[1] += usize::from(orphan(&layout, dice, 6_000));
            found[2] += usize::from(*deleted(&layout, dice, 42_000).0.raw() == Value::Bool(true));
            found[3] += usize::from(out_of_scope_collection(&layout, dice).is_some());
        }
        found
    }

    #[test]
    fn clean_libraries_draw_no_dirt() {
        assert_eq!(rates(0.0), [0; 4]);
    }

    #[test]
    fn rates_are_about_right() {
        for (found, wanted) in rates(1.0).into_iter().zip([4200, 1200, 8400, 12_000]) {
            assert!(found.abs_diff(wanted) < wanted / 8, "{found} of 200,000, not about {wanted}");
        }
        for (found, wanted) in rates(2.0).into_iter().zip([8400, 2400, 16_800, 24_000]) {
            assert!(found.abs_diff(wanted) < wanted / 8, "{found} of 200,000, not about {wanted}");
        }
    }
}
