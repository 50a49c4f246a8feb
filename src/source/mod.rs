//! Rows out of PostgreSQL: what is there ([`Discovery`]), one snapshot for all of it, and binary `COPY` into Arrow.
//!
//! ```text
//! conninfo, passfile, target  what the user and libpq's files and variables say of the connection
//! tls, connect, tap           one session: how secured, set up, watched
//! liveness, failure           whether the other end is there; what an error means
//! catalog, types, discover    what the database holds and how each column is read
//! activity, identity          what else goes on in the server; which database it is
//! selection, omitted, preflight  which tables and columns are read; whether this user may
//! snapshot, partition, sample the moment of reading; who reads which slice
//! ranges                      which rows are read again
//! copy, pace, framing, decode bytes off the wire, tuples, record batches
//! exceptions                  the values that no Arrow type could take
//! reader, connectorx          the choice of another reader, and that reader
//! ```

mod activity;
mod catalog;
mod connect;
#[cfg(feature = "connectorx")]
mod connectorx;
mod conninfo;
mod copy;
pub mod decode;
mod discover;
mod exceptions;
mod failure;
pub mod framing;
mod identity;
pub mod json;
mod liveness;
mod omitted;
mod pace;
mod partition;
mod passfile;
mod preflight;
mod ranges;
mod reader;
mod sample;
mod selection;
mod snapshot;
mod tap;
mod target;
mod tls;
mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use secrecy::SecretString;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use tracing::warn;

use self::catalog::CatalogTable;
pub use self::catalog::PG_TEXT;
use self::connect::Session;
use self::conninfo::Whose;
pub use self::conninfo::has_password;
pub use self::copy::{CopyRead, SILENCE};
use self::decode::{Layout, Noted, TupleDecoder};
pub use self::discover::{Connection, Discovery, TableFinding, Use};
pub use self::exceptions::{Exception, exceptions_batch, exceptions_schema};
pub(crate) use self::failure::Tries;
use self::failure::{answer, malformed, value};
use self::omitted::Omitted;
use self::pace::Pace;
pub use self::partition::{key_slices, page_slices};
pub use self::ranges::{Bound, KeyOrder, KeyRange, ShapeColumn, TableShape};
pub use self::reader::Reader;
pub use self::selection::Exclusion;
use self::selection::Selection;
use self::snapshot::Snapshot;
use self::target::Target;
pub use self::types::{PG_INFINITY, Reading, Wire};
use crate::dataflow::{Partition, SendableRecordBatchStream, Slice, Source, TableMeta, TableName};
use crate::error::{Error, Result};
use crate::staging::SnapshotNote;

/// The oldest server that is read (`server_version_num`).
const OLDEST: i32 = 100_000;

/// Bytes of exceptions that a source keeps for `raw/_exceptions` until they are [taken](PostgresSource::take_noted).
const LISTED_BYTES: usize = 64 << 20;

/// What the reader is told.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// The connection URL; never printed.
    pub url: SecretString,
    /// Globs of the tables to read, on the name or on `schema.name`; empty for all.
    pub include: Vec<String>,
    /// Globs of the tables to leave out, with the reason that reports give.
    pub exclude: Vec<Exclusion>,
    /// Columns that are never read, `schema.table.column`: secrets.
    pub exclude_columns: Vec<String>,
    /// Tables or slices read at once, each by a connection of its own.
    pub connections: usize,
    /// Rows after which a batch ends.
    pub batch_rows: usize,
    /// Bytes after which a batch ends.
    pub batch_bytes: usize,
    /// A table of more bytes than this is read in slices of about this size.
    pub partition_bytes: u64,
    /// Million bytes a second that all connections together take off the wire; none for as many as come.
    pub max_mbps: Option<usize>,
    /// Whether materialised views are read, like tables.
    pub materialised_views: bool,
    /// Whether a remote host may be reached without TLS.
    pub allow_insecure: bool,
    /// By which reader rows become batches.
    pub reader: Reader,
    /// How long a read may go without a byte before its connection is taken for dead; [`SILENCE`] unless a test is in a
    /// hurry. A peer that is gone altogether is noticed sooner, by TCP itself.
    pub silence: Duration,
}

/// A PostgreSQL database, read under one snapshot. Cheap to clone; clones share connections and snapshot.
#[derive(Clone)]
pub struct PostgresSource {
    inner: Arc<Inner>,
}

struct Inner {
    config: SourceConfig,
    target: Target,
    selection: Selection,
    omitted: Omitted,
    pace: Pace,
    control: Session,
    version: i32,
    catalog: OnceCell<Arc<Vec<CatalogTable>>>,
    snapshot: AsyncMutex<Option<Arc<Snapshot>>>,
    noted: Mutex<BTreeMap<(TableName, usize), Noted>>,
}

impl fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSource").field("place", &self.inner.control.place).finish_non_exhaustive()
    }
}

impl PostgresSource {
    /// Connects one session, which asks the catalog; the readers' sessions come with the snapshot.
    ///
    /// # Errors
    /// [`Error::Preflight`] when no connection can be made or the server is older than PostgreSQL 10; [`Error::Config`]
    /// when URL or globs are unusable.
    pub async fn connect(config: &SourceConfig) -> Result<Self> {
        let selection = Selection::new(&config.include, &config.exclude, config.materialised_views)?;
        Self::connect_as(config, selection, Whose::Source).await
    }

    /// Connects to a database that the source is compared with. Address and password of the source, in the environment or
    /// a service file, are not taken for those of a host that the URL names itself (PGPASSWORD is, where neither the URL
    /// nor a password file has one), and globs may select nothing: what they select in the source may be missing.
    ///
    /// # Errors
    /// As [`PostgresSource::connect`].
    pub async fn connect_other(config: &SourceConfig) -> Result<Self> {
        let selection = Selection::new(&config.include, &config.exclude, config.materialised_views)?;
        Self::connect_as(config, selection.lenient(), Whose::Other).await
    }

    async fn connect_as(config: &SourceConfig, selection: Selection, whose: Whose) -> Result<Self> {
        let omitted = Omitted::new(&config.exclude_columns)?;
        let target = Target::parse(&config.url, config.allow_insecure, whose)?;
        config.reader.require_reach(&target)?;
        let control = Session::first(&target).await?;
        let asked = control.client.query_one("select pg_catalog.current_setting('server_version_num')::int", &[]);
        let version = answer("catalog", "the server's version cannot be read", asked).await?;
        let version = value(&version, 0)?;
        if version < OLDEST {
            return Err(Error::preflight(format!("PostgreSQL {version} is too old; 10 is the oldest that is read")));
        }
        let inner = Inner {
            config: config.clone(),
            target,
            selection,
            omitted,
            pace: Pace::new(config.max_mbps),
            control,
            version,
            catalog: OnceCell::new(),
            snapshot: AsyncMutex::new(None),
            noted: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Tables or slices read at once.
    pub fn connections(&self) -> usize {
        self.inner.config.connections.max(1)
    }

    /// What is in the source, what will be read, and what not and why.
    ///
    /// # Errors
    /// When the catalog cannot be read, or a glob of tables to be read matches none.
    pub async fn discover(&self) -> Result<Discovery> {
        let tables = self.catalog().await?;
        self.inner.selection.require_matches(&tables)?;
        discover::discover(&self.inner.control, &tables, &self.inner.selection, self.connections()).await
    }

    /// The tables that are not read, with the reason of each, ordered by name.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn skipped(&self) -> Result<Vec<(TableName, String)>> {
        let reason = |table: &CatalogTable| Some((table.table.clone(), self.inner.selection.skips(table)?));
        Ok(self.catalog().await?.iter().filter_map(reason).collect())
    }

    /// The snapshot under which everything is read; taken when first asked for, after all selected tables are locked.
    ///
    /// # Errors
    /// When a table is unreadable, cannot be locked, or has changed since the catalog was read.
    pub async fn snapshot(&self) -> Result<SnapshotNote> {
        Ok(self.open_snapshot().await?.name.clone())
    }

    /// Ends the snapshot: locks are released, the readers' sessions closed. A later read takes a new one.
    pub async fn release(&self) {
        *self.inner.snapshot.lock().await = None;
    }

    /// What was noted about the rows of a table in the scans that have ended, over all partitions.
    pub fn noted(&self, table: &TableName) -> Noted {
        let noted = self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Noted::default();
        for (_, part) in noted.range((table.clone(), 0)..=(table.clone(), usize::MAX)) {
            all.exceptions.extend(part.exceptions.iter().cloned());
            part.exceptional.iter().for_each(|(column, n)| *all.exceptional.entry(column.clone()).or_default() += n);
            part.infinite.iter().for_each(|(column, n)| *all.infinite.entry(column.clone()).or_default() += n);
        }
        all
    }

    /// Takes what was noted about the rows of a slice whose scan has ended: the room is for those still to be read.
    pub fn take_noted(&self, partition: &Partition) -> Noted {
        let key = (partition.table.clone(), partition.number);
        self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner).remove(&key).unwrap_or_default()
    }

    /// The binary forms of a table's columns, in order.
    ///
    /// # Errors
    /// When the table is not one that is read.
    pub async fn wires(&self, table: &TableName) -> Result<Vec<Wire>> {
        let tables = self.catalog().await?;
        Ok(self.selected(&tables, table)?.columns.iter().map(|column| column.reading.wire.clone()).collect())
    }

    /// What a [`TupleDecoder`] needs to know to decode a slice's bytes.
    ///
    /// # Errors
    /// When the table is not one that is read.
    pub async fn layout(&self, partition: &Partition) -> Result<Layout> {
        let tables = self.catalog().await?;
        Ok(self.layout_of(self.selected(&tables, &partition.table)?, partition))
    }

    /// Reads a slice as bytes, under the snapshot.
    ///
    /// # Errors
    /// When the table is not one that is read, or the read cannot be started.
    pub async fn read(&self, partition: &Partition) -> Result<CopyRead> {
        let tables = self.catalog().await?;
        let table = self.selected(&tables, &partition.table)?;
        let statement = copy::copy_statement(table, &partition.slice)?;
        let lease = self.open_snapshot().await?.lease().await?;
        let name = partition.table.to_string();
        if partition::is_by_key(self.inner.version, table) {
            partition::prefer_index(&lease.session.client, &name, &partition.slice).await?;
        }
        CopyRead::start(name, lease, &statement, self.inner.pace.clone(), self.inner.config.silence).await
    }

    async fn catalog(&self) -> Result<Arc<Vec<CatalogTable>>> {
        let read = || async {
            let client = &self.inner.control.client;
            let mut tables = catalog::read(client).await?;
            self.inner.omitted.apply(&mut tables);
            self.inner.omitted.require_found(&tables)?;
            catalog::measure(client, &mut tables, |table| self.inner.selection.skips(table).is_none()).await?;
            for glob in self.inner.selection.idle_excludes(&tables) {
                warn!(glob, "source.exclude: the glob matches no table and leaves nothing out");
            }
            Ok(Arc::new(tables))
        };
        self.inner.catalog.get_or_try_init(read).await.cloned()
    }

    fn selected<'a>(&self, tables: &'a [CatalogTable], name: &TableName) -> Result<&'a CatalogTable> {
        let found = tables.iter().find(|table| table.table == *name);
        match found.map(|table| (table, self.inner.selection.skips(table))) {
            Some((table, None)) => Ok(table),
            Some((_, Some(reason))) => Err(malformed(&name.to_string(), format!("the table is not read: {reason}"))),
            None => Err(malformed(&name.to_string(), "there is no such table in the source")),
        }
    }

    /// The tables to be read; see [`preflight::readable`].
    async fn readable<'a>(&self, tables: &'a [CatalogTable]) -> Result<Vec<&'a CatalogTable>> {
        preflight::readable(&self.inner.control.client, &self.inner.selection, tables).await
    }

    async fn open_snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut current = self.inner.snapshot.lock().await;
        if let Some(snapshot) = current.as_ref() {
            return Ok(snapshot.clone());
        }
        let tables = self.catalog().await?;
        let read = self.readable(&tables).await?;
        let inner = &self.inner;
        let snapshot = Snapshot::open(&inner.target, &inner.control.client, &read, self.connections()).await?;
        // The locks keep the tables as they are from here on; were they so when the catalog was read?
        let mut now = snapshot.catalog().await?;
        inner.omitted.apply(&mut now);
        let changed = read.iter().find(|table| !now.iter().any(|other| other.same_shape(table)));
        if let Some(table) = changed {
            return Err(Error::preflight(format!("{} was altered while the run began; start it again", table.table)));
        }
        let added = now
            .iter()
            .find(|table| inner.selection.skips(table).is_none() && !read.iter().any(|other| other.same_shape(table)));
        if let Some(table) = added {
            return Err(Error::preflight(format!("{} was created while the run began; start it again", table.table)));
        }
        let snapshot = Arc::new(snapshot);
        *current = Some(snapshot.clone());
        Ok(snapshot)
    }

    fn layout_of(&self, table: &CatalogTable, partition: &Partition) -> Layout {
        let position = |key: &String| table.columns.iter().position(|column| column.name == *key);
        Layout {
            table: table.table.to_string(),
            schema: table.schema(),
            wires: table.columns.iter().map(|column| column.reading.wire.clone()).collect(),
            key: table.key.iter().filter_map(position).collect(),
            partition: partition.number,
            batch_rows: self.inner.config.batch_rows.max(1),
            batch_bytes: self.inner.config.batch_bytes.max(1),
        }
    }

    /// Keeps what a scan noted, in place of what an earlier scan of the slice did. Beyond [`LISTED_BYTES`] of all scans
    /// exceptions are counted and no longer listed; see [`Noted::unlisted`].
    fn note(&self, partition: &Partition, mut noted: Noted) {
        let key = (partition.table.clone(), partition.number);
        let mut all = self.inner.noted.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&key);
        if !noted.exceptions.is_empty() {
            let listed: usize = all.values().flat_map(|other| &other.exceptions).map(Exception::size).sum();
            let mut room = LISTED_BYTES.saturating_sub(listed);
            let mut fits = |exception: &Exception| room.checked_sub(exception.size()).map(|left| room = left).is_some();
            let fitting = noted.exceptions.iter().map_while(|exception| fits(exception).then_some(())).count();
            noted.exceptions.truncate(fitting);
        }
        all.insert(key, noted);
    }
}

#[async_trait]
impl Source for PostgresSource {
    async fn tables(&self) -> Result<Vec<TableMeta>> {
        let tables = self.catalog().await?;
        Ok(self.readable(&tables).await?.into_iter().map(CatalogTable::meta).collect())
    }

    async fn partitions(&self, table: &TableMeta) -> Result<Vec<Partition>> {
        let tables = self.catalog().await?;
        let found = self.selected(&tables, &table.table)?;
        let (version, bytes) = (self.inner.version, self.inner.config.partition_bytes);
        if partition::is_whole(found, bytes) {
            return Ok(vec![whole(&table.table)]);
        }
        let lease = self.open_snapshot().await?.lease().await?;
        let slices = match partition::plan(&lease.session.client, version, found, bytes).await {
            Ok(slices) => {
                lease.give_back();
                slices
            }
            Err(error) => {
                warn!(table = %table.table, %error, "cut without a sample of its rows");
                partition::without_sample(version, found, bytes)
            }
        };
        Ok(partition::numbered(&table.table, slices))
    }

    async fn scan(&self, partition: &Partition) -> Result<SendableRecordBatchStream> {
        #[cfg(feature = "connectorx")]
        if self.inner.config.reader == Reader::Connectorx {
            return connectorx::scan(self, partition).await;
        }
        let layout = self.layout(partition).await?;
        let schema = layout.schema.clone();
        let scan = Scan {
            read: Some(self.read(partition).await?),
            decoder: TupleDecoder::new(layout),
            ready: Vec::new(),
            source: self.clone(),
            partition: partition.clone(),
        };
        let batches = stream::try_unfold(scan, |mut scan| async move {
            let batch = scan.next().await.map_err(|error| DataFusionError::External(Box::new(error)))?;
            Ok(batch.map(|batch| (batch, scan)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// A slice on its way from bytes to batches.
struct Scan {
    read: Option<CopyRead>,
    decoder: TupleDecoder,
    /// Batches decoded and not yet taken, newest first.
    ready: Vec<arrow::array::RecordBatch>,
    source: PostgresSource,
    partition: Partition,
}

impl Scan {
    /// The next batch. The last one is handed out only when the whole read is accepted.
    async fn next(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        while self.ready.is_empty() {
            let Some(read) = self.read.as_mut() else { return Ok(None) };
            if let Some(chunk) = read.chunk().await? {
                self.decoder.push(&chunk, &mut self.ready)?;
            } else {
                let noted = self.decoder.finish(&mut self.ready)?;
                if let Some(read) = self.read.take() {
                    read.accept(self.decoder.rows(), self.decoder.is_complete()).await?;
                }
                self.source.note(&self.partition, noted);
            }
            self.ready.reverse();
        }
        Ok(self.ready.pop())
    }
}

/// The slice that is a whole table.
pub(crate) fn whole(table: &TableName) -> Partition {
    Partition { table: table.clone(), number: 0, slice: Slice::Whole }
}
