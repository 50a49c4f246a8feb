//! What an extraction did: the document of `extract --output json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tables::Committed;
use crate::dataflow::TableName;
use crate::staging::SnapshotNote;

/// An extraction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractReport {
    /// The run's id.
    pub run: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// The write-ahead log position of the snapshot, where the server tells.
    pub lsn: Option<String>,
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all files written.
    pub bytes: u64,
    /// Wall time.
    pub seconds: f64,
    /// The tables read, ordered by name.
    pub tables: Vec<ExtractedTable>,
    /// The tables left out, ordered by name.
    pub skipped: Vec<SkippedTable>,
}

/// A table in `raw/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractedTable {
    /// Its name.
    #[serde(flatten)]
    pub table: TableName,
    /// Rows.
    pub rows: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Its files.
    pub files: usize,
    /// The slices it was read in.
    pub partitions: usize,
    /// Values that are in `raw/_exceptions`.
    pub exceptions: u64,
    /// Time spent on reading it, over all its slices.
    pub seconds: f64,
}

/// A table that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedTable {
    /// Its name.
    #[serde(flatten)]
    pub table: TableName,
    /// Why.
    pub reason: String,
}

impl ExtractReport {
    pub(super) fn new(
        run: &str,
        snapshot: &SnapshotNote,
        elapsed: Duration,
        mut done: Vec<Committed>,
        skipped: Vec<(TableName, String)>,
    ) -> Self {
        done.sort_by(|a, b| a.table.cmp(&b.table));
        let table = |done: Committed| ExtractedTable {
            table: done.table,
            rows: done.manifest.rows,
            bytes: done.manifest.bytes,
            files: done.manifest.files.len(),
            partitions: done.partitions,
            exceptions: exceptions(&done.manifest.notes),
            seconds: done.elapsed.as_secs_f64(),
        };
        Self {
            run: run.to_owned(),
            snapshot: snapshot.id.clone(),
            lsn: snapshot.lsn.clone(),
            rows: done.iter().map(|done| done.manifest.rows).sum(),
            bytes: done.iter().map(|done| done.manifest.bytes).sum(),
            seconds: elapsed.as_secs_f64(),
            tables: done.into_iter().map(table).collect(),
            skipped: skipped.into_iter().map(|(table, reason)| SkippedTable { table, reason }).collect(),
        }
    }
}

/// A note's name: what was counted, then the column.
pub(super) const EXCEPTIONS: &str = "exceptions: ";
/// See [`EXCEPTIONS`].
pub(super) const INFINITE: &str = "infinite: ";

fn exceptions(notes: &std::collections::BTreeMap<String, u64>) -> u64 {
    notes.iter().filter(|(name, _)| name.starts_with(EXCEPTIONS)).map(|(_, count)| count).sum()
}
