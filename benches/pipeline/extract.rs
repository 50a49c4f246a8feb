//! All tables out of the database: as far as the bytes (`raw_copy`, the limit: what the server takes to send them), the
//! batches (`native_to_nothing`), or `raw/` (`native_to_parquet`, and `connectorx_to_parquet` in a build with that feature).

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use futures::{StreamExt, stream};
use telecine::dataflow::{Partition, Progress, Source};
use telecine::source::framing::Framing;
use telecine::source::{PostgresSource, Reader};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::prepared::{Prepared, area, drain};

pub fn bench(criterion: &mut Criterion, prepared: &Prepared) {
    let mut group = criterion.benchmark_group("extract");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for connections in [1, 2] {
        let source = prepared.source(connections);
        let partitions = prepared.runtime.block_on(partitions(&source));
        group.throughput(Throughput::Bytes(prepared.runtime.block_on(bytes_only(&source, &partitions))));
        group.bench_function(BenchmarkId::new("raw_copy", connections), |bencher| {
            bencher.to_async(&prepared.runtime).iter(|| bytes_only(&source, &partitions));
        });
        group.bench_function(BenchmarkId::new("native_to_nothing", connections), |bencher| {
            bencher.to_async(&prepared.runtime).iter(|| decoded(&source, &partitions));
        });
        for (name, reader) in READERS {
            let source = prepared.source_by(*reader, connections);
            group.bench_function(BenchmarkId::new(*name, connections), |bencher| {
                let fresh = || prepared.scratch();
                bencher.to_async(&prepared.runtime).iter_batched(
                    fresh,
                    |folder| to_parquet(&source, folder),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

/// The readers of this build.
const READERS: &[(&str, Reader)] = &[
    ("native_to_parquet", Reader::Copy),
    #[cfg(feature = "connectorx")]
    ("connectorx_to_parquet", Reader::Connectorx),
];

/// The whole step, into a fresh staging area.
async fn to_parquet(source: &PostgresSource, folder: TempDir) -> TempDir {
    let run = area(folder.path()).run("extract");
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    telecine::extract::run(source, &run, &progress, &cancel).await.unwrap();
    folder
}

/// The slices of all tables, the biggest tables first, as an extraction orders them.
async fn partitions(source: &PostgresSource) -> Vec<Partition> {
    let mut tables = source.tables().await.unwrap();
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    let mut all = Vec::new();
    for table in &tables {
        all.extend(source.partitions(table).await.unwrap());
    }
    all
}

/// What the server sends, cut into rows to be accepted as whole, and dropped.
async fn bytes_only(source: &PostgresSource, partitions: &[Partition]) -> u64 {
    each(source, partitions, async |source, partition| {
        let layout = source.layout(&partition).await.unwrap();
        let mut framing = Framing::new("bench", layout.wires.len());
        let mut read = source.read(&partition).await.unwrap();
        let mut bytes = 0;
        while let Some(chunk) = read.chunk().await.unwrap() {
            bytes += chunk.len() as u64;
            framing.push(&chunk, |_| Ok(())).unwrap();
        }
        read.accept(framing.rows(), framing.is_complete()).await.unwrap();
        bytes
    })
    .await
}

/// Batches, dropped as they come.
async fn decoded(source: &PostgresSource, partitions: &[Partition]) -> u64 {
    each(source, partitions, async |source, partition| drain(source.scan(&partition).await.unwrap()).await as u64).await
}

/// Does the work for every slice, as many at once as there are connections, each on a task of its own; the sum.
async fn each<F>(
    source: &PostgresSource,
    partitions: &[Partition],
    work: impl Fn(PostgresSource, Partition) -> F,
) -> u64
where
    F: Future<Output = u64> + Send + 'static,
{
    let tasks = partitions.iter().map(|partition| tokio::spawn(work(source.clone(), partition.clone())));
    stream::iter(tasks).buffer_unordered(source.connections()).fold(0, async |sum, done| sum + done.unwrap()).await
}
