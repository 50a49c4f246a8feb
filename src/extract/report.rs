//! What an extraction did: the document of `extract --output json`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tables::Committed;
use crate::dataflow::TableName;
use crate::staging::{Moments, SnapshotNote};

/// An extraction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractReport {
    /// The run's id.
    pub run: String,
    /// The snapshot's id; of several the newest's.
    pub snapshot: String,
    /// The write-ahead log position of that snapshot, where the server tells.
    pub lsn: Option<String>,
    /// Every snapshot that a table was read under, the oldest first: one, unless the extraction was broken off.
    #[serde(default)]
    pub snapshots: Vec<SnapshotUse>,
    /// Whether all tables show the source at one moment: one snapshot, or several between which nobody wrote.
    #[serde(default = "yes")]
    pub one_moment: bool,
    /// What people are to know when it is more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
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
    /// Time spent on reading it, over all its slices; 0 for a table that an earlier process read.
    pub seconds: f64,
    /// The id of the snapshot that it was read under.
    #[serde(default)]
    pub snapshot: String,
    /// The server's clock when that was taken, RFC 3339. (A server that was started again gives the same ids again.)
    #[serde(default)]
    pub at: String,
}

/// A snapshot and how much was read under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotUse {
    /// Its id.
    pub id: String,
    /// The write-ahead log position, where the server tells.
    pub lsn: Option<String>,
    /// The server's clock when it was taken, RFC 3339.
    pub at: String,
    /// Tables read under it.
    pub tables: usize,
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
    /// The report over `done`; `newest` is the snapshot that was taken last.
    pub(super) fn new(
        run: &str,
        newest: &SnapshotNote,
        elapsed: Duration,
        mut done: Vec<Committed>,
        skipped: Vec<(TableName, String)>,
    ) -> Self {
        done.sort_by(|a, b| a.table.cmp(&b.table));
        let of = |done: &Committed| done.manifest.snapshot.clone().unwrap_or_default();
        let moments: Vec<(TableName, SnapshotNote)> = done.iter().map(|done| (done.table.clone(), of(done))).collect();
        let remark = Moments::of(moments.iter().map(|(table, snapshot)| (table, snapshot))).remark(run);
        let table = |done: Committed| {
            let snapshot = of(&done);
            ExtractedTable {
                table: done.table,
                rows: done.manifest.rows,
                bytes: done.manifest.bytes,
                files: done.manifest.files.len(),
                partitions: done.partitions,
                exceptions: done.manifest.exceptional(),
                seconds: done.elapsed.as_secs_f64(),
                snapshot: snapshot.id,
                at: snapshot.at,
            }
        };
        Self {
            run: run.to_owned(),
            snapshot: newest.id.clone(),
            lsn: newest.lsn.clone(),
            snapshots: uses(moments.into_iter().map(|(_, snapshot)| snapshot)),
            one_moment: remark.is_none(),
            remark,
            rows: done.iter().map(|done| done.manifest.rows).sum(),
            bytes: done.iter().map(|done| done.manifest.bytes).sum(),
            seconds: elapsed.as_secs_f64(),
            tables: done.into_iter().map(table).collect(),
            skipped: skipped.into_iter().map(|(table, reason)| SkippedTable { table, reason }).collect(),
        }
    }
}

/// Each snapshot once, the oldest first.
fn uses(snapshots: impl Iterator<Item = SnapshotNote>) -> Vec<SnapshotUse> {
    let mut uses: Vec<SnapshotUse> = Vec::new();
    for SnapshotNote { id, lsn, at, .. } in snapshots {
        match uses.iter_mut().find(|known| known.id == id && known.at == at) {
            Some(known) => known.tables += 1,
            None => uses.push(SnapshotUse { id, lsn, at, tables: 1 }),
        }
    }
    uses.sort_by(|a, b| a.at.cmp(&b.at));
    uses
}

/// Reports of earlier versions are of one moment.
fn yes() -> bool {
    true
}
