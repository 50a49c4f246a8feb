//! `/assets/{id}/metadata`: the instance of an asset, read with its definition and replaced as a whole.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Handled};
use super::assets::find;
use super::call::Call;
use super::definition::{Definition, Fields, Kind};
use super::definitions::unstored;
use super::fault::Switch;
use super::instance::{Checked, check, expand};
use super::service::Flex;
use super::store::{Event, Store, Stored, now};
use super::version::Version;

/// `GET /assets/{id}/metadata`.
pub fn get(flex: &Flex, id: &str) -> Handled {
    let store = flex.store();
    let stored = find(&store, id)?;
    Ok(shown(flex, &store, stored))
}

/// `PUT /assets/{id}/metadata`: the body is the whole new instance; fields left out disappear.
pub fn replace(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let (asset, checked) = checked(flex, call, id, call.object()?)?;
    let mut store = flex.store();
    all_exist(&store, &checked)?;
    let instance =
        if flex.faults.has(Switch::MergePut) { merged(find(&store, id)?, checked) } else { checked.instance };
    complete(flex, &store, asset, &instance)?;
    commit(&mut store, asset, instance)?;
    let stored = find(&store, id)?;
    Ok(shown(flex, &store, stored))
}

/// The asset's id and `given` checked against its definition; the store is not held meanwhile.
///
/// # Errors
/// A 404 for an unknown asset, a 400 for what does not fit.
pub fn checked(
    flex: &Flex,
    call: &Call<'_>,
    id: &str,
    mut given: Map<String, Value>,
) -> Result<(u64, Checked), Answer> {
    let (asset, definition) = {
        let store = flex.store();
        let stored = find(&store, id)?;
        (stored.asset.id, definition(&store, stored))
    };
    let none = Fields::default();
    let fields = definition.as_ref().map_or(&none, |definition| &definition.fields);
    if call.behaviour.has(Switch::IgnoreUnknown) {
        fields.prune(&mut given);
    }
    let opened = call.behaviour.has(Switch::AnyOption).then(|| fields.opened());
    let mut checked = check(opened.as_ref().unwrap_or(fields), given).map_err(Answer::bad)?;
    if flex.faults.has(Switch::RefuseHtml)
        && let Some((name, _)) = checked.instance.iter().find(|(_, value)| holds_tag(value))
    {
        return Err(Answer::bad(format!("Field \"{name}\": a potential security threat was detected in the text")));
    }
    call.losses.iter().for_each(|loss| loss.apply(&mut checked.instance));
    Ok((asset, checked))
}

/// What the asset holds with what `checked` changes: what is given replaces, `null` removes, the rest stays.
pub fn merged(stored: &Stored, checked: Checked) -> Map<String, Value> {
    let mut merged: Map<String, Value> = serde_json::from_str(&stored.instance).unwrap_or_default();
    for name in &checked.removed {
        merged.shift_remove(name);
    }
    merged.extend(checked.instance);
    merged
}

/// Whether some text in `value` has a `<` before a letter, a slash or an exclamation mark.
fn holds_tag(value: &Value) -> bool {
    match value {
        Value::String(text) => text
            .split('<')
            .skip(1)
            .any(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || matches!(letter, '/' | '!'))),
        Value::Array(values) => values.iter().any(holds_tag),
        Value::Object(fields) => fields.values().any(holds_tag),
        _ => false,
    }
}

/// Refuses references to assets that do not exist.
///
/// # Errors
/// A 400 that names the first of them.
pub fn all_exist(store: &Store, checked: &Checked) -> Result<(), Answer> {
    match checked.references.iter().find(|id| store.asset(**id).is_none()) {
        Some(id) => Err(Answer::bad(format!("Asset: {id} not found."))),
        None => Ok(()),
    }
}

/// Refuses an instance that lacks what its definition requires, where the server was told to.
///
/// # Errors
/// A 400 that names a field.
pub fn complete(flex: &Flex, store: &Store, asset: u64, instance: &Map<String, Value>) -> Result<(), Answer> {
    let definition = store.asset(asset).and_then(|stored| definition(store, stored));
    let Some(definition) = definition.filter(|_| flex.faults.has(Switch::EnforceRequired)) else { return Ok(()) };
    let lacking = definition.fields.iter().find(|field| field.required && !instance.contains_key(&field.name));
    lacking.map_or(Ok(()), |field| Err(Answer::bad(format!("Field \"{}\" is required", field.name))))
}

/// Makes `instance` the asset's instance.
///
/// # Errors
/// A 500 where the journal cannot be written.
pub fn commit(store: &mut Store, asset: u64, instance: Map<String, Value>) -> Result<(), Answer> {
    store.commit(Event::Instance { asset, at: now(), instance }).map_err(unstored)
}

fn definition(store: &Store, stored: &Stored) -> Option<Arc<Definition>> {
    stored.asset.definition.and_then(|id| store.definition(id)).cloned()
}

fn shown(flex: &Flex, store: &Store, stored: &Stored) -> Answer {
    let definition = definition(store, stored);
    let id = json!(stored.asset.definition);
    let fields = definition.as_ref().map_or("[]", |definition| &definition.rendered);
    let instance = readable(flex, store, stored);
    // The id of the metadata object; a number of its own, as in a real Flex.
    let own = stored.asset.id + 100_000_000;
    Answer::json(format!("{{\"id\":{own},\"instance\":{instance},\"definitionId\":{id},\"definition\":{fields}}}"))
}

/// The instance as a read shows it: references with the name, the type, (since 2023.6) the uuid and
/// (in 2024.9) the value of what they point at. What `value` holds is assumed: the name.
pub fn readable(flex: &Flex, store: &Store, stored: &Stored) -> String {
    let Some(definition) = definition(store, stored).filter(|_| stored.instance.contains("\"id\":")) else {
        return stored.instance.clone();
    };
    let describe = |kind: Kind, id: u64| {
        let mut described = if kind == Kind::Asset {
            let asset = &store.asset(id)?.asset;
            json!({"id": id, "name": asset.name, "type": asset.kind, "uuid": asset.uuid})
        } else {
            let record = store.records().get(id)?;
            json!({"id": id, "name": record.get("name"), "type": record.kind, "uuid": record.get("uuid")})
        };
        if flex.version < Version::V2023_6 {
            described.as_object_mut()?.shift_remove("uuid");
        }
        if flex.version >= Version::V2024_9 {
            described["value"] = described["name"].clone();
        }
        Some(described)
    };
    let mut instance: Map<String, Value> = serde_json::from_str(&stored.instance).unwrap_or_default();
    expand(&definition.fields, &mut instance, &describe);
    Value::Object(instance).to_string()
}
