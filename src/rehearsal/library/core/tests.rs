use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::{ColumnType, LibraryOptions};
use super::*;

/// A layout without a library around it.
pub fn layout(scale: f64, dirt: f64) -> Layout {
    let library = library(scale, dirt);
    Layout::new(library.seed, dirt, |table| library.class_rows(table))
}

fn library(scale: f64, dirt: f64) -> Library {
    Library::new(LibraryOptions { scale, dirt, ..LibraryOptions::default() }).unwrap()
}

/// All rows of a table, fixtures first, by column name.
fn rows(library: &Library, table: &str) -> Vec<HashMap<&'static str, Value>> {
    let spec = library.table(table).unwrap();
    let names: Vec<&'static str> = spec.columns.iter().filter(|column| !column.generated).map(|c| c.name).collect();
    let generated = (0..library.rows(table)).map(|number| {
        let mut values = Vec::new();
        assert!(row(library, spec, number, &mut values), "{table} is not made here");
        values
    });
    fixtures(library, table)
        .into_iter()
        .chain(generated)
        .map(|values| {
            assert_eq!(values.len(), names.len(), "{table}: as many values as columns");
            names.iter().copied().zip(values).collect()
        })
        .collect()
}

fn ids(library: &Library, table: &str, column: &str) -> HashSet<i64> {
    rows(library, table).iter().filter_map(|row| number(&row[column])).collect()
}

fn number(value: &Value) -> Option<i64> {
    value.number()
}

#[test]
fn every_table_has_its_columns_at_the_smallest_scales() {
    for (scale, dirt) in [(0.000_001, 0.0), (0.0001, 0.0), (0.0001, 1.0)] {
        let library = library(scale, dirt);
        for table in TABLES {
            let expected = library.rows(table) as usize;
            assert!(rows(&library, table).len() >= expected, "{table} at {scale}");
        }
    }
}

/// PostgreSQL refuses a text that is longer than its column, and a NUL in any.
#[test]
fn texts_fit_their_columns() {
    let library = library(0.0003, 3.0);
    for table in TABLES {
        let spec = library.table(table).unwrap();
        for row in rows(&library, table) {
            for column in spec.columns.iter().filter(|column| !column.generated) {
                let text = row[column.name].text().unwrap_or_default();
                let most = match column.kind {
                    ColumnType::Varchar(most) | ColumnType::Char(most) => most,
                    _ => usize::MAX,
                };
                assert!(text.chars().count() <= most, "{table}.{}: {text:?}", column.name);
                assert!(!text.contains('\0'), "{table}.{}: {text:?}", column.name);
            }
        }
    }
}

/// Foreign keys of the core tables: child, column, parent, column. In a clean library every reference resolves.
const REFERENCES: [(&str, &str, &str, &str); 53] = [
    ("asset_master", "current_version_id", "asset_version", "id"),
    ("asset_master", "main_timeline_id", "timeline", "id"),
    ("asset_master", "metadata_id", "metadata", "id"),
    ("asset_master", "owner_id", "security_user", "id"),
    ("asset_master", "status_id", "asset_status", "id"),
    ("asset_master", "source_id", "asset_source", "id"),
    ("video_asset_master", "id", "asset_master", "id"),
    ("video_asset_master", "main_video_content_id", "asset_content", "id"),
    ("video_asset_master", "proxy_content_id", "asset_content", "id"),
    ("image_asset_master", "endpoint_image_detail_id", "picklist_value", "id"),
    ("image_asset_master", "proxy_content_id", "asset_content", "id"),
    ("document_asset_master", "text_id", "document_text", "id"),
    ("document_text", "document_asset_id", "document_asset_master", "id"),
    ("asset_version", "master_asset_id", "asset_master", "id"),
    ("asset_version", "original_content_id", "asset_content", "id"),
    ("asset_version", "thumbnail_content_id", "asset_content", "id"),
    ("asset_external_id", "asset_id", "asset_master", "id"),
    ("asset_content", "asset_version_id", "asset_version", "id"),
    ("asset_content", "master_asset_id", "asset_master", "id"),
    ("asset_content", "file_id", "file_info", "id"),
    ("asset_content", "media_info_id", "media_info", "id"),
    ("media_info", "content_id", "asset_content", "id"),
    ("media_info_raw", "content_id", "asset_content", "id"),
    ("media_info_track_video", "media_info_id", "media_info", "id"),
    ("media_info_track_audio", "media_info_id", "media_info", "id"),
    ("exif_tag", "image_asset_id", "image_asset_master", "id"),
    ("metadata_property_value", "metadata_id", "metadata", "id"),
    ("metadata_property_value", "property_id", "metadata_property", "id"),
    ("metadata_property_value", "text_id", "metadata_property_text", "id"),
    ("metadata_property_value", "picklist_value_id", "picklist_value", "id"),
    ("metadata_property", "picklist_id", "picklist", "id"),
    ("picklist_value", "picklist_id", "picklist", "id"),
    ("picklist_value_alias", "picklist_value_id", "picklist_value", "id"),
    ("asset_keyword", "asset_id", "asset_master", "id"),
    ("asset_keyword", "keyword_id", "keyword", "id"),
    ("keyword_synonym", "preferred_id", "keyword", "id"),
    ("asset_category_asset", "asset_id", "asset_master", "id"),
    ("asset_category_asset", "category_id", "asset_category", "id"),
    ("asset_collection", "parent_id", "asset_collection", "id"),
    ("asset_collection", "cover_asset_id", "image_asset_master", "id"),
    ("asset_collection_item", "collection_id", "asset_collection", "id"),
    ("asset_collection_item", "asset_id", "asset_master", "id"),
    ("asset_collection_item", "clip_id", "clip", "id"),
    ("asset_relation", "right_asset_id", "asset_master", "id"),
    ("asset_relation", "relation_type_id", "asset_relation_type", "id"),
    ("project_asset", "asset_id", "asset_master", "id"),
    ("promo", "asset_id", "video_asset_master", "id"),
    ("promo", "title_id", "title", "id"),
    ("promo", "campaign_id", "promo_campaign", "id"),
    ("deliverable_image", "asset_id", "image_asset_master", "id"),
    ("clip", "timeline_id", "timeline", "id"),
    ("timeline_video", "content_id", "asset_content", "id"),
    ("timeline_video", "timeline_asset_id", "timeline_asset", "id"),
];

fn dangling(library: &Library) -> BTreeMap<String, usize> {
    let mut parents: HashMap<(&str, &str), HashSet<i64>> = HashMap::new();
    let mut found = BTreeMap::new();
    for (child, column, parent, key) in REFERENCES {
        let known = parents.entry((parent, key)).or_insert_with(|| ids(library, parent, key));
        let missing =
            rows(library, child).iter().filter_map(|row| number(&row[column])).filter(|id| !known.contains(id)).count();
        if missing > 0 {
            found.insert(format!("{child}.{column}"), missing);
        }
    }
    found
}

#[test]
fn a_clean_library_has_no_orphans() {
    for scale in [0.000_01, 0.0001] {
        assert_eq!(dangling(&library(scale, 0.0)), BTreeMap::new(), "at {scale}");
    }
}

#[test]
fn dirt_orphans_what_it_should() {
    let found = dangling(&library(0.0001, 1.0));
    let expected: HashSet<&str> = HashSet::from([
        "asset_collection.cover_asset_id",
        "asset_collection.parent_id",
        "asset_collection_item.asset_id",
        "asset_collection_item.clip_id",
        "asset_keyword.asset_id",
        "asset_keyword.keyword_id",
        "asset_master.owner_id",
        "asset_master.status_id",
        "asset_relation.left_asset_id",
        "asset_relation.relation_type_id",
        "asset_relation.right_asset_id",
        "project_asset.asset_id",
        "asset_version.master_asset_id",
        "deliverable_image.asset_id",
        "image_asset_master.endpoint_image_detail_id",
        "metadata_property_value.metadata_id",
        "metadata_property_value.picklist_value_id",
        "promo.asset_id",
        "promo.title_id",
    ]);
    assert!(found.keys().all(|column| expected.contains(column.as_str())), "{found:?}");
    assert!(found.contains_key("promo.asset_id") && found.contains_key("deliverable_image.asset_id"), "{found:?}");
}

#[test]
fn clean_titles_are_all_there_and_no_row_is_deleted() {
    let library = library(0.0001, 0.0);
    for (table, column) in [
        ("promo", "title"),
        ("asset_master", "name"),
        ("deliverable_image", "title"),
        ("asset_collection", "name"),
        ("project", "name"),
    ] {
        for row in rows(&library, table) {
            assert!(
                matches!(&row[column], Value::Text(text) if !text.trim().is_empty())
                    || matches!(row[column], Value::Label(_))
            );
            assert_eq!(row["deleted"], Value::Bool(false), "{table}");
        }
    }
}

/// The house codes of one asset agree, wherever they are told, and promos on videos tell their lengths alike.
#[test]
fn facts_of_a_promo_agree() {
    let library = library(0.0001, 0.0);
    let by_id = |table, key: &'static str| -> HashMap<i64, HashMap<&'static str, Value>> {
        rows(&library, table).into_iter().filter_map(|row| Some((number(&row[key])?, row))).collect()
    };
    let (assets, titles) = (by_id("asset_master", "id"), by_id("title", "id"));
    let (videos, media) = (by_id("video_asset_master", "id"), by_id("media_info", "content_id"));
    for promo in rows(&library, "promo") {
        let asset = number(&promo["asset_id"]).unwrap();
        let title = &titles[&number(&promo["title_id"]).unwrap()];
        assert_eq!(promo["house_number"], assets[&asset]["house_code"]);
        assert_eq!(promo["house_number"], title["house_code"]);
        let report = &media[&number(&videos[&asset]["main_video_content_id"]).unwrap()];
        let millis = number(&report["duration_ms"]).unwrap();
        let length = promo["length_seconds"].text().unwrap();
        let spot: f64 = length.parse().unwrap();
        assert!((millis as f64 / 1000.0 / spot - 1.0).abs() < 0.01, "{millis} ms for {length} s");
    }
}

/// What is not dirt is the same at every dirt level (so a dirty library can be compared with a clean one).
#[test]
fn dirt_changes_only_what_it_touches() {
    let (clean, dirty) = (library(0.0001, 0.0), library(0.0001, 1.0));
    for table in ["episode", "season", "series", "timeline_asset"] {
        let spec = clean.table(table).unwrap();
        for number in 0..clean.rows(table).min(300) {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            row(&clean, spec, number, &mut left);
            row(&dirty, spec, number, &mut right);
            assert_eq!(left, right, "{table} row {number}");
        }
    }
}

#[test]
fn values_of_the_fields_are_spread_as_they_should_be() {
    let library = library(0.001, 1.0);
    let mut by_field: BTreeMap<i64, usize> = BTreeMap::new();
    for row in rows(&library, "metadata_property_value") {
        *by_field.entry(number(&row["property_id"]).unwrap()).or_default() += 1;
    }
    let total = library.rows("metadata_property_value") as usize;
    assert_eq!(total, 52_800);
    assert_eq!(by_field.len(), 233, "179 of 412 fields have no value");
    let keywords = (by_field[&5] - 12_000) * 1000 / total;
    assert!((60..150).contains(&keywords), "{keywords} per mille keywords");
    let promos = rows(&library, "promo").len();
    assert!(promos > 60);
}

#[test]
fn skews_are_kept() {
    let layout = layout(0.01, 0.0);
    assert_eq!(layout.relations.count(17), 90, "9,000 of 1,360,000");
    let library = library(0.01, 0.0);
    let promos = rows(&library, "promo");
    let first = promos.iter().filter(|row| row["network"] == Value::Label("NLC")).count() * 100 / promos.len();
    assert!((55..68).contains(&first), "{first} % of the promos on the first network");
}

/// What fixtures are for: the titles of 21 to 25, the keywords of 31, all mapped fields of 172, the bare 171.
#[test]
fn fixtures_hold_what_they_are_for() {
    let dirty = library(0.0001, 1.0);
    let values = rows(&dirty, "metadata_property_value");
    let of = |object: i64| values.iter().filter(move |row| row["metadata_id"] == Value::Int(object));
    let titles = |object| of(object).filter(|row| row["property_id"] == Value::Int(1)).map(|row| &row["string_value"]);
    for (object, title) in [(21, None), (22, Some("")), (23, Some("N/A")), (25, None)] {
        assert_eq!(titles(object).next().map(Value::raw), title.map(Value::Label).as_ref(), "{object}");
    }
    assert!(matches!(titles(24).next(), Some(Value::Text(_))));
    assert_eq!(of(31).filter(|row| row["property_id"] == Value::Int(5)).count(), 12_000);
    let mapped: HashSet<i64> = of(172).filter_map(|row| number(&row["property_id"])).collect();
    assert!((1..=50).all(|field| field == 15 || mapped.contains(&field)), "{mapped:?}");
    let bare = &fixtures(&dirty, "asset_master").into_iter().find(|row| row[0] == Value::Int(171)).unwrap();
    assert_eq!(bare.iter().filter(|value| **value != Value::Null).count(), 2);

    let clean = library(0.0001, 0.0);
    let kept: HashSet<i64> = fixtures(&clean, "promo").iter().filter_map(|row| number(&row[0])).collect();
    assert_eq!(kept, HashSet::from([1, 2, 3, 4, 172]));
}
