//! A dataset's place: writing its parts, committing its manifest, reading it back checked.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::manifest::{FILE_NAME, Manifest, VERSION};
use super::parquet::ParquetPart;
use super::{StagingArea, object, reader};
use crate::dataflow::{SendableRecordBatchStream, WrittenFile};
use crate::error::{Error, Result};

/// Files of a dataset asked for at the same time.
const FOUND_AT_ONCE: usize = 32;

/// The place of a dataset, committed or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Dataset {
    area: StagingArea,
    name: String,
    path: Path,
}

impl Dataset {
    pub(super) fn new(area: &StagingArea, name: String, path: Path) -> Self {
        Self { area: area.clone(), name, path }
    }

    /// The area the dataset is in.
    pub fn area(&self) -> &StagingArea {
        &self.area
    }

    /// The dataset's name: its folder below the run.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder's URL, ending in `/`.
    pub fn url(&self) -> String {
        format!("{}/", self.area.url_of(&self.path))
    }

    /// The URL of one of the dataset's files.
    pub fn file_url(&self, file: &WrittenFile) -> String {
        self.area.url_of(&self.path.clone().join(file.name.as_str()))
    }

    /// The path of one of the dataset's files within [`StagingArea::store`].
    pub fn file_path(&self, file: &WrittenFile) -> Path {
        self.path.clone().join(file.name.as_str())
    }

    /// The manifest; `None` when the dataset is not committed.
    ///
    /// # Errors
    /// When the manifest cannot be read or understood.
    pub async fn manifest(&self) -> Result<Option<Manifest>> {
        let key = self.manifest_path();
        let Some(read) = object::read_json::<serde_json::Value>(&self.area, &key).await? else { return Ok(None) };
        let version = read.get("manifest_version").and_then(serde_json::Value::as_u64);
        // One without a version has lost a part: it is damaged.
        if let Some(version) = version.filter(|version| *version != u64::from(VERSION)) {
            let message = format!(
                "is of another version of telecine: manifest_version {version}, known is {VERSION}; its run is not \
                 continued: start a new run"
            );
            return Err(Error::Staging { path: self.area.url_of(&key), message, cause: None });
        }
        let manifest = serde_json::from_value(read)
            .map_err(|cause| Error::staging(self.area.url_of(&key), object::DAMAGED, cause))?;
        Ok(Some(manifest))
    }

    /// The sink of part `number`: one Parquet file. Nothing refers to it until [`Dataset::commit`].
    pub fn parquet_part(&self, number: usize, schema: SchemaRef) -> ParquetPart {
        let name = part_name(number);
        ParquetPart::new(self.area.clone(), self.path.clone().join(name.as_str()), name, schema)
    }

    /// The place of the manifest.
    pub(super) fn manifest_path(&self) -> Path {
        self.path.clone().join(FILE_NAME)
    }

    /// Makes the dataset exist, by conditional create of its manifest.
    ///
    /// # Errors
    /// When the manifest cannot be written or another process has committed something else.
    pub async fn commit(&self, manifest: &Manifest) -> Result<()> {
        let key = self.manifest_path();
        let bytes = serde_json::to_vec_pretty(manifest)
            .map_err(|cause| Error::staging(self.area.url_of(&key), "the manifest gives no JSON", cause))?;
        object::create_new(&self.area, &key, bytes.into()).await
    }

    /// Removes the dataset: the manifest first, so that no reader trusts files that are about to go.
    ///
    /// # Errors
    /// When an object cannot be deleted.
    pub async fn discard(&self) -> Result<()> {
        self.withdraw().await?;
        self.area.delete_prefix(&self.path).await
    }

    /// Removes the manifest alone: the dataset is no longer committed, its files stay.
    ///
    /// # Errors
    /// When the manifest cannot be deleted.
    pub async fn withdraw(&self) -> Result<()> {
        self.area.delete(&self.manifest_path()).await
    }

    /// What the store tells of the manifest's files, in their order. No row is read.
    ///
    /// # Errors
    /// When a file is missing or has another size; the error names it.
    pub async fn found(&self, manifest: &Manifest) -> Result<Vec<ObjectMeta>> {
        let found = futures::stream::iter(manifest.files.clone()).map(|file| {
            let (dataset, store) = (self.clone(), self.area.store());
            async move {
                let failed = |cause| Error::staging(dataset.file_url(&file), "cannot be found", cause);
                let meta = store.head(&dataset.file_path(&file)).await.map_err(failed)?;
                require_size(dataset.file_url(&file), meta.size, &file).map(|()| meta)
            }
        });
        found.buffered(FOUND_AT_ONCE).try_collect().await
    }

    /// The rows of one file, in order. Size and BLAKE3 are checked against the manifest before the first batch.
    ///
    /// # Errors
    /// When the file is missing, damaged or cannot be read; the error names it.
    pub async fn read_part(&self, file: &WrittenFile) -> Result<SendableRecordBatchStream> {
        self.require_intact(file).await?;
        self.read_unchecked(file).await
    }

    /// The rows of one file, in order, trusting its bytes.
    ///
    /// # Errors
    /// When the file is missing or cannot be read; the error names it.
    pub async fn read_unchecked(&self, file: &WrittenFile) -> Result<SendableRecordBatchStream> {
        let url = self.file_url(file);
        let failed = |cause| Error::staging(url.clone(), "cannot be read as Parquet", cause);
        let builder = reader::open(self, file).await?;
        let schema = builder.schema().clone();
        let stream = builder.with_batch_size(8192).build().map_err(failed)?;
        let stream = stream
            .map_err(move |cause| Error::staging(url.clone(), "cannot be read as Parquet", cause).into_datafusion());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    /// The rows of a dataset without columns, which has no files: batches that only count.
    pub(super) fn without_columns(&self, rows: u64) -> Result<SendableRecordBatchStream> {
        let schema = Arc::new(Schema::empty());
        let count = usize::try_from(rows).map_err(|cause| Error::staging(self.url(), "too many rows", cause))?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)
            .map_err(|cause| Error::staging(self.url(), "cannot be counted", cause))?;
        let batches = futures::stream::iter([Ok(batch)]);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    /// Compares size and BLAKE3 of one file with the manifest's.
    ///
    /// # Errors
    /// When the file is missing, cannot be read or has changed; the error names it.
    pub async fn require_intact(&self, file: &WrittenFile) -> Result<()> {
        let failed = |cause: object_store::Error| Error::staging(self.file_url(file), "cannot be read", cause);
        let found = self.area.store().get(&self.file_path(file)).await.map_err(failed)?;
        require_size(self.file_url(file), found.meta.size, file)?;
        let hash = object::hash(found).await.map_err(failed)?;
        if hash == file.blake3 {
            return Ok(());
        }
        Err(Error::Staging {
            path: self.file_url(file),
            message: format!("its bytes have changed: BLAKE3 is {hash}, the manifest says {}", file.blake3),
            cause: None,
        })
    }
}

/// The name of part `number` of a dataset.
pub fn part_name(number: usize) -> String {
    format!("part-{number:05}.parquet")
}

fn require_size(url: String, bytes: u64, file: &WrittenFile) -> Result<()> {
    if bytes == file.bytes {
        return Ok(());
    }
    let message = format!("has {bytes} bytes where the manifest says {}", file.bytes);
    Err(Error::Staging { path: url, message, cause: None })
}
