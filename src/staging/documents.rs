//! JSON documents: the instance object of each asset, as Flex's hot folder reads it and the REST load sends it.

use std::mem::take;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;

use super::object::{self, ObjectWriter};
use super::{StagingArea, json, safe_name};
use crate::dataflow::{SendableRecordBatchStream, WriteSummary, WrittenFile};
use crate::error::{Error, Result};

/// Documents written at the same time.
const AT_ONCE: usize = 16;
/// Bytes of NDJSON gathered before they are written.
const BLOCK: usize = 1 << 20;

/// The documents of one definition: `documents/{definition}/{source key}.json`, and all of them as
/// `documents/{definition}.ndjson`, one line `{"source_key", "name", "instance"}` an asset.
#[derive(Debug, Clone)]
pub struct Documents {
    area: StagingArea,
    folder: Path,
    definition: String,
}

impl Documents {
    pub(super) fn new(area: &StagingArea, folder: Path, definition: &str) -> Self {
        Self { area: area.clone(), folder, definition: definition.to_owned() }
    }

    /// Writes the documents of all rows. The batches hold the columns `source_key` and `name`, then the instance's
    /// fields. Documents of an earlier attempt are removed first; when it returns, all files are durable. The summary's
    /// only file is the NDJSON file.
    ///
    /// # Errors
    /// When the stream fails, a value has no JSON form, or a file cannot be written.
    pub async fn write(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        let folder = self.folder.clone().join(safe_name(&self.definition, false).as_str());
        self.area.delete_prefix(&folder).await?;
        self.write_lines_and(batches, Some(&folder)).await
    }

    /// Writes all rows as `documents/{definition}.ndjson` alone, one line a row with all its columns. Durable when it
    /// returns.
    ///
    /// # Errors
    /// When the stream fails, a value has no JSON form, or the file cannot be written.
    pub async fn write_lines(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        self.write_lines_and(batches, None).await
    }

    async fn write_lines_and(&self, batches: SendableRecordBatchStream, folder: Option<&Path>) -> Result<WriteSummary> {
        let name = format!("{}.ndjson", safe_name(&self.definition, false));
        let mut lines = ObjectWriter::create(&self.area, &self.folder.clone().join(name.as_str())).await?;
        let mut summary = match self.write_rows(batches, folder, &mut lines).await {
            Ok(summary) => summary,
            Err(error) => {
                lines.abandon().await;
                return Err(error);
            }
        };
        let (bytes, blake3) = lines.digest();
        summary.bytes = bytes;
        summary.files = vec![WrittenFile { name, rows: summary.rows, bytes, blake3 }];
        Ok(summary)
    }

    async fn write_rows(
        &self,
        mut batches: SendableRecordBatchStream,
        folder: Option<&Path>,
        lines: &mut ObjectWriter,
    ) -> Result<WriteSummary> {
        let failed = |cause| Error::staging(self.area.url_of(&self.folder), "documents cannot be written", cause);
        let mut summary = WriteSummary::default();
        let mut block = Vec::new();
        while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
            match folder {
                Some(folder) => self.put(documents_of(&batch, folder, &mut block)?).await?,
                None => lines_of(&batch, &mut block)?,
            }
            summary.rows += batch.num_rows() as u64;
            summary.checksum.update(&batch)?;
            if block.len() >= BLOCK {
                lines.append(take(&mut block).into()).await.map_err(failed)?;
            }
        }
        lines.append(block.into()).await.map_err(failed)?;
        lines.finish().await.map_err(failed)?;
        Ok(summary)
    }

    /// Writes documents, some at the same time.
    async fn put(&self, documents: Vec<(Path, Bytes)>) -> Result<()> {
        futures::stream::iter(documents)
            .map(|(place, bytes)| async move { object::replace(&self.area, &place, bytes).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

/// Appends each row as a line.
fn lines_of(batch: &RecordBatch, block: &mut Vec<u8>) -> Result<()> {
    let rows = json::Rows::new(batch, &[]);
    for index in 0..batch.num_rows() {
        rows.write(index, block)?;
        block.push(b'\n');
    }
    Ok(())
}

/// The place and text of each row's document; its line is appended to `block`.
fn documents_of(batch: &RecordBatch, folder: &Path, block: &mut Vec<u8>) -> Result<Vec<(Path, Bytes)>> {
    let keys = texts(batch, "source_key")?;
    let names = texts(batch, "name")?;
    let instances = json::Rows::new(batch, &["source_key", "name"]);
    let mut documents = Vec::with_capacity(batch.num_rows());
    for index in 0..batch.num_rows() {
        let key = keys.as_ref().map_or("", |keys| keys.value(index));
        let mut document = Vec::new();
        instances.write(index, &mut document)?;
        block.extend_from_slice(b"{\"source_key\":");
        json::string(key, block);
        block.extend_from_slice(b",\"name\":");
        match names.as_ref().filter(|names| names.is_valid(index)) {
            Some(names) => json::string(names.value(index), block),
            None => block.extend_from_slice(b"null"),
        }
        block.extend_from_slice(b",\"instance\":");
        block.extend_from_slice(&document);
        block.extend_from_slice(b"}\n");
        documents.push((folder.clone().join(format!("{}.json", safe_name(key, true))), document.into()));
    }
    Ok(documents)
}

/// A text column, whatever its layout.
fn texts(batch: &RecordBatch, name: &str) -> Result<Option<StringArray>> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let failed = |cause| Error::staging(format!("column {name}"), "is no text", cause);
    Ok(Some(cast(column, &DataType::Utf8).map_err(failed)?.as_string().clone()))
}
