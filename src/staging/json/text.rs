//! Rows of a batch as JSON text, without a tree of values in between: what is written once for every asset.

use std::io::Write;
use std::ops::Range;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Int32Array, Int64Array, LargeStringArray, ListArray, RecordBatch,
    StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, Timelike};

use super::{require_year, value};
use crate::error::{Error, Result};

/// The rows of a batch, ready to be written as JSON objects by the one rule of [`super`]; what [`super::row`] gives
/// as a tree is here the text of that tree.
pub struct Rows<'a> {
    columns: Vec<Named<'a>>,
}

/// A column with its name as JSON text.
struct Named<'a> {
    name: &'a str,
    key: Vec<u8>,
    column: Column<'a>,
}

/// A column of a type that is written straight from its array; `Other` goes by way of a value.
enum Column<'a> {
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Boolean(&'a BooleanArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Date(&'a Date32Array),
    Moment { array: &'a TimestampMicrosecondArray, zoned: bool },
    List { array: &'a ListArray, items: Box<Column<'a>> },
    Struct { array: &'a StructArray, fields: Vec<Named<'a>> },
    Other(&'a dyn Array),
}

impl<'a> Rows<'a> {
    /// The rows of a batch without the columns named in `without`.
    pub fn new(batch: &'a RecordBatch, without: &[&str]) -> Self {
        let fields = batch.schema_ref().fields();
        let columns = fields.iter().zip(batch.columns()).filter(|(field, _)| !without.contains(&field.name().as_str()));
        // The names live as long as the batch, whose schema they are part of.
        let columns = columns.map(|(field, array)| Named::new(field.name(), array.as_ref())).collect();
        Self { columns }
    }

    /// Appends one row as a JSON object: keys in column order, NULLs absent.
    ///
    /// # Errors
    /// When a value has no JSON form (NaN, an infinite date); the error names the column.
    pub fn write(&self, index: usize, out: &mut Vec<u8>) -> Result<()> {
        self.write_marked(index, out, |_, _| ())
    }

    /// As [`Rows::write`]; `mark` gets the position of each column that has a value (among those that are written), and
    /// where the text of its value stands in `out`.
    ///
    /// # Errors
    /// As [`Rows::write`].
    pub fn write_marked(&self, index: usize, out: &mut Vec<u8>, mark: impl FnMut(usize, Range<usize>)) -> Result<()> {
        object(&self.columns, index, out, mark).map_err(|(name, reason)| Error::Staging {
            path: format!("column {name}"),
            message: format!("row {index} has no JSON form: {reason}; bring it to one form in 3_normalise"),
            cause: None,
        })
    }
}

/// Appends a text as a JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    // Text written to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends `{"key":value,…}`; an error names the top column.
fn object<'a>(
    columns: &[Named<'a>],
    index: usize,
    out: &mut Vec<u8>,
    mut mark: impl FnMut(usize, Range<usize>),
) -> Result<(), (&'a str, String)> {
    out.push(b'{');
    let mut first = true;
    for (position, named) in columns.iter().enumerate() {
        if named.column.is_null(index) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        out.extend_from_slice(&named.key);
        let start = out.len();
        named.column.write(index, out).map_err(|reason| (named.name, reason))?;
        mark(position, start..out.len());
    }
    out.push(b'}');
    Ok(())
}

impl<'a> Named<'a> {
    fn new(name: &'a str, array: &'a dyn Array) -> Self {
        let mut key = Vec::with_capacity(name.len() + 3);
        string(name, &mut key);
        key.push(b':');
        Self { name, key, column: Column::new(array) }
    }
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string()),
            DataType::Utf8View => Self::TextView(array.as_string_view()),
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int32 => Self::Int32(array.as_primitive()),
            DataType::Int64 => Self::Int64(array.as_primitive()),
            DataType::Date32 => Self::Date(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Self::Moment { array: array.as_primitive(), zoned: zone.is_some() }
            }
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                Self::List { array, items: Box::new(Self::new(array.values().as_ref())) }
            }
            DataType::Struct(_) => {
                let array = array.as_struct();
                let columns = array.fields().iter().zip(array.columns());
                let fields = columns.map(|(field, column)| Named::new(field.name(), column.as_ref())).collect();
                Self::Struct { array, fields }
            }
            _ => Self::Other(array),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Text(array) => array,
            Self::LargeText(array) => array,
            Self::TextView(array) => array,
            Self::Boolean(array) => array,
            Self::Int32(array) => array,
            Self::Int64(array) => array,
            Self::Date(array) => array,
            Self::Moment { array, .. } => array,
            Self::List { array, .. } => array,
            Self::Struct { array, .. } => array,
            Self::Other(array) => *array,
        }
    }

    fn is_null(&self, index: usize) -> bool {
        self.array().is_null(index) || *self.array().data_type() == DataType::Null
    }

    /// Appends a value that is not NULL.
    fn write(&self, index: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Text(array) => string(array.value(index), out),
            Self::LargeText(array) => string(array.value(index), out),
            Self::TextView(array) => string(array.value(index), out),
            Self::Boolean(array) => out.extend_from_slice(if array.value(index) { b"true" } else { b"false" }),
            Self::Int32(array) => integer(i64::from(array.value(index)), out),
            Self::Int64(array) => integer(array.value(index), out),
            Self::Date(array) => date(array.value(index), out)?,
            Self::Moment { array, zoned } => moment(array.value(index), *zoned, out)?,
            Self::List { array, items } => list(array, items, index, out)?,
            Self::Struct { fields, .. } => {
                object(fields, index, out, |_, _| ()).map_err(|(name, reason)| format!("{name}: {reason}"))?;
            }
            Self::Other(array) => {
                let found = value(*array, index)?;
                serde_json::to_writer(&mut *out, &found).map_err(|cause| cause.to_string())?;
            }
        }
        Ok(())
    }
}

fn list(array: &ListArray, items: &Column<'_>, index: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let offsets = array.value_offsets();
    let place = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    out.push(b'[');
    for (number, item) in (place(index)..place(index + 1)).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        if items.is_null(item) {
            out.extend_from_slice(b"null");
        } else {
            items.write(item, out)?;
        }
    }
    out.push(b']');
    Ok(())
}

fn integer(number: i64, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{number}");
}

fn date(days: i32, out: &mut Vec<u8>) -> Result<(), String> {
    let date = NaiveDate::from_epoch_days(days).filter(|_| !matches!(days, i32::MIN | i32::MAX));
    let date = date.ok_or_else(|| "an infinite date".to_owned())?;
    require_year(date.year())?;
    out.push(b'"');
    day(date, out);
    out.push(b'"');
    Ok(())
}

fn moment(micros: i64, zoned: bool, out: &mut Vec<u8>) -> Result<(), String> {
    let at = DateTime::from_timestamp_micros(micros).ok_or_else(|| "an infinite or far timestamp".to_owned())?;
    require_year(at.year())?;
    out.push(b'"');
    day(at.date_naive(), out);
    for (mark, number) in [(b'T', at.hour()), (b':', at.minute()), (b':', at.second())] {
        out.push(mark);
        digits(number, 2, out);
    }
    out.push(b'.');
    digits(at.nanosecond() / 1_000_000, 3, out);
    out.extend_from_slice(if zoned { b"Z\"" } else { b"\"" });
    Ok(())
}

/// `YYYY-MM-DD` of a year from 0 to 9999.
fn day(date: NaiveDate, out: &mut Vec<u8>) {
    digits(date.year().unsigned_abs(), 4, out);
    out.push(b'-');
    digits(date.month(), 2, out);
    out.push(b'-');
    digits(date.day(), 2, out);
}

/// A number with so many digits at least, at most four.
fn digits(number: u32, count: u32, out: &mut Vec<u8>) {
    for place in (0..count).rev() {
        let digit = number / 10u32.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Decimal128Array, Float64Array, ListBuilder, NullArray, StringBuilder};
    use arrow::datatypes::{Field, Fields, Int32Type, Schema};
    use proptest::prelude::*;

    use super::super::row;
    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array)| array).collect())
            .unwrap()
    }

    /// The text is that of the tree, for every row.
    fn same(batch: &RecordBatch) {
        let rows = Rows::new(batch, &[]);
        for index in 0..batch.num_rows() {
            let mut text = Vec::new();
            let written = rows.write(index, &mut text);
            match row(batch, index) {
                Ok(tree) => {
                    written.unwrap();
                    assert_eq!(String::from_utf8(text).unwrap(), serde_json::to_string(&tree).unwrap());
                }
                Err(error) => assert_eq!(written.unwrap_err().to_string(), error.to_string()),
            }
        }
    }

    fn nested(words: &[Option<String>], numbers: &[Option<i32>]) -> RecordBatch {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for chunk in 0..words.len() {
            words.iter().take(chunk % 4).for_each(|word| lists.values().append_option(word.as_deref()));
            lists.append(chunk % 5 != 3);
        }
        let texts: ArrayRef = Arc::new(StringArray::from(words.to_vec()));
        let integers: ArrayRef = Arc::new(Int32Array::from(numbers.to_vec()));
        let fields =
            Fields::from(vec![Field::new("a \"b\"", DataType::Utf8, true), Field::new("n", DataType::Int32, true)]);
        let valid = (0..words.len()).map(|index| index % 3 != 1).collect::<Vec<_>>();
        let structs = StructArray::new(fields, vec![texts.clone(), integers.clone()], Some(valid.into()));
        let days = integers.as_primitive::<Int32Type>().unary(|number| number);
        let micros = integers.as_primitive::<Int32Type>().unary(|number| i64::from(number) * 1_234_567_891);
        let moments: TimestampMicrosecondArray = micros;
        let days: Date32Array = days;
        batch(vec![
            ("text", texts),
            ("numbers", integers),
            ("lists", Arc::new(lists.finish())),
            ("structs", Arc::new(structs)),
            ("days", Arc::new(days)),
            ("naive", Arc::new(moments.clone())),
            ("instants", Arc::new(moments.with_timezone("UTC"))),
            ("nothing", Arc::new(NullArray::new(words.len()))),
        ])
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_the_tree(
            rows in proptest::collection::vec((proptest::option::of(".{0,12}"), proptest::option::of(any::<i32>())), 1..40)
        ) {
            let (words, numbers): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            same(&nested(&words, &numbers));
        }
    }

    #[test]
    fn types_that_go_by_way_of_a_value() {
        let decimals =
            Decimal128Array::from(vec![Some(-5), None, Some(1_000)]).with_precision_and_scale(12, 3).unwrap();
        same(&batch(vec![
            ("decimal", Arc::new(decimals)),
            ("double", Arc::new(Float64Array::from(vec![0.1, 2.5e300, f64::NAN]))),
        ]));
    }

    #[test]
    fn columns_can_be_left_out() {
        let batch = nested(&[Some("x".to_owned())], &[Some(1)]);
        let mut text = Vec::new();
        Rows::new(&batch, &["text", "lists", "structs", "days", "naive", "instants"]).write(0, &mut text).unwrap();
        assert_eq!(text, b"{\"numbers\":1}");
    }
}
