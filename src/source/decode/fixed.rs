//! Columns of fixed width: booleans, numbers, decimals, dates and times.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, PrimitiveArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type, i256,
};

use super::numeric::unscaled;
use super::validity::Validity;
use super::{Column, Malformed, Notes};
use crate::source::types::{DATE_MINUS_INFINITY, TIMESTAMP_MINUS_INFINITY, Wire};

/// Days from 1970-01-01 (Arrow's epoch) to 2000-01-01 (PostgreSQL's).
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
/// A day in microseconds.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// A column of one primitive type; `read` turns a value's bytes into it, or into none when it cannot be held.
struct Fixed<T: ArrowPrimitiveType, R> {
    values: Vec<T::Native>,
    nulls: Validity,
    data_type: DataType,
    read: R,
}

fn fixed<T, R>(wire: &Wire, read: R) -> Box<dyn Column>
where
    T: ArrowPrimitiveType,
    R: Fn(&[u8], &mut Notes) -> Result<Option<T::Native>, Malformed> + Send + 'static,
{
    Box::new(Fixed::<T, R> { values: Vec::new(), nulls: Validity::default(), data_type: wire.arrow(), read })
}

impl<T, R> Column for Fixed<T, R>
where
    T: ArrowPrimitiveType,
    R: Fn(&[u8], &mut Notes) -> Result<Option<T::Native>, Malformed> + Send,
{
    #[inline]
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        let read = match value {
            Some(bytes) => (self.read)(bytes, notes)?,
            None => None,
        };
        self.nulls.append(read.is_some());
        self.values.push(read.unwrap_or_default());
        Ok(())
    }

    fn finish(&mut self, _: &mut Notes) -> Result<ArrayRef, Malformed> {
        let capacity = self.values.len();
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(capacity));
        let array = PrimitiveArray::<T>::try_new(values.into(), self.nulls.finish()).map_err(|_| "uneven lengths")?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| "a value of the wrong width")
}

pub(super) fn int16() -> Box<dyn Column> {
    fixed::<Int16Type, _>(&Wire::Int16, |bytes, _| Ok(Some(i16::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn int32() -> Box<dyn Column> {
    fixed::<Int32Type, _>(&Wire::Int32, |bytes, _| Ok(Some(i32::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn int64() -> Box<dyn Column> {
    fixed::<Int64Type, _>(&Wire::Int64, |bytes, _| Ok(Some(i64::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn oid() -> Box<dyn Column> {
    fixed::<UInt32Type, _>(&Wire::Oid, |bytes, _| Ok(Some(u32::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn float32() -> Box<dyn Column> {
    fixed::<Float32Type, _>(&Wire::Float32, |bytes, _| Ok(Some(f32::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn float64() -> Box<dyn Column> {
    fixed::<Float64Type, _>(&Wire::Float64, |bytes, _| Ok(Some(f64::from_be_bytes(exactly(bytes)?))))
}

/// An infinity is the last day that is as far on both sides of 1970; no finite date of PostgreSQL comes near.
pub(super) fn date() -> Box<dyn Column> {
    fixed::<Date32Type, _>(&Wire::Date, |bytes, notes| {
        let days = i32::from_be_bytes(exactly(bytes)?);
        if days == i32::MAX || days == i32::MIN {
            notes.infinity();
            return Ok(Some(days.max(DATE_MINUS_INFINITY)));
        }
        days.checked_add(EPOCH_DAYS).map(Some).ok_or("a date out of range")
    })
}

/// As [`date`]; years from 294247 on are beyond microseconds since 1970 and are not held.
pub(super) fn timestamp(wire: Wire) -> Box<dyn Column> {
    fixed::<TimestampMicrosecondType, _>(&wire, |bytes, notes| {
        let micros = i64::from_be_bytes(exactly(bytes)?);
        if micros == i64::MAX || micros == i64::MIN {
            notes.infinity();
            return Ok(Some(micros.max(TIMESTAMP_MINUS_INFINITY)));
        }
        let held = micros.checked_add(EPOCH_MICROS).filter(|held| *held != i64::MAX);
        if held.is_none() {
            notes.unheld();
        }
        Ok(held)
    })
}

/// 24:00:00 is a time in PostgreSQL but not in Arrow or Parquet.
pub(super) fn time() -> Box<dyn Column> {
    fixed::<Time64MicrosecondType, _>(&Wire::Time, |bytes, notes| {
        let micros = i64::from_be_bytes(exactly(bytes)?);
        let held = Some(micros).filter(|micros| *micros < DAY_MICROS);
        if held.is_none() {
            notes.unheld();
        }
        Ok(held)
    })
}

pub(super) fn decimal128(wire: Wire) -> Box<dyn Column> {
    let (precision, scale) = bounds_of(&wire);
    let limit = 10_i128.checked_pow(precision).unwrap_or(i128::MAX);
    fixed::<Decimal128Type, _>(&wire, move |bytes, notes| {
        let held = unscaled::<i128>(bytes, scale)?.filter(|held| (-limit < *held) & (*held < limit));
        if held.is_none() {
            notes.unheld();
        }
        Ok(held)
    })
}

pub(super) fn decimal256(wire: Wire) -> Box<dyn Column> {
    let (precision, scale) = bounds_of(&wire);
    let limit = i256::from_i128(10).checked_pow(precision).unwrap_or(i256::MAX);
    fixed::<Decimal256Type, _>(&wire, move |bytes, notes| {
        let held = unscaled::<i256>(bytes, scale)?.filter(|held| (limit.wrapping_neg() < *held) & (*held < limit));
        if held.is_none() {
            notes.unheld();
        }
        Ok(held)
    })
}

/// Precision and scale. A column's type can be narrower than its values, when only the catalog was changed.
fn bounds_of(wire: &Wire) -> (u32, i32) {
    match wire {
        Wire::Decimal { precision, scale } => (u32::from(*precision), i32::from(*scale)),
        _ => (0, 0),
    }
}

/// A column of booleans.
pub(super) struct Bools {
    values: BooleanBufferBuilder,
    nulls: Validity,
}

impl Default for Bools {
    fn default() -> Self {
        Self { values: BooleanBufferBuilder::new(0), nulls: Validity::default() }
    }
}

impl Column for Bools {
    #[inline]
    fn push(&mut self, value: Option<&[u8]>, _: &mut Notes) -> Result<(), Malformed> {
        match value {
            None | Some([0]) => self.values.append(false),
            Some([1]) => self.values.append(true),
            Some(_) => return Err("a boolean that is neither 0 nor 1"),
        }
        self.nulls.append(value.is_some());
        Ok(())
    }

    fn finish(&mut self, _: &mut Notes) -> Result<ArrayRef, Malformed> {
        Ok(Arc::new(BooleanArray::new(self.values.finish(), self.nulls.finish())))
    }
}
