//! JSON documents into Arrow and back: the shape of all of them found, their rows built, and documents written of the rows.
//!
//! ```text
//! cargo bench --bench json                    documents made in memory, each step by itself
//! cargo bench --bench json -- once DIR OUT    the files below a folder once, into one NDJSON file
//! ```
//!
//! `once` prints what it took and is what `compare.py` runs beside other engines. Each step is measured in bytes of JSON:
//! `examine` (is it JSON, and where not), `survey` (the same, and the shape), `scan` (rows), `write` (documents of rows).

#![allow(clippy::unwrap_used, reason = "a bench that cannot run ends with what went wrong")]

use std::fs::File;
use std::io::Write;
use std::path::Path as File_;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use criterion::{Criterion, Throughput};
use futures::{StreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use telecine::dataflow::Source;
use telecine::source::json::{Documents, JsonOptions, JsonSource, examine};
use tokio::runtime::Runtime;

/// Threads, as the other engines have.
const THREADS: usize = 2;
/// Documents of the objects that are made in memory.
const DOCUMENTS: usize = 4_000;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    arguments.retain(|argument| argument != "--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["once", from, to] => runtime.block_on(once(from, to)),
        _ => measure(&runtime),
    }
}

/// The documents of the rows, a line each.
fn lines(batch: &RecordBatch) -> Vec<u8> {
    let documents = Documents::new(batch).unwrap();
    let mut text = Vec::with_capacity(8 << 20);
    for row in 0..batch.num_rows() {
        documents.write(row, &mut text);
        text.push(b'\n');
    }
    text
}

async fn surveyed(store: &Arc<dyn ObjectStore>, prefix: &Path) -> JsonSource {
    let options = JsonOptions { threads: THREADS, ..JsonOptions::default() };
    let mut unread = 0;
    let each = |one: telecine::source::json::Examined| {
        unread += one.documents.iter().filter(|document| document.fault.is_some()).count();
        Ok(())
    };
    let source = JsonSource::survey(Arc::clone(store), prefix, options, each).await.unwrap();
    assert_eq!(unread, 0, "all documents can be read");
    source
}

/// The batches of all tables, in order.
async fn batches(source: &JsonSource) -> stream::BoxStream<'static, RecordBatch> {
    let mut scans = Vec::new();
    for table in source.tables().await.unwrap() {
        for partition in source.partitions(&table).await.unwrap() {
            scans.push(partition);
        }
    }
    let source = source.clone();
    let opened = stream::iter(scans).then(move |partition| {
        let source = source.clone();
        async move { source.scan(&partition).await.unwrap().map(|batch| batch.unwrap()) }
    });
    opened.flatten().boxed()
}

async fn once(from: &str, to: &str) {
    let started = Instant::now();
    let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
    let source = surveyed(&store, &Path::from_absolute_path(File_::new(from).canonicalize().unwrap()).unwrap()).await;
    let surveyed = started.elapsed();
    let mut file = File::create(to).unwrap();
    let encoded = batches(&source).await.map(|batch| tokio::task::spawn_blocking(move || lines(&batch)));
    let mut encoded = encoded.buffered(THREADS);
    let mut written = 0;
    while let Some(text) = encoded.next().await {
        let text = text.unwrap();
        written += text.len();
        file.write_all(&text).unwrap();
    }
    eprintln!("survey {surveyed:.2?}, all {:.2?}, {written} bytes written", started.elapsed());
}

/// A document like that of a media asset.
fn document(number: usize) -> String {
    let words = ["promo", "network", "season", "trailer", "café", "東京", "bumper", "library"];
    let word = |at: usize| words[(number * 7 + at * 3) % words.len()];
    let text: Vec<&str> = (0..20 + number % 70).map(word).collect();
    let files: Vec<String> = (0..1 + number % 4)
        .map(|part| {
            format!(r#"{{"path":"/vault/{number}-{part}.mxf","bytes":{},"offset":{part}}}"#, number * 1_234_567)
        })
        .collect();
    format!(
        r#"{{"id":"asset:{number:09}","title":"{} {}","description":"{}\n\"quoted\"","createdMs":{},"durationSeconds":{}.125,"locked":{},"note":null,"keywords":["{}","{}"],"technical":{{"width":1920,"frameRate":23.976,"audio":{{"channels":6,"loudness":-23.5}}}},"files":[{}]}}"#,
        word(1),
        word(2),
        text.join(" "),
        1_262_304_000_000 + number as u64 * 977,
        number % 7_200,
        number.is_multiple_of(5),
        word(3),
        word(4),
        files.join(","),
    )
}

fn measure(runtime: &Runtime) {
    let text: String = (0..DOCUMENTS).map(|number| document(number) + "\n").collect();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let prefix = Path::from("group");
    runtime.block_on(async {
        for object in 0..4 {
            let place = prefix.clone().join(format!("{object}.ndjson"));
            store.put(&place, text.clone().into()).await.unwrap();
        }
    });
    let source = runtime.block_on(surveyed(&store, &prefix));
    let rows: Vec<RecordBatch> = runtime.block_on(async { batches(&source).await.collect().await });
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(4 * text.len() as u64));
    group.bench_function("examine", |bench| {
        bench.iter(|| {
            for _ in 0..4 {
                examine(text.as_bytes(), 256 << 20, |document| assert!(document.fault.is_none()));
            }
        });
    });
    group.bench_function("survey", |bench| bench.iter(|| runtime.block_on(surveyed(&store, &prefix))));
    group.bench_function("scan", |bench| {
        bench.iter(|| {
            runtime.block_on(async { batches(&source).await.map(|batch| batch.num_rows()).collect::<Vec<_>>().await })
        });
    });
    group.bench_function("write", |bench| bench.iter(|| rows.iter().map(|batch| lines(batch).len()).sum::<usize>()));
    group.finish();
    criterion.final_summary();
}
