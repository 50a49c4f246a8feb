//! `/collections`: named lists of assets. Unlike other resources they are named by their uuid, paged by the query string,
//! counted as `totalResults`, and dated in ISO 8601.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Handled};
use super::call::{Call, optional_id, required_text};
use super::definition::Fields;
use super::definitions::unstored;
use super::instance::check;
use super::records::Record;
use super::service::Flex;
use super::store::{Event, Store, now, random_uuid};

const KIND: &str = "collections";
/// Properties of a new collection.
const NEW: [&str; 9] =
    ["name", "type", "parentUuid", "variantId", "metadataDefinitionEntityId", "metadata", "sharing", "acl", "fql"];
/// Properties of an item.
const ITEM: [&str; 5] = ["id", "type", "in", "out", "itemName"];

fn iso_now() -> String {
    DateTime::<Utc>::from_timestamp(now(), 0).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `GET /collections`.
pub fn list(flex: &Flex, call: &Call<'_>) -> Handled {
    let store = flex.store();
    paged(call, KIND, &store.records().of(KIND).map(shown).collect::<Vec<_>>())
}

fn paged(call: &Call<'_>, key: &str, rows: &[Value]) -> Handled {
    let page = call.query_page()?;
    let shown: Vec<_> = rows.iter().skip(page.offset).take(page.limit).collect();
    Ok(Answer::value(&json!({key: shown, "totalResults": rows.len(), "offset": page.offset, "limit": page.limit})))
}

/// `POST /collections`.
pub fn create(flex: &Flex, call: &Call<'_>) -> Handled {
    let mut body = call.strict_object("NewCollection", &NEW)?;
    required_text(&body, "name")?;
    let definition = optional_id(&body, "metadataDefinitionEntityId")?;
    let instance = match body.shift_remove("metadata") {
        Some(Value::Object(given)) => checked(flex, definition, given)?,
        _ => Map::new(),
    };
    let (uuid, at) = (random_uuid(), iso_now());
    for (key, value) in [
        ("uuid", json!(uuid)),
        ("created", json!(at)),
        ("lastModified", json!(at)),
        ("items", json!([])),
        ("instance", json!(instance)),
    ] {
        body.insert(key.to_owned(), value);
    }
    let mut store = flex.store();
    let record = Record { kind: KIND.to_owned(), id: store.records().next(), body };
    let answer = Answer::value(&shown(&record)).created(format!("{}/{KIND}/{uuid}", call.base_url));
    store.commit(Event::Record(record)).map_err(unstored)?;
    Ok(answer)
}

/// `GET /collections/{uuid}`.
pub fn get(flex: &Flex, uuid: &str) -> Handled {
    Ok(Answer::value(&shown(find(&flex.store(), uuid)?)))
}

/// `DELETE /collections/{uuid}`: 204.
pub fn remove(flex: &Flex, uuid: &str) -> Handled {
    let mut store = flex.store();
    let id = find(&store, uuid)?.id;
    store.commit(Event::RecordRemoved(id)).map_err(unstored)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// `GET /collections/{uuid}/items`.
pub fn items(flex: &Flex, call: &Call<'_>, uuid: &str) -> Handled {
    let held = held(find(&flex.store(), uuid)?);
    paged(call, "items", &held)
}

/// `PUT /collections/{uuid}/items`: items are added, each with a code: 200 added, 404 no such asset, 409 held already.
pub fn add_items(flex: &Flex, call: &Call<'_>, uuid: &str) -> Handled {
    let mut body = call.strict_object("CollectionItems", &["items"])?;
    let Some(Value::Array(given)) = body.remove("items") else {
        return Err(Answer::bad("Property \"items\" is required and is an array"));
    };
    let mut store = flex.store();
    let record = find(&store, uuid)?.clone();
    let mut held = held(&record);
    let mut answers = Vec::new();
    for item in given {
        let unknown = item.as_object().and_then(|item| item.keys().find(|key| !ITEM.contains(&key.as_str())));
        if let Some(key) = unknown {
            return Err(Answer::bad(format!(
                "Unrecognized field \"{key}\" (Class CollectionItem), not marked as ignorable"
            )));
        }
        let code = match item["id"].as_u64() {
            None => 400,
            Some(id) if store.asset(id).is_none() => 404,
            Some(_) if held.contains(&item) => 409,
            Some(_) => 200,
        };
        if code == 200 {
            held.push(item.clone());
        }
        answers.push(json!({"code": code, "item": item}));
    }
    keep(&mut store, record, "items", Value::Array(held))?;
    Ok(Answer::value(&answers))
}

/// `DELETE /collections/{uuid}/items`: by the ids of the items, each with a code: 200 removed, 404 not held.
pub fn remove_items(flex: &Flex, call: &Call<'_>, uuid: &str) -> Handled {
    let mut body = call.strict_object("CollectionItemKeys", &["itemKeys"])?;
    let Some(Value::Array(keys)) = body.remove("itemKeys") else {
        return Err(Answer::bad("Property \"itemKeys\" is required and is an array"));
    };
    let mut store = flex.store();
    let record = find(&store, uuid)?.clone();
    let mut held = held(&record);
    let mut answers = Vec::new();
    for key in keys {
        let before = held.len();
        held.retain(|item| item["id"] != key);
        answers.push(json!({"code": if held.len() < before { 200 } else { 404 }, "itemKey": key}));
    }
    keep(&mut store, record, "items", Value::Array(held))?;
    Ok(Answer::value(&answers))
}

/// `GET /collections/{uuid}/metadata`.
pub fn metadata(flex: &Flex, uuid: &str) -> Handled {
    let store = flex.store();
    let row = find(&store, uuid)?;
    Ok(Answer::value(&json!({"instance": row.get("instance"), "definitionId": row.get("metadataDefinitionEntityId")})))
}

/// `PUT /collections/{uuid}/metadata/{definition}`: the bare instance replaces the one before.
pub fn put_metadata(flex: &Flex, call: &Call<'_>, uuid: &str, definition: &str) -> Handled {
    let definition = definition.parse().map_err(|_| Answer::missing("MetadataDefinition", definition))?;
    let instance = checked(flex, Some(definition), call.object()?)?;
    let mut store = flex.store();
    let mut record = find(&store, uuid)?.clone();
    record.body.insert("metadataDefinitionEntityId".to_owned(), json!(definition));
    keep(&mut store, record, "instance", Value::Object(instance))?;
    drop(store);
    metadata(flex, uuid)
}

fn checked(flex: &Flex, definition: Option<u64>, given: Map<String, Value>) -> Result<Map<String, Value>, Answer> {
    let known = match definition {
        Some(id) => {
            let known = flex.store().definition(id).cloned();
            Some(known.ok_or_else(|| Answer::missing("MetadataDefinition", id))?)
        }
        None => None,
    };
    let none = Fields::default();
    let fields = known.as_ref().map_or(&none, |definition| &definition.fields);
    Ok(check(fields, given).map_err(Answer::bad)?.instance)
}

fn keep(store: &mut Store, mut record: Record, name: &str, value: Value) -> Result<(), Answer> {
    record.body.insert(name.to_owned(), value);
    record.body.insert("lastModified".to_owned(), json!(iso_now()));
    store.commit(Event::Record(record)).map_err(unstored)
}

fn find<'a>(store: &'a Store, uuid: &str) -> Result<&'a Record, Answer> {
    let found = store.records().of(KIND).find(|row| row.get("uuid").as_str() == Some(uuid));
    found.ok_or_else(|| Answer::missing("Collection", uuid))
}

fn held(record: &Record) -> Vec<Value> {
    record.get("items").as_array().cloned().unwrap_or_default()
}

fn shown(record: &Record) -> Value {
    let mut item = record.body.clone();
    item.shift_remove("items");
    item.shift_remove("instance");
    item.insert("itemCount".to_owned(), json!(held(record).len()));
    Value::Object(item)
}
