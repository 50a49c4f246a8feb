//! A local folder as a bucket: a file an object, its path below the folder the key. Symbolic links are never followed and
//! names that are not UTF-8 are told, not lost.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

use super::{Condition, Fault, Listed, Outcome};
use crate::error::{Error, Result};

/// Files of a page, as in S3.
const PAGE: usize = 1_000;
/// How temporary files begin and end; a listing leaves them out.
const TEMPORARY: (&str, &str) = (".telecine-", ".tmp");
/// Makes temporary names unique within the process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// A folder of this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    /// Folders with names that are not yet durable.
    unsettled: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Folder {
    /// The folder at `path`, whether or not it is there.
    pub(super) fn at(path: &str) -> Result<Self> {
        let absolute =
            std::path::absolute(path).map_err(|cause| Error::config(format!("{path:?} is no folder: {cause}")))?;
        // Where it is there, the place that links lead to: two names of one place are seen to be one.
        let root = absolute.canonicalize().unwrap_or(absolute);
        Ok(Self { root, unsettled: Arc::default() })
    }

    pub(super) fn url(&self) -> String {
        self.root.display().to_string()
    }

    pub(super) fn below(&self, name: &str) -> Self {
        Self { root: self.root.join(name), unsettled: Arc::clone(&self.unsettled) }
    }

    /// The file of a key, which never lies outside of the folder.
    fn path(&self, key: &str) -> Outcome<PathBuf> {
        let bad = |part: &str| matches!(part, "" | "." | "..") || part.len() > 255 || part.contains('\0');
        if key.split('/').any(bad) {
            return Err(Fault::Unnameable("no file can have this name".into()));
        }
        Ok(self.root.join(key))
    }

    pub(super) fn list(&self) -> BoxStream<'static, Result<Vec<Listed>>> {
        let (pages, received) = mpsc::channel(2);
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || {
            let mut walk = Walk { pages, page: Vec::new() };
            let walked = walk.folder(&root, "");
            if let Err(cause) = walked {
                let message = "cannot be listed; see the cause".to_owned();
                let error = Error::Bucket { url: root.display().to_string(), message, cause: Some(cause.into()) };
                drop(walk.pages.blocking_send(Err(error)));
            } else {
                walk.send();
            }
        });
        let next = |mut received: mpsc::Receiver<_>| async move { received.recv().await.map(|page| (page, received)) };
        futures::stream::unfold(received, next).boxed()
    }

    pub(super) async fn head(&self, key: &str) -> Outcome<(u64, String)> {
        let path = self.path(key)?;
        blocking(move || {
            let found = regular(fs::symlink_metadata(path)?)?;
            Ok((found.len(), etag(&found)))
        })
        .await
    }

    pub(super) async fn read(&self, key: &str, wanted: &str, start: u64, length: u64) -> Outcome<Bytes> {
        let path = self.path(key)?;
        let wanted = wanted.to_owned();
        let read = blocking(move || {
            regular(fs::symlink_metadata(&path)?)?;
            let file = File::open(&path)?;
            let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
            // The inode is part of the ETag: a link that was put in its place in between is another file.
            let before = etag(&file.metadata()?);
            if before != wanted {
                return Ok(None);
            }
            match file.read_exact_at(&mut bytes, start) {
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            Ok((etag(&file.metadata()?) == wanted).then_some(bytes))
        });
        read.await?.map(Bytes::from).ok_or(Fault::Changed)
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Outcome<String> {
        let mut upload = self.upload(key).await?;
        upload.append(bytes).await?;
        upload.finish(condition).await
    }

    pub(super) async fn upload(&self, key: &str) -> Outcome<Upload> {
        let place = self.path(key)?;
        let unsettled = Arc::clone(&self.unsettled);
        blocking(move || {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let (begin, end) = TEMPORARY;
            let name = format!("{begin}{}-{serial}-{:016x}{end}", std::process::id(), fastrand::u64(..));
            let temporary = place.with_file_name(name);
            let file = match File::create_new(&temporary) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => {
                    make_folders(place.parent().unwrap_or(Path::new("/")), &unsettled)?;
                    File::create_new(&temporary)?
                }
                created => created?,
            };
            Ok(Upload { file: Some(file), temporary, place, unsettled, done: false })
        })
        .await
    }

    pub(super) async fn take(&self, from: &Self, key: &str, wanted: &str) -> Outcome<()> {
        let (place, old) = (self.path(key)?, from.path(key)?);
        let (wanted, unsettled) = (wanted.to_owned(), Arc::clone(&self.unsettled));
        let taken = blocking(move || {
            if etag(&regular(fs::symlink_metadata(&old)?)?) != wanted {
                return Ok(Some(Fault::Changed));
            }
            make_folders(place.parent().unwrap_or(Path::new("/")), &unsettled)?;
            match fs::rename(&old, &place) {
                Err(cause) if cause.kind() == ErrorKind::CrossesDevices => return Ok(Some(Fault::Unable)),
                renamed => renamed?,
            }
            note(&unsettled, &place);
            note(&unsettled, &old);
            Ok(None)
        });
        taken.await?.map_or(Ok(()), Err)
    }

    pub(super) async fn delete(&self, keys: &[String]) -> Result<Vec<(String, String)>> {
        let mut refused = Vec::new();
        for key in keys {
            let removed = match self.path(key) {
                Ok(path) => {
                    note(&self.unsettled, &path);
                    blocking(move || fs::remove_file(path)).await
                }
                Err(fault) => Err(fault),
            };
            match removed {
                Ok(()) | Err(Fault::Missing) => {}
                Err(fault) => refused.push((key.clone(), fault.reason(&self.url())?)),
            }
        }
        Ok(refused)
    }

    pub(super) async fn settle(&self) -> Result<()> {
        let folders = std::mem::take(&mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        let url = self.url();
        let synced = blocking(move || folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())).await;
        synced.map_err(|fault| match fault.reason(&url) {
            Ok(reason) => Error::Bucket { url, message: format!("a folder cannot be synced: {reason}"), cause: None },
            Err(error) => error,
        })
    }
}

/// Makes the folders on the way to one, and notes those whose names are new.
fn make_folders(folder: &Path, unsettled: &Mutex<BTreeSet<PathBuf>>) -> std::io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(folder).map_err(|cause| match cause.kind() {
        ErrorKind::AlreadyExists => std::io::Error::new(ErrorKind::NotADirectory, cause),
        _ => cause,
    })?;
    missing.iter().for_each(|folder| note(unsettled, folder));
    Ok(())
}

fn note(unsettled: &Mutex<BTreeSet<PathBuf>>, path: &Path) {
    let Some(folder) = path.parent() else { return };
    let mut unsettled = unsettled.lock().unwrap_or_else(PoisonError::into_inner);
    if !unsettled.contains(folder) {
        unsettled.insert(folder.to_owned());
    }
}

/// As `object_store` makes them of local files: what differs when the file was replaced, written or cut.
fn etag(found: &fs::Metadata) -> String {
    let modified = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    format!("{:x}-{modified:x}-{:x}", found.ino(), found.len())
}

fn regular(found: fs::Metadata) -> std::io::Result<fs::Metadata> {
    if found.is_file() { Ok(found) } else { Err(std::io::Error::new(ErrorKind::NotFound, "no regular file")) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Outcome<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other).and_then(|done| done).map_err(Fault::of_io)
}

/// A walk through a folder in the order of keys.
struct Walk {
    pages: mpsc::Sender<Result<Vec<Listed>>>,
    page: Vec<Listed>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, prefix: &str) -> std::io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut named = Vec::new();
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let raw = entry.file_name();
            let (name, plain) = (raw.to_string_lossy().into_owned(), raw.to_str().is_some());
            // With its slash a folder stands where its keys do: S3 lists `a-b` before `a/b`.
            named.push((if kind.is_dir() { format!("{name}/") } else { name }, kind, plain, entry.path()));
        }
        named.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind, plain, path) in named {
            let key = format!("{prefix}{name}");
            if kind.is_dir() && plain {
                self.folder(&path, &key)?;
            } else if !(name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)) {
                self.file(key, &path, reason(kind, plain))?;
            }
            if self.pages.is_closed() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn file(&mut self, key: String, path: &Path, reason: Option<String>) -> std::io::Result<()> {
        let found = match fs::symlink_metadata(path) {
            // Removed since the folder was read: it is not there.
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let modified = found.mtime().saturating_mul(1_000_000).saturating_add(found.mtime_nsec() / 1_000);
        self.page.push(Listed { key, size: found.len(), etag: etag(&found), modified, reason });
        if self.page.len() == PAGE {
            self.send();
        }
        Ok(())
    }

    fn send(&mut self) {
        if !self.page.is_empty() {
            drop(self.pages.blocking_send(Ok(std::mem::take(&mut self.page))));
        }
    }
}

fn reason(kind: fs::FileType, plain: bool) -> Option<String> {
    if !plain {
        Some("the name is not UTF-8".to_owned())
    } else if kind.is_symlink() {
        Some("a symbolic link, which is not followed".to_owned())
    } else if !kind.is_file() {
        Some("no regular file".to_owned())
    } else {
        None
    }
}

/// A file while it is written beside its place.
#[derive(Debug)]
pub struct Upload {
    file: Option<File>,
    temporary: PathBuf,
    place: PathBuf,
    unsettled: Arc<Mutex<BTreeSet<PathBuf>>>,
    done: bool,
}

impl Upload {
    pub(super) async fn append(&mut self, bytes: Bytes) -> Outcome<()> {
        let Some(mut file) = self.file.take() else { return Err(Fault::Missing) };
        self.file = Some(blocking(move || file.write_all(&bytes).map(|()| file)).await?);
        Ok(())
    }

    pub(super) async fn finish(mut self, condition: Condition<'_>) -> Outcome<String> {
        let Some(file) = self.file.take() else { return Err(Fault::Missing) };
        let (temporary, place) = (self.temporary.clone(), self.place.clone());
        let wanted = match condition {
            Condition::Is(etag) => Some(etag.to_owned()),
            Condition::Any | Condition::New => None,
        };
        let only_new = matches!(condition, Condition::New);
        let made = blocking(move || {
            file.sync_all()?;
            if let Some(wanted) = wanted
                && fs::symlink_metadata(&place).map(|found| etag(&found)).ok().as_ref() != Some(&wanted)
            {
                return Ok(None);
            }
            if only_new {
                // A hard link is the create that fails when the name is taken.
                fs::hard_link(&temporary, &place)?;
                fs::remove_file(&temporary)?;
            } else {
                fs::rename(&temporary, &place)?;
            }
            Ok(Some(etag(&file.metadata()?)))
        });
        let made = made.await?.ok_or(Fault::Changed)?;
        note(&self.unsettled, &self.place);
        self.done = true;
        Ok(made)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.done {
            // An abandoned write: nothing refers to the file, and a failure to remove it harms nobody.
            drop(fs::remove_file(&self.temporary));
        }
    }
}
