//! The native reader: one binary `COPY` of a slice of a table, as bytes, and the promise that none is missing.

use std::pin::Pin;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{StreamExt, TryStreamExt};
use tokio::time::timeout;
use tokio_postgres::CopyOutStream;

use super::catalog::{CatalogColumn, CatalogTable, quote, quote_table};
use super::failure::{answer_within, failure, malformed};
use super::pace::Pace;
use super::snapshot::Lease;
use crate::dataflow::Slice;
use crate::error::{Error, Result};

/// A read without a byte for so long is taken for one that will never end: the other end's system answers TCP, and nobody
/// there sends rows. Longer than a server may rightly think before the first row of a slice.
pub const SILENCE: Duration = Duration::from_secs(15 * 60);

/// The columns as they are asked for.
pub(super) fn wire_columns(table: &CatalogTable) -> Vec<String> {
    table.columns.iter().map(wire_column).collect()
}

/// A column as it is asked for. The server gives text for columns without an exact Arrow form: what the output function
/// prints (a cast may print something else, `inet`'s adds a mask), or the cast's where that is the value itself.
pub(super) fn wire_column(column: &CatalogColumn) -> String {
    let name = quote(&column.name);
    match (column.reading.cast, column.reading.fallback) {
        (false, _) => name,
        (true, false) => format!("{name}::pg_catalog.text"),
        // A composite whose fields are all NULL `is null` too; it is not the NULL that `is distinct from null` asks for.
        (true, true) => format!("case when {name} is distinct from null then pg_catalog.concat({name}) end"),
    }
}

/// The statement that reads a slice.
pub(super) fn copy_statement(table: &CatalogTable, slice: &Slice) -> Result<String> {
    copy_columns(table, &wire_columns(table), slice)
}

/// The statement that reads these expressions over a slice.
pub(super) fn copy_columns(table: &CatalogTable, columns: &[String], slice: &Slice) -> Result<String> {
    Ok(format!("copy ({}) to stdout (format binary)", select_statement(table, &columns.join(", "), slice)?))
}

/// The query of these columns (SQL) for the rows of a slice.
pub(super) fn select_statement(table: &CatalogTable, columns: &str, slice: &Slice) -> Result<String> {
    let predicate = match slice {
        Slice::Whole => String::new(),
        Slice::Where(predicate) => format!(" where {predicate}"),
        Slice::File(name) => {
            return Err(malformed(&table.table.to_string(), format!("a database has no part file {name}")));
        }
        Slice::Objects { .. } => {
            return Err(malformed(&table.table.to_string(), "a database has no objects of a listing".to_owned()));
        }
    };
    Ok(format!("select {columns} from only {}{predicate}", quote_table(&table.table)))
}

/// A `COPY` under way. Holds a few chunks of what the socket has delivered; more is read only when they are taken.
pub struct CopyRead {
    table: String,
    lease: Lease,
    data: mpsc::Receiver<Vec<u8>>,
    pace: Pace,
    stream: Pin<Box<CopyOutStream>>,
    silence: Duration,
    /// Bytes that had come on the connection when the last chunk was taken.
    received: u64,
}

impl std::fmt::Debug for CopyRead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyRead").field("table", &self.table).finish_non_exhaustive()
    }
}

impl CopyRead {
    /// Starts a statement of [`copy_statement`].
    pub(super) async fn start(
        table: String,
        lease: Lease,
        statement: &str,
        pace: Pace,
        silence: Duration,
    ) -> Result<Self> {
        let data = lease.session.tally.divert();
        let received = lease.session.tally.received();
        let begun = lease.session.client.copy_out(statement);
        let stream = answer_within(silence, &table, "the table cannot be read", begun).await?;
        Ok(Self { table, lease, data, pace, stream: Box::pin(stream), silence, received })
    }

    /// The next bytes, cut without regard to rows, or none when the server says that all are sent.
    ///
    /// # Errors
    /// When the read broke off, or the server has been silent for too long ([`SILENCE`]).
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let next = async {
            match self.data.next().await {
                Some(chunk) => Ok(Some(chunk)),
                // The library knows why they ended; data it has none, as they were drawn off before it.
                None => Ok(self.stream.try_next().await?.map(Vec::from)),
            }
        };
        let chunk = timeout(self.silence, next).await.map_err(|_| Error::Source {
            table: self.table.clone(),
            message: format!("the server sent nothing for {:?}; what came is discarded", self.silence),
            transient: true,
            cause: None,
        })?;
        let received = self.lease.session.tally.received();
        self.pace.take(usize::try_from(received - self.received).unwrap_or(usize::MAX)).await;
        self.received = received;
        chunk.map_err(|cause| failure(&self.table, "the read broke off; what came is discarded", cause))
    }

    /// Accepts the read, and only a whole one: the trailer was seen, the command completed without an error, and the
    /// server counted the rows that were decoded. The session goes back to its snapshot.
    ///
    /// # Errors
    /// When the read is not whole; a transient error, as reading again may go well.
    pub async fn accept(self, rows: u64, trailer: bool) -> Result<()> {
        drop(self.stream);
        // The answer to a further statement comes after CommandComplete, and is an error if the COPY failed.
        let next = self.lease.session.client.batch_execute("select 1");
        answer_within(self.silence, &self.table, "the read did not complete; what came is discarded", next).await?;
        let counted = self.lease.session.tally.copied();
        if !trailer || counted != Some(rows) {
            return Err(Error::Source {
                table: self.table,
                message: format!(
                    "{rows} rows were read, the server says {}{}; what came is discarded: run the same command again",
                    counted.map_or_else(|| "nothing".to_owned(), |counted| counted.to_string()),
                    if trailer { "" } else { ", and the end of the data is missing" }
                ),
                transient: true,
                cause: None,
            });
        }
        self.lease.give_back();
        Ok(())
    }
}
