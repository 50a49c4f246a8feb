//! `/assets/{id}/annotations`: by the seed's words the way to set attributes, by the public clients' the timeline.
//! Which of them holds is the server's [`Personality`].

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::Personality;
use super::answer::{Answer, Handled, envelope};
use super::assets::find;
use super::call::{Call, required_text};
use super::definitions::unstored;
use super::metadata::{all_exist, checked, commit, complete, merged};
use super::service::Flex;
use super::store::{Annotation, Event, random_uuid};

/// Properties that make a body a timeline row.
const TIMES: [&str; 2] = ["timestampIn", "timestampOut"];
/// Properties that may stand beside `metadata`.
const BESIDE: [&str; 5] = ["timestampIn", "timestampOut", "timelineId", "originatorContext", "originatorCorrelationId"];

/// A body taken apart: the attributes, and what stands beside them.
struct Given {
    metadata: Map<String, Value>,
    beside: Map<String, Value>,
}

/// `POST /assets/{id}/annotations`.
pub fn create(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    find(&flex.store(), id)?;
    let given = take_apart(call.object()?, &call.behaviour.bodies)?;
    let timed = TIMES.iter().any(|name| given.beside.contains_key(*name));
    match (flex.personality, timed) {
        (Personality::Seed, true) => {
            Err(Answer::bad("Unrecognized field \"timestampIn\" (Class MetadataAnnotation), not marked as ignorable"))
        }
        (Personality::Flex, false) => Err(Answer::bad("Properties \"timestampIn\" and \"timestampOut\" are required")),
        (_, true) => add_row(flex, call, id, given),
        (_, false) => set_attributes(flex, call, id, given.metadata),
    }
}

/// Three bodies are known: A `{"metadata": {…}}`, B the same inside `{"metadataAnnotation": …}`, C the bare instance.
/// `accepted` holds the letters of those that are taken.
fn take_apart(mut body: Map<String, Value>, accepted: &str) -> Result<Given, Answer> {
    let wrapped = body.len() == 1 && body.get("metadataAnnotation").is_some_and(Value::is_object);
    let shape = if wrapped {
        'B'
    } else if body.get("metadata").is_some_and(Value::is_object) {
        'A'
    } else {
        'C'
    };
    if !accepted.contains(shape) {
        let key = body.keys().next().map_or("", String::as_str);
        let text = format!("Unrecognized field \"{key}\" (Class MetadataAnnotation), not marked as ignorable");
        return Err(Answer::bad(text));
    }
    if wrapped && let Some(Value::Object(inner)) = body.get_mut("metadataAnnotation") {
        body = std::mem::take(inner);
    }
    if !body.get("metadata").is_some_and(Value::is_object) {
        return Ok(Given { metadata: body, beside: Map::new() });
    }
    let mut given = Given { metadata: Map::new(), beside: Map::new() };
    for (key, value) in body {
        match value {
            Value::Object(metadata) if key == "metadata" => given.metadata = metadata,
            value if BESIDE.contains(&key.as_str()) => _ = given.beside.insert(key, value),
            _ => {
                let text = format!("Unrecognized field \"{key}\" (Class MetadataAnnotation), not marked as ignorable");
                return Err(Answer::bad(text));
            }
        }
    }
    Ok(given)
}

/// Merges attributes into the asset's instance: what is given replaces, `null` removes, the rest stays.
fn set_attributes(flex: &Flex, call: &Call<'_>, id: &str, metadata: Map<String, Value>) -> Handled {
    let (asset, checked) = checked(flex, call, id, metadata)?;
    let mut store = flex.store();
    all_exist(&store, &checked)?;
    let merged = merged(find(&store, id)?, checked);
    complete(flex, &store, asset, &merged)?;
    commit(&mut store, asset, merged)?;
    let instance = &find(&store, id)?.instance;
    let (number, uuid) = (store.next_annotation(), random_uuid());
    let answer =
        Answer::json(format!("{{\"id\":{number},\"uuid\":\"{uuid}\",\"metadata\":{{\"instance\":{instance}}}}}"));
    Ok(answer.created(format!("{}/assets/{asset}/metadata", call.base_url)))
}

fn add_row(flex: &Flex, call: &Call<'_>, id: &str, mut given: Given) -> Handled {
    let timestamp_in = required_text(&given.beside, TIMES[0])?;
    let timestamp_out = required_text(&given.beside, TIMES[1])?;
    given.beside.retain(|key, _| !TIMES.contains(&key.as_str()));
    let mut store = flex.store();
    let annotation = Annotation {
        id: store.next_annotation(),
        uuid: random_uuid(),
        asset: find(&store, id)?.asset.id,
        timestamp_in,
        timestamp_out,
        properties: given.beside,
        instance: given.metadata,
    };
    let answer = Answer::value(&item(&annotation));
    let href = format!("{}/assets/{}/annotations/{}", call.base_url, annotation.asset, annotation.id);
    store.commit(Event::Annotation(annotation)).map_err(unstored)?;
    Ok(answer.created(href))
}

/// `GET /assets/{id}/annotations`: the timeline rows, by id.
pub fn list(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let page = call.page()?;
    let store = flex.store();
    let asset = find(&store, id)?.asset.id;
    let rows: Vec<_> = store.annotations().filter(|annotation| annotation.asset == asset).collect();
    let shown: Vec<_> = rows.iter().skip(page.offset).take(page.limit).map(|row| item(row).to_string()).collect();
    Ok(envelope("annotations", &shown, rows.len(), page.offset, page.limit))
}

/// `PUT /assets/{id}/annotations/{annotation}`: the row's instance is replaced.
pub fn update(flex: &Flex, call: &Call<'_>, id: &str, annotation: &str) -> Handled {
    let given = take_apart(call.object()?, "ABC")?;
    let mut store = flex.store();
    let asset = find(&store, id)?.asset.id;
    let row = annotation.parse().ok().and_then(|id| store.annotation(id)).filter(|row| row.asset == asset);
    let mut row = row.ok_or_else(|| Answer::missing("Annotation", annotation))?.clone();
    row.instance = given.metadata;
    let answer = Answer::value(&item(&row));
    store.commit(Event::Annotation(row)).map_err(unstored)?;
    Ok(answer)
}

/// `DELETE /assets/annotations/{annotation}`.
pub fn remove(flex: &Flex, annotation: &str) -> Handled {
    let mut store = flex.store();
    let found = annotation.parse().ok().and_then(|id| store.annotation(id)).map(|row| row.id);
    let id = found.ok_or_else(|| Answer::missing("Annotation", annotation))?;
    store.commit(Event::AnnotationsRemoved(vec![id])).map_err(unstored)?;
    Ok(Answer::value(&json!({"removed": 1})))
}

/// `DELETE /assets/{id}/annotations` with the originator whose rows go.
pub fn remove_by_originator(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let body = call.strict_object("AnnotationDeleteRequest", &["originatorContext", "originatorCorrelationId"])?;
    if body.is_empty() {
        return Err(Answer::refuse(StatusCode::BAD_REQUEST, "Name the originator whose annotations are to be removed"));
    }
    let mut store = flex.store();
    let asset = find(&store, id)?.asset.id;
    let theirs = |row: &&Annotation| {
        row.asset == asset && body.iter().all(|(key, value)| row.properties.get(key) == Some(value))
    };
    let ids: Vec<_> = store.annotations().filter(theirs).map(|row| row.id).collect();
    let answer = Answer::value(&json!({"removed": ids.len()}));
    store.commit(Event::AnnotationsRemoved(ids)).map_err(unstored)?;
    Ok(answer)
}

fn item(annotation: &Annotation) -> Value {
    let mut item = json!({
        "id": annotation.id, "uuid": annotation.uuid, "timestampIn": annotation.timestamp_in,
        "timestampOut": annotation.timestamp_out, "metadata": {"instance": annotation.instance},
    });
    if let Value::Object(item) = &mut item {
        item.extend(annotation.properties.clone());
    }
    item
}
