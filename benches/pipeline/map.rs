//! The queries of `4_map`, each over the datasets it reads, into nothing.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use telecine::transform::{Level, Transform};

use crate::prepared::{Prepared, drain};

pub fn bench(criterion: &mut Criterion, prepared: &Prepared) {
    let transform = Transform::open(&prepared.own_config().transform).unwrap();
    let rows = async |sql: &str| drain(transform.sql(&prepared.run, sql).await.unwrap()).await;
    let mut group = criterion.benchmark_group("map");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    // What each of the others contains: a session with all tables of the run.
    group.throughput(Throughput::Elements(1));
    group.bench_function("opened", |bencher| bencher.to_async(&prepared.runtime).iter(|| rows("select 1")));
    for query in transform.project().queries.iter().filter(|query| query.level == Level::Map) {
        let manifest = prepared.runtime.block_on(prepared.run.query(&query.name).manifest());
        group.throughput(Throughput::Elements(manifest.unwrap().unwrap().rows));
        group.bench_function(BenchmarkId::new(&query.name, "made"), |bencher| {
            bencher.to_async(&prepared.runtime).iter(|| rows(&query.sql));
        });
        let read_back = format!("select * from \"{}\"", query.name);
        group.bench_function(BenchmarkId::new(&query.name, "read_back"), |bencher| {
            bencher.to_async(&prepared.runtime).iter(|| rows(&read_back));
        });
    }
    group.finish();
}
