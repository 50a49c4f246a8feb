//! Mapped rows into a local Flex that holds none of them.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use telecine::dataflow::Progress;
use telecine::flex::{FlexClient, FlexConfig};
use telecine::load::{Load, LoadConfig};
use telecine::rehearsal::flex::{LocalFlex, Options};
use tokio_util::sync::CancellationToken;

use crate::prepared::Prepared;

/// Assets sent, at most.
const ASSETS: u64 = 64;

pub fn bench(criterion: &mut Criterion, prepared: &Prepared) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let (assets, _) = prepared.runtime.block_on(load(prepared, 32));
    group.throughput(Throughput::Elements(assets));
    for in_flight in [1, 32] {
        group.bench_function(BenchmarkId::new("in_flight", in_flight), |bencher| {
            bencher.to_async(&prepared.runtime).iter_custom(async |iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    spent += load(prepared, in_flight).await.1;
                }
                spent
            });
        });
    }
    group.finish();
}

/// Loads into a new Flex with a new ledger; assets created and the time that took, without what is set up and torn down.
async fn load(prepared: &Prepared, in_flight: usize) -> (u64, Duration) {
    let flex = LocalFlex::start(Options::default()).unwrap();
    let folder = prepared.scratch();
    let target = prepared.target(folder.path(), flex.base_url());
    let config = LoadConfig { limit: Some(ASSETS), ..target.load };
    let client = FlexClient::new(&FlexConfig { max_in_flight: in_flight, ..target.flex }).unwrap();
    let load = Load::prepare(config, client, prepared.run.clone()).await.unwrap();
    let started = Instant::now();
    let report = load.apply(&Progress::default(), &CancellationToken::new()).await.unwrap();
    let spent = started.elapsed();
    assert!(report.created > 0 && report.failed == 0, "{report:?}");
    drop(load);
    flex.shutdown().await;
    (report.created, spent)
}
