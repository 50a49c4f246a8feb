//! The manifest of dirt: every cell of the core tables that is dirty, fixtures and generated rows alike.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use serde_json::{Map, Value as Json};

use super::super::{Library, TableSpec, Told, Value, core};
use super::write::text;
use crate::Result;

/// A dirty cell.
#[derive(Debug)]
pub struct DirtyCell<'a> {
    /// The kind of dirt.
    pub dirt: &'static str,
    /// Table, unquoted and without schema.
    pub table: &'static str,
    /// The raw values of the primary key's columns, joined with `/`; of a table without one the number of the fixture
    /// (`fixture 3`) or of the generated row (`row 17`), from 0.
    pub pk: String,
    /// Column, unquoted.
    pub column: &'static str,
    /// The target field it is a source of, where one is known.
    pub field: Option<&'static str>,
    /// Raw value and meaning.
    pub told: &'a Told,
}

impl DirtyCell<'_> {
    /// The row of the manifest. The raw value is COPY text (`\N` for NULL, `\\`, `\t`, `\n`, `\r`).
    pub fn row(&self) -> Map<String, Json> {
        let mut raw = Vec::new();
        self.told.raw.write_copy(&mut raw);
        let mut row = Map::new();
        let mut put = |name: &str, value: Json| drop(row.insert(name.to_owned(), value));
        put("dirt_id", self.dirt.into());
        put("table", self.table.into());
        put("pk", self.pk.clone().into());
        put("column", self.column.into());
        put("raw", String::from_utf8_lossy(&raw).into());
        put("disposition", self.told.disposition.letter().into());
        put("reason", self.told.codes.join(" ").into());
        put("expected", self.told.means.to_string().into());
        put("field", self.field.into());
        row
    }
}

/// The manifest's columns, all text; `expected` is JSON text, `reason` codes with blanks between them.
pub fn schema() -> SchemaRef {
    let names = ["dirt_id", "table", "pk", "column", "raw", "disposition", "reason", "expected", "field"];
    Arc::new(Schema::new(names.map(text).to_vec()))
}

/// Calls `found` for every dirty cell: tables by their number, fixtures before generated rows, columns in order. Rows
/// are made one at a time.
///
/// # Errors
/// What `found` gives; the first ends the walk.
pub fn each(library: &Library, mut found: impl FnMut(&DirtyCell<'_>) -> Result<()>) -> Result<()> {
    for table in library.tables().iter().filter(|table| core::covers(table.name)) {
        for (number, values) in core::fixtures(library, table.name).iter().enumerate() {
            cells(table, ("fixture", number as u64), values, &mut found)?;
        }
        let mut values = Vec::with_capacity(table.columns.len());
        for row in 0..library.rows_of(table) {
            values.clear();
            core::row(library, table, row, &mut values);
            cells(table, ("row", row), &values, &mut found)?;
        }
    }
    Ok(())
}

fn cells(
    table: &TableSpec,
    place: (&str, u64),
    values: &[Value],
    found: &mut impl FnMut(&DirtyCell<'_>) -> Result<()>,
) -> Result<()> {
    let stored = || table.columns.iter().filter(|column| !column.generated).zip(values);
    for (column, value) in stored() {
        let Value::Told(told) = value else { continue };
        let Some(dirt) = told.dirt else { continue };
        let keys = stored().filter(|(column, _)| column.key);
        let key: Vec<String> = keys.map(|(_, value)| value.text().unwrap_or_default()).collect();
        let pk = if key.is_empty() { format!("{} {}", place.0, place.1) } else { key.join("/") };
        let property = stored().find(|(column, _)| column.name == "property_id").and_then(|(_, value)| value.number());
        let field = field(table.name, column.name, property);
        found(&DirtyCell { dirt, table: table.name, pk, column: column.name, field, told })?;
    }
    Ok(())
}

/// The target field of a column, or of a descriptive field (sections 6 and 9).
fn field(table: &str, column: &str, property: Option<i64>) -> Option<&'static str> {
    if table == "metadata_property_value" {
        let property = usize::try_from(property?).ok()?;
        return match property {
            204 | 377 => Some("houseCode"),
            1..=50 => Some(PROPERTIES[property - 1]).filter(|field| !field.is_empty()),
            _ => None,
        };
    }
    COLUMNS.iter().find(|known| (known.0, known.1) == (table, column)).map(|known| known.2)
}

/// The target fields of properties 1 to 50.
const PROPERTIES: [&str; 50] = [
    "title",
    "synopsisShort",
    "description",
    "description",
    "tags",
    "tags",
    "titleClass",
    "",
    "seriesName",
    "seriesCode",
    "seasonNumber",
    "episodeNumber",
    "episodeNumber",
    "fileFormat",
    "endpointImageDetail",
    "resolution",
    "houseCode",
    "aspectRatio",
    "scanType",
    "telecine",
    "audioLayout",
    "captionStatus",
    "svodLiveDate",
    "svodKillDate",
    "licenseWindows",
    "territories",
    "legacyRecordId",
    "",
    "location",
    "preValidated",
    "cast",
    "genres",
    "directors",
    "",
    "producer",
    "studio",
    "rating",
    "releaseYear",
    "durationMs",
    "eidr",
    "",
    "firstAirDate",
    "promoLength",
    "network",
    "campaign",
    "rightsNotes",
    "rightsExpireDate",
    "approvalStatus",
    "language",
    "budgetAmount",
];

/// The target fields of columns, where there is one.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("asset_master", "uuid", "legacyUuid"),
    ("asset_master", "name", "title"),
    ("asset_master", "description", "description"),
    ("asset_master", "external_id", "externalId"),
    ("asset_master", "house_code", "houseCode"),
    ("asset_master", "status_id", "status"),
    ("asset_master", "owner_id", "owner"),
    ("asset_master", "category_names", "categories"),
    ("asset_master", "date_created", "createdDate"),
    ("asset_master", "date_updated", "modifiedDate"),
    ("asset_external_id", "external_id", "externalId"),
    ("video_asset_master", "aspect_ratio", "aspectRatio"),
    ("video_asset_master", "video_resolution", "resolution"),
    ("video_asset_master", "frame_rate", "frameRate"),
    ("video_asset_master", "duration_txt", "durationMs"),
    ("video_asset_master", "start_timecode", "startTimecode"),
    ("video_asset_master", "scan_type", "scanType"),
    ("video_asset_master", "closed_caption_info", "captionStatus"),
    ("video_asset_master", "audio_channel_configuration", "audioLayout"),
    ("video_asset_master", "language", "language"),
    ("image_asset_master", "width", "width"),
    ("image_asset_master", "height", "height"),
    ("image_asset_master", "resolution", "resolution"),
    ("image_asset_master", "color_space", "colorSpace"),
    ("image_asset_master", "endpoint_image_detail_id", "endpointImageDetail"),
    ("image_asset_master", "capture_date", "captureDate"),
    ("asset_content", "width", "width"),
    ("asset_content", "height", "height"),
    ("asset_content", "mime_type", "fileFormat"),
    ("asset_content", "aspect_ratio", "aspectRatio"),
    ("asset_content", "duration", "durationMs"),
    ("asset_content", "start_timecode", "startTimecode"),
    ("asset_content", "frame_rate", "frameRate"),
    ("asset_content", "bitrate_kbs", "bitrateKbps"),
    ("asset_content", "video_codec", "videoCodec"),
    ("asset_content", "audio_codec", "audioCodec"),
    ("asset_content", "audio_language", "language"),
    ("file_info", "original_name", "fileName"),
    ("file_info", "file_format", "fileFormat"),
    ("file_info", "mime_type", "fileFormat"),
    ("file_info", "file_size", "fileSize"),
    ("file_info", "md5", "checksumMd5"),
    ("media_info", "format", "fileFormat"),
    ("media_info", "duration_ms", "durationMs"),
    ("media_info_track_video", "codec_id", "videoCodec"),
    ("media_info_track_video", "frame_rate", "frameRate"),
    ("media_info_track_video", "scan_type", "scanType"),
    ("media_info_track_audio", "codec_id", "audioCodec"),
    ("media_info_track_audio", "language", "language"),
    ("exif_tag", "value", "resolution"),
    ("promo", "title", "title"),
    ("promo", "house_number", "houseNumber"),
    ("promo", "network", "network"),
    ("promo", "length_seconds", "promoLength"),
    ("promo", "length_txt", "promoLength"),
    ("promo", "air_start", "airStart"),
    ("promo", "air_end", "airEnd"),
    ("promo", "approval_status", "approvalStatus"),
    ("promo", "closed_caption", "captionStatus"),
    ("promo", "script", "script"),
    ("promo", "notes_html", "notes"),
    ("promo", "isci_code", "isciCode"),
    ("promo", "tagline", "tagline"),
    ("promo", "editor_initials", "editor"),
    ("promo", "date_created", "createdDate"),
    ("promo_campaign", "name", "campaign"),
    ("promo_air_date", "network", "airDates"),
    ("promo_air_date", "air_at", "airDates"),
    ("deliverable_image", "endpoint_image_detail", "endpointImageDetail"),
    ("deliverable_image", "house_code", "houseCode"),
    ("deliverable_image", "title", "title"),
    ("deliverable_image", "pixel_size", "resolution"),
    ("deliverable_image", "aspect_ratio", "aspectRatio"),
    ("deliverable_image", "file_format", "fileFormat"),
    ("deliverable_image", "color_space", "colorSpace"),
    ("deliverable_image", "locale", "locale"),
    ("deliverable_image", "approved", "approved"),
    ("deliverable_image", "approved_by", "approvedBy"),
    ("deliverable_image", "approved_at", "approvedAt"),
    ("deliverable_image", "rights_expire", "rightsExpireDate"),
    ("deliverable_image", "alt_text", "altText"),
    ("deliverable_image", "crop", "crop"),
    ("deliverable_image", "s3_uri", "storage"),
    ("deliverable_image", "checksum", "checksumSha256"),
    ("deliverable_image", "desc", "description"),
    ("deliverable_image", "created_at", "createdDate"),
    ("deliverable_image", "updated_at", "modifiedDate"),
    ("project", "name", "title"),
    ("project", "project_code", "projectCode"),
    ("project", "status", "status"),
    ("project", "producer", "producer"),
    ("project", "department", "department"),
    ("project", "budget_amount", "budgetAmount"),
    ("project", "budget_currency", "budgetCurrency"),
    ("project", "start_date", "startDate"),
    ("project", "due_date", "dueDate"),
    ("project", "description", "description"),
    ("project", "tags", "tags"),
    ("project", "user", "owner"),
    ("asset_collection", "name", "title"),
    ("asset_collection", "parent_id", "parent"),
    ("asset_collection", "collection_kind", "collectionKind"),
    ("asset_collection", "description", "description"),
    ("asset_collection", "color", "color"),
    ("asset_collection", "expires_at", "expiresAt"),
    ("asset_collection", "cover_asset_id", "coverAsset"),
    ("marker", "time", "markers"),
    ("marker", "text", "markers"),
    ("asset_keyword", "keyword_id", "tags"),
    ("keyword_synonym", "preferred_id", "tags"),
    ("keyword", "keyword", "tags"),
    ("title", "eidr", "eidr"),
    ("title", "cast", "cast"),
    ("title", "genres", "genres"),
    ("title", "rating", "rating"),
    ("title", "studio", "studio"),
    ("title", "synopsis_short", "synopsisShort"),
    ("title", "title_class", "titleClass"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::library::LibraryOptions;

    #[test]
    fn fields_are_of_columns_that_exist() {
        let library = Library::new(LibraryOptions { scale: 0.0001, ..LibraryOptions::default() }).unwrap();
        for (table, column, field) in COLUMNS {
            let spec = library.table(table).unwrap();
            assert!(spec.column(column).is_some(), "{table} has no column {column}, for {field}");
        }
    }

    #[test]
    fn properties_keep_their_numbers() {
        assert_eq!(field("metadata_property_value", "string_value", Some(17)), Some("houseCode"));
        assert_eq!(field("metadata_property_value", "string_value", Some(50)), Some("budgetAmount"));
        assert_eq!(field("metadata_property_value", "string_value", Some(28)), None);
        assert_eq!(field("metadata_property_value", "string_value", Some(61)), None);
    }
}
