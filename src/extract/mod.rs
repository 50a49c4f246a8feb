//! Step 2: every selected table of the source into `raw/`.
//!
//! The partitions of all tables go to as many readers as there are connections, the biggest first. A partition is one
//! Parquet file; when the last one of a table is durable, the table's exceptions and then its manifest are committed.
//! Memory is bounded by the readers (a batch and an open row group each), not by the tables.
//!
//! All that one process reads is of one moment: one snapshot. A run that was broken off goes on table by table: tables
//! that are committed stay, the others are read under a new snapshot, and each table's manifest names its own. Where it
//! is known that nobody wrote in between ([`SnapshotNote::is_moment_of`]; so it is with a restored copy) that is one
//! moment still; else the report, the log and the steps after this one say which tables are of which moment, and a new
//! run is the way to one moment. A committed table that was altered in the source since cannot stay: the run is refused.

mod exceptions;
mod held;
mod report;
mod tables;

use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use self::exceptions::ExceptionFiles;
use self::held::Held;
pub use self::report::{ExtractReport, ExtractedTable, SkippedTable, SnapshotUse};
use self::tables::{Committed, TableWork, Work};
use crate::dataflow::{Partition, Progress, Sink, Source, TableMeta, TableName, WriteSummary};
use crate::error::{Error, Result};
use crate::source::{PostgresSource, Tries};
use crate::staging::{RunFolder, SnapshotNote};

/// Committed tables that an error names; the others are counted.
const NAMED: usize = 8;

/// Extracts all selected tables. When it returns, every table's dataset and `raw/_exceptions` are committed, and no file
/// that nothing refers to is left in `raw/`.
///
/// A table that this run has committed is not read again, whatever its snapshot; see the module's rule. A run whose
/// extraction is complete is left as it is.
///
/// # Errors
/// When another process writes the run, a committed table is no longer selected or was altered, the snapshot cannot be
/// taken, a table cannot be read or written, or `cancel` stops the work. Committed tables stay; the same run goes on.
pub async fn run(
    source: &PostgresSource,
    run: &RunFolder,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<ExtractReport> {
    let lease = run.lease("extract").await?;
    let extracted = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Interrupted { signal: 2 }),
        extracted = extract(source, run, progress) => extracted,
    };
    lease.release().await;
    extracted
}

async fn extract(source: &PostgresSource, run: &RunFolder, progress: &Progress) -> Result<ExtractReport> {
    let begun = Instant::now();
    let tables = source.tables().await?;
    let skipped = source.skipped().await?;
    let mut held = Held::read(run).await?;
    if let Some(done) = held.complete(run, &tables).await? {
        run.sweep_raw(held.manifests()).await?;
        let newest = newest(&done).unwrap_or_default();
        return Ok(ExtractReport::new(run.id(), &newest, begun.elapsed(), done, skipped));
    }
    held.require_fitting(run, &tables)?;
    let mut done = held.take_kept();
    run.exceptions().withdraw().await?;
    run.sweep_raw(done.iter().map(|kept| (&kept.table, &kept.manifest))).await?;

    let exceptions = ExceptionFiles::new(run, &done);
    let is_kept = |table: &TableMeta| done.iter().any(|kept| kept.table == table.table);
    let rest: Vec<TableMeta> = tables.into_iter().filter(|table| !is_kept(table)).collect();
    let mut taken = None;
    if !rest.is_empty() || done.is_empty() {
        let snapshot = source.snapshot().await?;
        let all = done.len() + rest.len();
        let planned = Work::plan(source, run, rest, &snapshot, progress).await;
        let work = planned.map_err(|error| explain(error, run, &done, &[], all))?;
        let read = read_all(source, &work, &exceptions, progress).await;
        done.extend(read.map_err(|error| explain(error, run, &done, &work.committed(), all))?);
        taken = Some(snapshot);
    }
    tables::require_committed(run, &done).await?;
    let newest = taken.or_else(|| newest(&done)).unwrap_or_default();
    exceptions.commit(&done, &newest).await?;
    let report = ExtractReport::new(run.id(), &newest, begun.elapsed(), done, skipped);
    if let Some(remark) = &report.remark {
        warn!("{remark}");
    }
    Ok(report)
}

/// The snapshot that was taken last.
fn newest(done: &[Committed]) -> Option<SnapshotNote> {
    done.iter().filter_map(|table| table.manifest.snapshot.as_ref()).max_by(|a, b| a.at.cmp(&b.at)).cloned()
}

/// Says with a failure what is done already and what to do for the rest.
fn explain(error: Error, run: &RunFolder, kept: &[Committed], committed: &[TableName], all: usize) -> Error {
    let kept = kept.iter().map(|table| &table.table);
    let mut done: Vec<String> = kept.chain(committed).map(ToString::to_string).collect();
    let count = done.len();
    done.sort();
    let mut names = done.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if count > NAMED {
        names.push_str(&format!(" and {} more", count - NAMED));
    }
    let names = if count == 0 { String::new() } else { format!(" ({names})") };
    let state = format!(
        "; {count} of {all} tables are committed{names}: `telecine extract --run {}` keeps them and reads the others",
        run.id()
    );
    match error {
        Error::Source { table, message, transient, cause } => {
            Error::Source { table, message: message + &state, transient, cause }
        }
        Error::Staging { path, message, cause } => Error::Staging { path, message: message + &state, cause },
        other => other,
    }
}

/// Reads all partitions, biggest first, and commits each table with its last one.
async fn read_all(
    source: &PostgresSource,
    work: &Work,
    exceptions: &ExceptionFiles,
    progress: &Progress,
) -> Result<Vec<Committed>> {
    let readers = stream::iter(work.jobs()).map(|job| {
        let (source, work, progress) = (source.clone(), work.clone(), progress.clone());
        let exceptions = exceptions.clone();
        async move {
            let read = async move {
                let begun = Instant::now();
                let written = read_partition(&source, &work, &job, &progress).await?;
                work.finish(&source, &exceptions, &job, written, begun.elapsed()).await
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
    readers.buffer_unordered(source.connections()).try_filter_map(|done| async move { Ok(done) }).try_collect().await
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
    let written = write_partition(source, table, partition, progress).await;
    progress.end();
    written
}

async fn write_partition(
    source: &PostgresSource,
    table: &TableWork,
    partition: &Partition,
    progress: &Progress,
) -> Result<WriteSummary> {
    let mut tries = Tries::default();
    loop {
        let written = async {
            let batches = source.scan(partition).await?;
            let sink = table.dataset.parquet_part(partition.number, table.meta.arrow.clone());
            sink.with_progress(progress.clone()).write_all(batches).await
        };
        match written.await {
            Ok(written) => return Ok(written),
            Err(error) => tries.after(format!("{} partition {}", partition.table, partition.number), error).await?,
        }
    }
}
