//! What each group of documents holds, as a record: what the delivery after this one is compared with.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::super::record::{self, Row};
use super::super::{Delivery, deliveries};
use super::survey::Survey;
use crate::error::Result;
use crate::source::json::{Form, Found, Tally};
use crate::staging::{Manifest, RunFolder};

/// The record's name.
pub(super) const NAME: &str = "shapes";

/// What is at one path of a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) group: String,
    #[serde(default)]
    pub(super) path: String,
    /// The path of what it lies in.
    #[serde(default)]
    pub(super) parent: Option<String>,
    /// The one form that all values have, `mixed`, or `null` where there is none.
    #[serde(default, rename = "type")]
    kind: String,
    /// Documents of the group that can be read.
    #[serde(default)]
    documents: u64,
    /// Values, those that are null counted.
    #[serde(default)]
    present: u64,
    #[serde(default)]
    nulls: u64,
    #[serde(default)]
    booleans: u64,
    #[serde(default)]
    integers: u64,
    #[serde(default)]
    numbers: u64,
    #[serde(default)]
    strings: u64,
    #[serde(default)]
    objects: u64,
    #[serde(default)]
    arrays: u64,
    #[serde(default)]
    deep: u64,
}

impl Row for Shape {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("group", DataType::Utf8),
        ("path", DataType::Utf8),
        ("parent", DataType::Utf8),
        ("type", DataType::Utf8),
        ("documents", DataType::Int64),
        ("present", DataType::Int64),
        ("nulls", DataType::Int64),
        ("booleans", DataType::Int64),
        ("integers", DataType::Int64),
        ("numbers", DataType::Int64),
        ("strings", DataType::Int64),
        ("objects", DataType::Int64),
        ("arrays", DataType::Int64),
        ("deep", DataType::Int64),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![&self.kind]
    }
}

impl Shape {
    /// How many values of each form, those of none left out.
    pub(super) fn forms(&self) -> BTreeMap<Form, u64> {
        let counts = [
            (Form::Null, self.nulls),
            (Form::Boolean, self.booleans),
            (Form::Integer, self.integers),
            (Form::Number, self.numbers),
            (Form::String, self.strings),
            (Form::Object, self.objects),
            (Form::Array, self.arrays),
            (Form::Deep, self.deep),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// The shapes of all groups, in order.
pub(super) fn of(survey: &Survey) -> Vec<Shape> {
    let groups = survey.groups.iter();
    let shapes = groups.flat_map(|(name, group)| {
        let found = group.census.paths();
        let parent = |entry: &Found<'_>| entry.parent.and_then(|parent| found.get(parent)).map(|it| it.path.clone());
        let shape = |entry: &Found<'_>| Shape {
            group: name.clone(),
            documents: group.census.documents(),
            parent: parent(entry),
            ..shape(entry)
        };
        // What nothing was at is only there for what is to be there.
        found.iter().filter(|entry| !entry.forms.is_empty()).map(shape).collect::<Vec<_>>()
    });
    shapes.collect()
}

fn shape(found: &Found<'_>) -> Shape {
    let count = |form: Form| found.forms.get(&form).map_or(0, |tally| tally.count);
    Shape {
        path: found.path.clone(),
        kind: type_of(found.forms).to_owned(),
        present: found.forms.values().map(|tally| tally.count).sum(),
        nulls: count(Form::Null),
        booleans: count(Form::Boolean),
        integers: count(Form::Integer),
        numbers: count(Form::Number),
        strings: count(Form::String),
        objects: count(Form::Object),
        arrays: count(Form::Array),
        deep: count(Form::Deep),
        ..Shape::default()
    }
}

fn type_of(forms: &BTreeMap<Form, Tally>) -> &'static str {
    let forms: Vec<Form> = forms.keys().copied().filter(|form| *form != Form::Null).collect();
    match forms.as_slice() {
        [] => Form::Null.word(),
        [one] => one.word(),
        [Form::Integer, Form::Number] => Form::Number.word(),
        _ => "mixed",
    }
}

/// The shapes of an earlier delivery.
#[derive(Debug, Default)]
pub(super) struct Former {
    pub(super) delivery: String,
    /// By group and path.
    pub(super) groups: BTreeMap<String, BTreeMap<String, Shape>>,
    pub(super) content: String,
}

/// Those of the last delivery before this one that has them.
pub(super) async fn former(delivery: &Delivery) -> Result<Option<Former>> {
    let all = deliveries(delivery.folder.area()).await?;
    let before: Vec<RunFolder> = all.into_iter().take_while(|other| other.id() != delivery.folder.id()).collect();
    for folder in before.iter().rev() {
        if let Some(manifest) = folder.query(NAME).manifest().await? {
            return Ok(Some(read(folder, &manifest).await?));
        }
    }
    Ok(None)
}

async fn read(folder: &RunFolder, manifest: &Manifest) -> Result<Former> {
    let mut former = Former { delivery: folder.id().to_owned(), content: manifest.content(), groups: BTreeMap::new() };
    let mut chunks = record::rows::<Shape>(folder, manifest);
    while let Some(rows) = chunks.try_next().await? {
        for row in rows {
            former.groups.entry(row.group.clone()).or_default().insert(row.path.clone(), row);
        }
    }
    Ok(former)
}
