//! The staging area: rows in object storage, as Parquet and JSON, in the layout that every step and every outside tool
//! relies on.
//!
//! ```text
//! {staging}/runs/{run}/raw/{schema}.{table}/part-00000.parquet …  _manifest.json
//! {staging}/runs/{run}/_lease.json                               the process that writes the run, while it does
//! {staging}/runs/{run}/raw/_exceptions/…                           values a column's type cannot hold
//! {staging}/runs/{run}/{query}/part-00000.parquet …               _manifest.json
//! {staging}/runs/{run}/documents/{definition}/{source key}.json   the instance object of one asset
//! {staging}/runs/{run}/documents/{definition}.ndjson              the same, one line an asset, with key and name
//! {staging}/runs/{run}/documents/{definition}.parquet             which document is whose, its bytes and BLAKE3
//! {staging}/runs/{run}/documents/{definition}.manifest.json      written last: what they were made from
//! {staging}/runs/{run}/rejected/part-00000.parquet                rows not loaded, with their reasons
//! {staging}/runs/{run}/plan/{target}.json                        what a load was last planned to do
//! {staging}/deliveries/{delivery}/{record}/part-00000.parquet … _manifest.json   what a step of a delivery did
//! {staging}/deliveries/{delivery}/transform/…                    raw/, queries, documents/ of its documents, as in a run
//! {staging}/ledger/{target}/ledger.sqlite                         a copy of the ledger
//! {staging}/ledger/{target}/{assets,requests}.parquet             its tables
//! ```
//!
//! Data files come first, then one manifest by conditional create; readers trust manifests only. What a process left behind
//! when it was killed is swept by the next one that writes the run's raw tables, or by [`StagingArea::orphans`].

mod dataset;
mod documents;
mod encoding;
pub mod json;
mod layout;
mod lease;
mod ledger;
mod local;
mod manifest;
mod moments;
mod object;
mod orphans;
mod parquet;
mod raw;
mod reader;
pub mod s3;
mod settings;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;
#[cfg(test)]
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Attributes, ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use self::dataset::{Dataset, part_name};
pub use self::documents::Documents;
pub use self::layout::{raw_folder, safe_name};
pub use self::lease::Lease;
pub use self::manifest::{EXCEPTIONS, ExceptionsNote, FieldNote, Manifest, ServerState, SnapshotNote};
pub use self::moments::Moments;
pub use self::orphans::{Orphan, OrphanKind, Orphans};
pub use self::parquet::ParquetPart;
pub use self::raw::RawTables;
use self::s3::Bucket;
pub use self::s3::{Counter, Requests, S3Settings};
pub use self::settings::{Compression, MAX_IN_FLIGHT, StagingConfig};
use crate::dataflow::TableName;
use crate::error::{Error, Result};

/// What failed when an earlier attempt's objects were to go.
const NOT_DELETED: &str = "files of an earlier attempt cannot be deleted";

/// Manifests read at the same time.
const LOOKS_AT_ONCE: usize = 16;

/// Object storage of all runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StagingArea {
    store: Arc<dyn ObjectStore>,
    store_url: Url,
    root: Path,
    local: bool,
    compression: Compression,
    max_in_flight: usize,
    /// What objects are written with, besides their bytes.
    attributes: Attributes,
    /// The bucket, where the area is in one.
    bucket: Option<Bucket>,
}

impl StagingArea {
    /// Opens the area; a local folder is created.
    ///
    /// # Errors
    /// When the URL cannot be understood, the folder cannot be made, or the S3 settings are unusable.
    pub fn open(config: &StagingConfig) -> Result<Self> {
        let area = match (config.folder(), Url::parse(&config.url)) {
            (Some(path), _) => Self::open_folder(&path),
            (None, Ok(url)) if url.scheme() == "s3" => Self::open_s3(config, &url),
            (None, _) => Err(Error::config(format!(
                "staging.url: the scheme of `{}` is not known; use file:PATH or s3://bucket/prefix",
                config.url
            ))),
        }?;
        Ok(Self { compression: config.compression, max_in_flight: config.max_in_flight.max(1), ..area })
    }

    /// An area that is gone when the last clone of it is dropped: for what looks at rows and leaves nothing.
    ///
    /// # Errors
    /// None is known.
    pub fn in_memory() -> Result<Self> {
        let store_url = Url::parse("memory:///").map_err(|cause| Error::staging("memory:///", "no URL", cause))?;
        Ok(Self::over(Arc::new(InMemory::new()), store_url, Path::default()))
    }

    /// An area of a store that puts objects as a whole by itself.
    fn over(store: Arc<dyn ObjectStore>, store_url: Url, root: Path) -> Self {
        Self {
            store,
            store_url,
            root,
            local: false,
            compression: Compression::default(),
            max_in_flight: MAX_IN_FLIGHT,
            attributes: Attributes::default(),
            bucket: None,
        }
    }

    /// The same, for those who only look: a local folder that is not there is not made.
    ///
    /// # Errors
    /// As [`StagingArea::open`]; when there is no such folder.
    pub fn open_existing(config: &StagingConfig) -> Result<Self> {
        if let Some(path) = config.folder()
            && !path.is_dir()
        {
            return Err(Error::preflight(format!(
                "there is no run in {}: no such folder; `telecine extract` or `telecine run` starts one",
                config.url
            )));
        }
        Self::open(config)
    }

    pub(in crate::staging) fn compression(&self) -> Compression {
        self.compression
    }

    fn open_folder(path: &std::path::Path) -> Result<Self> {
        let unusable = |cause: std::io::Error| Error::Preflight {
            message: format!("staging {}: the folder cannot be made or opened", path.display()),
            cause: Some(Box::new(cause)),
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let absolute = path.canonicalize().map_err(unusable)?;
        let root = Path::from_absolute_path(&absolute)
            .map_err(|cause| Error::staging(absolute.display().to_string(), "the path cannot be used", cause))?;
        let store_url = Url::parse("file:///").map_err(|cause| Error::staging("file:///", "no URL", cause))?;
        Ok(Self { local: true, ..Self::over(Arc::new(LocalFileSystem::new()), store_url, root) })
    }

    fn open_s3(config: &StagingConfig, url: &Url) -> Result<Self> {
        let bucket = s3::connect(&config.s3, url)?;
        let name = url.host_str().unwrap_or_default();
        let store_url = Url::parse(&format!("s3://{name}"))
            .map_err(|cause| Error::staging(url.to_string(), "the bucket's name gives no URL", cause))?;
        let root = s3::prefix(&config.url)?;
        let attributes = config.s3.attributes();
        let area = Self::over(Arc::clone(&bucket.client) as _, store_url, root);
        Ok(Self { attributes, bucket: Some(bucket), ..area })
    }

    /// What was sent to the bucket since the area was opened; `None` where the area is in none.
    pub fn requests(&self) -> Option<Requests> {
        self.bucket.as_ref().map(|bucket| bucket.counter.requests())
    }

    /// The object store, to be registered under [`StagingArea::store_url`].
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The URL of the store: `file:///` or `s3://bucket`.
    pub fn store_url(&self) -> &Url {
        &self.store_url
    }

    /// The area's own URL, as shown to people.
    pub fn url(&self) -> String {
        self.url_of(&self.root)
    }

    /// The folder of a run, whether or not it exists.
    pub fn run(&self, run: &str) -> RunFolder {
        let path = self.root.clone().join("runs").join(run);
        RunFolder { area: self.clone(), id: run.to_owned(), path }
    }

    /// The ids of all runs, ordered.
    ///
    /// # Errors
    /// When the area cannot be listed.
    pub async fn runs(&self) -> Result<Vec<String>> {
        self.folders_in("runs").await
    }

    async fn folders_in(&self, name: &str) -> Result<Vec<String>> {
        let folder = self.root.clone().join(name);
        let listing = self.store.list_with_delimiter(Some(&folder)).await;
        let listing = listing.map_err(|cause| Error::staging(self.url_of(&folder), "cannot be listed", cause))?;
        let mut names: Vec<String> =
            listing.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// The folder of a delivery, whether or not it exists.
    pub fn delivery(&self, id: &str) -> RunFolder {
        RunFolder { area: self.clone(), id: id.to_owned(), path: self.root.clone().join("deliveries").join(id) }
    }

    /// The ids of all deliveries, ordered.
    ///
    /// # Errors
    /// When the area cannot be listed.
    pub async fn deliveries(&self) -> Result<Vec<String>> {
        self.folders_in("deliveries").await
    }

    fn url_of(&self, key: &Path) -> String {
        format!("{}/{key}", self.store_url.as_str().trim_end_matches('/'))
    }

    /// Deletes an object, if it is there.
    async fn delete(&self, key: &Path) -> Result<()> {
        match self.store.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(Error::staging(self.url_of(key), "cannot be deleted", cause)),
        }
    }

    /// Deletes all objects below a prefix, up to a thousand with one request where the store can.
    async fn delete_prefix(&self, prefix: &Path) -> Result<()> {
        if self.local {
            let (root, folder) = (self.folder(), local::local_path(prefix));
            let removed = local::run_blocking(move || local::remove_folder(&root, &folder)).await;
            return removed.map_err(|cause| Error::staging(self.url_of(prefix), NOT_DELETED, cause));
        }
        let listed = self.store.list(Some(prefix)).map_ok(|object| object.location).boxed();
        let deleted = self.store.delete_stream(listed).try_for_each(|_| std::future::ready(Ok(())));
        deleted.await.map_err(|cause| Error::staging(self.url_of(prefix), NOT_DELETED, cause))
    }

    /// All objects below a prefix; of a folder also its links, which are not followed.
    fn metas_below(&self, prefix: &Path) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        if !self.local {
            return self.store.list(Some(prefix));
        }
        let folder = local::local_path(prefix);
        let found = local::run_blocking(move || local::files_below(&folder));
        let metas = found.map(|found| match found {
            Ok(metas) => futures::stream::iter(metas.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(cause) => {
                futures::stream::iter(vec![Err(object_store::Error::Generic { store: "file", source: cause.into() })])
            }
        });
        metas.flatten_stream().boxed()
    }

    /// The folder of an area on this machine.
    fn folder(&self) -> PathBuf {
        local::local_path(&self.root)
    }
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    area: StagingArea,
    id: String,
    path: Path,
}

impl RunFolder {
    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The area the run is in.
    pub fn area(&self) -> &StagingArea {
        &self.area
    }

    /// The folder's URL, as shown to people.
    pub fn url(&self) -> String {
        self.area.url_of(&self.path)
    }

    /// A folder of its own within this one, of the same form: nothing that is there meets what is in this one.
    #[must_use]
    pub fn within(&self, name: &str) -> Self {
        Self { path: self.path.clone().join(name), ..self.clone() }
    }

    /// The dataset of a source table.
    pub fn raw(&self, table: &TableName) -> Dataset {
        let folder = raw_folder(table);
        Dataset::new(&self.area, format!("raw/{folder}"), self.path.clone().join("raw").join(folder))
    }

    /// The dataset of values that a column's type cannot hold.
    pub fn exceptions(&self) -> Dataset {
        let path = self.path.clone().join("raw").join("_exceptions");
        Dataset::new(&self.area, "raw/_exceptions".to_owned(), path)
    }

    /// The dataset of a query.
    pub fn query(&self, name: &str) -> Dataset {
        Dataset::new(&self.area, name.to_owned(), self.path.clone().join(safe_name(name, false)))
    }

    /// The dataset of what reading the target back found. No query can have its folder: a query's name begins with a letter.
    pub fn findings(&self) -> Dataset {
        Dataset::new(&self.area, "_reconcile".to_owned(), self.path.clone().join("_reconcile"))
    }

    /// The dataset of all rows not loaded.
    pub fn rejected(&self) -> Dataset {
        self.query("rejected")
    }

    /// The JSON documents of a definition.
    pub fn documents(&self, definition: &str) -> Documents {
        Documents::new(&self.area, self.path.clone().join("documents"), definition)
    }

    /// All committed datasets of source tables, ordered by table.
    ///
    /// # Errors
    /// When the folder cannot be listed or a manifest cannot be read.
    pub async fn raw_tables(&self) -> Result<Vec<(TableName, Manifest)>> {
        let datasets = self.datasets_in(&self.path.clone().join("raw"), "raw/").await?;
        let looks = futures::stream::iter(datasets).map(|dataset| async move { dataset.manifest().await });
        let manifests: Vec<_> = looks.buffered(LOOKS_AT_ONCE).try_collect().await?;
        let named = manifests.into_iter().flatten().filter_map(|manifest| Some((manifest.table.clone()?, manifest)));
        let mut tables: Vec<_> = named.collect();
        tables.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(tables)
    }

    /// All committed datasets of queries (with `rejected`), ordered by name.
    ///
    /// # Errors
    /// When the folder cannot be listed or a manifest cannot be read.
    pub async fn query_datasets(&self) -> Result<Vec<(Dataset, Manifest)>> {
        let mut found = Vec::new();
        for dataset in self.datasets_in(&self.path, "").await? {
            if let Some(manifest) = dataset.manifest().await? {
                found.push((dataset, manifest));
            }
        }
        Ok(found)
    }

    async fn datasets_in(&self, folder: &Path, prefix: &str) -> Result<Vec<Dataset>> {
        let listing = self.area.store.list_with_delimiter(Some(folder)).await;
        let listing = listing.map_err(|cause| Error::staging(self.area.url_of(folder), "cannot be listed", cause))?;
        let mut paths = listing.common_prefixes;
        paths.sort();
        let named = paths.into_iter().filter_map(|path| Some((path.filename()?.to_owned(), path)));
        Ok(named.map(|(name, path)| Dataset::new(&self.area, format!("{prefix}{name}"), path)).collect())
    }

    /// Writes `runs/{run}/{name}` as indented JSON, replacing what is there; durable when it returns.
    ///
    /// # Errors
    /// When the value cannot be written as JSON or the object cannot be written.
    pub async fn put_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let key = self.key_of(name);
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|cause| Error::staging(self.area.url_of(&key), "the value gives no JSON", cause))?;
        object::replace(&self.area, &key, bytes.into()).await
    }

    /// Writes `runs/{run}/{name}` as it is, replacing what is there; durable when it returns.
    ///
    /// # Errors
    /// When the object cannot be written.
    pub async fn put_text(&self, name: &str, text: String) -> Result<()> {
        object::replace(&self.area, &self.key_of(name), text.into()).await
    }

    /// Removes what [`RunFolder::put_json`] wrote, if it is there.
    ///
    /// # Errors
    /// When the object cannot be deleted.
    pub async fn remove_json(&self, name: &str) -> Result<()> {
        self.area.delete(&self.key_of(name)).await
    }

    /// Reads what [`RunFolder::put_json`] wrote; `None` where nothing is.
    ///
    /// # Errors
    /// When the object cannot be read or is not the JSON of a `T`.
    pub async fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        object::read_json(&self.area, &self.key_of(name)).await
    }

    /// The names of the objects in `folder`, in order.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub async fn json_names(&self, folder: &str) -> Result<Vec<String>> {
        let key = self.key_of(folder);
        let listing = self.area.store.list_with_delimiter(Some(&key)).await;
        let listing = listing.map_err(|cause| Error::staging(self.area.url_of(&key), "cannot be listed", cause))?;
        let names = listing.objects.iter().filter(|object| !local::is_temporary(&object.location));
        let mut names: Vec<String> = names.filter_map(|object| Some(object.location.filename()?.to_owned())).collect();
        names.sort();
        Ok(names)
    }

    /// `name` may have folders, separated by slashes.
    fn key_of(&self, name: &str) -> Path {
        name.split('/').fold(self.path.clone(), |path, part| path.join(part))
    }
}
