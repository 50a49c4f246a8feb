//! The test oracle beside the API: `GET /__standin/dump`, `GET /__standin/totals`, `POST /__standin/tamper`,
//! `POST /__standin/faults`.
//!
//! The dump is NDJSON, one object a line, told apart by `kind`: every `asset` with its stored instance, every
//! `annotation`, the last 100,000 `request`s, and a `total` for each route and status. It is made while it is read,
//! a thousand rows at a time, so it is not one moment's state of a server that is written to meanwhile.
//!
//! Tampering writes past every check: `{"asset": 1001, "field": "title", "value": "x"}` sets a field of the stored
//! instance (`null` removes it), `{"asset": 1001, "deleted": true}` marks the asset as deleted.
//!
//! `["reset:POST /assets", …]` posted to `faults` puts these faults in the place of those in force.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures::stream;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Handled};
use super::call::{Call, optional_text};
use super::definitions::unstored;
use super::fault::Fault;
use super::metadata::commit;
use super::service::Flex;
use super::store::{Event, FIRST_ASSET, Store, Stored};

/// The rows rendered at a time, while the state is held.
const CHUNK: usize = 1_000;

/// Where a dump stands.
#[derive(Clone, Copy)]
enum Cursor {
    Assets(u64),
    Annotations,
    Requests(u64),
    Totals,
    Done,
}

/// `GET /__standin/dump`.
pub fn dump(flex: &Arc<Flex>) -> Answer {
    let chunks = stream::unfold((Arc::clone(flex), Cursor::Assets(FIRST_ASSET)), |(flex, cursor)| async move {
        if matches!(cursor, Cursor::Done) {
            return None;
        }
        let (text, next) = chunk(&flex, cursor);
        Some((Ok::<_, Infallible>(Bytes::from(text)), (flex, next)))
    });
    Answer::stream("application/x-ndjson", Body::from_stream(chunks))
}

fn chunk(flex: &Flex, cursor: Cursor) -> (String, Cursor) {
    match cursor {
        Cursor::Assets(from) => {
            let store = flex.store();
            let end = store.next_asset().min(from + CHUNK as u64);
            let text = (from..end).filter_map(|id| store.asset(id)).map(|stored| asset(&store, stored)).collect();
            (text, if end == store.next_asset() { Cursor::Annotations } else { Cursor::Assets(end) })
        }
        Cursor::Annotations => {
            let store = flex.store();
            (store.annotations().map(|row| line("annotation", row)).collect(), Cursor::Requests(0))
        }
        Cursor::Requests(after) => {
            let requests = flex.log().after(after, CHUNK);
            let next = requests.last().map_or(Cursor::Totals, |last| Cursor::Requests(last.n));
            (requests.iter().map(|request| line("request", &**request)).collect(), next)
        }
        Cursor::Totals | Cursor::Done => {
            (flex.log().totals().iter().map(|total| line("total", total)).collect(), Cursor::Done)
        }
    }
}

fn line(kind: &str, value: &impl Serialize) -> String {
    let mut line = Map::new();
    line.insert("kind".to_owned(), json!(kind));
    if let Ok(Value::Object(rest)) = serde_json::to_value(value) {
        line.extend(rest);
    }
    format!("{}\n", Value::Object(line))
}

fn asset(store: &Store, stored: &Stored) -> String {
    let asset = &stored.asset;
    let definition = asset.definition.and_then(|id| store.definition(id));
    let mut text = json!({
        "kind": "asset", "id": asset.id, "uuid": asset.uuid, "name": asset.name, "type": asset.kind, "variant": asset.variant,
        "externalIds": asset.external_ids, "metadataDefinitionId": asset.definition,
        "definition": definition.map(|definition| &definition.record.name), "deleted": asset.deleted,
        "created": asset.created, "lastModified": asset.modified, "revision": asset.revision, "properties": asset.properties,
    })
    .to_string();
    text.truncate(text.len() - 1);
    text.push_str(",\"instance\":");
    text.push_str(&stored.instance);
    text.push_str("}\n");
    text
}

/// `POST /__standin/tamper`.
///
/// # Errors
/// A 404 for an unknown asset, a 400 for another body.
pub fn tamper(flex: &Flex, call: &Call<'_>) -> Handled {
    let body = call.strict_object("Tamper", &["asset", "field", "value", "deleted"])?;
    let id = body.get("asset").and_then(Value::as_u64).ok_or_else(|| Answer::bad("Property \"asset\" is an id"))?;
    let field = optional_text(&body, "field")?;
    let mut store = flex.store();
    let stored = store.asset(id).ok_or_else(|| Answer::missing("Asset", id))?;
    if let Some(deleted) = body.get("deleted").and_then(Value::as_bool) {
        let mut asset = stored.asset.clone();
        asset.deleted = deleted;
        store.commit(Event::Asset(asset)).map_err(unstored)?;
    } else if let (Some(field), Some(value)) = (field, body.get("value")) {
        let mut instance: Map<String, Value> = serde_json::from_str(&stored.instance).unwrap_or_default();
        instance.insert(field, value.clone());
        instance.retain(|_, value| !value.is_null());
        commit(&mut store, id, instance)?;
    } else {
        return Err(Answer::bad("Give \"field\" and \"value\", or \"deleted\""));
    }
    Ok(Answer::value(&json!({"tampered": id})))
}

/// `POST /__standin/faults`: the body is an array of faults, as on the command line.
///
/// # Errors
/// A 400 that names what is not understood; the faults in force stay.
pub fn set_faults(flex: &Flex, call: &Call<'_>) -> Handled {
    let specs: Vec<String> = serde_json::from_slice(&call.body)
        .map_err(|error| Answer::bad(format!("The body is not an array of faults: {error}")))?;
    let faults: Result<Vec<Fault>, _> = specs.iter().map(|spec| spec.parse()).collect();
    flex.faults.set(faults.map_err(|error| Answer::bad(error.to_string()))?);
    Ok(Answer::value(&json!({"faults": specs.len()})))
}
