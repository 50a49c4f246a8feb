//! Columns of columns: arrays, composites, ranges.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, ListArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::checked::Checked;
use super::{Column, Malformed, Notes, column};
use crate::source::types::{Wire, range_fields};

/// Reads big-endian words and counted values from a value's bytes.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn word(&mut self) -> Result<i32, Malformed> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or("a nested value cut short")?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*word))
    }

    /// A length (-1 for NULL) and that many bytes.
    pub(super) fn value(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let Ok(length) = usize::try_from(self.word()?) else { return Ok(None) };
        let (value, rest) = self.0.split_at_checked(length).ok_or("a nested value cut short")?;
        self.0 = rest;
        Ok(Some(value))
    }

    /// Nothing is left over: else a length or count before was not what was meant.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err("bytes after a nested value") }
    }
}

/// An array's header (`array_send`): each dimension's length and lower bound. There is none in an empty array, and none
/// is empty in any other; every element takes four bytes at least.
pub(super) fn dimensions(cursor: &mut Cursor<'_>) -> Result<Vec<(usize, i32)>, Malformed> {
    let count = cursor.word()?;
    let (_has_nulls, _element) = (cursor.word()?, cursor.word()?);
    if !(0..=MOST_DIMENSIONS).contains(&count) {
        return Err("an array of more dimensions than there are");
    }
    let mut sizes = Vec::new();
    for _ in 0..count {
        let size = usize::try_from(cursor.word()?).ok().filter(|size| *size > 0);
        sizes.push((size.ok_or("an array with an empty dimension")?, cursor.word()?));
    }
    let elements = sizes.iter().try_fold(1_usize, |product, (size, _)| product.checked_mul(*size));
    if !sizes.is_empty() && elements.is_none_or(|elements| elements > cursor.0.len() / 4) {
        return Err("an array cut short");
    }
    Ok(sizes)
}

/// PostgreSQL's `MAXDIM`.
const MOST_DIMENSIONS: i32 = 6;

/// The builder for values within another. Text is looked at value by value: one that cannot be held shows while all of
/// the column's value is at hand.
fn member(wire: &Wire) -> Box<dyn Column> {
    match wire {
        Wire::Text => Box::new(Checked::text()),
        Wire::Jsonb => Box::new(Checked::jsonb()),
        _ => column(wire),
    }
}

/// A column of arrays, or of multiranges. Arrow has no lower bounds and no second dimension.
pub(super) struct Lists {
    multirange: bool,
    items: Box<dyn Column>,
    field: FieldRef,
    ends: Vec<i32>,
    length: usize,
    nulls: NullBufferBuilder,
}

impl Lists {
    pub(super) fn new(wire: &Wire) -> Self {
        let item = match wire {
            Wire::List(item) => (**item).clone(),
            Wire::Multirange(bound) => Wire::Range(bound.clone()),
            other => other.clone(),
        };
        Self {
            multirange: matches!(wire, Wire::Multirange(_)),
            items: member(&item),
            field: Field::new_list_field(item.arrow(), true).into(),
            ends: vec![0],
            length: 0,
            nulls: NullBufferBuilder::new(0),
        }
    }

    fn items(&mut self, value: &[u8], notes: &mut Notes) -> Result<bool, Malformed> {
        let mut cursor = Cursor(value);
        let count = if self.multirange {
            usize::try_from(cursor.word()?).map_err(|_| "a multirange of negative length")?
        } else {
            match dimensions(&mut cursor)?.as_slice() {
                [] => 0,
                [(count, lower)] => {
                    if *lower != 1 {
                        notes.unheld();
                    }
                    *count
                }
                _ => {
                    notes.unheld();
                    return Ok(false);
                }
            }
        };
        for _ in 0..count {
            let item = cursor.value()?;
            if self.multirange && item.is_none() {
                return Err("a multirange with a NULL in it");
            }
            self.items.push(item, notes)?;
        }
        self.length += count;
        cursor.end()?;
        Ok(true)
    }
}

impl Column for Lists {
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        let valid = match value {
            Some(value) => self.items(value, notes)?,
            None => false,
        };
        self.nulls.append(valid);
        self.ends.push(i32::try_from(self.length).map_err(|_| "more than 2^31 array elements in one batch")?);
        Ok(())
    }

    fn finish(&mut self, notes: &mut Notes) -> Result<ArrayRef, Malformed> {
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        self.length = 0;
        let items = self.items.finish(notes)?;
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        let array = ListArray::try_new(self.field.clone(), ends, items, self.nulls.finish());
        Ok(Arc::new(array.map_err(|_| "array elements of another type")?))
    }
}

/// A column of composites.
pub(super) struct Structs {
    members: Vec<Box<dyn Column>>,
    fields: Fields,
    nulls: NullBufferBuilder,
}

impl Structs {
    pub(super) fn new(fields: &[(String, Wire)]) -> Self {
        Self {
            members: fields.iter().map(|(_, wire)| member(wire)).collect(),
            fields: fields.iter().map(|(name, wire)| Field::new(name, wire.arrow(), true)).collect(),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

impl Column for Structs {
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        self.nulls.append(value.is_some());
        let Some(value) = value else {
            // Four bytes on the wire, in an array of composites, are a place in every field.
            notes.grown += 8 * self.members.len();
            return self.members.iter_mut().try_for_each(|member| member.push(None, notes));
        };
        let mut cursor = Cursor(value);
        if usize::try_from(cursor.word()?) != Ok(self.members.len()) {
            return Err("a composite with another number of fields");
        }
        for member in &mut self.members {
            let _type = cursor.word()?;
            member.push(cursor.value()?, notes)?;
        }
        cursor.end()
    }

    fn finish(&mut self, notes: &mut Notes) -> Result<ArrayRef, Malformed> {
        let members = self.members.iter_mut().map(|member| member.finish(notes)).collect::<Result<_, _>>()?;
        let array = StructArray::try_new(self.fields.clone(), members, self.nulls.finish());
        Ok(Arc::new(array.map_err(|_| "a composite's fields of other types")?))
    }
}

pub(super) const EMPTY: u8 = 0x01;
pub(super) const LOWER_INCLUSIVE: u8 = 0x02;
pub(super) const UPPER_INCLUSIVE: u8 = 0x04;
pub(super) const LOWER_INFINITE: u8 = 0x08;
pub(super) const UPPER_INFINITE: u8 = 0x10;

/// A range's parts (`range_send`): the flags, the lower and the upper bound.
pub(super) type Bounds<'a> = (u8, Option<&'a [u8]>, Option<&'a [u8]>);

pub(super) fn bounds(value: &[u8]) -> Result<Bounds<'_>, Malformed> {
    let (flags, rest) = value.split_first().ok_or("a range without flags")?;
    let mut cursor = Cursor(rest);
    let mut bound = |absent: u8| if flags & (EMPTY | absent) == 0 { cursor.value() } else { Ok(None) };
    let (lower, upper) = (bound(LOWER_INFINITE)?, bound(UPPER_INFINITE)?);
    cursor.end()?;
    Ok((*flags, lower, upper))
}

/// A column of ranges.
pub(super) struct Ranges {
    lower: Box<dyn Column>,
    upper: Box<dyn Column>,
    flags: [BooleanBufferBuilder; 3],
    fields: Fields,
    nulls: NullBufferBuilder,
}

impl Ranges {
    pub(super) fn new(bound: &Wire) -> Self {
        let bound_type: DataType = bound.arrow();
        Self {
            lower: member(bound),
            upper: member(bound),
            flags: [(); 3].map(|()| BooleanBufferBuilder::new(0)),
            fields: range_fields(&bound_type),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

impl Column for Ranges {
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        let (flags, lower, upper) = value.map_or(Ok((0, None, None)), bounds)?;
        self.lower.push(lower, notes)?;
        self.upper.push(upper, notes)?;
        for (column, flag) in self.flags.iter_mut().zip([LOWER_INCLUSIVE, UPPER_INCLUSIVE, EMPTY]) {
            column.append(flags & flag != 0);
        }
        self.nulls.append(value.is_some());
        Ok(())
    }

    fn finish(&mut self, notes: &mut Notes) -> Result<ArrayRef, Malformed> {
        let mut members = vec![self.lower.finish(notes)?, self.upper.finish(notes)?];
        members
            .extend(self.flags.iter_mut().map(|flags| Arc::new(BooleanArray::new(flags.finish(), None)) as ArrayRef));
        let array = StructArray::try_new(self.fields.clone(), members, self.nulls.finish());
        Ok(Arc::new(array.map_err(|_| "a range's bounds of other types")?))
    }
}
