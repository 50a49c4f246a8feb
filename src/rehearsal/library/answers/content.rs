//! The current version of an asset, the content whose technical values count, and what was measured in it.

use super::super::Value;
use super::tables::{Row, Tables};

/// What is known of an asset's essence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Technical<'a> {
    /// The content: a source before a mezzanine.
    pub content: Option<Row<'a>>,
    /// Its media report.
    pub media: Option<Row<'a>>,
    /// The report's first video track.
    pub video: Option<Row<'a>>,
    /// The report's first audio track.
    pub audio: Option<Row<'a>>,
}

/// A cell of a row that may not be there.
pub fn cell<'a>(row: Option<Row<'a>>, column: &str) -> &'a Value {
    row.map_or(&Value::Null, |row| row.cell(column))
}

/// The live version of an asset that counts: flagged as current, then the highest number, then the highest id.
pub fn current_version<'a>(tables: &'a Tables<'_>, asset: i64) -> Option<Row<'a>> {
    let live = tables.by("asset_version", "master_asset_id", asset);
    let live = live.into_iter().filter(|version| version.means("deleted") != true);
    live.max_by_key(|version| {
        let number = version.means("version_number").as_i64().unwrap_or(0);
        (version.means("current_version_flag") == true, number, version.id("id"))
    })
}

/// The technical content of an asset's current version, with its report (section 4).
pub fn technical<'a>(tables: &'a Tables<'_>, asset: Option<i64>) -> Technical<'a> {
    let version = asset.and_then(|asset| current_version(tables, asset)?.id("id"));
    let contents = version.map_or_else(Vec::new, |version| tables.by("asset_content", "asset_version_id", version));
    let is = |content: &Row<'_>, wanted: &str| {
        content.means("content_uses").as_array().is_some_and(|uses| uses.iter().any(|found| found == wanted))
    };
    let usable = contents
        .into_iter()
        .filter(|content| content.means("deleted") != true && (is(content, "SOURCE") || is(content, "MEZZANINE")));
    let content = usable.min_by_key(|content| (!is(content, "SOURCE"), content.id("id")));
    let first = |table, column, id: Option<i64>, order: Option<&str>| {
        let rows = id.map_or_else(Vec::new, |id| tables.by(table, column, id));
        rows.into_iter().min_by_key(|row| (order.and_then(|order| row.id(order)), row.id("id")))
    };
    let media = first("media_info", "content_id", content.and_then(|content| content.id("id")), None);
    let report = media.and_then(|media| media.id("id"));
    let track = |table| first(table, "media_info_id", report, Some("stream_order"));
    Technical { content, media, video: track("media_info_track_video"), audio: track("media_info_track_audio") }
}
