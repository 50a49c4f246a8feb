//! Runs into a bucket that are killed at random moments and then go on: they end like an unbroken one, and what is left
//! over is told and swept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use telecine::staging::RunFolder;

use crate::buckets::{Bucket, Fault, PREFIX};
use crate::support::{Source, Workplace, finish};

/// How often a process is killed, and one step of a run at most.
const KILLS: usize = 24;
const KILLS_OF_A_STEP: usize = 3;

const TABLES: &str = "
    do $$ begin
      for i in 1..8 loop
        execute format('create table t%s (id bigint primary key, v text, price numeric(8, 2))', i);
        execute format('insert into t%s select g, repeat(md5(g::text || %s), 4),
                          case when g %% 500 = 0 then ''NaN'' else g / 100.0 end
                        from generate_series(1, 2000) g', i, i);
      end loop;
    end $$; analyze";

const QUERY: &str = "-- materialise: parquet, json
select 't:' || cast(id as varchar) as source_key, v as name, price from public.t1 where id <= 300";

/// What a run holds: datasets by rows and checksum, and every document by its size.
async fn content(bucket: &Bucket, run: &RunFolder) -> BTreeMap<String, String> {
    let mut content = BTreeMap::new();
    for (table, manifest) in run.raw_tables().await.unwrap() {
        content.insert(table.to_string(), manifest.content());
    }
    for (dataset, manifest) in run.query_datasets().await.unwrap() {
        content.insert(dataset.name().to_owned(), manifest.content());
    }
    let folder = Path::from(format!("{PREFIX}/runs/{}/documents", run.id()));
    let documents: Vec<_> = bucket.area().store().list(Some(&folder)).try_collect().await.unwrap();
    let written = documents.into_iter().filter(|object| !object.location.as_ref().ends_with(".manifest.json"));
    content.extend(written.map(|object| (object.location.filename().unwrap().to_owned(), object.size.to_string())));
    content
}

/// Calls a verb and kills it after so many requests; false when it had ended by itself.
async fn kill_one(bucket: &Bucket, place: &Workplace, line: &str, after: usize) -> bool {
    let mut child = place.call(line).spawn().unwrap();
    let killed = bucket.kill_after(&mut child, after).await;
    if !killed {
        finish(child).await.code(0);
    }
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_a_run_in_a_bucket_ends_like_an_unbroken_one() {
    let source = Source::of_sql(TABLES).await;
    let bucket = Bucket::s3s().await;
    let files = [("migration.toml", "[source]\npartition_bytes = \"200KiB\"\n"), ("1_select/rows.sql", QUERY)];
    let place = bucket.settings(Workplace::of_files(&files).with_source(&source));
    let steps = ["extract", "transform"];
    let mut whole = Vec::new();
    for step in steps {
        bucket.arrived();
        let report = place.json(&format!("{step} --run unbroken -q")).await;
        assert!(report["bucket"]["written"].as_u64() > Some(8), "{report}");
        assert_eq!(report["bucket"]["failed"], 0);
        whole.push(bucket.arrived().len());
    }
    let area = bucket.area();
    let wanted = content(&bucket, &area.run("unbroken")).await;
    assert!(wanted.len() > 8 + 300, "{}", wanted.len());

    let seed = fastrand::u64(..);
    println!("seed {seed}, requests of the steps: {whole:?}");
    let mut random = fastrand::Rng::with_seed(seed);
    // One request of sixteen is refused besides.
    let mut refusals = fastrand::Rng::with_seed(seed);
    bucket.judge(move |_| (refusals.u8(..16) == 0).then_some(Fault::SlowDown));
    let (mut kills, mut runs, mut left_over) = (0, 0, 0);
    while kills < KILLS {
        runs += 1;
        for (step, requests) in steps.iter().zip(&whole) {
            let line = format!("{step} --run killed{runs} -q");
            for _ in 0..KILLS_OF_A_STEP {
                // An attempt of a step that has nothing behind it yet never ends by itself.
                if !kill_one(&bucket, &place, &line, random.usize(1..*requests)).await {
                    break;
                }
                kills += 1;
                left_over += area.orphans(false).await.unwrap().orphans.len();
            }
            place.run(&line).await.code(0);
        }
        let run = area.run(&format!("killed{runs}"));
        assert_eq!(content(&bucket, &run).await, wanted, "killed{runs}, seed {seed}");
    }
    println!("{kills} kills of {runs} runs, {left_over} orphans seen in between");
    assert!(left_over > 0, "seed {seed}: no kill hit anything");
    // The next process of a run has taken away what the former left; the verb finds nothing more.
    let swept = place.json("staging orphans --sweep").await;
    assert_eq!(swept["orphans"].as_array().unwrap().len(), 0, "{swept}");
    source.server.stop().await.unwrap();
}
