//! The version of an asset that counts, its contents by use, and what was measured in them (section 4, D22).

use super::super::Value;
use super::entity::cell;
use super::tables::{Row, Tables};

/// The content of a version whose technical values count, its first media report, and that report's first tracks.
#[derive(Debug, Default)]
pub struct Technical<'a> {
    /// The content: the source, else the mezzanine.
    pub content: Option<Row<'a>>,
    /// Its row in `media_info`, the one with the lowest id.
    pub media: Option<Row<'a>>,
    /// The first video track in the order of the stream, then of ids.
    pub video: Option<Row<'a>>,
    /// The first audio track.
    pub audio: Option<Row<'a>>,
    /// The file of the content.
    pub file: Option<Row<'a>>,
}

impl<'a> Technical<'a> {
    /// A cell of the content; NULL without one.
    pub fn content(&self, column: &str) -> &'a Value {
        cell(self.content.as_ref(), column)
    }

    /// A cell of the media report; NULL without one.
    pub fn media(&self, column: &str) -> &'a Value {
        cell(self.media.as_ref(), column)
    }

    /// A cell of the video track; NULL without one.
    pub fn video(&self, column: &str) -> &'a Value {
        cell(self.video.as_ref(), column)
    }

    /// A cell of the audio track; NULL without one.
    pub fn audio(&self, column: &str) -> &'a Value {
        cell(self.audio.as_ref(), column)
    }

    /// A cell of the file; NULL without one.
    pub fn file(&self, column: &str) -> &'a Value {
        cell(self.file.as_ref(), column)
    }
}

/// The versions of an asset that are not deleted; deleted ones do not exist (rulings A31).
fn live<'a>(tables: &'a Tables<'_>, asset: &Row<'_>) -> Vec<Row<'a>> {
    let mut versions = tables.by("asset_version", "master_asset_id", asset.id("id").unwrap_or_default());
    versions.retain(|version| version.means("deleted") != true);
    versions
}

fn flagged(version: &Row<'_>) -> bool {
    version.means("current_version_flag") == true
}

/// The current version: flagged, highest number, highest id.
pub fn current<'a>(tables: &'a Tables<'_>, asset: &Row<'_>) -> Option<Row<'a>> {
    let order = |version: &Row<'_>| (flagged(version), version.id("version_number"), version.id("id"));
    live(tables, asset).into_iter().max_by_key(order)
}

/// D22: not one flagged version, or the asset points to another one than the version that counts.
pub fn conflict(tables: &Tables<'_>, asset: &Row<'_>) -> bool {
    let flags = live(tables, asset).iter().filter(|version| flagged(version)).count();
    let counted = current(tables, asset).and_then(|version| version.id("id"));
    let pointer = asset.id("current_version_id");
    flags != 1 || (pointer.is_some() && pointer != counted)
}

/// The contents of a version that serve a use (`SOURCE`), by id; deleted ones do not exist.
pub fn contents<'a>(tables: &'a Tables<'_>, version: &Row<'_>, wanted: &str) -> Vec<Row<'a>> {
    let mut contents = tables.by("asset_content", "asset_version_id", version.id("id").unwrap_or_default());
    let serves = |content: &Row<'_>| {
        content.means("content_uses").as_array().is_some_and(|uses| uses.iter().any(|found| found == wanted))
    };
    contents.retain(|content| content.means("deleted") != true && serves(content));
    contents.sort_by_key(|content| content.id("id"));
    contents
}

/// The technical content of a version and what was measured in it.
pub fn technical<'a>(tables: &'a Tables<'_>, version: &Row<'_>) -> Technical<'a> {
    let found = ["SOURCE", "MEZZANINE"].iter().find_map(|wanted| contents(tables, version, wanted).into_iter().next());
    let Some(content) = found else { return Technical::default() };
    let mut reports = tables.by("media_info", "content_id", content.id("id").unwrap_or_default());
    reports.sort_by_key(|report| report.id("id"));
    let media = reports.into_iter().next();
    let track = |table| {
        let mut tracks = tables.by(table, "media_info_id", media.as_ref()?.id("id")?);
        tracks.sort_by_key(|track| (track.id("stream_order"), track.id("id")));
        tracks.into_iter().next()
    };
    let (video, audio) = (track("media_info_track_video"), track("media_info_track_audio"));
    let file = tables.one("file_info", "id", content.id("file_id"));
    Technical { content: Some(content), media, video, audio, file }
}
