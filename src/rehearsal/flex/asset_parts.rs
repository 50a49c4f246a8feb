//! What hangs on an asset beside its metadata: external ids, children, keyframes.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Handled, envelope};
use super::assets::{find, item};
use super::call::{Call, required_text};
use super::catalog::listed;
use super::definitions::unstored;
use super::service::Flex;
use super::store::{Event, ExternalId};

/// The page that a release without external ids has for their path.
fn known(flex: &Flex) -> Result<(), Answer> {
    if flex.has_external_ids() { Ok(()) } else { Err(Answer::page(StatusCode::NOT_FOUND)) }
}

fn shown(call: &Call<'_>, asset: u64, id: &ExternalId) -> Value {
    let href = format!("{}/assets/{asset}/externalIds/{}", call.base_url, id.key);
    json!({"key": id.key, "value": id.value, "href": href})
}

/// `GET /assets/{id}/externalIds` (its verbs are assumed; the `href` of an external id shows that there is such a path).
pub fn external_ids(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    known(flex)?;
    let store = flex.store();
    let asset = &find(&store, id)?.asset;
    listed(call, "externalIds", asset.external_ids.iter().map(|own| shown(call, asset.id, own)).collect())
}

/// `POST /assets/{id}/externalIds`: a key that the asset has already gets the new value.
pub fn add_external_id(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    known(flex)?;
    let body = call.strict_object("ExternalId", &["key", "value"])?;
    let given = ExternalId { key: required_text(&body, "key")?, value: required_text(&body, "value")? };
    let mut store = flex.store();
    let mut asset = find(&store, id)?.asset.clone();
    let answer = Answer::value(&shown(call, asset.id, &given));
    let href = format!("{}/assets/{}/externalIds/{}", call.base_url, asset.id, given.key);
    match asset.external_ids.iter_mut().find(|own| own.key == given.key) {
        Some(own) => *own = given,
        None => asset.external_ids.push(given),
    }
    asset.modified = store.now();
    asset.revision += 1;
    store.commit(Event::Asset(asset)).map_err(unstored)?;
    Ok(answer.created(href))
}

/// `DELETE /assets/{id}/externalIds/{key}`: 204.
pub fn remove_external_id(flex: &Flex, id: &str, key: &str) -> Handled {
    known(flex)?;
    let mut store = flex.store();
    let mut asset = find(&store, id)?.asset.clone();
    let before = asset.external_ids.len();
    asset.external_ids.retain(|own| own.key != key);
    if asset.external_ids.len() == before {
        return Err(Answer::missing("ExternalId", key));
    }
    asset.modified = store.now();
    asset.revision += 1;
    store.commit(Event::Asset(asset)).map_err(unstored)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// `GET /assets/{id}/children`: the assets that were made with this one as their parent.
pub fn children(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let page = call.page()?;
    let store = flex.store();
    let parent = find(&store, id)?.asset.id;
    let below = |key: &str, properties: &serde_json::Map<String, Value>| {
        properties.get(key).and_then(Value::as_u64) == Some(parent)
    };
    let children = store.assets().iter().filter(|stored| {
        let own = &stored.asset.properties;
        !stored.asset.deleted
            && ["parentId", "parentGroupAssetId", "parentMemberContainerAssetId"].iter().any(|key| below(key, own))
    });
    let found: Vec<_> = children.collect();
    let rows: Vec<_> =
        found.iter().skip(page.offset).take(page.limit).map(|stored| item(flex, &store, stored, false)).collect();
    Ok(envelope("children", &rows, found.len(), page.offset, page.limit))
}

/// `GET /assets/{id}/keyframes`: a placeholder has none.
pub fn keyframes(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    find(&flex.store(), id)?;
    listed(call, "keyframes", Vec::new())
}
