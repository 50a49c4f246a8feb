//! A staging area in an S3-compatible store: the same run, the same content, and manifests that are created once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::{Value, json};
use telecine::dataflow::TableName;
use telecine::rehearsal::library::LibraryOptions;
use telecine::staging::raw_folder;

use crate::buckets::{Bucket, PREFIX, SECRET};
use crate::support::{FLEX_PASSWORD, Flex, Source, Workplace, comparable, finish, read_json};

/// Objects of a bucket by their key below the area.
struct Shelf<'a>(&'a Bucket);

impl Shelf<'_> {
    fn key(key: &str) -> Path {
        Path::from(format!("{PREFIX}/{key}"))
    }

    /// An object's bytes.
    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.0.area().store().get(&Self::key(key)).await {
            Ok(found) => Some(found.bytes().await.unwrap().to_vec()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(cause) => panic!("{cause}"),
        }
    }

    async fn put(&self, key: &str, body: String) {
        self.0.area().store().put(&Self::key(key), body.into()).await.unwrap();
    }

    async fn manifest(&self, dataset: &str) -> Value {
        let bytes = self.get(&format!("runs/r/{dataset}/_manifest.json")).await;
        serde_json::from_slice(&bytes.unwrap_or_else(|| panic!("{dataset}"))).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_in_moto_is_the_run_on_disk() {
    a_run_in_s3_is_the_run_on_disk(Bucket::moto().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_in_s3s_is_the_run_on_disk() {
    a_run_in_s3_is_the_run_on_disk(Bucket::s3s().await).await;
}

async fn a_run_in_s3_is_the_run_on_disk(bucket: Bucket) {
    let store = Shelf(&bucket);
    let source = Source::of_library(LibraryOptions { scale: 0.0001, ..LibraryOptions::default() }).await;
    let flex = [Flex::start(&[]).await, Flex::start(&[]).await];
    let disk = Workplace::of_queries().with_source(&source);
    let shelf = bucket.settings(Workplace::of_queries().with_source(&source));
    disk.add_target("local", &flex[0].url, "");
    shelf.add_target("local", &flex[1].url, "");

    let (on_disk, in_s3) = tokio::join!(steps(&disk), steps(&shelf));
    assert_eq!(on_disk[0]["rows"], in_s3[0]["rows"]);
    assert_eq!(on_disk[2]["created"], in_s3[2]["created"]);
    for (here, there) in on_disk.iter().zip(&in_s3) {
        assert!(here["bucket"].is_null() && there["bucket"]["read"].as_u64() > Some(0), "{}", there["bucket"]);
    }

    // By content: snapshots differ, rows do not.
    let mut compared = 0;
    let raw = in_s3[0]["tables"].as_array().unwrap().iter();
    let raw = raw.map(|table| format!("raw/{}", folder(table)));
    let queries = in_s3[1]["queries"].as_array().unwrap().iter();
    let queries = queries.filter(|query| query["bytes"].as_u64() > Some(0));
    let queries = queries.map(|query| query["name"].as_str().unwrap().to_owned());
    for dataset in raw.chain(queries).chain(["rejected".to_owned()]) {
        let (there, here) =
            (store.manifest(&dataset).await, disk.run_folder("r").join(&dataset).join("_manifest.json"));
        let here = read_json(&here);
        assert!(there["checksum"].is_string() || there["checksum"].is_object(), "{there}");
        for part in ["rows", "checksum", "schema", "key"] {
            assert_eq!(there[part], here[part], "{dataset}: {part}");
        }
        compared += 1;
    }
    assert!(compared > 227 + 20, "{compared}");
    let stored = [comparable(&flex[0].assets().await), comparable(&flex[1].assets().await)];
    assert_eq!(stored[0], stored[1]);
    // The documents, too, byte for byte, and the ledger's copy.
    let documents = "documents/assetType_Project.ndjson";
    let here = std::fs::read(disk.run_folder("r").join(documents)).unwrap();
    assert!(store.get(&format!("runs/r/{documents}")).await.unwrap() == here);
    assert!(store.get("ledger/local/ledger.sqlite").await.unwrap().starts_with(b"SQLite format 3"));

    two_at_once_do_not_mix(&shelf, &store, &on_disk[0]["rows"]).await;
    source.server.stop().await.unwrap();
}

/// The steps of a run one by one; the reports of extract, transform and load.
async fn steps(place: &Workplace) -> [Value; 3] {
    let extracted = place.json("extract --run r -q").await;
    let transformed = place.json("transform --run r -q").await;
    let loaded = place.json("load --run r -q").await;
    assert!(loaded["created"].as_u64() > Some(20), "{loaded}");
    assert_eq!(place.json("reconcile --run r -q").await["equal"], loaded["created"]);
    [extracted, transformed, loaded]
}

/// Of two extractions into one run at the same time one is refused, and what the other writes is whole.
async fn two_at_once_do_not_mix(shelf: &Workplace, store: &Shelf<'_>, rows: &Value) {
    let call = || shelf.call("extract --run twice -q -vv --output json").spawn().unwrap();
    let (one, other) = (call(), call());
    let done = [finish(one).await, finish(other).await];
    let refused: Vec<_> = done.iter().filter(|done| done.code != Some(0)).collect();
    assert!(refused.len() < 2, "both were refused:\n{}\n{}", done[0].stderr, done[1].stderr);
    for done in &refused {
        assert_eq!(done.code, Some(2), "{}", done.stderr);
        assert!(done.stderr.contains("run twice is being written by process "), "{}", done.stderr);
    }
    // Where the second began after the first had ended, it found the run complete.
    let reports = done.iter().filter(|done| done.code == Some(0));
    let snapshots: BTreeSet<String> = reports
        .map(|done| serde_json::from_str::<Value>(&done.stdout).unwrap()["snapshot"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    assert!(store.get("runs/twice/_lease.json").await.is_none(), "the lease is given back");
    for done in &done {
        for canary in [SECRET, FLEX_PASSWORD] {
            assert!(!done.stdout.contains(canary) && !done.stderr.contains(canary));
        }
    }
    // What a process of this host left behind when it was killed is taken over, that of another host is not.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let lease = |host: &str| {
        json!({"work": "extract", "host": host, "pid": u32::MAX, "started": 1, "since": "", "random": 1,
                   "boot": boot.trim(), "pid_namespace": namespace.to_string_lossy()})
    };
    store.put("runs/twice/_lease.json", lease("elsewhere").to_string()).await;
    let done = finish(call()).await;
    assert!(done.code == Some(2) && done.stderr.contains("on elsewhere"), "{}", done.stderr);
    store.put("runs/twice/_lease.json", lease(host.trim()).to_string()).await;
    let report = shelf.json("extract --run twice -q").await;
    assert!(store.get("runs/twice/_lease.json").await.is_none());
    assert!(snapshots.contains(report["snapshot"].as_str().unwrap()), "the run was whole: {report}");
    assert_eq!(&report["rows"], rows);
    let mut tables = BTreeMap::new();
    for table in report["tables"].as_array().unwrap() {
        let key = format!("runs/twice/raw/{}/_manifest.json", folder(table));
        let manifest: Value = serde_json::from_slice(&store.get(&key).await.unwrap()).unwrap();
        *tables.entry(manifest["snapshot"]["id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(json!(tables), json!({ report["snapshot"].as_str().unwrap(): 227 }));
}

/// The folder of a table of a report.
fn folder(table: &Value) -> String {
    raw_folder(&TableName::new(table["schema"].as_str().unwrap(), table["name"].as_str().unwrap()))
}
