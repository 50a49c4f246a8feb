//! Loads among answers and surroundings that no other test has: every form of `Retry-After`, an asset that is there already,
//! outputs that are full or closed, few files and little memory, and a clock that jumps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use telecine::dataflow::Progress;
use telecine::flex::{ExternalId, FlexClient, FlexConfig, NewAsset, Outcome, RetryPolicy};
use telecine::load::{Load, LoadConfig, LoadReport, uuid_of};
use telecine::rehearsal::flex::Personality;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::campaign::place::{held, server, workplace};
use crate::kills::run_limited;
use crate::mapped::{Dump, Writes, client, config, flex, flex_config, http, load, rows, write_run};
use crate::reconcile::reconcile;
use crate::support::run;

/// Loads 30 rows into a server of these faults and finds each there once, complete.
async fn loaded(faults: &[&str], retry: RetryPolicy) -> (LoadReport, Vec<Value>) {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, faults);
    let url = server.base_url();
    let small = rows(30, 6);
    let run = write_run(folder.path(), "r1", &small).await;
    let client = FlexClient::new(&FlexConfig { retry, ..flex_config(url) }).unwrap();
    let prepared = Load::prepare(config(folder.path()), client, run.clone()).await.unwrap();
    let report = prepared.apply(&Progress::default(), &CancellationToken::new()).await.unwrap();
    drop(prepared);
    assert_eq!((report.created, report.failed, report.held), (small.loadable(), 0, 0), "{faults:?}: {report:?}");
    Dump::of(url).await.assert_each_once(small.loadable());
    reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();
    let dump = http().get(url.replace("/api", "/__standin/dump")).send().await.unwrap().text().await.unwrap();
    let lines = dump.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (report, lines.filter(|line| line["kind"] == "request").collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_asks_to_wait_is_waited_by_all() {
    let patient =
        || RetryPolicy { longest_retry_after: RetryPolicy::default().longest_retry_after, ..flex_config("").retry };
    for status in [429, 503] {
        let fault = format!("status={status}:POST /assets:after=8:first=1:retry-after=3");
        let (_, requests) = loaded(&[&fault], patient()).await;
        let ms = |request: &Value| request["ms"].as_u64().unwrap();
        let refused = ms(requests.iter().find(|request| request["status"] == status).expect("a refusal"));
        // Those that were under way then have their time, and the clock of the waiting is another than the server's.
        let too_soon: Vec<_> =
            requests.iter().filter(|request| (refused + 1_000..refused + 2_800).contains(&ms(request))).collect();
        assert!(too_soon.is_empty(), "{status} at {refused} ms: {too_soon:?}");
        assert!(requests.iter().any(|request| ms(request) >= refused + 2_800), "{requests:?}");
    }
    loaded(&["rate=40:POST /assets:burst=10:retry-after=date"], patient()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_wait_can_be_is_none() {
    for wait in ["-7", "soon", "1e9", "99999999999999999999999", ""] {
        for status in [429, 503] {
            let fault = format!("status={status}:POST /assets:after=5:first=3:retry-after={wait}");
            let (report, _) = loaded(&[&fault], flex_config("").retry).await;
            assert!(report.requests > 0, "{report:?}");
        }
    }
    // One of thirty years is cut to the longest that is honoured (here 50 ms).
    loaded(&["status=429:*:after=20:first=2:retry-after=999999999"], flex_config("").retry).await;
}

/// A 409 says that somebody made an asset with our uuid: it is looked up, taken for ours, and gets our values.
#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_is_there_already_is_taken_and_not_made_again() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let small = rows(20, 3);
    let first = write_run(folder.path(), "r0", &rows(10, 3)).await;
    load(config(folder.path()), url, &first).await.unwrap();
    let client = client(url);
    let definition = client.definition("assetType_Collection").await.unwrap().unwrap().id;
    let there = NewAsset {
        name: "by another hand".into(),
        asset_type: "group-asset".into(),
        definition,
        uuid: uuid_of("Collection:15"),
        external_id: Some(ExternalId { key: "elsewhere".into(), value: "x".into() }),
    };
    let Outcome::Done(id) = client.create_asset(&there).await.unwrap() else { panic!("it was refused") };
    let run = write_run(folder.path(), "r1", &small).await;
    let report = load(LoadConfig { canary: 0, ..config(folder.path()) }, url, &run).await.unwrap();
    assert_eq!((report.failed, report.held, report.adopted), (0, 0, 1), "{report:?}");
    let dump = Dump::of(url).await;
    assert_eq!(dump.totals.get(&("POST /assets".to_owned(), 409)), Some(&1), "{:?}", dump.totals);
    let of_uuid = &dump.assets[&uuid_of("Collection:15")];
    assert_eq!((of_uuid.len(), &of_uuid[0]["id"]), (1, &json!(id)));
    assert!(of_uuid[0]["instance"]["title"].is_string(), "{of_uuid:?}");
    assert_eq!(load(config(folder.path()), url, &run).await.unwrap().requests, 0);
}

/// What a shell may do to the outputs of a load, and how it then ends: a report that cannot be written is an error, what
/// nobody listens to is none. The rows are loaded all the same.
const OUTPUTS: [(&str, i32); 5] =
    [("exec >/dev/full", 1), ("exec 2>/dev/full", 0), ("exec 2>&-", 0), ("exec >/dev/null 2>&1", 0), ("exec 1>&-", 0)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outputs_that_are_full_or_closed_lose_no_row() {
    let small = rows(20, 4);
    for (output, code) in OUTPUTS {
        let (place, server) = (workplace(&small).await, server(&[]));
        place.add_target("dev", server.base_url(), "");
        let done = run_limited(&place, output, "load --run r1").await;
        assert!(done.code == Some(code) && !done.stderr.contains("panicked"), "{output}: {done:?}");
        Dump::of(server.base_url()).await.assert_each_once(small.loadable());
        let again = place.json("load --run r1 -q").await;
        assert_eq!((&again["unchanged"], &again["requests"]), (&json!(small.loadable()), &json!(0)), "{output}");
        let rejected = run_limited(&place, output, "rejects list --run r1").await;
        assert!(!rejected.stderr.contains("panicked"), "{output}: {rejected:?}");
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_few_files_or_little_memory_a_load_ends_well_or_goes_on_later() {
    let small = rows(40, 8);
    let (place, server) = (workplace(&small).await, server(&["delay-ms=5:*"]));
    place.add_target("dev", server.base_url(), "retries = 2\npatience = 1");
    let mut ended = Vec::new();
    // From far too little (`-n` files, `-v` KiB of addresses) on.
    for limit in
        ["ulimit -n 12", "ulimit -n 20", "ulimit -n 28", "ulimit -v 200000", "ulimit -v 400000", "ulimit -n 64"]
    {
        let done = run_limited(&place, limit, "load --run r1 -q --output json").await;
        assert!(!done.stderr.contains("panicked at src"), "{limit}: {done:?}");
        assert!(done.code == Some(0) || !done.stderr.is_empty(), "{limit}: it ends without a word: {done:?}");
        let dump = Dump::of(server.base_url()).await;
        dump.assert_each_once(dump.assets.len() as u64);
        ended.push((limit, done.code, dump.assets.len(), done.stderr));
    }
    println!("{ended:#?}");
    assert!(ended.iter().any(|(_, code, ..)| *code != Some(0)), "no limit was of weight: {ended:?}");
    assert_eq!(ended.last().unwrap().1, Some(0), "64 files are enough: {ended:?}");
    Dump::of(server.base_url()).await.assert_each_once(small.loadable());
    let back = place.json("reconcile --run r1 -q").await;
    assert_eq!(back["equal"], json!(small.loadable()), "{back}");
    server.shutdown().await;
}

/// The wall clock goes back an hour at every seventh look and forth again at the next; the clock of timers goes on.
const JUMPS: &str = r#"
#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static __thread unsigned looks;
    int done = syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_REALTIME && ++looks % 7 == 0) now->tv_sec -= 3600;
    return done;
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_changes_nothing_in_the_target() {
    let small = rows(30, 8);
    let faults = ["drop-after-commit:POST /assets:every=9", "status=429:*:every=40:retry-after=1"];
    let mut left = Vec::new();
    for jumps in [false, true] {
        let (place, server) = (workplace(&small).await, server(&faults));
        place.add_target("dev", server.base_url(), "settle = 0.1");
        let (source, shim) = (place.path().join("jumps.c"), place.path().join("jumps.so"));
        fs::write(&source, JUMPS).unwrap();
        let built =
            std::process::Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&shim, &source]).status();
        assert!(built.unwrap().success());
        let before = if jumps { format!("export LD_PRELOAD={}", shim.display()) } else { ":".to_owned() };
        for line in
            ["load --run r1 -q --output json", "plan --run r1 -q --output json", "reconcile --run r1 -q --output json"]
        {
            let done = run_limited(&place, &before, line).await.code(0).json();
            let rest = ["failed", "held", "create", "update", "different", "missing"];
            assert!(rest.iter().all(|part| done[part].is_null() || done[part] == 0), "{jumps} {line}: {done}");
        }
        // The ledger's times show what the process was told.
        let mut sql = place.call("sql --run r1 --output json");
        sql.arg("select min(changed_at) as first, max(changed_at) as last from ledger.assets");
        let times = run(&mut sql).await.code(0).json()["rows"][0].clone();
        let [first, last] = ["first", "last"].map(|end| times[end].as_str().unwrap().parse::<DateTime<Utc>>().unwrap());
        assert_eq!(last - first > TimeDelta::minutes(50), jumps, "{times}");
        Dump::of(server.base_url()).await.assert_each_once(small.loadable());
        left.push(held(server.base_url()).await);
        server.shutdown().await;
    }
    assert!(left[0] == left[1], "another hour, another target: {left:?}");
}
