//! What a step has done, as a dataset that grows with it: a part a chunk of rows. Broken off, the step goes on after the
//! last part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_json::ReaderBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::Delivery;
use super::bucket::Bucket;
use crate::dataflow::Sink;
use crate::error::{Error, Result};
use crate::staging::{Dataset, Manifest, RunFolder};

/// Rows of a part. What was done of a part that was not written is done again.
pub(super) const CHUNK: usize = 2_048;

/// The counts of rows that need another attempt.
const UNDONE: [&str; 2] = ["failed", "different"];

/// A kind of row of a record.
pub(super) trait Row: Serialize + DeserializeOwned + Send + 'static {
    /// Name and type of each column; all may be NULL but the first.
    const COLUMNS: &'static [(&'static str, DataType)];

    /// The counts that the row adds to, each by one.
    fn counts(&self) -> Vec<&str>;
}

/// A record that is being written.
#[derive(Debug)]
pub(super) struct Recording {
    folder: RunFolder,
    dataset: Dataset,
    schema: SchemaRef,
    manifest: Manifest,
}

/// A step's record before it begins.
#[derive(Debug)]
pub(super) enum State {
    /// All is done, from the same inputs.
    Done(Box<Manifest>),
    /// Rows are to be written, after those that are there.
    Open(Box<Recording>),
}

impl Recording {
    /// The record `name` of a delivery, made from `inputs`. One of other inputs, or with rows that failed, is begun anew.
    pub(super) async fn open<T: Row>(
        folder: &RunFolder,
        name: &str,
        inputs: BTreeMap<String, String>,
    ) -> Result<State> {
        let dataset = folder.query(name);
        let undone =
            |manifest: &Manifest| UNDONE.iter().any(|what| manifest.notes.get(*what).is_some_and(|count| *count > 0));
        match dataset.manifest().await? {
            Some(manifest) if manifest.inputs == inputs && !undone(&manifest) => {
                return Ok(State::Done(Box::new(manifest)));
            }
            Some(_) => dataset.discard().await?,
            None => {}
        }
        let field = |(number, (name, kind)): (usize, &(&str, DataType))| Field::new(*name, kind.clone(), number > 0);
        let schema: SchemaRef = Arc::new(Schema::new(T::COLUMNS.iter().enumerate().map(field).collect::<Vec<_>>()));
        let written: Option<Manifest> = folder.get_json(&progress(name)).await?;
        let manifest = match written.filter(|manifest| manifest.inputs == inputs) {
            Some(manifest) => manifest,
            None => {
                dataset.discard().await?;
                Manifest { inputs, ..Manifest::new(&dataset, &schema, []) }
            }
        };
        Ok(State::Open(Box::new(Self { folder: folder.clone(), dataset, schema, manifest })))
    }

    /// Rows that are durable.
    pub(super) fn rows(&self) -> u64 {
        self.manifest.rows
    }

    /// Parts that are durable.
    pub(super) fn parts(&self) -> usize {
        self.manifest.files.len()
    }

    /// Adds a part; its rows are durable when it returns.
    pub(super) async fn append<T: Row>(&mut self, rows: &[T]) -> Result<()> {
        let batch = self.batch(rows)?;
        let stream = futures::stream::iter([Ok(batch)]);
        let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream));
        let part = self.dataset.parquet_part(self.manifest.files.len(), Arc::clone(&self.schema));
        let mut written = part.write_all(stream).await?;
        for count in rows.iter().flat_map(Row::counts) {
            *written.notes.entry(count.to_owned()).or_default() += 1;
        }
        let manifest = &mut self.manifest;
        manifest.rows += written.rows;
        manifest.bytes += written.bytes;
        manifest.files.extend(written.files);
        manifest.checksum.merge(&written.checksum);
        for (name, count) in written.notes {
            *manifest.notes.entry(name).or_default() += count;
        }
        self.folder.put_json(&progress(self.dataset.name()), &self.manifest).await
    }

    /// Adds what `work` makes of each item that the record has no row of yet, and commits it. What the rows tell of is
    /// settled in `place` before they are written. Items come in the same order at every attempt.
    pub(super) async fn fill<I: Send + 'static, T: Row, F: Future<Output = Result<T>> + Send + 'static>(
        mut self: Box<Self>,
        delivery: &Delivery,
        items: BoxStream<'static, Result<Vec<I>>>,
        place: &Bucket,
        work: impl Fn(I) -> F + Clone + Send + 'static,
    ) -> Result<Manifest> {
        let done = usize::try_from(self.manifest.rows).unwrap_or(usize::MAX);
        let items = items.map_ok(|items| futures::stream::iter(items.into_iter().map(Ok))).try_flatten();
        let mut chunks = std::pin::pin!(items.skip(done).try_chunks(CHUNK));
        // A part is written while the next one is worked on.
        let mut ready: Vec<T> = Vec::new();
        while let Some(chunk) = chunks.try_next().await.map_err(|error| error.1)? {
            // Both to their ends: what was done is written also where what follows fails.
            let (worked, written) = futures::join!(worked(chunk, delivery, &work), self.append_settled(&ready, place));
            written?;
            ready = worked?;
        }
        self.append_settled(&ready, place).await?;
        self.finish::<T>().await
    }

    async fn append_settled<T: Row>(&mut self, rows: &[T], place: &Bucket) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        place.settle().await?;
        self.append(rows).await
    }

    /// Commits the record.
    pub(super) async fn finish<T: Row>(mut self) -> Result<Manifest> {
        if self.manifest.files.is_empty() {
            // A file with the columns: SQL finds them where there are no rows, too.
            self.append::<T>(&[]).await?;
        }
        self.dataset.commit(&self.manifest).await?;
        self.folder.remove_json(&progress(self.dataset.name())).await?;
        Ok(self.manifest)
    }

    fn batch<T: Row>(&self, rows: &[T]) -> Result<RecordBatch> {
        let failed = |cause: arrow::error::ArrowError| Error::staging(self.dataset.url(), "rows give no batch", cause);
        let mut decoder =
            ReaderBuilder::new(Arc::clone(&self.schema)).with_batch_size(rows.len().max(1)).build_decoder();
        let decoder = decoder
            .as_mut()
            .map_err(|cause| Error::staging(self.dataset.url(), "rows give no batch", cause.to_string()))?;
        decoder.serialize(rows).map_err(failed)?;
        let batch = decoder.flush().map_err(failed)?;
        Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&self.schema))))
    }
}

/// What `work` makes of the items, in their order: as many tasks as may be under way, on all threads, of which each takes the
/// next item when it is done with one. The first error ends them all.
async fn worked<I: Send + 'static, T: Row, F: Future<Output = Result<T>> + Send + 'static>(
    items: Vec<I>,
    delivery: &Delivery,
    work: &(impl Fn(I) -> F + Clone + Send + 'static),
) -> Result<Vec<T>> {
    let tasks = delivery.config.max_in_flight.min(items.len());
    let queue = Arc::new(Mutex::new(items.into_iter().enumerate()));
    let mut under_way = JoinSet::new();
    for _ in 0..tasks {
        let (queue, cancel, work) = (Arc::clone(&queue), delivery.cancel.clone(), work.clone());
        under_way.spawn(async move {
            let mut rows = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((number, item)) = next else { return Ok::<_, Error>(rows) };
                if cancel.is_cancelled() {
                    return Err(Error::Interrupted { signal: 2 });
                }
                rows.push((number, work(item).await?));
            }
        });
    }
    let mut rows = Vec::new();
    while let Some(done) = under_way.join_next().await {
        rows.extend(done.map_err(|cause| Error::staging(delivery.folder.url(), "a task ended", cause))??);
    }
    rows.sort_unstable_by_key(|(number, _)| *number);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn progress(name: &str) -> String {
    format!("{name}/_progress.json")
}

/// What has been written of a record: all of it, or what a broken-off step left.
pub(super) async fn written(folder: &RunFolder, name: &str) -> Result<Option<Manifest>> {
    match folder.query(name).manifest().await? {
        Some(manifest) => Ok(Some(manifest)),
        None => folder.get_json(&progress(name)).await,
    }
}

/// The committed record of an earlier step.
///
/// # Errors
/// When that step has not come to its end; `step` is what makes it.
pub(super) async fn committed(folder: &RunFolder, name: &str, step: &str) -> Result<Manifest> {
    folder.query(name).manifest().await?.ok_or_else(|| {
        let id = folder.id();
        Error::preflight(format!("delivery {id} has no {name} yet; `telecine deliver {step} --delivery {id}` makes it"))
    })
}

/// The rows of a record, in order, chunk by chunk; damage of a file is an error that names it.
pub(super) fn rows<T: Row>(folder: &RunFolder, manifest: &Manifest) -> BoxStream<'static, Result<Vec<T>>> {
    let dataset = folder.query(&manifest.dataset);
    let files = futures::stream::iter(manifest.files.clone());
    let batches = files.then(move |file| {
        let dataset = dataset.clone();
        async move {
            let batches = dataset.read_part(&file).await?;
            Ok::<_, Error>(batches.map_err(Error::from_datafusion))
        }
    });
    batches.try_flatten().and_then(|batch| async move { of_batch(&batch) }).boxed()
}

/// Rows of a batch, by way of JSON: a record is read once a step, and its rows are few beside the requests they stand for.
fn of_batch<T: Row>(batch: &RecordBatch) -> Result<Vec<T>> {
    let failed = |cause: crate::error::Cause| Error::staging("a record", "has another form than this version's", cause);
    let mut writer = arrow_json::ArrayWriter::new(Vec::new());
    writer.write(batch).and_then(|()| writer.finish()).map_err(|cause| failed(cause.into()))?;
    let bytes = writer.into_inner();
    if bytes.is_empty() { Ok(Vec::new()) } else { serde_json::from_slice(&bytes).map_err(|cause| failed(cause.into())) }
}
