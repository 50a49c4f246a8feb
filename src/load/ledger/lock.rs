//! One process a ledger. The kernel drops the lock when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Held for as long as the ledger is open; the file beside the ledger says by whom.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// # Errors
    /// When another process holds the ledger, or the folder cannot be written.
    pub(super) fn take(ledger: &Path) -> Result<Self> {
        let path = PathBuf::from(format!("{}.lock", ledger.display()));
        let failed = |cause: std::io::Error| Error::Ledger {
            path: path.display().to_string(),
            message: "the lock file cannot be written; the folder must exist and be writable".to_owned(),
            cause: Some(Box::new(cause)),
        };
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: an unreadable lock file still means that somebody holds it.
                let _ = file.read_to_string(&mut holder);
                return Err(Error::Ledger {
                    path: ledger.display().to_string(),
                    message: format!(
                        "in use by {}; wait for it to end, or end it, then run the same command again",
                        if holder.trim().is_empty() { "another process" } else { holder.trim() }
                    ),
                    cause: None,
                });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "process {} on {}", std::process::id(), host.trim()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}
