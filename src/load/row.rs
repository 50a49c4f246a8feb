//! A mapped row as the loader sees it: key, name, instance, and the references that are filled in once every asset has
//! its id.

use std::collections::{HashMap, HashSet};

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields, Schema};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::flex::Instance;
use crate::staging::json as json_rule;

/// Columns before the instance, in the order every query of `4_map` gives them.
const KEY: &str = "source_key";
const DISPOSITION: &str = "disposition";
const NAME: &str = "name";
/// The disposition of rows that are loaded.
const LOAD: &str = "load";

/// What the columns of a mapped dataset are to the loader.
#[derive(Debug, Clone)]
pub struct Shape {
    query: String,
    key: usize,
    disposition: usize,
    name: usize,
    instance: Vec<usize>,
    references: HashSet<String>,
}

/// A row to be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The key in the source.
    pub source_key: String,
    /// The asset's name.
    pub name: String,
    /// The field values by the JSON rule; references stand as `{"source_key": …}`.
    pub instance: Instance,
    /// The source keys that references point to, in order, with repeats.
    pub references: Vec<String>,
    /// BLAKE3 of the canonical JSON of name and instance: keys sorted, no spaces.
    pub payload: [u8; 32],
    /// Which fields of the instance hold references.
    linked: Vec<String>,
}

impl Shape {
    /// # Errors
    /// When the dataset of `query` lacks a column that every mapped dataset has.
    pub fn of(query: &str, schema: &Schema) -> Result<Self> {
        let position = |column: &str| {
            schema.index_of(column).map_err(|cause| {
                Error::query(query, format!("its dataset has no column {column}, which a mapped dataset needs"), cause)
            })
        };
        let name = position(NAME)?;
        let instance: Vec<usize> = (name + 1..schema.fields().len()).collect();
        let references = schema.fields()[name + 1..]
            .iter()
            .filter(|field| holds_reference(field.data_type()))
            .map(|field| field.name().clone())
            .collect();
        let (key, disposition) = (position(KEY)?, position(DISPOSITION)?);
        Ok(Self { query: query.to_owned(), key, disposition, name, instance, references })
    }

    /// Whether any row can have a reference.
    pub fn has_references(&self) -> bool {
        !self.references.is_empty()
    }

    /// The rows of a batch that are to be loaded.
    ///
    /// # Errors
    /// When a value has no JSON form, or a key, disposition or name is missing.
    pub fn rows(&self, batch: &RecordBatch) -> Result<Vec<Row>> {
        let failed = |cause| Error::query(&self.query, "its dataset cannot be read", cause);
        let keys = self.texts(batch, self.key)?;
        let dispositions = self.texts(batch, self.disposition)?;
        let names = self.texts(batch, self.name)?;
        let instances = batch.project(&self.instance).map_err(failed)?;
        let text = |column: &StringArray, index: usize, what: &str| {
            let value = (!arrow::array::Array::is_null(column, index)).then(|| column.value(index).to_owned());
            value.ok_or_else(|| Error::Query {
                name: self.query.clone(),
                message: format!("a row to be loaded has no {what}: its query must reject it with a reason"),
                cause: None,
            })
        };
        let mut rows = Vec::new();
        for index in (0..batch.num_rows()).filter(|&index| dispositions.value(index) == LOAD) {
            let source_key = text(&keys, index, KEY)?;
            let name = text(&names, index, NAME)?;
            rows.push(Row::new(source_key, name, json_rule::row(&instances, index)?, &self.references));
        }
        Ok(rows)
    }

    fn texts(&self, batch: &RecordBatch, column: usize) -> Result<StringArray> {
        let column = cast(batch.column(column), &DataType::Utf8);
        let column = column.map_err(|cause| Error::query(&self.query, "a column is no text", cause))?;
        Ok(column.as_string::<i32>().clone())
    }
}

impl Row {
    fn new(source_key: String, name: String, instance: Instance, reference_fields: &HashSet<String>) -> Self {
        let mut references = Vec::new();
        let mut linked = Vec::new();
        for (field, value) in instance.iter().filter(|(field, _)| reference_fields.contains(*field)) {
            linked.push(field.clone());
            collect(value, &mut references);
        }
        let mut canonical = Vec::new();
        write_canonical(&json!(name), &mut canonical);
        write_object(&instance, &mut canonical);
        let payload = *blake3::hash(&canonical).as_bytes();
        Self { source_key, name, instance, references, payload, linked }
    }

    /// The uuid by which the target knows the asset: the same for the same source key, always.
    pub fn uuid(&self) -> String {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://telecine/source-key");
        Uuid::new_v5(&namespace, self.source_key.as_bytes()).to_string()
    }

    /// The instance without the fields that hold references.
    pub fn without_references(&self) -> Instance {
        let keep = |(field, _): &(&String, &Value)| !self.linked.contains(*field);
        self.instance.iter().filter(keep).map(|(field, value)| (field.clone(), value.clone())).collect()
    }

    /// The instance with `{"id":N}` in place of each reference, and how many references have no id in `ids`. Such a
    /// reference goes together with the list item (or, outside a list, the field) that holds it.
    pub fn resolved(&self, ids: &HashMap<String, i64>) -> (Instance, u32) {
        let mut instance = self.instance.clone();
        for field in &self.linked {
            let Some(value) = instance.get_mut(field) else { continue };
            match resolve(value.take(), ids) {
                Resolved::Value(resolved) => *value = resolved,
                Resolved::Emptied | Resolved::Lost => drop(instance.shift_remove(field)),
            }
        }
        let missing = self.references.iter().filter(|key| !ids.contains_key(*key)).count();
        (instance, u32::try_from(missing).unwrap_or(u32::MAX))
    }
}

/// Whether a struct whose only field is the source key is this type or within it.
fn holds_reference(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => holds_reference(item.data_type()),
        DataType::Struct(fields) => {
            is_reference(fields) || fields.iter().any(|field| holds_reference(field.data_type()))
        }
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

fn collect(value: &Value, references: &mut Vec<String>) {
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
enum Resolved {
    Value(Value),
    /// A list or object of which every part went with its reference.
    Emptied,
    /// A reference without an id, or an object that is nothing without it.
    Lost,
}

/// Only a reference without an id removes anything: empty lists and nulls stay as the query gave them.
fn resolve(value: Value, ids: &HashMap<String, i64>) -> Resolved {
    if let Some(key) = target_of(&value) {
        return ids.get(key).map_or(Resolved::Lost, |id| Resolved::Value(json!({ "id": id })));
    }
    match value {
        Value::Array(items) => {
            let had_items = !items.is_empty();
            let kept = items.into_iter().filter_map(|item| match resolve(item, ids) {
                Resolved::Value(value) => Some(value),
                Resolved::Emptied | Resolved::Lost => None,
            });
            let kept: Vec<Value> = kept.collect();
            if had_items && kept.is_empty() { Resolved::Emptied } else { Resolved::Value(Value::Array(kept)) }
        }
        Value::Object(object) => {
            let had_fields = !object.is_empty();
            let mut fields = Instance::new();
            for (name, value) in object {
                match resolve(value, ids) {
                    Resolved::Value(value) => drop(fields.insert(name, value)),
                    Resolved::Emptied => {}
                    Resolved::Lost => return Resolved::Lost,
                }
            }
            if had_fields && fields.is_empty() { Resolved::Emptied } else { Resolved::Value(Value::Object(fields)) }
        }
        other => Resolved::Value(other),
    }
}

/// JSON in one form only: keys sorted by their bytes at every level, no spaces.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(object) => write_object(object, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

fn write_object(object: &Instance, out: &mut Vec<u8>) {
    let mut entries: Vec<(&String, &Value)> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    out.push(b'{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
        out.push(b':');
        write_canonical(value, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instance: Value, references: &[&str]) -> Row {
        let Value::Object(instance) = instance else { panic!("an object") };
        let fields = references.iter().map(|field| (*field).to_owned()).collect();
        Row::new("Promo:1".into(), "n".into(), instance, &fields)
    }

    #[test]
    fn references_are_found_left_out_and_filled_in() {
        let row = row(
            json!({
                "title": "t",
                "parent": {"source_key": "Project:1"},
                "items": [{"source_key": "Promo:2"}, {"source_key": "Promo:3"}],
                "related": [{"asset": {"source_key": "Promo:3"}, "relation": "a"}, {"asset": {"source_key": "Promo:4"}}],
                "lost": {"source_key": "Promo:3"},
                "code": {"source_key": "plain text in a field that is no reference"},
            }),
            &["parent", "items", "related", "lost"],
        );
        assert_eq!(row.references, ["Project:1", "Promo:2", "Promo:3", "Promo:3", "Promo:4", "Promo:3"]);
        let first: Vec<String> = row.without_references().keys().cloned().collect();
        assert_eq!(first, ["title", "code"]);
        let ids = HashMap::from([("Project:1".into(), 1), ("Promo:2".into(), 2), ("Promo:4".into(), 4)]);
        let (full, missing) = row.resolved(&ids);
        assert_eq!(missing, 3);
        assert_eq!(
            Value::Object(full),
            json!({
                "title": "t", "parent": {"id": 1}, "items": [{"id": 2}], "related": [{"asset": {"id": 4}}],
                "code": {"source_key": "plain text in a field that is no reference"},
            })
        );
        let (nothing, missing) = row.resolved(&HashMap::new());
        assert_eq!((nothing.len(), missing), (2, 6));
    }

    #[test]
    fn only_a_reference_without_an_id_removes_what_holds_it() {
        let row = row(
            json!({
                "related": [
                    {"asset": {"source_key": "A:1"}, "codes": [], "note": null},
                    {"asset": {"source_key": "A:9"}, "codes": ["x"]},
                ],
                "group": {"members": [{"source_key": "A:9"}], "codes": [], "title": "t"},
                "none": [],
                "bare": {"members": [{"source_key": "A:9"}]},
                "holes": [null, {"source_key": "A:1"}, {"source_key": "A:9"}],
            }),
            &["related", "group", "none", "bare", "holes"],
        );
        let (full, missing) = row.resolved(&HashMap::from([("A:1".into(), 1)]));
        assert_eq!(missing, 4);
        assert_eq!(
            Value::Object(full),
            json!({
                "related": [{"asset": {"id": 1}, "codes": [], "note": null}],
                "group": {"codes": [], "title": "t"}, "none": [], "holes": [null, {"id": 1}],
            })
        );
    }

    #[test]
    fn the_payload_follows_values_and_not_the_order_of_keys() {
        let one = row(json!({"a": 1.50, "b": {"x": 1, "y": 2}}), &[]);
        let same = row(json!({"b": {"y": 2, "x": 1}, "a": 1.50}), &[]);
        assert_eq!(one.payload, same.payload);
        for other in
            [json!({"a": 1.50}), json!({"a": "1.50", "b": {"x": 1, "y": 2}}), json!({"a": 1.50, "b": {"x": 2, "y": 1}})]
        {
            assert_ne!(one.payload, row(other, &[]).payload);
        }
        let target = row(json!({"p": {"source_key": "A:1"}}), &["p"]);
        assert_ne!(target.payload, row(json!({"p": {"source_key": "A:2"}}), &["p"]).payload);
    }

    #[test]
    fn the_uuid_is_that_of_the_source_key() {
        // Computed with Python's uuid.uuid5 in two steps.
        assert_eq!(row(json!({}), &[]).uuid(), "f8227176-7d7c-5edd-9ac8-af30d6a78b49");
    }
}
