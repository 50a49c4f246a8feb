//! The core tables: those whose values a migration reads. Facts that several tables tell (a video's length, a title's
//! season) come from one function each, so the tables agree; the dirt of real libraries is put on last, in `dirt`.
//!
//! `dice` (numbers of a row) and `spread` (which row belongs to which) stand below `layout` (what all tables share);
//! `vocabulary`, `property` and `words` are data; the other files write rows, a family of tables each.

mod asset;
mod collection;
mod content;
mod custom;
mod deliverable;
mod dice;
mod dirt;
mod exif;
mod field;
mod fixture;
mod held;
mod keyword;
mod layout;
mod media;
mod metadata;
mod project;
mod promo;
mod property;
mod spread;
mod timeline;
mod title;
mod user;
mod vocabulary;
mod words;

use std::sync::OnceLock;

use self::asset::Asset;
use self::content::Content;
use self::layout::{FIRST_ID, Layout};
pub use self::property::typed_column;

/// The moment at which the library stands (rulings A30), as times are written.
pub fn now() -> String {
    dice::local(dice::NOW)
}

use self::spread::Kind;
use super::{Library, TableSpec, Told, Value};

/// What the core tables keep of a library, built on first use.
#[derive(Debug, Default)]
pub struct State {
    layout: OnceLock<Layout>,
}

fn layout(library: &Library) -> &Layout {
    library.core.layout.get_or_init(|| Layout::new(library.seed, library.dirt, |table| library.class_rows(table)))
}

fn label(text: &'static str) -> Value {
    Value::Label(text)
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

fn int(number: u64) -> Value {
    Value::id(number)
}

/// An array in PostgreSQL's text form.
fn array(items: &[String]) -> String {
    let quoted: Vec<String> =
        items.iter().map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

/// The number of generated rows of a table (without fixtures); `None` leaves it to the table's size class. Counts
/// differ from the class only where rows must fit together (each video has its row, each asset a version).
pub fn rows(library: &Library, table: &str) -> Option<u64> {
    if !covers(table) {
        return None;
    }
    let layout = layout(library);
    let wanted = library.class_rows(table);
    Some(match table {
        "video_asset_master" => layout.blocks.count(Kind::Video),
        "image_asset_master" => layout.blocks.count(Kind::Image),
        "audio_asset_master" => layout.blocks.count(Kind::Audio),
        "document_asset_master" => layout.blocks.count(Kind::Document),
        "other_asset_master" => layout.blocks.count(Kind::Other),
        "placeholder_asset_master" => layout.blocks.count(Kind::Placeholder),
        "asset_version" => layout.versions.total(),
        "asset_content" => layout.contents.total(),
        "file_info" => layout.files,
        "media_info" => layout.media.total(),
        "media_info_raw" => layout.raw_reports,
        "media_info_track_video" => layout.video_tracks.total(),
        "media_info_track_audio" => layout.audio_tracks.total(),
        "document_text" => layout.texts.total(),
        "timeline" => layout.timelines,
        "timeline_asset" | "timeline_video" => wanted.max(layout.timelines),
        "clip" => layout.clips.total(),
        "marker" => layout.markers.total(),
        "asset_collection_item" => layout.items.total(),
        "asset_relation" => layout.relations.total(),
        "asset_keyword" => layout.asset_keywords.total(),
        "asset_category_asset" => layout.asset_categories.total(),
        "asset_external_id" => layout.external_ids,
        "project_asset" => layout.project_assets.total(),
        "promo_air_date" => layout.air_dates.total(),
        "picklist_value" => vocabulary::value_rows(wanted),
        "metadata" => layout.objects,
        "metadata_property_value" => layout.values().0.total(),
        "metadata_property_text" => layout.text_rows(),
        "episode" => layout.titles.episodes,
        "metabase_title_cache" => wanted.min(layout.titles.titles),
        _ => return None,
    })
}

/// Rows added to a table at every scale, with ids 1..199 (and, for what hangs on them, from 900,000,000), in column
/// order without generated columns.
pub fn fixtures(library: &Library, table: &str) -> Vec<Vec<Value>> {
    if covers(table) { fixture::rows(layout(library), table) } else { Vec::new() }
}

/// The tables made here.
const TABLES: [&str; 62] = [
    "annotation",
    "asset_category",
    "asset_category_asset",
    "asset_collection",
    "asset_collection_item",
    "asset_content",
    "asset_content_use",
    "asset_external_id",
    "asset_keyword",
    "asset_master",
    "asset_relation",
    "asset_relation_type",
    "asset_source",
    "asset_status",
    "asset_type",
    "asset_version",
    "audio_asset_master",
    "clip",
    "deliverable",
    "deliverable_image",
    "deliverable_image_spec",
    "document_asset_master",
    "document_text",
    "dynamic_property",
    "episode",
    "exif_tag",
    "file_info",
    "image_asset_master",
    "keyword",
    "keyword_synonym",
    "license_window",
    "marker",
    "marker_type",
    "media_info",
    "media_info_raw",
    "media_info_track_audio",
    "media_info_track_video",
    "metabase_title_cache",
    "metadata",
    "metadata_property",
    "metadata_property_text",
    "metadata_property_value",
    "other_asset_master",
    "picklist",
    "picklist_value",
    "picklist_value_alias",
    "placeholder_asset_master",
    "project",
    "project_asset",
    "project_type",
    "promo",
    "promo_air_date",
    "promo_campaign",
    "season",
    "security_user",
    "series",
    "territory",
    "timeline",
    "timeline_asset",
    "timeline_video",
    "title",
    "video_asset_master",
];

/// Whether [`row`] makes the rows of this table.
pub fn covers(table: &str) -> bool {
    TABLES.contains(&table)
}

/// Appends the values of a row, in column order without generated columns; false leaves the row to the generic
/// generator.
pub fn row(library: &Library, table: &TableSpec, row: u64, out: &mut Vec<Value>) -> bool {
    let layout = layout(library);
    match table.family {
        'A' | 'E' | 'F' => media_row(layout, table, row, out),
        'B' | 'C' | 'D' => field_row(layout, table, row, out),
        _ => business_row(layout, table, row, out),
    }
}

fn media_row(layout: &Layout, table: &TableSpec, row: u64, out: &mut Vec<Value>) -> bool {
    let of_kind = |kind, out: &mut Vec<Value>| {
        asset::subclass(layout, &Asset::row(layout, layout.blocks.nth(kind, row)), out);
    };
    match table.name {
        "asset_master" => asset::master(layout, &Asset::row(layout, row), out),
        "video_asset_master" => of_kind(Kind::Video, out),
        "image_asset_master" => of_kind(Kind::Image, out),
        "audio_asset_master" => of_kind(Kind::Audio, out),
        "document_asset_master" => of_kind(Kind::Document, out),
        "other_asset_master" => of_kind(Kind::Other, out),
        "placeholder_asset_master" => of_kind(Kind::Placeholder, out),
        "asset_version" => {
            let (asset, number) = layout.version_asset(row);
            content::version(layout, &asset, number, out);
        }
        "asset_external_id" => content::external_id(layout, row, out),
        "asset_content" => with_content(layout, row, |found| content::content(layout, found, out)),
        "file_info" if row < layout.contents.total() => {
            with_content(layout, row, |found| content::file(layout, found.id, Some(found), out));
        }
        "file_info" => content::file(layout, FIRST_ID + row, None, out),
        "media_info" => {
            with_content(layout, layout.media.parent(row).0, |found| content::media(layout, found, out));
        }
        "media_info_raw" => raw_report(layout, row, out),
        "media_info_track_video" => {
            let content = layout.media.parent(layout.video_tracks.parent(row).0).0;
            with_content(layout, content, |found| content::video_track(layout, FIRST_ID + row, found, out));
        }
        "media_info_track_audio" => {
            let (report, order) = layout.audio_tracks.parent(row);
            let content = layout.media.parent(report).0;
            with_content(layout, content, |found| content::audio_track(layout, FIRST_ID + row, found, order, out));
        }
        "document_text" => content::document_text(layout, row, out),
        "exif_tag" => exif::row(layout, row, out),
        "asset_type" | "asset_status" | "asset_source" | "asset_content_use" => {
            vocabulary::lookup(table.name, row, out);
        }
        _ => return false,
    }
    true
}

fn with_content(layout: &Layout, row: u64, write: impl FnOnce(&Content<'_>)) {
    let (version, k) = layout.contents.parent(row);
    let (asset, number) = layout.version_asset(version);
    write(&Content::of(layout, row, &asset, number, k));
}

/// Raw reports belong to media reports chosen evenly.
fn raw_report(layout: &Layout, row: u64, out: &mut Vec<Value>) {
    let report = spread::nth_chosen(row, layout.raw_reports, layout.media.total());
    with_content(layout, layout.media.parent(report).0, |found| content::raw(layout, row, found, out));
}

fn field_row(layout: &Layout, table: &TableSpec, row: u64, out: &mut Vec<Value>) -> bool {
    let dice = layout.dice(table.number, row);
    match table.name {
        "metadata" => metadata::object_row(layout, row, out),
        "metadata_property" => property::row(row, out),
        "metadata_property_value" => field::value_row(layout, row, out),
        "metadata_property_text" => field::text_row(layout, row, out),
        "picklist" => vocabulary::picklist(row, out),
        "picklist_value" => vocabulary::picklist_value(row, dice, out),
        "picklist_value_alias" => vocabulary::alias(row, out),
        "keyword" => keyword::keyword(row, dice, out),
        "keyword_synonym" => keyword::synonym(layout, row, out),
        "asset_keyword" => keyword::of_asset(layout, row, out),
        "asset_category" => keyword::category(row, dice, out),
        "asset_category_asset" => keyword::category_asset(layout, row, out),
        _ => return false,
    }
    true
}

fn business_row(layout: &Layout, table: &TableSpec, row: u64, out: &mut Vec<Value>) -> bool {
    let dice = layout.dice(table.number, row);
    match table.name {
        "asset_collection" => collection::row(layout, row, out),
        "asset_collection_item" => collection::item(layout, row, out),
        "asset_relation" => keyword::relation(layout, row, out),
        "project" => project::row(layout, row, out),
        "project_asset" => project::asset(layout, row, out),
        "promo" => promo::row(layout, row, out),
        "promo_air_date" => promo::air_date(layout, row, out),
        "promo_campaign" => promo::campaign(layout, row, dice, out),
        "deliverable" => deliverable::row(layout, row, dice, out),
        "deliverable_image" => deliverable::image(layout, row, out),
        "deliverable_image_spec" => vocabulary::spec(row, out),
        "title" => title::row(layout, FIRST_ID + row, out),
        "series" | "season" | "episode" | "license_window" | "metabase_title_cache" => {
            title::around(layout, table.name, row, dice, out);
        }
        "timeline" => timeline::row(layout, row, out),
        "timeline_asset" => timeline::asset(layout, row, out),
        "timeline_video" => timeline::video(layout, row, out),
        "clip" => timeline::clip(layout, row, out),
        "marker" => timeline::marker(layout, row, out),
        "annotation" => timeline::annotation(layout, row, out),
        "security_user" => user::row(row, dice, out),
        "dynamic_property" => user::setting(row, dice, out),
        "asset_relation_type" | "marker_type" | "project_type" | "territory" => {
            vocabulary::lookup(table.name, row, out);
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod rates;
#[cfg(test)]
mod tests;
