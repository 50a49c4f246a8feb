//! Vocabulary fields of all four types: sources in their order, the first that means something wins (section 10, D20,
//! D33, D34, D56, rulings A42, A50, A51), and what is left of unknown values in `legacyValues`.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value as Json, json};

use super::super::Value;
use super::eav;
use super::entity::{Candidate, cell};
use super::sheet::Sheet;
use super::tables::Tables;
use super::{title_link, video};

/// Where a vocabulary field looks.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A column of the candidate's own table.
    Own(&'static str),
    /// A property of its metadata object.
    Described(i64),
    /// A column of its asset's row in a subclass table.
    Subclass(&'static str, &'static str),
    /// A column of the video track.
    Track(&'static str),
    /// A row of a lookup: the column that refers to it (of the candidate), the lookup, the column of the term.
    Lookup(&'static str, &'static str, &'static str),
    /// The picklist's value that the image's row refers to; the reference itself where it leads nowhere (D20).
    ImagePick(&'static str),
    /// The key of the asset's status.
    Status,
    /// What the frame rate says of its pictures (D62, rulings A33).
    Rate,
    /// A column of the catalogue title.
    Title(&'static str),
    /// A value of the scheduling system's copy of that title.
    Copied(&'static str),
}

/// A vocabulary field of one value: name, whether it is required, sources in order.
type Field = (&'static str, bool, &'static [Source]);

use Source::{Copied, Described, ImagePick, Lookup, Own, Rate, Status, Subclass, Title, Track};

const COMMON: [Field; 3] = [
    ("titleClass", false, &[Described(7)]),
    ("rating", false, &[Described(37), Title("rating"), Copied("rating")]),
    ("studio", false, &[Described(36), Title("studio"), Copied("studio")]),
];

const PROMO: [Field; 6] = [
    ("promoType", true, &[Own("promo_type")]),
    ("network", true, &[Own("network"), Described(44)]),
    ("approvalStatus", false, &[Own("approval_status"), Described(48)]),
    ("scanType", false, &[Track("scan_type"), Subclass("video_asset_master", "scan_type"), Described(19), Rate]),
    (
        "captionStatus",
        false,
        &[Own("closed_caption"), Subclass("video_asset_master", "closed_caption_info"), Described(22)],
    ),
    ("status", false, &[Status]),
];

const IMAGE: [Field; 4] = [
    (
        "endpointImageDetail",
        true,
        &[Own("endpoint_image_detail"), Described(15), ImagePick("endpoint_image_detail_id")],
    ),
    ("endpoint", false, &[Lookup("spec_id", "deliverable_image_spec", "endpoint")]),
    ("colorSpace", false, &[Own("color_space"), Subclass("image_asset_master", "color_space")]),
    ("status", false, &[Status]),
];

const PROJECT: [Field; 3] = [
    ("projectType", true, &[Lookup("project_type_id", "project_type", "name")]),
    ("status", true, &[Own("status")]),
    ("budgetCurrency", false, &[Own("budget_currency")]),
];

const COLLECTION: [Field; 1] = [("collectionKind", true, &[Own("collection_kind")])];

/// Fills in the vocabulary fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let own: &[Field] = match candidate.sheet.target {
        "promo" => &PROMO,
        "deliverable_image" => &IMAGE,
        "project" => &PROJECT,
        _ => &COLLECTION,
    };
    for (field, required, sources) in COMMON.iter().chain(own) {
        choose(tables, candidate, field, *required, sources);
    }
    if candidate.class == "AssetMaster" && candidate.sheet.target == "promo" {
        // A promo by its content type alone (rulings A03).
        candidate.sheet.put("promoType", "Other");
        candidate.sheet.reasons.retain(|reason| reason.2.as_deref() != Some("promoType"));
    }
    list(tables, candidate, "genres", 32, Some("genres"));
    list(tables, candidate, "territories", 26, None);
}

/// The cell of a source.
fn of(tables: &Tables<'_>, candidate: &Candidate<'_>, source: Source) -> Value {
    let plain = |value: &Value| value.clone();
    match source {
        Own(column) => plain(candidate.own(column)),
        Described(property) => eav::one(tables, candidate.metadata_id, property),
        Subclass(table, column) => plain(candidate.of_subclass(tables, table, column)),
        Track(column) => plain(candidate.technical.video(column)),
        Lookup(reference, table, column) => {
            let reference = candidate.own(reference);
            let row = tables.one(table, "id", reference.number());
            row.map_or_else(|| plain(reference), |row| plain(row.cell(column)))
        }
        ImagePick(column) => {
            let reference = candidate.of_subclass(tables, "image_asset_master", column);
            let row = tables.one("picklist_value", "id", reference.number());
            row.map_or_else(|| plain(reference), |row| plain(row.cell("value")))
        }
        Status => {
            // A status without a row is one that nobody knows (D34).
            let status = candidate.of_asset("status_id");
            let row = tables.one("asset_status", "id", status.number());
            row.map_or_else(|| plain(status), |row| plain(row.cell("key")))
        }
        Rate if video::interlaced(tables, candidate) => Value::Label("Interlaced"),
        Rate => Value::Null,
        Title(column) => plain(cell(title_link::of(tables, candidate).as_ref(), column)),
        Copied(name) => title_link::copied(tables, title_link::of(tables, candidate).as_ref(), name),
    }
}

fn choose(tables: &Tables<'_>, candidate: &mut Candidate<'_>, field: &'static str, required: bool, sources: &[Source]) {
    let mut unknown = false;
    for source in sources {
        let cell = of(tables, candidate, *source);
        if let Described(property) = source {
            eav::tell_several(&mut candidate.sheet, field, tables, candidate.metadata_id, *property);
        }
        unknown |= cell.codes().iter().any(|code| matches!(*code, "VOCAB_UNKNOWN" | "PICKLIST_VALUE_MISSING"));
        let means = candidate.sheet.read(field, &cell);
        if !means.is_null() {
            candidate.sheet.put(field, means);
            return;
        }
    }
    if required {
        let reason = if unknown { "VOCAB_UNMAPPED" } else { "MISSING_MANDATORY" };
        candidate.sheet.reject(reason, Some(field.to_owned()));
    }
}

/// A field of several terms: those of the property, else those of the title, else those of its copy; each once,
/// whatever its case.
fn list(
    tables: &Tables<'_>,
    candidate: &mut Candidate<'_>,
    field: &'static str,
    property: i64,
    title: Option<&'static str>,
) {
    let described = eav::many(tables, candidate.metadata_id, property);
    let mut found = terms(&mut candidate.sheet, field, &described);
    if let Some(name) = title {
        let title = title_link::of(tables, candidate);
        for cell in [cell(title.as_ref(), name).clone(), title_link::copied(tables, title.as_ref(), name)] {
            if found.is_empty() {
                found = terms(&mut candidate.sheet, field, &[cell]);
            }
        }
    }
    candidate.sheet.put(field, found);
}

/// The terms of cells, each of which means one, or a list of terms or of `{"raw", "means", "code"}`.
fn terms(sheet: &mut Sheet, field: &'static str, cells: &[Value]) -> Vec<Json> {
    let mut found: Vec<Json> = Vec::new();
    for cell in cells {
        match cell.means() {
            Json::Array(items) => {
                sheet.touch(field, cell);
                for item in items {
                    if item.is_string() {
                        found.push(item);
                        continue;
                    }
                    if let Some(code) = item["code"].as_str() {
                        sheet.warn_of(code, field, item["raw"].as_str().map(ToOwned::to_owned));
                    }
                    found.push(item["means"].clone());
                }
            }
            means => {
                sheet.read(field, cell);
                found.push(means);
            }
        }
    }
    let mut seen = HashSet::new();
    found.retain(|term| term.as_str().is_some_and(|term| seen.insert(term.to_lowercase())));
    found
}

/// `legacyValues`: what is lost of values that a field could not take, from the warnings (`VOCAB_UNKNOWN` of an
/// optional field, `INVALID_DATE`, `PARTIAL_DATE`) and what fields have put aside, in the order of field and value.
pub fn legacy(sheet: &mut Sheet) {
    let required: Vec<&str> = PROMO
        .iter()
        .chain(&IMAGE)
        .chain(&PROJECT)
        .chain(&COLLECTION)
        .filter(|field| field.1)
        .map(|field| field.0)
        .collect();
    // `status` is required of projects alone.
    let optional = |field: &str| !required.contains(&field) || (field == "status" && sheet.target != "project");
    let mut kept: BTreeSet<(String, String, String)> = sheet.put_aside.clone();
    for warning in &sheet.warnings {
        let lost = match warning.code.as_str() {
            "VOCAB_UNKNOWN" => optional(&warning.field),
            "INVALID_DATE" | "PARTIAL_DATE" => true,
            _ => false,
        };
        if let (true, Some(raw)) = (lost, &warning.raw) {
            kept.insert((warning.field.clone(), raw.clone(), warning.code.clone()));
        }
    }
    let items: Vec<Json> = kept
        .into_iter()
        .map(|(field, value, reason)| json!({"field": field, "value": value, "reason": reason}))
        .collect();
    sheet.put("legacyValues", items);
}
