//! The frame of binary `COPY` data: header, tuples, trailer, cut out of chunks of any size.
//!
//! Format: PostgreSQL's documentation of `COPY`, "Binary Format". The signature, flags and an extension; then for each
//! row a field count (i16) and its fields, each a length (i32, -1 for NULL) and that many bytes; at the end the count -1.

use crate::error::Result;

use super::failure::malformed;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Bit 16 of the flags: rows carry OIDs, which no supported server sends.
const HAS_OIDS: u32 = 1 << 16;
/// More bytes than a header's extension has (the server sends none) or than a field can have (PostgreSQL's `MaxAllocSize`):
/// nothing is waited for that a length promises beyond.
const MOST_EXTENSION: u32 = 1 << 16;
const MOST_FIELD: i32 = 0x3FFF_FFFF;

/// Bytes taken over at once, at least, to complete a tuple that spans two chunks.
const STEP: usize = 256;
/// Bytes of room that are kept for tuples that span chunks; what a larger one took is given back when it is done.
const KEPT: usize = 4 << 20;

/// Cuts a binary `COPY` into tuples. Bytes are copied only for a tuple that spans two chunks.
#[derive(Debug)]
pub struct Framing {
    table: String,
    columns: usize,
    carry: Vec<u8>,
    place: Place,
    rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Tuples,
    Ended,
}

impl Framing {
    /// A frame for the rows of `table` (named in errors) with this many columns.
    pub fn new(table: impl Into<String>, columns: usize) -> Self {
        Self { table: table.into(), columns, carry: Vec::new(), place: Place::Header, rows: 0 }
    }

    /// Rows cut so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the trailer was seen, and nothing after it.
    pub fn is_complete(&self) -> bool {
        self.place == Place::Ended && self.carry.is_empty()
    }

    /// Takes the next bytes and hands each whole tuple's fields (lengths and bytes, without the field count) to `row`.
    ///
    /// # Errors
    /// When the bytes are no binary `COPY` of this many columns, or `row` fails.
    pub fn push(&mut self, chunk: &[u8], mut row: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut rest = chunk;
        if !self.carry.is_empty() {
            rest = self.complete(chunk, &mut row)?;
        }
        let used = self.consume(rest, &mut row)?;
        self.carry.extend_from_slice(&rest[used..]);
        Ok(())
    }

    /// Completes what the last chunk began: takes over little by little of this one, until it is whole, and returns what
    /// is left of it then.
    fn complete<'a>(&mut self, chunk: &'a [u8], row: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<&'a [u8]> {
        let mut carry = std::mem::take(&mut self.carry);
        let before = carry.len();
        let mut rest = chunk;
        let mut used = 0;
        while used < before && !rest.is_empty() {
            let (taken, left) = rest.split_at(carry.len().max(STEP).min(rest.len()));
            carry.extend_from_slice(taken);
            rest = left;
            used = self.consume(&carry, row)?;
        }
        if used < before {
            self.carry = carry;
            return Ok(rest);
        }
        // What came after the completed tuple is in the chunk.
        let over = carry.len() - used;
        carry.clear();
        carry.shrink_to(KEPT);
        self.carry = carry;
        Ok(&chunk[chunk.len() - rest.len() - over..])
    }

    /// Reads what is whole and returns how many bytes that were.
    fn consume(&mut self, bytes: &[u8], row: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
        let mut used = 0;
        if self.place == Place::Header {
            match self.header(bytes)? {
                None => return Ok(0),
                Some(length) => used = length,
            }
            self.place = Place::Tuples;
        }
        while self.place == Place::Tuples {
            let Some(count) = bytes.get(used..used + 2) else { return Ok(used) };
            let count = i16::from_be_bytes([count[0], count[1]]);
            if count == -1 {
                self.place = Place::Ended;
                used += 2;
                break;
            }
            if usize::try_from(count) != Ok(self.columns) {
                return Err(self.wrong(format!("a row of {count} fields where {} were asked for", self.columns)));
            }
            let length = self.tuple_length(&bytes[used + 2..]);
            let length = length.map_err(|length| self.wrong(format!("a field of {length} bytes")))?;
            let Some(length) = length else { return Ok(used) };
            row(&bytes[used + 2..used + 2 + length])?;
            self.rows += 1;
            used += 2 + length;
        }
        if used < bytes.len() {
            return Err(self.wrong("bytes after the trailer".into()));
        }
        Ok(used)
    }

    fn header(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some((head, _)) = bytes.split_at_checked(19) else { return Ok(None) };
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if &head[..11] != SIGNATURE || word(11) & HAS_OIDS != 0 || word(15) > MOST_EXTENSION {
            return Err(self.wrong("no header of a binary COPY".into()));
        }
        let length = 19 + word(15) as usize;
        Ok((bytes.len() >= length).then_some(length))
    }

    /// The length of the tuple that these bytes begin with, none if it has not come whole; a length that none can have
    /// otherwise.
    #[inline]
    fn tuple_length(&self, bytes: &[u8]) -> std::result::Result<Option<usize>, i32> {
        let mut rest = bytes;
        for _ in 0..self.columns {
            let Some((length, value)) = rest.split_first_chunk::<4>() else { return Ok(None) };
            rest = match i32::from_be_bytes(*length) {
                -1 => value,
                length @ 0..=MOST_FIELD => match value.get(length as usize..) {
                    Some(rest) => rest,
                    None => return Ok(None),
                },
                length => return Err(length),
            };
        }
        Ok(Some(bytes.len() - rest.len()))
    }

    fn wrong(&self, what: String) -> crate::error::Error {
        malformed(&self.table, format!("the server's COPY cannot be read after row {}: {what}", self.rows))
    }
}

/// The fields of a tuple in order: none for NULL. Ends where the bytes end.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a tuple as [`Framing::push`] hands it out.
    pub fn new(tuple: &'a [u8]) -> Self {
        Self(tuple)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => {
                self.0 = rest;
                Some(None)
            }
            Ok(length) => {
                let (value, rest) = rest.split_at_checked(length)?;
                self.0 = rest;
                Some(Some(value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[0; 8]);
        for value in [&b"one"[..], b"", b"three"] {
            bytes.extend_from_slice(&2_i16.to_be_bytes());
            bytes.extend_from_slice(&(value.len() as i32).to_be_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        }
        bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        bytes
    }

    #[test]
    fn tuples_come_whole_however_the_chunks_are_cut() {
        let bytes = sample();
        for size in 1..=bytes.len() {
            let mut framing = Framing::new("t", 2);
            let mut seen = Vec::new();
            for chunk in bytes.chunks(size) {
                let row = |tuple: &[u8]| {
                    seen.push(Fields::new(tuple).map(|field| field.map(<[u8]>::to_vec)).collect::<Vec<_>>());
                    Ok(())
                };
                framing.push(chunk, row).unwrap();
            }
            assert!(framing.is_complete() && framing.rows() == 3, "in chunks of {size}");
            assert_eq!(seen[2], vec![Some(b"three".to_vec()), None]);
        }
    }

    #[test]
    fn a_cut_stream_is_not_complete_and_other_bytes_are_refused() {
        let bytes = sample();
        for length in 0..bytes.len() {
            let mut framing = Framing::new("t", 2);
            framing.push(&bytes[..length], |_| Ok(())).unwrap();
            assert!(!framing.is_complete(), "cut after {length} bytes");
        }
        assert!(Framing::new("t", 3).push(&bytes, |_| Ok(())).is_err());
        assert!(Framing::new("t", 2).push(&[bytes.clone(), vec![0]].concat(), |_| Ok(())).is_err());
        assert!(Framing::new("t", 2).push(b"something else than a header", |_| Ok(())).is_err());
    }
}
