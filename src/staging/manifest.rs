//! Manifests: what a dataset holds and where it came from. A dataset exists when its manifest does.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::dataflow::{ContentChecksum, PG_TYPE, TableName, WriteSummary, WrittenFile};

/// The name of a dataset's manifest within its folder.
pub(super) const FILE_NAME: &str = "_manifest.json";

/// The version of the format that is written and understood.
pub(super) const VERSION: u32 = 1;

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

/// The one moment at which tables were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotNote {
    /// PostgreSQL's name of the exported snapshot.
    pub id: String,
    /// The write-ahead log position when it was taken, where the server tells.
    pub lsn: Option<String>,
    /// The server's clock when it was taken, RFC 3339.
    pub at: String,
}

impl Manifest {
    /// The manifest of a dataset made of these parts.
    pub fn new(dataset: &Dataset, schema: &Schema, parts: impl IntoIterator<Item = WriteSummary>) -> Self {
        let mut manifest = Self {
            manifest_version: VERSION,
            dataset: dataset.name().to_owned(),
            table: None,
            schema: schema.fields().iter().map(|field| FieldNote::of(field)).collect(),
            key: Vec::new(),
            rows: 0,
            bytes: 0,
            files: Vec::new(),
            checksum: ContentChecksum::default(),
            inputs: BTreeMap::new(),
            snapshot: None,
            notes: BTreeMap::new(),
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

    /// What names the rows whatever files they are in: `rows:checksum`.
    pub fn content(&self) -> String {
        format!("{}:{}", self.checksum.rows, self.checksum)
    }
}

impl FieldNote {
    fn of(field: &arrow::datatypes::Field) -> Self {
        Self {
            name: field.name().clone(),
            type_name: field.data_type().to_string(),
            pg_type: field.metadata().get(PG_TYPE).cloned(),
            nullable: field.is_nullable(),
        }
    }
}
