//! What all benches stand on, made once: a database with the sample library, a run migrated from it up to the queries'
//! datasets, and two tables' bytes in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use secrecy::ExposeSecret;
use telecine::config::{Config, Flags, TargetConfig};
use telecine::dataflow::{Partition, Progress, SendableRecordBatchStream, Slice, TableName};
use telecine::pipeline::Pipeline;
use telecine::rehearsal::flex::DEFAULT_CREDENTIAL;
use telecine::rehearsal::library::{self, Library, LibraryOptions};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::decode::{Layout, TupleDecoder};
use telecine::source::{PostgresSource, Reader, SourceConfig};
use telecine::staging::{RunFolder, StagingArea};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The database with the whole library.
const DATABASE: &str = "studio";
/// The database with one table of a library this many times the size: at the usual scale it has too few rows for batches.
const WIDE: (&str, &str, f64) = ("wide", "asset_master", 20.0);
/// The table of most rows.
const EAV: &str = "metadata_property_value";
/// The target's name.
const TARGET: &str = "bench";
/// The clock of the sample library, by which the queries judge its dates.
const LIBRARY_NOW: &str = "2025-03-01T00:00:00Z";
/// The size of the library where `TELECINE_BENCH_SCALE` says nothing.
const SCALE: f64 = 0.0005;

/// The ground of all benches.
pub struct Prepared {
    pub runtime: Runtime,
    /// Rows in the database.
    pub rows: u64,
    /// A run whose tables and queries have their datasets.
    pub run: RunFolder,
    folder: TempDir,
    server: PrivateServer,
}

/// A table as the server sends it.
pub struct Captured {
    pub label: &'static str,
    pub table: TableName,
    pub layout: Layout,
    /// The bytes as they came.
    pub chunks: Vec<Vec<u8>>,
    pub bytes: u64,
}

impl Prepared {
    /// Starts the server, fills it, extracts and transforms.
    pub fn new() -> Self {
        let scale = std::env::var("TELECINE_BENCH_SCALE").map_or(SCALE, |scale| scale.parse().unwrap());
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let server = runtime.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
        let run = area(&folder.path().join("prepared")).run("prepared");
        let mut prepared = Self { runtime, rows: 0, run, folder, server };
        prepared.rows = prepared.fill(DATABASE, LibraryOptions { scale, ..LibraryOptions::default() });
        let (database, table, times) = WIDE;
        let (scale, tables) = ((scale * times).min(1.0), Some(vec![table.to_owned()]));
        prepared.fill(database, LibraryOptions { scale, tables, ..LibraryOptions::default() });
        let (config, run) = (prepared.own_config(), prepared.run.clone());
        let pipeline = Pipeline::new(config, None, run, CancellationToken::new(), true);
        prepared.runtime.block_on(async {
            pipeline.extract().await.unwrap();
            pipeline.transform(&[], false).await.unwrap().outcome.verdict().unwrap();
        });
        eprintln!("prepared: {} rows", prepared.rows);
        prepared
    }

    /// Creates a database with a library; its rows.
    fn fill(&self, database: &str, options: LibraryOptions) -> u64 {
        let library = Arc::new(Library::new(options).unwrap());
        let filled = self.runtime.block_on(async {
            self.server.create_database(database).await?;
            library::create(&library, &self.server.url(database), 2, &Progress::default()).await
        });
        filled.unwrap().rows
    }

    /// The settings of the prepared run. Its target is never called.
    pub fn own_config(&self) -> Config {
        self.config(&self.folder.path().join("prepared"), "http://127.0.0.1:9/api")
    }

    /// The project's settings for the database, a folder of one's own and a local Flex.
    pub fn config(&self, folder: &Path, flex: &str) -> Config {
        let mut flags = Flags::new();
        let mut set = |key: &str, value: &str| flags.insert(key.to_owned(), value.to_owned());
        set("source.url", self.server.url(DATABASE).expose_secret());
        set("staging.url", &folder.display().to_string());
        set("load.ledger", &folder.join("ledger").display().to_string());
        set("transform.now", LIBRARY_NOW);
        set(&format!("flex.{TARGET}.url"), flex);
        set(&format!("flex.{TARGET}.username"), DEFAULT_CREDENTIAL);
        set(&format!("flex.{TARGET}.password"), DEFAULT_CREDENTIAL);
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        Config::load(&project, flags, BTreeMap::new(), &[TARGET]).unwrap()
    }

    /// The target's part of [`Prepared::config`].
    pub fn target(&self, folder: &Path, flex: &str) -> TargetConfig {
        self.config(folder, flex).target(Some(TARGET)).unwrap().clone()
    }

    /// The whole library, read over this many connections.
    pub fn source(&self, connections: usize) -> PostgresSource {
        self.source_by(Reader::Copy, connections)
    }

    /// The same, its rows read by `reader`.
    pub fn source_by(&self, reader: Reader, connections: usize) -> PostgresSource {
        self.source_of(DATABASE, reader, connections)
    }

    fn source_of(&self, database: &str, reader: Reader, connections: usize) -> PostgresSource {
        let config = self.own_config().source().unwrap().clone();
        let config = SourceConfig { url: self.server.url(database), connections, reader, ..config };
        self.runtime.block_on(PostgresSource::connect(&config)).unwrap()
    }

    /// A new folder, gone when it is dropped.
    pub fn scratch(&self) -> TempDir {
        tempfile::tempdir_in(self.folder.path()).unwrap()
    }

    /// A table of many columns, and one of many rows.
    pub fn captured(&self) -> [Captured; 2] {
        [self.capture("wide", WIDE.0, WIDE.1), self.capture("eav", DATABASE, EAV)]
    }

    /// Reads a whole table of the schema `public` into memory, as bytes.
    fn capture(&self, label: &'static str, database: &str, name: &str) -> Captured {
        let source = self.source_of(database, Reader::Copy, 1);
        let partition = Partition { table: TableName::new("public", name), number: 0, slice: Slice::Whole };
        let captured = self.runtime.block_on(async {
            let layout = source.layout(&partition).await.unwrap();
            let mut read = source.read(&partition).await.unwrap();
            let mut chunks = Vec::new();
            while let Some(chunk) = read.chunk().await.unwrap() {
                chunks.push(chunk);
            }
            let bytes = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            Captured { label, table: partition.table, layout, chunks, bytes }
        });
        let rows: usize = captured.batches().iter().map(RecordBatch::num_rows).sum();
        eprintln!("captured: {label}, {name}: {rows} rows, {} bytes", captured.bytes);
        captured
    }

    /// Stops the server and removes all files.
    pub fn end(self) {
        self.runtime.block_on(self.server.stop()).unwrap();
        self.folder.close().unwrap();
    }
}

impl Captured {
    /// The table decoded.
    pub fn batches(&self) -> Vec<RecordBatch> {
        let mut decoder = TupleDecoder::new(self.layout.clone());
        let mut batches = Vec::new();
        self.chunks.iter().for_each(|chunk| decoder.push(chunk, &mut batches).unwrap());
        decoder.finish(&mut batches).unwrap();
        assert!(decoder.is_complete());
        batches
    }
}

/// A staging area in a folder.
pub fn area(folder: &Path) -> StagingArea {
    StagingArea::open(&telecine::staging::StagingConfig::at(folder.display().to_string())).unwrap()
}

/// The sink that keeps nothing: the number of rows that came.
pub async fn drain(mut batches: SendableRecordBatchStream) -> usize {
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await.unwrap() {
        rows += batch.num_rows();
    }
    rows
}
