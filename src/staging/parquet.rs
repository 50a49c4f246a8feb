//! Parquet files written while their rows arrive.

use std::sync::Arc;

use ::parquet::arrow::AsyncArrowWriter;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::path::Path;

use super::StagingArea;
use super::encoding::writer_properties;
use super::object::ObjectWriter;
use crate::dataflow::{ContentChecksum, Progress, SendableRecordBatchStream, Sink, WriteSummary, WrittenFile};
use crate::error::{Error, Result};

/// One Parquet file of a dataset, encoded as its first batch suggests.
#[derive(Debug)]
pub struct ParquetPart {
    area: StagingArea,
    key: Path,
    name: String,
    schema: SchemaRef,
    progress: Progress,
}

impl ParquetPart {
    pub(super) fn new(area: StagingArea, key: Path, name: String, schema: SchemaRef) -> Self {
        Self { area, key, name, schema, progress: Progress::default() }
    }

    /// Counts rows and in-memory bytes on `progress` while they are written.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    fn failed(&self, cause: impl Into<crate::error::Cause>) -> Error {
        Error::staging(self.area.url_of(&self.key), "cannot be written", cause)
    }
}

#[async_trait]
impl Sink for ParquetPart {
    /// Writes one file; a stream without rows gives a file with the schema alone. A dataset without columns has no
    /// files (Parquet has no form for them), its rows are only counted.
    async fn write_all(&self, mut batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        let mut checksum = ContentChecksum::default();
        if self.schema.fields().is_empty() {
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                checksum.update(&batch)?;
            }
            return Ok(WriteSummary { rows: checksum.rows, checksum, ..WriteSummary::default() });
        }
        let mut object = ObjectWriter::create(&self.area, &self.key).await?;
        if let Err(error) = self.write_rows(batches, &mut object, &mut checksum).await {
            object.abandon().await;
            return Err(error);
        }
        let (bytes, blake3) = object.digest();
        let file = WrittenFile { name: self.name.clone(), rows: checksum.rows, bytes, blake3 };
        Ok(WriteSummary { rows: checksum.rows, bytes, files: vec![file], checksum, ..WriteSummary::default() })
    }
}

impl ParquetPart {
    async fn write_rows(
        &self,
        mut batches: SendableRecordBatchStream,
        object: &mut ObjectWriter,
        checksum: &mut ContentChecksum,
    ) -> Result<()> {
        let mut next = batches.try_next().await.map_err(Error::from_datafusion)?;
        let properties = writer_properties(self.area.compression(), next.as_ref())?;
        let mut writer = AsyncArrowWriter::try_new(object, Arc::clone(&self.schema), Some(properties))
            .map_err(|cause| self.failed(cause))?;
        while let Some(batch) = next {
            // Rows are hashed on another thread while they are encoded.
            let rows = batch.clone();
            let hashed = tokio::task::spawn_blocking(move || ContentChecksum::of(&rows));
            writer.write(&self.conform(batch)?).await.map_err(|cause| self.failed(cause))?;
            checksum.merge(&hashed.await.map_err(|cause| self.failed(cause))??);
            next = batches.try_next().await.map_err(Error::from_datafusion)?;
        }
        writer.close().await.map(drop).map_err(|cause| self.failed(cause))
    }

    /// The batch under the declared schema: a stream may drop field metadata on its way through a plan.
    fn conform(&self, batch: RecordBatch) -> Result<RecordBatch> {
        self.progress.advance(batch.num_rows() as u64, batch.get_array_memory_size() as u64);
        if batch.schema_ref() == &self.schema {
            return Ok(batch);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec()).map_err(|cause| self.failed(cause))
    }
}
