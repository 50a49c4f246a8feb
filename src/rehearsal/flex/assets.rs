//! `/assets` and `/assets/{id}`: placeholders made, shown and changed. Their metadata is another module's.

use std::fmt::Write as _;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Answer, Handled, envelope, flex_time};
use super::asset_list::Selection;
use super::call::{Call, optional_id, optional_text, required_text};
use super::catalog::object_type_of;
use super::definitions::unstored;
use super::fault::Switch;
use super::metadata::readable;
use super::service::Flex;
use super::store::{Asset, Event, ExternalId, Store, Stored, random_uuid};
use super::version::Version;

/// Properties of NewAssetPlaceholder that have a meaning here, then those that are kept and not looked at.
const NEW_ASSET: [&str; 18] = [
    "name",
    "type",
    "uuid",
    "externalIds",
    "variant",
    "metadataDefinitionId",
    "description",
    "workspaceId",
    "accountId",
    "parentId",
    "parentGroupAssetId",
    "parentMemberContainerAssetId",
    "live",
    "fileUuid",
    "flexSiteUuid",
    "mediaRegion",
    "placedMediaRegions",
    "segmentedFileLocation",
];
/// Since 2023.6.
const EXTERNAL_IDS: &str = "externalIds";
/// Since 2024.8.
const FILE_DETAILS: &str = "commonPlaceholderFileDetails";
/// Properties of AssetUpdate.
const ASSET_UPDATE: [&str; 13] = [
    "name",
    "uuid",
    "variant",
    "metadataDefinitionId",
    "description",
    "referenceName",
    "archived",
    "restored",
    "live",
    "assetOrigin",
    "allowActionOnArchived",
    "fileDetails",
    "waveformType",
];
const ASSET_TYPES: [&str; 4] = ["media-asset", "group-asset", "image-asset", "text-asset"];
/// How many of the properties above are columns of [`Asset`] and not kept among its other properties.
const COLUMNS: [&str; 6] = ["name", "type", "uuid", "externalIds", "variant", "metadataDefinitionId"];

/// `GET /assets`.
pub fn list(flex: &Flex, call: &Call<'_>) -> Handled {
    let selection = Selection::read(call)?;
    let with_metadata = call.flag("includeMetadata")?;
    let store = flex.store();
    let (rows, total) = selection.page(&store);
    let items: Vec<_> = rows.into_iter().map(|stored| item(flex, &store, stored, with_metadata)).collect();
    drop(store);
    Ok(envelope("assets", &items, total + flex.faults.wobble(), selection.page.offset, selection.page.limit))
}

/// `GET /assets/{id}`.
pub fn get(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let with_metadata = call.flag("includeMetadata")?;
    let store = flex.store();
    let stored = find(&store, id)?;
    Ok(Answer::json(item(flex, &store, stored, with_metadata)))
}

/// The asset that a path names by its id.
pub fn find<'a>(store: &'a Store, id: &str) -> Result<&'a Stored, Answer> {
    id.parse().ok().and_then(|id| store.asset(id)).ok_or_else(|| Answer::missing("Asset", id))
}

/// `POST /assets`: a placeholder without metadata values.
pub fn create(flex: &Flex, call: &Call<'_>) -> Handled {
    let known = NEW_ASSET.into_iter().filter(|name| *name != EXTERNAL_IDS || flex.has_external_ids());
    let allowed: Vec<_> = known.chain(file_details(flex)).collect();
    let body = call.strict_object("NewAssetPlaceholder", &allowed)?;
    let name = required_text(&body, "name")?;
    let kind = required_text(&body, "type")?;
    if !ASSET_TYPES.contains(&kind.as_str()) {
        return Err(Answer::bad(format!("Asset type {kind} is not one of {}", ASSET_TYPES.join(", "))));
    }
    let uuid = given_uuid(&body)?.unwrap_or_else(random_uuid);
    let external_ids = given_external_ids(&body)?;
    let mut store = flex.store();
    if let Some(taken) = store.asset_by_uuid(&uuid).filter(|_| flex.faults.has(Switch::ExistingUuid)) {
        return Ok(Answer::value(&summary(call.base_url, &taken.asset)));
    }
    let bad = flex.faults.has(Switch::BadUuid);
    free_uuid(flex, &store, &uuid, None)
        .map_err(|refusal| if bad { refusal.with(StatusCode::BAD_REQUEST) } else { refusal })?;
    if flex.faults.has(Switch::UniqueExternalIds) {
        free_external_ids(&store, &external_ids)?;
    }
    let (variant, definition) = given_definition(&store, &body, &kind)?;
    let (id, at) = (store.next_asset(), store.now());
    let asset = Asset {
        id,
        uuid,
        name,
        kind,
        variant,
        definition,
        external_ids,
        deleted: false,
        created: at,
        modified: at,
        revision: 1,
        properties: others(body),
    };
    let answer = Answer::value(&summary(call.base_url, &asset)).created(href(call.base_url, id));
    store.commit(Event::Asset(asset)).map_err(unstored)?;
    Ok(answer)
}

/// `PUT /assets/{id}`: the properties given change, the others stay.
pub fn update(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let allowed: Vec<_> = ASSET_UPDATE.into_iter().chain(file_details(flex)).collect();
    let body = call.strict_object("AssetUpdate", &allowed)?;
    let uuid = given_uuid(&body)?;
    let name = optional_text(&body, "name")?;
    let mut store = flex.store();
    let mut asset = find(&store, id)?.asset.clone();
    if let Some(uuid) = uuid {
        free_uuid(flex, &store, &uuid, Some(asset.id))?;
        asset.uuid = uuid;
    }
    if body.contains_key("variant") || body.contains_key("metadataDefinitionId") {
        (asset.variant, asset.definition) = given_definition(&store, &body, &asset.kind)?;
    }
    asset.name = name.unwrap_or(asset.name);
    asset.properties.extend(others(body));
    asset.modified = store.now();
    asset.revision += 1;
    store.commit(Event::Asset(asset)).map_err(unstored)?;
    drop(store);
    shown(flex, id)
}

/// The asset as a read shows it, without its metadata.
pub fn shown(flex: &Flex, id: &str) -> Handled {
    let store = flex.store();
    let stored = find(&store, id)?;
    Ok(Answer::json(item(flex, &store, stored, false)))
}

fn file_details(flex: &Flex) -> Option<&'static str> {
    (flex.version >= Version::V2024_9).then_some(FILE_DETAILS)
}

fn others(body: Map<String, Value>) -> Map<String, Value> {
    body.into_iter().filter(|(key, value)| !COLUMNS.contains(&key.as_str()) && !value.is_null()).collect()
}

fn given_uuid(body: &Map<String, Value>) -> Result<Option<String>, Answer> {
    let Some(text) = optional_text(body, "uuid")? else { return Ok(None) };
    let uuid = Uuid::parse_str(&text).map_err(|_| Answer::bad(format!("Property \"uuid\": {text} is not a UUID")))?;
    Ok(Some(uuid.to_string()))
}

/// Refuses a uuid that another asset has; whether that of a deleted one counts is a switch.
fn free_uuid(flex: &Flex, store: &Store, uuid: &str, own: Option<u64>) -> Result<(), Answer> {
    let holds = |other: &&Stored| !other.asset.deleted || flex.faults.has(Switch::KeepUuids);
    match store.asset_by_uuid(uuid).filter(holds) {
        Some(other) if own != Some(other.asset.id) => {
            let text = format!("An asset with the uuid {uuid} exists already: {}", other.asset.id);
            Err(Answer::refuse(StatusCode::CONFLICT, text))
        }
        _ => Ok(()),
    }
}

fn free_external_ids(store: &Store, given: &[ExternalId]) -> Result<(), Answer> {
    let taken =
        |id: &ExternalId| store.assets_by_external_id(&id.value).any(|other| other.asset.external_ids.contains(id));
    given.iter().find(|id| taken(id)).map_or(Ok(()), |id| {
        let text = format!("An asset with the external id {}:{} exists already", id.key, id.value);
        Err(Answer::refuse(StatusCode::CONFLICT, text))
    })
}

fn given_external_ids(body: &Map<String, Value>) -> Result<Vec<ExternalId>, Answer> {
    match body.get(EXTERNAL_IDS) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|error| Answer::bad(format!("Property \"externalIds\" is an array of {{key, value}}: {error}"))),
    }
}

/// The variant and the definition that a body asks for, where they fit each other and the asset's type.
fn given_definition(
    store: &Store,
    body: &Map<String, Value>,
    kind: &str,
) -> Result<(Option<String>, Option<u64>), Answer> {
    let name = optional_text(body, "variant")?;
    let given = optional_id(body, "metadataDefinitionId")?;
    let variant = name.as_ref().map(|name| {
        let variant = store.variants().iter().find(|variant| variant.name == *name && variant.asset_type == kind);
        variant.ok_or_else(|| Answer::bad(format!("Variant {name} of {kind} not found.")))
    });
    let variant = variant.transpose()?;
    if let (Some(variant), Some(given)) = (variant, given)
        && variant.definition != given
    {
        return Err(Answer::bad(format!("MetadataDefinition {given} is not allowed for the variant {}", variant.name)));
    }
    let definition = given.or(variant.map(|variant| variant.definition));
    if let Some(id) = definition {
        let known = store.definition(id).ok_or_else(|| Answer::bad(format!("MetadataDefinition: {id} not found.")))?;
        if !known.record.enabled {
            return Err(Answer::bad(format!("MetadataDefinition {id} is not enabled")));
        }
    }
    Ok((name, definition))
}

fn href(base_url: &str, id: u64) -> String {
    format!("{base_url}/assets/{id}")
}

/// What a creation answers.
fn summary(base_url: &str, asset: &Asset) -> Value {
    json!({
        "id": asset.id, "uuid": asset.uuid, "name": asset.name, "displayName": asset.name,
        "objectType": object_type_of(&asset.kind), "href": href(base_url, asset.id), "owner": "rehearsal", "ownerId": 5,
        "accountId": 4, "workspaceId": 3, "created": flex_time(asset.created), "lastModified": flex_time(asset.modified),
    })
}

/// An asset as it is read, rendered; the instance joins it as text.
pub fn item(flex: &Flex, store: &Store, stored: &Stored, with_metadata: bool) -> String {
    let (asset, base_url) = (&stored.asset, flex.base_url.as_str());
    let own = |name: &str| asset.properties.get(name).cloned().unwrap_or(Value::Null);
    let flag = |name: &str| Value::Bool(asset.properties.get(name).and_then(Value::as_bool).unwrap_or(false));
    let variant = asset.variant.as_ref().and_then(|name| store.variants().iter().find(|variant| variant.name == *name));
    let variant = variant.map(|variant| json!({"id": variant.id, "name": variant.name, "href": format!("{base_url}/variants/{}", variant.id)}));
    let mut item = json!({
        "id": asset.id, "uuid": asset.uuid, "name": asset.name, "displayName": asset.name, "description": own("description"),
        "size": 0, "objectType": object_type_of(&asset.kind), "fileAssetType": null, "variant": variant,
        "externalIds": asset.external_ids.iter().map(|id| json!({"key": id.key, "value": id.value})).collect::<Vec<_>>(),
        "isGroup": asset.kind == "group-asset", "isContainerAsset": false, "href": href(base_url, asset.id),
        "owner": {"id": 5, "name": "rehearsal"}, "createdBy": {"id": 5, "name": "rehearsal"}, "assetOrigin": own("assetOrigin"),
        "approved": false,
        "fileInformation": {
            "currentFileName": null, "currentLocation": null, "currentHostname": null, "ingestPath": null,
            "mimeType": null, "originalFileName": null, "resource": null,
        },
        "parent": null, "parentAsset": null, "assetContext": null, "deleted": asset.deleted, "purged": false,
        "restored": flag("restored"), "created": flex_time(asset.created), "published": false, "archived": flag("archived"),
        "allowActionOnArchived": flag("allowActionOnArchived"), "live": flag("live"), "locked": false,
        "lastModified": flex_time(asset.modified), "placeholder": true, "account": {"id": 4, "name": "Master Account"},
        "workspace": {"id": 3, "name": "Default Workspace"}, "revision": asset.revision, "referenceName": own("referenceName"),
    });
    if let (false, Value::Object(item)) = (flex.has_external_ids(), &mut item) {
        item.shift_remove(EXTERNAL_IDS);
    }
    let mut text = item.to_string();
    if with_metadata {
        text.truncate(text.len() - 1);
        let (instance, definition) = (readable(flex, store, stored), json!(asset.definition));
        // That the definition's id stands here too is assumed, as it does in the metadata read on their own.
        let _ = write!(text, ",\"metadata\":{{\"instance\":{instance},\"definitionId\":{definition}}}}}");
    }
    text
}
