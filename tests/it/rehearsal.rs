//! `telecine rehearse` as a user calls it: the whole job twice, its files, its servers, and what happens when it is
//! broken off.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use telecine::dataflow::TableName;
use telecine::rehearsal::library::{Library, LibraryOptions};
use telecine::staging::{raw_folder, safe_name};
use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::{
    Done, FLEX_PASSWORD, FLEX_USER, Flex, PATIENCE, comparable, files, finish, lives, open_folder, read_json, run,
    signal, telecine, wait_for,
};

/// A size at which every kind of row occurs.
const SCALE: f64 = 0.0002;

/// Two folders: what the rehearsal keeps, and what it must not leave behind.
struct Stage {
    kept: TempDir,
    passing: TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { kept: open_folder(), passing: open_folder() }
    }

    fn dir(&self) -> PathBuf {
        self.kept.path().join("rehearsal")
    }

    fn rehearse(&self, more: &[&str]) -> Command {
        let mut command = telecine(["rehearse", "--output", "json", "--scale", &SCALE.to_string(), "--dir"]);
        command.arg(self.dir()).args(more).env("TMPDIR", self.passing.path());
        command.env("FLEX_USERNAME", FLEX_USER).env("FLEX_PASSWORD", FLEX_PASSWORD);
        command
    }

    /// The folder of the newest run.
    fn run_folder(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.dir().join("staging/runs")).ok()?;
        runs.flatten().map(|entry| entry.path()).max()
    }

    /// The private PostgreSQL's process, once it runs.
    fn server(&self) -> Option<u32> {
        let cluster = fs::read_dir(self.passing.path()).ok()?.flatten().next()?.path();
        let text = fs::read_to_string(cluster.join("data/postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// The state of the local Flex: the folder of the only library that was rehearsed here.
    fn flex_data(&self) -> PathBuf {
        let mut found = fs::read_dir(self.dir().join("flex")).unwrap();
        let only = found.next().unwrap().unwrap().path();
        assert!(found.next().is_none(), "more than one library");
        only
    }

    /// Nothing of the private PostgreSQL is left: no file, no process.
    fn is_clean(&self) -> bool {
        files(self.passing.path()).is_empty()
            && fs::read_dir(self.passing.path()).unwrap().next().is_none()
            && processes_about(self.passing.path()).is_empty()
    }
}

/// Processes that name a folder in their command line.
fn processes_about(folder: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(folder.to_str().unwrap()) && lives(pid) {
            found.push((pid, line));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_changes_nothing() {
    let stage = Stage::new();
    let first = run(stage.rehearse(&["-vv"]).arg("--dirt=1")).await.code(0);
    assert!(stage.is_clean(), "{:?}", processes_about(stage.passing.path()));
    let journal = fs::read(stage.flex_data().join("journal.ndjson")).unwrap();
    let report = first.json();
    balance(&report);
    assert!(report["load"]["created"].as_u64() > Some(0), "{report}");
    assert!(!report["rejected"].as_object().unwrap().is_empty(), "{report}");
    let folder = stage.run_folder().unwrap();
    // What is printed is what is kept.
    let mut printed = report.clone();
    printed.as_object_mut().unwrap().shift_remove("schema_version");
    let mut kept = read_json(&folder.join("report.json"));
    kept.as_object_mut().unwrap().shift_remove("schema_version");
    assert_eq!(printed, kept);
    layout(&folder, &report);
    manifests_agree_with_the_library(&folder, 1.0);
    flex_holds_the_documents(&stage, &folder, &report).await;
    no_secret(&stage, &first);
    no_secret_of_the_source(&stage, &folder);

    let second = run(stage.rehearse(&[]).arg("--dirt=1")).await.code(0);
    let again = second.json();
    balance(&again);
    assert_ne!(report["run"], again["run"]);
    assert_eq!(report["checksums"], again["checksums"]);
    assert!(again["checksums"].as_object().unwrap().len() > 227);
    let load = &again["load"];
    assert_eq!((&load["created"], &load["updated"], &load["failed"]), (&json!(0), &json!(0), &json!(0)), "{again}");
    assert_eq!(load["unchanged"], report["load"]["created"], "{again}");
    // The local Flex writes down every change: there was none.
    assert!(journal == fs::read(stage.flex_data().join("journal.ndjson")).unwrap());
    for part in ["candidates", "loaded", "rejected", "out_of_scope", "merged", "warnings"] {
        assert_eq!(report[part], again[part], "{part}");
    }
    assert!(stage.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_off_it_leaves_no_server_and_then_clean_data_is_loaded_whole() {
    let stage = Stage::new();
    // SIGKILL while the library is filled: nobody is left to clean up but the server's keeper.
    let mut child = stage.rehearse(&["--dirt=0"]).spawn().unwrap();
    let server = wait_for("the server", PATIENCE, async || stage.server()).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(lives(server));
    child.kill().await.unwrap();
    wait_for("the server's end", Duration::from_secs(15), async || stage.is_clean().then_some(())).await;
    assert!(!lives(server));

    // SIGINT in mid-run: a drain, the exit code, no server.
    let child = stage.rehearse(&["--dirt=0"]).spawn().unwrap();
    let began = async || stage.run_folder().filter(|run| run.join("discover.json").exists());
    wait_for("the first step", PATIENCE, began).await;
    let server = stage.server().unwrap();
    let asked = Instant::now();
    signal("INT", child.id().unwrap());
    let stopped = finish(child).await.code(130);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert!(stopped.stderr.contains("run the same command again"), "{}", stopped.stderr);
    assert!(stage.is_clean() && !lives(server));

    // The same command again, to its end; both servers are to be kept.
    let done = run(&mut stage.rehearse(&["--dirt=0", "--keep"])).await.code(0);
    let report = done.json();
    balance(&report);
    assert_eq!(report["loaded"], report["candidates"]);
    for part in ["rejected", "out_of_scope", "warnings"] {
        assert_eq!(report[part], json!({}), "clean data gives no {part}");
    }
    let kept: Vec<u32> = done.stderr.split("(process ").skip(1).map(number).collect();
    assert!(kept.len() == 2 && kept.iter().all(|pid| lives(*pid)), "{}", done.stderr);
    assert_eq!(stage.server(), Some(kept[0]));
    let address = report["flex"].as_str().unwrap().trim_end_matches("/api").to_owned();
    let up = async || reqwest::get(format!("{address}/__standin/totals")).await.ok();
    assert!(wait_for("the kept Flex", PATIENCE, up).await.status().is_success());
    kept.iter().for_each(|pid| signal("INT", *pid));
    wait_for("their end", PATIENCE, async || stage.is_clean().then_some(())).await;
    wait_for("their end", PATIENCE, async || kept.iter().all(|pid| !lives(*pid)).then_some(())).await;
}

#[tokio::test]
async fn without_postgresql_it_says_what_to_install() {
    let stage = Stage::new();
    let nowhere = open_folder();
    let mut command = stage.rehearse(&[]);
    let done = run(command.env("TELECINE_PG_BINDIR", nowhere.path()).env("PATH", "")).await.code(2);
    assert_eq!(done.stdout, "");
    let install: Vec<&str> =
        done.stderr.lines().filter(|line| line.contains("apt-get install -y postgresql")).collect();
    assert_eq!(install.len(), 1, "{}", done.stderr);
    assert!(done.stderr.contains("TELECINE_PG_BINDIR"), "{}", done.stderr);
    assert!(stage.is_clean());
}

fn number(text: &str) -> u32 {
    text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// candidates = loaded + rejected + out of scope + merged, by our own addition.
fn balance(report: &Value) {
    assert_eq!(report["balanced"], json!(true), "{report:#}");
    assert_eq!(report["problems"], json!([]), "{report:#}");
    let count = |part: &str| report[part].as_u64().unwrap();
    let sum = |part: &str| report[part].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum::<u64>();
    assert!(count("loaded") > 50, "{report:#}");
    assert_eq!(count("candidates"), count("loaded") + sum("rejected") + sum("out_of_scope") + count("merged"));
    let steps: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    let wanted = ["library", "discover", "extract", "verify", "transform", "plan", "load", "reconcile"];
    assert_eq!(steps, wanted);
}

/// The folders of a run are those of the documented layout, and each dataset has what its manifest says.
fn layout(folder: &Path, report: &Value) {
    let all = files(folder);
    let datasets: Vec<&str> = all.iter().filter_map(|file| file.strip_suffix("/_manifest.json")).collect();
    let mut listed: BTreeSet<String> = datasets.iter().map(|dataset| format!("{dataset}/_manifest.json")).collect();
    for dataset in &datasets {
        let manifest = read_json(&folder.join(dataset).join("_manifest.json"));
        assert_eq!(manifest["dataset"], json!(dataset));
        for (number, file) in manifest["files"].as_array().unwrap().iter().enumerate() {
            let name = file["name"].as_str().unwrap();
            assert_eq!(name, format!("part-{number:05}.parquet"), "{dataset}");
            let path = format!("{dataset}/{name}");
            assert_eq!(fs::metadata(folder.join(&path)).unwrap().len(), file["bytes"].as_u64().unwrap(), "{path}");
            listed.insert(path);
        }
    }
    let raw = datasets.iter().filter(|dataset| dataset.starts_with("raw/")).count();
    assert_eq!(raw, 227 + 1, "the tables and raw/_exceptions");
    for query in ["project", "promo", "collection", "deliverable_image", "candidates", "rejected"] {
        assert!(datasets.contains(&query), "{query}: {datasets:?}");
    }
    // Every row not loaded is in `rejected`, once.
    let rejected = read_json(&folder.join("rejected/_manifest.json"))["rows"].as_u64().unwrap();
    let count = |part: &str| report[part].as_u64().unwrap();
    assert_eq!(rejected, count("candidates") - count("loaded"));
    for file in all.iter().filter(|file| !listed.contains(*file)) {
        let plain = !file.contains('/') && (file.ends_with(".json") || file.ends_with(".html"));
        let planned = file.starts_with("plan/") && file.ends_with(".json");
        assert!(plain || planned || file.starts_with("documents/"), "{file} has no place in the layout");
    }
}

/// All 227 tables, each with the rows that the library says it has.
fn manifests_agree_with_the_library(folder: &Path, dirt: f64) {
    let library = Library::new(LibraryOptions { scale: SCALE, dirt, ..LibraryOptions::default() }).unwrap();
    assert_eq!(library.tables().len(), 227);
    for table in library.tables() {
        let dataset = format!("raw/{}", raw_folder(&TableName::new(table.schema, table.name)));
        let manifest = read_json(&folder.join(dataset).join("_manifest.json"));
        assert_eq!(manifest["table"], json!({"schema": table.schema, "name": table.name}));
        // A partitioned table's rows are in its partitions: it has none of its own.
        let is_parent = library.tables().iter().filter_map(|other| other.partition).any(|of| of.parent == table.name);
        let rows = library.rows_of(table) + library.write_fixtures(table, &mut Vec::new());
        assert!(!is_parent || rows == 0, "{}", table.name);
        assert_eq!(manifest["rows"], json!(rows), "{}", table.quoted());
    }
}

/// What is on disk for the hot folder, line by line and file by file, is what the local Flex stored.
async fn flex_holds_the_documents(stage: &Stage, folder: &Path, report: &Value) {
    let flex = Flex::start(&["--data", stage.flex_data().to_str().unwrap()]).await;
    let stored = comparable(&flex.assets().await);
    assert_eq!(stored.len() as u64, report["loaded"].as_u64().unwrap());
    let mut documents = BTreeMap::new();
    for definition in ["assetType_Project", "assetType_Promo", "assetType_Collection", "assetType_DeliverableImage"] {
        let lines = fs::read_to_string(folder.join(format!("documents/{definition}.ndjson"))).unwrap();
        let files = files(&folder.join("documents").join(definition));
        assert_eq!(files.len(), lines.lines().count(), "{definition}");
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let key = line["source_key"].as_str().unwrap();
            let file = read_json(&folder.join(format!("documents/{definition}/{}.json", safe_name(key, true))));
            assert_eq!(file, line["instance"], "{key}");
            documents.insert(uuid_of(key), (definition, line));
        }
    }
    assert_eq!(documents.keys().collect::<Vec<_>>(), stored.keys().collect::<Vec<_>>());
    for (uuid, (definition, line)) in &documents {
        let asset = &stored[uuid];
        assert_eq!((&asset["name"], &asset["definition"]), (&line["name"], &json!(definition)));
        let fields = line["instance"].as_object().unwrap().clone().into_iter();
        let is_loaded = |key: &str| documents.contains_key(&uuid_of(key));
        let wanted: Value = fields.filter_map(|(name, value)| Some((name, resolve(value, &is_loaded)?))).collect();
        assert_eq!(asset["instance"], wanted, "{}", line["source_key"]);
    }
    flex.kill().await;
}

/// The uuid an asset gets for its source key, as the loader's contract defines it.
fn uuid_of(key: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://telecine/source-key");
    Uuid::new_v5(&namespace, key.as_bytes()).to_string()
}

/// References by key as [`comparable`] shows them. One to what is not loaded goes, with the item that holds it.
fn resolve(value: Value, is_loaded: &impl Fn(&str) -> bool) -> Option<Value> {
    match value {
        Value::Object(object) => match object.get("source_key").and_then(Value::as_str) {
            Some(key) => is_loaded(key).then(|| json!({ "asset": uuid_of(key) })),
            None => object.into_iter().map(|(name, inner)| Some((name, resolve(inner, is_loaded)?))).collect(),
        },
        Value::Array(items) => {
            let items: Vec<Value> = items.into_iter().filter_map(|item| resolve(item, is_loaded)).collect();
            (!items.is_empty()).then(|| json!(items))
        }
        scalar => Some(scalar),
    }
}

/// The password of the local Flex is in no output and in no file.
fn no_secret(stage: &Stage, done: &Done) {
    assert!(!done.stdout.contains(FLEX_PASSWORD) && !done.stderr.contains(FLEX_PASSWORD));
    assert!(done.stderr.lines().count() > 10, "-vv says something: {}", done.stderr);
    for file in files(&stage.dir()) {
        let bytes = fs::read(stage.dir().join(&file)).unwrap();
        let found = bytes.windows(FLEX_PASSWORD.len()).any(|part| part == FLEX_PASSWORD.as_bytes());
        assert!(!found, "{file} holds the password");
    }
}

/// What marks the secrets of the library's fixtures (dirt D59).
const MARKER: &str = "SECRET-FIXTURE-";

/// No step's files hold a secret of the source, be it in text, in bytes or packed; the manifest says what was left out.
fn no_secret_of_the_source(stage: &Stage, folder: &Path) {
    let library = Library::new(LibraryOptions { scale: SCALE, dirt: 1.0, ..LibraryOptions::default() }).unwrap();
    let mut rows = Vec::new();
    library.write_fixtures(library.table("security_user").unwrap(), &mut rows);
    assert!(String::from_utf8(rows).unwrap().contains(MARKER), "there is a secret to be found");
    let hex: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    for name in ["collection_share", "security_api_key", "webhook", "security_user"] {
        let (table, mut row) = (library.table(name).unwrap(), Vec::new());
        library.write_row(table, 0, &mut row);
        let row = String::from_utf8(row).unwrap();
        assert!(row.contains(MARKER) || row.contains(&hex), "{name} has a secret to be found");
    }
    for file in files(&stage.dir()) {
        let path = stage.dir().join(&file);
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(MARKER.len()).any(|part| part == MARKER.as_bytes()), "{file}");
        if file.ends_with(".parquet") {
            each_value(&path, |value| {
                // a uuid's bytes have dashes between them
                let bytes = value.replace('-', "");
                assert!(!value.contains(MARKER) && !bytes.contains(&hex), "{file}: {value}");
            });
        }
    }
    let manifest = read_json(&folder.join("raw/public.security_user/_manifest.json"));
    assert_eq!(manifest["left_out"], json!(["password_hash", "photo"]));
}

fn each_value(path: &Path, mut look: impl FnMut(&str)) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    for batch in builder.build().unwrap() {
        let batch = batch.unwrap();
        for column in batch.columns() {
            let options = FormatOptions::default();
            let values = ArrayFormatter::try_new(column, &options).unwrap();
            (0..batch.num_rows()).for_each(|row| look(&values.value(row).to_string()));
        }
    }
}
