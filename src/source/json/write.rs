//! Rows as the documents that they were: JSON text of the same values.

use std::fmt::Write as _;

use arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field};

use super::build::PLACES;
use super::shape::JSON;
use super::token::plain_until;
use crate::error::{Error, Result};

/// The rows of a batch of a [`super::JsonSource`], ready to be written as the documents they were: the same values, fields in
/// the order of the schema; what was null is null, and what was absent is absent. Numbers have the shortest digits of the
/// same value, or are written as they were where no type holds them.
#[derive(Debug)]
pub struct Documents<'a> {
    fields: Vec<Named<'a>>,
    nulls: &'a ListArray,
    paths: &'a StringArray,
}

/// A column with its name.
#[derive(Debug)]
struct Named<'a> {
    /// The name with its quotes and its colon.
    key: Vec<u8>,
    /// The step to it in a JSON pointer.
    step: String,
    column: Column<'a>,
}

#[derive(Debug)]
enum Column<'a> {
    Boolean(&'a BooleanArray),
    Integer(&'a Int64Array),
    Float(&'a Float64Array),
    String(&'a StringArray),
    Text(&'a StringArray),
    Struct(&'a StructArray, Vec<Named<'a>>),
    List(&'a ListArray, Box<Column<'a>>),
}

/// What of a row was null, sorted, and the way to the value at hand.
struct Nulls<'a, 'n> {
    paths: &'n [&'a str],
    way: String,
}

impl<'a> Documents<'a> {
    /// The rows of a batch.
    ///
    /// # Errors
    /// When the batch is not one of a source of documents.
    pub fn new(batch: &'a RecordBatch) -> Result<Self> {
        let foreign = || Error::Mismatch {
            what: "rows of documents".into(),
            message: "the batch has other columns than those of a source of documents".into(),
        };
        let nulls = batch.columns().get(PLACES - 1).and_then(|column| column.as_list_opt::<i32>());
        let nulls = nulls.ok_or_else(foreign)?;
        let paths = nulls.values().as_string_opt::<i32>().ok_or_else(foreign)?;
        let fields = batch.schema_ref().fields().iter().zip(batch.columns()).skip(PLACES);
        let fields: Option<Vec<_>> = fields.map(|(field, column)| Named::new(field, column.as_ref())).collect();
        Ok(Self { fields: fields.ok_or_else(foreign)?, nulls, paths })
    }

    /// Appends the document of a row, on one line and without its end.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_null(row) {
            return object(&self.fields, row, out, None);
        }
        let offsets = self.nulls.value_offsets();
        let place = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
        let mut paths: Vec<&str> = (place(row)..place(row + 1)).map(|at| self.paths.value(at)).collect();
        paths.sort_unstable();
        object(&self.fields, row, out, Some(&mut Nulls { paths: &paths, way: String::new() }));
    }
}

impl<'a> Named<'a> {
    fn new(field: &'a Field, array: &'a dyn Array) -> Option<Self> {
        let mut key = Vec::with_capacity(field.name().len() + 3);
        string(field.name(), &mut key);
        key.push(b':');
        let step = format!("/{}", field.name().replace('~', "~0").replace('/', "~1"));
        Some(Self { key, step, column: Column::new(field, array)? })
    }
}

impl<'a> Column<'a> {
    fn new(field: &'a Field, array: &'a dyn Array) -> Option<Self> {
        Some(match field.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean_opt()?),
            DataType::Int64 => Self::Integer(array.as_primitive_opt()?),
            DataType::Float64 => Self::Float(array.as_primitive_opt()?),
            DataType::Utf8 if field.metadata().contains_key(JSON) => Self::Text(array.as_string_opt()?),
            DataType::Utf8 => Self::String(array.as_string_opt()?),
            DataType::List(item) => {
                let list = array.as_list_opt::<i32>()?;
                Self::List(list, Box::new(Self::new(item, list.values().as_ref())?))
            }
            DataType::Struct(fields) => {
                let array = array.as_struct_opt()?;
                let named =
                    fields.iter().zip(array.columns()).map(|(field, column)| Named::new(field, column.as_ref()));
                Self::Struct(array, named.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(array) => array.is_null(row),
            Self::Integer(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::String(array) | Self::Text(array) => array.is_null(row),
            Self::Struct(array, _) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
        }
    }

    /// Appends a value that is there.
    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>, nulls: Option<&mut Nulls<'_, '_>>) {
        match self {
            Self::Boolean(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            Self::Integer(array) => integer(array.value(row), out),
            // Writing to memory cannot fail, and no column holds a float that is no number.
            Self::Float(array) => drop(serde_json::to_writer(out, &array.value(row))),
            Self::String(array) => string(array.value(row), out),
            Self::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Struct(_, fields) => object(fields, row, out, nulls),
            Self::List(array, items) => list(array, items, row, out, nulls),
        }
    }
}

fn object(fields: &[Named<'_>], row: usize, out: &mut Vec<u8>, mut nulls: Option<&mut Nulls<'_, '_>>) {
    let start = out.len();
    for named in fields {
        let is_null = named.column.is_null(row);
        if is_null && nulls.as_mut().is_none_or(|nulls| !nulls.has(&named.step)) {
            continue;
        }
        out.push(b',');
        out.extend_from_slice(&named.key);
        match &mut nulls {
            _ if is_null => out.extend_from_slice(b"null"),
            None => named.column.write(row, out, None),
            Some(nulls) => {
                let length = nulls.way.len();
                nulls.way.push_str(&named.step);
                named.column.write(row, out, Some(nulls));
                nulls.way.truncate(length);
            }
        }
    }
    match out.get_mut(start) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

fn list(array: &ListArray, items: &Column<'_>, row: usize, out: &mut Vec<u8>, mut nulls: Option<&mut Nulls<'_, '_>>) {
    let offsets = array.value_offsets();
    let place = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    out.push(b'[');
    for (number, item) in (place(row)..place(row + 1)).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        match &mut nulls {
            _ if items.is_null(item) => out.extend_from_slice(b"null"),
            None => items.write(item, out, None),
            Some(nulls) => {
                let length = nulls.way.len();
                // Writing to memory cannot fail.
                let _ = write!(nulls.way, "/{number}");
                items.write(item, out, Some(nulls));
                nulls.way.truncate(length);
            }
        }
    }
    out.push(b']');
}

impl Nulls<'_, '_> {
    /// Whether the field that is a step from here was null.
    fn has(&mut self, step: &str) -> bool {
        let length = self.way.len();
        self.way.push_str(step);
        let found = self.paths.binary_search(&self.way.as_str()).is_ok();
        self.way.truncate(length);
        found
    }
}

/// Appends a text as a JSON string.
fn string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut from = 0;
    loop {
        let at = plain_until(bytes, from);
        out.extend_from_slice(&bytes[from..at]);
        let Some(byte) = bytes.get(at) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(control >> 4)]);
                out.push(DIGITS[usize::from(control & 0xF)]);
            }
        }
        from = at + 1;
    }
    out.push(b'"');
}

fn integer(number: i64, out: &mut Vec<u8>) {
    // The digits from the last one on; an i64 has 19.
    let mut digits = [0; 20];
    let mut rest = number.unsigned_abs();
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}
