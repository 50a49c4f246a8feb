//! Order-free content checksums: the sum modulo 2^128 of a 128-bit hash of each row, with the count.
//!
//! A row's hash folds the hashes of its values in column order. A value is hashed by its *canonical bytes*, which depend
//! on the value alone and not on how Arrow lays it out: `Utf8`, `LargeUtf8`, `Utf8View` and dictionaries of the same text
//! agree. Both sides of `verify` come to the same canonical bytes by different ways.
//!
//! | Arrow type | canonical bytes |
//! |---|---|
//! | Boolean | one byte, 0 or 1 |
//! | Int8 to Int64, UInt8 to UInt64, Date32, Time64, Timestamp | big-endian, of the type's width |
//! | Decimal128, Decimal256 | the unscaled integer, big-endian, 16 or 32 bytes |
//! | Float32, Float64 | IEEE 754 bits, big-endian; every NaN as the quiet NaN |
//! | strings, binaries | the bytes |
//! | List | element count (u32 big-endian), then each element as a member |
//! | Struct | each field as a member |
//!
//! A member is 0 for NULL, or 1, the length of its canonical bytes (u32 big-endian) and those bytes.

use std::fmt;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::error::{Error, Result};

/// Odd multiplier that makes the fold depend on the columns' order (the 128-bit multiplier of PCG).
const FOLD: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
/// What a NULL contributes: the hash of no value, distinct from that of empty bytes.
const NULL: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834;

/// Rows hashed at a time, column by column: their hashes stay in the nearest cache.
const TILE: usize = 1024;

/// What short values are mixed with (digits of pi).
const SHORT: (u64, u64, u128) =
    (0x243F_6A88_85A3_08D3, 0xA409_3822_299F_31D1, 0x082E_FA98_EC4E_6C89_4528_21E6_38D0_1377);

/// The hash of a value of at most eight bytes, most columns' kind, without a call: different values have different ones,
/// and the row's hash is mixed once more at its end.
#[inline]
fn short(value: u64, length: usize) -> u128 {
    (u128::from(value ^ SHORT.0) * u128::from(SHORT.1)) ^ SHORT.2.wrapping_mul(length as u128 + 1)
}

/// The count of rows and the sum of their hashes. Equal contents in any order give equal checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContentChecksum {
    /// Rows counted.
    pub rows: u64,
    /// Sum of the rows' hashes modulo 2^128.
    pub sum: u128,
}

impl ContentChecksum {
    /// The checksum of a batch.
    ///
    /// # Errors
    /// When a column has a type for which no canonical bytes are defined.
    pub fn of(batch: &RecordBatch) -> Result<Self> {
        let mut checksum = Self::default();
        checksum.update(batch)?;
        Ok(checksum)
    }

    /// Adds every row of a batch.
    ///
    /// # Errors
    /// When a column has a type for which no canonical bytes are defined.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut rows = Vec::with_capacity(TILE.min(batch.num_rows()));
        for start in (0..batch.num_rows()).step_by(TILE) {
            let tile = batch.slice(start, TILE.min(batch.num_rows() - start));
            rows.clear();
            rows.resize(tile.num_rows(), RowHash::default());
            for column in tile.columns() {
                hash_column(column, &mut rows)?;
            }
            rows.iter().for_each(|row| self.add(*row));
        }
        Ok(())
    }

    /// Adds one row.
    pub fn add(&mut self, row: RowHash) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(row.finish());
    }

    /// Adds all rows of another checksum.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for ContentChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

impl Serialize for ContentChecksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}:{:032x}", self.rows, self.sum))
    }
}

impl<'de> Deserialize<'de> for ContentChecksum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text
            .split_once(':')
            .and_then(|(rows, sum)| Some(Self { rows: rows.parse().ok()?, sum: u128::from_str_radix(sum, 16).ok()? }));
        parsed.ok_or_else(|| serde::de::Error::custom("a content checksum is `rows:32 hex digits`"))
    }
}

/// The hash of one row while its values are added in column order.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowHash(u128);

impl RowHash {
    /// Adds the next column's value by its canonical bytes.
    #[inline]
    pub fn push(&mut self, canonical: &[u8]) {
        self.fold(match canonical.len() {
            length @ 0..=8 => short(canonical.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)), length),
            _ => xxh3_128_with_seed(canonical, 0),
        });
    }

    /// Adds the next column's value, a NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.fold(NULL);
    }

    #[inline]
    fn fold(&mut self, value: u128) {
        self.0 = (self.0 ^ value).wrapping_mul(FOLD).rotate_left(41);
    }

    #[inline]
    fn finish(self) -> u128 {
        let bytes = self.0.to_be_bytes();
        (u128::from(xxh3_64_with_seed(&bytes, 1)) << 64) | u128::from(xxh3_64_with_seed(&bytes, 2))
    }
}

/// The digest of each row of columns of one length: equal for equal values, however Arrow lays them out.
///
/// # Errors
/// When a column has a type for which no canonical bytes are defined.
pub fn row_digests(columns: &[ArrayRef]) -> Result<Vec<u128>> {
    let mut rows = vec![RowHash::default(); columns.first().map_or(0, |column| column.len())];
    for column in columns {
        hash_column(column, &mut rows)?;
    }
    Ok(rows.into_iter().map(RowHash::finish).collect())
}

/// Appends a member of a List or Struct: 0 for NULL, else 1, the length and the canonical bytes.
pub fn push_member(out: &mut Vec<u8>, canonical: Option<&[u8]>) {
    match canonical {
        None => out.push(0),
        Some(bytes) => {
            out.push(1);
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

/// Canonical bits of a double: every NaN is the quiet NaN, -0 stays -0.
pub fn canonical_f64(value: f64) -> [u8; 8] {
    if value.is_nan() { 0x7FF8_0000_0000_0000_u64.to_be_bytes() } else { value.to_bits().to_be_bytes() }
}

/// Canonical bits of a single-precision float: every NaN is the quiet NaN, -0 stays -0.
pub fn canonical_f32(value: f32) -> [u8; 4] {
    if value.is_nan() { 0x7FC0_0000_u32.to_be_bytes() } else { value.to_bits().to_be_bytes() }
}

fn hash_column(column: &ArrayRef, rows: &mut [RowHash]) -> Result<()> {
    if let DataType::Dictionary(_, values) = column.data_type() {
        return hash_column(&cast(column, values).map_err(|cause| undefined(column.data_type(), Some(cause)))?, rows);
    }
    if hash_plain(column, rows) {
        return Ok(());
    }
    let mut buffer = Vec::new();
    for (index, row) in rows.iter_mut().enumerate() {
        if column.is_null(index) || matches!(column.data_type(), DataType::Null) {
            row.push_null();
        } else {
            buffer.clear();
            canonical_value(column, index, &mut buffer)?;
            row.push(&buffer);
        }
    }
    Ok(())
}

/// The types that make up most columns, without a look at the type for each value; `false` for the others.
fn hash_plain(column: &ArrayRef, rows: &mut [RowHash]) -> bool {
    macro_rules! numbers {
        ($type:ty, $bits:ty) => {{
            let array = column.as_primitive::<$type>();
            let values = array.values();
            push_all(array, rows, |index, row| {
                row.fold(short(u64::from(values[index] as $bits), size_of::<$bits>()));
            });
        }};
    }
    macro_rules! bytes {
        ($array:expr) => {{
            let array = $array;
            push_all(array, rows, |index, row| row.push(array.value(index).as_ref()));
        }};
    }
    match column.data_type() {
        DataType::Int16 => numbers!(Int16Type, u16),
        DataType::Int32 => numbers!(Int32Type, u32),
        DataType::Int64 => numbers!(Int64Type, u64),
        DataType::UInt32 => numbers!(UInt32Type, u32),
        DataType::Date32 => numbers!(Date32Type, u32),
        DataType::Time64(TimeUnit::Microsecond) => numbers!(Time64MicrosecondType, u64),
        DataType::Float64 => {
            let array = column.as_primitive::<Float64Type>();
            push_all(array, rows, |index, row| row.push(&canonical_f64(array.value(index))));
        }
        DataType::Boolean => {
            let array = column.as_boolean();
            push_all(array, rows, |index, row| row.fold(short(u64::from(array.value(index)), 1)));
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => numbers!(TimestampMicrosecondType, u64),
        DataType::Decimal128(..) => {
            let array = column.as_primitive::<Decimal128Type>();
            push_all(array, rows, |index, row| row.push(&array.value(index).to_be_bytes()));
        }
        DataType::Utf8 => bytes!(column.as_string::<i32>()),
        DataType::Binary => bytes!(column.as_binary::<i32>()),
        _ => return false,
    }
    true
}

#[inline]
fn push_all(array: &dyn Array, rows: &mut [RowHash], push: impl Fn(usize, &mut RowHash)) {
    match array.logical_nulls() {
        None => rows.iter_mut().enumerate().for_each(|(index, row)| push(index, row)),
        Some(nulls) => {
            for (index, row) in rows.iter_mut().enumerate() {
                if nulls.is_valid(index) { push(index, row) } else { row.push_null() }
            }
        }
    }
}

/// Appends the canonical bytes of one value, which is not NULL.
fn canonical_value(array: &dyn Array, index: usize, out: &mut Vec<u8>) -> Result<()> {
    macro_rules! primitive {
        ($type:ty) => {
            out.extend_from_slice(&array.as_primitive::<$type>().value(index).to_be_bytes())
        };
    }
    match array.data_type() {
        DataType::Boolean => out.push(u8::from(array.as_boolean().value(index))),
        DataType::Int8 => primitive!(Int8Type),
        DataType::Int16 => primitive!(Int16Type),
        DataType::Int32 => primitive!(Int32Type),
        DataType::Int64 => primitive!(Int64Type),
        DataType::UInt8 => primitive!(UInt8Type),
        DataType::UInt16 => primitive!(UInt16Type),
        DataType::UInt32 => primitive!(UInt32Type),
        DataType::UInt64 => primitive!(UInt64Type),
        DataType::Date32 => primitive!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => primitive!(Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => primitive!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive!(TimestampNanosecondType),
        DataType::Decimal128(..) => primitive!(Decimal128Type),
        DataType::Decimal256(..) => primitive!(Decimal256Type),
        DataType::Float32 => out.extend_from_slice(&canonical_f32(array.as_primitive::<Float32Type>().value(index))),
        DataType::Float64 => out.extend_from_slice(&canonical_f64(array.as_primitive::<Float64Type>().value(index))),
        DataType::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(index).as_bytes()),
        DataType::LargeUtf8 => out.extend_from_slice(array.as_string::<i64>().value(index).as_bytes()),
        DataType::Utf8View => out.extend_from_slice(array.as_string_view().value(index).as_bytes()),
        DataType::Binary => out.extend_from_slice(array.as_binary::<i32>().value(index)),
        DataType::LargeBinary => out.extend_from_slice(array.as_binary::<i64>().value(index)),
        DataType::BinaryView => out.extend_from_slice(array.as_binary_view().value(index)),
        DataType::FixedSizeBinary(_) => out.extend_from_slice(array.as_fixed_size_binary().value(index)),
        _ => canonical_nested(array, index, out)?,
    }
    Ok(())
}

fn canonical_nested(array: &dyn Array, index: usize, out: &mut Vec<u8>) -> Result<()> {
    match array.data_type() {
        DataType::List(_) => canonical_list(&array.as_list::<i32>().value(index), out),
        DataType::LargeList(_) => canonical_list(&array.as_list::<i64>().value(index), out),
        DataType::Struct(_) => {
            for field in array.as_struct().columns() {
                canonical_member(field, index, out)?;
            }
            Ok(())
        }
        other => Err(undefined(other, None)),
    }
}

fn undefined(data_type: &DataType, cause: Option<ArrowError>) -> Error {
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    Error::Mismatch {
        what: "content checksum".into(),
        message: format!("no canonical bytes are defined for the Arrow type {data_type}{cause}"),
    }
}

fn canonical_list(items: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(&u32::try_from(items.len()).unwrap_or(u32::MAX).to_be_bytes());
    for index in 0..items.len() {
        canonical_member(items, index, out)?;
    }
    Ok(())
}

fn canonical_member(array: &ArrayRef, index: usize, out: &mut Vec<u8>) -> Result<()> {
    if array.is_null(index) {
        push_member(out, None);
        return Ok(());
    }
    let mut member = Vec::new();
    canonical_value(array, index, &mut member)?;
    push_member(out, Some(&member));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Int64Array, ListArray, StringArray, StructArray};
    use arrow::compute::{concat_batches, take_record_batch};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let fields = columns.iter().enumerate();
        let fields: Vec<Field> =
            fields.map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn checksum(batches: &[RecordBatch]) -> ContentChecksum {
        let mut checksum = ContentChecksum::default();
        batches.iter().for_each(|batch| checksum.update(batch).unwrap());
        checksum
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn order_and_batches_do_not_matter_but_every_row_does() {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(2)]));
        let all = batch(vec![ids, texts(&[Some("a"), None, Some(""), None])]);
        let turned = take_record_batch(&all, &arrow::array::UInt32Array::from(vec![3, 1, 0, 2])).unwrap();
        let whole = checksum(std::slice::from_ref(&all));
        assert_eq!(whole, checksum(&[turned]));
        assert_eq!(whole, checksum(&[all.slice(0, 1), all.slice(1, 3)]));
        assert_eq!(whole.rows, 4);
        assert_ne!(whole, checksum(&[all.slice(0, 3)]));
        let doubled = concat_batches(&all.schema(), [&all.slice(0, 3), &all.slice(2, 1)]).unwrap();
        assert_ne!(whole, checksum(&[doubled]), "a row twice in place of another");
    }

    #[test]
    fn null_empty_and_the_place_of_a_value_differ() {
        let one = |first, second| checksum(&[batch(vec![texts(&[first]), texts(&[second])])]);
        let sums = [
            one(None, None),
            one(Some(""), None),
            one(None, Some("")),
            one(Some("a"), Some("b")),
            one(Some("b"), Some("a")),
            one(Some("ab"), Some("")),
            one(Some(""), Some("ab")),
        ];
        for (index, sum) in sums.iter().enumerate() {
            assert!(!sums[index + 1..].contains(sum), "{index}");
        }
    }

    #[test]
    fn the_layout_of_a_text_does_not_matter() {
        let plain = texts(&[Some("a"), None, Some("a"), Some("\u{1F3AC}")]);
        let expected = checksum(&[batch(vec![Arc::clone(&plain)])]);
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for layout in [DataType::LargeUtf8, DataType::Utf8View, dictionary] {
            let other = cast(&plain, &layout).unwrap();
            assert_eq!(expected, checksum(&[batch(vec![other])]), "{layout}");
        }
    }

    #[test]
    fn members_do_not_run_into_each_other() {
        let lists = |values: Vec<Vec<Option<i64>>>| -> ArrayRef {
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(values.into_iter().map(Some)))
        };
        let ab = checksum(&[batch(vec![lists(vec![vec![Some(1), None]])])]);
        assert_ne!(ab, checksum(&[batch(vec![lists(vec![vec![None, Some(1)]])])]));
        assert_ne!(ab, checksum(&[batch(vec![lists(vec![vec![Some(1)]])])]));
        let pair = |first: Option<bool>, second: Option<bool>| -> ArrayRef {
            let member = |name, value| -> (Arc<Field>, ArrayRef) {
                (Arc::new(Field::new(name, DataType::Boolean, true)), Arc::new(BooleanArray::from(vec![value])))
            };
            Arc::new(StructArray::from(vec![member("a", first), member("b", second)]))
        };
        let one = checksum(&[batch(vec![pair(Some(true), None)])]);
        assert_ne!(one, checksum(&[batch(vec![pair(None, Some(true))])]));
    }

    #[test]
    fn the_written_form_comes_back() {
        let sum = ContentChecksum { rows: 7, sum: u128::MAX - 1 };
        let text = serde_json::to_string(&sum).unwrap();
        assert_eq!(text, "\"7:fffffffffffffffffffffffffffffffe\"");
        assert_eq!(serde_json::from_str::<ContentChecksum>(&text).unwrap(), sum);
        assert!(serde_json::from_str::<ContentChecksum>("\"7\"").is_err());
    }
}
