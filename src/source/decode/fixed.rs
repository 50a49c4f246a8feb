//! Columns of fixed width: booleans, numbers, decimals, dates and times.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, PrimitiveArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};

use super::numeric::unscaled;
use super::validity::Validity;
use super::{Column, Malformed, Notes, render};
use crate::source::types::Wire;

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

/// Infinity is the extreme of the type on both sides; no finite date of PostgreSQL leaves the range.
pub(super) fn date() -> Box<dyn Column> {
    fixed::<Date32Type, _>(&Wire::Date, |bytes, notes| {
        let days = i32::from_be_bytes(exactly(bytes)?);
        if days == i32::MAX || days == i32::MIN {
            notes.infinity();
            return Ok(Some(days));
        }
        days.checked_add(EPOCH_DAYS).map(Some).ok_or("a date out of range")
    })
}

/// As [`date`]; years from 294247 on are beyond microseconds since 1970 and are not held.
pub(super) fn timestamp(wire: Wire) -> Box<dyn Column> {
    fixed::<TimestampMicrosecondType, _>(&wire.clone(), move |bytes, notes| {
        let micros = i64::from_be_bytes(exactly(bytes)?);
        if micros == i64::MAX || micros == i64::MIN {
            notes.infinity();
            return Ok(Some(micros));
        }
        let held = micros.checked_add(EPOCH_MICROS).filter(|held| *held != i64::MAX);
        if held.is_none() {
            notes.exception(render(&wire, bytes));
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
            notes.exception(render(&Wire::Time, bytes));
        }
        Ok(held)
    })
}

pub(super) fn decimal128(wire: Wire) -> Box<dyn Column> {
    let scale = scale_of(&wire);
    fixed::<Decimal128Type, _>(&wire.clone(), move |bytes, notes| {
        let held = unscaled(bytes, scale)?;
        if held.is_none() {
            notes.exception(render(&wire, bytes));
        }
        Ok(held)
    })
}

pub(super) fn decimal256(wire: Wire) -> Box<dyn Column> {
    let scale = scale_of(&wire);
    fixed::<Decimal256Type, _>(&wire.clone(), move |bytes, notes| {
        let held = unscaled(bytes, scale)?;
        if held.is_none() {
            notes.exception(render(&wire, bytes));
        }
        Ok(held)
    })
}

fn scale_of(wire: &Wire) -> i32 {
    match wire {
        Wire::Decimal { scale, .. } => i32::from(*scale),
        _ => 0,
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
        self.nulls.append(value.is_some());
        match value {
            None | Some([0]) => self.values.append(false),
            Some([1]) => self.values.append(true),
            Some(_) => return Err("a boolean that is neither 0 nor 1"),
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Notes) -> Result<ArrayRef, Malformed> {
        Ok(Arc::new(BooleanArray::new(self.values.finish(), self.nulls.finish())))
    }
}
