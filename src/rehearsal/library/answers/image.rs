//! Deliverable images: their own fields and the technical ones of their images.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde_json::Value as Json;

use super::super::Value;
use super::entity::{Candidate, cell};
use super::sheet::Sheet;
use super::source::{self, Described, Source};
use super::tables::{Row, Tables};
use super::video;
use super::{eav, file};

/// Properties `aspectRatio` and `rightsExpire`.
const ASPECT_RATIO: i64 = 18;
const RIGHTS_EXPIRE: i64 = 47;

/// What stands for an end that never comes.
const OPEN: &str = "infinity";

/// The ratios that a computed one may be (rulings A43).
const RATIOS: [(&str, u64, u64); 8] = [
    ("16:9", 16, 9),
    ("4:3", 4, 3),
    ("1.85:1", 185, 100),
    ("2.39:1", 239, 100),
    ("1:1", 1, 1),
    ("2:3", 2, 3),
    ("3:2", 3, 2),
    ("9:16", 9, 16),
];

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    file::fill(tables, candidate);
    let described = eav::one(tables, candidate.metadata_id, ASPECT_RATIO);
    let several = eav::doubled(tables, candidate.metadata_id, ASPECT_RATIO);
    let ratio = stated_ratio(candidate, (&described, several));
    size(tables, candidate, &ratio);
    if ratio.is_null() {
        let computed = computed_ratio(&candidate.sheet);
        candidate.sheet.put("aspectRatio", computed);
    }
    meets_spec(tables, candidate);
    approval(tables, candidate);
    rights(tables, candidate);
    let image = tables.one("image_asset_master", "id", candidate.sheet.asset_id);
    let captured = cell(image.as_ref(), "capture_date");
    let taken = tag(&tags(tables, candidate.sheet.asset_id), "DateTimeOriginal");
    let locale = candidate.row_or_null("locale");
    let texts = [
        ("altText", candidate.row_or_null("alt_text")),
        ("crop", candidate.row_or_null("crop")),
        ("storage", candidate.row_or_null("s3_uri")),
        ("checksumSha256", candidate.row_or_null("checksum")),
    ];
    let sheet = &mut candidate.sheet;
    // EXIF (section 9): the image's own column, then the tag (section 10).
    sheet.choose("captureDate", [captured, taken]);
    file::language(sheet, "locale", [locale]);
    for (field, cell) in texts {
        sheet.choose(field, [cell]);
    }
}

impl<'a> Candidate<'a> {
    /// A cell of `deliverable_image`; NULL for a routed image, which has no such row.
    fn row_or_null(&self, column: &str) -> &'a Value {
        if self.class == "DeliverableImage" { self.own(column) } else { &Value::Null }
    }
}

/// The first ratio that is known (D60), by the order of section 10: the picture's track, the content, the deliverable's own
/// column, the descriptive field; the first that differs is ASPECT_CONFLICT (rulings A18).
fn stated_ratio(candidate: &mut Candidate<'_>, described: Described<'_>) -> Json {
    let known = &candidate.technical;
    let cells = [known.video("dar"), known.content("aspect_ratio"), candidate.row_or_null("aspect_ratio")];
    let [track, content, own] = cells.map(Source::of);
    let sources = [track, content, own, Source::described(described)];
    source::settle(&mut candidate.sheet, "aspectRatio", &sources, Some(("ASPECT_CONFLICT", &source::equal)))
}

/// The known ratio within half a per cent of the picture's.
fn computed_ratio(sheet: &Sheet) -> Json {
    let (width, height) = (sheet.get("width").as_u64(), sheet.get("height").as_u64());
    let Some((width, height)) = width.zip(height) else { return Json::Null };
    let near = |(_, w, h): &&(&str, u64, u64)| (width * h).abs_diff(w * height) * 200 <= w * height;
    RATIOS.iter().find(near).map_or(Json::Null, |known| known.0.into())
}

/// The pairs of EXIF tags that tell the size, those of the EXIF directory before those of the TIFF one.
const TAGS: [[&str; 2]; 2] = [["PixelXDimension", "PixelYDimension"], ["ImageWidth", "ImageLength"]];

/// The EXIF tags of an image by their ids.
fn tags<'t>(tables: &'t Tables<'_>, asset: Option<i64>) -> Vec<Row<'t>> {
    let mut tags = asset.map_or_else(Vec::new, |id| tables.by("exif_tag", "image_asset_id", id));
    tags.sort_by_key(|row| row.id("id"));
    tags
}

/// The value of the first tag of a name.
fn tag<'t>(tags: &[Row<'t>], name: &str) -> &'t Value {
    cell(tags.iter().find(|row| row.cell("tag").text().as_deref() == Some(name)), "value")
}

/// Width, height, resolution and its class (D61, section 9): the picture's track, the content's text, the two columns of
/// the image, its text, the text of the deliverable, EXIF. A label before the first size is RESOLUTION_LABEL_ONLY and
/// gives the class alone, one behind it the class without a word; the first size that differs is RESOLUTION_CONFLICT.
fn size(tables: &Tables<'_>, candidate: &mut Candidate<'_>, ratio: &Json) {
    let asset = candidate.sheet.asset_id;
    let image = tables.one("image_asset_master", "id", asset);
    let image = |column| cell(image.as_ref(), column);
    let known = &candidate.technical;
    let tags = tags(tables, asset);
    let texts = [image("resolution"), candidate.row_or_null("pixel_size")];
    let pairs = [
        [known.video("width"), known.video("height")],
        [known.content("width"), known.content("height")],
        [image("width"), image("height")],
        TAGS[0].map(|name| tag(&tags, name)),
        TAGS[1].map(|name| tag(&tags, name)),
    ];
    let [track, content, columns, exif, tiff] = pairs.map(|[width, height]| Source::sides(width, height));
    let [resolution, pixel_size] = texts.map(|text| video::sized(text, ratio));
    let sheet = &mut candidate.sheet;
    pairs.iter().flatten().for_each(|side| sheet.touch("resolution", side));
    let found = video::settle_size(sheet, &[track, content, columns, resolution, pixel_size, exif, tiff], texts);
    for field in ["width", "height", "resolutionClass"] {
        let met = sheet.dirt.get("resolution").cloned().unwrap_or_default();
        sheet.dirt.entry(field).or_default().extend(met);
    }
    if !found && candidate.asset.is_some() {
        sheet.reject("MISSING_MANDATORY", Some("resolution".to_owned()));
    }
}

/// Whether size and format are those of the image's specification.
fn meets_spec(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let Some(spec) = tables.one("deliverable_image_spec", "id", candidate.row_or_null("spec_id").number()) else {
        return;
    };
    let sheet = &mut candidate.sheet;
    let same = [("width", "width"), ("height", "height"), ("format", "fileFormat")]
        .into_iter()
        .all(|(column, field)| spec.means(column) == sheet.get(field));
    sheet.put("meetsSpec", same);
    for field in ["resolution", "fileFormat"] {
        let met = sheet.dirt.get(field).cloned().unwrap_or_default();
        sheet.dirt.entry("meetsSpec").or_default().extend(met);
    }
}

fn approval(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let (approved, by, at) =
        (candidate.row_or_null("approved"), candidate.row_or_null("approved_by"), candidate.row_or_null("approved_at"));
    let user = tables.one("security_user", "id", by.number());
    let sheet = &mut candidate.sheet;
    sheet.choose("approved", [approved]);
    sheet.read("approvedBy", by);
    let name = cell(user.as_ref(), "display_name").means();
    sheet.put("approvedBy", name);
    sheet.choose("approvedAt", [at]);
}

/// Until when the image may be used: its own date, else the descriptive field's; an open end is one, too (D47, D48). A
/// date before the approval's is DATE_ORDER (D49).
fn rights(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    const FIELD: &str = "rightsExpireDate";
    let described = eav::one(tables, candidate.metadata_id, RIGHTS_EXPIRE);
    let own = candidate.row_or_null("rights_expire");
    // Both are days of the deployment: the approval's is that of its local time (rulings A15).
    let approved = candidate.row_or_null("approved_at");
    let approved = approved.text().filter(|_| !approved.means().is_null());
    let sheet = &mut candidate.sheet;
    if own.means().is_null() {
        eav::tell_several(sheet, FIELD, tables, candidate.metadata_id, RIGHTS_EXPIRE);
    }
    for cell in [own, &described] {
        sheet.touch(FIELD, cell);
        sheet.touch("openEnded", cell);
        for code in cell.codes().iter().filter(|code| **code != "DATE_ORDER") {
            sheet.warn_of(code, FIELD, cell.text());
        }
        let means = cell.means();
        if means == OPEN {
            sheet.put("openEnded", true);
            return;
        }
        if let Some(date) = means.as_str() {
            if approved.as_deref().is_some_and(|at| date < at.get(..10).unwrap_or(at)) {
                sheet.warn_of("DATE_ORDER", FIELD, cell.text());
            }
            sheet.put(FIELD, date);
            return;
        }
    }
}

/// Which of the loading images of one house code, detail and locale is the primary one: an approved one, then the
/// latest, then the one with the lowest id.
pub fn settle(candidates: &mut [Candidate<'_>]) {
    let mut first: HashMap<[String; 3], usize> = HashMap::new();
    let rank = |candidate: &Candidate<'_>| {
        let changed = candidate.sheet.get("modifiedDate").as_str().map(ToOwned::to_owned);
        (candidate.sheet.get("approved") == true, changed, Reverse(candidate.id()))
    };
    let loads = |candidate: &Candidate<'_>| {
        candidate.sheet.target == "deliverable_image" && candidate.sheet.disposition() == "load"
    };
    let group = |candidate: &Candidate<'_>| {
        ["houseCode", "endpointImageDetail", "locale"].map(|field| candidate.sheet.get(field).to_string())
    };
    for (place, candidate) in candidates.iter().enumerate().filter(|(_, candidate)| loads(candidate)) {
        let best = first.entry(group(candidate)).or_insert(place);
        if candidates.get(*best).is_some_and(|best| rank(candidate) > rank(best)) {
            *best = place;
        }
    }
    for (place, candidate) in candidates.iter_mut().enumerate() {
        if loads(candidate) {
            let primary = first.get(&group(candidate)) == Some(&place);
            candidate.sheet.put("isPrimary", primary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sheet, expected};
    use crate::rehearsal::library::{Library, LibraryOptions};

    fn sheets() -> Vec<Sheet> {
        expected(&Library::new(LibraryOptions { scale: 0.0001, dirt: 1.0, ..LibraryOptions::default() }).unwrap())
    }

    fn fixture(sheets: &[Sheet], id: u64) -> &Sheet {
        let key = format!("DeliverableImage:{id}");
        sheets.iter().find(|sheet| sheet.source_key == key).unwrap()
    }

    #[test]
    fn a_size_is_that_of_the_first_source_that_has_one() {
        let sheets = sheets();
        for (id, resolution, class, warnings) in [
            (98, "1920x1080", "", ""),
            (100, "1920x1080", "HD", "RESOLUTION_CONFLICT 1024x768"),
            (101, "3840x2160", "UHD", ""),
            (102, "3840x2160", "4K", "RESOLUTION_LABEL_ONLY 4K"),
            (103, "1280x720", "", ""),
            (104, "1920x1080", "", "INVALID_RESOLUTION 0x0"),
            (105, "1920x1080", "", "PLACEHOLDER_DROPPED null"),
            (106, "1920x1080", "", "INVALID_RESOLUTION 0x0"),
            (107, "1920x1080", "", ""),
            (108, "1920x1080", "", "RESOLUTION_CONFLICT 1280x720"),
            (109, "1920x1080", "", "INVALID_RESOLUTION 0x0"),
            (110, "1920x1080", "", "RESOLUTION_CONFLICT 1280x720"),
        ] {
            let sheet = fixture(&sheets, id);
            let told: Vec<String> = sheet
                .warnings
                .iter()
                .filter(|warning| warning.field == "resolution")
                .map(|warning| format!("{} {}", warning.code, warning.raw.as_deref().unwrap_or_default()))
                .collect();
            let text = |field| sheet.get(field).as_str().unwrap_or_default().to_owned();
            let found = (text("resolution"), text("resolutionClass"), told.join(", "));
            assert_eq!(found, (resolution.to_owned(), class.to_owned(), warnings.to_owned()), "{id}");
            assert_eq!(format!("{}x{}", sheet.get("width"), sheet.get("height")), resolution, "{id}");
        }
    }

    #[test]
    fn what_is_there_and_unknown_everywhere_is_unmapped() {
        let sheets = sheets();
        for (id, reason, field) in [
            (181, "MISSING_MANDATORY", "resolution"),
            (182, "VOCAB_UNMAPPED", "fileFormat"),
            (186, "VOCAB_UNMAPPED", "endpointImageDetail"),
            (194, "VOCAB_UNMAPPED", "endpointImageDetail"),
        ] {
            let reasons: Vec<_> =
                fixture(&sheets, id).reasons.iter().map(|found| (found.1, found.2.as_deref())).collect();
            assert_eq!(reasons, [(reason, Some(field))], "{id}");
        }
    }

    #[test]
    fn texts_of_the_import_that_garbled_them_are_repaired() {
        let sheets = sheets();
        let sheet = fixture(&sheets, 197);
        for field in ["title", "altText", "description"] {
            assert!(
                sheet.warnings.iter().any(|found| found.code == "MOJIBAKE_FIXED" && found.field == field),
                "{field}"
            );
            assert!(!sheet.get(field).to_string().contains('\u{c3}'), "{}", sheet.get(field));
        }
    }
}
