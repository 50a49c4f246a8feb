//! JSON documents: the instance object of each asset, as Flex's hot folder reads it and the REST load sends it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::channel::mpsc;
use futures::{SinkExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::VERSION;
use super::object::{self, ObjectWriter};
use super::{Dataset, ParquetPart, StagingArea, json, safe_name};
use crate::dataflow::{SendableRecordBatchStream, Sink, WriteSummary, WrittenFile};
use crate::error::{Error, Result};

/// Documents written to a folder at the same time; how many to a bucket is a setting.
const FILES_AT_ONCE: usize = 16;
/// Batches turned into text at the same time; each is held as rows and as text.
const TEXTS_AT_ONCE: usize = 2;

/// A piece of the index, on its way to its file.
type Entries = Result<RecordBatch, DataFusionError>;

/// What tells that the documents of a definition are all there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DocumentsManifest {
    manifest_version: u32,
    /// The documents; each is a file of the definition's folder.
    rows: u64,
    /// The file of lines.
    lines: WrittenFile,
    /// The file that says of each document what it was made of and how it is checked; none where there are lines alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<WrittenFile>,
    /// Hashes of what they were made from, by name.
    inputs: BTreeMap<String, String>,
}

/// A batch as text.
struct Texts {
    rows: usize,
    /// Its lines.
    block: Vec<u8>,
    /// Place and text of each row's document.
    documents: Vec<(Path, Bytes)>,
    /// The rows of the index.
    index: RecordBatch,
}

/// The documents of one definition: `documents/{definition}/{source key}.json`, and all of them as
/// `documents/{definition}.ndjson`, one line `{"source_key", "name", "instance"}` an asset. `documents/{definition}.parquet`
/// says of each document `source_key`, `document` (its file's name), `bytes` and `blake3`, in the order of the lines.
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
    /// are durable. The summary's files are the NDJSON file and the index.
    ///
    /// # Errors
    /// When the stream fails, a value has no JSON form, or a file cannot be written.
    pub async fn write(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        self.write_lines_and(batches, Some(&self.own_folder())).await
    }

    /// Writes all rows as `documents/{definition}.ndjson` alone, one line a row with all its columns. What is there of
    /// an earlier attempt is removed first; durable when it returns.
    ///
    /// # Errors
    /// When the stream fails, a value has no JSON form, or the file cannot be written.
    pub async fn write_lines(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        self.write_lines_and(batches, None).await
    }

    async fn write_lines_and(&self, batches: SendableRecordBatchStream, folder: Option<&Path>) -> Result<WriteSummary> {
        self.withdraw().await?;
        self.area.delete_prefix(&self.own_folder()).await?;
        self.area.delete(&self.index_path()).await?;
        let name = self.file_name("ndjson");
        let mut lines = ObjectWriter::create(&self.area, &self.folder.clone().join(name.as_str())).await?;
        let written = match folder {
            Some(folder) => self.write_documents(batches, folder, &mut lines).await,
            None => self.write_rows(batches, None, &mut lines).await,
        };
        let mut summary = match written {
            Ok(summary) => summary,
            Err(error) => {
                lines.abandon().await;
                return Err(error);
            }
        };
        let (bytes, blake3) = lines.digest();
        summary.bytes = bytes;
        summary.files.insert(0, WrittenFile { name, rows: summary.rows, bytes, blake3 });
        Ok(summary)
    }

    /// Documents, lines and index at the same time; the summary's file is the index.
    async fn write_documents(
        &self,
        batches: SendableRecordBatchStream,
        folder: &Path,
        lines: &mut ObjectWriter,
    ) -> Result<WriteSummary> {
        let (mut entries, received) = mpsc::channel(1);
        let received = RecordBatchStreamAdapter::new(index_schema(), received);
        let (area, name) = (self.area.clone(), self.file_name("parquet"));
        let index = ParquetPart::new(area, self.index_path(), name, index_schema());
        let documents = async {
            let written = self.write_rows(batches, Some((folder, &mut entries)), lines).await;
            if written.is_err() {
                // So that the index is given up, too. It may have been already.
                let _ = entries.send(Err(Error::preflight("the documents were not written").into_datafusion())).await;
            }
            drop(entries);
            written
        };
        let (documents, index) = tokio::join!(documents, index.write_all(Box::pin(received)));
        match (documents, index) {
            (Ok(documents), Ok(index)) => Ok(WriteSummary { files: index.files, ..documents }),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        }
    }

    /// Says of what [`Documents::write`] wrote that it is all, and what it was made from.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub async fn commit(&self, written: &WriteSummary, inputs: BTreeMap<String, String>) -> Result<()> {
        let place = self.manifest_path();
        let mut files = written.files.iter().cloned();
        let Some(lines) = files.next() else { return Ok(()) };
        let manifest =
            DocumentsManifest { manifest_version: VERSION, rows: written.rows, lines, index: files.next(), inputs };
        let bytes = serde_json::to_vec_pretty(&manifest)
            .map_err(|cause| Error::staging(self.area.url_of(&place), "the manifest gives no JSON", cause))?;
        object::create_new(&self.area, &place, bytes.into()).await
    }

    /// The number of the rows written, if all is there and was made from just these inputs: a document a row, or
    /// `lines_only`. Bytes are not read: a file that is younger than the manifest, which is written last, was altered.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn rows_made_from(&self, inputs: &BTreeMap<String, String>, lines_only: bool) -> Result<Option<u64>> {
        let place = self.manifest_path();
        // A manifest that cannot be understood is none: the documents are written again.
        let found = object::read_json::<Value>(&self.area, &place).await.ok().flatten();
        let found: Option<DocumentsManifest> = found.and_then(|value| serde_json::from_value(value).ok());
        let Some(found) = found.filter(|found| found.manifest_version == VERSION && found.inputs == *inputs) else {
            return Ok(None);
        };
        let failed = |cause| Error::staging(self.area.url_of(&self.folder), "cannot be listed", cause);
        let head = async |name: &str| match self.area.store().head(&self.folder.clone().join(name)).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failed(cause)),
        };
        let Some(manifest) = head(&self.file_name("manifest.json")).await? else { return Ok(None) };
        if found.index.is_none() != lines_only {
            return Ok(None);
        }
        // S3 tells an object's time in whole seconds, and may tell more of it in a listing.
        let whole = manifest.last_modified.timestamp_subsec_nanos() == 0;
        let as_written = |file: &ObjectMeta| {
            let is_same_second = file.last_modified.timestamp() == manifest.last_modified.timestamp();
            file.last_modified <= manifest.last_modified || (whole && is_same_second)
        };
        for file in [Some(&found.lines), found.index.as_ref()].into_iter().flatten() {
            let there = head(&file.name).await?;
            if there.is_none_or(|there| there.size != file.bytes || !as_written(&there)) {
                return Ok(None);
            }
        }
        let count = |count: Option<u64>, file: ObjectMeta| {
            let count = count.filter(|_| as_written(&file)).map(|count| count + 1);
            async move { Ok(count) }
        };
        let counted = self.area.store().list(Some(&self.own_folder())).try_fold(Some(0), count).await;
        let documents = if lines_only { 0 } else { found.rows };
        Ok((counted.map_err(failed)? == Some(documents)).then_some(found.rows))
    }

    /// Removes all documents, their manifest first.
    ///
    /// # Errors
    /// When a file cannot be deleted.
    pub async fn discard(&self) -> Result<()> {
        self.withdraw().await?;
        self.area.delete_prefix(&self.own_folder()).await?;
        self.area.delete(&self.index_path()).await?;
        self.area.delete(&self.folder.clone().join(self.file_name("ndjson"))).await
    }

    /// The document of one asset; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(&self, source_key: &str) -> Result<Option<Value>> {
        object::read_json(&self.area, &self.place(source_key)).await
    }

    /// The folder of the documents, as shown to people.
    pub fn folder_url(&self) -> String {
        self.area.url_of(&self.own_folder())
    }

    /// The rows of the index, in their order, checked before the first; `None` where the documents are not all there. With
    /// the hash of the index, which differs where any document does.
    ///
    /// # Errors
    /// When it is missing, damaged or cannot be read; the error names the file.
    pub async fn index(&self) -> Result<Option<(String, SendableRecordBatchStream)>> {
        let found: Option<DocumentsManifest> = object::read_json(&self.area, &self.manifest_path()).await?;
        let Some(index) = found.and_then(|found| found.index) else { return Ok(None) };
        let dataset = Dataset::new(&self.area, format!("documents/{}", self.definition), self.folder.clone());
        Ok(Some((index.blake3.clone(), dataset.read_part(&index).await?)))
    }

    /// Where the document of one asset is, if there is one.
    pub fn url(&self, source_key: &str) -> String {
        self.area.url_of(&self.place(source_key)).to_string()
    }

    fn place(&self, source_key: &str) -> Path {
        self.own_folder().join(format!("{}.json", safe_name(source_key, true)))
    }

    async fn withdraw(&self) -> Result<()> {
        self.area.delete(&self.manifest_path()).await
    }

    fn own_folder(&self) -> Path {
        self.folder.clone().join(safe_name(&self.definition, false))
    }

    fn manifest_path(&self) -> Path {
        self.folder.clone().join(self.file_name("manifest.json"))
    }

    fn index_path(&self) -> Path {
        self.folder.clone().join(self.file_name("parquet"))
    }

    fn file_name(&self, ending: &str) -> String {
        format!("{}.{ending}", safe_name(&self.definition, false))
    }

    async fn write_rows(
        &self,
        batches: SendableRecordBatchStream,
        mut index: Option<(&Path, &mut mpsc::Sender<Entries>)>,
        lines: &mut ObjectWriter,
    ) -> Result<WriteSummary> {
        let folder = index.as_ref().map(|(folder, _)| (*folder).clone());
        let failed = |cause| Error::staging(self.area.url_of(&self.folder), "documents cannot be written", cause);
        let at_once = if self.area.local { FILES_AT_ONCE } else { self.area.max_in_flight };
        let mut summary = WriteSummary::default();
        let texts = batches.map_err(Error::from_datafusion).map_ok(|batch| self.texts_of(batch, folder.clone()));
        let mut texts = pin!(texts.try_buffered(TEXTS_AT_ONCE));
        while let Some(Texts { rows, block, documents, index: entries }) = texts.try_next().await? {
            object::replace_all(&self.area, documents, at_once).await?;
            if let Some((_, index)) = &mut index
                && index.send(Ok(entries)).await.is_err()
            {
                // The index has failed and says why.
                return Ok(summary);
            }
            summary.rows += rows as u64;
            lines.append(block.into()).await.map_err(failed)?;
        }
        lines.finish().await.map_err(failed)?;
        Ok(summary)
    }

    /// The texts of a batch, made on a thread of its own.
    async fn texts_of(&self, batch: RecordBatch, folder: Option<Path>) -> Result<Texts> {
        let failed = |cause| Error::staging(self.area.url_of(&self.folder), "documents cannot be written", cause);
        let made = tokio::task::spawn_blocking(move || {
            let mut block = Vec::new();
            let documents = match folder {
                Some(folder) => documents_of(&batch, &folder, &mut block)?,
                None => lines_of(&batch, &mut block).map(|()| Vec::new())?,
            };
            let index = index_of(&batch, &documents)?;
            Ok(Texts { rows: batch.num_rows(), block, documents, index })
        });
        made.await.map_err(failed)?
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

/// What the index says of each document.
fn index_of(batch: &RecordBatch, documents: &[(Path, Bytes)]) -> Result<RecordBatch> {
    let keys = texts(batch, "source_key")?.filter(|_| !documents.is_empty());
    let keys = keys.unwrap_or_else(|| StringArray::from(vec![""; documents.len()]));
    let names = documents.iter().map(|(place, _)| place.filename().unwrap_or_default());
    let sizes = documents.iter().map(|(_, text)| text.len() as u64);
    let hashes = documents.iter().map(|(_, text)| blake3::hash(text).to_hex().to_string());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys),
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(UInt64Array::from_iter_values(sizes)),
        Arc::new(StringArray::from_iter_values(hashes)),
    ];
    let failed = |cause| Error::staging("the index of documents", "cannot be made", cause);
    RecordBatch::try_new(index_schema(), columns).map_err(failed)
}

fn index_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let bytes = Field::new("bytes", DataType::UInt64, false);
    Arc::new(Schema::new(vec![text("source_key"), text("document"), bytes, text("blake3")]))
}

/// A text column, whatever its layout.
fn texts(batch: &RecordBatch, name: &str) -> Result<Option<StringArray>> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let failed = |cause| Error::staging(format!("column {name}"), "is no text", cause);
    Ok(Some(cast(column, &DataType::Utf8).map_err(failed)?.as_string().clone()))
}
