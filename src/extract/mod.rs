//! Step 2: every selected table of the source into `raw/`, all of them at one moment.
//!
//! The partitions of all tables go to as many readers as there are connections, the biggest first. A partition is one
//! Parquet file; when the last one of a table is durable, the table's manifest is committed. Memory is bounded by the
//! readers (a batch and an open row group each), not by the tables.

mod report;
mod tables;

use std::collections::BTreeMap;
use std::time::Instant;

use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

pub use self::report::{ExtractReport, ExtractedTable, SkippedTable};
use self::tables::{Committed, Work};
use crate::dataflow::{Partition, Progress, Sink, Source, WriteSummary};
use crate::error::{Error, Result};
use crate::source::{PostgresSource, exceptions_batch, exceptions_schema, pause};
use crate::staging::{Manifest, RunFolder, SnapshotNote};

/// Tries to read a partition whose read broke off for a passing reason.
const TRIES: u32 = 3;

/// Extracts all selected tables. When it returns, every table's dataset and `raw/_exceptions` are committed.
///
/// A table that this run has committed under the same snapshot is not read again; one of another snapshot is read again,
/// so that all of `raw/` is of one moment. A run whose extraction is complete is left as it is.
///
/// # Errors
/// When another process writes the run, the snapshot cannot be taken, a table cannot be read or written, or `cancel` stops
/// the work. Committed tables stay; the same command goes on.
pub async fn run(
    source: &PostgresSource,
    run: &RunFolder,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<ExtractReport> {
    let lease = run.lease("extract").await?;
    let extracted = extract(source, run, progress, cancel).await;
    lease.release().await;
    extracted
}

async fn extract(
    source: &PostgresSource,
    run: &RunFolder,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<ExtractReport> {
    let begun = Instant::now();
    let tables = source.tables().await?;
    let skipped = source.skipped().await?;
    if let Some(report) = tables::complete(run, &tables, &skipped).await? {
        return Ok(report);
    }
    let name = source.snapshot().await?;
    let snapshot = SnapshotNote { id: name.id, lsn: name.lsn, at: name.at };
    run.exceptions().discard().await?;
    let (work, mut done) = Work::plan(source, run, tables, &snapshot, progress).await?;
    done.extend(read_all(source, &work, progress, cancel).await?);
    commit_exceptions(source, run, &done, &snapshot).await?;
    Ok(ExtractReport::new(run.id(), &snapshot, begun.elapsed(), done, skipped))
}

/// Reads all partitions, biggest first, and commits each table with its last one.
async fn read_all(
    source: &PostgresSource,
    work: &Work,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<Vec<Committed>> {
    let readers = stream::iter(work.jobs()).map(|job| {
        let (source, work, progress) = (source.clone(), work.clone(), progress.clone());
        async move {
            let read = async move {
                let begun = Instant::now();
                let written = read_partition(&source, &work, &job, &progress).await?;
                work.finish(&source, &job, written, begun.elapsed()).await
            };
            // A task of its own: decoding and encoding of the readers run on as many cores as there are.
            AbortOnDropHandle::new(tokio::spawn(read)).await.unwrap_or_else(|cause| {
                Err(Error::Source {
                    table: "reader".into(),
                    message: "a reader ended abnormally: run the same command again".into(),
                    transient: false,
                    cause: Some(cause.into()),
                })
            })
        }
    });
    let all = readers.buffer_unordered(source.connections()).try_filter_map(|done| async move { Ok(done) });
    tokio::select! {
        done = all.try_collect() => done,
        () = cancel.cancelled() => Err(Error::Interrupted { signal: 2 }),
    }
}

/// One partition into its Parquet file, again if the read breaks off for a passing reason.
async fn read_partition(
    source: &PostgresSource,
    work: &Work,
    partition: &Partition,
    progress: &Progress,
) -> Result<WriteSummary> {
    let table = work.table(&partition.table)?;
    progress.begin();
    let mut tries = 1;
    let written = loop {
        let written = async {
            let batches = source.scan(partition).await?;
            let sink = table.dataset.parquet_part(partition.number, table.meta.arrow.clone());
            sink.with_progress(progress.clone()).write_all(batches).await
        };
        match written.await {
            Err(error) if error.is_transient() && tries < TRIES => {
                warn!(table = %partition.table, partition = partition.number, %error, "reading again");
                pause(tries).await;
                tries += 1;
            }
            ended => break ended,
        }
    };
    progress.end();
    written
}

/// Commits `raw/_exceptions`: last, so that its manifest says that the extraction is complete.
async fn commit_exceptions(
    source: &PostgresSource,
    run: &RunFolder,
    done: &[Committed],
    snapshot: &SnapshotNote,
) -> Result<()> {
    tables::require_committed(run, done).await?;
    let dataset = run.exceptions();
    let mut notes = BTreeMap::new();
    let mut batches = Vec::new();
    for table in done {
        let noted = source.noted(&table.table);
        let counted: u64 = noted.exceptional.values().sum();
        let unlisted = counted.saturating_sub(noted.exceptions.len() as u64);
        if unlisted > 0 {
            warn!(table = %table.table, unlisted, "more exceptions than are listed");
            notes.insert(format!("{}: counted, not listed", table.table), unlisted);
        }
        let batch = exceptions_batch(&noted.exceptions);
        batches.push(batch.map_err(|cause| Error::staging(dataset.url(), "the exceptions make no batch", cause)));
    }
    let batches = batches.into_iter().map(|batch| batch.map_err(|error| DataFusionError::External(Box::new(error))));
    let schema = exceptions_schema();
    let rows = RecordBatchStreamAdapter::new(schema.clone(), stream::iter(batches));
    let written = dataset.parquet_part(0, schema.clone()).write_all(Box::pin(rows)).await?;
    let mut manifest = Manifest::new(&dataset, &schema, [written]);
    manifest.snapshot = Some(snapshot.clone());
    manifest.notes = notes;
    dataset.commit(&manifest).await
}
