//! `raw/_exceptions`: a file a slice, durable before the table's manifest, which names it; at the end one manifest for all.
//!
//! So a process that is killed loses no exception of a table that it has committed, and the next one has nothing to
//! compose: the files of the tables that are kept are those of the dataset.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use super::tables::Committed;
use crate::dataflow::{Sink, WriteSummary};
use crate::error::{Error, Result};
use crate::source::{Exception, exceptions_batch, exceptions_schema};
use crate::staging::{Dataset, ExceptionsNote, Manifest, RunFolder, SnapshotNote, part_name};

/// The dataset while tables add their files to it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ExceptionFiles {
    dataset: Dataset,
    schema: SchemaRef,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl ExceptionFiles {
    /// The dataset with the files of the tables that are kept.
    pub(super) fn new(run: &RunFolder, kept: &[Committed]) -> Self {
        let names = kept.iter().flat_map(|table| &table.manifest.exceptions).map(|note| note.file.name.clone());
        Self { dataset: run.exceptions(), schema: exceptions_schema(), taken: Arc::new(Mutex::new(names.collect())) }
    }

    /// Writes a slice's exceptions; when it returns they are durable, and nothing refers to them yet.
    pub(super) async fn add(&self, exceptions: &[Exception]) -> Result<ExceptionsNote> {
        let number = self.take_number();
        let WriteSummary { mut files, checksum, .. } = self.write(number, exceptions).await?;
        let file = files.pop().ok_or_else(|| Error::Staging {
            path: self.dataset.url(),
            message: "the exceptions gave no file".into(),
            cause: None,
        })?;
        Ok(ExceptionsNote { file, checksum })
    }

    /// Commits the dataset: last, so that its manifest says that the extraction is complete.
    pub(super) async fn commit(&self, done: &[Committed], newest: &SnapshotNote) -> Result<()> {
        let part = |note: &ExceptionsNote| WriteSummary {
            rows: note.file.rows,
            bytes: note.file.bytes,
            files: vec![note.file.clone()],
            checksum: note.checksum,
            ..WriteSummary::default()
        };
        let mut parts: Vec<_> = done.iter().flat_map(|table| &table.manifest.exceptions).map(part).collect();
        if parts.is_empty() {
            // A file without rows, so that the dataset has its columns.
            parts.push(self.write(0, &[]).await?);
        }
        let mut manifest = Manifest::new(&self.dataset, &self.schema, parts);
        manifest.snapshot = Some(newest.clone());
        self.dataset.commit(&manifest).await
    }

    fn take_number(&self) -> usize {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (0..).find(|number| taken.insert(part_name(*number)));
        number.unwrap_or_default()
    }

    async fn write(&self, number: usize, exceptions: &[Exception]) -> Result<WriteSummary> {
        let batch = exceptions_batch(exceptions)
            .map_err(|cause| Error::staging(self.dataset.url(), "the exceptions make no batch", cause))?;
        let rows = RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter([Ok::<_, DataFusionError>(batch)]));
        self.dataset.parquet_part(number, self.schema.clone()).write_all(Box::pin(rows)).await
    }
}
