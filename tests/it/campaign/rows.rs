//! The rows of a script as the queries would have mapped them, and what their assets must look like.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use serde_json::{Map, Value, json};

use crate::mapped::batch;

/// What rows are of: query, first part of their keys, definition.
pub const KINDS: [(&str, &str, &str); 3] = [
    ("collection", "Collection", "assetType_Collection"),
    ("project", "Project", "assetType_Project"),
    ("bundle", "Bundle", "assetType_Collection"),
];
/// The kind that has no parents.
const PROJECT: usize = 1;

/// A row to be loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asset {
    /// Its place in [`KINDS`].
    pub kind: usize,
    pub number: usize,
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub legacy_id: i64,
    pub parent: Option<String>,
    pub members: Vec<String>,
}

impl Asset {
    pub fn key_of(kind: usize, number: usize) -> String {
        format!("{}:{number}", KINDS[kind].1)
    }

    pub fn key(&self) -> String {
        Self::key_of(self.kind, self.number)
    }

    pub fn external_id(&self) -> String {
        format!("{}-{}", KINDS[self.kind].1, self.number)
    }

    /// The field values that hold no references.
    pub fn plain(&self) -> Map<String, Value> {
        let Value::Object(mut instance) = json!({
            "title": self.title, "externalId": self.external_id(), "legacyId": self.legacy_id,
        }) else {
            panic!("an object")
        };
        if let Some(description) = &self.description {
            instance.insert("description".to_owned(), json!(description));
        }
        if !self.tags.is_empty() {
            instance.insert("tags".to_owned(), json!(self.tags));
        }
        let fixed = if self.kind == PROJECT {
            vec![
                ("projectCode", self.external_id()),
                ("projectType", "Promo Campaign".to_owned()),
                ("status", "Active".to_owned()),
            ]
        } else {
            vec![("collectionKind", "Manual".to_owned())]
        };
        instance.extend(fixed.into_iter().map(|(name, value)| (name.to_owned(), json!(value))));
        instance
    }

    /// All field values, the references of those that have an id among `ids`.
    pub fn instance(&self, ids: &HashMap<String, i64>) -> Map<String, Value> {
        let mut instance = self.plain();
        let found = |key: &String| ids.get(key).map(|id| json!({ "id": id }));
        if let Some(parent) = self.parent.as_ref().filter(|_| self.kind != PROJECT).and_then(found) {
            instance.insert("parent".to_owned(), parent);
        }
        let members: Vec<Value> = self.members.iter().filter_map(found).collect();
        if !members.is_empty() {
            instance.insert("members".to_owned(), Value::Array(members));
        }
        instance
    }
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// A list that is NULL where it would be empty.
fn list(items: ArrayRef, lengths: Vec<usize>) -> ArrayRef {
    let nulls: NullBuffer = lengths.iter().map(|length| *length > 0).collect::<Vec<_>>().into();
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, Some(nulls)))
}

fn references(keys: Vec<Option<String>>) -> ArrayRef {
    let nulls: NullBuffer = keys.iter().map(Option::is_some).collect::<Vec<_>>().into();
    let keys = texts(keys.into_iter());
    let fields = vec![Field::new("source_key", keys.data_type().clone(), true)];
    Arc::new(StructArray::new(fields.into(), vec![keys], Some(nulls)))
}

/// The mapped dataset of one kind.
pub fn dataset(kind: usize, assets: &[&Asset]) -> RecordBatch {
    let column = |value: fn(&Asset) -> Option<String>| texts(assets.iter().map(|asset| value(asset)));
    let mut columns = vec![
        ("source_key", column(|asset| Some(asset.key()))),
        ("disposition", column(|_| Some("load".to_owned()))),
        ("reason", column(|_| None)),
        ("details", column(|_| None)),
        ("warnings", column(|_| None)),
        ("name", column(|asset| Some(asset.name.clone()))),
        ("title", column(|asset| Some(asset.title.clone()))),
        ("externalId", column(|asset| Some(asset.external_id()))),
        ("description", column(|asset| asset.description.clone())),
    ];
    let tags = texts(assets.iter().flat_map(|asset| asset.tags.iter().cloned().map(Some)));
    let members = references(assets.iter().flat_map(|asset| asset.members.iter().cloned().map(Some)).collect());
    columns.extend([
        ("tags", list(tags, assets.iter().map(|asset| asset.tags.len()).collect())),
        ("legacyId", Arc::new(assets.iter().map(|asset| Some(asset.legacy_id)).collect::<Int64Array>()) as ArrayRef),
        ("members", list(members, assets.iter().map(|asset| asset.members.len()).collect())),
    ]);
    if kind == PROJECT {
        columns.extend([
            ("projectCode", column(|asset| Some(asset.external_id()))),
            ("projectType", column(|_| Some("Promo Campaign".to_owned()))),
            ("status", column(|_| Some("Active".to_owned()))),
        ]);
    } else {
        columns.extend([
            ("collectionKind", column(|_| Some("Manual".to_owned()))),
            ("parent", references(assets.iter().map(|asset| asset.parent.clone()).collect())),
        ]);
    }
    batch(columns)
}
