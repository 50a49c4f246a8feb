//! The content checksum of a table in a database.

use super::wire;
use crate::dataflow::checksum::RowHash;
use crate::dataflow::{ContentChecksum, Progress, TableName};
use crate::error::{Error, Result};
use crate::source::framing::{Fields, Framing};
use crate::source::{PostgresSource, Tries, Wire, whole};

/// The checksum of a table's rows under the database's snapshot, from their binary form.
pub(super) async fn checksum(
    database: &PostgresSource,
    table: &TableName,
    progress: &Progress,
) -> Result<ContentChecksum> {
    let wires = database.wires(table).await?;
    let mut tries = Tries::default();
    loop {
        match read(database, table, &wires, progress).await {
            Ok(checksum) => return Ok(checksum),
            Err(error) => tries.after(table, error).await?,
        }
    }
}

async fn read(
    database: &PostgresSource,
    table: &TableName,
    wires: &[Wire],
    progress: &Progress,
) -> Result<ContentChecksum> {
    let mut read = database.read(&whole(table)).await?;
    let mut rows = WireChecksum::new(table.clone(), wires.to_vec());
    while let Some(chunk) = read.chunk().await? {
        let before = rows.checksum.rows;
        rows.push(&chunk)?;
        progress.advance(rows.checksum.rows - before, chunk.len() as u64);
    }
    read.accept(rows.framing.rows(), rows.framing.is_complete()).await?;
    Ok(rows.checksum)
}

/// Takes the content checksum of a binary `COPY` from its bytes. Free of I/O: bytes in, a checksum out.
#[derive(Debug)]
pub struct WireChecksum {
    table: TableName,
    wires: Vec<Wire>,
    framing: Framing,
    checksum: ContentChecksum,
    buffer: Vec<u8>,
}

impl WireChecksum {
    /// A checksum at the start of a stream of the rows of `table` (named in errors), with the binary forms of its columns.
    pub fn new(table: TableName, wires: Vec<Wire>) -> Self {
        let framing = Framing::new(table.to_string(), wires.len());
        Self { table, wires, framing, checksum: ContentChecksum::default(), buffer: Vec::new() }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// When the bytes are not rows of these forms.
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let Self { table, wires, framing, checksum, buffer } = self;
        framing.push(chunk, |tuple| {
            checksum.add(hash(table, wires, tuple, buffer)?);
            Ok(())
        })
    }

    /// The checksum of all rows taken so far.
    pub fn checksum(&self) -> ContentChecksum {
        self.checksum
    }
}

fn hash(table: &TableName, wires: &[Wire], tuple: &[u8], buffer: &mut Vec<u8>) -> Result<RowHash> {
    let mut row = RowHash::default();
    for (wire, value) in wires.iter().zip(Fields::new(tuple)) {
        buffer.clear();
        let held = match value {
            Some(value) => wire::canonical(wire, value, buffer).map_err(|what| Error::Source {
                table: table.to_string(),
                message: format!("{what} on the wire, for {wire:?}"),
                transient: false,
                cause: None,
            })?,
            None => false,
        };
        if held { row.push(buffer) } else { row.push_null() }
    }
    Ok(row)
}
