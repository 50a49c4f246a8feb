//! Files of a staging area in a folder: written beside their place, synced, renamed, and their folder is synced (the
//! `object_store` line in use never syncs local files). Nothing is written, removed or swept through a symbolic link
//! below the area's folder: what a link leads to is somebody else's.

use std::fs::{File, create_dir, read_dir, remove_dir_all, remove_file, symlink_metadata};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectMeta;
use object_store::path::Path;

/// Makes temporary names unique within the process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// The file of a key.
pub(super) fn local_path(key: &Path) -> PathBuf {
    FilePath::new("/").join(key.as_ref())
}

/// A name beside `place` that nobody else has.
pub(super) fn temporary_name(place: &FilePath) -> PathBuf {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    // In a container every process may have the same id, and one that was killed left its files behind.
    let random = fastrand::u64(..);
    place.with_file_name(format!(".{name}.{}.{serial}.{random:016x}.tmp", std::process::id()))
}

/// Whether an object's name is one that [`temporary_name`] gives.
pub(super) fn is_temporary(key: &Path) -> bool {
    key.filename().is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp"))
}

/// Makes the folder of `place` where it is missing; each that is new is durable in the one above it.
///
/// # Errors
/// When a part of the way below `root` is a symbolic link or a file.
pub(super) fn own_folder(root: &FilePath, place: &FilePath) -> Result<()> {
    walk(root, place, |way| match create_dir(way) {
        Ok(()) => sync_folder(way),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    })
}

/// Looks at each folder on the way from `root` to `place`; what is missing is `missing`'s.
fn walk(root: &FilePath, place: &FilePath, missing: impl Fn(&FilePath) -> Result<()>) -> Result<()> {
    let Some(folder) = place.parent().filter(|folder| folder.starts_with(root)) else { return Ok(()) };
    let mut way = root.to_owned();
    for part in folder.strip_prefix(root).unwrap_or(folder) {
        way.push(part);
        match symlink_metadata(&way) {
            Ok(found) if found.is_dir() => {}
            Ok(found) => {
                return Err(in_the_way(&way, if found.is_symlink() { "a symbolic link" } else { "no folder" }));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => missing(&way)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn in_the_way(place: &FilePath, what: &str) -> Error {
    let place = place.display();
    Error::other(format!("{place} is {what} and is in the way; remove it, or choose another staging area"))
}

/// A file that has not got its place yet. Dropped, also by who gave up waiting for it, it is removed.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    placed: bool,
}

impl Temporary {
    /// Gives the file its place, over what is there; durable once the folder is.
    pub(super) fn place_at(&mut self, place: &FilePath) -> Result<()> {
        std::fs::rename(&self.path, place)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing refers to it, and a failure to remove it harms nobody.
            let _ = remove_file(&self.path);
        }
    }
}

/// Opens a new file, to be given its place.
pub(super) fn open_new(root: &FilePath, place: &FilePath) -> Result<(File, Temporary)> {
    own_folder(root, place)?;
    let path = temporary_name(place);
    Ok((File::create_new(&path)?, Temporary { path, placed: false }))
}

/// Creates a file with these bytes, durable when it returns; `false` when its name is taken.
pub(super) fn create(root: &FilePath, place: &FilePath, bytes: &[u8]) -> Result<bool> {
    let (mut file, temporary) = open_new(root, place)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // A hard link is the create that fails when the name is taken.
    let linked = written.and_then(|()| std::fs::hard_link(&temporary.path, place));
    drop(temporary);
    match linked {
        Ok(()) => sync_folder(place).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match symlink_metadata(place) {
            Ok(found) if !found.is_file() => Err(in_the_way(place, "no file")),
            _ => Ok(false),
        },
        Err(error) => Err(error),
    }
}

/// Writes a file, replacing what is there. The file is durable when it returns, its name once its folder is.
pub(super) fn replace(root: &FilePath, place: &FilePath, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_name(place);
    let mut file = match File::create_new(&temporary) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            own_folder(root, place)?;
            File::create_new(&temporary)
        }
        created => created,
    }?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&temporary, place));
    renamed.inspect_err(|_| drop(remove_file(&temporary)))
}

/// Makes the names in the folder of `place` durable.
pub(super) fn sync_folder(place: &FilePath) -> Result<()> {
    match place.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a folder and all that is in it; links go, what they lead to stays.
pub(super) fn remove_folder(root: &FilePath, folder: &FilePath) -> Result<()> {
    walk(root, folder, |_| Ok(()))?;
    match remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Every file and link below a folder, links not followed; none where there is no folder.
pub(super) fn files_below(folder: &FilePath) -> Result<Vec<ObjectMeta>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let Ok(location) = Path::from_absolute_path(entry.path()) else {
                tracing::warn!(file = ?entry.path(), "left alone: its name is one that no key has");
                continue;
            };
            // One that has gone in the meantime is none.
            let Ok(meta) = entry.metadata() else { continue };
            let last_modified = meta.modified()?.into();
            found.push(ObjectMeta { location, last_modified, size: meta.len(), e_tag: None, version: None });
        }
    }
    Ok(found)
}

/// Runs what blocks on a thread of its own.
pub(super) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::other)?
}
