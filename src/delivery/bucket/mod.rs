//! Places of objects: a bucket of S3 with a prefix, or a local folder. Both make the same promises: an object is there
//! whole or not at all, a key is what it was, and a condition on an object's ETag is kept.
//!
//! This is not `object_store`: its paths refuse keys that S3 allows (`a//b`, control characters) and then fail the whole
//! listing. Its signatures, credentials and HTTP client are used.

mod credentials;
mod folder;
mod request;
mod s3;
mod uploads;
mod xml;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use url::Url;

use self::folder::Folder;
use self::s3::S3;
pub(in crate::delivery) use self::s3::hex;
pub(in crate::delivery) use self::uploads::Noted;
use crate::error::{Cause, Error, Result};
use crate::staging::{Counter, RunFolder, S3Settings};

/// Bytes read or written at a time; larger objects go in parts of this size. S3's least part is 5 MiB.
pub const PART: u64 = 8 << 20;

/// The most bytes that one CopyObject takes (S3's own limit, 5 GiB).
const MOST_COPIED: u64 = 5 << 30;

/// What all places of a delivery have in common.
#[derive(Debug, Clone)]
pub struct Reach {
    settings: S3Settings,
    counter: Counter,
    notes: Arc<RunFolder>,
}

impl Reach {
    /// Buckets are reached by `settings`; uploads in parts are noted in `notes`, the delivery's folder.
    pub fn new(settings: S3Settings, notes: RunFolder) -> Self {
        Self { settings, counter: Counter::default(), notes: Arc::new(notes) }
    }

    /// Counts what is sent to all these buckets.
    pub fn counter(&self) -> &Counter {
        &self.counter
    }
}

/// An object as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key below the bucket's prefix, as it is.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// What changes when the object does, without quotes. A folder's is made of inode, time and size.
    pub etag: String,
    /// When it was last written, in microseconds since 1970, UTC.
    pub modified: i64,
    /// Why it cannot be read, where that is known from its name or kind.
    pub reason: Option<String>,
}

/// What an object must be for a write to happen.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// Whatever is there is replaced.
    Any,
    /// Nothing is there.
    New,
    /// The object there has this ETag.
    Is(&'a str),
}

/// Why nothing came of a request for one object.
#[derive(Debug)]
pub enum Fault {
    /// There is no such object.
    Missing,
    /// The object is no longer the one of that ETag, or another than the condition wants is there.
    Changed,
    /// The key cannot be had there: no URL or no file can carry it.
    Unnameable(String),
    /// The place refuses this object.
    Refused(String),
    /// The place cannot do this at all.
    Unable,
    /// The place does not answer, or refuses everything: no other object will fare better.
    Away(String, Option<Cause>),
}

impl Fault {
    /// The reason of a row; `Err` where the whole step has to stop.
    ///
    /// # Errors
    /// When the place is away.
    pub fn reason(self, url: &str) -> Result<String> {
        Ok(match self {
            Self::Missing => "gone during the run".to_owned(),
            Self::Changed => "changed during the run".to_owned(),
            Self::Unnameable(why) => why,
            Self::Refused(why) => format!("refused: {why}"),
            Self::Unable => "refused: not implemented there".to_owned(),
            Self::Away(message, cause) => return Err(Error::Bucket { url: url.to_owned(), message, cause }),
        })
    }

    /// An error of the file system, about one file.
    fn of_io(cause: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match cause.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::AlreadyExists => Self::Changed,
            ErrorKind::InvalidFilename | ErrorKind::InvalidInput => Self::Unnameable(format!("no file name: {cause}")),
            ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => {
                Self::Unnameable(format!("a file and a folder would have the same name: {cause}"))
            }
            ErrorKind::PermissionDenied => Self::Refused(cause.to_string()),
            _ => Self::Away(
                "the folder cannot be used; see the cause, then run the same command again".into(),
                Some(cause.into()),
            ),
        }
    }
}

/// What came of a request for one object.
pub type Outcome<T> = std::result::Result<T, Fault>;

#[derive(Debug, Clone)]
enum Place {
    S3(S3),
    Folder(Folder),
}

/// A place that is only read: what is the source of truth has no other handle. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadOnly(Place);

/// A place that is read and written. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket(ReadOnly);

impl ReadOnly {
    /// The place at `s3://bucket/prefix`, `file:PATH` or a plain path. Nothing is asked for yet.
    ///
    /// # Errors
    /// When the URL is of another scheme, names no bucket, or the S3 settings are unusable.
    pub fn open(url: &str, reach: &Reach) -> Result<Self> {
        match Url::parse(url) {
            Ok(parsed) if parsed.scheme() == "s3" => Ok(Self(Place::S3(S3::open(url, reach)?))),
            Ok(parsed) if parsed.scheme() != "file" && parsed.scheme().len() > 1 => {
                Err(Error::config(format!("{url}: the scheme is not known; use s3://bucket/prefix or file:PATH")))
            }
            _ => {
                let path = url.strip_prefix("file://").or_else(|| url.strip_prefix("file:")).unwrap_or(url);
                Ok(Self(Place::Folder(Folder::at(path)?)))
            }
        }
    }

    /// The place as shown to people, without a `/` at its end.
    pub fn url(&self) -> String {
        match &self.0 {
            Place::S3(s3) => s3.url(),
            Place::Folder(folder) => folder.url(),
        }
    }

    /// The place one folder further down.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self(match &self.0 {
            Place::S3(s3) => Place::S3(s3.below(name)),
            Place::Folder(folder) => Place::Folder(folder.below(name)),
        })
    }

    /// The place as an object store and a path in it, for readers of whole trees. Keys that a hot folder takes are there as
    /// they are.
    ///
    /// # Errors
    /// When the settings or the folder's path cannot be used.
    pub fn store(&self, reach: &Reach) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let unusable =
            |cause: Cause| Error::Bucket { url: self.url(), message: "cannot be opened".into(), cause: Some(cause) };
        match &self.0 {
            Place::S3(s3) => {
                let url = Url::parse(&s3.url()).map_err(|cause| unusable(cause.into()))?;
                let builder = reach.settings.builder(&url)?.with_http_connector(reach.counter.connector());
                let store = builder.build().map_err(|cause| unusable(cause.into()))?;
                Ok((Arc::new(store), Path::parse(s3.prefix()).map_err(|cause| unusable(cause.into()))?))
            }
            Place::Folder(folder) => {
                let path = Path::from_absolute_path(folder.url()).map_err(|cause| unusable(cause.into()))?;
                Ok((Arc::new(LocalFileSystem::new()), path))
            }
        }
    }

    /// Whether one of the two places lies in the other, or they are the same.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (format!("{}/", self.url()), format!("{}/", other.url()));
        a.starts_with(&b) || b.starts_with(&a)
    }

    /// All objects, page by page, each page of 1,000 at most. Memory does not grow with their number. A folder that is
    /// not there has none.
    pub fn list(&self) -> BoxStream<'static, Result<Vec<Listed>>> {
        match &self.0 {
            Place::S3(s3) => s3.list(),
            Place::Folder(folder) => folder.list(),
        }
    }

    /// Size and ETag of an object.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn head(&self, key: &str) -> Outcome<(u64, String)> {
        match &self.0 {
            Place::S3(s3) => s3.head(key).await,
            Place::Folder(folder) => folder.head(key).await,
        }
    }

    /// Bytes of an object that is still the one of `etag`: `length` from `start` on, no more than [`PART`] at a time.
    ///
    /// # Errors
    /// [`Fault::Changed`] where it is another; else see [`Fault`].
    pub async fn read(&self, key: &str, etag: &str, start: u64, length: u64) -> Outcome<Bytes> {
        match &self.0 {
            Place::S3(s3) => s3.read(key, etag, start, length).await,
            Place::Folder(folder) => folder.read(key, etag, start, length).await,
        }
    }
}

impl Bucket {
    /// The place at `url`, to be written. See [`ReadOnly::open`].
    ///
    /// # Errors
    /// As [`ReadOnly::open`].
    pub fn open(url: &str, reach: &Reach) -> Result<Self> {
        ReadOnly::open(url, reach).map(Self)
    }

    /// The same place, for those who only read.
    pub fn reader(&self) -> &ReadOnly {
        &self.0
    }

    /// See [`ReadOnly::below`].
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self(self.0.below(name))
    }

    /// Writes an object of at most [`PART`] bytes and gives its ETag. In S3 it is durable; in a folder its bytes are,
    /// and its name after [`Bucket::settle`].
    ///
    /// # Errors
    /// [`Fault::Changed`] where the condition does not hold; else see [`Fault`].
    pub async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Outcome<String> {
        match &self.0.0 {
            Place::S3(s3) => s3.put(key, bytes, condition).await,
            Place::Folder(folder) => folder.put(key, bytes, condition).await,
        }
    }

    /// Copies an object from a place of the same server, which moves the bytes itself; gives the copy's ETag.
    ///
    /// # Errors
    /// [`Fault::Unable`] where that cannot be; [`Fault::Changed`] where the object is not the one of `etag`.
    pub async fn copy(&self, source: &ReadOnly, from: &str, etag: &str, size: u64, to: &str) -> Outcome<String> {
        match (&source.0, &self.0.0) {
            (Place::S3(source), Place::S3(s3)) if size <= MOST_COPIED => s3.copy(source, from, etag, to).await,
            _ => Err(Fault::Unable),
        }
    }

    /// Moves an object here from another folder, where a rename does it: its ETag stays.
    ///
    /// # Errors
    /// [`Fault::Unable`] where that cannot be; else see [`Fault`].
    pub async fn take(&self, from: &Self, key: &str, etag: &str) -> Outcome<()> {
        match (&from.0.0, &self.0.0) {
            (Place::Folder(from), Place::Folder(folder)) => folder.take(from, key, etag).await,
            _ => Err(Fault::Unable),
        }
    }

    /// Begins an object that is written in parts. Nothing is to be seen of it until [`Upload::finish`].
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn upload(&self, key: &str) -> Outcome<Upload> {
        Ok(match &self.0.0 {
            Place::S3(s3) => Upload::S3(Box::new(s3.upload(key).await?)),
            Place::Folder(folder) => Upload::Folder(folder.upload(key).await?),
        })
    }

    /// Whether an upload that was begun here is there still: neither completed nor ended.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn is_open(&self, key: &str, upload: &str) -> Outcome<bool> {
        match &self.0.0 {
            Place::S3(s3) => s3.is_open(key, upload).await,
            Place::Folder(_) => Ok(false),
        }
    }

    /// Ends an upload that was begun here by another process: nothing of it stays.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn end_upload(&self, key: &str, upload: &str) -> Outcome<()> {
        match &self.0.0 {
            Place::S3(s3) => s3.end_upload(key, upload).await,
            Place::Folder(_) => Ok(()),
        }
    }

    /// Deletes objects, 1,000 with a request where there are requests; what is not there is deleted. Gives those that
    /// were refused, with the reason.
    ///
    /// # Errors
    /// When the place is away.
    pub async fn delete(&self, keys: &[String]) -> Result<Vec<(String, String)>> {
        match &self.0.0 {
            Place::S3(s3) => s3.delete(keys).await,
            Place::Folder(folder) => folder.delete(keys).await,
        }
    }

    /// Makes the names of all objects written so far durable.
    ///
    /// # Errors
    /// When a folder cannot be synced.
    pub async fn settle(&self) -> Result<()> {
        match &self.0.0 {
            Place::S3(_) => Ok(()),
            Place::Folder(folder) => folder.settle().await,
        }
    }
}

/// An object that is written in parts.
#[derive(Debug)]
pub enum Upload {
    /// A multipart upload.
    S3(Box<s3::Upload>),
    /// A file beside its place.
    Folder(folder::Upload),
}

impl Upload {
    /// Adds a part: [`PART`] bytes or more, but for the last.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn append(&mut self, bytes: Bytes) -> Outcome<()> {
        match self {
            Self::S3(upload) => upload.append(bytes).await,
            Self::Folder(upload) => upload.append(bytes).await,
        }
    }

    /// Makes the object visible where the condition holds, and gives its ETag.
    ///
    /// # Errors
    /// [`Fault::Changed`] where it does not; else see [`Fault`].
    pub async fn finish(self, condition: Condition<'_>) -> Outcome<String> {
        match self {
            Self::S3(upload) => upload.finish(condition).await,
            Self::Folder(upload) => upload.finish(condition).await,
        }
    }

    /// Gives the object up; nothing of it stays.
    pub async fn abandon(self) {
        match self {
            Self::S3(upload) => upload.abandon().await,
            Self::Folder(upload) => drop(upload),
        }
    }
}
