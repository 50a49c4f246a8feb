//! What belongs to the account: users, groups, workspaces, actions, workflow definitions, tag collections, the history of
//! events and the account's properties.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Handled, envelope, flex_time};
use super::call::{Call, required_text};
use super::catalog::{bare, listed};
use super::definitions::unstored;
use super::records::Record;
use super::service::Flex;
use super::store::{Event, now};

const PROPERTIES: &str = "accountProperties";

/// The only items of the lists that no client changes: path word, id, name.
const FIXED: [(&str, u64, &str); 8] = [
    ("accounts", 4, "Master Account"),
    ("resources", 5, "Rehearsal Storage"),
    ("users", 5, "rehearsal"),
    ("groups", 6, "Operators"),
    ("workspaces", 3, "Default Workspace"),
    ("actions", 7, "Import"),
    ("workflowDefinitions", 8, "Ingest"),
    ("taxonomies", 9, "Categories"),
];

/// The item of one of those lists.
pub fn fixed_item(call: &Call<'_>, kind: &str, id: u64) -> Option<Value> {
    let (_, id, name) = FIXED.iter().find(|(word, known, _)| *word == kind && *known == id)?;
    Some(json!({
        "id": id, "name": name, "displayName": name, "href": format!("{}/{kind}/{id}", call.base_url), "accountId": 4,
        "enabled": true, "deleted": false, "created": flex_time(0), "lastModified": flex_time(0),
    }))
}

/// `GET /users` and the like.
pub fn list(call: &Call<'_>, kind: &str) -> Handled {
    let items = FIXED.iter().filter(|(word, _, _)| *word == kind).filter_map(|(_, id, _)| fixed_item(call, kind, *id));
    listed(call, kind, items.collect())
}

/// `GET /users/{id}` and the like.
pub fn get(call: &Call<'_>, kind: &str, id: &str) -> Handled {
    let found = id.parse().ok().and_then(|id| fixed_item(call, kind, id));
    found.map(|item| Answer::value(&item)).ok_or_else(|| Answer::missing(&class_of(kind), id))
}

/// `workflowDefinitions` as errors name one of them: `WorkflowDefinition`.
pub fn class_of(kind: &str) -> String {
    let singular = match kind.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => kind.trim_end_matches('s').to_owned(),
    };
    let mut letters = singular.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `GET /tagCollections`, a bare array: the lists of options that take any text.
pub fn tag_collections(flex: &Flex, call: &Call<'_>) -> Handled {
    let mut names: Vec<String> = Vec::new();
    let open = |field: &&Value| field["backingStoreType"] == "USER_DEFINED_TAG_COLLECTION";
    for definition in flex.store().definitions() {
        let fields = definition.record.fields.iter().filter(open);
        names.extend(fields.filter_map(|field| field["backingStoreInstanceId"].as_str().map(str::to_owned)));
    }
    names.sort_unstable();
    names.dedup();
    bare(
        call,
        names.iter().zip(1..).map(|(name, id): (_, u64)| json!({"id": id, "name": name, "uuid": name})).collect(),
    )
}

/// `GET /events`: the creation of every asset, rows keyed by `time` and `id`.
pub fn events(flex: &Flex, call: &Call<'_>) -> Handled {
    let page = call.page()?;
    let store = flex.store();
    let rows = store.assets().iter().skip(page.offset).take(page.limit).map(|stored| {
        let (id, at) = (stored.asset.id, flex_time(stored.asset.created));
        json!({"id": id, "time": at, "eventType": "Asset Created", "object": {"id": id, "name": stored.asset.name}})
            .to_string()
    });
    let rows: Vec<_> = rows.collect();
    Ok(envelope("events", &rows, store.assets().len(), page.offset, page.limit))
}

/// `GET /accountProperties`.
pub fn properties(flex: &Flex, call: &Call<'_>) -> Handled {
    listed(call, PROPERTIES, flex.store().records().of(PROPERTIES).map(|row| item(call, row)).collect())
}

/// `GET /accountProperties/{id}`.
pub fn property(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let store = flex.store();
    let found = store.records().find(PROPERTIES, id).map(|row| item(call, row));
    found.map(|item| Answer::value(&item)).ok_or_else(|| Answer::missing("AccountProperty", id))
}

/// `POST /accountProperties`: a key that exists already keeps its id and gets the new value.
pub fn set_property(flex: &Flex, call: &Call<'_>) -> Handled {
    let body = call.strict_object("NewAccountProperty", &["key", "value", "name", "accountId", "enabled"])?;
    let key = required_text(&body, if body.contains_key("key") { "key" } else { "name" })?;
    let mut store = flex.store();
    let known = store.records().of(PROPERTIES).find(|row| row.get("key").as_str() == Some(&key)).map(|row| row.id);
    let id = known.unwrap_or_else(|| store.records().next());
    let mut kept = Map::new();
    kept.insert("name".to_owned(), json!(key));
    kept.insert("key".to_owned(), json!(key));
    kept.insert("value".to_owned(), body.get("value").cloned().unwrap_or_default());
    kept.insert("lastModified".to_owned(), json!(flex_time(now())));
    let record = Record { kind: PROPERTIES.to_owned(), id, body: kept };
    let answer = Answer::value(&item(call, &record)).created(format!("{}/{PROPERTIES}/{id}", call.base_url));
    store.commit(Event::Record(record)).map_err(unstored)?;
    Ok(answer)
}

/// `DELETE /accountProperties/{id}`: 204.
pub fn remove_property(flex: &Flex, id: &str) -> Handled {
    let mut store = flex.store();
    let found = store.records().find(PROPERTIES, id).map(|row| row.id);
    let id = found.ok_or_else(|| Answer::missing("AccountProperty", id))?;
    store.commit(Event::RecordRemoved(id)).map_err(unstored)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// A record as it is served: its id, its address, its properties.
pub fn item(call: &Call<'_>, record: &Record) -> Value {
    let mut item = Map::new();
    item.insert("id".to_owned(), json!(record.id));
    item.insert("href".to_owned(), json!(format!("{}/{}/{}", call.base_url, record.kind, record.id)));
    item.extend(record.body.clone());
    Value::Object(item)
}
