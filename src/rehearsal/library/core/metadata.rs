//! Metadata objects: whose they are.

use super::super::Told;
use super::asset::Asset;
use super::dice::{NOW, local};
use super::layout::{ASSET, FIRST_ID, Layout, METADATA, NOWHERE, Owner};
use super::{Value, dirt, int, label, text, words};

/// A row of `metadata`.
pub fn object_row(layout: &Layout, object: u64, out: &mut Vec<Value>) {
    let owner = layout.owner(object);
    let dice = layout.dice(METADATA, object);
    let (class, owner_id) = match owner {
        Owner::Asset(row) => ("AssetMaster", FIRST_ID + row),
        Owner::Clip(row) => ("Clip", FIRST_ID + row),
        Owner::Timeline(row) => ("Timeline", FIRST_ID + row),
        Owner::Collection(row) => ("AssetCollection", FIRST_ID + row),
        Owner::Project(row) => ("Project", FIRST_ID + row),
        Owner::Version(row) => ("AssetVersion", FIRST_ID + row),
        Owner::FixtureAsset(id) => ("AssetMaster", id),
    };
    // Only versions' objects lose their owner, so that no candidate loses its metadata.
    let start = out.len();
    let lost = class == "AssetVersion" && dirt::orphan(layout, dice, 18_000);
    let categories = match owner {
        Owner::Asset(row) if dice.chance(803, 700_000) => {
            let ids = super::keyword::category_ids(layout, &Asset::row(layout, row));
            text(format!("{{{}}}", ids.join(",")))
        }
        _ => Value::Null,
    };
    let (created, updated) = match owner {
        Owner::Asset(row) => Asset::row(layout, row).dates(),
        _ => (layout.dice(ASSET, object).past(1016), NOW - 86_400),
    };
    write_object(layout, class, (FIRST_ID + object, owner_id), (created, updated), categories, out);
    if let (true, Some(cell)) = (lost, out.get_mut(start + OWNER_ID)) {
        *cell = dirt::parentless(NOWHERE + object);
    }
}

/// Where the owner's id stands in a row.
const OWNER_ID: usize = 3;

/// The columns of `metadata`.
pub fn write_object(
    layout: &Layout,
    class: &'static str,
    ids: (u64, u64),
    dates: (u64, u64),
    categories: Value,
    out: &mut Vec<Value>,
) {
    let dice = layout.dice(METADATA, ids.0.wrapping_sub(FIRST_ID));
    let blob = dice.chance(804, 110_000).then(|| {
        if dice.chance(808, layout.dirty(3_000)) {
            return odd_blob(dice.below(809, 5));
        }
        text(format!(
            "{{\"oldId\":{},\"keywords\":[\"{}\"],\"revision\":{}}}",
            ids.0,
            words::keyword(dice.below(805, 300)),
            dice.below(806, 9)
        ))
    });
    out.extend([
        Value::id(ids.0),
        text(dice.uuid(800)),
        label(class),
        Value::id(ids.1),
        categories,
        int(dice.below(802, 12)),
        blob.unwrap_or(Value::Null),
        text(local(dates.0)),
        text(local(dates.1)),
        Value::id(layout.user(dice, 807)),
    ]);
}

/// D41: JSON as text that strict readers refuse. No value of it is read.
pub fn odd_blob(form: u64) -> Value {
    let blob = match form {
        0 => r#"{"keywords":"a\u0000b"}"#,
        1 => r#"{"keywords":"broken \ud83d"}"#,
        2 => r#"{"oldId":1,"oldId":2}"#,
        3 => r#"{"revision":"NaN"}"#,
        _ => r#"{"revision":1234567890123456789012345678901234567890}"#,
    };
    Told::kept("D41", blob, blob).into()
}
