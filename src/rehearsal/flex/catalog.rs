//! What a client pings or looks up: accounts, resources, object types, variants.

use serde_json::{Value, json};

use super::answer::{Answer, Handled, envelope, parse_flex_time};
use super::call::Call;
use super::service::Flex;

/// The path word of the only user-defined kind of object.
pub const USER_OBJECTS: &str = "userObjects";
/// The name of that kind.
const USER_OBJECT: &str = "user-object";
/// Object types with the ids seen in recordings: id, name, plural name. (The ids of the last two are made up.)
const OBJECT_TYPES: [(u64, &str, &str); 10] = [
    (1, "media-asset", "Media Assets"),
    (2, "group-asset", "Group Assets"),
    (3, "image-asset", "Image Assets"),
    (12, "metadata-definition", "Metadata Definitions"),
    (15, "resource", "Resources"),
    (24, "master-account", "Master Accounts"),
    (33, "text-asset", "Text Assets"),
    (37, "collection", "Collections"),
    (40, "workflow", "Workflows"),
    (101, USER_OBJECT, USER_OBJECTS),
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
        "duplicateNameSupported": name.ends_with("-asset"), "userDefined": name == USER_OBJECT,
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

/// `GET /resources`, of which the item is `/resources/5`.
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
    listed(call, "variants", all_variants(flex, call))
}

/// `GET /variants/{id}`.
pub fn variant(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let found = all_variants(flex, call).into_iter().find(|variant| id.parse().ok() == variant["id"].as_u64());
    found.map(|variant| Answer::value(&variant)).ok_or_else(|| Answer::missing("Variant", id))
}

fn all_variants(flex: &Flex, call: &Call<'_>) -> Vec<Value> {
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
    variants.collect()
}

/// A list of a few items in its envelope: filtered, ordered, paged.
pub fn listed(call: &Call<'_>, key: &str, items: Vec<Value>) -> Handled {
    let page = call.page()?;
    let found = selected(call, items)?;
    let shown: Vec<_> = found.iter().skip(page.offset).take(page.limit).map(ToString::to_string).collect();
    Ok(envelope(key, &shown, found.len(), page.offset, page.limit))
}

/// A list of a few items as a bare array, which some of the API's lists are.
pub fn bare(call: &Call<'_>, items: Vec<Value>) -> Handled {
    let page = call.page()?;
    let found: Vec<_> = selected(call, items)?.into_iter().skip(page.offset).take(page.limit).collect();
    Ok(Answer::value(&found))
}

/// The items that the common matrix parameters ask for, in the order they ask for. A parameter about a property that
/// items of this kind do not have is ignored.
///
/// # Errors
/// A 400 for a number, date, boolean or order that is none.
fn selected(call: &Call<'_>, mut items: Vec<Value>) -> Result<Vec<Value>, Answer> {
    let (id, exact, deleted) = (call.number("id")?, call.flag("exactNameMatch")?, call.flag("deleted")?);
    let (from, to) = (call.date("createdFrom")?, call.date("createdTo")?);
    let enabled = call.text("enabled").map(|_| call.flag("enabled")).transpose()?;
    let name = call.text("name").map(str::to_lowercase);
    items.retain(|item| {
        let named = |wanted: &String| match item["name"].as_str() {
            Some(given) if exact => call.text("name") == Some(given),
            Some(given) => given.to_lowercase().contains(wanted),
            None => false,
        };
        let same = |key: &str| call.text(key).is_none_or(|wanted| item[key].as_str().is_none_or(|own| own == wanted));
        let created = item["created"].as_str().and_then(parse_flex_time);
        id.is_none_or(|id| item["id"].as_u64() == Some(id))
            && name.as_ref().is_none_or(named)
            && same("uuid")
            && same("status")
            && item["deleted"].as_bool().is_none_or(|own| own == deleted)
            && enabled.is_none_or(|enabled| item["enabled"].as_bool().is_none_or(|own| own == enabled))
            && created.is_none_or(|at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to))
    });
    // Items come by id; a stable sort keeps that order among equals.
    match call.text("sortBy").unwrap_or("id") {
        "id" => items.sort_by_key(|item| item["id"].as_u64()),
        "name" => items.sort_by(|left, right| left["name"].as_str().cmp(&right["name"].as_str())),
        key @ ("created" | "lastModified") => {
            items.sort_by_key(|item| item[key].as_str().and_then(parse_flex_time));
        }
        other => return Err(Answer::bad(format!("Parameter sortBy: there is no order by \"{other}\""))),
    }
    if call.descending()? {
        items.reverse();
    }
    Ok(items)
}
