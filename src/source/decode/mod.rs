//! Binary tuples into Arrow: one small builder per type family, a value's bytes read once and written once.

#[cfg(feature = "connectorx")]
mod arrays;
mod checked;
mod fixed;
mod nested;
mod numeric;
mod render;
mod text;
mod validity;

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

#[cfg(feature = "connectorx")]
pub(in crate::source) use self::arrays::{ArrayDecoder, Form};
pub use self::numeric::numeric_text;
pub use self::render::render;

use super::exceptions::Exception;
use super::failure::malformed;
use super::framing::{Fields, Framing};
use super::types::Wire;
use crate::error::Result;

/// Why a value's bytes are not a value of its type.
type Malformed = &'static str;

/// Grows one column of a batch.
trait Column: Send {
    /// Appends a value by its binary form, or a NULL.
    fn push(&mut self, value: Option<&[u8]>, notes: &mut Notes) -> Result<(), Malformed>;

    /// The column of this batch; the builder is empty afterwards.
    fn finish(&mut self, notes: &mut Notes) -> Result<ArrayRef, Malformed>;
}

/// The builder for values of a binary form.
fn column(wire: &Wire) -> Box<dyn Column> {
    match wire {
        Wire::Bool => Box::new(fixed::Bools::default()),
        Wire::Int16 => fixed::int16(),
        Wire::Int32 => fixed::int32(),
        Wire::Int64 => fixed::int64(),
        Wire::Oid => fixed::oid(),
        Wire::Float32 => fixed::float32(),
        Wire::Float64 => fixed::float64(),
        Wire::Date => fixed::date(),
        Wire::Timestamp { .. } => fixed::timestamp(wire.clone()),
        Wire::Time => fixed::time(),
        Wire::Decimal { precision, .. } if *precision <= 38 => fixed::decimal128(wire.clone()),
        Wire::Decimal { .. } => fixed::decimal256(wire.clone()),
        Wire::Numeric => text::numeric(),
        Wire::Text => text::text(),
        Wire::Jsonb => text::jsonb(),
        Wire::Uuid => text::uuid(),
        Wire::Bytes => Box::new(text::Blobs::default()),
        Wire::List(_) | Wire::Multirange(_) => Box::new(nested::Lists::new(wire)),
        Wire::Struct(fields) => Box::new(nested::Structs::new(fields)),
        Wire::Range(bound) => Box::new(nested::Ranges::new(bound)),
    }
}

/// What a batch's values could not be, or were in an odd way: noted while they are read.
#[derive(Debug, Default)]
struct Notes {
    /// The column at hand.
    column: usize,
    /// The columns of the row at hand whose values cannot be held, or only in part; ascending, each once.
    unheld: Vec<usize>,
    found: Vec<Found>,
    infinite: Vec<u64>,
    /// Bytes that the row's values take up beyond those on the wire, where that may be many.
    grown: usize,
}

#[derive(Debug)]
struct Found {
    row: usize,
    column: usize,
    text: String,
}

impl Notes {
    /// The value at hand, or a part of it, cannot be held.
    #[cold]
    fn unheld(&mut self) {
        if self.unheld.last() != Some(&self.column) {
            self.unheld.push(self.column);
        }
    }

    /// The value at hand is infinite and is held as the type's extreme.
    #[cold]
    fn infinity(&mut self) {
        self.infinite[self.column] += 1;
    }
}

/// What a reader noted about its rows.
#[derive(Debug, Default, Clone)]
pub struct Noted {
    /// Values that are not, or not wholly, in the batches.
    pub exceptions: Vec<Exception>,
    /// Exceptions counted, by column; at least as many as are listed.
    pub exceptional: BTreeMap<String, u64>,
    /// Infinite dates and timestamps, by column, held as the extreme value of the type.
    pub infinite: BTreeMap<String, u64>,
}

impl Noted {
    /// Exceptions that are counted and not listed, by column: there was no room.
    pub fn unlisted(&self) -> impl Iterator<Item = (&str, u64)> {
        let counted: u64 = self.exceptional.values().sum();
        // Nearly always all are: then none is looked at.
        let some = counted > self.exceptions.len() as u64;
        let mut listed: BTreeMap<&str, u64> = BTreeMap::new();
        for exception in self.exceptions.iter().filter(|_| some) {
            *listed.entry(&exception.column).or_default() += 1;
        }
        let missing = move |(column, count): (&'_ String, &u64)| {
            count - listed.get(column.as_str()).copied().unwrap_or_default().min(*count)
        };
        let columns = self.exceptional.iter().filter(move |_| some);
        columns.map(move |entry| (entry.0.as_str(), missing(entry))).filter(|(_, count)| *count > 0)
    }
}

/// Bytes of exceptions listed by one reader; beyond it they are only counted, so that a table of nothing else cannot
/// fill memory. Such a table is not committed.
const LISTED_BYTES: usize = 8 << 20;

/// What a [`TupleDecoder`] is told about the rows to come.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The table, for errors and exceptions.
    pub table: String,
    /// The batches' schema; a field a column.
    pub schema: SchemaRef,
    /// The binary form of each column.
    pub wires: Vec<Wire>,
    /// The indices of the key's columns; empty without a key.
    pub key: Vec<usize>,
    /// The partition's number: a row without a key is named by it and the row's number.
    pub partition: usize,
    /// Rows after which a batch ends.
    pub batch_rows: usize,
    /// Bytes on the wire after which a batch ends.
    pub batch_bytes: usize,
}

/// Turns a binary `COPY` into record batches. Free of I/O: bytes in, batches out.
pub struct TupleDecoder {
    framing: Framing,
    rows: Rows,
}

struct Rows {
    layout: Layout,
    columns: Vec<Box<dyn Column>>,
    notes: Notes,
    noted: Noted,
    listed_bytes: usize,
    in_batch: usize,
    bytes: usize,
    before: u64,
}

impl std::fmt::Debug for TupleDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TupleDecoder").field("framing", &self.framing).finish_non_exhaustive()
    }
}

impl TupleDecoder {
    /// A decoder at the start of a stream.
    pub fn new(layout: Layout) -> Self {
        let columns = layout.wires.iter().map(column).collect();
        let notes = Notes { infinite: vec![0; layout.wires.len()], ..Notes::default() };
        let framing = Framing::new(layout.table.clone(), layout.wires.len());
        let rows =
            Rows { layout, columns, notes, noted: Noted::default(), listed_bytes: 0, in_batch: 0, bytes: 0, before: 0 };
        Self { framing, rows }
    }

    /// Takes the next bytes of the stream and appends the batches that they complete to `out`.
    ///
    /// # Errors
    /// When the bytes are not what the layout promised. The decoder is of no use afterwards.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = &mut self.rows;
        self.framing.push(chunk, |tuple| rows.push(tuple, out))
    }

    /// Ends the stream: the last batch, if rows are left, and what was noted. Whether the trailer was seen is
    /// [`TupleDecoder::is_complete`].
    ///
    /// # Errors
    /// When the last batch cannot be made.
    pub fn finish(&mut self, out: &mut Vec<RecordBatch>) -> Result<Noted> {
        self.rows.flush(out)?;
        Ok(std::mem::take(&mut self.rows.noted))
    }

    /// Whether the stream's trailer was seen.
    pub fn is_complete(&self) -> bool {
        self.framing.is_complete()
    }

    /// Rows decoded.
    pub fn rows(&self) -> u64 {
        self.framing.rows()
    }
}

impl Rows {
    #[inline]
    fn push(&mut self, tuple: &[u8], out: &mut Vec<RecordBatch>) -> Result<()> {
        for (index, (column, value)) in self.columns.iter_mut().zip(Fields::new(tuple)).enumerate() {
            self.notes.column = index;
            if let Err(what) = column.push(value, &mut self.notes) {
                return Err(self.wrong(index, what));
            }
        }
        if !self.notes.unheld.is_empty() {
            self.set_aside(tuple);
        }
        self.in_batch += 1;
        self.bytes += tuple.len() + std::mem::take(&mut self.notes.grown);
        if self.in_batch >= self.layout.batch_rows || self.bytes >= self.layout.batch_bytes {
            self.flush(out)?;
        }
        Ok(())
    }

    /// Notes the text of the row's values that are not, or not wholly, in the columns.
    #[cold]
    fn set_aside(&mut self, tuple: &[u8]) {
        for column in std::mem::take(&mut self.notes.unheld) {
            if let Some(Some(value)) = Fields::new(tuple).nth(column) {
                self.keep(column, value);
            }
        }
    }

    /// Notes the text of a value of the row at hand.
    fn keep(&mut self, column: usize, value: &[u8]) {
        let text = render(&self.layout.wires[column], value);
        self.notes.grown += text.len();
        self.notes.found.push(Found { row: self.in_batch, column, text });
    }

    /// The name of a row of this batch: its key as text, or its place when there is no key. `unheld` has the texts of key
    /// values that are not in the batch.
    fn key(&self, batch: &RecordBatch, row: usize, unheld: &HashMap<(usize, usize), String>) -> String {
        let part = |index: &usize| match unheld.get(&(row, *index)) {
            Some(text) => text.clone(),
            None => render::held(&self.layout.wires[*index], batch.column(*index), row),
        };
        match self.layout.key.as_slice() {
            [] => format!("row {} of partition {}", self.before + row as u64, self.layout.partition),
            [only] => part(only),
            several => render::joined(several.iter().map(part)),
        }
    }

    fn flush(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        if self.in_batch == 0 {
            return Ok(());
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            self.notes.column = index;
            match self.columns[index].finish(&mut self.notes) {
                Ok(array) => arrays.push(array),
                Err(what) => return Err(self.wrong(index, what)),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.in_batch));
        let batch = RecordBatch::try_new_with_options(self.layout.schema.clone(), arrays, &options)
            .map_err(|cause| malformed(&self.layout.table, format!("the values do not make a batch: {cause}")))?;
        self.settle(&batch);
        self.before += self.in_batch as u64;
        (self.in_batch, self.bytes) = (0, 0);
        out.push(batch);
        Ok(())
    }

    /// Moves the batch's notes to the stream's, each with its row's key.
    fn settle(&mut self, batch: &RecordBatch) {
        let schema = batch.schema_ref();
        for (index, count) in self.notes.infinite.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            *self.noted.infinite.entry(schema.field(index).name().clone()).or_default() += std::mem::take(count);
        }
        let all = std::mem::take(&mut self.notes.found);
        let in_key = all.iter().filter(|found| self.layout.key.contains(&found.column));
        let in_key = in_key.map(|found| ((found.row, found.column), found.text.clone())).collect();
        for found in all {
            let column = schema.field(found.column).name().clone();
            *self.noted.exceptional.entry(column.clone()).or_default() += 1;
            if self.listed_bytes >= LISTED_BYTES {
                continue;
            }
            let key = self.key(batch, found.row, &in_key);
            let exception = Exception { table: self.layout.table.clone(), key, column, text: found.text };
            self.listed_bytes += exception.size();
            self.noted.exceptions.push(exception);
        }
    }

    #[cold]
    fn wrong(&self, column: usize, what: Malformed) -> crate::error::Error {
        let name = self.layout.schema.field(column).name();
        let row = self.before + self.in_batch as u64;
        let message = format!(
            "column {name} of row {row} in partition {}: {what}; the server's binary form is not the one known for {:?}",
            self.layout.partition, self.layout.wires[column]
        );
        malformed(&self.layout.table, message)
    }
}
