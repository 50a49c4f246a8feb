//! The file behind an asset: format, name, size, checksum, language (D65, D66, D70, D72).

use serde_json::Value as Json;

use super::super::Value;
use super::eav;
use super::entity::Candidate;
use super::sheet::Sheet;
use super::tables::Tables;

/// Properties `assetFormat` and `language`.
const ASSET_FORMAT: i64 = 14;
const LANGUAGE: i64 = 49;
/// Of a reference to a picklist's value that is missing (D20): a format is there, and none that is known (rulings A50).
const LOST: &str = "PICKLIST_VALUE_MISSING";

/// Formats by the extensions of file names.
const EXTENSIONS: [(&str, &str); 9] = [
    ("mov", "MOV"),
    ("mp4", "MP4"),
    ("mxf", "MXF"),
    ("jpg", "JPEG"),
    ("png", "PNG"),
    ("tif", "TIFF"),
    ("wav", "WAV"),
    ("pdf", "PDF"),
    ("srt", "SRT"),
];

/// What one source says of the format.
struct Stated {
    /// The format, listed or in upper case.
    format: String,
    /// Whether it is listed.
    listed: bool,
    /// The raw text, where one cell holds it.
    raw: Option<String>,
}

/// Fills in the fields of promos and images.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    format(tables, candidate);
    let technical = &candidate.technical;
    let source = technical.content("content_uses").means();
    if source.as_array().is_some_and(|uses| uses.iter().any(|found| found == "SOURCE")) {
        let (name, sizes) =
            (technical.file("original_name"), [technical.file("file_size"), technical.content("file_size")]);
        candidate.sheet.choose("fileName", [name]);
        candidate.sheet.choose("fileSize", sizes);
        if candidate.sheet.target == "promo" {
            candidate.sheet.choose("checksumMd5", [technical.file("md5")]);
        }
    }
    if candidate.sheet.target == "promo" {
        let own = candidate.of_subclass(tables, "video_asset_master", "language");
        let described = eav::one(tables, candidate.metadata_id, LANGUAGE);
        let technical = &candidate.technical;
        let cells = [technical.audio("language"), technical.content("audio_language"), own];
        if cells.iter().all(|cell| cell.means().is_null()) {
            eav::tell_several(&mut candidate.sheet, "language", tables, candidate.metadata_id, LANGUAGE);
        }
        language(&mut candidate.sheet, "language", cells.into_iter().chain([&described]));
    }
}

/// The first language that is known; `und` means none and says nothing (D65, rulings A39).
pub fn language<'v>(sheet: &mut Sheet, field: &'static str, cells: impl IntoIterator<Item = &'v Value>) {
    for cell in cells {
        sheet.touch(field, cell);
        for code in cell.codes() {
            let code = if *code == "VOCAB_UNKNOWN" { "LANGUAGE_UNKNOWN" } else { code };
            sheet.warn_of(code, field, cell.text());
        }
        let means = cell.means();
        if !means.is_null() {
            sheet.put(field, means);
            return;
        }
    }
}

/// The first listed format in the order of D66 (media report, MIME types, the image's own column, the file's column,
/// extension, descriptive field); sources before it whose format is not listed warn. Where none is listed the first
/// stands in upper case (rulings A25). Listed ones that differ are FORMAT_CONFLICT.
fn format(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    const FIELD: &str = "fileFormat";
    let technical = &candidate.technical;
    let described = eav::one(tables, candidate.metadata_id, ASSET_FORMAT);
    let own = if candidate.class == "DeliverableImage" { candidate.own("file_format") } else { &Value::Null };
    let cells = [
        technical.media("format"),
        technical.file("mime_type"),
        technical.content("mime_type"),
        own,
        technical.file("file_format"),
    ];
    let sheet = &mut candidate.sheet;
    let mut stated: Vec<Stated> = Vec::new();
    for cell in cells {
        sheet.touch(FIELD, cell);
        dropped(sheet, cell, &stated);
        stated.extend(of_cell(cell));
    }
    stated.extend(extension(&technical.file("original_name").means()));
    sheet.touch(FIELD, &described);
    let lost = described.codes().contains(&LOST);
    dropped(sheet, &described, &stated);
    if !stated.iter().any(|stated| stated.listed) {
        eav::tell_several(sheet, FIELD, tables, candidate.metadata_id, ASSET_FORMAT);
    }
    stated.extend(of_cell(&described));
    let chosen = stated.iter().position(|stated| stated.listed);
    for unlisted in stated.iter().take_while(|stated| !stated.listed) {
        sheet.warn_of("FORMAT_UNKNOWN", FIELD, unlisted.raw.clone());
    }
    let Some(found) = chosen.map_or(stated.first(), |place| stated.get(place)) else {
        if candidate.asset.is_some() {
            sheet.reject(if lost { "VOCAB_UNMAPPED" } else { "MISSING_MANDATORY" }, Some(FIELD.to_owned()));
        }
        return;
    };
    sheet.put(FIELD, found.format.as_str());
    if let Some(other) = stated.iter().find(|other| other.listed && found.listed && other.format != found.format) {
        sheet.warn_of("FORMAT_CONFLICT", FIELD, other.raw.clone());
    }
}

/// A placeholder, or a reference to a term that is missing, is told where no listed format stands before it (D03, D20).
fn dropped(sheet: &mut Sheet, cell: &Value, before: &[Stated]) {
    let codes = cell.codes().iter().filter(|code| matches!(**code, "PLACEHOLDER_DROPPED" | LOST));
    for code in codes.filter(|_| !before.iter().any(|stated| stated.listed)) {
        sheet.warn_of(code, "fileFormat", cell.text());
    }
}

/// What a cell says of the format; the descriptive field's terms JPG and TIF are JPEG and TIFF here.
fn of_cell(cell: &Value) -> Option<Stated> {
    let unknown = cell.codes().contains(&"VOCAB_UNKNOWN");
    let means = cell.means();
    let format = match means.as_str() {
        Some("JPG") => "JPEG".to_owned(),
        Some("TIF") => "TIFF".to_owned(),
        Some(format) => format.to_owned(),
        None if unknown => cell.text()?.trim().to_uppercase(),
        None => return None,
    };
    Some(Stated { format, listed: !unknown && !cell.codes().contains(&"FORMAT_UNKNOWN"), raw: cell.text() })
}

/// The format that a file's name ends in; none behind a trailing dot.
fn extension(name: &Json) -> Option<Stated> {
    let (_, extension) = name.as_str()?.rsplit_once('.')?;
    let extension = extension.to_lowercase();
    if extension.is_empty() {
        return None;
    }
    let listed = EXTENSIONS.iter().find(|known| known.0 == extension).map(|known| known.1.to_owned());
    Some(Stated { listed: listed.is_some(), format: listed.unwrap_or_else(|| extension.to_uppercase()), raw: None })
}
