//! Candidates: which rows are, what they stand on, and the scope filter (sections 4, 8 and 9).

use std::collections::HashSet;

use super::super::core::now;
use super::super::{Library, Value};
use super::eav;
use super::sheet::Sheet;
use super::tables::{Row, Tables};
use super::version::{self, Technical};

/// The tables that the answer key looks at, whole. Property values are added by [`load`] for the objects of
/// candidates alone.
const TABLES: &[&str] = &[
    "asset_master",
    "asset_version",
    "asset_content",
    "media_info",
    "media_info_track_video",
    "media_info_track_audio",
    "video_asset_master",
    "image_asset_master",
    "audio_asset_master",
    "document_asset_master",
    "other_asset_master",
    "asset_external_id",
    "asset_category",
    "asset_category_asset",
    "asset_relation",
    "asset_relation_type",
    "picklist",
    "picklist_value",
    "promo",
    "deliverable_image",
    "deliverable_image_spec",
    "exif_tag",
    "project",
    "project_asset",
    "asset_collection",
    "annotation",
    "marker",
    "promo_air_date",
    "promo_campaign",
    "asset_collection_item",
    "clip",
    "timeline",
    "file_info",
    "metadata_property_text",
    "title",
    "metabase_title_cache",
    "asset_keyword",
    "keyword",
    "keyword_synonym",
    "security_user",
    "asset_status",
    "project_type",
    "dynamic_property",
];

/// The tables of the subclasses that have contents, and their class.
const SUBCLASSES: [(&str, &str); 5] = [
    ("audio_asset_master", "Audio"),
    ("document_asset_master", "Document"),
    ("image_asset_master", "Image"),
    ("other_asset_master", "Other"),
    ("video_asset_master", "Video"),
];

/// Property 8, whose value `Promo` makes a video a promo.
const CONTENT_TYPE: i64 = 8;
/// Property 15, which makes an image a deliverable image.
const IMAGE_DETAIL: i64 = 15;

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
    /// Its asset's class.
    pub asset_class: Option<String>,
    /// Its asset's current version.
    pub version: Option<Row<'a>>,
    /// The content of that version whose technical values count, and what was measured in it.
    pub technical: Technical<'a>,
    /// Its metadata object: its own, or its asset's.
    pub metadata_id: Option<i64>,
}

impl<'a> Candidate<'a> {
    /// The id in its source key.
    pub fn id(&self) -> i64 {
        self.row.id("id").unwrap_or_default()
    }

    /// A cell of its own table, unless it is a routed asset, which has no such row.
    pub fn own(&self, column: &str) -> &'a Value {
        if self.class == "AssetMaster" { &Value::Null } else { self.row.cell(column) }
    }

    /// A cell of its asset; NULL without one.
    pub fn of_asset(&self, column: &str) -> &'a Value {
        cell(self.asset.as_ref(), column)
    }

    /// A cell of its asset's row in a subclass table; NULL without one.
    pub fn of_subclass(&self, tables: &'a Tables<'_>, table: &'static str, column: &str) -> &'a Value {
        let row = tables.one(table, "id", self.sheet.asset_id);
        cell(row.as_ref(), column)
    }
}

/// A cell of a row; NULL without one.
pub fn cell<'a>(row: Option<&Row<'a>>, column: &str) -> &'a Value {
    row.map_or(&Value::Null, |row| row.cell(column))
}

/// The tables in memory.
pub fn load(library: &Library) -> Tables<'_> {
    let mut tables = Tables::load(library, TABLES);
    let objects: HashSet<i64> = ["asset_master", "project", "asset_collection"]
        .iter()
        .flat_map(|table| tables.ids(table, "metadata_id"))
        .collect();
    // Columns of the value table: id, metadata_id, property_id.
    tables.add("metadata_property_value", |values| {
        values.get(1).and_then(Value::number).is_some_and(|object| objects.contains(&object))
    });
    tables
}

/// Every candidate, its scope settled: the rows of the four tables, and assets routed by their descriptive fields
/// (rulings A03, A03b).
pub fn candidates<'a>(tables: &'a Tables<'_>) -> Vec<Candidate<'a>> {
    let mut found = of(tables, "promo", "Promo", "promo");
    found.extend(of(tables, "deliverable_image", "DeliverableImage", "deliverable_image"));
    found.extend(of(tables, "project", "Project", "project"));
    found.extend(of(tables, "asset_collection", "AssetCollection", "collection"));
    found.extend(routed(tables));
    for candidate in &mut found {
        judge(tables, candidate);
    }
    found
}

fn of<'a>(
    tables: &'a Tables<'_>,
    table: &'static str,
    class: &'static str,
    target: &'static str,
) -> Vec<Candidate<'a>> {
    tables.all(table).map(|row| candidate(tables, row, class, target)).collect()
}

fn candidate<'a>(tables: &'a Tables<'_>, row: Row<'a>, class: &'static str, target: &'static str) -> Candidate<'a> {
    let stands_on_asset = !matches!(class, "Project" | "AssetCollection");
    let asset_id = match class {
        "AssetMaster" => row.id("id"),
        _ if stands_on_asset => row.id("asset_id"),
        _ => None,
    };
    let asset = tables.one("asset_master", "id", asset_id);
    let metadata_id = match &asset {
        Some(asset) => asset.id("metadata_id"),
        None if stands_on_asset => None,
        None => row.id("metadata_id"),
    };
    let source_key = format!("{class}:{}", row.id("id").unwrap_or_default());
    let version = asset.as_ref().and_then(|asset| version::current(tables, asset));
    let technical = version.as_ref().map(|version| version::technical(tables, version)).unwrap_or_default();
    Candidate {
        sheet: Sheet::new(source_key, target, asset_id),
        class,
        row,
        asset_class: asset.as_ref().and_then(|asset| asset_class(tables, asset)),
        asset,
        version,
        technical,
        metadata_id,
    }
}

/// The classes of the subclass rows of an asset.
fn subclasses(tables: &Tables<'_>, asset: &Row<'_>) -> Vec<&'static str> {
    let has = |table| !tables.by(table, "id", asset.id("id").unwrap_or_default()).is_empty();
    SUBCLASSES.iter().filter(|(table, _)| has(table)).map(|(_, class)| *class).collect()
}

/// An asset's class: its subclass row's (D16); of two the declared one, else the first by name (D18); without any the
/// declared one (D17).
pub fn asset_class(tables: &Tables<'_>, asset: &Row<'_>) -> Option<String> {
    let declared = asset.cell("assetType").text();
    let rows = subclasses(tables, asset);
    match &declared {
        Some(declared) if rows.is_empty() || rows.contains(&declared.as_str()) => Some(declared.clone()),
        _ => rows.first().map(|class| (*class).to_owned()),
    }
}

/// Live videos of content type Promo without a promo row, and live images with a known endpoint image detail without a
/// row of a deliverable image. Of several values of such a field the latest counts (D26).
fn routed<'a>(tables: &'a Tables<'_>) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    for asset in tables.all("asset_master").filter(|asset| !deleted(asset)) {
        let id = asset.id("id").unwrap_or_default();
        let object = asset.id("metadata_id");
        let target = match asset_class(tables, &asset).as_deref() {
            Some("Video")
                if tables.by("promo", "asset_id", id).is_empty()
                    && eav::one(tables, object, CONTENT_TYPE).means() == "Promo" =>
            {
                "promo"
            }
            Some("Image") if tables.by("deliverable_image", "asset_id", id).is_empty() => {
                let image = tables.one("image_asset_master", "id", Some(id));
                let own = image.and_then(|image| list_value(tables, image.id("endpoint_image_detail_id")));
                if eav::one(tables, object, IMAGE_DETAIL).means().is_null() && own.is_none() {
                    continue;
                }
                "deliverable_image"
            }
            _ => continue,
        };
        found.push(candidate(tables, asset, "AssetMaster", target));
    }
    found
}

/// What a row of a picklist means.
fn list_value(tables: &Tables<'_>, id: Option<i64>) -> Option<String> {
    tables.one("picklist_value", "id", id)?.means("value").as_str().map(ToOwned::to_owned)
}

/// D50: flagged as deleted, or the time of deletion is in the past (rulings A30), whatever the flag says. Times of one
/// form are in the order of their texts.
pub fn deleted(row: &Row<'_>) -> bool {
    let past = |at: &str| at <= now().as_str();
    row.means("deleted") == true
        || (row.table() == "asset_master" && row.means("deleted_at").as_str().is_some_and(past))
}

/// The scope filter, then the reasons that concern what a candidate stands on. A row out of scope gets no further: the
/// filter comes before all reasons (section 8) and a warning is for a row that loads or would, so such a row tells only
/// what the filter itself met, a time of deletion against its flag (D50, where that alone decides) and another type (D16).
fn judge(tables: &Tables<'_>, candidate: &mut Candidate<'_>) {
    let own_kind = candidate.own_kind();
    let sheet = &mut candidate.sheet;
    let asset = candidate.asset.as_ref();
    let class = candidate.asset_class.as_deref();
    sheet.touch("", candidate.row.cell("deleted"));
    for column in ["deleted", "deleted_at", "assetType"] {
        sheet.touch("", cell(asset, column));
    }
    sheet.out_of_scope = if deleted(&candidate.row) || asset.is_some_and(deleted) {
        Some("SOFT_DELETED")
    } else if matches!(class, Some("Audio" | "Other" | "Placeholder")) {
        Some("OUT_OF_SCOPE_TYPE")
    } else {
        own_kind
    };
    let flagged = |row: &Row<'_>| row.means("deleted") == true;
    if !deleted(&candidate.row) && asset.is_some_and(|asset| deleted(asset) && !flagged(asset)) {
        sheet.warn("DELETED_FLAG_CONFLICT", "");
    }
    let wanted = match sheet.target {
        "promo" => "Video",
        "deliverable_image" => "Image",
        _ => return,
    };
    if candidate.class != "AssetMaster" {
        sheet.touch("", candidate.row.cell("asset_id"));
    }
    let Some(asset) = asset else {
        sheet.reject("ORPHAN_ASSET_REF", None);
        return;
    };
    let rows = subclasses(tables, asset);
    match class {
        Some(class) if class != wanted => sheet.reject("WRONG_ASSET_CLASS", None),
        _ if rows.is_empty() => sheet.reject("MISSING_SUBCLASS", None),
        _ => {}
    }
    if rows.len() > 1 {
        sheet.reject("AMBIGUOUS_TYPE", None);
    }
    if class.is_some() && asset.cell("assetType").text().is_some_and(|declared| Some(declared.as_str()) != class) {
        sheet.warn("TYPE_MISMATCH", "");
    }
    if sheet.out_of_scope.is_some() {
        return;
    }
    if candidate.version.is_none() {
        sheet.reject("NO_VERSION", None);
    } else if version::conflict(tables, asset) {
        sheet.warn("CURRENT_VERSION_CONFLICT", "");
    }
}

impl Candidate<'_> {
    /// D58: the reason for which a collection's kind is out of scope.
    fn own_kind(&self) -> Option<&'static str> {
        if self.class != "AssetCollection" {
            return None;
        }
        let kind = self.row.cell("collection_kind");
        match kind.means().as_str() {
            Some("SYSTEM") => Some("SYSTEM_COLLECTION"),
            Some("SMART") => Some("SMART_COLLECTION"),
            _ => None,
        }
    }
}
