//! What a client pings or looks up: accounts, resources, object types, variants.

use serde_json::{Value, json};

use super::answer::{Answer, Handled, envelope};
use super::call::Call;
use super::service::Flex;

/// Object types with the ids seen in recordings: id, name, plural name.
const OBJECT_TYPES: [(u64, &str, &str); 8] = [
    (1, "media-asset", "Media Assets"),
    (2, "group-asset", "Group Assets"),
    (3, "image-asset", "Image Assets"),
    (12, "metadata-definition", "Metadata Definitions"),
    (15, "resource", "Resources"),
    (24, "master-account", "Master Accounts"),
    (33, "text-asset", "Text Assets"),
    (37, "collection", "Collections"),
];

/// `media-asset` as people read it: `Media Asset`.
fn display_name(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect::<Vec<String>>().join(" ")
}

/// The short form of an object type that stands in other objects.
pub fn object_type_of(name: &str) -> Value {
    let id = OBJECT_TYPES.iter().find(|(_, known, _)| *known == name).map(|(id, _, _)| *id);
    json!({"id": id, "name": name, "displayName": display_name(name)})
}

fn whole_object_type(call: &Call<'_>, (id, name, plural): (u64, &str, &str)) -> Value {
    json!({
        "id": id, "name": name, "displayName": display_name(name), "pluralName": plural,
        "href": format!("{}/objectTypes/{id}", call.base_url),
        "duplicateNameSupported": name.ends_with("-asset"), "userDefined": false,
    })
}

/// `GET /accounts`.
pub fn accounts(call: &Call<'_>) -> Handled {
    let account = json!({
        "id": 4, "name": "Master Account", "displayName": "Master Account", "objectType": object_type_of("master-account"),
        "href": format!("{}/accounts/4", call.base_url),
    });
    listed(call, "accounts", vec![account])
}

/// `GET /resources`.
pub fn resources(call: &Call<'_>) -> Handled {
    let resource = json!({
        "id": 5, "name": "Rehearsal Storage", "displayName": "Rehearsal Storage", "objectType": object_type_of("resource"),
        "href": format!("{}/resources/5", call.base_url), "enabled": true,
    });
    listed(call, "resources", vec![resource])
}

/// `GET /objectTypes`.
pub fn object_types(call: &Call<'_>) -> Handled {
    listed(call, "objectTypes", OBJECT_TYPES.iter().map(|kind| whole_object_type(call, *kind)).collect())
}

/// `GET /objectTypes/{id}`.
pub fn object_type(call: &Call<'_>, id: &str) -> Handled {
    let found = OBJECT_TYPES.iter().find(|(known, _, _)| id.parse() == Ok(*known));
    found.map(|kind| Answer::value(&whole_object_type(call, *kind))).ok_or_else(|| Answer::missing("ObjectType", id))
}

/// `GET /variants`.
pub fn variants(flex: &Flex, call: &Call<'_>) -> Handled {
    let store = flex.store();
    let variants = store.variants().iter().map(|variant| {
        let definition = store.definition(variant.definition);
        let definition =
            json!({"id": variant.definition, "name": definition.map(|definition| &definition.record.name)});
        json!({
            "id": variant.id, "name": variant.name, "displayName": variant.name,
            "href": format!("{}/variants/{}", call.base_url, variant.id),
            "objectType": object_type_of(&variant.asset_type), "defaultVariant": false,
            "metadataDefinitions": [definition], "defaultMetadataDefinition": definition,
        })
    });
    listed(call, "variants", variants.collect())
}

/// A list of a few items: filtered by `id` and `name`, then paged.
pub fn listed(call: &Call<'_>, key: &str, items: Vec<Value>) -> Handled {
    let page = call.page()?;
    let (id, exact) = (call.number("id")?, call.flag("exactNameMatch")?);
    let name = call.text("name").map(str::to_lowercase);
    let wanted = |item: &&Value| {
        let named = |wanted: &String| match item["name"].as_str() {
            Some(given) if exact => call.text("name") == Some(given),
            Some(given) => given.to_lowercase().contains(wanted),
            None => false,
        };
        id.is_none_or(|id| item["id"].as_u64() == Some(id)) && name.as_ref().is_none_or(named)
    };
    let found: Vec<_> = items.iter().filter(wanted).collect();
    let shown: Vec<_> = found.iter().skip(page.offset).take(page.limit).map(ToString::to_string).collect();
    Ok(envelope(key, &shown, found.len(), page.offset, page.limit))
}
