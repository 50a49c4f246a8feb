//! All findings as a Parquet dataset `_reconcile` of the run, written while they are found.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use tokio::task::JoinHandle;

use crate::dataflow::{Sink, WriteSummary};
use crate::error::{Error, Result};
use crate::staging::{Dataset, Manifest, RunFolder};

/// Findings of one batch.
const BATCH: usize = 1_000;

/// One finding: a row of the dataset.
#[derive(Debug, Default)]
pub(super) struct Finding {
    /// Empty where no row of ours is concerned.
    pub(super) source_key: String,
    pub(super) flex_id: Option<i64>,
    /// The definition's id.
    pub(super) definition: Option<i64>,
    /// `missing`, `not loaded`, `duplicate`, `extra`, or how a field differs.
    pub(super) kind: String,
    pub(super) field: Option<String>,
    /// JSON.
    pub(super) expected: Option<String>,
    /// JSON.
    pub(super) found: Option<String>,
}

/// The dataset while it is written; nothing is committed before [`Findings::commit`].
#[derive(Debug)]
pub(super) struct Findings {
    dataset: Dataset,
    schema: SchemaRef,
    waiting: Vec<Finding>,
    batches: mpsc::Sender<RecordBatch>,
    written: JoinHandle<Result<WriteSummary>>,
}

impl Findings {
    /// Begins anew: the findings of an earlier reading are removed.
    pub(super) async fn begin(run: &RunFolder) -> Result<Self> {
        let dataset = run.findings();
        dataset.discard().await?;
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![
            text("source_key", false),
            number("flex_id"),
            number("definition"),
            text("kind", false),
            text("field", true),
            text("expected", true),
            text("found", true),
        ]));
        let (batches, receiver) = mpsc::channel(2);
        let rows = receiver.map(Ok::<_, DataFusionError>);
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), rows);
        let part = dataset.parquet_part(0, Arc::clone(&schema));
        let written = tokio::spawn(async move { part.write_all(Box::pin(rows)).await });
        Ok(Self { dataset, schema, waiting: Vec::new(), batches, written })
    }

    pub(super) async fn add(&mut self, finding: Finding) -> Result<()> {
        self.waiting.push(finding);
        if self.waiting.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Writes what is left; when it returns the dataset is durable. Gives its URL.
    pub(super) async fn commit(mut self) -> Result<String> {
        self.flush().await?;
        drop(self.batches);
        let url = self.dataset.url();
        let written = self.written.await.map_err(|cause| Error::staging(&url, "writing was broken off", cause))??;
        self.dataset.commit(&Manifest::new(&self.dataset, &self.schema, [written])).await?;
        Ok(url)
    }

    async fn flush(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        let texts =
            |of: fn(&Finding) -> Option<&str>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<StringArray>()) };
        let numbers =
            |of: fn(&Finding) -> Option<i64>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<Int64Array>()) };
        let columns = vec![
            texts(|row| Some(&row.source_key)),
            numbers(|row| row.flex_id),
            numbers(|row| row.definition),
            texts(|row| Some(&row.kind)),
            texts(|row| row.field.as_deref()),
            texts(|row| row.expected.as_deref()),
            texts(|row| row.found.as_deref()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|cause| Error::staging(self.dataset.url(), "the findings make no batch", cause))?;
        // A writer that has failed says why when it is committed.
        let _ = self.batches.send(batch).await;
        Ok(())
    }
}
