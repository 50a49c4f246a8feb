//! The seams of the dataflow: where rows come from ([`Source`]), where they go ([`Sink`]), and the few types that
//! travel between modules. The one currency is DataFusion's [`SendableRecordBatchStream`].

pub mod checksum;
pub mod definition;
pub mod progress;

use std::collections::BTreeMap;
use std::fmt;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
pub use datafusion::execution::SendableRecordBatchStream;
use serde::{Deserialize, Serialize};

pub use self::checksum::ContentChecksum;
pub use self::progress::Progress;
use crate::error::Result;

/// The schema-metadata key of a field under which its PostgreSQL type is kept (`numeric(12,3)`, `text[]`).
pub const PG_TYPE: &str = "pg_type";

/// A table's true name: schema and name, spelled exactly as in the source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The name within the schema.
    pub name: String,
}

impl TableName {
    /// The table `name` of `schema`.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A column as the source declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMeta {
    /// The name, spelled exactly.
    pub name: String,
    /// The declared type in the source's own words (`character varying(36)`, `tc_range`).
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

/// What a table is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A partitioned parent: its rows live in its partitions, which are tables of their own.
    Partitioned,
    /// A partition of a partitioned parent.
    Partition,
}

/// A table a [`Source`] can scan.
#[derive(Debug, Clone)]
pub struct TableMeta {
    /// The true name.
    pub table: TableName,
    /// What it is to the reader.
    pub kind: TableKind,
    /// The columns in order, as declared.
    pub columns: Vec<ColumnMeta>,
    /// Columns that the settings leave out.
    pub left_out: Vec<String>,
    /// The primary key's columns, in key order; empty without one.
    pub key: Vec<String>,
    /// Rows, as the source knows them without counting: an estimate until the table has been read.
    pub rows: u64,
    /// Bytes in the source, with TOAST, without indexes: an estimate.
    pub bytes: u64,
    /// The schema of the batches that a scan gives. Every field carries [`PG_TYPE`].
    pub arrow: SchemaRef,
}

/// A slice of a table read by one connection. The slices of a table are disjoint and together are the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// The table.
    pub table: TableName,
    /// The slice's number, from 0; also the number of its part file.
    pub number: usize,
    /// Which rows.
    pub slice: Slice,
}

/// Which rows of its table a [`Partition`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slice {
    /// All of them.
    Whole,
    /// Those for which a predicate in the source's SQL holds.
    Where(String),
    /// Those of one file of a dataset, by its name within the dataset.
    File(String),
    /// Those of some objects of a listing.
    Objects {
        /// The first one's place.
        first: usize,
        /// How many.
        count: usize,
    },
}

/// A file that a sink has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// The name within its dataset's folder.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hex.
    pub blake3: String,
}

/// What one call of [`Sink::write_all`] has made durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteSummary {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Files written, by name; none for a sink that is not made of files.
    pub files: Vec<WrittenFile>,
    /// Order-free checksum over all rows.
    pub checksum: ContentChecksum,
    /// Values that a column's type cannot hold, by column (see `raw/_exceptions`).
    pub notes: BTreeMap<String, u64>,
}

/// A place rows come from.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// All tables, ordered by name.
    ///
    /// # Errors
    /// When the catalog or the manifests cannot be read.
    async fn tables(&self) -> Result<Vec<TableMeta>>;

    /// The slices in which a table is best read in parallel; never empty.
    ///
    /// # Errors
    /// When the table's bounds cannot be read.
    async fn partitions(&self, table: &TableMeta) -> Result<Vec<Partition>>;

    /// The rows of a slice, once. The stream holds a bounded number of bytes and stops reading when not polled.
    ///
    /// # Errors
    /// When the read cannot be started; later failures come through the stream.
    async fn scan(&self, partition: &Partition) -> Result<SendableRecordBatchStream>;
}

/// A place rows go to. Called once per stream; owns its concurrency and its commit.
#[async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// Writes all rows; when it returns, they are durable.
    ///
    /// # Errors
    /// When the stream fails or a row cannot be written; nothing half-written becomes visible.
    async fn write_all(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary>;
}
