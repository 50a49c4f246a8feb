//! Documents as a query expects them: the columns of a group are those that were declared, whatever the documents at hand hold,
//! so that the same SQL reads every delivery. Nothing is dropped for it:
//!
//! | declared and found | column |
//! |---|---|
//! | declared, in no document | NULLs of the declared type |
//! | found, not declared | as it was found, also within structs |
//! | declared and found otherwise | the declared type; a value that is not exactly of it is NULL, and stands in [`RESCUED`] |
//!
//! [`RESCUED`] is a JSON object of just these values at their places (an item of a list under its number), NULL where all
//! values fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, ListBuilder, RecordBatch, StringBuilder, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::build::{Builder, NULLS};
use super::finder::Finder;
use super::scan;
use super::shape::{JSON, Shape};
use crate::staging::json::string;

/// The column of values that are not of the declared type.
pub const RESCUED: &str = "_rescued";

/// What brings batches of found columns into declared ones.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// The columns that come out, [`RESCUED`] the last.
    pub(super) schema: SchemaRef,
}

impl Declared {
    /// The columns that tell of a row's `place`, then what was found in documents and what was declared of them.
    pub(super) fn new(place: &[FieldRef], found: &Shape, declared: &Fields) -> Self {
        let fields: Vec<FieldRef> = place.iter().cloned().chain(found.declared_as(declared)).collect();
        let mut name = RESCUED.to_owned();
        while fields.iter().any(|field| *field.name() == name) {
            name.push('_');
        }
        let rescued =
            Field::new(name, DataType::Utf8, true).with_metadata([(JSON.to_owned(), "value".to_owned())].into());
        let fields: Vec<FieldRef> = fields.into_iter().chain([Arc::new(rescued)]).collect();
        Self { schema: Arc::new(Schema::new(fields)) }
    }

    /// A batch of found columns as declared ones.
    ///
    /// # Errors
    /// When a list grows too long for its offsets.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut rest = vec![Rest::default(); batch.num_rows()];
        let mut nulls = vec![Vec::new(); batch.num_rows()];
        let found = batch.schema();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        let fields = self.schema.fields().split_last().map_or(&[][..], |(_, fields)| fields);
        for field in fields {
            let column = match found.column_with_name(field.name()) {
                None => new_null_array(field.data_type(), batch.num_rows()),
                Some((place, was)) => conform(batch.column(place), was, field, &mut |row, path, beside| {
                    path.push(field.name().clone());
                    match beside {
                        Beside::Value(text) => rest[row].put(path, text),
                        Beside::Null => nulls[row].push(pointer(path)),
                    }
                })?,
            };
            columns.push(column);
        }
        let mut rescued = StringBuilder::new();
        for rest in &rest {
            rescued.append_option(rest.text());
        }
        columns.push(Arc::new(rescued.finish()));
        if nulls.iter().any(|nulls| !nulls.is_empty()) {
            columns[NULLS] = more_nulls(columns[NULLS].as_list(), &nulls);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// The paths of what is null and not absent, with those that were found in texts.
fn more_nulls(known: &ListArray, more: &[Vec<String>]) -> ArrayRef {
    let mut nulls = ListBuilder::new(StringBuilder::new());
    for (row, more) in more.iter().enumerate() {
        if known.is_valid(row) {
            known.value(row).as_string::<i32>().iter().flatten().for_each(|path| nulls.values().append_value(path));
        }
        more.iter().for_each(|path| nulls.values().append_value(path));
        nulls.append(known.is_valid(row) || !more.is_empty());
    }
    Arc::new(nulls.finish())
}

/// A way from the inside out as a JSON pointer (RFC 6901).
fn pointer(path: &[String]) -> String {
    path.iter().rev().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

/// What stands beside a column.
enum Beside {
    /// The JSON text of a value that is not of the column's type.
    Value(String),
    /// Null, where a field could be absent as well.
    Null,
}

/// Takes the row, the way to the value from the inside out, and what is to be said of it.
type Tell<'t> = &'t mut dyn FnMut(usize, &mut Vec<String>, Beside);

/// A found array as an array of the other field's type.
fn conform(array: &ArrayRef, was: &Field, to: &Field, tell: Tell<'_>) -> Result<ArrayRef, ArrowError> {
    match (was.data_type(), to.data_type()) {
        (one, other) if one == other && was.metadata().get(JSON) == to.metadata().get(JSON) => Ok(Arc::clone(array)),
        (DataType::Struct(_), DataType::Struct(fields)) => structs(array.as_struct(), fields, tell),
        (DataType::List(was), DataType::List(item)) => lists(array.as_list(), was, item, tell),
        _ => values(array, was, to, tell),
    }
}

fn structs(array: &StructArray, fields: &Fields, tell: Tell<'_>) -> Result<ArrayRef, ArrowError> {
    let columns = fields.iter().map(|field| match array.fields().find(field.name()) {
        None => Ok(new_null_array(field.data_type(), array.len())),
        Some((place, was)) => conform(array.column(place), was, field, &mut |row, path, beside| {
            path.push(field.name().clone());
            tell(row, path, beside);
        }),
    });
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, array.nulls().cloned())?))
}

fn lists(array: &ListArray, was: &Field, item: &FieldRef, tell: Tell<'_>) -> Result<ArrayRef, ArrowError> {
    let offsets = array.offsets();
    let items = conform(array.values(), was, item, &mut |at, path, beside| {
        // The list of an item: the last one that begins at it or before.
        let row = offsets.partition_point(|begin| usize::try_from(*begin).is_ok_and(|begin| begin <= at));
        let row = row.saturating_sub(1);
        let begin = usize::try_from(offsets[row]).unwrap_or_default();
        path.push(at.saturating_sub(begin).to_string());
        tell(row, path, beside);
    })?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets.clone(), items, array.nulls().cloned())?))
}

/// Value by value, by way of their JSON texts.
fn values(array: &ArrayRef, was: &Field, to: &Field, tell: Tell<'_>) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("v", to.data_type().clone(), true).with_metadata(to.metadata().clone()));
    let mut builder = Builder::of_documents(&Fields::from(vec![Arc::clone(&field)]));
    let mut finder = Finder::default();
    let (mut text, mut document) = (String::new(), String::new());
    for row in 0..array.len() {
        document.clear();
        text.clear();
        if array.is_valid(row) {
            write(array, was, row, &mut text);
            document.push_str("{\"v\":");
            document.push_str(&text);
            document.push('}');
            // It is JSON: it was read before, or written here.
            let _ = scan::document(&document, &mut finder);
            if !finder.take().fit(std::slice::from_ref(&field)) {
                tell(row, &mut Vec::new(), Beside::Value(std::mem::take(&mut text)));
                document.clear();
            }
        }
        let whole = if document.is_empty() { "{}" } else { document.as_str() };
        let _ = scan::document(whole, &mut builder);
        for pointer in builder.take_nulls() {
            let steps = pointer.strip_prefix("/v/").unwrap_or_default().split('/');
            let mut path = steps.rev().map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
            tell(row, &mut path, Beside::Null);
        }
    }
    Ok(Arc::clone(builder.take_documents()?.column(0)))
}

/// Appends a value of a found column as JSON.
fn write(array: &dyn Array, field: &Field, row: usize, out: &mut String) {
    if array.is_null(row) {
        return out.push_str("null");
    }
    match array.data_type() {
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Int64 => out.push_str(&array.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Float64 => out.push_str(&format!("{:?}", array.as_primitive::<Float64Type>().value(row))),
        DataType::Struct(fields) => {
            out.push('{');
            let there = fields.iter().zip(array.as_struct().columns()).filter(|(_, column)| column.is_valid(row));
            for (number, (field, column)) in there.enumerate() {
                if number > 0 {
                    out.push(',');
                }
                quoted(field.name(), out);
                out.push(':');
                write(column, field, row, out);
            }
            out.push('}');
        }
        DataType::List(item) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..items.len() {
                if index > 0 {
                    out.push(',');
                }
                write(&items, item, index, out);
            }
            out.push(']');
        }
        _ if field.metadata().contains_key(JSON) => out.push_str(array.as_string::<i32>().value(row)),
        _ => quoted(array.as_string::<i32>().value(row), out),
    }
}

fn quoted(text: &str, out: &mut String) {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    string(text, &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}

/// The values of a document that do not fit, at their places.
#[derive(Debug, Clone, Default)]
struct Rest {
    within: BTreeMap<String, Rest>,
    value: Option<String>,
}

impl Rest {
    /// `path` from the inside out.
    fn put(&mut self, path: &mut Vec<String>, text: String) {
        match path.pop() {
            Some(step) => self.within.entry(step).or_default().put(path, text),
            None => self.value = Some(text),
        }
    }

    fn text(&self) -> Option<String> {
        if self.within.is_empty() {
            return self.value.clone();
        }
        let mut out = String::from("{");
        for (number, (name, rest)) in self.within.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            quoted(name, &mut out);
            out.push(':');
            out.push_str(&rest.text().unwrap_or_default());
        }
        out.push('}');
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use futures::TryStreamExt;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::tests::{back, canonical, value};
    use super::super::{JsonOptions, JsonSource};
    use super::*;
    use crate::dataflow::Source;

    fn lines(documents: &[Value]) -> String {
        documents.iter().map(|document| format!("{document}\n")).collect()
    }

    /// What these documents would be declared as.
    fn shape_of(documents: &[Value]) -> Fields {
        let mut finder = Finder::default();
        for document in documents {
            let _ = scan::document(&document.to_string(), &mut finder);
            finder.keep();
        }
        finder.take().fields().unwrap_or_default()
    }

    async fn read(documents: &[Value], declared: &Fields) -> Vec<RecordBatch> {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        store.put(&Path::from("g/lines"), lines(documents).into_bytes().into()).await.unwrap();
        let options = JsonOptions::default();
        let source = JsonSource::survey(store, &Path::default(), options, |_| Ok(())).await.unwrap();
        let source = source.declared(&BTreeMap::from([("g".to_owned(), declared.clone())]));
        let table = source.tables().await.unwrap().pop().unwrap();
        let mut batches = Vec::new();
        for partition in source.partitions(&table).await.unwrap() {
            let stream = source.scan(&partition).await.unwrap();
            assert_eq!(stream.schema(), table.arrow);
            batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
        }
        batches
    }

    /// Puts what was rescued in its place.
    fn put_back(document: &mut Value, rest: Value) {
        match (document, rest) {
            (Value::Object(fields), Value::Object(rest)) => {
                for (name, rest) in rest {
                    put_back(fields.entry(name).or_insert(Value::Null), rest);
                }
            }
            (Value::Array(items), Value::Object(rest)) => {
                for (place, rest) in rest {
                    put_back(&mut items[place.parse::<usize>().unwrap()], rest);
                }
            }
            (place, rest) => {
                assert!(place.is_null(), "{place} {rest}");
                *place = rest;
            }
        }
    }

    /// A row as the document it was.
    fn whole(batch: &RecordBatch, row: usize) -> Value {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).skip(4);
        let mut values: serde_json::Map<String, Value> =
            columns.filter_map(|(field, column)| Some((field.name().clone(), back(field, column, row)?))).collect();
        let rescued = values.remove(schema.field(schema.fields().len() - 1).name());
        let mut document = Value::Object(values);
        if let Some(rescued) = rescued {
            put_back(&mut document, rescued);
        }
        let nulls = batch.column(3).as_list::<i32>();
        if nulls.is_valid(row) {
            for path in nulls.value(row).as_string::<i32>().iter().flatten() {
                let (parent, name) = path.rsplit_once('/').unwrap();
                let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                parent.insert(name.replace("~1", "/").replace("~0", "~"), Value::Null);
            }
        }
        document
    }

    fn objects() -> impl Strategy<Value = Vec<Value>> {
        let object = prop::collection::hash_map("[a-c]", value(), 0..4);
        let object = object.prop_map(|map| Value::Object(map.into_iter().collect()));
        prop::collection::vec(object, 1..6)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_was_declared(documents in objects(), others in objects()) {
            let declared = shape_of(&others);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let batches = runtime.block_on(read(&documents, &declared));
            for batch in &batches {
                for field in &declared {
                    let (_, found) = batch.schema_ref().column_with_name(field.name()).unwrap();
                    // Structs have what was found, too.
                    if !field.data_type().is_nested() {
                        prop_assert_eq!(found.data_type(), field.data_type());
                    }
                }
            }
            let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| whole(batch, row)));
            let ours: Vec<Value> = rows.map(|row| canonical(&row)).collect();
            prop_assert_eq!(ours, documents.iter().map(canonical).collect::<Vec<_>>());
        }
    }
}
