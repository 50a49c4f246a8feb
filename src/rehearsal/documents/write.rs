//! Sample documents as files of a folder, and their answer key.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::{DocumentOptions, Flaw, objects};
use crate::{Error, Result};

/// The longest name that a file may have, in bytes (ext4, APFS, NTFS in most cases).
const LONGEST: usize = 255;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Files.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects by flaw.
    pub flaws: BTreeMap<Flaw, u64>,
    /// Keys that only a bucket can have: no file of such a name was written, and the answer key does not tell of it.
    pub no_files: Vec<String>,
}

/// Writes the objects below `folder`, and what is expected of each to the file `answers`, a line of JSON each. Folders are
/// made where they are missing; files of the same names are replaced.
///
/// # Errors
/// [`Error::Config`] when the dirt is out of range. [`Error::Rehearsal`] naming the file that cannot be written.
pub fn write(options: &DocumentOptions, folder: &Path, answers: &Path) -> Result<Written> {
    if !(0.0..=1000.0).contains(&options.dirt) {
        return Err(Error::config(format!("documents dirt {}: must be between 0 and 1000", options.dirt)));
    }
    let failed =
        |path: &Path, cause: std::io::Error| Error::rehearsal(path.display().to_string(), "cannot be written", cause);
    if let Some(parent) = answers.parent() {
        std::fs::create_dir_all(parent).map_err(|cause| failed(parent, cause))?;
    }
    let mut key = BufWriter::new(File::create(answers).map_err(|cause| failed(answers, cause))?);
    let mut written = Written::default();
    for object in objects(options) {
        if !can_be_a_file(&object.key) {
            written.no_files.push(object.key);
            continue;
        }
        let path = folder.join(&object.key);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|cause| failed(parent, cause))?;
        }
        std::fs::write(&path, &object.body).map_err(|cause| failed(&path, cause))?;
        let line = serde_json::to_string(&object.expected).map_err(|cause| failed(answers, cause.into()))?;
        writeln!(key, "{line}").map_err(|cause| failed(answers, cause))?;
        written.objects += 1;
        written.bytes += object.body.len() as u64;
        if let Some(flaw) = object.expected.flaw {
            *written.flaws.entry(flaw).or_default() += 1;
        }
    }
    key.flush().map_err(|cause| failed(answers, cause))?;
    Ok(written)
}

fn can_be_a_file(key: &str) -> bool {
    key.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= LONGEST && !part.contains('\0'))
}
