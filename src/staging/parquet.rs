//! Parquet files written while their rows arrive.

use std::sync::Arc;

use ::parquet::arrow::AsyncArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::path::Path;

use super::StagingArea;
use super::object::ObjectWriter;
use crate::dataflow::{ContentChecksum, Progress, SendableRecordBatchStream, Sink, WriteSummary, WrittenFile};
use crate::error::{Error, Result};

/// Bytes of a row group at most: what a writer holds in memory before it writes. Eight writers at once stay below
/// 256 MiB.
const ROW_GROUP_BYTES: usize = 16 << 20;

/// One Parquet file of a dataset: zstd level 1, statistics a row group, dictionaries.
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
        let mut writer = AsyncArrowWriter::try_new(object, Arc::clone(&self.schema), Some(writer_properties()?))
            .map_err(|cause| self.failed(cause))?;
        while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
            checksum.update(&batch)?;
            writer.write(&self.conform(batch)?).await.map_err(|cause| self.failed(cause))?;
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

/// zstd 1, statistics a chunk, dictionaries, row groups bounded by bytes. `coerce_types` stays off so that Arrow types
/// come back as they went in.
fn writer_properties() -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(1).map_err(|cause| Error::staging("parquet", "zstd level 1", cause))?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(true)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_created_by(concat!("telecine ", env!("CARGO_PKG_VERSION")).to_owned())
        .build())
}
