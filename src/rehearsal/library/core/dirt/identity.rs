//! What an asset is and which of its versions counts (D16 to D18, D22, D23).

use serde_json::Value as Json;

use super::super::super::{Disposition, Told};
use super::super::asset::Asset;
use super::super::dice::Dice;
use super::super::layout::{FIRST_ID, Layout, NOWHERE};
use super::super::spread::Kind;
use super::super::{Value, label};
use super::draws;

/// Columns of `asset_master`.
const ID: u64 = 0;
const TYPE: u64 = 2;
const CURRENT_VERSION: u64 = 9;

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
        let image = Value::id(FIRST_ID + layout.blocks.nth(Kind::Image, video));
        return Told::kept("D18", image, Json::Null).disposed(Disposition::Rejected).into();
    }
    Value::id(asset.id)
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
