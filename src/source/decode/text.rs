//! Columns of bytes: text as it is sent, text made from a binary form, and `bytea`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::numeric::numeric_text;
use super::validity::Validity;
use super::{Column, Found, Malformed, Notes};

/// Values of any length, end to end, with their ends.
struct Bytes {
    values: Vec<u8>,
    ends: Vec<i32>,
    nulls: Validity,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { values: Vec::new(), ends: vec![0], nulls: Validity::default() }
    }
}

impl Bytes {
    /// Ends the value whose bytes were appended.
    #[inline]
    fn end(&mut self, valid: bool) -> Result<(), Malformed> {
        self.ends.push(i32::try_from(self.values.len()).map_err(|_| "more than 2 GiB in one batch")?);
        self.nulls.append(valid);
        Ok(())
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Vec<u8>, Option<NullBuffer>) {
        let mut ends = Vec::with_capacity(self.ends.len());
        ends.push(0);
        let ends = std::mem::replace(&mut self.ends, ends);
        let values = std::mem::replace(&mut self.values, Vec::with_capacity(0));
        self.values.reserve(values.len());
        (OffsetBuffer::new(ScalarBuffer::from(ends)), values, self.nulls.finish())
    }
}

/// A column of text; `write` appends a value's text.
struct Texts<W> {
    bytes: Bytes,
    write: W,
}

fn texts<W>(write: W) -> Box<dyn Column>
where
    W: Fn(&[u8], &mut Vec<u8>) -> Result<(), Malformed> + Send + 'static,
{
    Box::new(Texts { bytes: Bytes::default(), write })
}

impl<W: Fn(&[u8], &mut Vec<u8>) -> Result<(), Malformed> + Send> Column for Texts<W> {
    #[inline]
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed> {
        if let Some(value) = value {
            let before = self.bytes.values.len();
            (self.write)(value, &mut self.bytes.values)?;
            // A numeric of ten bytes may have 100,000 digits.
            notes.grown += (self.bytes.values.len() - before).saturating_sub(value.len());
        }
        self.bytes.end(value.is_some())
    }

    fn finish(&mut self, notes: &mut Notes) -> Result<ArrayRef, Malformed> {
        let (ends, values, nulls) = self.bytes.finish();
        let values = Buffer::from_vec(values);
        let array = match StringArray::try_new(ends.clone(), values.clone(), nulls.clone()) {
            Ok(array) => array,
            // Only a database of no declared encoding (SQL_ASCII) sends such bytes.
            Err(_) => sift(&BinaryArray::try_new(ends, values, nulls).map_err(|_| "uneven lengths")?, notes),
        };
        Ok(Arc::new(array))
    }
}

/// The values that are UTF-8; every other one becomes NULL and an exception with its bytes in hex.
#[cold]
fn sift(array: &BinaryArray, notes: &mut Notes) -> StringArray {
    let mut text = |(row, value): (usize, Option<&[u8]>)| match std::str::from_utf8(value?) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => {
            notes.found.push(Found { row, column: notes.column, text: hex(value?) });
            None
        }
    };
    array.iter().enumerate().map(&mut text).collect()
}

/// `bytea`'s text form.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

pub(super) fn text() -> Box<dyn Column> {
    texts(|value, out| {
        out.extend_from_slice(value);
        Ok(())
    })
}

pub(super) fn jsonb() -> Box<dyn Column> {
    texts(|value, out| match value {
        [1, json @ ..] => {
            out.extend_from_slice(json);
            Ok(())
        }
        _ => Err("a jsonb of another version than 1"),
    })
}

pub(super) fn uuid() -> Box<dyn Column> {
    texts(uuid_text)
}

/// Appends the canonical form: lower-case hex in groups of 8, 4, 4, 4 and 12.
pub(super) fn uuid_text(value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    if value.len() != 16 {
        return Err("a uuid that is not 16 bytes long");
    }
    for (index, byte) in value.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    Ok(())
}

pub(super) fn numeric() -> Box<dyn Column> {
    texts(numeric_text)
}

/// A column of `bytea`.
#[derive(Default)]
pub(super) struct Blobs(Bytes);

impl Column for Blobs {
    #[inline]
    fn push(&mut self, value: Option<&[u8]>, _: &mut Notes) -> Result<(), Malformed> {
        self.0.values.extend_from_slice(value.unwrap_or_default());
        self.0.end(value.is_some())
    }

    fn finish(&mut self, _: &mut Notes) -> Result<ArrayRef, Malformed> {
        let (ends, values, nulls) = self.0.finish();
        let array = BinaryArray::try_new(ends, Buffer::from_vec(values), nulls).map_err(|_| "uneven lengths")?;
        Ok(Arc::new(array))
    }
}
