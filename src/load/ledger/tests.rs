use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::load::Step;

const URL: &str = "http://127.0.0.1:1/api";

fn intent(key: &str) -> Intent {
    Intent {
        source_key: key.to_owned(),
        query: "promo".to_owned(),
        uuid: format!("uuid of {key}"),
        name: format!("name of {key}"),
        payload: [7; 32],
        run: "r1".to_owned(),
        request: Some([1; 32]),
        made: Some(5),
        fresh: false,
    }
}

fn prints() -> FieldPrints {
    FieldPrints::from_bytes(vec![0; 16])
}

fn sent(step: Step, status: u16) -> Sent {
    Sent { step, hash: [2; 32], status: Some(status), request_id: None }
}

fn reason(class: &str, message: &str) -> Reason {
    Reason { class: class.to_owned(), message: message.to_owned(), request_id: Some("q-1".to_owned()) }
}

fn resolved(unresolved: u32) -> Resolved {
    Resolved { fields: vec![("p".to_owned(), crate::load::reference::to(7))], unresolved }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("ledger.sqlite")
}

async fn state(ledger: &Ledger, key: &str) -> Option<State> {
    ledger.entries(vec![key.to_owned()]).await.unwrap().remove(key).map(|entry| entry.state)
}

#[tokio::test]
async fn an_asset_comes_to_completion_and_survives_reopening() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    assert_eq!(state(&ledger, "P:1").await, Some(State::Intended));
    ledger.created("P:1", 10, Some(sent(Step::Create, 201))).await.unwrap();
    ledger.described("P:1", prints(), None, Some(sent(Step::Attributes, 200))).await.unwrap();
    assert_eq!(ledger.asset("P:1").await.unwrap().unwrap().links, "pending");
    ledger.linked("P:1", None, &resolved(2), Some(sent(Step::References, 200))).await.unwrap();
    ledger.remember("attributes", "metadata").await.unwrap();
    drop(ledger);
    // The file alone is the whole ledger.
    let log = std::fs::metadata(folder.path().join("ledger.sqlite-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0);

    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    let entry = ledger.entries(vec!["P:1".into(), "P:2".into()]).await.unwrap().remove("P:1").unwrap();
    assert_eq!((entry.state, entry.flex_id, entry.unresolved, entry.completions), (State::Complete, Some(10), 2, 1));
    assert_eq!((entry.payload, entry.fields, entry.linked), ([7; 32], prints(), Some(resolved(2).hash())));
    assert_eq!(ledger.asset("P:1").await.unwrap().unwrap().links, "partial");
    let (requests, last) = ledger.requests_after(String::new(), 10).await.unwrap();
    assert_eq!(last.as_deref(), Some("P:1"));
    let seen: Vec<_> = requests.iter().map(|r| (r.step.as_str(), r.status, r.blake3.len())).collect();
    assert_eq!(seen, [("attributes", Some(200), 64), ("create", Some(201), 64), ("references", Some(200), 64)]);
    assert_eq!(ledger.recall("attributes").await.unwrap().as_deref(), Some("metadata"));
    ledger.revise("P:1", "promo", [8; 32], Some([4; 32])).await.unwrap();
    ledger.renamed("P:1", "new", sent(Step::Rename, 200)).await.unwrap();
    let entry = ledger.entries(vec!["P:1".into()]).await.unwrap().remove("P:1").unwrap();
    assert_eq!(
        (entry.state, entry.name.as_str(), entry.payload, entry.completions),
        (State::Created, "new", [8; 32], 1)
    );
}

#[tokio::test]
async fn only_the_last_creations_clear_refusal_proves_that_nothing_came_of_it() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    let refused = async || ledger.entries(vec!["P:1".into()]).await.unwrap().remove("P:1").unwrap().refused;
    let unsent = || Intent { request: None, ..intent("P:1") };
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    // No answer came; that the row broke its definition later says nothing of what was sent before.
    ledger.unknown("P:1", "no answer", Some(Sent { status: None, ..sent(Step::Create, 0) })).await.unwrap();
    ledger.refuse(unsent(), reason("DEFINITION_VIOLATION", "too long")).await.unwrap();
    assert_eq!((state(&ledger, "P:1").await, refused().await), (Some(State::Failed), false));
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    ledger.failed("P:1", reason("HTTP 400", "no such option"), false, Some(sent(Step::Create, 400))).await.unwrap();
    assert!(refused().await);
    ledger.refuse(unsent(), reason("DEFINITION_VIOLATION", "too long")).await.unwrap();
    assert!(refused().await, "nothing was sent since");
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    assert!(!refused().await, "sent again, and no answer yet");
    ledger.failed("P:1", reason("UNCLEAR", "502"), false, Some(sent(Step::Create, 502))).await.unwrap();
    assert!(!refused().await);
}

#[tokio::test]
async fn what_contradicts_is_refused_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    ledger.intend(vec![intent("P:2")]).await.unwrap();
    ledger.created("P:1", 10, None).await.unwrap();
    // One asset a source key, one source key an asset.
    assert!(ledger.intend(vec![intent("P:1")]).await.is_err());
    assert!(ledger.created("P:1", 11, None).await.is_err());
    assert!(ledger.created("P:2", 10, None).await.is_err());
    assert!(ledger.unknown("P:1", "x", None).await.is_err());
    // No step is left out.
    assert!(ledger.linked("P:2", None, &resolved(0), None).await.is_err());
    assert!(ledger.complete("P:2", prints(), None).await.is_err());
    assert!(ledger.described("P:2", prints(), None, None).await.is_err());
    assert!(ledger.revise("P:2", "promo", [0; 32], None).await.is_err());
    assert!(ledger.removed("P:2", sent(Step::Remove, 204)).await.is_err());
    assert!(ledger.failed("P:3", reason("HTTP 400", "no such entry"), false, None).await.is_err());
    assert!(ledger.intend(vec![Intent { fresh: true, ..intent("P:2") }]).await.is_err());
    // All of several, or none.
    assert!(ledger.intend(vec![intent("P:4"), intent("P:1")]).await.is_err());
    assert_eq!(state(&ledger, "P:4").await, None);
    let keys = || vec!["P:1".into(), "P:2".into()];
    assert_eq!(ledger.ids(keys(), None).await.unwrap(), HashMap::from([("P:1".to_owned(), 10)]));
    assert_eq!(ledger.ids(keys(), Some(Utc::now() - chrono::TimeDelta::hours(1))).await.unwrap(), HashMap::new());
    assert_eq!(state(&ledger, "P:2").await, Some(State::Intended));
}

#[tokio::test]
async fn failed_and_unknown_have_reasons_and_can_be_tried_again() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    let first = ledger.entries(vec!["P:1".into()]).await.unwrap().remove("P:1").unwrap().intended_at;
    ledger.unknown("P:1", "reset", None).await.unwrap();
    let invalid = reason("INVALID", "title: required");
    ledger.refuse(Intent { request: None, ..intent("P:2") }, invalid).await.unwrap();
    let troubles = ledger.troubles(10).await.unwrap();
    let seen: Vec<_> = troubles.iter().map(|t| (t.source_key.as_str(), t.state.as_str(), t.reason.as_str())).collect();
    assert_eq!(seen, [("P:1", "unknown", "UNCLEAR"), ("P:2", "failed", "INVALID")]);
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    ledger.intend(vec![intent("P:2")]).await.unwrap();
    assert!(ledger.troubles(10).await.unwrap().is_empty());
    let again = ledger.entries(vec!["P:1".into()]).await.unwrap().remove("P:1").unwrap().intended_at;
    assert_eq!(first, again, "the search window starts at the first intent");
    ledger.created("P:2", 5, None).await.unwrap();
    ledger.refuse(Intent { request: None, ..intent("P:2") }, reason("INVALID", "now too long")).await.unwrap();
    assert_eq!(ledger.ids(vec!["P:2".into()], None).await.unwrap()["P:2"], 5, "an asset keeps its id");
    ledger.failed("P:2", reason("HTTP 400", "no"), true, Some(sent(Step::References, 400))).await.unwrap();
    let asset = ledger.asset("P:2").await.unwrap().unwrap();
    assert_eq!((asset.links.as_str(), asset.request_id.as_deref()), ("failed", Some("q-1")));
}

#[tokio::test]
async fn a_removed_asset_can_be_made_anew_and_a_found_one_entered() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    assert!(ledger.is_blank().await.unwrap());
    let found = |key: &str, id: i64, fields: Option<FieldPrints>| Found {
        intent: Intent { request: None, ..intent(key) },
        flex_id: id,
        fields,
        linked: None,
        unresolved: 0,
    };
    ledger.restore(vec![found("P:1", 10, Some(prints())), found("P:2", 11, None)]).await.unwrap();
    assert!(!ledger.is_blank().await.unwrap());
    assert_eq!(state(&ledger, "P:1").await, Some(State::Complete));
    assert_eq!(state(&ledger, "P:2").await, Some(State::Created));
    assert!(ledger.restore(vec![found("P:3", 12, None), found("P:1", 13, None)]).await.is_err());
    assert_eq!(state(&ledger, "P:3").await, None);
    ledger.removed("P:1", sent(Step::Remove, 200)).await.unwrap();
    assert_eq!(state(&ledger, "P:1").await, Some(State::Removed));
    ledger.intend(vec![intent("P:1")]).await.unwrap();
    ledger.created("P:1", 14, None).await.unwrap();
    let numbers = ledger.number_fields(&["b".to_owned(), "a".to_owned()].into()).await.unwrap();
    let later = ledger.number_fields(&["c".to_owned(), "a".to_owned()].into()).await.unwrap();
    assert_eq!((numbers["a"], numbers["b"], later["a"], later["c"]), (0, 1, 0, 2));
}

#[tokio::test]
async fn a_second_process_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    let error = Ledger::open(&file(&folder), "dev", URL).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    drop(ledger);
    Ledger::open(&file(&folder), "dev", URL).unwrap();
}

#[tokio::test]
async fn other_targets_versions_and_files_are_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder);
    drop(Ledger::open(&path, "dev", URL).unwrap());
    for (target, url, word) in [("prod", URL, "prod"), ("dev", "https://other/api", "other")] {
        let error = Ledger::open(&path, target, url).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("ledger of its own"), "{error}");
    }
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(Ledger::open(&path, "dev", URL).unwrap_err().to_string().contains("version 99"));

    let foreign = folder.path().join("foreign.sqlite");
    Connection::open(&foreign).unwrap().execute_batch("create table t (x)").unwrap();
    assert!(Ledger::open(&foreign, "dev", URL).unwrap_err().to_string().contains("another program"));

    let damaged = folder.path().join("damaged.sqlite");
    std::fs::write(&damaged, vec![b'x'; 5_000]).unwrap();
    assert!(Ledger::open(&damaged, "dev", URL).unwrap_err().to_string().contains("damaged"));
    assert_eq!(std::fs::read(&damaged).unwrap(), vec![b'x'; 5_000]);
}

#[tokio::test]
async fn many_writers_share_commits_and_a_copy_holds_all() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    let started = std::time::Instant::now();
    let writers = (0..64).map(|worker| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            for row in 0..25 {
                let key = format!("P:{worker}-{row}");
                ledger.intend(vec![intent(&key)]).await.unwrap();
                ledger.created(&key, worker * 100 + row + 1, None).await.unwrap();
            }
        })
    });
    futures::future::join_all(writers).await.into_iter().for_each(|done| done.unwrap());
    println!("{:.0} durable changes a second", 3_200.0 / started.elapsed().as_secs_f64());
    let copy = folder.path().join("copy.sqlite");
    ledger.copy_to(&copy).await.unwrap();
    let rows: i64 = Connection::open(&copy)
        .unwrap()
        .query_row("select count(*) from asset where state = 'created'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1_600);
    let first = ledger.assets_after(String::new(), 1_000).await.unwrap();
    let second = ledger.assets_after(first[999].source_key.clone(), 1_000).await.unwrap();
    assert_eq!((first.len(), second.len()), (1_000, 600));
}

/// What was forbidden and refused meanwhile may have been created by the first POST all the same.
#[tokio::test]
async fn the_first_intent_is_kept_until_the_asset_is_removed() {
    let folder = TempDir::new().unwrap();
    let ledger = Ledger::open(&file(&folder), "dev", URL).unwrap();
    let again = || intent("P:1");
    let at = async || ledger.asset("P:1").await.unwrap().unwrap().intended_at;
    ledger.intend(vec![again()]).await.unwrap();
    let first = at().await;
    ledger.unknown("P:1", "no answer", None).await.unwrap();
    ledger.refuse(again(), reason("INVALID", "not among its options")).await.unwrap();
    ledger.refuse(again(), reason("INVALID", "not among its options")).await.unwrap();
    ledger.intend(vec![again()]).await.unwrap();
    assert_eq!(at().await, first);
    ledger.created("P:1", 10, None).await.unwrap();
    ledger.removed("P:1", sent(Step::Remove, 204)).await.unwrap();
    ledger.intend(vec![again()]).await.unwrap();
    assert_ne!(at().await, first);
}
