//! Rows that exist at every scale, with ids below 200 (section 11 of the specification): golden ones at every dirt
//! level, those that are dirty on purpose only where there is dirt.

use super::asset::{self, Asset, Role};
use super::collection::{self, Facts};
use super::content::{self, Content};
use super::dice::FIRST_DAY;
use super::layout::{FIRST_ID, FIXTURE_ROWS, Layout, NOWHERE};
use super::spread::Kind;
use super::{Value, deliverable, field, int, keyword, label, project, promo, text, timeline, title};

/// Columns of `asset_master` without the generated one.
const NAME: usize = 3;
const DELETED: usize = 17;
const DELETED_AT: usize = 18;

/// Assets of fixtures at every dirt level, then those that are dirty.
const GOLDEN: [u64; 17] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 172];
const DIRTY: [u64; 11] = [21, 22, 23, 24, 25, 31, 131, 132, 133, 134, 135];

/// The asset of a fixture, if it has one.
pub fn asset(layout: &Layout, id: u64) -> Option<Asset> {
    let derived = if layout.dirt > 0.0 { Role::DerivedPromo } else { Role::None };
    let (kind, role) = match id {
        1..=4 | 172 => (Kind::Video, Role::Promo),
        5 => (Kind::Video, Role::None),
        6 => (Kind::Video, derived),
        7..=10 => (Kind::Image, Role::Deliverable),
        11 => (Kind::Image, Role::DerivedDeliverable),
        12 => (Kind::Image, Role::None),
        13 => (Kind::Audio, Role::None),
        14 => (Kind::Document, Role::None),
        15 => (Kind::Other, Role::None),
        16 => (Kind::Placeholder, Role::None),
        _ if layout.dirt > 0.0 && DIRTY.contains(&id) => (Kind::Video, Role::Promo),
        _ => return None,
    };
    let asset = Asset::fixture(layout, id, kind, role);
    let title = if id == 172 { title::Title::of(layout, FIRST_ID) } else { asset.title };
    Some(Asset { title, ..asset })
}

fn assets(layout: &Layout) -> Vec<Asset> {
    GOLDEN.iter().chain(&DIRTY).filter_map(|id| asset(layout, *id)).collect()
}

/// Whether a fixture has no usable title in the metadata fields.
pub fn without_title(id: u64) -> bool {
    matches!(id, 21..=23 | 25)
}

/// Rows of a table from a function that writes one row for each asset.
fn each<'a>(assets: impl IntoIterator<Item = &'a Asset>, write: impl Fn(&Asset, &mut Vec<Value>)) -> Vec<Vec<Value>> {
    let row = |asset| {
        let mut row = Vec::new();
        write(asset, &mut row);
        row
    };
    assets.into_iter().map(row).collect()
}

fn of_kind(assets: &[Asset], kind: Kind) -> impl Iterator<Item = &Asset> {
    assets.iter().filter(move |asset| asset.kind == kind)
}

/// The fixtures of a table, in column order without generated columns.
pub fn rows(layout: &Layout, table: &str) -> Vec<Vec<Value>> {
    let all = assets(layout);
    let dirty = layout.dirt > 0.0;
    let subclass = |kind| each(of_kind(&all, kind), |asset, out| asset::subclass(layout, asset, out));
    match table {
        "asset_master" => masters(layout, &all),
        "video_asset_master" => subclass(Kind::Video),
        "image_asset_master" => subclass(Kind::Image),
        "audio_asset_master" => subclass(Kind::Audio),
        "document_asset_master" => subclass(Kind::Document),
        "other_asset_master" => subclass(Kind::Other),
        "placeholder_asset_master" => subclass(Kind::Placeholder),
        "asset_version" => versions(layout, &all, dirty),
        "asset_content" => contents(layout, &all, |content, out| content::content(layout, content, out)),
        "file_info" => contents(layout, &all, |found, out| content::file(layout, found.id, Some(found), out)),
        "media_info" => contents(layout, &all, |content, out| content::media(layout, content, out)),
        "media_info_track_video" | "media_info_track_audio" => tracks(layout, &all, table == "media_info_track_video"),
        "metadata" => objects(layout, &all, dirty),
        "metadata_property_value" => values(layout, &all, dirty).0,
        "metadata_property_text" => values(layout, &all, dirty).1,
        "asset_category_asset" => each(&all, |asset, out| {
            let category = keyword::category_of(asset.dice, 0);
            out.extend([Value::id(FIRST_ID + category), Value::id(asset.id), label("2020-05-04 10:00:00")]);
        }),
        "title" => titles(layout, &all),
        "timeline" | "timeline_asset" | "timeline_video" => timelines(layout, &all, table),
        "marker" => each(of_kind(&all, Kind::Video), |asset, out| {
            timeline::write_marker(layout, asset.id, asset.id, asset, out)
        }),
        "promo" => promos(layout, &all, dirty),
        "promo_air_date" => each(all.iter().filter(|asset| asset.role == Role::Promo), |asset, out| {
            promo::air(asset.id, super::vocabulary::NETWORKS[asset.network()], layout.dice(92, asset.row), out);
        }),
        "deliverable_image" => images(layout, &all, dirty),
        _ => links(layout, table, dirty),
    }
}

fn masters(layout: &Layout, all: &[Asset]) -> Vec<Vec<Value>> {
    let mut rows = each(all, |asset, out| {
        asset::master(layout, asset, out);
        match asset.id {
            21 => out[NAME] = Value::Null,
            22 => out[NAME] = label("\u{200b}"),
            23 => out[NAME] = label("null"),
            132 => (out[DELETED], out[DELETED_AT]) = (Value::Bool(true), label("2024-02-03 04:05:06+00")),
            133 => out[DELETED] = Value::Null,
            134 => out[DELETED_AT] = label("2020-01-01 00:00:00+00"),
            135 => out[DELETED_AT] = label("infinity"),
            _ => {}
        }
    });
    if layout.dirt > 0.0
        && let Some(first) = rows.first()
    {
        let mut bare = vec![Value::Null; first.len()];
        bare[0] = int(171);
        bare[1] = text(layout.dice(1, 171u64.wrapping_sub(FIRST_ID)).uuid(1032));
        rows.push(bare);
    }
    rows
}

fn versions(layout: &Layout, all: &[Asset], dirty: bool) -> Vec<Vec<Value>> {
    let mut rows = each(all, |asset, out| content::version(layout, asset, 0, out));
    if dirty && let Some(mut orphan) = rows.first().cloned() {
        orphan[0] = int(184);
        orphan[1] = text(layout.dice(8, 184).uuid(0));
        orphan[2] = int(NOWHERE + 184);
        rows.push(orphan);
    }
    rows
}

fn contents(layout: &Layout, all: &[Asset], write: impl Fn(&Content<'_>, &mut Vec<Value>)) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for asset in all {
        for content in Content::fixtures(layout, asset) {
            let mut row = Vec::new();
            write(&content, &mut row);
            rows.push(row);
        }
    }
    rows
}

fn tracks(layout: &Layout, all: &[Asset], video: bool) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for asset in all {
        let sound = !video && asset.kind == Kind::Audio;
        for content in Content::fixtures(layout, asset).iter().filter(|content| content.moving() || sound) {
            let mut row = Vec::new();
            if video {
                content::video_track(layout, content.id, content, &mut row);
            } else {
                content::audio_track(layout, content.id, content, 0, &mut row);
            }
            rows.push(row);
        }
    }
    rows
}

fn objects(layout: &Layout, all: &[Asset], dirty: bool) -> Vec<Vec<Value>> {
    let mut rows = each(all, |asset, out| {
        field::write_object(layout, "AssetMaster", (asset.id, asset.id), asset.dates(), Value::Null, out);
    });
    if dirty {
        let mut orphan = Vec::new();
        let dates = (FIRST_DAY, FIRST_DAY + 86_400);
        field::write_object(layout, "AssetVersion", (185, NOWHERE + 185), dates, Value::Null, &mut orphan);
        rows.push(orphan);
    }
    rows
}

/// Where the ids of a fixture's values start.
fn first_value(id: u64) -> u64 {
    FIXTURE_ROWS + id * 100_000
}

fn values(layout: &Layout, all: &[Asset], dirty: bool) -> (Vec<Vec<Value>>, Vec<Vec<Value>>) {
    let (mut values, mut texts) = (Vec::new(), Vec::new());
    for asset in all {
        let (rows, long) = field::fixture_rows(layout, asset.id, first_value(asset.id));
        values.extend(rows);
        texts.extend(long);
    }
    if dirty && let Some(row) = values.first().cloned() {
        let title = |id: u64, object: u64, property: i64, value: &'static str| {
            let mut row = row.clone();
            (row[0], row[1], row[2], row[3]) = (Value::id(id), Value::id(object), int_of(property), int(0));
            row[4] = label(value);
            row
        };
        values.push(title(first_value(22) - 1, 22, 1, ""));
        values.push(title(first_value(23) - 1, 23, 1, "N/A"));
        values.push(title(186, NOWHERE + 186, 61, "lost"));
    }
    (values, texts)
}

fn int_of(number: i64) -> Value {
    Value::Int(number)
}

fn titles(layout: &Layout, all: &[Asset]) -> Vec<Vec<Value>> {
    let ids = all.iter().map(|asset| asset.id).chain([17, 18]).filter(|id| !matches!(id, 21..=23 | 172));
    ids.map(|id| {
        let mut row = Vec::new();
        title::row(layout, id, &mut row);
        row
    })
    .collect()
}

fn timelines(layout: &Layout, all: &[Asset], table: &str) -> Vec<Vec<Value>> {
    each(of_kind(all, Kind::Video), |asset, out| match table {
        "timeline" => timeline::write(layout, asset.id, asset, None, out),
        "timeline_asset" => {
            out.extend([Value::id(asset.id), Value::id(asset.id), Value::id(asset.id), int(0), label("0.000000")]);
        }
        _ => out.extend([Value::id(asset.id), Value::id(asset.id), Value::id(asset.id), int(0)]),
    })
}

fn promos(layout: &Layout, all: &[Asset], dirty: bool) -> Vec<Vec<Value>> {
    const TITLE: usize = 3;
    const TITLE_ID: usize = 5;
    const PROMO_DELETED: usize = 21;
    let write = |asset: &Asset, id: u64, reference: Value, out: &mut Vec<Value>| {
        let dice = layout.dice(90, id.wrapping_sub(FIRST_ID));
        promo::write(layout, dice, id, (reference, asset), text(asset.name()), Value::Bool(false), out);
    };
    let mut rows = each(all.iter().filter(|asset| asset.role == Role::Promo), |asset, out| {
        write(asset, asset.id, Value::id(asset.id), out);
        match asset.id {
            21 | 24 => out[TITLE] = Value::Null,
            22 => out[TITLE] = label(" \u{a0} "),
            23 => out[TITLE] = label("TBD"),
            25 => out[TITLE] = label("Untitled"),
            131 => out[PROMO_DELETED] = Value::Bool(true),
            133 => out[PROMO_DELETED] = Value::Null,
            _ => {}
        }
        if matches!(asset.id, 21..=23) {
            out[TITLE_ID] = Value::Null;
        }
    });
    if dirty && let Some(first) = all.first() {
        for (id, reference) in [(181, int(NOWHERE + 181)), (182, Value::Null)] {
            let mut row = Vec::new();
            write(first, id, reference, &mut row);
            rows.push(row);
        }
    }
    rows
}

fn images(layout: &Layout, all: &[Asset], dirty: bool) -> Vec<Vec<Value>> {
    let write = |asset: &Asset, id: u64, reference: Value, out: &mut Vec<Value>| {
        let dice = layout.dice(95, id.wrapping_sub(FIRST_ID));
        deliverable::write(layout, dice, id, (reference, asset), text(asset.name()), Value::Bool(false), out);
    };
    let found: Vec<&Asset> = all.iter().filter(|asset| asset.role == Role::Deliverable).collect();
    let mut rows = each(found.iter().copied(), |asset, out| write(asset, asset.id, Value::id(asset.id), out));
    if dirty && let Some(first) = found.first() {
        let mut row = Vec::new();
        write(first, 183, int(NOWHERE + 183), &mut row);
        rows.push(row);
    }
    rows
}

/// Projects, collections and relations of fixtures.
fn links(layout: &Layout, table: &str, dirty: bool) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    match table {
        "project" => {
            for id in [17, 18] {
                let name = text(format!("{} Launch", title::Title::of(layout, id).name()));
                let mut row = Vec::new();
                let dice = layout.dice(86, id.wrapping_sub(FIRST_ID));
                project::write(layout, dice, (id, id, None), name, Value::Bool(false), &mut row);
                rows.push(row);
            }
        }
        "project_asset" => {
            for (project, asset) in [(17, 1), (17, 7), (18, 2)] {
                rows.push(vec![int(project), int(asset), label("output"), int(1)]);
            }
        }
        "asset_collection" => {
            let bad = [(21, Value::Null), (22, label("\u{a0}")), (23, label("(blank)"))];
            let good = [(19, label("Golden Archive")), (20, label("Golden Archive Picks"))];
            for (id, name) in good.into_iter().chain(bad.into_iter().filter(|_| dirty)) {
                let parent = (id == 20).then_some(19);
                let items = if matches!(id, 19 | 20) { 3 } else { 0 };
                let facts = Facts { id, name, parent, kind: "Manual", object: None, items, cover: Some(7) };
                let mut row = Vec::new();
                collection::write(layout, layout.dice(74, id.wrapping_sub(FIRST_ID)), facts, &mut row);
                rows.push(row);
            }
        }
        "asset_collection_item" => {
            let members = [(19, 0, 1), (19, 0, 2), (19, 0, 7), (20, 0, 3), (20, 0, 8), (20, 3, 17)];
            for (number, (collection, column, target)) in (1..).zip(members) {
                let class = if column == 3 { "Project" } else { "AssetMaster" };
                let dice = layout.dice(75, u64::MAX - number);
                let mut row = Vec::new();
                collection::write_item(layout, (number, collection), class, (column, target), number, dice, &mut row);
                rows.push(row);
            }
        }
        "asset_relation" => {
            for (id, left, right, kind) in [(1, 1, 2, 5), (2, 7, 1, 7), (3, 3, 4, 3)] {
                let created = label("2020-05-04 10:00:00");
                rows.push(vec![int(id), int(left), int(right), int(kind), int(0), Value::Null, created]);
            }
        }
        _ => {}
    }
    rows
}
