//! The one JSON rule: UTF-8, keys in column order, absent keys for NULL, decimals as numbers with their exact digits and no zeros that only
//! their column's scale asks for,
//! instants RFC 3339 with milliseconds and `Z`, naive timestamps the same without `Z`, dates `YYYY-MM-DD`, binary in
//! Base64, no NaN and no infinities. Engines differ in each of these points, so this module fixes them.

mod text;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use base64::Engine;
use chrono::{DateTime, Datelike, NaiveDate};
use serde_json::{Map, Number, Value};

pub use self::text::{Rows, string};
use crate::error::{Error, Result};

/// One row as a JSON object: keys in column order, NULLs absent.
///
/// # Errors
/// When a value has no JSON form (NaN, an infinite date); the error names the column.
pub fn row(batch: &RecordBatch, index: usize) -> Result<Map<String, Value>> {
    let mut object = Map::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let value = value(column.as_ref(), index).map_err(|reason| Error::Staging {
            path: format!("column {}", field.name()),
            message: format!("row {index} has no JSON form: {reason}; bring it to one form in 3_normalise"),
            cause: None,
        })?;
        if let Some(value) = value {
            object.insert(field.name().clone(), value);
        }
    }
    Ok(object)
}

/// One value; `None` for NULL.
///
/// # Errors
/// The reason why the value has no JSON form.
pub fn value(array: &dyn Array, index: usize) -> Result<Option<Value>, String> {
    if array.is_null(index) {
        return Ok(None);
    }
    macro_rules! number {
        ($type:ty) => {
            Value::from(array.as_primitive::<$type>().value(index))
        };
    }
    let value = match array.data_type() {
        DataType::Null => return Ok(None),
        DataType::Boolean => Value::from(array.as_boolean().value(index)),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => short_float(array.as_primitive::<Float32Type>().value(index))?,
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(index))?,
        DataType::Decimal128(..) => decimal(&array.as_primitive::<Decimal128Type>().value_as_string(index))?,
        DataType::Decimal256(..) => decimal(&array.as_primitive::<Decimal256Type>().value_as_string(index))?,
        DataType::Utf8 => Value::from(array.as_string::<i32>().value(index)),
        DataType::LargeUtf8 => Value::from(array.as_string::<i64>().value(index)),
        DataType::Utf8View => Value::from(array.as_string_view().value(index)),
        _ => return other(array, index).map(Some),
    };
    Ok(Some(value))
}

fn other(array: &dyn Array, index: usize) -> Result<Value, String> {
    match array.data_type() {
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(index)),
        DataType::Timestamp(unit, zone) => timestamp(array, index, *unit, zone.is_some()),
        DataType::Time64(TimeUnit::Microsecond) => time(array.as_primitive::<Time64MicrosecondType>().value(index)),
        DataType::Binary => Ok(base64(array.as_binary::<i32>().value(index))),
        DataType::LargeBinary => Ok(base64(array.as_binary::<i64>().value(index))),
        DataType::BinaryView => Ok(base64(array.as_binary_view().value(index))),
        DataType::FixedSizeBinary(_) => Ok(base64(array.as_fixed_size_binary().value(index))),
        DataType::List(_) => list(&array.as_list::<i32>().value(index)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(index)),
        DataType::Struct(fields) => {
            let mut object = Map::new();
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                if let Some(value) = value(column.as_ref(), index)? {
                    object.insert(field.name().clone(), value);
                }
            }
            Ok(Value::Object(object))
        }
        DataType::Dictionary(_, values) => {
            let plain = cast(&array.slice(index, 1), values).map_err(|cause| cause.to_string())?;
            value(plain.as_ref(), 0).map(|value| value.unwrap_or(Value::Null))
        }
        other => Err(format!("the Arrow type {other} is not in the JSON rule")),
    }
}

/// A list's items in order; a NULL item stays `null`, for leaving it out would move the others.
fn list(items: &ArrayRef) -> Result<Value, String> {
    let items: Result<Vec<Value>, String> =
        (0..items.len()).map(|index| Ok(value(items.as_ref(), index)?.unwrap_or(Value::Null))).collect();
    items.map(Value::Array)
}

fn float(value: f64) -> Result<Value, String> {
    Number::from_f64(value).map(Value::Number).ok_or_else(|| format!("{value} is not a JSON number"))
}

/// The shortest digits that give this 32-bit number back; as a 64-bit number 0.1 would be 0.10000000149011612.
fn short_float(value: f32) -> Result<Value, String> {
    if value.is_finite() { exact(&format!("{value:?}")) } else { float(f64::from(value)) }
}

fn exact(digits: &str) -> Result<Value, String> {
    digits.parse::<Number>().map(Value::Number).map_err(|cause| format!("{digits}: {cause}"))
}

/// The shortest digits of just this number: a column's scale is its type's, not its values' (`12.500` is `12.5`, `12.000` is
/// `12`), so that one number has one text whatever type a query gives it.
fn decimal(digits: &str) -> Result<Value, String> {
    exact(if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits })
}

fn date(days: i32) -> Result<Value, String> {
    let date = NaiveDate::from_epoch_days(days).filter(|_| !matches!(days, i32::MIN | i32::MAX));
    let date = date.ok_or_else(|| "an infinite date".to_owned())?;
    require_year(date.year())?;
    Ok(Value::from(date.format("%Y-%m-%d").to_string()))
}

/// The forms of RFC 3339 have years of four digits and none before the common era.
fn require_year(year: i32) -> Result<(), String> {
    if (0..=9999).contains(&year) { Ok(()) } else { Err(format!("the year {year} is not within 0000 to 9999")) }
}

fn timestamp(array: &dyn Array, index: usize, unit: TimeUnit, zoned: bool) -> Result<Value, String> {
    let instant = match unit {
        TimeUnit::Second => DateTime::from_timestamp(array.as_primitive::<TimestampSecondType>().value(index), 0),
        TimeUnit::Millisecond => {
            DateTime::from_timestamp_millis(array.as_primitive::<TimestampMillisecondType>().value(index))
        }
        TimeUnit::Microsecond => {
            DateTime::from_timestamp_micros(array.as_primitive::<TimestampMicrosecondType>().value(index))
        }
        TimeUnit::Nanosecond => {
            Some(DateTime::from_timestamp_nanos(array.as_primitive::<TimestampNanosecondType>().value(index)))
        }
    };
    let instant = instant.ok_or_else(|| "an infinite or far timestamp".to_owned())?;
    require_year(instant.year())?;
    let form = if zoned { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.3f" };
    Ok(Value::from(instant.format(form).to_string()))
}

fn time(micros: i64) -> Result<Value, String> {
    let midnight = DateTime::from_timestamp_micros(micros).ok_or_else(|| "a time out of range".to_owned())?;
    Ok(Value::from(midnight.format("%H:%M:%S%.6f").to_string()))
}

fn base64(bytes: &[u8]) -> Value {
    Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array, StringArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Schema, i256};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    #[test]
    fn the_rule_holds() {
        let decimals = Decimal128Array::from(vec![12_345_678_901_234_567_890_i128]).with_precision_and_scale(30, 3);
        let row = row(
            &batch(vec![
                ("z", Arc::new(StringArray::from(vec!["\u{1F3AC} \"x\""]))),
                ("a", Arc::new(decimals.unwrap())),
                ("gone", Arc::new(StringArray::from(vec![None::<&str>]))),
                ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_555_061_400_123_456]).with_timezone("UTC"))),
                ("on", Arc::new(Date32Array::from(vec![17_998]))),
            ]),
            0,
        );
        let text = serde_json::to_string(&row.unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"z\":\"\u{1F3AC} \\\"x\\\"\",\"a\":12345678901234567.89,\"at\":\"2019-04-12T09:30:00.123Z\",\"on\":\"2019-04-12\"}"
        );
    }

    #[test]
    fn a_decimal_has_its_own_digits_whatever_its_scale() {
        let texts = |array: &dyn Array| -> Vec<String> {
            (0..array.len()).map(|index| value(array, index).unwrap().unwrap().to_string()).collect()
        };
        let small = Decimal128Array::from(vec![12_500, 12_000, -500, 0, 100_000, 1, -120]);
        let small = small.with_precision_and_scale(38, 3).unwrap();
        assert_eq!(texts(&small), ["12.5", "12", "-0.5", "0", "100", "0.001", "-0.12"]);
        let whole = Decimal128Array::from(vec![1_200, 0]).with_precision_and_scale(10, 0).unwrap();
        assert_eq!(texts(&whole), ["1200", "0"]);
        let large =
            Decimal256Array::from(vec![i256::from_i128(125).wrapping_mul(i256::from_i128(10).wrapping_pow(59))]);
        assert_eq!(texts(&large.with_precision_and_scale(76, 61).unwrap()), ["1.25"]);
    }

    #[test]
    fn a_short_float_has_its_own_digits() {
        let floats = Float32Array::from(vec![0.1, -2.5, 1.0, 16_777_216.0, 1e-30, f32::MAX]);
        let texts: Vec<String> = (0..6).map(|index| value(&floats, index).unwrap().unwrap().to_string()).collect();
        for (text, number) in texts.iter().zip(floats.values()) {
            assert_eq!(text.parse::<f32>().unwrap(), *number, "{text}");
        }
        assert_eq!(texts[..4], ["0.1", "-2.5", "1.0", "16777216.0"]);
        assert!(value(&Float32Array::from(vec![f32::INFINITY]), 0).is_err());
    }

    #[test]
    fn years_of_more_than_four_digits_and_before_the_common_era_are_errors() {
        let days = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().to_epoch_days();
        let dates = Date32Array::from(vec![days(0), days(9999), days(10_000), days(-1)]);
        let found: Vec<_> = (0..4).map(|index| value(&dates, index).map(|value| value.unwrap().to_string())).collect();
        assert_eq!(found[..2], [Ok("\"0000-01-01\"".to_owned()), Ok("\"9999-01-01\"".to_owned())]);
        assert!(found[2..].iter().all(|found| found.as_ref().is_err_and(|reason| reason.contains("the year"))));
        let instant = TimestampMicrosecondArray::from(vec![i64::from(days(10_000)) * 86_400_000_000]);
        assert!(value(&instant, 0).unwrap_err().contains("the year 10000"));
    }

    #[test]
    fn nan_is_an_error_that_names_the_column() {
        let batch = batch(vec![("weight", Arc::new(Float64Array::from(vec![f64::NAN])))]);
        let error = row(&batch, 0).unwrap_err().to_string();
        assert!(error.contains("weight") && error.contains("NaN"), "{error}");
    }
}
