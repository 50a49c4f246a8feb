//! A mapped row as the loader sees it: key, name, the field values as the bytes to be sent, and the references that are
//! filled in once what they point to has its id.

use std::ops::Range;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::reference;
use crate::error::{Error, Result};
use crate::staging::json as json_rule;

/// Columns before the instance, in the order every query of `4_map` gives them.
pub(super) const KEY: &str = "source_key";
const DISPOSITION: &str = "disposition";
const NAME: &str = "name";
/// The disposition of rows that are loaded.
const LOAD: &str = "load";
/// Bytes of a field's number and of its value's fingerprint. Fingerprints say which fields of a changed row differ; that it
/// has changed is said by the whole hash, so a collision (1 in 2^48) only leaves a name out.
const NUMBER: usize = 2;
const PRINT: usize = 6;

/// What the columns of a mapped dataset are to the loader.
#[derive(Debug, Clone)]
pub struct Shape {
    query: String,
    key: usize,
    disposition: usize,
    name: usize,
    values: Columns,
    links: Columns,
    /// Which of the columns of `values` holds the external id.
    external: Option<usize>,
    /// The columns of `values` by name.
    sorted: Vec<usize>,
}

#[derive(Debug, Clone, Default)]
struct Columns {
    names: Vec<String>,
    places: Vec<usize>,
    /// The numbers of the fields in the ledger.
    numbers: Vec<u16>,
}

/// A row to be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The key in the source.
    pub source_key: String,
    /// The asset's name.
    pub name: String,
    /// The value of the external id, where the row has one.
    pub external_id: Option<String>,
    /// The field values without references, a JSON object by the JSON rule: the bytes that are sent.
    pub values: Bytes,
    /// The fields that hold references, in order; a reference stands as `{"source_key": …}`.
    pub links: Vec<(String, Value)>,
    /// The source keys that references point to, in order, with repeats.
    pub references: Vec<String>,
    /// BLAKE3 of the name and of the field values in the order of their names, references apart.
    pub payload: [u8; 32],
    /// The number and the fingerprint of each field that has a value, references by their source keys.
    pub fields: FieldPrints,
}

/// Numbers and fingerprints of fields, as the ledger keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPrints(Vec<u8>);

impl FieldPrints {
    /// As they lie in the ledger.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// From the ledger.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    fn push(&mut self, number: u16, text: &[u8]) {
        self.0.extend_from_slice(&number.to_le_bytes());
        self.0.extend_from_slice(&xxh3_64(text).to_le_bytes()[..PRINT]);
    }

    fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.0.chunks_exact(NUMBER + PRINT).map(|one| (u16::from_le_bytes([one[0], one[1]]), &one[NUMBER..]))
    }

    /// The numbers of the fields that have a value.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.iter().map(|(number, _)| number)
    }

    /// The numbers of the fields whose values differ, or that only one side has; ordered.
    pub fn changed(&self, other: &Self) -> Vec<u16> {
        let lacks = |one: &Self, (number, print): (u16, &[u8])| {
            (!one.iter().any(|(other, same)| other == number && same == print)).then_some(number)
        };
        let mut changed: Vec<u16> = self.iter().filter_map(|field| lacks(other, field)).collect();
        changed.extend(other.iter().filter_map(|field| lacks(self, field)));
        changed.sort_unstable();
        changed.dedup();
        changed
    }
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
        let (mut values, mut links) = (Columns::default(), Columns::default());
        for (place, field) in schema.fields().iter().enumerate().skip(name + 1) {
            let columns = if reference::is_held_by(field.data_type()) { &mut links } else { &mut values };
            columns.names.push(field.name().clone());
            columns.places.push(place);
        }
        let mut sorted: Vec<usize> = (0..values.names.len()).collect();
        sorted.sort_by_key(|&column| &values.names[column]);
        let (key, disposition) = (position(KEY)?, position(DISPOSITION)?);
        Ok(Self { query: query.to_owned(), key, disposition, name, values, links, external: None, sorted })
    }

    /// The same, with external ids from this column, where the dataset has it.
    pub fn with_external_ids(self, column: &str) -> Self {
        let external = self.values.names.iter().position(|name| name == column);
        Self { external, ..self }
    }

    /// The names of all fields of the instance.
    pub fn fields(&self) -> impl Iterator<Item = &String> {
        self.values.names.iter().chain(&self.links.names)
    }

    /// The names of the fields that hold references.
    pub fn links(&self) -> &[String] {
        &self.links.names
    }

    /// The ledger's numbers of the fields that hold references.
    pub(super) fn link_numbers(&self) -> &[u16] {
        &self.links.numbers
    }

    /// The ledger's number of a field.
    pub(super) fn number_of(&self, field: &str) -> Option<u16> {
        let all = [&self.values, &self.links].into_iter();
        all.flat_map(|columns| columns.names.iter().zip(&columns.numbers))
            .find(|(name, _)| *name == field)
            .map(|(_, number)| *number)
    }

    /// The name of the field of this number of the ledger.
    pub(super) fn name_of(&self, number: u16) -> Option<&str> {
        let all = [&self.values, &self.links].into_iter();
        all.flat_map(|columns| columns.names.iter().zip(&columns.numbers))
            .find(|(_, known)| **known == number)
            .map(|(name, _)| name.as_str())
    }

    /// Takes the numbers that the ledger gives to fields.
    pub fn number(&mut self, number: impl Fn(&str) -> u16) {
        for columns in [&mut self.values, &mut self.links] {
            columns.numbers = columns.names.iter().map(|name| number(name)).collect();
        }
    }

    /// Whether any row can have a reference.
    pub fn has_references(&self) -> bool {
        !self.links.names.is_empty()
    }

    /// The source keys of the rows of a batch that are to be loaded.
    ///
    /// # Errors
    /// When a key or disposition is missing.
    pub fn keys(&self, batch: &RecordBatch) -> Result<Vec<(usize, String)>> {
        let keys = self.texts(batch, self.key)?;
        let dispositions = self.texts(batch, self.disposition)?;
        let to_load = (0..batch.num_rows()).filter(|&index| dispositions.value(index) == LOAD);
        to_load.map(|index| Ok((index, self.text(&keys, index, KEY)?))).collect()
    }

    /// The rows of a batch that are to be loaded, with their position in it.
    ///
    /// # Errors
    /// When a value has no JSON form, or a key, disposition or name is missing.
    pub fn rows(&self, batch: &RecordBatch) -> Result<Vec<(usize, Row)>> {
        let failed = |cause| Error::query(&self.query, "its dataset cannot be read", cause);
        let names = self.texts(batch, self.name)?;
        let values = batch.project(&self.values.places).map_err(failed)?;
        let texts = json_rule::Rows::new(&values, &[]);
        let mut rows = Vec::new();
        let (mut text, mut marks) = (Vec::new(), vec![None; self.values.names.len()]);
        for (index, source_key) in self.keys(batch)? {
            text.clear();
            marks.fill(None);
            texts.write_marked(index, &mut text, |column, range| marks[column] = Some(range))?;
            let name = self.text(&names, index, NAME)?;
            let payload = self.payload(&name, &text, &marks);
            let mut fields = FieldPrints::default();
            for (range, number) in marks.iter().zip(&self.values.numbers) {
                if let Some(range) = range {
                    fields.push(*number, &text[range.clone()]);
                }
            }
            let external_id = self.external.and_then(|column| external_id(&text[marks[column].clone()?]));
            let links = self.links_of(batch, index, &mut fields)?;
            let mut references = Vec::new();
            links.iter().for_each(|(_, value)| reference::collect(value, &mut references));
            rows.push((
                index,
                Row {
                    source_key,
                    name,
                    external_id,
                    values: Bytes::copy_from_slice(&text),
                    links,
                    references,
                    payload,
                    fields,
                },
            ));
        }
        Ok(rows)
    }

    /// The hash does not depend on the order of columns.
    fn payload(&self, name: &str, text: &[u8], marks: &[Option<Range<usize>>]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(name.as_bytes());
        for &column in &self.sorted {
            if let Some(range) = &marks[column] {
                part(self.values.names[column].as_bytes());
                part(&text[range.clone()]);
            }
        }
        *hasher.finalize().as_bytes()
    }

    fn links_of(&self, batch: &RecordBatch, index: usize, fields: &mut FieldPrints) -> Result<Vec<(String, Value)>> {
        let mut links = Vec::new();
        for (position, place) in self.links.places.iter().enumerate() {
            let name = &self.links.names[position];
            let value = json_rule::value(batch.column(*place).as_ref(), index).map_err(|reason| Error::Query {
                name: self.query.clone(),
                message: format!("column {name}: row {index} of a batch has no JSON form: {reason}"),
                cause: None,
            })?;
            let Some(value) = value else { continue };
            if let Some(number) = self.links.numbers.get(position) {
                fields.push(*number, value.to_string().as_bytes());
            }
            links.push((name.clone(), value));
        }
        Ok(links)
    }

    fn text(&self, column: &StringArray, index: usize, what: &str) -> Result<String> {
        let value = column.is_valid(index).then(|| column.value(index).to_owned());
        value.ok_or_else(|| Error::Query {
            name: self.query.clone(),
            message: format!("a row to be loaded has no {what}: its query must reject it with a reason"),
            cause: None,
        })
    }

    fn texts(&self, batch: &RecordBatch, column: usize) -> Result<StringArray> {
        let column = cast(batch.column(column), &DataType::Utf8);
        let column = column.map_err(|cause| Error::query(&self.query, "a column is no text", cause))?;
        Ok(column.as_string::<i32>().clone())
    }
}

impl Row {
    /// The uuid by which the target knows the asset: the same for the same source key, always.
    pub fn uuid(&self) -> String {
        uuid_of(&self.source_key)
    }
}

/// The text or number that a JSON text holds.
fn external_id(text: &[u8]) -> Option<String> {
    match serde_json::from_slice(text).ok()? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The uuid of the asset of a source key.
pub fn uuid_of(source_key: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://telecine/source-key");
    Uuid::new_v5(&namespace, source_key.as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
