//! Deleting an asset, by its path or by an action. A deleted asset is still shown by its id, lists show it only with
//! `deleted=true`, and its uuid is free again unless the switch `keep-uuids` says otherwise. Deleting it once more is a 404.
//! (All of it assumed: no public source shows an asset being deleted; actions are as recorded for definitions.)

use axum::http::StatusCode;
use serde_json::json;

use super::answer::{Answer, Handled};
use super::assets::{find, shown};
use super::call::{Call, required_text};
use super::definitions::unstored;
use super::service::Flex;
use super::store::Event;

/// `DELETE /assets/{id}`: 204.
pub fn delete(flex: &Flex, id: &str) -> Handled {
    mark_deleted(flex, id)?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// `GET /assets/{id}/actions`: a bare array; of a deleted asset an empty one.
pub fn list(flex: &Flex, id: &str) -> Handled {
    let deleted = find(&flex.store(), id)?.asset.deleted;
    Ok(Answer::value(&if deleted { json!([]) } else { json!([{"action": "delete", "options": {}}]) }))
}

/// `POST /assets/{id}/actions`: 200 with the asset as it is now.
pub fn act(flex: &Flex, call: &Call<'_>, id: &str) -> Handled {
    let body = call.strict_object("ObjectAction", &["action", "options"])?;
    match required_text(&body, "action")?.as_str() {
        "delete" => mark_deleted(flex, id)?,
        other => return Err(Answer::bad(format!("Action {other} is not known"))),
    }
    shown(flex, id)
}

fn mark_deleted(flex: &Flex, id: &str) -> Result<(), Answer> {
    let mut store = flex.store();
    let mut asset = find(&store, id)?.asset.clone();
    if asset.deleted {
        return Err(Answer::missing("Asset", id));
    }
    asset.deleted = true;
    asset.modified = store.now();
    asset.revision += 1;
    store.commit(Event::Asset(asset)).map_err(unstored)
}
