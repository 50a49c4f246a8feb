//! The common block: what all four types carry (section 9, rulings A01), without titles ([`super::title`]), house codes,
//! vocabulary fields and owners, and what links settle (external ids, uuids, categories).

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;
use unicode_segmentation::UnicodeSegmentation;

use super::super::Value;
use super::entity::{Candidate, cell};
use super::sheet::Sheet;
use super::tables::{Row, Tables};
use super::{eav, title, title_link};

/// Fields that a property alone, or one before another, gives.
const FIELDS: [(&str, &[i64]); 11] = [
    ("seriesName", &[9]),
    ("seriesCode", &[10]),
    ("seasonNumber", &[11]),
    ("episodeNumber", &[12, 13]),
    ("svodLiveDate", &[23]),
    ("svodKillDate", &[KILLED]),
    ("legacyRecordId", &[27]),
    ("location", &[29]),
    ("releaseYear", &[38]),
    ("firstAirDate", &[42]),
    ("rightsNotes", &[46]),
];
/// Property `svodKillDate`.
const KILLED: i64 = 24;
/// Bytes of a long text (D42).
const BYTES: usize = 65_535;
/// Tags of one asset (D29).
const TAGS: usize = 500;

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let object = candidate.metadata_id;
    title::fill(tables, candidate);
    for (field, properties) in FIELDS {
        first(&mut candidate.sheet, tables, object, field, properties);
    }
    if let Json::Number(number) = candidate.sheet.get("episodeNumber") {
        candidate.sheet.put("episodeNumber", number.to_string());
    }
    if matches!(candidate.sheet.target, "promo" | "deliverable_image") {
        first(&mut candidate.sheet, tables, object, "telecine", &[20]);
        first(&mut candidate.sheet, tables, object, "preValidated", &[30]);
    }
    order(&mut candidate.sheet, &eav::one(tables, object, KILLED));
    description(tables, candidate);
    tags(tables, candidate);
    for (field, property) in [("licenseWindows", 25), ("directors", 33)] {
        let found = listed(&mut candidate.sheet, field, &eav::many(tables, object, property));
        candidate.sheet.put(field, found);
    }
    catalogue(tables, candidate);
    for field in ["rightsNotes", "synopsisShort", "description"] {
        limit(&mut candidate.sheet, field);
    }
}

/// The first property that means something; a moment without end is none.
fn first(sheet: &mut Sheet, tables: &Tables<'_>, object: Option<i64>, field: &'static str, properties: &[i64]) {
    for property in properties {
        eav::tell_several(sheet, field, tables, object, *property);
        let cell = eav::one(tables, object, *property);
        let means = sheet.read(field, &cell);
        if !means.is_null() && means != "infinity" {
            sheet.put(field, means);
            sheet.keep_html(field, &cell);
            return;
        }
    }
}

/// D49: the end of a period before its beginning. Both are kept.
fn order(sheet: &mut Sheet, killed: &Value) {
    if let (Json::String(live), Json::String(kill)) = (sheet.get("svodLiveDate"), sheet.get("svodKillDate"))
        && kill < live
    {
        sheet.warn_of("DATE_ORDER", "svodKillDate", killed.text());
    }
}

/// The first description, usage notes behind it (rulings A40).
fn description(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let object = candidate.metadata_id;
    let own = match candidate.class {
        "DeliverableImage" => candidate.own("desc"),
        "Project" | "AssetCollection" => candidate.own("description"),
        _ => candidate.of_asset("description"),
    };
    let (long, summary, usage) =
        (eav::one(tables, object, 3), eav::one(tables, object, 4), eav::one(tables, object, 57));
    let main = candidate.sheet.choose("description", [own, &long, &summary]);
    // Those that were asked: all up to the first that means something, and the usage notes.
    for (property, asked) in
        [(3, own.means().is_null()), (4, own.means().is_null() && long.means().is_null()), (57, true)]
    {
        if asked {
            eav::tell_several(&mut candidate.sheet, "description", tables, object, property);
        }
    }
    candidate.sheet.keep_html("usageNotes", &usage);
    let usage = candidate.sheet.read("description", &usage);
    let parts: Vec<&str> = [&main, &usage].into_iter().filter_map(|part| part.as_str()).collect();
    if !parts.is_empty() {
        candidate.sheet.put("description", parts.join("\n\n"));
    }
}

/// The tags: a project's own, properties 5 and 6, keywords of the asset; at most 500 different ones (rulings A10).
fn tags(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let own = if candidate.class == "Project" { candidate.own("tags").clone() } else { Value::Null };
    let mut cells = vec![own];
    for property in [5, 6] {
        cells.extend(eav::many(tables, candidate.metadata_id, property));
    }
    cells.extend(keywords(tables, candidate));
    let mut found = listed(&mut candidate.sheet, "tags", &cells);
    if found.len() > TAGS {
        candidate.sheet.warn_of("TOO_MANY_VALUES", "tags", Some(found.len().to_string()));
        found.truncate(TAGS);
    }
    candidate.sheet.put("tags", found);
}

/// The keywords of the asset by their ids, each replaced by the one that is preferred.
fn keywords(tables: &Tables<'_>, candidate: &mut Candidate<'_>) -> Vec<Value> {
    let Some(asset) = candidate.sheet.asset_id else { return Vec::new() };
    let mut linked = Vec::new();
    for row in tables.by("asset_keyword", "asset_id", asset) {
        candidate.sheet.touch("tags", row.cell("keyword_id"));
        linked.extend(row.id("keyword_id"));
    }
    linked.sort_unstable();
    let mut found = Vec::new();
    for id in linked {
        let preferred = preferred(tables, id);
        let keyword = tables.one("keyword", "id", Some(preferred.unwrap_or(id)));
        match &keyword {
            Some(keyword) => found.push(keyword.cell("keyword").clone()),
            None => candidate.sheet.warn_of("LINK_TARGET_MISSING", "tags", Some(id.to_string())),
        }
        if preferred.is_none() {
            candidate.sheet.warn_of("SYNONYM_CYCLE", "tags", keyword.and_then(|row| row.cell("keyword").text()));
        }
    }
    found
}

/// The end of a keyword's chain of preferred ones, each the lowest of several; none where the chain has no end (D32).
fn preferred(tables: &Tables<'_>, keyword: i64) -> Option<i64> {
    let mut seen = HashSet::from([keyword]);
    let mut at = keyword;
    loop {
        let next = tables.by("keyword_synonym", "keyword_id", at);
        let Some(next) = next.iter().filter_map(|row| row.id("preferred_id")).filter(|next| *next != at).min() else {
            return Some(at);
        };
        if !seen.insert(next) {
            return None;
        }
        at = next;
    }
}

/// The values of cells, each of which means one or a list; each once whatever its case, in its first spelling (D28).
pub fn listed(sheet: &mut Sheet, field: &'static str, cells: &[Value]) -> Vec<Json> {
    let mut found = Vec::new();
    for cell in cells {
        match sheet.read(field, cell) {
            Json::Array(items) => found.extend(items),
            Json::String(text) if text == "infinity" => {}
            Json::Null => {}
            means => found.push(means),
        }
    }
    let mut seen = HashSet::new();
    found.retain(|item| item.as_str().is_some_and(|item| seen.insert(item.to_lowercase())));
    found
}

/// What the catalogue's title fills in where the properties say nothing, then the scheduling system's copy of it (rulings
/// A51); and the reference to the title, which is read without a word.
fn catalogue(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let object = candidate.metadata_id;
    let title = title_link::of(tables, candidate);
    let copied = |name: &str| title_link::copied(tables, title.as_ref(), name);
    let synopsis = eav::one(tables, object, 2);
    eav::tell_several(&mut candidate.sheet, "synopsisShort", tables, object, 2);
    candidate.sheet.choose("synopsisShort", [&synopsis, cell(title.as_ref(), "synopsis_short"), &copied("synopsis")]);
    let eidr = eav::one(tables, object, 40);
    eav::tell_several(&mut candidate.sheet, "eidr", tables, object, 40);
    candidate.sheet.choose("eidr", [&eidr, cell(title.as_ref(), "eidr")]);
    let mut cast = listed(&mut candidate.sheet, "cast", &eav::many(tables, object, 31));
    for cells in [cell(title.as_ref(), "cast").clone(), copied("cast")] {
        if cast.is_empty() {
            cast = listed(&mut candidate.sheet, "cast", &[cells]);
        }
    }
    candidate.sheet.put("cast", cast);
    if let Some(title) = title.filter(|_| candidate.sheet.target != "collection") {
        reference(&mut candidate.sheet, &title);
    }
}

fn reference(sheet: &mut Sheet, title: &Row<'_>) {
    const PARTS: [(&str, &str); 5] = [
        ("houseCode", "house_code"),
        ("titleName", "title_name"),
        ("titleClass", "title_class"),
        ("season", "season_no"),
        ("episode", "episode_no"),
    ];
    let mut parts = BTreeMap::new();
    for (name, column) in PARTS {
        sheet.touch("titleRef", title.cell(column));
        parts.insert(name.to_owned(), title.means(column));
    }
    parts.retain(|_, value| !value.is_null());
    sheet.put("titleRef", Json::Object(parts.into_iter().collect()));
}

/// D42: at most 65,535 bytes, cut between graphemes. The raw value of the warning is the place of the full text.
pub fn limit(sheet: &mut Sheet, field: &'static str) {
    let Json::String(text) = sheet.get(field) else { return };
    if text.len() <= BYTES {
        return;
    }
    let end = text.grapheme_indices(true).map(|(start, _)| start).take_while(|start| *start <= BYTES).last();
    sheet.put(field, text[..end.unwrap_or(0)].trim_end().to_owned());
    let place = format!("long_text/{}/{field}", sheet.source_key);
    sheet.warn_of("TEXT_TRUNCATED", field, Some(place));
}
