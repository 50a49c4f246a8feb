//! The journal: one JSON line an event, appended by one `write` before the request is answered, so that what was
//! answered outlives a killed process. (Not a power failure: nothing is synced to the disk.)

use std::fs::{File, OpenOptions, TryLockError, create_dir_all};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

const FILE: &str = "journal.ndjson";

/// An open journal; its file is locked against a second server.
#[derive(Debug)]
pub struct Journal {
    file: File,
    line: Vec<u8>,
    /// The length of the whole lines.
    length: u64,
}

impl Journal {
    /// Opens or creates `folder/journal.ndjson` and hands every event of it to `apply`, oldest first. A last line
    /// without its end, left by a write that was cut short, was never answered and is removed.
    ///
    /// # Errors
    /// [`Error::Rehearsal`] where the file is in use by another server, cannot be read, or holds a line that is no event.
    pub fn open<E: DeserializeOwned>(folder: &Path, mut apply: impl FnMut(E) -> Result<(), String>) -> Result<Self> {
        let path = folder.join(FILE);
        create_dir_all(folder).map_err(|cause| unusable(&path, "cannot be created", cause))?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = file.map_err(|cause| unusable(&path, "cannot be opened", cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message =
                    format!("{} is in use by another local Flex; stop it or name another folder", path.display());
                return Err(Error::preflight(message));
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(&path, "cannot be locked", cause)),
        }
        let length = replay(&file, &path, &mut apply)?;
        file.set_len(length)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|cause| unusable(&path, "cannot be mended", cause))?;
        Ok(Self { file, line: Vec::new(), length })
    }

    /// Appends one event; the operating system has it when this returns.
    ///
    /// # Errors
    /// What the write says, for example that the disk is full; the part of a line already written is taken back.
    pub fn append(&mut self, event: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)?;
        self.line.push(b'\n');
        if let Err(error) = self.file.write_all(&self.line) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += self.line.len() as u64;
        Ok(())
    }
}

fn replay<E: DeserializeOwned>(
    file: &File,
    path: &Path,
    apply: &mut impl FnMut(E) -> Result<(), String>,
) -> Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let (mut length, mut number) = (0, 0_u64);
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(|cause| unusable(path, "cannot be read", cause))?;
        if line.last() != Some(&b'\n') {
            return Ok(length);
        }
        number += 1;
        let event = serde_json::from_slice(&line)
            .map_err(|cause| unusable(path, &format!("holds no event in line {number}"), cause))?;
        apply(event).map_err(|cause| unusable(path, &format!("does not make sense in line {number}"), cause))?;
        length += read as u64;
    }
}

fn unusable(path: &Path, what: &str, cause: impl Into<crate::error::Cause>) -> Error {
    let path: PathBuf = path.into();
    let advice = "; name another folder, or remove it to start empty";
    Error::rehearsal("the local Flex", format!("{} {what}{advice}", path.display()), cause)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{FILE, Journal};

    fn events(folder: &std::path::Path) -> Vec<u32> {
        let mut events = Vec::new();
        Journal::open(folder, |event: u32| {
            events.push(event);
            Ok(())
        })
        .unwrap();
        events
    }

    #[test]
    fn a_line_cut_short_is_removed_and_appending_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path(), |_: u32| Ok(())).unwrap();
        journal.append(&1).unwrap();
        journal.append(&22).unwrap();
        drop(journal);
        let path = folder.path().join(FILE);
        fs::write(&path, "1\n22\n3").unwrap();
        assert_eq!(events(folder.path()), [1, 22]);
        let mut journal = Journal::open(folder.path(), |_: u32| Ok(())).unwrap();
        journal.append(&4).unwrap();
        drop(journal);
        assert_eq!(events(folder.path()), [1, 22, 4]);
    }

    #[test]
    fn a_second_server_and_a_damaged_line_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let held = Journal::open(folder.path(), |_: u32| Ok(())).unwrap();
        let error = Journal::open(folder.path(), |_: u32| Ok(())).unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
        drop(held);
        fs::write(folder.path().join(FILE), "1\nnonsense\n").unwrap();
        let error = Journal::open(folder.path(), |_: u32| Ok(())).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
