//! Titles (D01 to D05, D08, D09).

use serde_json::Value as Json;

use super::super::super::{Disposition, Told};
use super::super::asset::Asset;
use super::super::dice::{Dice, index};
use super::super::layout::Layout;
use super::super::{Value, label, text, words};
use super::text::{Style, from};
use super::{BLANKS, DRAW, PLACEHOLDERS};

/// The draws of titles: 32 from here.
const TITLE: u64 = DRAW + 100;
/// How many characters a name or a title holds that has a column of its own.
pub const NAME: u64 = 1_024;
/// How many the title among the properties holds.
pub const PROPERTY: u64 = 4_000;

/// A title of something that is no asset: NULL (D01), blank (D02), a placeholder (D03), too long (D05), and what
/// befalls any text.
pub fn title(layout: &Layout, dice: Dice, clean: String) -> Value {
    missing(layout, dice)
        .or_else(|| too_long(layout, dice, &clean, NAME))
        .unwrap_or_else(|| from(layout, dice, TITLE + 8, None, clean, Style { title: true, ..Style::default() }))
}

/// A title of an asset: as [`title`], and the name of its file, its uuid or house code instead (D04), all upper case
/// from source 21 (D08), another wording than the other titles have (D09). The column holds `most` characters.
pub fn of_asset(layout: &Layout, dice: Dice, asset: &Asset, clean: String, most: u64) -> Value {
    if layout.dirt == 0.0 || dice.is_fixture() {
        return text(clean);
    }
    if let Some(found) = missing(layout, dice).or_else(|| too_long(layout, dice, &clean, most)) {
        return found;
    }
    if dice.chance(TITLE, layout.dirty(15_000)) {
        let file = asset.file_name(layout, asset.versions(layout));
        let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem).to_owned();
        let uuid = asset.dice.uuid(1032);
        let code = asset.title.house_code();
        let forms = [file, stem, uuid.to_uppercase(), uuid.replace('-', ""), uuid, code];
        let form = forms[index(dice.below(TITLE + 1, 6))].clone();
        return Told::kept("D04", form.clone(), form).into();
    }
    if asset.source() == 21 {
        let shouted = clean.to_uppercase();
        return Told::kept("D08", shouted.clone(), shouted).into();
    }
    if dice.chance(TITLE + 2, layout.dirty(60_000)) {
        let other = format!("{clean} {}", dice.pick(TITLE + 3, &["(Alternate)", "Revised", "- Director's Cut"]));
        return Told::kept("D09", other.clone(), other).into();
    }
    from(layout, dice, TITLE + 8, Some(asset.source()), clean, Style { title: true, ..Style::default() })
}

/// D01 NULL, D02 blank, D03 placeholder in place of a title.
fn missing(layout: &Layout, dice: Dice) -> Option<Value> {
    if dice.is_fixture() {
        return None;
    }
    if dice.chance(DRAW, layout.dirty(8_000)) {
        return Some(nothing("D01", Value::Null));
    }
    if dice.chance(DRAW + 1, layout.dirty(6_000)) {
        return Some(nothing("D02", label(dice.pick(DRAW + 2, &BLANKS))));
    }
    if dice.chance(DRAW + 3, layout.dirty(7_000)) {
        return Some(placeholder(dice.pick(DRAW + 4, &PLACEHOLDERS)).into());
    }
    None
}

/// D01, D02: no title at all, without a word.
pub fn nothing(dirt: &'static str, raw: Value) -> Value {
    Told::kept(dirt, raw, Json::Null).disposed(Disposition::Rejected).into()
}

/// D03: a word for nothing in place of a title.
pub fn placeholder(raw: &'static str) -> Told {
    Told::dropped("D03", label(raw), "PLACEHOLDER_DROPPED")
}

/// D05: a title of 300 characters to what the column holds, or of 255 signs of four bytes.
fn too_long(layout: &Layout, dice: Dice, clean: &str, most: u64) -> Option<Value> {
    if dice.is_fixture() || !dice.chance(TITLE + 4, layout.dirty(1_000)) {
        return None;
    }
    let length = index(300 + dice.below(TITLE + 5, most - 299));
    Some(long(clean, length, dice.below(TITLE + 6, 3) == 0).into())
}

/// D05: a title of so many characters, or of 255 emoji, which fit.
pub fn long(clean: &str, length: usize, emoji: bool) -> Told {
    if emoji {
        let raw = "🎬".repeat(255);
        return Told::kept("D05", raw.clone(), raw);
    }
    let mut raw = clean.to_owned();
    let mut number = 0;
    while raw.chars().count() < length {
        raw = format!("{raw} {}", words::title(number));
        number += 7;
    }
    let raw: String = raw.chars().take(length).collect();
    let raw = raw.trim_end().to_owned();
    Told::kept("D05", raw.clone(), raw)
}
