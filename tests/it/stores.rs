//! What a staging area promises, on every kind of store: memory, a local folder, and the two servers of `buckets`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use telecine::dataflow::{ContentChecksum, SendableRecordBatchStream, Sink, Source, TableName};
use telecine::staging::{Manifest, RawTables, RunFolder, StagingArea, StagingConfig};
use tempfile::TempDir;

use crate::buckets::Bucket;

/// A store of one kind with an area in it.
struct Store {
    area: StagingArea,
    bucket: Option<Bucket>,
    folder: Option<TempDir>,
}

impl Store {
    async fn start(kind: &str) -> Self {
        let of_bucket = |bucket: Bucket| Self { area: bucket.area(), bucket: Some(bucket), folder: None };
        match kind {
            "memory" => Self { area: StagingArea::in_memory().unwrap(), bucket: None, folder: None },
            "folder" => {
                let folder = tempfile::tempdir().unwrap();
                let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
                Self { area, bucket: None, folder: Some(folder) }
            }
            "s3s" => of_bucket(Bucket::s3s().await),
            "moto" => of_bucket(Bucket::moto().await),
            other => panic!("{other}"),
        }
    }

    /// The key of an object, seen from the store.
    fn key(&self, name: &str) -> Path {
        let root = match (&self.bucket, &self.folder) {
            (Some(_), _) => Path::from(crate::buckets::PREFIX),
            (None, Some(folder)) => Path::from_absolute_path(folder.path().canonicalize().unwrap()).unwrap(),
            (None, None) => Path::default(),
        };
        name.split('/').fold(root, |path, part| path.join(part))
    }

    /// The keys below a prefix, as the store lists them.
    async fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = self.key(prefix);
        let listed = self.area.store().list(Some(&prefix)).map_ok(|object| object.location.to_string());
        let mut keys: Vec<String> = listed.try_collect().await.unwrap();
        keys.sort();
        keys.iter().map(|key| key[prefix.as_ref().len()..].trim_start_matches('/').to_owned()).collect()
    }
}

/// Each function is a test on each kind of store.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        on_every_store!(memory: $($name),*);
        on_every_store!(folder: $($name),*);
        on_every_store!(s3s: $($name),*);
        on_every_store!(moto: $($name),*);
    };
    ($kind:ident: $($name:ident),*) => {
        mod $kind {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&super::Store::start(stringify!($kind)).await).await;
            })*
        }
    };
}

on_every_store!(
    of_two_that_create_one_wins_and_a_repeated_create_meets_itself,
    what_is_written_is_read_back_whole_and_in_ranges,
    a_large_file_goes_in_parts_and_comes_back,
    a_broken_stream_leaves_nothing,
    thousands_of_keys_are_listed_once_each_and_deleted,
    a_prefix_goes_and_its_neighbour_stays,
    hostile_names_stay_apart_and_inside,
    one_lease_at_a_time,
    documents_are_written_read_and_discarded,
    every_document_can_be_checked_by_others,
    what_no_manifest_speaks_of_is_swept,
    json_is_replaced_and_removed,
);

/// Rows of bytes that cannot be compressed, `filling` of them each.
pub fn batch(from: i64, rows: i64, filling: usize) -> RecordBatch {
    let schema =
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("bytes", DataType::Binary, true)]);
    let bytes = (from..from + rows).map(|id| {
        let mut bytes = vec![0; filling];
        blake3::Hasher::new().update(&id.to_le_bytes()).finalize_xof().fill(&mut bytes);
        (id % 7 != 0).then_some(bytes)
    });
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(from..from + rows)), Arc::new(bytes.collect::<BinaryArray>())];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

pub fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
    let schema = batches[0].schema();
    Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().map(Ok))))
}

/// A committed table with these rows.
pub async fn commit(run: &RunFolder, table: &TableName, batches: Vec<RecordBatch>) -> Manifest {
    let dataset = run.raw(table);
    let schema = batches[0].schema();
    let written = dataset.parquet_part(0, Arc::clone(&schema)).write_all(stream(batches)).await.unwrap();
    let mut manifest = Manifest::new(&dataset, &schema, [written]);
    manifest.table = Some(table.clone());
    dataset.commit(&manifest).await.unwrap();
    manifest
}

pub async fn checksum(run: &RunFolder) -> ContentChecksum {
    let source = RawTables::new(run);
    let mut checksum = ContentChecksum::default();
    for table in source.tables().await.unwrap() {
        for partition in source.partitions(&table).await.unwrap() {
            let mut batches = source.scan(&partition).await.unwrap();
            while let Some(batch) = batches.next().await {
                checksum.update(&batch.unwrap()).unwrap();
            }
        }
    }
    checksum
}

async fn of_two_that_create_one_wins_and_a_repeated_create_meets_itself(store: &Store) {
    let run = store.area.run("r");
    let dataset = run.raw(&TableName::new("public", "t"));
    let manifest = |rows: u64| {
        let mut manifest = Manifest::new(&dataset, &Schema::empty(), []);
        manifest.rows = rows;
        manifest
    };
    let all: Vec<_> = (0..8).map(|rows| (dataset.clone(), manifest(rows))).collect();
    let tries = all.iter().map(|(dataset, manifest)| dataset.commit(manifest));
    let tried = futures::future::join_all(tries).await;
    let won: Vec<usize> = (0..8).filter(|at| tried[*at].is_ok()).collect();
    assert_eq!(won.len(), 1, "{tried:?}");
    let lost = tried.into_iter().find_map(Result::err).unwrap().to_string();
    assert!(lost.contains("_manifest.json: another process has committed something else here"), "{lost}");
    let there = dataset.manifest().await.unwrap().unwrap();
    assert_eq!(there.rows, won[0] as u64);
    dataset.commit(&there).await.unwrap();
    // The store's own words for it.
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let key = store.key("runs/r/raw/public.t/_manifest.json");
    let refused = store.area.store().put_opts(&key, "other".into(), options).await;
    assert!(matches!(refused, Err(object_store::Error::AlreadyExists { .. })), "{refused:?}");
}

async fn what_is_written_is_read_back_whole_and_in_ranges(store: &Store) {
    let run = store.area.run("r");
    let table = TableName::new("public", "Legacy Metadata");
    let manifest = commit(&run, &table, vec![batch(0, 1000, 40), batch(1000, 1, 40)]).await;
    assert_eq!(checksum(&run).await, manifest.checksum);
    assert_eq!((manifest.rows, run.raw_tables().await.unwrap().len()), (1001, 1));
    let dataset = run.raw(&table);
    let (key, file) = (dataset.file_path(&manifest.files[0]), &manifest.files[0]);
    let whole = store.area.store().get(&key).await.unwrap().bytes().await.unwrap();
    assert_eq!((whole.len() as u64, blake3::hash(&whole).to_hex().to_string()), (file.bytes, file.blake3.clone()));
    let ranges = [0..1, 4..100, file.bytes - 8..file.bytes];
    for (range, part) in ranges.iter().zip(store.area.store().get_ranges(&key, &ranges).await.unwrap()) {
        assert_eq!(part, whole.slice(range.start as usize..range.end as usize));
    }
    assert_eq!(dataset.found(&manifest).await.unwrap()[0].size, file.bytes);
}

/// Parts are of 10 MiB: there are four, and the file is not all in memory at once.
async fn a_large_file_goes_in_parts_and_comes_back(store: &Store) {
    let run = store.area.run("r");
    let batches = (0..46).map(|n| batch(n * 1000, 1000, 1000)).collect();
    let manifest = commit(&run, &TableName::new("public", "large"), batches).await;
    assert!(manifest.files[0].bytes > 35 << 20, "{}", manifest.files[0].bytes);
    if let Some(bucket) = &store.bucket {
        let arrived = bucket.arrived();
        let parts: Vec<usize> = arrived.iter().filter(|a| a.asks("partNumber")).map(|a| a.bytes).collect();
        assert_eq!(parts.iter().filter(|bytes| **bytes == 10 << 20).count(), parts.len() - 1, "{parts:?}");
        assert_eq!(parts.iter().sum::<usize>() as u64, manifest.files[0].bytes);
        assert!(parts.len() > 3, "{parts:?}");
    }
    assert_eq!(checksum(&run).await, manifest.checksum);
}

async fn a_broken_stream_leaves_nothing(store: &Store) {
    let run = store.area.run("r");
    let schema = batch(0, 1, 2).schema();
    let gone = datafusion::error::DataFusionError::Execution("gone".into());
    let batches = (0..30).map(|n| Ok(batch(n * 1000, 1000, 1200))).chain([Err(gone)]);
    let batches =
        RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::iter(batches.collect::<Vec<_>>()));
    let dataset = run.query("q");
    let error = dataset.parquet_part(0, schema).write_all(Box::pin(batches)).await.err().unwrap();
    assert!(error.to_string().contains("the stream of rows broke"), "{error}");
    assert_eq!(store.keys("runs/r").await, Vec::<String>::new());
    if let Some(bucket) = &store.bucket {
        let arrived = bucket.arrived();
        let of_uploads = |method: &str| arrived.iter().filter(|a| a.asks("uploadId") && a.method == *method).count();
        // Asked again where the server was still busy with a part that was broken off.
        assert!(of_uploads("DELETE") >= 1 && of_uploads("POST") == 0, "aborted, not completed");
    }
}

async fn thousands_of_keys_are_listed_once_each_and_deleted(store: &Store) {
    let run = store.area.run("r");
    let keys: Vec<String> = (0..2300).map(|n| format!("Promo:{n}")).collect();
    write_documents(&run, &keys).await;
    let mut expected: Vec<String> = (0..2300).map(|n| format!("Promo.{n}.json")).collect();
    expected.sort();
    assert_eq!(store.keys("runs/r/documents/assetType_Promo").await, expected);
    if let Some(bucket) = &store.bucket {
        bucket.arrived();
    }
    run.documents("assetType_Promo").discard().await.unwrap();
    assert_eq!(store.keys("runs/r").await, Vec::<String>::new());
    if let Some(bucket) = &store.bucket {
        let arrived = bucket.arrived();
        let bulk = arrived.iter().filter(|a| a.asks("delete")).count();
        let pages = arrived.iter().filter(|a| a.asks("list-type")).count();
        assert!(bulk < 10 && pages < 10, "{bulk} deletions, {pages} pages");
    }
}

async fn a_prefix_goes_and_its_neighbour_stays(store: &Store) {
    let run = store.area.run("r");
    let names = ["a", "ab", "a-b", "b"];
    for name in names {
        write_documents(&store.area.run("r"), &[format!("{name}:1")]).await;
        let dataset = run.query(name);
        dataset.commit(&Manifest::new(&dataset, &Schema::empty(), [])).await.unwrap();
    }
    run.query("a").discard().await.unwrap();
    run.query("gone").discard().await.unwrap();
    let left: Vec<String> = run.query_datasets().await.unwrap().into_iter().map(|(d, _)| d.name().to_owned()).collect();
    assert_eq!(left, ["a-b", "ab", "b"]);
    assert_eq!(store.area.runs().await.unwrap(), ["r"]);
}

/// Every name is kept apart from every other, and nothing is written outside of the run.
async fn hostile_names_stay_apart_and_inside(store: &Store) {
    let run = store.area.run("r");
    let long = "x".repeat(300);
    let names = [
        "../../../tmp/evil",
        "..",
        ".",
        "a/b",
        "a_b",
        "a b",
        "CON",
        "con",
        "nul.json",
        "%2e%2e",
        "%2E%2E",
        "line\nbreak",
        "tab\t",
        "\u{1}",
        "é",
        "e\u{301}",
        "\\",
        "a\\b",
        "*",
        "?",
        "#",
        "'\"<>|",
        &long,
        &long[1..],
        "!2E",
        "~",
        " ",
    ];
    // s3s-fs keeps a file of each object that is named by the key in base64: it has no room for long ones.
    let takes = |name: &&&str| name.len() < 255 || store.bucket.as_ref().is_none_or(|bucket| !bucket.is_s3s());
    let names: Vec<&str> = names.iter().filter(takes).copied().collect();
    let keys: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    write_documents(&run, &keys).await;
    let table = |name: &str| TableName::new("public", name);
    for name in &names {
        commit(&run, &table(name), vec![batch(0, 1, 10)]).await;
    }
    let folders = store.keys("runs/r/documents/assetType_Promo").await;
    assert_eq!(folders.len(), names.len(), "{folders:?}");
    assert_eq!(run.raw_tables().await.unwrap().len(), names.len());
    for (at, name) in names.iter().enumerate() {
        let document = run.documents("assetType_Promo").read(name).await.unwrap().unwrap();
        assert_eq!(document["number"], at, "{name:?}");
        assert!(run.raw(&table(name)).manifest().await.unwrap().is_some());
    }
    let all = store.keys("").await;
    assert!(all.iter().all(|key| key.starts_with("runs/r/")), "{all:?}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-!./".contains(c);
    assert!(all.iter().all(|key| key.chars().all(allowed) && key.split('/').all(|part| part.len() < 256)), "{all:?}");
}

async fn one_lease_at_a_time(store: &Store) {
    let run = store.area.run("r");
    let lease = run.lease("extract").await.unwrap();
    let refused = run.lease("transform").await.err().unwrap().to_string();
    let told = format!("run r is being written by process {}", std::process::id());
    assert!(refused.contains(&told) && refused.contains("(extract, since"), "{refused}");
    store.area.run("other").lease("extract").await.unwrap().release().await;
    lease.release().await;
    run.lease("transform").await.unwrap().release().await;
    assert_eq!(store.keys("runs").await, Vec::<String>::new());
}

pub async fn write_documents(run: &RunFolder, keys: &[String]) {
    let batches = keys.chunks(8192).enumerate().map(|(n, keys)| documents_batch(n * 8192, keys)).collect();
    let documents = run.documents("assetType_Promo");
    let written = documents.write(stream(batches)).await.unwrap();
    assert_eq!(written.rows, keys.len() as u64);
    documents.commit(&written, inputs()).await.unwrap();
}

fn documents_batch(from: usize, keys: &[String]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("source_key", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("number", DataType::Int64, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(keys)),
        Arc::new(StringArray::from_iter_values(keys)),
        Arc::new(Int64Array::from_iter_values((from..from + keys.len()).map(|number| number as i64))),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn inputs() -> BTreeMap<String, String> {
    BTreeMap::from([("query".to_owned(), "1".to_owned())])
}

async fn documents_are_written_read_and_discarded(store: &Store) {
    let run = store.area.run("r");
    let documents = run.documents("assetType_Promo");
    let keys: Vec<String> = (0..40).map(|n| format!("Promo:{n}")).collect();
    write_documents(&run, &keys).await;
    assert_eq!(documents.rows_made_from(&inputs(), false).await.unwrap(), Some(40));
    assert_eq!(documents.rows_made_from(&BTreeMap::new(), false).await.unwrap(), None);
    assert_eq!(documents.read("Promo:7").await.unwrap().unwrap()["number"], 7);
    assert_eq!(documents.read("Promo:40").await.unwrap(), None);
    // One that is missing is noticed.
    let key = store.key("runs/r/documents/assetType_Promo/Promo.7.json");
    store.area.store().delete(&key).await.unwrap();
    assert_eq!(documents.rows_made_from(&inputs(), false).await.unwrap(), None);
    write_documents(&run, &keys).await;
    assert_eq!(documents.rows_made_from(&inputs(), false).await.unwrap(), Some(40));
    documents.discard().await.unwrap();
    assert_eq!(store.keys("runs").await, Vec::<String>::new());
}

async fn what_no_manifest_speaks_of_is_swept(store: &Store) {
    let run = store.area.run("r");
    let (held, torn) = (TableName::new("public", "held"), TableName::new("public", "torn"));
    commit(&run, &held, vec![batch(0, 10, 10)]).await;
    let part = run.raw(&torn).parquet_part(3, batch(0, 1, 2).schema());
    part.write_all(stream(vec![batch(0, 10, 10)])).await.unwrap();
    run.put_json("extract.json", &1).await.unwrap();
    let tables = run.raw_tables().await.unwrap();
    run.sweep_raw(tables.iter().map(|(table, manifest)| (table, manifest))).await.unwrap();
    let left = store.keys("runs/r").await;
    assert_eq!(left, ["extract.json", "raw/public.held/_manifest.json", "raw/public.held/part-00000.parquet"]);
}

async fn json_is_replaced_and_removed(store: &Store) {
    let run = store.area.run("r");
    for value in ["first", "second"] {
        run.put_json("plan/dev.json", &value).await.unwrap();
        assert_eq!(run.get_json::<String>("plan/dev.json").await.unwrap().as_deref(), Some(value));
    }
    run.remove_json("plan/dev.json").await.unwrap();
    run.remove_json("plan/dev.json").await.unwrap();
    assert_eq!(run.get_json::<String>("plan/dev.json").await.unwrap(), None);
}

/// Each document is told by source key, name, size and BLAKE3 in a table that any reader of Parquet opens.
async fn every_document_can_be_checked_by_others(store: &Store) {
    let run = store.area.run("r");
    let keys: Vec<String> = (0..60).map(|n| format!("Promo:{n}/../{n}")).collect();
    write_documents(&run, &keys).await;
    let bytes = store.area.store().get(&store.key("runs/r/documents/assetType_Promo.parquet")).await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.bytes().await.unwrap()).unwrap().build().unwrap();
    let mut told = 0;
    for rows in reader {
        let rows = rows.unwrap();
        let text = |name: &str| rows.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (of, names, hashes) = (text("source_key"), text("document"), text("blake3"));
        let sizes = rows.column_by_name("bytes").unwrap().as_primitive::<UInt64Type>().clone();
        for row in 0..rows.num_rows() {
            assert_eq!(of.value(row), keys[told]);
            let key = store.key(&format!("runs/r/documents/assetType_Promo/{}", names.value(row)));
            let document = store.area.store().get(&key).await.unwrap().bytes().await.unwrap();
            assert_eq!(
                (document.len() as u64, blake3::hash(&document).to_hex().as_str()),
                (sizes.value(row), hashes.value(row))
            );
            told += 1;
        }
    }
    assert_eq!(told, keys.len());
    // Without it the documents are not known to be whole.
    store.area.store().delete(&store.key("runs/r/documents/assetType_Promo.parquet")).await.unwrap();
    assert_eq!(run.documents("assetType_Promo").rows_made_from(&inputs(), false).await.unwrap(), None);
}

/// Memory and open files of this process.
fn used() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let resident: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (resident >> 10, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

/// Writes so many documents; the seconds, and the most MiB and open files meanwhile.
async fn measured(run: &RunFolder, documents: usize) -> (f64, u64, usize) {
    let peak = Arc::new(std::sync::Mutex::new((0, 0)));
    let seen = Arc::clone(&peak);
    let watch = tokio::spawn(async move {
        loop {
            let now = used();
            {
                let mut peak = seen.lock().unwrap();
                *peak = (peak.0.max(now.0), peak.1.max(now.1));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let begun = std::time::Instant::now();
    let schema = documents_batch(0, &[]).schema();
    let batches = (0..documents).step_by(8192).map(move |from| {
        let keys: Vec<String> = (from..documents.min(from + 8192)).map(|n| format!("Promo:{n:07}")).collect();
        Ok(documents_batch(from, &keys))
    });
    let rows = RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches));
    let folder = run.documents("assetType_Promo");
    let written = folder.write(Box::pin(rows)).await.unwrap();
    folder.commit(&written, inputs()).await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    watch.abort();
    let (memory, files) = *peak.lock().unwrap();
    (seconds, memory, files)
}

/// By hand: `cargo nextest run --test it --run-ignored only -E 'test(300_000)' --no-capture`. Documents into a folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; run by hand"]
async fn documents_of_300_000_assets_need_no_more_memory_or_files_than_few() {
    let store = Store::start("folder").await;
    let mut most = Vec::new();
    for documents in [10_000, 300_000] {
        let run = store.area.run(&format!("r{documents}"));
        let (seconds, memory, files) = measured(&run, documents).await;
        println!(
            "folder: {documents} documents in {seconds:.1} s, {:.0}/s, {memory} MiB, {files} files",
            documents as f64 / seconds
        );
        most.push((memory, files));
        let begun = std::time::Instant::now();
        assert_eq!(
            run.documents("assetType_Promo").rows_made_from(&inputs(), false).await.unwrap(),
            Some(documents as u64)
        );
        println!("  listed in {:.1} s", begun.elapsed().as_secs_f64());
        let begun = std::time::Instant::now();
        run.documents("assetType_Promo").discard().await.unwrap();
        println!("  deleted in {:.1} s, {} MiB", begun.elapsed().as_secs_f64(), used().0);
    }
    assert!(most[1].0 < most[0].0 + 150 && most[1].1 < most[0].1 + 32, "{most:?}");
}

/// A bucket that takes 20 ms for each answer: as many documents are on their way as the setting says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_go_to_a_bucket_many_at_once() {
    let mut rates = Vec::new();
    for at_once in [1, 32] {
        let bucket = Bucket::s3s().await;
        bucket.delay(20);
        let area = StagingArea::open(&StagingConfig { max_in_flight: at_once, ..bucket.config() }).unwrap();
        let (seconds, memory, files) = measured(&area.run("r"), 300).await;
        println!("{at_once} at once: {:.0} documents/s, {memory} MiB, {files} files", 300.0 / seconds);
        rates.push(300.0 / seconds);
    }
    assert!(rates[1] > 3.0 * rates[0], "{rates:?}");
}
