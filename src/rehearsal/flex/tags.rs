//! `/{resource}/{id}/tags`, the tags of an asset, a user, a storage and so on: an array of strings.

use serde_json::{Map, Value, json};

use super::account::{class_of, fixed_item};
use super::answer::{Answer, Handled};
use super::assets::find;
use super::call::Call;
use super::definitions::unstored;
use super::records::Record;
use super::service::Flex;
use super::store::{Event, Store};

const KIND: &str = "tags";

/// `GET /{resource}/{id}/tags`; `kind` is the path word of the resource.
pub fn list(flex: &Flex, call: &Call<'_>, kind: &str, id: &str) -> Handled {
    let store = flex.store();
    let owner = Owner::find(&store, call, kind, id)?;
    Ok(Answer::value(owner.tags(&store).map_or(&json!([]), |row| row.get(KIND))))
}

/// `POST /{resource}/{id}/tags` with an array of strings, which are added.
pub fn add(flex: &Flex, call: &Call<'_>, kind: &str, id: &str) -> Handled {
    let given: Vec<String> = serde_json::from_slice(&call.body)
        .map_err(|error| Answer::bad(format!("The body is not an array of strings: {error}")))?;
    let mut store = flex.store();
    let owner = Owner::find(&store, call, kind, id)?;
    let mut record = owner.tags(&store).cloned().unwrap_or_else(|| Record {
        kind: KIND.to_owned(),
        id: store.records().next(),
        body: Map::from_iter([(owner.key.to_owned(), json!(owner.id)), (KIND.to_owned(), json!([]))]),
    });
    if let Some(Value::Array(tags)) = record.body.get_mut(KIND) {
        for tag in given {
            if !tags.contains(&json!(tag)) {
                tags.push(json!(tag));
            }
        }
    }
    let answer = Answer::value(record.get(KIND));
    store.commit(Event::Record(record)).map_err(unstored)?;
    Ok(answer)
}

/// What has tags: the property of its record that holds its id, and the id.
struct Owner<'a> {
    key: &'a str,
    id: u64,
}

impl<'a> Owner<'a> {
    fn find(store: &Store, call: &Call<'_>, kind: &'a str, id: &str) -> Result<Self, Answer> {
        if kind == "assets" {
            return Ok(Self { key: "asset", id: find(store, id)?.asset.id });
        }
        let known = id.parse().ok().filter(|id| fixed_item(call, kind, *id).is_some());
        known.map(|id| Self { key: kind, id }).ok_or_else(|| Answer::missing(&class_of(kind), id))
    }

    fn tags<'s>(&self, store: &'s Store) -> Option<&'s Record> {
        store.records().of(KIND).find(|row| row.get(self.key).as_u64() == Some(self.id))
    }
}
