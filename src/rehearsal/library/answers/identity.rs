//! Who a row is, whatever its type: identifiers, when it was made and changed, categories (section 9, rulings A02, A24).

use std::collections::HashMap;

use serde_json::Value as Json;

use super::super::Value;
use super::entity::Candidate;
use super::tables::Tables;

/// What the generator says of a moment without end.
const OPEN: &str = "infinity";

/// What is known of all rows together.
#[derive(Debug)]
pub struct Registry {
    /// The candidate that bears an asset's external id: the one with the lowest id, then the lowest source key.
    bearers: HashMap<i64, (i64, String)>,
    /// The row that keeps a uuid that several have, by table: the one with the lowest id.
    uuids: HashMap<(&'static str, String), i64>,
}

impl Registry {
    /// From all candidates.
    pub fn new(tables: &Tables<'_>, candidates: &[Candidate<'_>]) -> Self {
        let mut bearers: HashMap<i64, (i64, String)> = HashMap::new();
        for candidate in candidates.iter().filter(|candidate| candidate.asset.is_some()) {
            let own = (candidate.id(), candidate.sheet.source_key.clone());
            let asset = candidate.sheet.asset_id.unwrap_or_default();
            let known = bearers.entry(asset).or_insert_with(|| own.clone());
            if own < *known {
                *known = own;
            }
        }
        let mut uuids = HashMap::new();
        for table in ["asset_master", "project", "asset_collection"] {
            for row in tables.all(table) {
                let (Some(uuid), Some(id)) = (row.means("uuid").as_str().map(ToOwned::to_owned), row.id("id")) else {
                    continue;
                };
                uuids.entry((table, uuid)).and_modify(|known: &mut i64| *known = id.min(*known)).or_insert(id);
            }
        }
        Self { bearers, uuids }
    }

    fn bears(&self, candidate: &Candidate<'_>) -> bool {
        let bearer = candidate.sheet.asset_id.and_then(|asset| self.bearers.get(&asset));
        bearer.is_some_and(|bearer| bearer.1 == candidate.sheet.source_key)
    }
}

/// Fills in the fields.
pub fn fill(tables: &Tables<'_>, registry: &Registry, candidate: &mut Candidate<'_>) {
    external_id(tables, registry, candidate);
    uuid(registry, candidate);
    dates(candidate);
    let (id, class) = (candidate.id(), candidate.class);
    candidate.sheet.put("legacyId", id);
    candidate.sheet.put("legacyClass", class);
    let categories = categories(tables, candidate);
    candidate.sheet.put("categories", categories);
}

/// The asset's own id, else that of its lowest row in the table of external ids, else one made of the source key.
fn external_id(tables: &Tables<'_>, registry: &Registry, candidate: &mut Candidate<'_>) {
    if registry.bears(candidate) {
        let mut rows = tables.by("asset_external_id", "asset_id", candidate.sheet.asset_id.unwrap_or_default());
        rows.sort_by_key(|row| row.id("id"));
        let own = candidate.of_asset("external_id");
        // Rows that hold blanks are none; a placeholder is one that means nothing (D03).
        let other = rows
            .iter()
            .map(|row| row.cell("external_id"))
            .find(|cell| !cell.means().is_null() || !cell.codes().is_empty());
        let cells = std::iter::once(own).chain(other);
        candidate.sheet.choose("externalId", cells);
    }
    if candidate.sheet.get("externalId").is_null() {
        let made = format!("reach:{}", candidate.sheet.source_key);
        candidate.sheet.put("externalId", made);
    }
}

/// D30, rulings A27: of several rows with one uuid all but the lowest lose it.
fn uuid(registry: &Registry, candidate: &mut Candidate<'_>) {
    let row = match (&candidate.asset, candidate.class) {
        (Some(asset), _) => *asset,
        (None, "Project" | "AssetCollection") => candidate.row,
        _ => return,
    };
    let cell = row.cell("uuid");
    let means = candidate.sheet.read("legacyUuid", cell);
    let Some(uuid) = means.as_str() else { return };
    if registry.uuids.get(&(row.table(), uuid.to_owned())) == row.id("id").as_ref() {
        candidate.sheet.put("legacyUuid", means);
    } else {
        candidate.sheet.warn_of("UUID_INVALID", "legacyUuid", cell.text());
    }
}

/// When it was made and changed: dates of the type's own row, of the asset where it has none (rulings A24); kept
/// whatever they are (D52), with a warning where they are in the wrong order (D49).
fn dates(candidate: &mut Candidate<'_>) {
    let (created, modified): (&Value, &Value) = match candidate.class {
        "Promo" => (candidate.own("date_created"), candidate.of_asset("date_updated")),
        "DeliverableImage" => (candidate.own("created_at"), candidate.own("updated_at")),
        "AssetMaster" => (candidate.of_asset("date_created"), candidate.of_asset("date_updated")),
        _ => (candidate.own("date_created"), candidate.own("date_updated")),
    };
    let sheet = &mut candidate.sheet;
    // A moment without end is none (D47).
    let [created, changed] = [("createdDate", created), ("modifiedDate", modified)].map(|(field, cell)| {
        let means = sheet.read(field, cell);
        let means = if means == OPEN { Json::Null } else { means };
        sheet.put(field, means.clone());
        means
    });
    // Instants of one form are in the order of their texts.
    if let (Json::String(created), Json::String(changed)) = (created, changed)
        && changed < created
    {
        sheet.warn_of("DATE_ORDER", "modifiedDate", modified.text());
    }
}

/// D73: the names of the table's categories, by their ids, each once; the cache on the asset is not asked.
fn categories(tables: &Tables<'_>, candidate: &mut Candidate<'_>) -> Vec<Json> {
    if candidate.asset.is_none() {
        return Vec::new();
    }
    candidate.sheet.touch("categories", candidate.of_asset("category_names"));
    let links = tables.by("asset_category_asset", "asset_id", candidate.sheet.asset_id.unwrap_or_default());
    let mut ids: Vec<Option<i64>> = links.iter().map(|link| link.id("category_id")).collect();
    ids.sort_unstable();
    let names = ids.into_iter().filter_map(|id| tables.one("asset_category", "id", id)).map(|row| row.means("name"));
    let mut found: Vec<Json> = Vec::new();
    for name in names.filter(|name| !name.is_null()) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
