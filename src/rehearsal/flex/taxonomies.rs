//! Taxonomies, trees of terms. One is there from the start, without terms; its taxons are for clients to make. The lists
//! are bare arrays, but for that of the taxons below a taxon.

use serde_json::{Value, json};

use super::account::fixed_item;
use super::answer::{Answer, Handled};
use super::call::{Call, optional_text, required_text};
use super::catalog::bare;
use super::definitions::unstored;
use super::records::Record;
use super::service::Flex;
use super::store::{Event, Store, random_uuid};

const KIND: &str = "taxonomies";
const TAXONS: &str = "taxons";
/// The only taxonomy.
const TAXONOMY: u64 = 9;

fn taxonomy(call: &Call<'_>, id: &str) -> Result<Value, Answer> {
    let found = id.parse().ok().and_then(|id| fixed_item(call, KIND, id));
    let mut item = found.ok_or_else(|| Answer::missing("Taxonomy", id))?;
    item["uuid"] = json!("5a3bfc3e-8a4f-4f0e-9d0b-1d6d4f3c2a10");
    item["description"] = Value::Null;
    item["visibilityIds"] = json!([4]);
    item["userId"] = json!(5);
    item["displayInApps"] = json!(true);
    Ok(item)
}

/// `GET /taxonomies`.
pub fn list(call: &Call<'_>) -> Handled {
    bare(call, vec![taxonomy(call, &TAXONOMY.to_string())?])
}

/// `GET /taxonomies/{id}`.
pub fn get(call: &Call<'_>, id: &str) -> Handled {
    Ok(Answer::value(&taxonomy(call, id)?))
}

/// `GET /taxonomies/{id}/taxons`, those at the top, and `GET /taxonomies/{id}/taxons/{parent}/taxons`.
pub fn taxons(flex: &Flex, call: &Call<'_>, id: &str, parent: Option<&str>) -> Handled {
    taxonomy(call, id)?;
    let store = flex.store();
    let Some(parent) = parent else { return bare(call, children(&store, None)) };
    let parent = find(&store, parent)?.id;
    Ok(Answer::value(&json!({"taxons": children(&store, Some(parent))})))
}

/// `POST` to either of them.
pub fn create(flex: &Flex, call: &Call<'_>, id: &str, parent: Option<&str>) -> Handled {
    taxonomy(call, id)?;
    let body = call.strict_object("NewTaxon", &["name", "childCategoryName", "enabled", "externalId"])?;
    let name = required_text(&body, "name")?;
    let category = optional_text(&body, "childCategoryName")?;
    let external_id = optional_text(&body, "externalId")?;
    let mut store = flex.store();
    let parent = parent.map(|parent| find(&store, parent).cloned()).transpose()?;
    let mut ancestors = Vec::new();
    if let Some(parent) = &parent {
        ancestors.extend(parent.get("ancestors").as_array().cloned().unwrap_or_default());
        ancestors.push(json!({"id": parent.id, "name": parent.get("name")}));
    }
    let properties = json!({
        "uuid": random_uuid(), "name": name, "childCategoryName": category, "externalId": external_id,
        "enabled": body.get("enabled").and_then(Value::as_bool).unwrap_or(true), "ancestors": ancestors,
        "parent": parent.map(|parent| parent.id),
    });
    let Value::Object(body) = properties else { return Err(Answer::bad("not an object")) };
    let record = Record { kind: TAXONS.to_owned(), id: store.records().next(), body };
    let href = format!("{}/{KIND}/{id}/{TAXONS}/{}", call.base_url, record.id);
    let answer = Answer::value(&item(&store, &record)).created(href);
    store.commit(Event::Record(record)).map_err(unstored)?;
    Ok(answer)
}

fn find<'a>(store: &'a Store, id: &str) -> Result<&'a Record, Answer> {
    store.records().find(TAXONS, id).ok_or_else(|| Answer::missing("Taxon", id))
}

fn children(store: &Store, parent: Option<u64>) -> Vec<Value> {
    let below = store.records().of(TAXONS).filter(|row| row.get("parent").as_u64() == parent);
    below.map(|row| item(store, row)).collect()
}

fn item(store: &Store, row: &Record) -> Value {
    let has_children = store.records().of(TAXONS).any(|other| other.get("parent").as_u64() == Some(row.id));
    json!({
        "id": row.id, "uuid": row.get("uuid"), "name": row.get("name"), "childCategoryName": row.get("childCategoryName"),
        "hasChildren": has_children, "enabled": row.get("enabled"), "ancestors": row.get("ancestors"),
        "externalId": row.get("externalId"),
    })
}
