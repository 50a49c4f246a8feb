//! Manifests: what a dataset holds and where it came from. A dataset exists when its manifest does.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::dataflow::{ContentChecksum, PG_TYPE, TableName, WriteSummary, WrittenFile};

/// The name of a dataset's manifest within its folder.
pub(super) const FILE_NAME: &str = "_manifest.json";

/// The version of the format that is written and understood. 2: another content checksum, another form of -infinity, and
/// every exception of a table is in the file that its manifest names.
pub(super) const VERSION: u32 = 2;

/// A note's name in the manifest of a raw table is what was counted, here values in `raw/_exceptions`, then the column.
pub const EXCEPTIONS: &str = "exceptions: ";

/// What a dataset holds: schema, rows, files with their checksums, and the inputs it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub manifest_version: u32,
    /// The dataset's name: its folder below the run.
    pub dataset: String,
    /// The source table's true name, for a dataset of `raw/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableName>,
    /// The fields in order.
    pub schema: Vec<FieldNote>,
    /// The table's columns that were not read because the settings leave them out, for a dataset of `raw/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The columns of the key; empty without one.
    #[serde(default)]
    pub key: Vec<String>,
    /// Rows in all files.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The files, in order of their names. Empty for a dataset without columns.
    pub files: Vec<WrittenFile>,
    /// Order-free checksum over all rows.
    pub checksum: ContentChecksum,
    /// Hashes of what the dataset was made from, by name (query text, upstream datasets, settings).
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// The moment the rows were read at, for a dataset of `raw/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotNote>,
    /// Counted remarks, by name (infinities kept, values that went to `raw/_exceptions`).
    #[serde(default)]
    pub notes: BTreeMap<String, u64>,
    /// The table's rows of `raw/_exceptions`, for a dataset of `raw/` that has any: a file a slice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ExceptionsNote>,
}

/// The file of one of a table's slices in `raw/_exceptions`: durable before the table's manifest, so that a table that is kept when an
/// extraction goes on keeps its exceptions, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionsNote {
    /// The file.
    pub file: WrittenFile,
    /// Order-free checksum over its rows.
    pub checksum: ContentChecksum,
}

/// A field of a dataset's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldNote {
    /// The column's name.
    pub name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its PostgreSQL type, for a dataset of `raw/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pg_type: Option<String>,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

/// The snapshot under which tables were read: one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotNote {
    /// PostgreSQL's name of the exported snapshot.
    pub id: String,
    /// The write-ahead log position when it was taken, where the server tells.
    pub lsn: Option<String>,
    /// The server's clock when it was taken, RFC 3339.
    pub at: String,
    /// What tells whether another snapshot shows the same rows, where the server tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ServerState>,
}

/// What the rows that a snapshot shows depend on: which transactions of which server it sees. Two snapshots of equal
/// states show the same rows, as no transaction has written in between: they are one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerState {
    /// The transactions seen, as `txid_current_snapshot()` prints them: the first that may be unseen, the first that was
    /// not yet given out, and those between that had not ended.
    pub transactions: String,
    /// The cluster's identifier (`pg_control_system()`); a physical copy has that of its original.
    pub system: String,
    /// The cluster's timeline, which a promotion changes.
    pub timeline: i32,
    /// The database, by its oid.
    pub database: u32,
    /// Since when the server's counters run. They begin anew after a crash, which may lose commits that nobody had waited
    /// for, give their numbers out again, and empties unlogged tables; a clean restart keeps them.
    pub counting_since: String,
}

impl SnapshotNote {
    /// Whether both show the same rows: they are the same snapshot, or it is known that nobody wrote in between.
    pub fn is_moment_of(&self, other: &Self) -> bool {
        self == other || (self.state.is_some() && self.state == other.state)
    }
}

impl Manifest {
    /// The manifest of a dataset made of these parts.
    pub fn new(dataset: &Dataset, schema: &Schema, parts: impl IntoIterator<Item = WriteSummary>) -> Self {
        let mut manifest = Self {
            manifest_version: VERSION,
            dataset: dataset.name().to_owned(),
            table: None,
            schema: schema.fields().iter().map(|field| FieldNote::of(field)).collect(),
            left_out: Vec::new(),
            key: Vec::new(),
            rows: 0,
            bytes: 0,
            files: Vec::new(),
            checksum: ContentChecksum::default(),
            inputs: BTreeMap::new(),
            snapshot: None,
            notes: BTreeMap::new(),
            exceptions: Vec::new(),
        };
        for part in parts {
            manifest.rows += part.rows;
            manifest.bytes += part.bytes;
            manifest.files.extend(part.files);
            manifest.checksum.merge(&part.checksum);
            for (name, count) in part.notes {
                *manifest.notes.entry(name).or_default() += count;
            }
        }
        manifest.files.sort_by(|a, b| a.name.cmp(&b.name));
        manifest
    }

    /// The values of a raw table that its notes count as being in `raw/_exceptions`.
    pub fn exceptional(&self) -> u64 {
        self.notes.iter().filter(|(name, _)| name.starts_with(EXCEPTIONS)).map(|(_, count)| count).sum()
    }

    /// What names the rows whatever files they are in: `rows:checksum`.
    pub fn content(&self) -> String {
        format!("{}:{}", self.checksum.rows, self.checksum)
    }
}

impl FieldNote {
    /// What a manifest says of a field.
    pub fn of(field: &arrow::datatypes::Field) -> Self {
        Self {
            name: field.name().clone(),
            type_name: field.data_type().to_string(),
            pg_type: field.metadata().get(PG_TYPE).cloned(),
            nullable: field.is_nullable(),
        }
    }
}
