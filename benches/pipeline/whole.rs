//! The whole job, from a filled database to a reconciled Flex.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};
use telecine::pipeline::Pipeline;
use telecine::rehearsal::flex::{LocalFlex, Options};
use tokio_util::sync::CancellationToken;

use crate::prepared::{Prepared, area};

pub fn bench(criterion: &mut Criterion, prepared: &Prepared) {
    let mut group = criterion.benchmark_group("pipeline");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(prepared.rows));
    group.bench_function("run", |bencher| {
        bencher.to_async(&prepared.runtime).iter_custom(async |iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                spent += run(prepared).await;
            }
            spent
        });
    });
    group.finish();
}

/// One run into a new folder and a new Flex; the time it took, without what is set up and torn down.
async fn run(prepared: &Prepared) -> Duration {
    let flex = LocalFlex::start(Options::default()).unwrap();
    let folder = prepared.scratch();
    let config = prepared.config(folder.path(), flex.base_url());
    let run = area(folder.path()).run("whole");
    let pipeline = Pipeline::new(config, None, run, CancellationToken::new(), true);
    let started = Instant::now();
    let report = pipeline.run().await.unwrap();
    let spent = started.elapsed();
    report.verdict().unwrap();
    flex.shutdown().await;
    spent
}
