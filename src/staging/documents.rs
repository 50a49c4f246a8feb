//! JSON documents: the instance object of each asset, as Flex's hot folder reads it and the REST load sends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::manifest::VERSION;
use super::object::{self, ObjectWriter};
use super::{StagingArea, json, safe_name};
use crate::dataflow::{SendableRecordBatchStream, WriteSummary, WrittenFile};
use crate::error::{Error, Result};

/// Documents written at the same time.
const AT_ONCE: usize = 16;
/// Bytes of NDJSON gathered before they are written.
const BLOCK: usize = 1 << 20;

/// What tells that the documents of a definition are all there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DocumentsManifest {
    manifest_version: u32,
    /// The documents; each is a file of the definition's folder.
    rows: u64,
    /// The file of lines.
    lines: WrittenFile,
    /// Hashes of what they were made from, by name.
    inputs: BTreeMap<String, String>,
}

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
    /// fields. Documents of an earlier attempt are removed first, their manifest before them; when it returns, all files
    /// are durable. The summary's
    /// only file is the NDJSON file.
    ///
    /// # Errors
    /// When the stream fails, a value has no JSON form, or a file cannot be written.
    pub async fn write(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        self.withdraw().await?;
        let safe = safe_name(&self.definition, false);
        let folder = self.own_folder();
        self.area.delete_prefix(&folder).await?;
        let name = format!("{safe}.ndjson");
        let mut lines = ObjectWriter::create(&self.area, &self.folder.clone().join(name.as_str())).await?;
        let mut summary = match self.write_rows(batches, &folder, &mut lines).await {
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

    /// Says of what [`Documents::write`] wrote that it is all, and what it was made from.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub async fn commit(&self, written: &WriteSummary, inputs: BTreeMap<String, String>) -> Result<()> {
        let place = self.manifest_path();
        let Some(lines) = written.files.first().cloned() else { return Ok(()) };
        let manifest = DocumentsManifest { manifest_version: VERSION, rows: written.rows, lines, inputs };
        let bytes = serde_json::to_vec_pretty(&manifest)
            .map_err(|cause| Error::staging(self.area.url_of(&place), "the manifest gives no JSON", cause))?;
        object::create_new(&self.area, &place, bytes.into()).await
    }

    /// The number of the documents, if they are all there and were made from just these inputs. Their bytes are not read.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn rows_made_from(&self, inputs: &BTreeMap<String, String>) -> Result<Option<u64>> {
        let place = self.manifest_path();
        // A manifest that cannot be understood is none: the documents are written again.
        let found = object::read_json::<Value>(&self.area, &place).await.ok().flatten();
        let found: Option<DocumentsManifest> = found.and_then(|value| serde_json::from_value(value).ok());
        let Some(found) = found.filter(|found| found.manifest_version == VERSION && found.inputs == *inputs) else {
            return Ok(None);
        };
        let store = self.area.store();
        match store.head(&self.folder.clone().join(found.lines.name.as_str())).await {
            Ok(lines) if lines.size == found.lines.bytes => {}
            Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(cause) => return Err(Error::staging(self.area.url_of(&place), "its file cannot be found", cause)),
        }
        let failed = |cause| Error::staging(self.area.url_of(&self.folder), "cannot be listed", cause);
        let count = store.list(Some(&self.own_folder())).try_fold(0, |count, _| async move { Ok(count + 1) });
        Ok((count.await.map_err(failed)? == found.rows).then_some(found.rows))
    }

    async fn withdraw(&self) -> Result<()> {
        let place = self.manifest_path();
        match self.area.store().delete(&place).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(Error::staging(self.area.url_of(&place), "cannot be deleted", cause)),
        }
    }

    fn own_folder(&self) -> Path {
        self.folder.clone().join(safe_name(&self.definition, false))
    }

    fn manifest_path(&self) -> Path {
        self.folder.clone().join(format!("{}.manifest.json", safe_name(&self.definition, false)))
    }

    async fn write_rows(
        &self,
        mut batches: SendableRecordBatchStream,
        folder: &Path,
        lines: &mut ObjectWriter,
    ) -> Result<WriteSummary> {
        let failed = |cause| Error::staging(self.area.url_of(&self.folder), "documents cannot be written", cause);
        let mut summary = WriteSummary::default();
        let mut block = BytesMut::new();
        while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
            let mut documents = Vec::with_capacity(batch.num_rows());
            for index in 0..batch.num_rows() {
                let (key, bytes) = self.split(json::row(&batch, index)?, &mut block)?;
                documents.push((folder.clone().join(format!("{}.json", safe_name(&key, true))), bytes));
            }
            summary.rows += batch.num_rows() as u64;
            summary.checksum.update(&batch)?;
            let area = Arc::new(self.area.clone());
            futures::stream::iter(documents)
                .map(|(place, bytes)| {
                    let area = Arc::clone(&area);
                    async move { object::replace(&area, &place, bytes).await }
                })
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
            if block.len() >= BLOCK {
                lines.append(block.split().freeze()).await.map_err(failed)?;
            }
        }
        lines.append(block.freeze()).await.map_err(failed)?;
        lines.finish().await.map_err(failed)?;
        Ok(summary)
    }

    /// The row's key and instance document; its line is appended to `block`.
    fn split(&self, mut row: Map<String, Value>, block: &mut BytesMut) -> Result<(String, Bytes)> {
        let no_json = |cause: serde_json::Error| Error::staging(self.definition.clone(), "a row gives no JSON", cause);
        let key = row.shift_remove("source_key").and_then(|key| Some(key.as_str()?.to_owned())).unwrap_or_default();
        let name = row.shift_remove("name").unwrap_or(Value::Null);
        let document = serde_json::to_vec(&row).map_err(no_json)?;
        let line = json!({"source_key": key, "name": name, "instance": row});
        serde_json::to_writer(block.writer(), &line).map_err(no_json)?;
        block.put_u8(b'\n');
        Ok((key, document.into()))
    }
}
