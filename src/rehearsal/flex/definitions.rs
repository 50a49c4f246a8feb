//! `/metadataDefinitions`: looking definitions up, and making new ones for tests.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Handled, flex_time};
use super::call::{Call, optional_text, required_text};
use super::catalog::{listed, object_type_of};
use super::definition::{Definition, DefinitionRecord};
use super::definition_xml;
use super::service::Flex;
use super::store::{Event, now, random_uuid};

/// `GET /metadataDefinitions`.
pub fn list(flex: &Flex, call: &Call<'_>) -> Handled {
    let items = flex.store().definitions().map(|definition| item(call.base_url, &definition.record)).collect();
    listed(call, "metadataDefinitions", items)
}

/// `GET /metadataDefinitions/{id}`.
pub fn get(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    Ok(Answer::value(&item(call.base_url, &find(flex, id)?.record)))
}

/// `GET /metadataDefinitions/{id}/definition`.
pub fn fields(flex: &Flex, id: &str) -> Handled {
    let definition = find(flex, id)?;
    let name = json!(definition.record.name);
    Ok(Answer::json(format!(
        "{{\"definitionId\":{},\"name\":{name},\"definition\":{},\"rules\":[]}}",
        definition.record.id, definition.rendered
    )))
}

/// `POST /metadataDefinitions`: made without fields and not enabled.
pub fn create(flex: &Flex, call: &Call<'_>) -> Handled {
    let allowed = ["name", "displayName", "visibilityIds", "description", "accountId", "systemMetadata"];
    let body = call.strict_object("NewMetadataDefinition", &allowed)?;
    let name = required_text(&body, "name")?;
    let display_name = optional_text(&body, "displayName")?.unwrap_or_else(|| name.clone());
    let description = optional_text(&body, "description")?;
    let mut store = flex.store();
    if store.definitions().any(|definition| !definition.record.deleted && definition.record.name == name) {
        return Err(Answer::refuse(StatusCode::CONFLICT, format!("A metadata definition named {name} exists already")));
    }
    let (id, at) = (store.next_definition(), now());
    let record = DefinitionRecord {
        id,
        uuid: random_uuid(),
        name,
        display_name,
        description,
        enabled: false,
        deleted: false,
        created: at,
        modified: at,
        revision: 1,
        fields: Vec::new(),
    };
    store.commit(Event::Definition(record.clone())).map_err(unstored)?;
    Ok(Answer::value(&item(call.base_url, &record)).created(href(call.base_url, id)))
}

/// `PUT /metadataDefinitions/{id}/definition` with what its GET answers, or with the fields as XML.
pub fn put_fields(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let definition = find(flex, id)?;
    let fields = if call.body.trim_ascii_start().starts_with(b"<") {
        let text = std::str::from_utf8(&call.body).map_err(|_| Answer::bad("The XML is not UTF-8"))?;
        definition_xml::fields(text).map_err(Answer::bad)?
    } else {
        let mut body =
            call.strict_object("MetadataDefinitionData", &["definitionId", "name", "definition", "rules"])?;
        let Some(Value::Array(fields)) = body.remove("definition") else {
            return Err(Answer::bad("Property \"definition\" is required and is an array of fields"));
        };
        fields
    };
    let changed = DefinitionRecord { fields, ..definition.record.clone() };
    // Built once to be checked, so that a journal never holds a definition that cannot be read again.
    Definition::new(changed.clone()).map_err(Answer::bad)?;
    save(flex, changed)?;
    self::fields(flex, id)
}

/// `GET /metadataDefinitions/{id}/actions`: a bare array.
pub fn actions(flex: &Flex, id: &str) -> Handled {
    let toggle = if find(flex, id)?.record.enabled { "disable" } else { "enable" };
    Ok(Answer::value(&json!([{"action": "delete", "options": {}}, {"action": toggle, "options": {}}])))
}

/// `POST /metadataDefinitions/{id}/actions`.
pub fn act(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let definition = find(flex, id)?;
    let body = call.strict_object("ObjectAction", &["action", "options"])?;
    let record = definition.record.clone();
    let record = match required_text(&body, "action")?.as_str() {
        "enable" => DefinitionRecord { enabled: true, ..record },
        "disable" => DefinitionRecord { enabled: false, ..record },
        "delete" => DefinitionRecord { deleted: true, enabled: false, ..record },
        other => return Err(Answer::bad(format!("Action {other} is not known"))),
    };
    let record = save(flex, record)?;
    Ok(Answer::value(&item(call.base_url, &record)))
}

fn save(flex: &Flex, record: DefinitionRecord) -> Result<DefinitionRecord, Answer> {
    let record = DefinitionRecord { modified: now(), revision: record.revision + 1, ..record };
    flex.store().commit(Event::Definition(record.clone())).map_err(unstored)?;
    Ok(record)
}

fn find(flex: &Flex, id: &str) -> Result<Arc<Definition>, Answer> {
    let found = id.parse().ok().and_then(|id| flex.store().definition(id).cloned());
    found.ok_or_else(|| Answer::missing("MetadataDefinition", id))
}

/// The container's 500 page, where the journal could not be written.
pub fn unstored(error: std::io::Error) -> Answer {
    tracing::error!(%error, "the local Flex could not store a change");
    Answer::page(StatusCode::INTERNAL_SERVER_ERROR)
}

fn href(base_url: &str, id: u64) -> String {
    format!("{base_url}/metadataDefinitions/{id}")
}

fn item(base_url: &str, record: &DefinitionRecord) -> Value {
    json!({
        "id": record.id, "uuid": record.uuid, "name": record.name, "displayName": record.display_name,
        "description": record.description, "objectType": object_type_of("metadata-definition"), "externalIds": [],
        "enabled": record.enabled, "deleted": record.deleted, "href": href(base_url, record.id),
        "created": flex_time(record.created), "lastModified": flex_time(record.modified),
        "owner": {"id": 5, "name": "rehearsal", "displayName": "Rehearsal", "href": format!("{base_url}/users/5"), "accountId": 4},
        "visibility": [{"id": 4, "name": "Master Account"}], "account": {"id": 4, "name": "Master Account"},
        "revision": record.revision, "locked": false,
    })
}
