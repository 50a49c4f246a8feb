//! Documents into columns, by the shape that was found. What the shape has no place for is an error: the documents are not
//! those that were looked at.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Builder, ListBuilder, RecordBatch, StringBuilder, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::column::{Column, Columns};
use super::documents::Document;
use super::scan::Visitor;
use super::token::{Number, Quoted, float, integer};

/// The place of the column of paths that are null.
pub(super) const NULLS: usize = 3;
/// How many columns [`schema`] puts before the fields.
pub(super) const PLACES: usize = 4;

/// The columns that tell where a row comes from, then the fields of the documents. Where documents have a field of such a
/// name, the column has underscores after it until it differs.
pub(super) fn schema(fields: &Fields) -> SchemaRef {
    let own = |name: &str, data_type, nullable| {
        let mut name = name.to_owned();
        while fields.iter().any(|field| *field.name() == name) {
            name.push('_');
        }
        Arc::new(Field::new(name, data_type, nullable))
    };
    let paths = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let places = [
        own("_object", DataType::Utf8, false),
        own("_document", DataType::Int64, false),
        own("_offset", DataType::Int64, false),
        own("_null", paths, true),
    ];
    Arc::new(Schema::new(places.into_iter().chain(fields.iter().cloned()).collect::<Vec<_>>()))
}

/// Builds rows of the documents that it visits.
pub(super) struct Builder<'a> {
    schema: SchemaRef,
    columns: Columns,
    /// The column of the value at hand; the open objects and arrays.
    at: usize,
    open: Vec<Open>,
    /// The places of fields of open objects that did not come.
    skipped: Vec<usize>,
    places: Places,
    /// Documents that are no rows, by number.
    left_out: &'a [Range<u64>],
    buffer: String,
    /// A value came for which the shape has no place.
    unfit: bool,
}

/// An open object or array.
#[derive(Debug, Clone, Copy)]
struct Open {
    /// The object's column; of an array that of its items.
    column: usize,
    is_object: bool,
    /// The place of the field that is likely to come next; of an array where its items begin.
    next: usize,
    /// Where the places that were skipped begin.
    skipped: usize,
    /// Whether fields came in the order of the schema.
    in_order: bool,
}

/// Where rows come from.
#[derive(Default)]
struct Places {
    objects: StringBuilder,
    documents: Int64Builder,
    offsets: Int64Builder,
    nulls: ListBuilder<StringBuilder>,
    has_nulls: bool,
}

impl<'a> Builder<'a> {
    /// A builder of rows of this schema.
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let fields: Fields = schema.fields().iter().skip(PLACES).cloned().collect();
        Self { schema: Arc::clone(schema), ..Self::of_documents(&fields) }
    }

    /// A builder of documents of these fields, which tells nothing of their places.
    pub(super) fn of_documents(fields: &Fields) -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            columns: Columns::of(fields),
            at: 0,
            open: Vec::new(),
            skipped: Vec::new(),
            places: Places::default(),
            left_out: &[],
            buffer: String::new(),
            unfit: false,
        }
    }

    /// Begins an object, of which these documents are no rows.
    pub(super) fn begin(&mut self, left_out: &'a [Range<u64>]) {
        self.left_out = left_out;
    }

    /// Whether all that was visited had its place.
    pub(super) fn is_fit(&self) -> bool {
        !self.unfit
    }

    /// Ends the row of a document, unless it is one that is left out.
    pub(super) fn end(&mut self, object: &str, document: &Document) {
        if !self.wants(document.number) {
            return;
        }
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.unfit |= document.fault.is_some() || !self.open.is_empty();
        self.places.objects.append_value(object);
        self.places.documents.append_value(number(document.number));
        self.places.offsets.append_value(number(document.offset as u64));
        self.places.nulls.append(self.places.has_nulls);
        self.places.has_nulls = false;
    }

    fn wants(&self, number: u64) -> bool {
        let place = self.left_out.partition_point(|range| range.end <= number);
        self.left_out.get(place).is_none_or(|range| number < range.start)
    }

    /// Rows since they were last taken.
    pub(super) fn rows(&self) -> usize {
        self.columns.len(0)
    }

    /// The rows since they were last taken.
    ///
    /// # Errors
    /// When they are too many for the offsets of a list.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let documents = self.columns.finish_struct(0)?;
        let places: [ArrayRef; PLACES] = [
            Arc::new(self.places.objects.finish()),
            Arc::new(self.places.documents.finish()),
            Arc::new(self.places.offsets.finish()),
            Arc::new(self.places.nulls.finish()),
        ];
        let columns = places.into_iter().chain(documents.columns().iter().cloned()).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }

    /// The documents since they were last taken.
    ///
    /// # Errors
    /// As [`Builder::take`].
    pub(super) fn take_documents(&mut self) -> Result<StructArray, ArrowError> {
        self.columns.finish_struct(0)
    }

    /// The paths of what was null since they were last taken, as JSON pointers (RFC 6901).
    pub(super) fn take_nulls(&mut self) -> Vec<String> {
        if !std::mem::take(&mut self.places.has_nulls) {
            return Vec::new();
        }
        self.places.nulls.append(true);
        self.places.nulls.finish().values().as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    }

    #[inline]
    fn column(&mut self) -> &mut Column {
        &mut self.columns.0[self.at]
    }

    fn is_item(&self) -> bool {
        self.open.last().is_some_and(|open| !open.is_object)
    }

    /// Notes the way to the value at hand, which is null.
    fn note_null(&mut self) {
        self.buffer.clear();
        for open in &self.open {
            match &self.columns.0[open.column] {
                Column::Struct(object) if open.is_object => {
                    let field = open.next.checked_sub(1).and_then(|place| object.fields.get(place));
                    self.buffer.push_str(field.map_or("", |field| &field.step));
                }
                _ => {
                    let number = self.columns.len(open.column).saturating_sub(open.next);
                    self.buffer.push('/');
                    self.buffer.push_str(&number.to_string());
                }
            }
        }
        self.places.nulls.values().append_value(&self.buffer);
        self.places.has_nulls = true;
    }

    /// Goes to the field at a place of the object at hand.
    #[inline]
    fn go_to(&mut self, place: usize) {
        let Some(open) = self.open.last_mut() else { return };
        if place >= open.next {
            self.skipped.extend(open.next..place);
        } else {
            open.in_order = false;
        }
        open.next = place + 1;
        if let Column::Struct(object) = &self.columns.0[open.column] {
            self.at = object.fields[place].column;
        }
    }

    /// Gives a null to each field that did not come in the object at hand.
    fn fill(&mut self, open: Open) {
        let Column::Struct(object) = &mut self.columns.0[open.column] else { return };
        object.valid.append_non_null();
        let (fields, rows) = (object.fields.len(), object.valid.len());
        if open.in_order {
            for index in open.skipped..self.skipped.len() {
                self.columns.field_null(open.column, self.skipped[index]);
            }
            for place in open.next..fields {
                self.columns.field_null(open.column, place);
            }
        } else {
            for place in 0..fields {
                let Column::Struct(object) = &self.columns.0[open.column] else { return };
                if self.columns.len(object.fields[place].column) < rows {
                    self.columns.field_null(open.column, place);
                }
            }
        }
        self.skipped.truncate(open.skipped);
    }

    fn end_open(&mut self) -> Option<Open> {
        let open = self.open.pop();
        self.at = match self.open.last() {
            Some(outer) => outer.column,
            None => 0,
        };
        open
    }
}

impl Visitor for Builder<'_> {
    fn wants_document(&mut self, number: u64) -> bool {
        self.wants(number)
    }

    #[inline]
    fn wants_text(&self) -> bool {
        matches!(self.columns.0[self.at], Column::Text(_))
    }

    fn text(&mut self, text: &str) {
        if text == "null" {
            return self.null();
        }
        match self.column() {
            Column::Text(builder) => builder.append_value(text),
            _ => self.unfit = true,
        }
    }

    fn null(&mut self) {
        // An item of a list that is null is a null; a field could be absent as well.
        if !self.is_item() {
            self.note_null();
        }
        self.columns.null(self.at);
    }

    fn boolean(&mut self, value: bool) {
        match self.column() {
            Column::Boolean(builder) => builder.append_value(value),
            _ => self.unfit = true,
        }
    }

    #[inline]
    fn number(&mut self, number: Number<'_>) {
        let fits = match self.column() {
            Column::Integer(builder) => integer(number).map(|value| builder.append_value(value)).is_some(),
            Column::Float(builder) => float(number).map(|value| builder.append_value(value)).is_some(),
            _ => false,
        };
        self.unfit |= !fits;
    }

    #[inline]
    fn string(&mut self, string: Quoted<'_>) {
        match &mut self.columns.0[self.at] {
            Column::String(builder) => builder.append_value(string.decoded(&mut self.buffer)),
            _ => self.unfit = true,
        }
    }

    fn begin_object(&mut self) {
        let column = self.at;
        self.unfit |= !matches!(self.columns.0[column], Column::Struct(_));
        self.open.push(Open { column, is_object: true, next: 0, skipped: self.skipped.len(), in_order: true });
    }

    #[inline]
    fn likely_key(&self) -> Option<&[u8]> {
        let open = self.open.last()?;
        let Column::Struct(object) = &self.columns.0[open.column] else { return None };
        let field = object.fields.get(open.next)?;
        Some(field.written.as_slice()).filter(|written| !written.is_empty())
    }

    #[inline]
    fn take_likely_key(&mut self) -> usize {
        let place = self.open.last().map_or(0, |open| open.next);
        self.go_to(place);
        place
    }

    fn key(&mut self, key: Quoted<'_>) -> Option<usize> {
        let open = self.open.last()?;
        let place = match &self.columns.0[open.column] {
            Column::Struct(object) => object.place(key.decoded(&mut self.buffer), open.next),
            _ => None,
        };
        match place {
            Some(place) => self.go_to(place),
            None => self.unfit = true,
        }
        place
    }

    fn end_object(&mut self) {
        if let Some(open) = self.end_open() {
            self.fill(open);
        }
    }

    fn begin_array(&mut self) {
        let items = match &self.columns.0[self.at] {
            Column::List(list) => list.items,
            _ => {
                self.unfit = true;
                self.at
            }
        };
        let next = self.columns.len(items);
        self.open.push(Open { column: items, is_object: false, next, skipped: self.skipped.len(), in_order: true });
        self.at = items;
    }

    fn end_array(&mut self) {
        self.end_open();
        // The list's column is that of the field, or of the items, that the array is in.
        let list = match self.open.last() {
            Some(open) if open.is_object => match &self.columns.0[open.column] {
                Column::Struct(object) => {
                    open.next.checked_sub(1).and_then(|place| Some(object.fields.get(place)?.column))
                }
                _ => None,
            },
            Some(open) => Some(open.column),
            None => None,
        };
        let Some(list) = list else { return self.unfit = true };
        let end = match &self.columns.0[list] {
            Column::List(list) => i32::try_from(self.columns.len(list.items)).unwrap_or(i32::MAX),
            _ => return self.unfit = true,
        };
        if let Column::List(list) = &mut self.columns.0[list] {
            list.offsets.push(end);
            list.valid.append_non_null();
        }
    }
}
