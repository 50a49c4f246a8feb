//! Buckets that fail, deny what they did and break off; folders with foreign files, links and flipped bytes: what is
//! written is whole or not there, and what is damaged is named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path as FilePath;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use proptest::prelude::*;
use telecine::dataflow::{Sink, TableName};
use telecine::staging::{OrphanKind, Orphans, StagingArea, StagingConfig};

use crate::buckets::{Arrived, BUCKET, Bucket, Fault, PREFIX};
use crate::stores::{batch, checksum, commit, stream, write_documents};

/// What a client repeats by itself, and once more.
const MOST_TRIES: usize = 11;

fn table(name: &str) -> TableName {
    TableName::new("public", name)
}

/// Rows of 39 MB: three parts of an upload and a rest.
fn large() -> Vec<arrow::array::RecordBatch> {
    (0..46).map(|n| batch(n * 1000, 1000, 1000)).collect()
}

fn is_manifest(arrived: &Arrived) -> bool {
    arrived.method == "PUT" && arrived.uri.path().ends_with("_manifest.json")
}

fn writes(arrived: &Arrived) -> bool {
    arrived.method == "PUT" || (arrived.method == "POST" && !arrived.asks("delete"))
}

fn completes(arrived: &Arrived) -> bool {
    arrived.method == "POST" && arrived.asks("uploadId")
}

fn is_part(number: usize) -> impl Fn(&Arrived) -> bool + Send + 'static {
    move |arrived| arrived.uri.query().unwrap_or_default().contains(&format!("partNumber={number}&"))
}

async fn open_uploads(area: &StagingArea) -> usize {
    let found = area.orphans(false).await.unwrap();
    assert!(found.uploads_told);
    found.orphans.iter().filter(|orphan| orphan.kind == OrphanKind::Upload).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_slows_down_is_waited_for_and_every_request_is_counted() {
    for bucket in [Bucket::s3s().await, Bucket::moto().await] {
        let area = bucket.area();
        let run = area.run("r");
        let mut seen = BTreeSet::new();
        // Every request is refused when it comes for the first time.
        bucket.judge(move |arrived| {
            let is_new = seen.insert(format!("{} {}", arrived.method, arrived.uri));
            is_new.then_some(if seen.len() % 2 == 0 { Fault::SlowDown } else { Fault::Refused })
        });
        let lease = run.lease("extract").await.unwrap();
        let manifest = commit(&run, &table("large"), large()).await;
        assert_eq!(checksum(&run).await, manifest.checksum);
        lease.release().await;
        let arrived = bucket.arrived();
        let told = area.requests().unwrap();
        assert_eq!(told.total(), arrived.len() as u64, "{told:?}");
        assert_eq!(told.written, arrived.iter().filter(|a| writes(a)).count() as u64);
        assert_eq!(told.deleted, 2, "{told:?}");
        let once: BTreeSet<String> = arrived.iter().map(|a| format!("{} {}", a.method, a.uri)).collect();
        assert_eq!(told.failed, once.len() as u64, "{told:?}");
        assert_eq!(told.bytes_sent, arrived.iter().map(|a| a.bytes as u64).sum::<u64>());
        assert!(told.bytes_received > manifest.files[0].bytes, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_and_denied_is_found_done() {
    for bucket in [Bucket::s3s().await, Bucket::moto().await] {
        let area = bucket.area();
        let run = area.run("r");
        // A manifest: the second create meets the first.
        bucket.fault(Fault::DoneAndDenied, 1, is_manifest);
        commit(&run, &table("small"), vec![batch(0, 10, 10)]).await;
        assert_eq!(bucket.arrived().iter().filter(|arrived| is_manifest(arrived)).count(), 2);
        // A completion: the second one is told that there is no such upload.
        bucket.fault(Fault::DoneAndDenied, 1, completes);
        let manifest = commit(&run, &table("large"), large()).await;
        assert!(bucket.arrived().iter().filter(|arrived| completes(arrived)).count() > 1);
        run.raw(&table("large")).require_intact(&manifest.files[0]).await.unwrap();
        // A lease, and its return.
        bucket.fault(Fault::DoneAndDenied, 1, |arrived| arrived.method == "PUT");
        let lease = run.lease("extract").await.unwrap();
        bucket.fault(Fault::DoneAndDenied, 1, |arrived| arrived.asks("delete"));
        lease.release().await;
        run.lease("transform").await.unwrap().release().await;
        assert_eq!(open_uploads(&area).await, 0);
    }
}

/// Whichever part fails for good, at once or with the last: the upload is ended, nothing is visible, the error names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_which_a_part_fails_is_ended() {
    for bucket in [Bucket::s3s().await, Bucket::moto().await] {
        let area = bucket.area();
        for number in [1, 3, 4] {
            let run = area.run("r");
            bucket.fault(Fault::Forbidden, usize::MAX, is_part(number));
            let dataset = run.raw(&table("large"));
            let part = dataset.parquet_part(0, batch(0, 1, 1).schema());
            let error = part.write_all(stream(large())).await.err().unwrap().to_string();
            assert!(error.contains("runs/r/raw/public.large/part-00000.parquet: cannot be written"), "{error}");
            let arrived = bucket.arrived();
            let aborted = arrived.iter().filter(|a| a.method == "DELETE" && a.asks("uploadId")).count();
            // Asked again where the server was still busy with a part that was broken off.
            assert!((1..=MOST_TRIES).contains(&aborted), "part {number}: {aborted}");
            assert!(!arrived.iter().any(completes), "part {number}");
            assert_eq!(open_uploads(&area).await, 0);
            assert!(area.store().list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
        }
        // One that is refused again and again is given up in time.
        bucket.fault(Fault::SlowDown, usize::MAX, |arrived| arrived.method == "PUT");
        let error = area.run("r").put_json("x.json", &1).await.err().unwrap().to_string();
        assert!(error.contains("runs/r/x.json: cannot be written"), "{error}");
        assert_eq!(bucket.arrived().iter().filter(|arrived| arrived.method == "PUT").count(), MOST_TRIES);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_asked_for_again_or_told() {
    for bucket in [Bucket::s3s().await, Bucket::moto().await] {
        let run = bucket.area().run("r");
        let manifest = commit(&run, &table("t"), vec![batch(0, 1000, 100)]).await;
        let dataset = run.raw(&table("t"));
        let wanted = checksum(&run).await;
        for times in [1, 3, usize::MAX] {
            bucket.fault(Fault::Cut, times, |arrived| {
                arrived.method == "GET" && arrived.uri.path().ends_with(".parquet")
            });
            match dataset.require_intact(&manifest.files[0]).await {
                Ok(()) => assert!(times < usize::MAX),
                Err(error) => assert!(error.to_string().contains("part-00000.parquet: cannot be read"), "{error}"),
            }
        }
        bucket
            .fault(Fault::Cut, 1, |arrived| arrived.method == "GET" && arrived.uri.path().ends_with("_manifest.json"));
        let read = dataset.manifest().await;
        assert!(read.as_ref().is_ok_and(|read| read.as_ref() == Some(&manifest)) || read.is_err(), "{read:?}");
        bucket.judge(|_| None);
        assert_eq!(checksum(&run).await, wanted);
    }
}

/// What a killed process leaves: a part, an upload, a temporary file, a lease, documents. And what is not ours to remove.
async fn leave_orphans(area: &StagingArea, root: &Path, lease: &str) -> Vec<String> {
    let run = area.run("killed");
    commit(&run, &table("held"), vec![batch(0, 10, 10)]).await;
    write_documents(&run, &["Promo:1".to_owned()]).await;
    run.put_json("extract.json", &1).await.unwrap();
    run.put_json("plan/dev.json", &1).await.unwrap();
    let torn = run.raw(&table("torn")).parquet_part(3, batch(0, 1, 1).schema());
    torn.write_all(stream(vec![batch(0, 10, 10)])).await.unwrap();
    let unnamed = run.raw(&table("held")).parquet_part(9, batch(0, 1, 1).schema());
    unnamed.write_all(stream(vec![batch(0, 10, 10)])).await.unwrap();
    let put = async |key: &str, text: &str| {
        let key = key.split('/').fold(root.clone().join("runs"), |path, part| path.join(part));
        area.store().put(&key, PutPayload::from(text.to_owned())).await.unwrap();
    };
    put("killed/promo/part-00000.parquet", "half").await;
    put("killed/documents/assetType_Other/Other.1.json", "{}").await;
    put("killed/documents/assetType_Other.ndjson", "{}").await;
    put("killed/raw/public.held/notes.txt", "mine").await;
    put("killed/_lease.json", lease).await;
    put("busy/promo/part-00000.parquet", "half").await;
    let orphans = [
        "killed/_lease.json",
        "killed/documents/assetType_Other.ndjson",
        "killed/documents/assetType_Other/Other.1.json",
        "killed/promo/part-00000.parquet",
        "killed/raw/public.held/notes.txt",
        "killed/raw/public.held/part-00009.parquet",
        "killed/raw/public.torn/part-00003.parquet",
    ];
    orphans.map(str::to_owned).into()
}

/// The lease of a process of this machine that has ended.
fn stale_lease() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap().trim().to_owned();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    let (host, boot) = (read("/proc/sys/kernel/hostname"), read("/proc/sys/kernel/random/boot_id"));
    serde_json::json!({"work": "extract", "host": host, "pid": u32::MAX, "started": 1, "since": "2026-01-01T00:00:00Z",
                       "random": 1, "boot": boot, "pid_namespace": namespace.to_string_lossy()})
    .to_string()
}

fn places(found: &Orphans, kind: Option<OrphanKind>) -> Vec<String> {
    let of_kind = found.orphans.iter().filter(|orphan| kind.is_none_or(|kind| kind == orphan.kind));
    of_kind.map(|orphan| orphan.url.split_once("runs/").unwrap().1.to_owned()).collect()
}

async fn orphans_are_told_and_swept(area: &StagingArea, root: &Path) {
    let mut wanted = leave_orphans(area, root, &stale_lease()).await;
    let busy = area.run("busy").lease("extract").await.unwrap();
    let in_bucket = area.requests().is_some();
    if in_bucket {
        for key in ["killed/raw/public.torn/part-00004.parquet", "busy/promo/part-00001.parquet"] {
            let key = key.split('/').fold(root.clone().join("runs"), |path, part| path.join(part));
            let mut upload = area.store().put_multipart(&key).await.unwrap();
            upload.put_part(vec![7; 5 << 20].into()).await.unwrap();
        }
        wanted.push("killed/raw/public.torn/part-00004.parquet".to_owned());
    }
    wanted.sort();
    let before = area.store().list(Some(root)).try_collect::<Vec<_>>().await.unwrap();
    let found = area.orphans(false).await.unwrap();
    assert_eq!(places(&found, None), wanted);
    assert_eq!(places(&found, Some(OrphanKind::Foreign)), ["killed/raw/public.held/notes.txt"]);
    assert_eq!(places(&found, Some(OrphanKind::Lease)), ["killed/_lease.json"]);
    assert_eq!(found.busy.keys().collect::<Vec<_>>(), ["busy"]);
    assert_eq!(area.store().list(Some(root)).try_collect::<Vec<_>>().await.unwrap().len(), before.len(), "only looked");

    let swept = area.orphans(true).await.unwrap();
    assert_eq!(places(&swept, None), wanted);
    assert_eq!(places(&area.orphans(false).await.unwrap(), None), ["killed/raw/public.held/notes.txt"]);
    let run = area.run("killed");
    assert_eq!(run.raw_tables().await.unwrap().len(), 1);
    assert!(run.documents("assetType_Promo").read("Promo:1").await.unwrap().is_some());
    assert_eq!(run.get_json::<u8>("plan/dev.json").await.unwrap(), Some(1));
    // What a process is at stays whole, and goes when it has ended without a commit.
    assert_eq!(
        area.store().list(Some(&root.clone().join("runs").join("busy"))).try_collect::<Vec<_>>().await.unwrap().len(),
        2
    );
    busy.release().await;
    let left = places(&area.orphans(true).await.unwrap(), Some(OrphanKind::Part));
    assert_eq!(left, ["busy/promo/part-00000.parquet"]);
    if in_bucket {
        assert_eq!(open_uploads(area).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_of_a_bucket_are_told_and_swept() {
    for bucket in [Bucket::s3s().await, Bucket::moto().await] {
        orphans_are_told_and_swept(&bucket.area(), &Path::from(PREFIX)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_of_a_folder_are_told_and_swept() {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
    let root = Path::from_absolute_path(folder.path().canonicalize().unwrap()).unwrap();
    orphans_are_told_and_swept(&area, &root).await;
}

#[test]
fn a_prefix_that_would_lead_elsewhere_is_refused_before_anything_is_sent() {
    let open = |url: &str| StagingArea::open(&StagingConfig::at(url));
    for prefix in ["../up", "a/../b", "./a", "a//b", "%2e%2e/a", "a%2Fb", "a?b", "a#b", "a\\b", "a\nb", "a\u{7f}"] {
        let error = open(&format!("s3://{BUCKET}/{prefix}")).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("staging.url: the prefix "), "{prefix}: {error}");
    }
    for prefix in ["", "/", "/a", "/a b/c", "/a/b/", "/é"] {
        let area = open(&format!("s3://{BUCKET}{prefix}")).unwrap();
        assert!(area.url().starts_with("s3://shelf/"), "{}", area.url());
    }
    assert!(open("s3:///a").err().unwrap().to_string().contains("names no bucket"));
}

/// Links and files where folders belong: nothing is written, removed or swept through them.
#[tokio::test]
async fn what_is_in_the_way_in_a_folder_is_named_and_what_links_lead_to_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (staging, elsewhere) = (folder.path().join("staging"), folder.path().join("elsewhere"));
    fs::create_dir_all(&elsewhere).unwrap();
    let precious = elsewhere.join("part-00000.parquet");
    let intact =
        || fs::read_to_string(&precious).unwrap() == "precious" && fs::read_dir(&elsewhere).unwrap().count() == 1;
    fs::write(&precious, "precious").unwrap();
    let area = StagingArea::open(&StagingConfig::at(staging.display().to_string())).unwrap();
    let run = area.run("r");
    fs::create_dir_all(staging.join("runs/r/raw")).unwrap();
    symlink(&elsewhere, staging.join("runs/r/raw/public.t")).unwrap();
    symlink(&elsewhere, staging.join("runs/r/documents")).unwrap();
    fs::write(staging.join("runs/r/raw/public.f"), "a file").unwrap();

    let part = |name: &str| run.raw(&table(name)).parquet_part(0, batch(0, 1, 1).schema());
    for (name, what) in [("t", "public.t is a symbolic link"), ("f", "public.f is no folder")] {
        let error = part(name).write_all(stream(vec![batch(0, 1, 1)])).await.err().unwrap();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(what) && cause.contains("in the way"), "{error}: {cause}");
    }
    let manifest = telecine::staging::Manifest::new(&run.raw(&table("t")), &batch(0, 1, 1).schema(), []);
    run.raw(&table("t")).commit(&manifest).await.err().unwrap();
    run.documents("assetType_Promo").discard().await.err().unwrap();
    // The link itself is an orphan and goes; what it leads to does not.
    run.sweep_raw([]).await.unwrap();
    assert!(intact() && !staging.join("runs/r/raw/public.t").exists());

    // A link in the place of a file is replaced where files are, and is no manifest.
    fs::create_dir_all(staging.join("runs/r/raw/public.u")).unwrap();
    symlink(&precious, staging.join("runs/r/raw/public.u/part-00000.parquet")).unwrap();
    part("u").write_all(stream(vec![batch(0, 1, 1)])).await.unwrap();
    symlink(elsewhere.join("gone"), staging.join("runs/r/raw/public.u/_manifest.json")).unwrap();
    let refused = run.raw(&table("u")).commit(&manifest).await.err().unwrap();
    assert!(format!("{refused:?}").contains("_manifest.json is no file"), "{refused:?}");
    run.raw(&table("u")).discard().await.unwrap();
    assert!(intact() && !staging.join("runs/r/raw/public.u").exists());
}

fn flipped(path: &FilePath, at: usize, mask: u8) {
    let mut bytes = fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= mask;
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Wherever a byte of a data file changes, wherever it is cut or what is put in its place: the file is named before a
    /// row is taken, and reading it unchecked never ends in a panic.
    #[test]
    fn a_changed_byte_anywhere_is_named(at in any::<usize>(), mask in 1..=255_u8, way in 0..4, near_end in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
            let run = area.run("r");
            let manifest = commit(&run, &table("t"), vec![batch(0, 50, 20)]).await;
            let place = folder.path().join("runs/r/raw/public.t/part-00000.parquet");
            let size = fs::metadata(&place).unwrap().len() as usize;
            // Half of all strike the footer, its length and the last magic number.
            let at = if near_end { size - 1 - at % 300 } else { at % size };
            match way {
                0 | 1 => flipped(&place, at, mask),
                2 => fs::write(&place, &fs::read(&place).unwrap()[..at]).unwrap(),
                _ => fs::write(&place, [fs::read(&place).unwrap(), vec![mask; 1 + at % 9]].concat()).unwrap(),
            }
            let dataset = run.raw(&table("t"));
            let error = dataset.read_part(&manifest.files[0]).await.err().unwrap().to_string();
            assert!(error.contains("public.t/part-00000.parquet"), "{error}");
            assert!(error.contains("bytes have changed") || error.contains("bytes where the manifest says"), "{error}");
            if let Ok(rows) = dataset.read_unchecked(&manifest.files[0]).await {
                let _ = rows.try_collect::<Vec<_>>().await;
            }
        });
    }

    /// A flipped byte of a manifest makes it unreadable, or one that names other files or rows: never the same rows again
    /// from other bytes.
    #[test]
    fn a_changed_byte_of_a_manifest_is_named_or_harmless(at in any::<usize>(), mask in 1..=255_u8) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
            let run = area.run("r");
            let manifest = commit(&run, &table("t"), vec![batch(0, 5, 5)]).await;
            flipped(&folder.path().join("runs/r/raw/public.t/_manifest.json"), at, mask);
            let dataset = run.raw(&table("t"));
            match dataset.manifest().await {
                Err(error) => assert!(error.to_string().contains("public.t/_manifest.json"), "{error}"),
                Ok(read) => {
                    let read = read.unwrap();
                    let Some(file) = read.files.first() else { return };
                    let rows = dataset.read_part(file).await;
                    assert!(rows.is_err() || (file.blake3 == manifest.files[0].blake3), "{read:?}");
                }
            }
        });
    }
}

/// Of every file, its data, and then its folder: `fsync` before the name is given, and after.
#[tokio::test]
async fn what_is_written_to_a_folder_is_synced_and_then_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let area = Arc::new(StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap());
    let log = folder.path().join("strace");
    let mut strace = std::process::Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,fdatasync,rename,link,linkat,renameat,renameat2,mkdir", "-o"])
        .arg(&log)
        .args(["-p", &std::process::id().to_string()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("strace is needed: tests/setup.sh installs it");
    let mut said = std::io::BufReader::new(strace.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(line.contains("attached"), "{line}");
    commit(&area.run("r"), &table("t"), vec![batch(0, 10, 10)]).await;
    strace.kill().unwrap();
    strace.wait().unwrap();
    let text = fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> = text.lines().filter(|line| line.contains("/runs") && !line.contains("resumed")).collect();
    let at = |what: &str| calls.iter().position(|call| what.split(' ').all(|part| call.contains(part)));
    let order = [
        "mkdir public.t",
        "fsync .parquet.",
        "rename part-00000.parquet",
        "fsync ._manifest.json.",
        "link _manifest.json",
    ];
    let places: Vec<_> = order.iter().map(|what| at(what).unwrap_or_else(|| panic!("{what}: {text}"))).collect();
    assert!(places.is_sorted(), "{places:?}: {text}");
    let of_folder = |from: usize| calls[from..].iter().any(|call| call.contains("fsync") && call.contains("public.t>"));
    assert!(of_folder(places[2]) && of_folder(places[4]), "{text}");
}
