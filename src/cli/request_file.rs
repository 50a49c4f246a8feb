//! The file of planned requests: under another name until it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that takes its name when everything is in it. What is no ordinary file (a pipe, a terminal) is written to at once.
pub(super) struct RequestFile {
    path: PathBuf,
    /// The name until then.
    unfinished: Option<PathBuf>,
    file: BufWriter<File>,
}

impl RequestFile {
    /// # Errors
    /// [`Error::Preflight`] when nothing can be written there.
    pub(super) fn begin(path: &Path) -> Result<Self> {
        let refused = |cause: io::Error| Error::Preflight {
            message: format!("--requests {}: cannot be written", path.display()),
            cause: Some(Box::new(cause)),
        };
        let is_special = fs::metadata(path).is_ok_and(|there| !there.is_file());
        // Through a link to what it points to, which is replaced.
        let path =
            if is_special { path.to_owned() } else { fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) };
        let unfinished = (!is_special).then(|| {
            let mut name = path.clone().into_os_string();
            name.push(format!(".{}.tmp", std::process::id()));
            PathBuf::from(name)
        });
        let file = match &unfinished {
            Some(unfinished) => File::create(unfinished),
            None => fs::OpenOptions::new().write(true).open(&path),
        };
        let file = BufWriter::new(file.map_err(refused)?);
        Ok(Self { path, unfinished, file })
    }

    /// Gives the file its name: it is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written; a file that was there before stays as it was.
    pub(super) fn keep(mut self) -> Result<()> {
        let kept = self.file.flush().and_then(|()| match &self.unfinished {
            None => Ok(()),
            Some(unfinished) => self.file.get_ref().sync_all().and_then(|()| fs::rename(unfinished, &self.path)),
        });
        kept.map_err(|cause| Error::staging(self.path.display().to_string(), "cannot be written", cause))?;
        self.unfinished = None;
        Ok(())
    }
}

impl Write for RequestFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for RequestFile {
    /// A plan that was not finished leaves nothing behind.
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            // There is nobody to tell, and the name says what it is.
            let _ = fs::remove_file(unfinished);
        }
    }
}
