//! References between candidates: members, parents, covers, related assets (D24, D31, D57, rulings A04, A21 to A23, A36).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::super::Value;
use super::entity::{Candidate, asset_class, deleted};
use super::sheet::Sheet;
use super::tables::{Row, Tables};

/// The columns of an item's references and the class each stands for.
const REFERENCES: [(&str, &str); 5] = [
    ("asset_id", "AssetMaster"),
    ("timeline_id", "Timeline"),
    ("clip_id", "Clip"),
    ("project_id", "Project"),
    ("child_collection_id", "AssetCollection"),
];

/// A stored link: its place in its list, what it names.
#[derive(Debug)]
struct Link {
    /// The stored order (none comes last), then the row's id.
    place: (bool, i64, i64),
    /// Class and id of the target; where it names nothing, or several things, what it names, for people.
    target: Result<(&'static str, i64), String>,
    /// The relation's name.
    relation: Json,
}

/// What a link leads to.
#[derive(Debug, Default)]
struct Target {
    /// Whether the row exists.
    found: bool,
    /// Whether something is wrong with linking to it where nothing of it loads: a candidate stands for it, or it is an
    /// asset that was deleted.
    judged: bool,
    /// The source keys of those that load, in order; a merged one's winner in its place.
    keys: BTreeSet<String>,
}

/// Which candidates stand for what.
struct Directory<'a> {
    tables: &'a Tables<'a>,
    by_asset: HashMap<i64, Vec<usize>>,
    by_row: HashMap<(&'static str, i64), usize>,
    /// The key under which a candidate is loaded, if it is.
    loaded: Vec<Option<String>>,
}

impl<'a> Directory<'a> {
    fn new(tables: &'a Tables<'a>, candidates: &[Candidate<'_>]) -> Self {
        let mut by_asset: HashMap<i64, Vec<usize>> = HashMap::new();
        let mut by_row = HashMap::new();
        let mut loaded = Vec::new();
        for (place, candidate) in candidates.iter().enumerate() {
            match (candidate.class, candidate.sheet.asset_id) {
                (class @ ("Project" | "AssetCollection"), _) => drop(by_row.insert((class, candidate.id()), place)),
                (_, Some(asset)) => by_asset.entry(asset).or_default().push(place),
                _ => {}
            }
            loaded.push(match candidate.sheet.disposition() {
                "load" => Some(candidate.sheet.source_key.clone()),
                "merged" => candidate.sheet.merged_into.clone(),
                _ => None,
            });
        }
        Self { tables, by_asset, by_row, loaded }
    }

    fn row(&self, class: &str, id: i64) -> Option<Row<'a>> {
        let table = match class {
            "AssetMaster" => "asset_master",
            "Timeline" => "timeline",
            "Clip" => "clip",
            "Project" => "project",
            _ => "asset_collection",
        };
        self.tables.one(table, "id", Some(id))
    }

    fn target(&self, class: &'static str, id: i64) -> Target {
        let candidates = match class {
            "AssetMaster" => self.by_asset.get(&id).cloned().unwrap_or_default(),
            _ => self.by_row.get(&(class, id)).copied().into_iter().collect(),
        };
        let row = self.row(class, id);
        Target {
            found: row.is_some(),
            judged: !candidates.is_empty() || (class == "AssetMaster" && row.as_ref().is_some_and(deleted)),
            keys: candidates.iter().filter_map(|place| self.loaded.get(*place).cloned().flatten()).collect(),
        }
    }

    /// The class by which a summary counts a target that exists.
    fn counted(&self, class: &'static str, id: i64) -> Option<String> {
        let row = self.row(class, id)?;
        let own = (class == "AssetMaster").then(|| asset_class(self.tables, &row)).flatten();
        Some(own.unwrap_or_else(|| class.to_owned()))
    }

    /// The source keys that a list's links lead to, with the relation, in order; a warning for each that leads to none
    /// (D31, rulings A04). A target that exists and has no target type (a clip, a timeline, an asset that is no candidate,
    /// rulings A03b) is left out without a word unless it was deleted or is there twice: a clean library has such
    /// members, and gives no warning.
    fn list(&self, sheet: &mut Sheet, field: &'static str, mut links: Vec<Link>) -> Vec<(String, Json, i64)> {
        links.sort_by_key(|link| link.place);
        let mut seen: HashSet<(&str, i64, String)> = HashSet::new();
        let mut listed: Vec<(String, Json, i64)> = Vec::new();
        for link in links {
            let relation = link.relation.to_string();
            let (class, id) = match link.target {
                Ok(target) => target,
                Err(named) => {
                    sheet.warn_of("BAD_MEMBERSHIP", field, Some(named));
                    continue;
                }
            };
            let target = self.target(class, id);
            let own = class == "AssetMaster" && sheet.asset_id == Some(id);
            let again = !seen.insert((class, id, relation.clone()));
            let new: Vec<String> = target
                .keys
                .iter()
                .filter(|key| !listed.iter().any(|known| known.0 == **key && known.1 == link.relation))
                .cloned()
                .collect();
            let code = if !target.found {
                "LINK_TARGET_MISSING"
            } else if own || target.keys.contains(&sheet.source_key) {
                "SELF_LINK"
            } else if again || (!target.keys.is_empty() && new.is_empty()) {
                "DUPLICATE_LINK"
            } else if target.judged && target.keys.is_empty() {
                "LINK_TARGET_NOT_MIGRATED"
            } else {
                listed.extend(new.into_iter().map(|key| (key, link.relation.clone(), link.place.2)));
                continue;
            };
            sheet.warn_of(code, field, Some(format!("{class}.{id}")));
        }
        listed
    }
}

/// Fills in the references, when it is known which candidates load.
pub fn fill(tables: &Tables<'_>, candidates: &mut [Candidate<'_>]) {
    let directory = Directory::new(tables, candidates);
    let relations = relations(&directory);
    for candidate in candidates.iter_mut().filter(|candidate| candidate.sheet.disposition() == "load") {
        match candidate.sheet.target {
            "collection" => members(&directory, candidate),
            "project" => assets(&directory, candidate),
            _ => related(&directory, &relations, candidate),
        }
    }
    tree(&directory, candidates);
}

fn reference(key: &str) -> Json {
    json!({ "source_key": key })
}

/// Items of a collection, its counts, and its cover.
fn members(directory: &Directory<'_>, candidate: &mut Candidate<'_>) {
    let (id, cover) = (candidate.id(), candidate.row);
    let sheet = &mut candidate.sheet;
    let mut counted: BTreeSet<(String, &str, i64)> = BTreeSet::new();
    let mut links = Vec::new();
    for item in directory.tables.by("asset_collection_item", "collection_id", id) {
        let filled: Vec<_> = REFERENCES.iter().filter_map(|(column, class)| Some((*class, item.id(column)?))).collect();
        let target = if let [target] = filled[..] { Ok(target) } else { Err(named(&item, &filled)) };
        let class = item.cell("member_class");
        for cell in REFERENCES.iter().map(|(column, _)| item.cell(column)).chain([class]) {
            sheet.touch("members", cell);
        }
        if let Ok((class, id)) = target {
            counted.extend(directory.counted(class, id).map(|counted| (counted, class, id)));
        }
        if target.is_ok() && class.codes().contains(&"MEMBER_CLASS_MISMATCH") {
            sheet.warn_of("MEMBER_CLASS_MISMATCH", "members", class.text());
        }
        links.push(Link { place: place(item.cell("sort_order"), &item), target, relation: Json::Null });
    }
    let items = links.len();
    let listed = directory.list(sheet, "members", links);
    let leading: HashSet<i64> = listed.iter().map(|(_, _, item)| *item).collect();
    let count = |class: &str| counted.iter().filter(|(counted, _, _)| counted == class).count();
    let [videos, images, documents, clips] = ["Video", "Image", "Document", "Clip"].map(count);
    let other = counted.len() - videos - images - documents - clips;
    let summary = json!({
        "videos": videos, "images": images, "documents": documents, "clips": clips, "other": other,
        "skipped": items - leading.len(),
    });
    sheet.put("memberSummary", summary);
    sheet.put("itemCount", listed.len());
    sheet.put("members", listed.iter().map(|(key, _, _)| reference(key)).collect::<Vec<_>>());
    if let Some(cover) = cover.id("cover_asset_id") {
        let link = Link { place: (false, 0, 0), target: Ok(("AssetMaster", cover)), relation: Json::Null };
        let first = directory.list(sheet, "coverAsset", vec![link]).into_iter().next();
        sheet.put("coverAsset", first.map_or(Json::Null, |(key, _, _)| reference(&key)));
    }
}

/// What an item names that does not name one thing (D57): the item's own id, since there may be no other, and its filled
/// references in the order of their columns.
fn named(item: &Row<'_>, filled: &[(&str, i64)]) -> String {
    let all: Vec<String> = filled.iter().map(|(class, id)| format!("{class}.{id}")).collect();
    let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    format!("item {}: {all}", item.id("id").unwrap_or_default())
}

fn place(order: &Value, row: &Row<'_>) -> (bool, i64, i64) {
    (order.is_null(), order.number().unwrap_or(0), row.id("id").unwrap_or_default())
}

/// The assets of a project, by their ids.
fn assets(directory: &Directory<'_>, candidate: &mut Candidate<'_>) {
    let rows = directory.tables.by("project_asset", "project_id", candidate.id());
    let sheet = &mut candidate.sheet;
    rows.iter().for_each(|row| sheet.touch("members", row.cell("asset_id")));
    let link = |row: &Row<'_>| {
        let id = row.id("asset_id")?;
        Some(Link { place: (false, id, 0), target: Ok(("AssetMaster", id)), relation: Json::Null })
    };
    let listed = directory.list(sheet, "members", rows.iter().filter_map(link).collect());
    sheet.put("members", listed.iter().map(|(key, _, _)| reference(key)).collect::<Vec<_>>());
}

/// Relations by the source key of the candidate that lists them: each with the asset on its other side, or the text of
/// what is missing.
type Relations<'a> = BTreeMap<String, Vec<(Row<'a>, Result<i64, String>)>>;

/// The relations of the left asset, of a symmetric type of the asset with the lower id (rulings A23); those of a merged
/// one are its winner's. Without a left side there is none; without a right side or a known type it leads nowhere (A04).
fn relations<'a>(directory: &Directory<'a>) -> Relations<'a> {
    let mut found = Relations::new();
    for row in directory.tables.all("asset_relation") {
        let kind = directory.tables.one("asset_relation_type", "id", row.id("relation_type_id"));
        let Some(left) = row.id("left_asset_id") else { continue };
        let symmetric = kind.as_ref().is_some_and(|kind| kind.means("symmetric") == true);
        let number = row.id("relation_type_id").map_or_else(String::new, |id| id.to_string());
        let (from, to) = match (row.id("right_asset_id"), kind) {
            (_, None) => (left, Err(format!("AssetRelationType.{number}"))),
            (None, _) => (left, Err("AssetMaster.".to_owned())),
            (Some(right), _) if symmetric => (left.min(right), Ok(left.max(right))),
            (Some(right), _) => (left, Ok(right)),
        };
        for key in directory.target("AssetMaster", from).keys {
            found.entry(key).or_default().push((row, to.clone()));
        }
    }
    found
}

fn related(directory: &Directory<'_>, relations: &Relations<'_>, candidate: &mut Candidate<'_>) {
    let sheet = &mut candidate.sheet;
    let mut links = Vec::new();
    for (row, to) in relations.get(&sheet.source_key).into_iter().flatten() {
        sheet.touch("relatedAssets", row.cell("left_asset_id"));
        sheet.touch("relatedAssets", row.cell("right_asset_id"));
        let kind = directory.tables.one("asset_relation_type", "id", row.id("relation_type_id"));
        let relation = kind.map_or(Json::Null, |kind| kind.means("forward_name"));
        match to {
            Ok(to) => {
                let target = Ok(("AssetMaster", *to));
                links.push(Link { place: place(row.cell("order"), row), target, relation });
            }
            Err(missing) => sheet.warn_of("LINK_TARGET_MISSING", "relatedAssets", Some(missing.clone())),
        }
    }
    let listed = directory.list(sheet, "relatedAssets", links);
    let related = |(key, relation, _): &(String, Json, i64)| json!({"asset": reference(key), "relation": relation});
    sheet.put("relatedAssets", listed.iter().map(related).collect::<Vec<_>>());
}

/// Parents of collections and the paths from the root: circles are cut at the lowest id (D24), what has no parent that
/// loads is a root (rulings A21).
fn tree(directory: &Directory<'_>, candidates: &mut [Candidate<'_>]) {
    let mut parents: BTreeMap<i64, i64> = BTreeMap::new();
    let loads =
        |candidate: &Candidate<'_>| candidate.sheet.target == "collection" && candidate.sheet.disposition() == "load";
    for candidate in candidates.iter_mut().filter(|candidate| loads(candidate)) {
        let cell = candidate.row.cell("parent_id");
        candidate.sheet.touch("parent", cell);
        let Some(parent) = cell.number() else { continue };
        let target = directory.target("AssetCollection", parent);
        let raw = Some(format!("AssetCollection.{parent}"));
        if !target.found {
            candidate.sheet.warn_of("PARENT_MISSING", "parent", raw);
        } else if target.keys.is_empty() {
            candidate.sheet.warn_of("LINK_TARGET_NOT_MIGRATED", "parent", raw);
        } else {
            parents.insert(candidate.id(), parent);
        }
    }
    let cut: BTreeSet<i64> = parents.keys().filter_map(|id| circle(&parents, *id)).collect();
    parents.retain(|id, _| !cut.contains(id));
    let names: HashMap<i64, String> = candidates
        .iter()
        .filter(|candidate| loads(candidate))
        .map(|candidate| (candidate.id(), candidate.sheet.get("title").as_str().unwrap_or_default().to_owned()))
        .collect();
    for candidate in candidates.iter_mut().filter(|candidate| loads(candidate)) {
        let id = candidate.id();
        if cut.contains(&id) {
            let raw = candidate.row.id("parent_id").map(|parent| format!("AssetCollection.{parent}"));
            candidate.sheet.warn_of("COLLECTION_CYCLE_BROKEN", "parent", raw);
        }
        if let Some(parent) = parents.get(&id) {
            candidate.sheet.put("parent", reference(&format!("AssetCollection:{parent}")));
        }
        let line = std::iter::successors(Some(id), |id| parents.get(id).copied());
        let mut steps: Vec<String> =
            line.map(|id| names.get(&id).map_or_else(String::new, |name| name.replace('/', "\\/"))).collect();
        steps.reverse();
        candidate.sheet.put("path", steps.join(" / "));
    }
}

/// The lowest id of the circle that a collection is part of, if it is.
fn circle(parents: &BTreeMap<i64, i64>, id: i64) -> Option<i64> {
    let mut lowest = id;
    let mut at = *parents.get(&id)?;
    for _ in 0..parents.len() {
        if at == id {
            return Some(lowest);
        }
        lowest = lowest.min(at);
        at = *parents.get(&at)?;
    }
    None
}
