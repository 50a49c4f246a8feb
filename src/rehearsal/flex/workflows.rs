//! Workflows, jobs and user-defined objects: made by one request, followed by others.
//!
//! A workflow or a job is `Running` when it is made and when it is read first, and has ended when it is read again: as
//! `Completed`, or as `Failed` where the server was told so. Nothing is done in between.

use serde_json::{Map, Value, json};

use super::account::{class_of, fixed_item, item};
use super::answer::{Answer, Handled, flex_time};
use super::call::{Call, optional_id, required_text};
use super::catalog::{USER_OBJECTS, listed};
use super::definitions::unstored;
use super::fault::Switch;
use super::records::Record;
use super::service::Flex;
use super::store::{Event, Store, now, random_uuid};

/// `POST /workflows` and `POST /jobs`.
pub fn start(flex: &Flex, call: &Call<'_>, kind: &str) -> Handled {
    let (class, task, parent) = match kind {
        "jobs" => ("NewJob", "actionId", "actions"),
        _ => ("NewWorkflow", "definitionId", "workflowDefinitions"),
    };
    let body = call.strict_object(class, &[task, "assetId", "stringVariables", "name", "workspaceId"])?;
    let given = optional_id(&body, task)?.ok_or_else(|| Answer::bad(format!("Property \"{task}\" is required")))?;
    let of = fixed_item(call, parent, given)
        .ok_or_else(|| Answer::bad(format!("{}: {given} not found.", class_of(parent))))?;
    let asset = optional_id(&body, "assetId")?;
    let mut store = flex.store();
    if let Some(id) = asset.filter(|id| store.asset(*id).is_none()) {
        return Err(Answer::bad(format!("Asset: {id} not found.")));
    }
    let properties = json!({
        "uuid": random_uuid(), "name": of["name"], "displayName": of["name"], "status": "Running", "start": flex_time(now()),
        "end": null, "owner": {"id": 5, "name": "rehearsal"}, "accountId": 4, "workspaceId": 3, task: given,
        "assetId": asset, "stringVariables": body.get("stringVariables"), "created": flex_time(now()),
    });
    made(&mut store, call, kind, properties)
}

fn made(store: &mut Store, call: &Call<'_>, kind: &str, properties: Value) -> Handled {
    let Value::Object(body) = properties else { return Err(Answer::bad("not an object")) };
    let record = Record { kind: kind.to_owned(), id: store.records().next(), body };
    let answer = Answer::value(&item(call, &record)).created(format!("{}/{kind}/{}", call.base_url, record.id));
    store.commit(Event::Record(record)).map_err(unstored)?;
    Ok(answer)
}

/// `GET /workflows` and `GET /jobs`.
pub fn list(flex: &Flex, call: &Call<'_>, kind: &str) -> Handled {
    listed(call, kind, flex.store().records().of(kind).map(|row| shown(call, row)).collect())
}

/// `GET /workflows/{id}` and `GET /jobs/{id}`.
pub fn get(flex: &Flex, call: &Call<'_>, kind: &str, id: &str) -> Handled {
    let mut store = flex.store();
    let mut record = find(&store, kind, id)?.clone();
    let answer = if record.get("end").is_null() && record.get("seen") == true {
        let status = if flex.faults.has(Switch::FailWorkflows) { "Failed" } else { "Completed" };
        record.body.insert("status".to_owned(), json!(status));
        record.body.insert("end".to_owned(), json!(flex_time(now())));
        Some(Answer::value(&shown(call, &record)))
    } else {
        None
    };
    let answer = answer.unwrap_or_else(|| Answer::value(&shown(call, &record)));
    if record.get("end").is_null() || record.get("seen") == true {
        record.body.insert("seen".to_owned(), json!(true));
        store.commit(Event::Record(record)).map_err(unstored)?;
    }
    Ok(answer)
}

/// `GET /jobs/{id}/history`.
pub fn history(flex: &Flex, id: &str) -> Handled {
    let store = flex.store();
    let job = find(&store, "jobs", id)?;
    let mut events = vec![json!({"time": job.get("start"), "eventType": "Job Started"})];
    if !job.get("end").is_null() {
        events.push(
            json!({"time": job.get("end"), "eventType": format!("Job {}", job.get("status").as_str().unwrap_or(""))}),
        );
    }
    Ok(Answer::value(&json!({"events": events})))
}

/// `GET /assets/{id}/workflows`.
pub fn of_asset(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let store = flex.store();
    let asset = super::assets::find(&store, id)?.asset.id;
    let rows = store.records().of("workflows").filter(|row| row.get("assetId").as_u64() == Some(asset));
    listed(call, "workflows", rows.map(|row| shown(call, row)).collect())
}

fn find<'a>(store: &'a Store, kind: &str, id: &str) -> Result<&'a Record, Answer> {
    store.records().find(kind, id).ok_or_else(|| Answer::missing(&class_of(kind), id))
}

/// A record without what only this server needs to know of it.
fn shown(call: &Call<'_>, record: &Record) -> Value {
    let mut item = item(call, record);
    if let Value::Object(item) = &mut item {
        item.shift_remove("seen");
        item.shift_remove("instance");
    }
    item
}

/// `POST /{pluralName}`.
pub fn create_object(flex: &Flex, call: &Call<'_>) -> Handled {
    let body = call.strict_object("NewUserDefinedObject", &["name", "workspaceId", "description", "uuid"])?;
    let name = required_text(&body, "name")?;
    let mut store = flex.store();
    let properties = json!({
        "uuid": random_uuid(), "name": name, "displayName": name, "description": body.get("description"), "deleted": false,
        "created": flex_time(now()), "lastModified": flex_time(now()), "accountId": 4, "workspaceId": 3, "instance": {},
    });
    made(&mut store, call, USER_OBJECTS, properties)
}

/// `GET /{pluralName}`: an envelope with the key `objects`.
pub fn objects(flex: &Flex, call: &Call<'_>) -> Handled {
    listed(call, "objects", flex.store().records().of(USER_OBJECTS).map(|row| shown(call, row)).collect())
}

/// `GET /{pluralName}/{id}`.
pub fn object(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    Ok(Answer::value(&shown(call, find(&flex.store(), USER_OBJECTS, id)?)))
}

/// `GET /{pluralName}/{id}/data`: its instance, which no definition constrains here.
pub fn data(flex: &Flex, id: &str) -> Handled {
    let store = flex.store();
    let record = find(&store, USER_OBJECTS, id)?;
    Ok(Answer::value(&json!({"id": record.id, "instance": record.get("instance")})))
}

/// `PUT /{pluralName}/{id}/data`: the bare instance replaces the one before.
pub fn put_data(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let instance: Map<String, Value> = call.object()?;
    let mut store = flex.store();
    let mut record = find(&store, USER_OBJECTS, id)?.clone();
    record.body.insert("instance".to_owned(), Value::Object(instance));
    record.body.insert("lastModified".to_owned(), json!(flex_time(now())));
    store.commit(Event::Record(record)).map_err(unstored)?;
    drop(store);
    data(flex, id)
}
