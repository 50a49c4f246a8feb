//! Ledgers that are damaged, locked, without room or of another version: refused with their name and with advice, and
//! never started blank over.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use telecine::load::LoadConfig;
use telecine::rehearsal::flex::{LocalFlex, Personality};
use telecine::staging::RunFolder;
use tempfile::TempDir;

use super::place::{held, server, workplace};
use super::variable;
use crate::cluster::is_root;
use crate::kills::run_limited;
use crate::mapped::{Dump, Rows, config, flex, load, rows, write_run};
use crate::support::{Done, Workplace};

/// Bits that are flipped one by one, each in a ledger of its own.
const FLIPS: u64 = 30;

/// A target that has been loaded, and its ledger as it then was.
struct Loaded {
    folder: TempDir,
    server: LocalFlex,
    run: RunFolder,
    good: Vec<u8>,
}

impl Loaded {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let server = flex(Personality::Both, &[]);
        let run = write_run(folder.path(), "r1", &rows(20, 5)).await;
        load(config(folder.path()), server.base_url(), &run).await.unwrap();
        // All of it in one file, as a copy of the ledger is.
        let path = folder.path().join("dev.sqlite3");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        drop(connection);
        let good = fs::read(path).unwrap();
        Self { folder, server, run, good }
    }

    fn config(&self) -> LoadConfig {
        config(self.folder.path())
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("dev.sqlite3")
    }

    /// Puts a ledger of these bytes in place, and nothing else.
    fn put(&self, bytes: &[u8]) {
        for rest in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{rest}", self.ledger().display()));
        }
        fs::write(self.ledger(), bytes).unwrap();
    }

    /// The load is refused, and neither the target nor the ledger is touched.
    async fn refuses(&self, words: &[&str]) {
        let before = Dump::of(self.server.base_url()).await.requests("POST");
        let bytes = fs::read(self.ledger()).unwrap();
        let error = load(self.config(), self.server.base_url(), &self.run).await.expect_err("it must be refused");
        let mut text = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(&format!(": {inner}"));
            cause = inner.source();
        }
        for word in words.iter().chain(&["dev.sqlite3"]) {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert_eq!(Dump::of(self.server.base_url()).await.requests("POST"), before, "{text}");
        assert!(fs::read(self.ledger()).unwrap() == bytes, "the ledger was written to: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_or_foreign_ledger_is_refused() {
    let loaded = Loaded::new().await;
    let good = loaded.good.clone();
    let page = 4096;
    for length in [good.len() / 2, good.len() - page, page, 100, 99, 16] {
        loaded.put(&good[..length]);
        println!("{length} of {} bytes", good.len());
        loaded.refuses(&["restore the copy"]).await;
    }
    loaded.put(&[b"SQLite format 2\0", &good[16..]].concat());
    loaded.refuses(&["restore the copy"]).await;
    loaded.put(b"source_key,flex_id\nCollection:1,1001\n");
    loaded.refuses(&["restore the copy"]).await;

    let change = |statement: &str| {
        loaded.put(&good);
        let connection = rusqlite::Connection::open(loaded.ledger()).unwrap();
        connection.execute_batch(statement).unwrap();
        connection.pragma_update(None, "journal_mode", "delete").unwrap();
        drop(connection);
        // The mode is kept in the file, so that opening it does not have to write.
        let connection = rusqlite::Connection::open(loaded.ledger()).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
    };
    change("pragma user_version = 99");
    loaded.refuses(&["99", "use the program that wrote it"]).await;
    change("pragma application_id = 1");
    loaded.refuses(&["another program"]).await;
    change("update about set value = 'https://other.example/api' where key = 'server'");
    loaded.refuses(&["https://other.example/api", "a ledger of its own"]).await;
    change("update about set value = 'prod' where key = 'target'");
    loaded.refuses(&["prod", "a ledger of its own"]).await;

    loaded.put(&good);
    let again = load(loaded.config(), loaded.server.base_url(), &loaded.run).await.unwrap();
    assert_eq!((again.created, again.updated, again.requests), (0, 0, 0), "the sound one is good");
}

/// Some flips no check of the file's structure can see (a digit of an id). Whatever a load then does, it makes no second
/// asset, and with the sound copy back in place the next load brings all to what was mapped.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_makes_no_second_asset_and_the_copy_mends_all() {
    let loaded = Loaded::new().await;
    let changed = Rows { version: 2, name: "Renamed", ..rows(20, 5) };
    let later = write_run(loaded.folder.path(), "r2", &changed).await;
    let seed = variable("TELECINE_CAMPAIGN_SEED").unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let mut random = fastrand::Rng::with_seed(seed);
    let url = loaded.server.base_url();
    load(loaded.config(), url, &later).await.unwrap();
    let wanted = held(url).await;
    let (mut noticed, mut harmed) = (0, 0);
    for _ in 0..FLIPS {
        let mut bytes = loaded.good.clone();
        let (place, bit) = (random.usize(0..bytes.len()), random.u8(0..8));
        bytes[place] ^= 1 << bit;
        loaded.put(&bytes);
        let flipped = format!("TELECINE_CAMPAIGN_SEED={seed}: bit {bit} of byte {place}");
        if let Err(error) = load(loaded.config(), url, &later).await {
            noticed += 1;
            assert!(error.to_string().contains("dev.sqlite3"), "{flipped}: {error}");
        }
        if held(url).await != wanted {
            harmed += 1;
            loaded.put(&loaded.good);
            load(loaded.config(), url, &later).await.unwrap();
            assert!(held(url).await == wanted, "{flipped}: the copy does not mend it");
        }
    }
    println!("{FLIPS} flipped bits, {noticed} noticed, {harmed} went into the target until mended; seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_another_program_has_locked_is_refused() {
    let loaded = Loaded::new().await;
    let other = rusqlite::Connection::open(loaded.ledger()).unwrap();
    other.execute_batch("pragma locking_mode = exclusive; begin exclusive; select count(*) from asset").unwrap();
    loaded.refuses(&["locked"]).await;
    drop(other);
    let again = load(loaded.config(), loaded.server.base_url(), &loaded.run).await.unwrap();
    assert_eq!((again.created, again.updated), (0, 0));
}

/// The load of the binary under a limit that the shell sets up before.
async fn limited(place: &Workplace, limit: &str, run: &str) -> Done {
    run_limited(place, limit, &format!("load --target dev --run {run} -q --output json")).await
}

/// Reading back finds every asset as it was mapped.
async fn reconciled(place: &Workplace, rows: &Rows) {
    let report = place.json("reconcile --target dev --run r1 -q").await;
    assert_eq!((&report["checked"], &report["equal"]), (&json!(rows.loadable()), &json!(rows.loadable())), "{report}");
}

/// The ledger of the target.
fn ledger(place: &Workplace) -> PathBuf {
    place.path().join("ledger/dev.sqlite3")
}

fn read_only(path: &Path, yes: bool) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut permissions,
        match (path.is_dir(), yes) {
            (true, true) => 0o555,
            (true, false) => 0o755,
            (false, true) => 0o444,
            (false, false) => 0o644,
        },
    );
    fs::set_permissions(path, permissions).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_leave_or_room_to_write_a_load_stops_and_resumes_later() {
    let small = rows(40, 10);
    let place = workplace(&small).await;
    let server = server(&["delay-ms=1:*"]);
    place.add_target("dev", server.base_url(), "");
    // No file may be longer than so many times 512 bytes (`ulimit -f`): what a full disk is to the ledger, until there is
    // room for all of it.
    let (mut seen, mut told) = (Vec::new(), String::new());
    for room in (64..).step_by(64) {
        assert!(room < 8_192, "with room for four MiB it does not end: {seen:?} {told}");
        let done = limited(&place, &format!("ulimit -f {room}"), "r1").await;
        let dump = Dump::of(server.base_url()).await;
        dump.assert_each_once(dump.assets.len() as u64);
        assert!(!dump.totals.contains_key(&("POST /assets".to_owned(), 409)), "{:?}", dump.totals);
        seen.push(dump.assets.len() as u64);
        if done.code == Some(0) {
            break;
        }
        assert!(matches!(done.code, Some(1 | 2)), "{done:?}");
        told.clone_from(&done.stderr);
        assert!(done.stderr.contains("dev.sqlite3") && !done.stderr.contains("panicked"), "{}", done.stderr);
    }
    println!("assets when the room was used up, and at the end: {seen:?}");
    assert!(seen.len() > 1 && seen.last() == Some(&small.loadable()), "{seen:?}");
    reconciled(&place, &small).await;

    // In a folder without the right to write, root gives up its right to write everywhere.
    let limit = if is_root() { "set -- setpriv --bounding-set=-all --inh-caps=-all \"$@\"" } else { ":" };
    write_run(place.path(), "r2", &Rows { version: 2, name: "Renamed", ..rows(40, 10) }).await;
    let before = Dump::of(server.base_url()).await;
    let folder = ledger(&place).parent().unwrap().to_owned();
    let bytes = fs::read(ledger(&place)).unwrap();
    read_only(&ledger(&place), true);
    let changed = limited(&place, limit, "r2").await;
    assert!(matches!(changed.code, Some(1 | 2)), "{changed:?}");
    assert!(changed.stderr.contains("dev.sqlite3"), "{}", changed.stderr);
    read_only(&folder, true);
    let done = limited(&place, limit, "r1").await;
    assert!(matches!(done.code, Some(1 | 2)), "{done:?}");
    assert!(done.stderr.contains("dev.sqlite3"), "{}", done.stderr);
    read_only(&folder, false);
    read_only(&ledger(&place), false);
    assert!(fs::read(ledger(&place)).unwrap() == bytes);
    let after = Dump::of(server.base_url()).await;
    for method in ["POST", "PUT"] {
        assert_eq!(after.requests(method), before.requests(method), "{} {}", changed.stderr, done.stderr);
    }
    let again = place.json("load --target dev --run r1 -q").await;
    assert_eq!(again["unchanged"], json!(small.loadable()), "{again}");
    server.shutdown().await;
}
