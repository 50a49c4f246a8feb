//! Objects written whole or not at all: a local file as `local` does it, elsewhere by the store's own atomic put.

use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetResult, GetResultPayload, ObjectStoreExt, PutMode, PutOptions};
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::StagingArea;
use super::local::{self, Temporary, local_path, run_blocking};
use super::upload::Upload;
use crate::error::{Error, Result};

/// Bytes of a file copied at a time.
const PIECE: usize = 1 << 20;

/// What to do about a file of JSON that cannot be understood. Nothing but the step that wrote it can make it again.
pub(super) const DAMAGED: &str =
    "is damaged or of another version of telecine; remove it and run the step that wrote it again, or start a new run";

/// One object while it is written: invisible until [`ObjectWriter::finish`].
#[derive(Debug)]
pub(super) struct ObjectWriter {
    body: Body,
    hasher: blake3::Hasher,
    bytes: u64,
}

#[derive(Debug)]
enum Body {
    Local {
        file: tokio::fs::File,
        temporary: Temporary,
        place: PathBuf,
    },
    /// `None` once it was finished or abandoned.
    Remote(Option<Upload>),
}

impl ObjectWriter {
    pub(super) async fn create(area: &StagingArea, key: &Path) -> Result<Self> {
        let body = if area.local {
            let (root, place) = (area.folder(), local_path(key));
            let at = place.clone();
            let (file, temporary) = run_blocking(move || local::open_new(&root, &at))
                .await
                .map_err(|cause| Error::staging(place.display().to_string(), "cannot be created", cause))?;
            Body::Local { file: file.into(), temporary, place }
        } else {
            Body::Remote(Some(Upload::new(area, key)))
        };
        Ok(Self { body, hasher: blake3::Hasher::new(), bytes: 0 })
    }

    pub(super) async fn append(&mut self, bytes: Bytes) -> std::io::Result<()> {
        self.hasher.update(&bytes);
        self.bytes += bytes.len() as u64;
        match &mut self.body {
            Body::Local { file, .. } => file.write_all(&bytes).await,
            Body::Remote(Some(upload)) => Ok(upload.append(bytes).await?),
            Body::Remote(None) => Err(std::io::Error::other("the object was finished before")),
        }
    }

    /// Makes the object durable and visible.
    pub(super) async fn finish(&mut self) -> std::io::Result<()> {
        let digest = self.digest();
        match &mut self.body {
            Body::Local { file, temporary, place } => {
                file.flush().await?;
                file.sync_all().await?;
                temporary.place_at(place)?;
                let place = place.clone();
                run_blocking(move || local::sync_folder(&place)).await
            }
            Body::Remote(Some(upload)) => {
                upload.finish(digest).await?;
                self.body = Body::Remote(None);
                Ok(())
            }
            Body::Remote(None) => Err(std::io::Error::other("the object was finished before")),
        }
    }

    /// Gives the object up: what was sent to a remote store is removed there. A local file goes when the writer is dropped.
    pub(super) async fn abandon(mut self) {
        if let Body::Remote(upload) = &mut self.body
            && let Some(upload) = upload.take()
        {
            upload.abort().await;
        }
    }

    /// Size in bytes and BLAKE3 in hex of what was written.
    pub(super) fn digest(&self) -> (u64, String) {
        (self.bytes, self.hasher.finalize().to_hex().to_string())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        // A write that was broken off where nobody could wait for its end.
        if let Body::Remote(upload) = &mut self.body
            && let Some(upload) = upload.take().filter(Upload::is_open)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(upload.abort());
        }
    }
}

impl AsyncFileWriter for &mut ObjectWriter {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        async move { self.append(bytes).await.map_err(|cause| ParquetError::External(Box::new(cause))) }.boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        async move { self.finish().await.map_err(|cause| ParquetError::External(Box::new(cause))) }.boxed()
    }
}

/// Creates an object that must not exist. When one exists with the same bytes (a retried create can meet itself), that
/// is success.
pub(super) async fn create_new(area: &StagingArea, key: &Path, bytes: Bytes) -> Result<()> {
    let failed = |cause: object_store::Error| Error::staging(area.url_of(key), "cannot be created", cause);
    if try_create(area, key, bytes.clone()).await? {
        return Ok(());
    }
    let existing = area.store.get(key).await.map_err(failed)?.bytes().await.map_err(failed)?;
    if existing == bytes {
        return Ok(());
    }
    Err(Error::Staging {
        path: area.url_of(key),
        message: "another process has committed something else here; use another run id".into(),
        cause: None,
    })
}

/// Creates an object; `false` when one is there already.
pub(super) async fn try_create(area: &StagingArea, key: &Path, bytes: Bytes) -> Result<bool> {
    if area.local {
        let (root, place) = (area.folder(), local_path(key));
        return run_blocking(move || local::create(&root, &place, &bytes))
            .await
            .map_err(|cause| Error::staging(area.url_of(key), "cannot be created", cause));
    }
    let options = PutOptions { mode: PutMode::Create, attributes: area.attributes.clone(), ..PutOptions::default() };
    match area.store.put_opts(key, bytes.into(), options).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(cause) => Err(Error::staging(area.url_of(key), "cannot be created", cause)),
    }
}

/// Writes an object, replacing what is there.
pub(super) async fn replace(area: &StagingArea, key: &Path, bytes: Bytes) -> Result<()> {
    let failed = |cause| Error::staging(area.url_of(key), "cannot be written", cause);
    let mut writer = ObjectWriter::create(area, key).await?;
    let written = async {
        writer.append(bytes).await?;
        writer.finish().await
    };
    let written = written.await.map_err(failed);
    if written.is_err() {
        writer.abandon().await;
    }
    written
}

/// Writes objects of one folder, replacing what is there, `at_once` at the same time; durable when it returns. Locally each is
/// one step of one thread, and the folder is synced once.
pub(super) async fn replace_all(area: &StagingArea, objects: Vec<(Path, Bytes)>, at_once: usize) -> Result<()> {
    let Some((last, _)) = objects.last() else { return Ok(()) };
    let last = last.clone();
    let unwritten = |key: &Path, cause| Error::staging(area.url_of(key), "cannot be written", cause);
    if area.local {
        let (root, place) = (area.folder(), local_path(&last));
        run_blocking(move || local::own_folder(&root, &place)).await.map_err(|cause| unwritten(&last, cause))?;
    }
    let each = objects.into_iter().map(|(key, bytes)| async move {
        if !area.local {
            return replace(area, &key, bytes).await;
        }
        let (root, place) = (area.folder(), local_path(&key));
        let written = run_blocking(move || local::replace(&root, &place, &bytes)).await;
        written.map_err(|cause| unwritten(&key, cause))
    });
    futures::stream::iter(each).buffer_unordered(at_once).try_collect::<()>().await?;
    if area.local {
        let place = local_path(&last);
        let synced = run_blocking(move || local::sync_folder(&place)).await;
        synced.map_err(|cause| Error::staging(area.url_of(&last), "its folder cannot be synced", cause))?;
    }
    Ok(())
}

/// Copies a local file, replacing what is there. Memory does not grow with the file.
pub(super) async fn copy_file(area: &StagingArea, key: &Path, file: &FilePath) -> Result<()> {
    let unread = |cause| Error::staging(file.display().to_string(), "cannot be read", cause);
    let failed = |cause| Error::staging(area.url_of(key), "cannot be written", cause);
    let mut source = tokio::fs::File::open(file).await.map_err(unread)?;
    let mut writer = ObjectWriter::create(area, key).await?;
    let copied = async {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut source).take(PIECE as u64).read_to_end(&mut piece).await.map_err(unread)?;
            if read == 0 {
                return writer.finish().await.map_err(failed);
            }
            writer.append(piece.into()).await.map_err(failed)?;
        }
    };
    let copied = copied.await;
    if copied.is_err() {
        writer.abandon().await;
    }
    copied
}

/// Reads a JSON object; `None` where nothing is.
pub(super) async fn read_json<T: DeserializeOwned>(area: &StagingArea, key: &Path) -> Result<Option<T>> {
    let failed = |cause| Error::staging(area.url_of(key), "cannot be read", cause);
    let bytes = match area.store.get(key).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let value = serde_json::from_slice(&bytes).map_err(|cause| Error::staging(area.url_of(key), DAMAGED, cause))?;
    Ok(Some(value))
}

/// The BLAKE3 in hex of an object's bytes. A local file is read in pieces of 64 KiB by one thread: the store's stream of it
/// goes to another thread for every 8 KiB, which costs more than the hash.
pub(super) async fn hash(found: GetResult) -> object_store::Result<String> {
    let failed = |cause: std::io::Error| object_store::Error::Generic { store: "file", source: cause.into() };
    let mut hasher = blake3::Hasher::new();
    match found.payload {
        GetResultPayload::File(file, _) => {
            let hashed = run_blocking(move || hasher.update_reader(file).map(|hasher| hasher.finalize()));
            Ok(hashed.await.map_err(failed)?.to_hex().to_string())
        }
        GetResultPayload::Stream(mut chunks) => {
            while let Some(chunk) = chunks.try_next().await? {
                hasher.update(&chunk);
            }
            Ok(hasher.finalize().to_hex().to_string())
        }
    }
}
