//! The columns of documents while they are filled.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListArray, NullBufferBuilder,
    StringBuilder, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use arrow::error::ArrowError;

use super::shape::JSON;
use super::token::written_key;

/// The values of one field.
#[derive(Debug)]
pub(super) enum Column {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    String(StringBuilder),
    /// The text of any value, or of numbers.
    Text(StringBuilder),
    Struct(Struct),
    List(List),
}

#[derive(Debug)]
pub(super) struct Struct {
    schema: Fields,
    pub(super) fields: Vec<Named>,
    places: HashMap<String, usize>,
    pub(super) valid: NullBufferBuilder,
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Named {
    name: String,
    /// As [`written_key`] has it.
    pub(super) written: Vec<u8>,
    /// The step to it in a JSON pointer (RFC 6901).
    pub(super) step: String,
    /// The place of its column.
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct List {
    item: FieldRef,
    /// The place of the items' column.
    pub(super) items: usize,
    pub(super) offsets: Vec<i32>,
    pub(super) valid: NullBufferBuilder,
}

impl Struct {
    /// The place of a field; `guess` is where it is if it follows the one before as the schema has it.
    pub(super) fn place(&self, name: &str, guess: usize) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if field.name == name => Some(guess),
            _ => self.places.get(name).copied(),
        }
    }
}

/// All columns of a schema, the one of the documents first.
#[derive(Debug)]
pub(super) struct Columns(pub(super) Vec<Column>);

impl Columns {
    pub(super) fn of(fields: &Fields) -> Self {
        let mut columns = Self(Vec::new());
        columns.add(&Field::new_struct("", fields.clone(), false));
        columns
    }

    fn add(&mut self, field: &Field) -> usize {
        let place = self.0.len();
        self.0.push(Column::Boolean(BooleanBuilder::new()));
        self.0[place] = match field.data_type() {
            DataType::Boolean => Column::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Column::Integer(Int64Builder::new()),
            DataType::Float64 => Column::Float(Float64Builder::new()),
            DataType::Struct(fields) => Column::Struct(self.add_struct(fields)),
            DataType::List(item) => Column::List(List {
                items: self.add(item),
                item: Arc::clone(item),
                offsets: vec![0],
                valid: NullBufferBuilder::new(0),
            }),
            _ if field.metadata().contains_key(JSON) => Column::Text(StringBuilder::new()),
            _ => Column::String(StringBuilder::new()),
        };
        place
    }

    fn add_struct(&mut self, fields: &Fields) -> Struct {
        let named = fields.iter().map(|field| Named {
            name: field.name().clone(),
            written: written_key(field.name()),
            step: format!("/{}", field.name().replace('~', "~0").replace('/', "~1")),
            column: self.add(field),
        });
        Struct {
            fields: named.collect(),
            places: fields.iter().enumerate().map(|(place, field)| (field.name().clone(), place)).collect(),
            schema: fields.clone(),
            valid: NullBufferBuilder::new(0),
        }
    }

    /// Values of a column so far.
    pub(super) fn len(&self, column: usize) -> usize {
        match &self.0[column] {
            Column::Boolean(builder) => builder.len(),
            Column::Integer(builder) => builder.len(),
            Column::Float(builder) => builder.len(),
            Column::String(builder) | Column::Text(builder) => builder.len(),
            Column::Struct(builder) => builder.valid.len(),
            Column::List(builder) => builder.valid.len(),
        }
    }

    /// Adds a null to a column; to a struct's fields as well.
    pub(super) fn null(&mut self, column: usize) {
        match &mut self.0[column] {
            Column::Boolean(builder) => builder.append_null(),
            Column::Integer(builder) => builder.append_null(),
            Column::Float(builder) => builder.append_null(),
            Column::String(builder) | Column::Text(builder) => builder.append_null(),
            Column::List(builder) => {
                builder.offsets.push(builder.offsets.last().copied().unwrap_or(0));
                builder.valid.append_null();
            }
            Column::Struct(builder) => {
                builder.valid.append_null();
                for place in 0..builder.fields.len() {
                    self.field_null(column, place);
                }
            }
        }
    }

    /// Adds a null to a field of a struct.
    pub(super) fn field_null(&mut self, column: usize, place: usize) {
        if let Column::Struct(builder) = &self.0[column] {
            self.null(builder.fields[place].column);
        }
    }

    /// The values of a column since they were last taken.
    pub(super) fn finish(&mut self, column: usize) -> Result<ArrayRef, ArrowError> {
        Ok(match &mut self.0[column] {
            Column::Boolean(builder) => Arc::new(builder.finish()),
            Column::Integer(builder) => Arc::new(builder.finish()),
            Column::Float(builder) => Arc::new(builder.finish()),
            Column::String(builder) | Column::Text(builder) => Arc::new(builder.finish()),
            Column::Struct(_) => Arc::new(self.finish_struct(column)?),
            Column::List(builder) => {
                let offsets = OffsetBuffer::new(std::mem::replace(&mut builder.offsets, vec![0]).into());
                let (item, valid, items) = (Arc::clone(&builder.item), builder.valid.finish(), builder.items);
                Arc::new(ListArray::try_new(item, offsets, self.finish(items)?, valid)?)
            }
        })
    }

    /// The same of a struct, whose length is known where it has no field.
    pub(super) fn finish_struct(&mut self, column: usize) -> Result<StructArray, ArrowError> {
        let Column::Struct(builder) = &mut self.0[column] else {
            return Err(ArrowError::InvalidArgumentError("a document is an object".to_owned()));
        };
        let (schema, length, valid) = (builder.schema.clone(), builder.valid.len(), builder.valid.finish());
        let places: Vec<usize> = builder.fields.iter().map(|field| field.column).collect();
        let fields: Vec<ArrayRef> = places.into_iter().map(|place| self.finish(place)).collect::<Result<_, _>>()?;
        debug_assert!(fields.iter().all(|field| field.len() == length));
        StructArray::try_new_with_length(schema, fields, valid, length)
    }
}
