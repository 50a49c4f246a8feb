//! The content checksum of a table in a database, and of two databases side by side.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{VerifiedTable, VerifyReport, wire};
use crate::dataflow::checksum::RowHash;
use crate::dataflow::{ContentChecksum, Progress, Source, TableName};
use crate::error::{Error, Result};
use crate::source::framing::{Fields, Framing};
use crate::source::{PostgresSource, Wire, pause, whole};

/// Tries to read a table whose read broke off for a passing reason.
const TRIES: u32 = 3;

/// Compares two databases, table by table, each read under one snapshot of its own: an original and its restored copy.
/// In the report the other database stands where `raw/` does otherwise, and `same_snapshot` is false.
///
/// # Errors
/// When one of them cannot be read, or `cancel` stops the work. Differences are in the report.
pub async fn against(
    source: &PostgresSource,
    other: &PostgresSource,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<VerifyReport> {
    let begun = Instant::now();
    let mut tables = Vec::new();
    for meta in source.tables().await? {
        progress.expect(meta.rows);
        tables.push((meta.table, true));
    }
    let elsewhere: Vec<_> = other.tables().await?.into_iter().map(|meta| meta.table).collect();
    let only_elsewhere: Vec<_> =
        elsewhere.iter().filter(|table| !tables.iter().any(|(known, _)| known == *table)).cloned().collect();
    tables.extend(only_elsewhere.into_iter().map(|table| (table, false)));
    let compared = stream::iter(tables).map(|(table, here)| {
        let there = elsewhere.contains(&table);
        compare(source, other, table, (here, there), progress)
    });
    let mut tables: Vec<_> = tokio::select! {
        compared = compared.buffer_unordered(source.connections().min(other.connections())).try_collect() => compared?,
        () = cancel.cancelled() => return Err(Error::Interrupted { signal: 2 }),
    };
    tables.sort_by(|a: &VerifiedTable, b| a.table.cmp(&b.table));
    Ok(VerifyReport { tables, same_snapshot: false, remark: None, seconds: begun.elapsed().as_secs_f64() })
}

async fn compare(
    source: &PostgresSource,
    other: &PostgresSource,
    table: TableName,
    (here, there): (bool, bool),
    progress: &Progress,
) -> Result<VerifiedTable> {
    let side = async |database: &PostgresSource, present: bool, progress: &Progress| {
        if present { checksum(database, &table, progress).await } else { Ok(ContentChecksum::default()) }
    };
    let unseen = Progress::default();
    let (left, right) = tokio::try_join!(side(source, here, progress), side(other, there, &unseen))?;
    let problem = match (here, there) {
        (true, false) => Some("it is not in the other database".to_owned()),
        (false, true) => Some("it is only in the other database".to_owned()),
        _ if source.wires(&table).await? != other.wires(&table).await? => Some("its columns differ in type".to_owned()),
        _ if left.rows != right.rows => Some(format!("{} rows here, {} in the other database", left.rows, right.rows)),
        _ if left != right => Some(format!("the contents of its {} rows differ", left.rows)),
        _ => None,
    };
    Ok(VerifiedTable {
        table,
        source_rows: left.rows,
        raw_rows: right.rows,
        source_checksum: left.to_string(),
        raw_checksum: right.to_string(),
        equal: problem.is_none(),
        problem,
    })
}

/// The checksum of a table's rows under the database's snapshot, from their binary form.
pub(super) async fn checksum(
    database: &PostgresSource,
    table: &TableName,
    progress: &Progress,
) -> Result<ContentChecksum> {
    let wires = database.wires(table).await?;
    let mut tries = 1;
    loop {
        match read(database, table, &wires, progress).await {
            Err(error) if error.is_transient() && tries < TRIES => {
                warn!(%table, %error, "reading again");
                pause(tries).await;
                tries += 1;
            }
            ended => return ended,
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
