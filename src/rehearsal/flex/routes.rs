//! The routes of what a loader does not need and other clients use, and the refusal of what nothing answers.

use axum::http::{Method, StatusCode};

use super::answer::{Answer, Handled};
use super::call::Call;
use super::catalog::USER_OBJECTS;
use super::service::Flex;
use super::{account, asset_actions, asset_parts, collections, tags, taxonomies, workflows};

/// Path words whose lists and items are the same for everybody.
const FIXED: [&str; 7] = ["accounts", "resources", "users", "groups", "workspaces", "actions", "workflowDefinitions"];

/// Which handler answers which method and path, where `service` knows none.
pub fn route(flex: &Flex, method: &Method, call: &Call<'_>, segments: &[&str]) -> Handled {
    match (method.as_str(), segments) {
        ("GET", [kind]) if FIXED.contains(kind) => account::list(call, kind),
        ("GET", [kind, id]) if FIXED.contains(kind) => account::get(call, kind, id),
        ("GET", [kind, id, "tags"]) if FIXED.contains(kind) => tags::list(flex, call, kind, id),
        ("POST", [kind, id, "tags"]) if FIXED.contains(kind) => tags::add(flex, call, kind, id),
        ("GET", ["tagCollections"]) => account::tag_collections(flex, call),
        ("GET", ["events"]) => account::events(flex, call),
        ("GET", ["accountProperties"]) => account::properties(flex, call),
        ("POST", ["accountProperties"]) => account::set_property(flex, call),
        ("GET", ["accountProperties", id]) => account::property(flex, call, id),
        ("DELETE", ["accountProperties", id]) => account::remove_property(flex, id),
        ("GET", ["taxonomies"]) => taxonomies::list(call),
        ("GET", ["taxonomies", id]) => taxonomies::get(call, id),
        ("GET", ["taxonomies", id, "taxons"]) => taxonomies::taxons(flex, call, id, None),
        ("POST", ["taxonomies", id, "taxons"]) => taxonomies::create(flex, call, id, None),
        ("GET", ["taxonomies", id, "taxons", parent, "taxons"]) => taxonomies::taxons(flex, call, id, Some(parent)),
        ("POST", ["taxonomies", id, "taxons", parent, "taxons"]) => taxonomies::create(flex, call, id, Some(parent)),
        ("GET", [kind @ ("workflows" | "jobs")]) => workflows::list(flex, call, kind),
        ("POST", [kind @ ("workflows" | "jobs")]) => workflows::start(flex, call, kind),
        ("GET", [kind @ ("workflows" | "jobs"), id]) => workflows::get(flex, call, kind, id),
        ("GET", ["jobs", id, "history"]) => workflows::history(flex, id),
        ("GET", [USER_OBJECTS]) => workflows::objects(flex, call),
        ("POST", [USER_OBJECTS]) => workflows::create_object(flex, call),
        ("GET", [USER_OBJECTS, id]) => workflows::object(flex, call, id),
        ("GET", [USER_OBJECTS, id, "data"]) => workflows::data(flex, id),
        ("PUT", [USER_OBJECTS, id, "data"]) => workflows::put_data(flex, call, id),
        (_, ["collections", ..]) => in_collections(flex, method, call, segments),
        (_, ["assets", id, part, rest @ ..]) => below_asset(flex, method, call, (id, part, rest)),
        ("DELETE", ["assets", id]) => asset_actions::delete(flex, id),
        _ => Err(unrouted(segments)),
    }
}

fn in_collections(flex: &Flex, method: &Method, call: &Call<'_>, segments: &[&str]) -> Handled {
    match (method.as_str(), segments) {
        ("GET", [_]) => collections::list(flex, call),
        ("POST", [_]) => collections::create(flex, call),
        ("GET", [_, uuid]) => collections::get(flex, uuid),
        ("DELETE", [_, uuid]) => collections::remove(flex, uuid),
        ("GET", [_, uuid, "items"]) => collections::items(flex, call, uuid),
        ("PUT", [_, uuid, "items"]) => collections::add_items(flex, call, uuid),
        ("DELETE", [_, uuid, "items"]) => collections::remove_items(flex, call, uuid),
        ("GET", [_, uuid, "metadata"]) => collections::metadata(flex, uuid),
        ("PUT", [_, uuid, "metadata", definition]) => collections::put_metadata(flex, call, uuid, definition),
        _ => Err(unrouted(segments)),
    }
}

fn below_asset(flex: &Flex, method: &Method, call: &Call<'_>, (id, part, rest): (&str, &str, &[&str])) -> Handled {
    match (method.as_str(), part, rest) {
        ("GET", "actions", []) => asset_actions::list(flex, id),
        ("POST", "actions", []) => asset_actions::act(flex, call, id),
        ("GET", "externalIds", []) => asset_parts::external_ids(flex, call, id),
        ("POST", "externalIds", []) => asset_parts::add_external_id(flex, call, id),
        ("DELETE", "externalIds", [key]) => asset_parts::remove_external_id(flex, id, key),
        ("GET", "children", []) => asset_parts::children(flex, call, id),
        ("GET", "keyframes", []) => asset_parts::keyframes(flex, call, id),
        ("GET", "workflows", []) => workflows::of_asset(flex, call, id),
        ("GET", "tags", []) => tags::list(flex, call, "assets", id),
        ("POST", "tags", []) => tags::add(flex, call, "assets", id),
        _ => Err(unrouted(&[&["assets", id, part], rest].concat())),
    }
}

/// The refusal of what no handler answers: 405 for a path that another method has, 404 as JSON for an unknown word, as a
/// page for an unknown path below a known one.
fn unrouted(segments: &[&str]) -> Answer {
    let known = match segments {
        [] => return Answer::page(StatusCode::NOT_FOUND),
        [word, ..] => is_word(word),
    };
    match segments {
        [word, ..] if !known => {
            Answer::refuse(StatusCode::NOT_FOUND, format!("No object type found for plural name: {word}"))
        }
        [_]
        | [_, _]
        | ["metadataDefinitions", _, "definition" | "actions"]
        | ["assets", _, "metadata" | "annotations" | "actions" | "externalIds" | "children" | "keyframes"]
        | ["assets", _, "workflows" | "tags"]
        | ["assets", _, "annotations" | "externalIds", _]
        | ["collections", _, "items" | "metadata"]
        | ["collections", _, "metadata", _]
        | ["taxonomies", _, "taxons"]
        | ["taxonomies", _, "taxons", _, "taxons"]
        | ["jobs", _, "history"]
        | [USER_OBJECTS, _, "data"] => Answer::page(StatusCode::METHOD_NOT_ALLOWED),
        [word, _, "tags"] if FIXED.contains(word) => Answer::page(StatusCode::METHOD_NOT_ALLOWED),
        _ => Answer::page(StatusCode::NOT_FOUND),
    }
}

fn is_word(word: &str) -> bool {
    FIXED.contains(&word)
        || matches!(word, "assets" | "metadataDefinitions" | "objectTypes" | "variants" | "tagCollections" | "events")
        || matches!(word, "accountProperties" | "taxonomies" | "collections" | "workflows" | "jobs" | USER_OBJECTS)
}
