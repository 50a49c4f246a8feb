//! Candidates: which rows are, what they stand on, and the scope filter (sections 4, 8 and 9).

use std::collections::HashSet;

use super::super::Library;
use super::sheet::Sheet;
use super::tables::{Row, Tables};

/// The tables that the answer key looks at, whole. Property values and texts are added by [`load`] for the objects of
/// candidates alone.
const TABLES: [&str; 18] = [
    "asset_master",
    "asset_version",
    "video_asset_master",
    "image_asset_master",
    "promo",
    "deliverable_image",
    "project",
    "asset_collection",
    "annotation",
    "asset_content",
    "marker",
    "media_info",
    "media_info_track_audio",
    "media_info_track_video",
    "picklist_value",
    "promo_air_date",
    "promo_campaign",
    "timeline",
];

/// A candidate with the rows it is made of.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// What is expected of it.
    pub sheet: Sheet,
    /// `Promo`, `DeliverableImage`, `Project`, `AssetCollection`, or `AssetMaster` for a routed asset.
    pub class: &'static str,
    /// The row its source key names.
    pub row: Row<'a>,
    /// Its row in `asset_master`, if the reference is in order.
    pub asset: Option<Row<'a>>,
    /// Its metadata object: its own, or its asset's.
    pub metadata_id: Option<i64>,
}

impl Candidate<'_> {
    /// The id in its source key.
    pub fn id(&self) -> i64 {
        self.row.id("id").unwrap_or_default()
    }

    /// A cell of its own table, unless it is a routed asset, which has no such row.
    pub fn own(&self, column: &str) -> &super::super::Value {
        if self.class == "AssetMaster" { &super::super::Value::Null } else { self.row.cell(column) }
    }

    /// A cell of its asset; NULL without one.
    pub fn of_asset(&self, column: &str) -> &super::super::Value {
        self.asset.as_ref().map_or(&super::super::Value::Null, |asset| asset.cell(column))
    }
}

/// The tables in memory.
pub fn load(library: &Library) -> Tables<'_> {
    let mut tables = Tables::load(library, &TABLES);
    let objects: HashSet<i64> = ["asset_master", "project", "asset_collection"]
        .iter()
        .flat_map(|table| tables.ids(table, "metadata_id"))
        .collect();
    // Columns of the value table: id, metadata_id, property_id.
    tables.add("metadata_property_value", |values| {
        values.get(1).and_then(super::super::Value::number).is_some_and(|object| objects.contains(&object))
    });
    tables
}

/// Every candidate, its scope settled.
pub fn candidates<'a>(tables: &'a Tables<'_>) -> Vec<Candidate<'a>> {
    let mut found = of(tables, "promo", "Promo", "promo");
    found.extend(of(tables, "deliverable_image", "DeliverableImage", "deliverable_image"));
    found.extend(of(tables, "project", "Project", "project"));
    found.extend(of(tables, "asset_collection", "AssetCollection", "collection"));
    found
}

fn of<'a>(
    tables: &'a Tables<'_>,
    table: &'static str,
    class: &'static str,
    target: &'static str,
) -> Vec<Candidate<'a>> {
    let stands_on_asset = matches!(class, "Promo" | "DeliverableImage");
    let candidate = |row: Row<'a>| {
        let asset_id = if stands_on_asset { row.id("asset_id") } else { None };
        let asset = tables.one("asset_master", "id", asset_id);
        let metadata_id = match &asset {
            Some(asset) => asset.id("metadata_id"),
            None if stands_on_asset => None,
            None => row.id("metadata_id"),
        };
        let source_key = format!("{class}:{}", row.id("id").unwrap_or_default());
        Candidate { sheet: Sheet::new(source_key, target, asset_id), class, row, asset, metadata_id }
    };
    tables.all(table).map(candidate).collect()
}
