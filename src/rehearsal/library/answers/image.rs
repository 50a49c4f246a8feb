//! Deliverable images: their own fields and the technical ones of their images.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::super::Value;
use super::entity::{Candidate, cell};
use super::sheet::Sheet;
use super::tables::Tables;
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
    let own = candidate.row_or_null("aspect_ratio");
    let ratio = stated_ratio(&mut candidate.sheet, own, &described);
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
    let locale = candidate.row_or_null("locale");
    let texts = [
        ("altText", candidate.row_or_null("alt_text")),
        ("crop", candidate.row_or_null("crop")),
        ("storage", candidate.row_or_null("s3_uri")),
        ("checksumSha256", candidate.row_or_null("checksum")),
        ("captureDate", captured),
    ];
    let sheet = &mut candidate.sheet;
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

/// The first ratio that is known, of the image's own column and the descriptive field (D60); two that differ are
/// ASPECT_CONFLICT (rulings A18).
fn stated_ratio(sheet: &mut Sheet, own: &Value, described: &Value) -> Json {
    const FIELD: &str = "aspectRatio";
    let mut found = Json::Null;
    for cell in [own, described] {
        sheet.touch(FIELD, cell);
        let means = cell.means();
        if found.is_null() {
            for code in cell.codes() {
                let code = if *code == "VOCAB_UNKNOWN" { "ASPECT_UNKNOWN" } else { code };
                sheet.warn_of(code, FIELD, cell.text());
            }
            sheet.put(FIELD, means.clone());
            found = means;
        } else if !means.is_null() && means != found {
            sheet.warn_of("ASPECT_CONFLICT", FIELD, cell.text());
        }
    }
    found
}

/// The known ratio within half a per cent of the picture's.
fn computed_ratio(sheet: &Sheet) -> Json {
    let (width, height) = (sheet.get("width").as_u64(), sheet.get("height").as_u64());
    let Some((width, height)) = width.zip(height) else { return Json::Null };
    let near = |(_, w, h): &&(&str, u64, u64)| (width * h).abs_diff(w * height) * 200 <= w * height;
    RATIOS.iter().find(near).map_or(Json::Null, |known| known.0.into())
}

/// What a text says of a size: the size, where it tells one, and the class of a label. A number of lines is a size at
/// 16:9 only (rulings A32).
fn told(cell: &Value, ratio: &Json) -> (Json, Json) {
    let means = cell.means();
    if means.is_null() || (!means["lines"].is_null() && ratio != "16:9") {
        return (Json::Null, Json::Null);
    }
    let size = match (&means["width"], &means["height"]) {
        (Json::Null, _) | (_, Json::Null) => Json::Null,
        (width, height) => json!([width, height]),
    };
    (size, means["class"].clone())
}

/// Width, height, resolution and its class (D61): the two columns of the image, its text, the text of the deliverable.
/// Labels give the class; sources before the first size that are none warn, later ones that differ are
/// RESOLUTION_CONFLICT.
fn size(tables: &Tables<'_>, candidate: &mut Candidate<'_>, ratio: &Json) {
    let image = tables.one("image_asset_master", "id", candidate.sheet.asset_id);
    let (wide, high) = (cell(image.as_ref(), "width"), cell(image.as_ref(), "height"));
    let texts = [cell(image.as_ref(), "resolution"), candidate.row_or_null("pixel_size")];
    let sheet = &mut candidate.sheet;
    for field in ["width", "height", "resolution", "resolutionClass"] {
        for cell in [wide, high].into_iter().chain(texts) {
            sheet.touch(field, cell);
        }
    }
    let mut found = Json::Null;
    match (wide.means(), high.means()) {
        (Json::Null, Json::Null) => {
            if let (Some(width), Some(height)) = (wide.text(), high.text()) {
                sheet.warn_of("INVALID_RESOLUTION", "resolution", Some(format!("{width}x{height}")));
            }
        }
        (width, height) => found = json!([width, height]),
    }
    for cell in texts {
        let (size, class) = told(cell, ratio);
        if sheet.get("resolutionClass").is_null() {
            sheet.put("resolutionClass", class);
        }
        if found.is_null() {
            // A label is not wrong, it only tells less.
            for code in
                cell.codes().iter().filter(|code| !matches!(**code, "RESOLUTION_CONFLICT" | "RESOLUTION_LABEL_ONLY"))
            {
                sheet.warn_of(code, "resolution", cell.text());
            }
            found = size;
        } else if !size.is_null() && size != found {
            sheet.warn_of("RESOLUTION_CONFLICT", "resolution", cell.text());
        }
    }
    if found.is_null() {
        if candidate.asset.is_some() {
            sheet.reject("MISSING_MANDATORY", Some("resolution".to_owned()));
        }
        return;
    }
    sheet.put("width", found[0].clone());
    sheet.put("height", found[1].clone());
    sheet.put("resolution", format!("{}x{}", found[0], found[1]));
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
