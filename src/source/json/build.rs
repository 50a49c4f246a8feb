//! Documents into columns, by the shape that was found. What the shape has no place for is an error: the documents are not
//! those that were looked at.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListArray, NullBufferBuilder, RecordBatch, StringBuilder,
    StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, SchemaRef};
use arrow::error::ArrowError;

use super::scan::{Number, Quoted, Visitor};
use super::shape::JSON;

/// The values of one field.
enum Column {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    String(StringBuilder),
    /// The text of any value, or of numbers.
    Text(StringBuilder),
    Struct(Struct),
    List(List),
}

struct Struct {
    fields: Fields,
    columns: Vec<Column>,
    places: HashMap<String, usize>,
    valid: NullBufferBuilder,
    /// How often the field at hand has come; those that lag are filled up with nulls.
    rows: usize,
}

struct List {
    item: FieldRef,
    items: Box<Column>,
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
}

impl Column {
    fn of(field: &Field) -> Self {
        match field.data_type() {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Struct(fields) => Self::Struct(Struct::of(fields)),
            DataType::List(item) => Self::List(List {
                items: Box::new(Self::of(item)),
                item: Arc::clone(item),
                offsets: vec![0],
                valid: NullBufferBuilder::new(0),
            }),
            _ if field.metadata().contains_key(JSON) => Self::Text(StringBuilder::new()),
            _ => Self::String(StringBuilder::new()),
        }
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder as _;
        match self {
            Self::Boolean(builder) => builder.len(),
            Self::Integer(builder) => builder.len(),
            Self::Float(builder) => builder.len(),
            Self::String(builder) | Self::Text(builder) => builder.len(),
            Self::Struct(builder) => builder.valid.len(),
            Self::List(builder) => builder.valid.len(),
        }
    }

    fn null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::String(builder) | Self::Text(builder) => builder.append_null(),
            Self::Struct(builder) => {
                builder.rows += 1;
                builder.fill();
                builder.valid.append_null();
            }
            Self::List(builder) => {
                builder.end();
                builder.valid.append_null();
            }
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::String(builder) | Self::Text(builder) => Arc::new(builder.finish()),
            Self::Struct(builder) => Arc::new(builder.finish()?),
            Self::List(builder) => {
                let offsets = std::mem::replace(&mut builder.offsets, vec![0]);
                let items = builder.items.finish()?;
                let offsets = OffsetBuffer::new(offsets.into());
                Arc::new(ListArray::try_new(Arc::clone(&builder.item), offsets, items, builder.valid.finish())?)
            }
        })
    }
}

impl Struct {
    fn of(fields: &Fields) -> Self {
        Self {
            columns: fields.iter().map(|field| Column::of(field)).collect(),
            places: fields.iter().enumerate().map(|(place, field)| (field.name().clone(), place)).collect(),
            fields: fields.clone(),
            valid: NullBufferBuilder::new(0),
            rows: 0,
        }
    }

    fn place(&self, name: &str, guess: usize) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if field.name() == name => Some(guess),
            _ => self.places.get(name).copied(),
        }
    }

    /// Gives a null to each field that did not come in the row at hand.
    fn fill(&mut self) {
        let rows = self.rows;
        for column in &mut self.columns {
            if column.len() < rows {
                column.null();
            }
        }
    }

    fn finish(&mut self) -> Result<StructArray, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        StructArray::try_new_with_length(self.fields.clone(), columns, self.valid.finish(), rows)
    }
}

impl List {
    /// Ends the list at hand.
    fn end(&mut self) {
        self.offsets.push(i32::try_from(self.items.len()).unwrap_or(i32::MAX));
    }
}

/// Builds rows of the documents that it visits.
pub(super) struct Builder {
    root: Column,
    schema: SchemaRef,
    way: Vec<Step>,
    /// The way in each document to what is null and not absent.
    nulls: Vec<String>,
    buffer: String,
    /// A value came for which the shape has no place.
    unfit: bool,
}

/// From a column to the one within it.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The field at a place, and the one that came before it.
    Field(usize),
    Item,
}

impl Builder {
    /// A builder of rows of these fields.
    pub(super) fn new(schema: &SchemaRef) -> Self {
        Self {
            root: Column::Struct(Struct::of(schema.fields())),
            schema: Arc::clone(schema),
            way: Vec::new(),
            nulls: Vec::new(),
            buffer: String::new(),
            unfit: false,
        }
    }

    /// Whether all that was visited had its place.
    pub(super) fn is_fit(&self) -> bool {
        !self.unfit
    }

    /// The paths of what was null in the document that was visited last, as JSON pointers (RFC 6901).
    pub(super) fn take_nulls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.nulls)
    }

    /// The rows since it was last taken.
    ///
    /// # Errors
    /// When they are too many for the offsets of a list.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let Column::Struct(root) = &mut self.root else {
            return Err(ArrowError::InvalidArgumentError("a document is an object".to_owned()));
        };
        let rows = root.rows;
        let array = root.finish()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), array.columns().to_vec(), &options)
    }

    fn at(&mut self) -> Option<&mut Column> {
        let mut column = &mut self.root;
        for step in &self.way {
            column = match (step, column) {
                (Step::Field(place), Column::Struct(builder)) => builder.columns.get_mut(*place)?,
                (Step::Item, Column::List(builder)) => &mut builder.items,
                _ => return None,
            };
        }
        Some(column)
    }

    fn peek(&self) -> Option<&Column> {
        let mut column = &self.root;
        for step in &self.way {
            column = match (step, column) {
                (Step::Field(place), Column::Struct(builder)) => builder.columns.get(*place)?,
                (Step::Item, Column::List(builder)) => &builder.items,
                _ => return None,
            };
        }
        Some(column)
    }

    /// Appends by `append`, which says whether the column takes such a value.
    fn append(&mut self, append: impl FnOnce(&mut Column) -> bool) {
        let fits = self.at().is_some_and(append);
        self.unfit |= !fits;
    }

    /// The way to the value at hand as a JSON pointer.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        let mut column = &self.root;
        for step in &self.way {
            pointer.push('/');
            match (step, column) {
                (Step::Field(place), Column::Struct(builder)) => {
                    let name = builder.fields.get(*place).map_or("", |field| field.name());
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    let Some(next) = builder.columns.get(*place) else { return pointer };
                    column = next;
                }
                (Step::Item, Column::List(builder)) => {
                    let begun = builder.offsets.last().and_then(|begun| usize::try_from(*begun).ok()).unwrap_or(0);
                    pointer.push_str(&builder.items.len().saturating_sub(begun).to_string());
                    column = &builder.items;
                }
                _ => return pointer,
            }
        }
        pointer
    }
}

impl Visitor for Builder {
    fn wants_text(&self) -> bool {
        matches!(self.peek(), Some(Column::Text(_)))
    }

    fn text(&mut self, text: &str) {
        if text == "null" {
            return self.null();
        }
        self.append(|column| match column {
            Column::Text(builder) => {
                builder.append_value(text);
                true
            }
            _ => false,
        });
    }

    fn null(&mut self) {
        // An item of a list that is null is a null; a field could be absent as well.
        if !matches!(self.way.last(), Some(Step::Item)) {
            let pointer = self.pointer();
            self.nulls.push(pointer);
        }
        self.append(|column| {
            column.null();
            true
        });
    }

    fn boolean(&mut self, value: bool) {
        self.append(|column| match column {
            Column::Boolean(builder) => {
                builder.append_value(value);
                true
            }
            _ => false,
        });
    }

    fn number(&mut self, number: Number<'_>) {
        self.append(|column| match column {
            Column::Integer(builder) => number.text.parse().map(|value| builder.append_value(value)).is_ok(),
            Column::Float(builder) => number.text.parse().map(|value| builder.append_value(value)).is_ok(),
            _ => false,
        });
    }

    fn string(&mut self, string: Quoted<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let text = string.decoded(&mut buffer);
        self.append(|column| match column {
            Column::String(builder) => {
                builder.append_value(text);
                true
            }
            _ => false,
        });
        self.buffer = buffer;
    }

    fn begin_object(&mut self) {
        self.append(|column| match column {
            Column::Struct(builder) => {
                builder.rows += 1;
                true
            }
            _ => false,
        });
        self.way.push(Step::Field(usize::MAX));
    }

    fn key(&mut self, key: Quoted<'_>) {
        let last = match self.way.pop() {
            Some(Step::Field(last)) => last,
            _ => usize::MAX,
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let place = match self.at() {
            Some(Column::Struct(builder)) => builder.place(key.decoded(&mut buffer), last.wrapping_add(1)),
            _ => None,
        };
        self.buffer = buffer;
        self.unfit |= place.is_none();
        self.way.push(Step::Field(place.unwrap_or(usize::MAX)));
    }

    fn end_object(&mut self) {
        self.way.pop();
        self.append(|column| match column {
            Column::Struct(builder) => {
                builder.fill();
                builder.valid.append_non_null();
                true
            }
            _ => false,
        });
    }

    fn begin_array(&mut self) {
        self.way.push(Step::Item);
    }

    fn end_array(&mut self) {
        self.way.pop();
        self.append(|column| match column {
            Column::List(builder) => {
                builder.end();
                builder.valid.append_non_null();
                true
            }
            _ => false,
        });
    }
}
