//! The second reader: the rows of a slice by way of the crate connectorx.
//!
//! # When to prefer which reader
//! `copy`, almost always: it takes less of everything, keeps its sessions, and needs no other build. `connectorx` is worth
//! having for three things: a second opinion, since another parser and another client library read the same rows and must
//! come to the same checksums; a way on, should our decoder meet a server that it does not understand; and as the known
//! measure beside which ours is judged. It is not faster anywhere that we know of. Measured in the same minutes, one after
//! the other, the Parquet files written, in the build of the tests (dependencies mostly not optimised), by
//! `telecine extract --reader …`, twice each:
//!
//! | | `copy` | `connectorx` |
//! |---|---|---|
//! | 3 million rows of 8 columns, 294 MB, 2 connections: CPU seconds | 5.7, 5.7 | 10.2, 10.3 |
//! | the same: peak memory | 121, 123 MB | 140, 136 MB |
//! | the sample library, 227 tables, 654,000 rows, 4 connections: CPU seconds | 2.6, 2.4 | 9.0, 8.7 |
//! | the same: peak memory | 180, 178 MB | 219, 221 MB |
//!
//! The machine was busy, so walls say nothing and CPU seconds are given; numerics, JSON and enums came as text then, and
//! come by their send functions now. The second pair shows the price of a session for
//! each slice: most of it is signing in (SCRAM hashes a password 4,096 times, 80 ms in such a build; less where the hash is
//! optimised, which was not measured).
//!
//! # How it keeps the seam's promises
//! - *Values*: `plan`. What connectorx would change or panic on is found before anything is read.
//! - *No copying*: `bridge`. connectorx builds arrays of arrow 56; ours share their buffers.
//! - *A cap on the rate*: the thread waits before it asks for more, as long as the bytes that have come cost; all readers
//!   share one account.
//! - *One moment*: each session goes to the server of the snapshot's holder and enters the exported snapshot by connectorx'
//!   pre-execution queries, after the settings that every session of ours has. The locks are those of the snapshot's holder; a session that comes while another waits for
//!   an exclusive lock on the table has to wait behind that one, and fails after ten seconds with an error that says so.
//! - *Bounded memory*: connectorx' own iterator puts all batches of a partition into a channel without an end, so it is not
//!   used. `read` turns connectorx' parser itself, cuts a batch at the rows and bytes that are set (by the bytes that the
//!   socket has delivered; thirty-two rows, which the parser fetches at once, may come on top) and waits until the batch is
//!   taken: at most one batch is being built, one waits in the channel and one waits to be put there, whatever the size of
//!   the slice.
//! - *Nothing short*: connectorx takes the end of the data for the end of the read. `line` sees the server's own row count
//!   go by, and a slice is accepted only if it is that of the rows that came.
//! - *No hanging*: it blocks, so it runs on a thread of its own; a stream that is dropped ends the connection, and with it
//!   the thread (one that is still connecting within those thirty seconds). A panic of connectorx becomes an error that
//!   names the table.
//! - *Secrets*: connectorx gets the settings as a value, never as a URL, so that no text of its own can hold the password.
//!
//! # What it cannot do
//! - Unix sockets: the place where `line` stands is the one of TLS, which they have not. Refused before anything is read.
//! - Share sessions: connectorx' source is used up by one read. While a slice is read, its session comes on top of those
//!   that the snapshot holds ready: at most `source.connections` more.
//! - Fail fast on a connection: its pool tries for thirty seconds before it gives up.
//! - Verification is always by `copy`, so that what connectorx has read is compared by other code.

mod bridge;
mod line;
mod plan;
mod read;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::line::{Watch, line, out_of_reach};
use self::plan::Plan;
use self::read::{Order, read};
use super::PostgresSource;
use super::connect::{PREAMBLE, Session, place_name};
use super::decode::Noted;
use super::failure::malformed;
use super::partition::{is_by_key, way};
use super::target::{Address, Place, Target};
use crate::dataflow::{Partition, SendableRecordBatchStream};
use crate::error::{Error, Result};

/// Whether the source can be reached: connectorx' connection is watched where TLS would be, which a Unix socket has not.
pub(super) fn require_reach(target: &Target) -> Result<()> {
    let unix = target.places.iter().any(|place| matches!(place.at, Address::Unix { .. }));
    if unix { Err(out_of_reach()) } else { Ok(()) }
}

/// What the thread says.
enum Word {
    Batch(RecordBatch),
    /// Nothing comes after this.
    End(Result<Noted>),
}

/// The rows of a slice. See [`crate::dataflow::Source::scan`].
pub(super) async fn scan(source: &PostgresSource, partition: &Partition) -> Result<SendableRecordBatchStream> {
    let layout = source.layout(partition).await?;
    let schema = layout.schema.clone();
    let inner = &source.inner;
    let tables = source.catalog().await?;
    let table = source.selected(&tables, &partition.table)?;
    let plan = Plan::of(&inner.control.client, table, &partition.slice).await?;
    let snapshot = source.open_snapshot().await?;
    let mut before = Vec::new();
    if plan.ascii {
        before.push("set client_encoding = 'SQL_ASCII'".to_owned());
    }
    before.push(PREAMBLE.to_owned());
    before.push("begin isolation level repeatable read read only".to_owned());
    before.push(format!("set transaction snapshot '{}'", snapshot.name.id.replace('\'', "''")));
    if is_by_key(inner.version, table) {
        before.push(way(&partition.slice).to_owned());
    }
    let (place, peer) = seat(&inner.target, snapshot.holder())?;
    let (config, line) = line(&inner.target, place, peer, plan.by_tls)?;
    let scan =
        Scan { words: None, brake: Stop(line.watch.clone()), source: source.clone(), partition: partition.clone() };
    let scan = scan.start(Order { config, line, before, plan, layout, pace: inner.pace.clone() })?;
    let batches = stream::try_unfold(scan, |mut scan| async move {
        let batch = scan.next().await.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(batch.map(|batch| (batch, scan)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

/// Where the snapshot's holder is: no other server knows the snapshot.
fn seat<'a>(target: &'a Target, holder: &Session) -> Result<(&'a Place, Option<IpAddr>)> {
    let peer = holder.peer.map(|(address, _)| address);
    let here = |place: &&Place| {
        let address = if let Address::Tcp { address, .. } = &place.at { *address } else { None };
        place_name(place) == holder.place && (address.is_none() || address == peer)
    };
    Ok((target.places.iter().find(here).ok_or_else(out_of_reach)?, peer))
}

/// Ends the connection, and so the thread, when the stream goes.
struct Stop(Arc<Watch>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A slice on its way from the thread.
struct Scan {
    words: Option<mpsc::Receiver<Word>>,
    brake: Stop,
    source: PostgresSource,
    partition: Partition,
}

impl Scan {
    /// Starts the thread.
    fn start(mut self, order: Order) -> Result<Self> {
        let (sender, words) = mpsc::channel(1);
        let table = self.partition.table.to_string();
        let work = move || {
            let reading = || read(order, |batch| sender.blocking_send(Word::Batch(batch)).is_ok());
            // What is left behind by a panic is dropped with the thread; nothing of it is used again.
            let ended = catch_unwind(AssertUnwindSafe(reading)).unwrap_or_else(|panic| Err(panicked(&table, &*panic)));
            // Without a receiver nobody wants to know.
            let _ = sender.blocking_send(Word::End(ended));
        };
        let started = std::thread::Builder::new().name("connectorx".into()).spawn(work);
        started.map_err(|cause| Error::Source {
            table: self.partition.table.to_string(),
            message: "no thread can be started for the reader: lower source.connections".into(),
            transient: true,
            cause: Some(cause.into()),
        })?;
        self.words = Some(words);
        Ok(self)
    }

    /// The next batch; none when the whole slice was read and is accepted.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let silence = self.source.inner.config.silence;
        let Some(words) = &mut self.words else { return Ok(None) };
        let word = loop {
            let received = self.brake.0.received();
            match timeout(silence, words.recv()).await {
                Ok(word) => break word,
                Err(_) if self.brake.0.received() > received => {}
                Err(_) => {
                    return Err(Error::Source {
                        table: self.partition.table.to_string(),
                        message: format!("the server sent nothing for {silence:?}; what came is discarded"),
                        transient: true,
                        cause: None,
                    });
                }
            }
        };
        match word {
            Some(Word::Batch(batch)) => Ok(Some(batch)),
            Some(Word::End(ended)) => {
                self.words = None;
                self.source.note(&self.partition, ended?);
                Ok(None)
            }
            None => Err(malformed(&self.partition.table.to_string(), "the reader's thread ended without a word")),
        }
    }
}

/// The error of a panic of connectorx.
fn panicked(table: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    malformed(
        table,
        format!("connectorx has panicked ({}); read the table with --reader copy", text.unwrap_or("without a word")),
    )
}
