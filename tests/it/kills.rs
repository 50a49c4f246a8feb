//! Extractions by the binary that are killed at random moments, stopped by signals, or short of disk, files and threads,
//! and then resumed: they end like an unbroken one, and nothing is left over.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::cluster::is_root;
use crate::proxy::{Fault, Proxy};
use crate::support::{Done, PATIENCE, Source, Workplace, files, finish, read_json, signal, wait_for};

/// How often the extracting process is killed.
const KILLS: usize = 50;

/// Twenty tables of several slices each, every third with values that go to `raw/_exceptions`, and one without columns.
const TABLES: &str = "
    do $$ begin
      for i in 1..20 loop
        execute format('create table t%s (id bigint primary key, v text, price numeric(8, 2))', i);
        execute format('insert into t%s select g, repeat(md5(g::text || %s), 4),
                          case when g %% 500 = 0 and %s %% 3 = 0 then ''NaN'' else g / 100.0 end
                        from generate_series(1, 3000) g', i, i, i);
      end loop;
    end $$;
    create table nothing (); insert into nothing select from generate_series(1, 3); analyze";

/// Slices and batches so small that a kill finds several of them.
fn workplace(source: &Source) -> Workplace {
    Workplace::of_files(&[("migration.toml", "[source]\npartition_bytes = \"200KiB\"\nbatch_rows = 200\n")])
        .with_source(source)
}

/// The content of a run: rows and checksum by dataset.
fn contents(run: &Path) -> BTreeMap<String, (Value, Value)> {
    let manifests = files(run).into_iter().filter(|file| file.ends_with("_manifest.json"));
    let content = |file: String| {
        let manifest = read_json(&run.join(&file));
        (file, (manifest["rows"].clone(), manifest["checksum"].clone()))
    };
    manifests.map(content).collect()
}

/// Every file of a run is one that a manifest names with its size, or a file that belongs to no dataset.
#[track_caller]
fn nothing_is_left_over(run: &Path) {
    let all = files(run);
    let mut known: Vec<String> = ["run.json", "extract.json", "verify.json"].map(String::from).into();
    for manifest in all.iter().filter(|file| file.ends_with("_manifest.json")) {
        let folder = manifest.trim_end_matches("_manifest.json");
        known.push(manifest.clone());
        for file in read_json(&run.join(manifest))["files"].as_array().unwrap() {
            let name = format!("{folder}{}", file["name"].as_str().unwrap());
            assert_eq!(fs::metadata(run.join(&name)).unwrap().len(), file["bytes"].as_u64().unwrap(), "{name}");
            known.push(name);
        }
    }
    let left: Vec<_> = all.iter().filter(|file| !known.contains(file)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_fifty_times_and_resumed_it_ends_like_an_unbroken_extraction() {
    let source = Source::of_sql(TABLES).await;
    let place = workplace(&source);
    let begun = Instant::now();
    let unbroken = place.json("extract --run unbroken -q").await;
    let whole = begun.elapsed();
    assert_eq!((&unbroken["one_moment"], unbroken["snapshots"].as_array().unwrap().len()), (&json!(true), 1));
    let wanted = contents(&place.run_folder("unbroken"));
    assert_eq!(wanted["raw/_exceptions/_manifest.json"].0, json!(6 * 6), "t3, t6 … t18");
    nothing_is_left_over(&place.run_folder("unbroken"));

    let seed = fastrand::u64(..);
    println!("seed {seed}, unbroken in {whole:?}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut kills, mut runs, mut widest, mut continued) = (0, 0, 0, 0);
    let campaign = Instant::now();
    while kills < KILLS {
        runs += 1;
        let run = format!("killed{runs}");
        let mut processes = 0;
        while kills < KILLS && kill_one(&place, &run, whole.mul_f64(random.f64())).await {
            kills += 1;
            processes += 1;
        }
        widest = widest.max(processes);
        let report = place.json(&format!("extract --run {run} -q")).await;
        assert_eq!(contents(&place.run_folder(&run)), wanted, "run {run}, seed {seed}");
        nothing_is_left_over(&place.run_folder(&run));
        // Nobody wrote: all snapshots show the same rows, and it is known.
        assert_eq!((&report["one_moment"], &report["rows"]), (&json!(true), &unbroken["rows"]), "{report}");
        continued += usize::from(report["snapshots"].as_array().unwrap().len() > 1);
        let verified = place.json(&format!("verify --run {run} -q")).await;
        assert_eq!(verified["same_snapshot"], json!(true));
    }
    println!(
        "{kills} kills of {runs} runs, up to {widest} of one, {continued} made of several parts, in {:?}",
        campaign.elapsed()
    );
    assert!(widest > 1 && continued > 0, "seed {seed}: no kill hit the reading");
    source.server.stop().await.unwrap();
}

/// Starts or resumes a run and kills it after so long; false when it had ended by itself.
async fn kill_one(place: &Workplace, run: &str, after: Duration) -> bool {
    let mut child = place.call(&format!("extract --run {run} -q --output json")).spawn().unwrap();
    match tokio::time::timeout(after, child.wait()).await {
        Ok(ended) => {
            assert!(ended.unwrap().success(), "{run} failed: {}", finish(child).await.stderr);
            false
        }
        Err(_) => {
            child.kill().await.unwrap();
            true
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_between_two_parts_of_a_run_is_said_everywhere() {
    let source = Source::of_sql(TABLES).await;
    let proxy = Proxy::start(source.server.port()).await;
    let place = workplace(&source).set("TELECINE_SOURCE_URL", proxy.url(&source.url, "").expose_secret());
    proxy.strike(Fault::Delay(Duration::from_millis(4)), 60_000, usize::MAX);
    let mut child = place.call("extract --run r -q").spawn().unwrap();
    wait_for("a committed table", PATIENCE, async || committed(&place, "r").first().map(drop)).await;
    child.kill().await.unwrap();
    let kept = committed(&place, "r").len();
    source.client().await.batch_execute("update t1 set v = 'new'; update t20 set v = 'new'").await.unwrap();

    proxy.strike(Fault::Cut, usize::MAX, 0);
    let done = place.run("extract --run r").await.code(0);
    assert!(done.stderr.contains("tables of run r are of 2 moments"), "{}", done.stderr);
    assert!(done.stdout.contains("warning: the tables of run r are of 2 moments") && done.stdout.contains("read at"));
    assert!(done.stdout.contains("for one moment start a new run"), "{}", done.stdout);
    let report = read_json(&place.run_folder("r").join("extract.json"));
    let used: Vec<u64> =
        report["snapshots"].as_array().unwrap().iter().map(|s| s["tables"].as_u64().unwrap()).collect();
    assert_eq!(used, [kept as u64, 21 - kept as u64]);
    assert_eq!((&report["one_moment"], &report["snapshot"]), (&json!(false), &report["snapshots"][1]["id"]));
    for table in report["tables"].as_array().unwrap() {
        let folder = format!("raw/public.{}/_manifest.json", table["name"].as_str().unwrap());
        let manifest = read_json(&place.run_folder("r").join(folder));
        assert_eq!((&manifest["snapshot"]["id"], &manifest["snapshot"]["at"]), (&table["snapshot"], &table["at"]));
    }
    let verified = place.run("verify --run r --output json").await;
    assert_eq!(verified.json()["same_snapshot"], json!(false));
    assert!(verified.json()["remark"].as_str().unwrap().contains("2 moments"), "{}", verified.stdout);
    source.server.stop().await.unwrap();
}

fn committed(place: &Workplace, run: &str) -> Vec<String> {
    let manifest = |file: &String| file.starts_with("raw/public.") && file.ends_with("_manifest.json");
    files(&place.run_folder(run)).into_iter().filter(manifest).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_stops_it_and_says_how_to_go_on() {
    let source = Source::of_sql(TABLES).await;
    let proxy = Proxy::start(source.server.port()).await;
    let place = workplace(&source).set("TELECINE_SOURCE_URL", proxy.url(&source.url, "").expose_secret());
    for (name, twice, code) in [("INT", false, 130), ("TERM", false, 143), ("INT", true, 130), ("TERM", true, 143)] {
        let run = format!("{}{twice}", name.to_lowercase());
        proxy.strike(Fault::Delay(Duration::from_millis(5)), 60_000, usize::MAX);
        let child = place.call(&format!("extract --run {run}")).spawn().unwrap();
        let parts = async || files(&place.run_folder(&run)).iter().any(|file| file.ends_with(".parquet")).then_some(());
        wait_for("a part", PATIENCE, parts).await;
        signal(name, child.id().unwrap());
        if twice {
            // It may have stopped by then.
            let _ = std::process::Command::new("kill")
                .args([&format!("-{name}"), &child.id().unwrap().to_string()])
                .status();
        }
        let done = finish(child).await;
        assert_eq!(done.code, Some(code), "{}", done.stderr);
        if !twice {
            assert!(done.stderr.contains(&format!("`telecine extract --run {run}` goes on")), "{}", done.stderr);
        }
        proxy.strike(Fault::Cut, usize::MAX, 0);
        let report = place.json(&format!("extract --run {run} -q")).await;
        assert_eq!((&report["rows"], &report["one_moment"]), (&json!(60_003), &json!(true)));
        nothing_is_left_over(&place.run_folder(&run));
    }

    // While it waits for a lock, too.
    let blocker = source.client().await;
    blocker.batch_execute("begin; lock table t7 in access exclusive mode").await.unwrap();
    let child = place.call("extract --run waiting").spawn().unwrap();
    let waits = "select count(*) from pg_locks where not granted";
    let waiting = async || (blocker.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(());
    wait_for("the lock", PATIENCE, waiting).await;
    signal("INT", child.id().unwrap());
    finish(child).await.code(130);
    source.server.stop().await.unwrap();
}

/// A call under a limit that the shell sets first.
fn limited(place: &Workplace, limit: &str, line: &str) -> Command {
    let call = place.call(line);
    let call = call.as_std();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit}; exec \"$@\""), "sh"]).arg(call.get_program()).args(call.get_args());
    shell.env_clear().envs(call.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", std::env::var_os("PATH").unwrap()).current_dir(place.path());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    shell
}

pub async fn run_limited(place: &Workplace, limit: &str, line: &str) -> Done {
    finish(limited(place, limit, line).spawn().unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_for_a_file_it_names_the_file_and_leaves_nothing_half_done() {
    let source = Source::of_sql(
        "create table small (id int, v numeric(5, 2)); insert into small values (1, 'NaN');
         create table large (id int, v text);
         insert into large select i, md5(i::text) || md5((-i)::text) from generate_series(1, 20000) i",
    )
    .await;
    let place = Workplace::of_files(&[]).with_source(&source);
    // A file may have 256 KiB (`ulimit -f` counts 512 bytes): what a full disk or a quota is to one file.
    let done = run_limited(&place, "ulimit -f 512", "extract --run r").await.code(1);
    assert!(done.stderr.contains("raw/public.large/part-00000.parquet: cannot be written"), "{}", done.stderr);
    assert!(done.stderr.contains("File too large"), "{}", done.stderr);
    assert!(done.stderr.contains("telecine extract --run r"), "{}", done.stderr);
    let run = place.run_folder("r");
    let left: Vec<_> = files(&run).into_iter().filter(|file| file.contains("large") || file.contains(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
    let report = place.json("extract --run r -q").await;
    assert_eq!((&report["rows"], &report["one_moment"]), (&json!(20_001), &json!(true)));
    nothing_is_left_over(&run);

    // A folder that cannot be made, as a file is in its place, and one that may not be written.
    fs::write(place.path().join("staging/runs/blocked"), "").unwrap();
    let done = place.run("extract --run blocked").await;
    assert!(matches!(done.code, Some(1 | 2)), "{done:?}");
    assert!(done.stderr.contains("staging/runs/blocked"), "{}", done.stderr);
    read_only(&place, "extract --run closed").await;
    source.server.stop().await.unwrap();
}

/// In a folder without the right to write, root gives up its right to write everywhere.
async fn read_only(place: &Workplace, line: &str) {
    let folder = place.path().join("staging/runs/closed/raw");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let limit = if is_root() { "set -- setpriv --bounding-set=-all --inh-caps=-all \"$@\"" } else { ":" };
    let done = run_limited(place, limit, line).await.code(1);
    assert!(done.stderr.contains("staging/runs/closed/raw/public."), "{}", done.stderr);
    assert!(done.stderr.contains("Permission denied"), "{}", done.stderr);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    place.run(line).await.code(0);
    nothing_is_left_over(&place.run_folder("closed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_few_files_and_threads_it_works_or_says_what_it_lacks() {
    let source = Source::of_sql(TABLES).await;
    let place = workplace(&source);
    let line = "extract --run few --connections 4 -q --output json";
    let done = run_limited(&place, "ulimit -n 64; export TOKIO_WORKER_THREADS=1", line).await.code(0);
    assert_eq!(done.json()["rows"], json!(60_003));
    nothing_is_left_over(&place.run_folder("few"));
    let done = run_limited(&place, "ulimit -n 16", "extract --run fewer --connections 12 -q").await;
    assert!(matches!(done.code, Some(1 | 2)), "{done:?}");
    assert!(done.stderr.contains("Too many open files") && !done.stderr.contains("panicked"), "{}", done.stderr);
    place.json("extract --run fewer -q").await;
    assert_eq!(contents(&place.run_folder("fewer")), contents(&place.run_folder("few")));
    nothing_is_left_over(&place.run_folder("fewer"));
    source.server.stop().await.unwrap();
}
