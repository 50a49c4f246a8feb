//! References between assets: `{"source_key": …}` in a mapped row, `{"id": N}` in what is sent.

use arrow::datatypes::{DataType, Fields};
use bytes::Bytes;
use serde_json::{Value, json};

use super::row::KEY;
use crate::flex::Instance;

/// The fields of a row that hold references, with ids in their place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// The fields that have a value, in order.
    pub fields: Vec<(String, Value)>,
    /// References that have no asset to point to; each is left out together with the list item (or, outside a list, the
    /// field) that holds it.
    pub unresolved: u32,
}

impl Resolved {
    /// The fields with what `of` gives for each source key: `{"id": N}` for an asset.
    pub fn of(links: &[(String, Value)], of: &dyn Fn(&str) -> Option<Value>) -> Self {
        let mut unresolved = 0;
        let mut count = |key: &str| {
            let value = of(key);
            unresolved += u32::from(value.is_none());
            value
        };
        let mut fields = Vec::with_capacity(links.len());
        for (name, value) in links {
            if let Outcome::Value(value) = resolve(value.clone(), &mut count) {
                fields.push((name.clone(), value));
            }
        }
        Self { fields, unresolved }
    }

    /// Appends the fields of another.
    pub(super) fn extend(&mut self, other: Self) {
        self.fields.extend(other.fields);
        self.unresolved += other.unresolved;
    }

    /// Whether all ids are those of the target.
    pub(super) fn is_known(&self) -> bool {
        fn known(value: &Value) -> bool {
            match value {
                Value::Array(items) => items.iter().all(known),
                Value::Object(object) => match object.get("id") {
                    Some(Value::String(text)) if object.len() == 1 => !text.starts_with('{'),
                    _ => object.values().all(known),
                },
                _ => true,
            }
        }
        self.fields.iter().all(|(_, value)| known(value))
    }

    /// BLAKE3 of the fields, by which a later load knows whether they have changed.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (name, value) in &self.fields {
            hasher.update(format!("{name:?}:{value},").as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// The JSON of an object with the fields at its end.
    pub(super) fn with(&self, values: &Bytes) -> Bytes {
        if self.fields.is_empty() { values.clone() } else { self.append(values).into() }
    }

    /// Appends the fields to an object without its last brace, which is closed.
    pub fn append(&self, values: &[u8]) -> Vec<u8> {
        let mut body = values.strip_suffix(b"}").unwrap_or(values).to_vec();
        for (name, value) in &self.fields {
            if body.len() > 1 {
                body.push(b',');
            }
            // A text and a tree of values always have a JSON text.
            body.extend_from_slice(format!("{}:{value}", Value::from(name.as_str())).as_bytes());
        }
        body.push(b'}');
        body
    }
}

/// The value that stands for the asset of this id.
pub fn to(id: i64) -> Value {
    json!({ "id": id })
}

/// The value that stands in a plan for an asset that the load is to make.
pub(super) fn to_coming(source_key: &str) -> Value {
    json!({ "id": format!("{{{source_key}}}") })
}

/// Whether a struct whose only field is the source key is this type or within it.
pub(super) fn is_held_by(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => is_held_by(item.data_type()),
        DataType::Struct(fields) => is_reference(fields) || fields.iter().any(|field| is_held_by(field.data_type())),
        _ => false,
    }
}

/// Whether a struct of these fields is a reference to another asset.
fn is_reference(fields: &Fields) -> bool {
    fields.len() == 1 && fields[0].name() == KEY
}

fn target_of(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(KEY)?.as_str()
}

/// Adds the source keys that a value refers to.
pub(super) fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Object(object) => match target_of(value) {
            Some(key) => references.push(key.to_owned()),
            None => object.values().for_each(|value| collect(value, references)),
        },
        _ => {}
    }
}

/// What became of a value that may hold references.
enum Outcome {
    Value(Value),
    /// A list or object of which every part went with its reference.
    Emptied,
    /// A reference without an id, or an object that is nothing without it.
    Lost,
}

/// Only a reference without an id removes anything: empty lists and nulls stay as the query gave them.
fn resolve(value: Value, of: &mut dyn FnMut(&str) -> Option<Value>) -> Outcome {
    if let Some(key) = target_of(&value) {
        return of(key).map_or(Outcome::Lost, Outcome::Value);
    }
    match value {
        Value::Array(items) => {
            let had_items = !items.is_empty();
            let kept = items.into_iter().filter_map(|item| match resolve(item, of) {
                Outcome::Value(value) => Some(value),
                Outcome::Emptied | Outcome::Lost => None,
            });
            let kept: Vec<Value> = kept.collect();
            if had_items && kept.is_empty() { Outcome::Emptied } else { Outcome::Value(Value::Array(kept)) }
        }
        Value::Object(object) => {
            let had_fields = !object.is_empty();
            let (mut fields, mut lost) = (Instance::new(), false);
            for (name, value) in object {
                match resolve(value, of) {
                    Outcome::Value(value) => drop(fields.insert(name, value)),
                    Outcome::Emptied => {}
                    Outcome::Lost => lost = true,
                }
            }
            if lost {
                return Outcome::Lost;
            }
            if had_fields && fields.is_empty() { Outcome::Emptied } else { Outcome::Value(Value::Object(fields)) }
        }
        other => Outcome::Value(other),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn resolved(links: Value, ids: &[(&str, i64)]) -> (Value, u32) {
        let Value::Object(links) = links else { panic!("an object") };
        let links: Vec<(String, Value)> = links.into_iter().collect();
        let ids: HashMap<&str, i64> = ids.iter().copied().collect();
        let resolved = Resolved::of(&links, &|key| ids.get(key).copied().map(to));
        let body = resolved.append(b"{}");
        (serde_json::from_slice(&body).unwrap(), resolved.unresolved)
    }

    #[test]
    fn references_are_filled_in_or_left_out_with_what_holds_them() {
        let links = json!({
            "parent": {"source_key": "Project:1"},
            "items": [{"source_key": "Promo:2"}, {"source_key": "Promo:3"}],
            "related": [{"asset": {"source_key": "Promo:3"}, "relation": "a"}, {"asset": {"source_key": "Promo:4"}}],
            "lost": {"source_key": "Promo:3"},
        });
        let (full, missing) = resolved(links.clone(), &[("Project:1", 1), ("Promo:2", 2), ("Promo:4", 4)]);
        assert_eq!(missing, 3);
        assert_eq!(full, json!({"parent": {"id": 1}, "items": [{"id": 2}], "related": [{"asset": {"id": 4}}]}));
        let (nothing, missing) = resolved(links.clone(), &[]);
        assert_eq!((nothing, missing), (json!({}), 6));
        let mut keys = Vec::new();
        collect(&links, &mut keys);
        assert_eq!(keys, ["Project:1", "Promo:2", "Promo:3", "Promo:3", "Promo:4", "Promo:3"]);
    }

    #[test]
    fn only_a_reference_without_an_id_removes_what_holds_it() {
        let links = json!({
            "related": [
                {"asset": {"source_key": "A:1"}, "codes": [], "note": null},
                {"asset": {"source_key": "A:9"}, "codes": ["x"]},
            ],
            "group": {"members": [{"source_key": "A:9"}], "codes": [], "title": "t"},
            "none": [],
            "bare": {"members": [{"source_key": "A:9"}]},
            "holes": [null, {"source_key": "A:1"}, {"source_key": "A:9"}],
        });
        let (full, missing) = resolved(links, &[("A:1", 1)]);
        assert_eq!(missing, 4);
        assert_eq!(
            full,
            json!({
                "related": [{"asset": {"id": 1}, "codes": [], "note": null}],
                "group": {"codes": [], "title": "t"}, "none": [], "holes": [null, {"id": 1}],
            })
        );
    }

    #[test]
    fn fields_are_appended_to_the_bytes_of_the_values() {
        let links = [("p".to_owned(), json!({"source_key": "A:1"}))];
        let resolved = Resolved::of(&links, &|_| Some(to(7)));
        assert_eq!(resolved.append(b"{\"a\":1.50}"), br#"{"a":1.50,"p":{"id":7}}"#);
        assert_eq!(resolved.append(b"{}"), br#"{"p":{"id":7}}"#);
        let other = Resolved::of(&links, &|_| Some(to(8)));
        assert_ne!(resolved.hash(), other.hash());
    }
}
