//! What an asset is, by which names it goes, and which of its versions counts (D10, D12, D13, D16 to D18, D22, D23, D30).
//!
//! D11, two assets that are equal in every mapped field, is not drawn: all that a row tells follows from numbers of its own,
//! and a twin would need those of another in every table. Fixtures 34 and 35 are such a pair.

use serde_json::Value as Json;

use super::super::super::{Disposition, Told};
use super::super::asset::{Asset, Role};
use super::super::dice::Dice;
use super::super::layout::{FIRST_ID, Layout, METADATA, NOWHERE};
use super::super::spread::Kind;
use super::super::{Value, label, text};
use super::draws;

/// Columns of `asset_master`.
const ID: u64 = 0;
const TYPE: u64 = 2;
const EXTERNAL_ID: u64 = 5;
const CURRENT_VERSION: u64 = 9;

/// D30: 3 % of the uuids in another form than lower case with dashes, malformed, or that of another row (`other`); what
/// they mean is the canonical form, so that duplicates are found by meaning. Draws `k` and `k + 1`.
pub fn uuid(layout: &Layout, dice: Dice, k: u64, clean: String, other: Option<String>) -> Value {
    if dice.is_fixture() || !dice.chance(k, layout.dirty(30_000)) {
        return text(clean);
    }
    match (dice.below(k + 1, 10), other) {
        (9, Some(other)) => same_uuid(other),
        (number, _) => uuid_form(number.min(8), &clean),
    }
}

/// D30: the uuid of another row.
pub fn same_uuid(other: String) -> Value {
    Told::kept("D30", other.clone(), other).into()
}

/// D30: a form of a uuid by number: upper case, without dashes, in braces, in upper case in braces; from 6 on
/// malformed: a character short, a letter that is no digit; 8 is blank. Braces leave no room for dashes (rulings A27).
pub fn uuid_form(number: u64, clean: &str) -> Value {
    let bare = clean.replace('-', "");
    let raw = match number {
        0 | 1 => clean.to_uppercase(),
        2 | 3 => bare,
        4 => format!("{{{bare}}}"),
        5 => format!("{{{}}}", bare.to_uppercase()),
        6 => clean.chars().take(35).collect(),
        7 => clean.replacen(|digit: char| digit.is_ascii_hexdigit(), "g", 1),
        // Blanks are no uuid and no mistake (D07).
        _ => return Told::normalised("D30", "", Json::Null).into(),
    };
    if number < 6 {
        Told::normalised("D30", raw, clean).into()
    } else {
        Told::dropped("D30", raw, "UUID_INVALID").into()
    }
}

/// The external id of an asset: 82 % `EXT-<id>`, else none (D13: some of these blank); D10: 0.9 % that of an asset of
/// the same kind a little before it, D12: 0.2 % the same in another case with a blank behind.
pub fn external_id(layout: &Layout, asset: &Asset) -> Value {
    let dice = asset.dice;
    let k = draws(EXTERNAL_ID);
    let other = || {
        let before = layout.blocks.ordinal(asset.row).saturating_sub(1 + dice.below(k + 2, 4));
        FIRST_ID + layout.blocks.nth(asset.kind, before)
    };
    if !asset.is_fixture() && dice.chance(k, layout.dirty(9_000)) {
        return shared("D10", format!("EXT-{}", other()));
    }
    if !asset.is_fixture() && dice.chance(k + 1, layout.dirty(2_000)) {
        return shared("D12", format!("ext-{} ", other()));
    }
    if dice.chance(1035, 820_000) {
        return text(format!("EXT-{}", asset.id));
    }
    if dice.chance(k + 3, layout.dirty(280_000)) { blank_id() } else { Value::Null }
}

/// D10 (0.9 %), D12 (0.2 %): the row of `asset_external_id` whose system and id this one has too, and that id. Where the
/// asset of this row is to be migrated and has no id of its own, a row of such an asset is looked for, since only there
/// a duplicate counts (rulings A02); else it is the row before.
pub fn same_legacy_id(layout: &Layout, dice: Dice, row: u64) -> Option<(u64, Value)> {
    const SEARCHED: u64 = 400;
    let same = dice.chance(draws(3), layout.dirty(9_000));
    let folded = !same && dice.chance(draws(3) + 1, layout.dirty(2_000));
    if row == 0 || !(same || folded) {
        return None;
    }
    let asset = |row| Asset::row(layout, layout.external_places.at(row));
    let chosen = |asset: &Asset| external_id(layout, asset).means().is_null();
    let own = asset(row);
    let counts = |other: &u64| {
        let other = asset(*other);
        other.role == own.role && chosen(&other)
    };
    let near = || (row.saturating_sub(SEARCHED)..row).rev().find(counts);
    let found = if own.role != Role::None && chosen(&own) { near() } else { None };
    let other = found.unwrap_or(row - 1);
    let id = FIRST_ID + other;
    let value = if same { shared("D10", format!("LEG-{id}")) } else { shared("D12", format!("leg-{id} ")) };
    Some((other, value))
}

/// What befalls the id of a record (property 27), which is data and identifies nothing (rulings A02): D10 (0.9 %) that
/// of another object, D12 (0.2 %) the same in lower case with a blank behind, D30 (3 %) a uuid in one of its forms.
/// Draws `k` to `k + 15`.
pub fn record_id(layout: &Layout, dice: Dice, k: u64) -> Option<Value> {
    if dice.chance(k + 13, layout.dirty(9_000)) {
        Some(shared("D10", other_record(layout, dice.draw(k))))
    } else if dice.chance(k + 14, layout.dirty(2_000)) {
        Some(shared("D12", format!("{} ", other_record(layout, dice.draw(k)).to_lowercase())))
    } else if dice.chance(k + 15, layout.dirty(30_000)) {
        Some(record_uuid(dice.below(k, 9), &dice.uuid(k + 1)))
    } else {
        None
    }
}

/// The id of an object's record.
pub fn record_of(dice: Dice) -> String {
    format!("OID-{:08}", dice.below(603, 100_000_000))
}

/// The id of the record of another object that has one, if one of eight tried does.
fn other_record(layout: &Layout, number: u64) -> String {
    const RECORD: u64 = 10 + 27;
    let tried = (0..8).map(|step| layout.dice(METADATA, number.wrapping_add(step * 7919) % layout.assets.max(1)));
    let found = tried.clone().find(|dice| dice.chance(RECORD, 400_000)).or_else(|| tried.clone().next());
    found.map(record_of).unwrap_or_default()
}

/// D30: a uuid as the id of a record: in a form of [`uuid_form`], as URN, in braces with dashes, all of which mean the
/// canonical form. What is a character short is no uuid; a record may go by any text, so it stays as it is.
pub fn record_uuid(number: u64, clean: &str) -> Value {
    let raw = match number {
        0..=5 => return uuid_form(number, clean),
        6 => format!("urn:uuid:{clean}"),
        7 => format!("{{{}}}", clean.to_uppercase()),
        _ => {
            let short: String = clean.chars().take(35).collect();
            return Told::kept("D30", short.clone(), short).into();
        }
    };
    Told::normalised("D30", raw, clean).into()
}

/// D10, D12: an external id that another asset may have, too. It means itself, trimmed.
pub fn shared(dirt: &'static str, raw: String) -> Value {
    let means = raw.trim().to_owned();
    Told::kept(dirt, raw, means).into()
}

/// D13: a blank external id is none.
pub fn blank_id() -> Value {
    Told::normalised("D13", "", Json::Null).into()
}

/// D16: the declared type; in 0.05 % of the videos and images the other one, while the subclass row says the truth.
pub fn declared_type(layout: &Layout, asset: &Asset) -> Value {
    let other = match asset.kind {
        Kind::Video => Kind::Image,
        Kind::Image => Kind::Video,
        kind => return label(kind.label()),
    };
    if !asset.is_fixture() && asset.dice.chance(draws(TYPE), layout.dirty(500)) {
        return mismatch(other, asset.kind);
    }
    label(asset.kind.label())
}

/// D16: a declared type that is not the true one.
pub fn mismatch(declared: Kind, real: Kind) -> Value {
    Told::warned("D16", label(declared.label()), real.label(), "TYPE_MISMATCH").into()
}

/// The id of a subclass row. D17: in 0.1 % one that no asset has, so that the asset has no subclass row; D18: in 0.02 %
/// of the videos that of an image, which so has two.
pub fn subclass_id(layout: &Layout, asset: &Asset) -> Value {
    let subclass = matches!(asset.kind, Kind::Video | Kind::Image | Kind::Document);
    if asset.is_fixture() || !subclass {
        return Value::id(asset.id);
    }
    if asset.dice.chance(draws(ID), layout.dirty(1_000)) {
        return Told::kept("D17", Value::id(NOWHERE + asset.id), Json::Null).disposed(Disposition::Rejected).into();
    }
    let video = layout.blocks.ordinal(asset.row);
    let has_image = asset.kind == Kind::Video && video < layout.blocks.count(Kind::Image);
    if has_image && asset.dice.chance(draws(ID) + 1, layout.dirty(200)) {
        return second_subclass(FIRST_ID + layout.blocks.nth(Kind::Image, video));
    }
    Value::id(asset.id)
}

/// D18: the id of a second subclass row of an asset.
pub fn second_subclass(asset: u64) -> Value {
    Told::kept("D18", Value::id(asset), Json::Null).disposed(Disposition::Rejected).into()
}

/// What is wrong with the versions of an asset (D22, rulings A31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Nothing.
    Ordered,
    /// The last two are flagged (0.4 % of the assets, of those that have two).
    TwoFlagged,
    /// None is flagged (0.3 %).
    NoneFlagged,
    /// The asset points to a version of another one (0.05 %).
    Astray,
    /// All are deleted (0.02 %).
    AllDeleted,
}

/// What is wrong with the versions of an asset.
pub fn versions(layout: &Layout, asset: &Asset) -> Versions {
    if asset.is_fixture() {
        return Versions::Ordered;
    }
    let chance = |k, ppm| asset.dice.chance(draws(CURRENT_VERSION) + k, layout.dirty(ppm));
    // 18 % of the assets have two versions or more.
    if asset.versions(layout) > 1 && chance(0, 22_000) {
        Versions::TwoFlagged
    } else if chance(1, 3_000) {
        Versions::NoneFlagged
    } else if chance(2, 500) {
        Versions::Astray
    } else if chance(3, 200) {
        Versions::AllDeleted
    } else {
        Versions::Ordered
    }
}

/// D22: the flag of a version, by its number from the last one (0).
pub fn current_flag(wrong: Versions, from_last: u64) -> Value {
    match (wrong, from_last) {
        (Versions::TwoFlagged, 1) => conflict(true),
        (Versions::NoneFlagged, 0) => conflict(false),
        _ => Value::Bool(from_last == 0),
    }
}

/// D22: a flag that is in conflict with another one, or with there being none.
pub fn conflict(flag: bool) -> Value {
    Told::warned("D22", flag, flag, "CURRENT_VERSION_CONFLICT").into()
}

/// D22: a pointer to a version that does not count.
pub fn astray(version: u64) -> Value {
    Told::warned("D22", Value::id(version), Json::Null, "CURRENT_VERSION_CONFLICT").into()
}

/// The number of a version (its place, from 1): of an asset's last version in 0.5 % one is left out before it, in
/// 0.1 % it has that of the version before it.
pub fn version_number(layout: &Layout, asset: &Asset, place: u64) -> u64 {
    let last = place == asset.versions(layout) && place > 1 && !asset.is_fixture();
    let chance = |k, ppm| last && asset.dice.chance(draws(CURRENT_VERSION) + k, layout.dirty(ppm));
    place + u64::from(chance(4, 25_000)) - u64::from(chance(5, 5_000))
}

/// D23: the image that a promo points to in place of a video (0.3 %).
pub fn wrong_class(layout: &Layout, promo: Dice) -> Option<u64> {
    let images = layout.blocks.count(Kind::Image);
    let wrong = images > 0 && promo.chance(draws(1), layout.dirty(3_000));
    wrong.then(|| FIRST_ID + layout.blocks.nth(Kind::Image, promo.below(draws(1) + 1, images)))
}

/// D23: a reference to an asset of another class, for which a row is rejected.
pub fn misplaced(asset: u64) -> Value {
    Told::kept("D23", Value::id(asset), Json::Null).disposed(Disposition::Rejected).into()
}

/// A reference to an asset of a type that is out of scope, which comes before its being of another class (rulings A34).
pub fn out_of_scope(asset: u64) -> Value {
    Told::kept("D23", Value::id(asset), Json::Null).disposed(Disposition::OutOfScope).into()
}

/// D17: a reference to an asset without any class.
pub fn classless(asset: u64) -> Value {
    Told::kept("D17", Value::id(asset), Json::Null).disposed(Disposition::Rejected).into()
}
