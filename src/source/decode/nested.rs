//! Columns of columns: arrays, composites, ranges.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, ListArray, NullBufferBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::{Column, Malformed, Notes, column, render};
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
}

/// An array's header (`array_send`): how many elements there are, if it has at most one dimension.
pub(super) struct Dimensions {
    pub(super) count: usize,
    pub(super) lower: i32,
    pub(super) dimensions: i32,
}

pub(super) fn dimensions(cursor: &mut Cursor<'_>) -> Result<Dimensions, Malformed> {
    let dimensions = cursor.word()?;
    let (_has_nulls, _element) = (cursor.word()?, cursor.word()?);
    let (count, lower) = if dimensions == 1 { (cursor.word()?, cursor.word()?) } else { (0, 1) };
    Ok(Dimensions { count: usize::try_from(count).map_err(|_| "an array of negative length")?, lower, dimensions })
}

/// A column of arrays. Arrow has no lower bounds and no second dimension.
pub(super) struct Lists {
    wire: Wire,
    items: Box<dyn Column>,
    field: FieldRef,
    ends: Vec<i32>,
    length: usize,
    nulls: NullBufferBuilder,
}

impl Lists {
    pub(super) fn new(item: &Wire) -> Self {
        Self {
            wire: Wire::List(Box::new(item.clone())),
            items: column(item),
            field: Field::new_list_field(item.arrow(), true).into(),
            ends: vec![0],
            length: 0,
            nulls: NullBufferBuilder::new(0),
        }
    }

    fn items(&mut self, value: &[u8], notes: &mut Notes) -> Result<bool, Malformed> {
        let mut cursor = Cursor(value);
        let found = dimensions(&mut cursor)?;
        if found.dimensions > 1 {
            notes.exception(render(&self.wire, value));
            return Ok(false);
        }
        if found.lower != 1 {
            notes.exception(render(&self.wire, value));
        }
        for _ in 0..found.count {
            self.items.push(cursor.value()?, notes)?;
        }
        self.length += found.count;
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
        let before = notes.found.len();
        let items = self.items.finish(notes)?;
        // What the elements noted names an element; it is the row whose array holds it that is wanted.
        for found in &mut notes.found[before..] {
            found.row = ends.partition_point(|end| usize::try_from(*end).is_ok_and(|end| end <= found.row)) - 1;
        }
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
            members: fields.iter().map(|(_, wire)| column(wire)).collect(),
            fields: fields.iter().map(|(name, wire)| Field::new(name, wire.arrow(), true)).collect(),
            nulls: NullBufferBuilder::new(0),
        }
    }
}

impl Column for Structs {
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        self.nulls.append(value.is_some());
        let Some(value) = value else {
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
        Ok(())
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
    let lower = bound(LOWER_INFINITE)?;
    Ok((*flags, lower, bound(UPPER_INFINITE)?))
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
            lower: column(bound),
            upper: column(bound),
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
