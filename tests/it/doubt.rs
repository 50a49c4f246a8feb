//! What a load that was broken off left in doubt, the next one settles: whatever the target holds by then, it ends with just
//! what the rows say.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use telecine::dataflow::Progress;
use telecine::error::Result;
use telecine::flex::{CreateFields, ExternalId, FlexClient, FlexConfig, NewAsset};
use telecine::load::ledger::Intent;
use telecine::load::{Load, LoadConfig, LoadReport, PlanReport, uuid_of};
use telecine::rehearsal::flex::{LocalFlex, Personality};
use telecine::staging::RunFolder;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::mapped::{self, Dump, Writes, batch, client, flex, flex_config, list, load, run_of, structure, texts};

/// A row of collections: key, name, description, keys of its members.
type Spec<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a [&'a str]>);

async fn run(folder: &Path, id: &str, specs: &[Spec<'_>]) -> RunFolder {
    let text = |of: &dyn Fn(&Spec) -> Option<String>| texts(specs.iter().map(of));
    let keys = specs.iter().flat_map(|spec| spec.3.unwrap_or_default()).map(|key| Some((*key).to_owned()));
    let members = list(
        structure(vec![("source_key", texts(keys))], None),
        specs.iter().map(|spec| spec.3.unwrap_or_default().len()).collect(),
    );
    let (field, offsets, values, _) =
        members.as_any().downcast_ref::<arrow::array::ListArray>().unwrap().clone().into_parts();
    let there = specs.iter().map(|spec| spec.3.is_some()).collect::<Vec<_>>();
    let members = arrow::array::ListArray::new(field, offsets, values, Some(there.into()));
    let rows = batch(vec![
        ("source_key", text(&|spec| Some(spec.0.to_owned()))),
        ("disposition", text(&|_| Some("load".to_owned()))),
        ("name", text(&|spec| Some(spec.1.to_owned()))),
        ("title", text(&|spec| Some(format!("Title of {}", spec.0)))),
        ("collectionKind", text(&|_| Some("Manual".to_owned()))),
        ("description", text(&|spec| spec.2.map(str::to_owned))),
        ("externalId", text(&|spec| Some(spec.0.to_owned()))),
        ("members", std::sync::Arc::new(members)),
    ]);
    let run = run_of(folder, id);
    mapped::write_dataset(&run, "collection", rows).await;
    let manifest = run.query("collection").manifest().await.unwrap().unwrap();
    let report = json!({"queries": [{"name": "collection", "checksum": manifest.content()}], "problems": []});
    run.put_json("transform.json", &report).await.unwrap();
    run
}

fn config(folder: &Path) -> LoadConfig {
    let mut config = mapped::config(folder);
    config.bindings.truncate(1);
    config
}

/// Begins a load and breaks it off once `until` holds, as a second signal would: what was sent and not answered is not
/// entered.
async fn broken_off(config: LoadConfig, url: &str, run: &RunFolder, until: impl AsyncFn() -> bool) {
    let config = LoadConfig { drain: Duration::from_millis(1), ..config };
    let slow = FlexConfig { timeout: Duration::from_secs(60), ..flex_config(url) };
    let prepared = Load::prepare(config, FlexClient::new(&slow).unwrap(), run.clone()).await.unwrap();
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let ended = async {
        for _ in 0..5_000 {
            if until().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(prepared.apply(&progress, &cancel), ended);
    assert!(report.unwrap().interrupted);
}

async fn plan(config: LoadConfig, url: &str, run: &RunFolder) -> PlanReport {
    Load::prepare(config, client(url), run.clone()).await.unwrap().plan(None).await.unwrap()
}

/// What the target holds of a row: name, description, members' ids.
async fn held(url: &str, key: &str) -> (String, Value, Value) {
    let dump = Dump::of(url).await;
    let asset = dump.asset(key).clone();
    (
        asset["name"].as_str().unwrap().to_owned(),
        asset["instance"]["description"].clone(),
        asset["instance"]["members"].clone(),
    )
}

async fn writes(url: &str) -> u64 {
    let dump = Dump::of(url).await;
    dump.totals.iter().filter(|((route, _), _)| !route.starts_with("GET")).map(|(_, count)| count).sum()
}

/// A load that must change nothing.
async fn idle(config: LoadConfig, url: &str, run: &RunFolder, rows: u64) {
    let before = writes(url).await;
    let report = load(config, url, run).await.unwrap();
    assert_eq!((report.unchanged, writes(url).await - before), (rows, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_under_our_uuid_keeps_nothing_of_an_earlier_row() {
    for policy in ["duplicate-uuid=409", "duplicate-uuid=existing", "duplicate-uuid=400"] {
        let folder = TempDir::new().unwrap();
        let server = flex(Personality::Both, &[policy]);
        let url = server.base_url();
        let config = config(folder.path());
        let first = run(folder.path(), "r1", &[("C:1", "one", None, None)]).await;
        load(config.clone(), url, &first).await.unwrap();
        let copy = folder.path().join("copy.sqlite3");
        std::fs::copy(&config.ledger, &copy).unwrap();
        let second: [Spec; 2] = [("C:1", "one", None, None), ("C:2", "two", Some("of an earlier row"), Some(&["C:1"]))];
        load(config.clone(), url, &run(folder.path(), "r2", &second).await).await.unwrap();
        // The ledger is put back to what it was before the second asset.
        std::fs::copy(&copy, &config.ledger).unwrap();
        let third = run(folder.path(), "r3", &[("C:1", "one", None, None), ("C:2", "zwei", None, None)]).await;
        let mut report = load(config.clone(), url, &third).await.unwrap();
        if policy == "duplicate-uuid=400" {
            assert_eq!(report.failed, 1, "{report:?}");
            report = load(config.clone(), url, &third).await.unwrap();
        }
        assert_eq!((report.created, report.adopted, report.unchanged), (1, 1, 1), "{policy}: {report:?}");
        assert_eq!(held(url, "C:2").await, ("zwei".to_owned(), Value::Null, Value::Null), "{policy}");
        idle(config, url, &third, 2).await;
        Dump::of(url).await.assert_each_once(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_that_were_sent_and_not_entered_go_when_the_row_loses_them() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["hang:POST /assets/*/annotations:commit=true:after=2"]);
    let url = server.base_url();
    let config = config(folder.path());
    let rows = |members| -> [Spec<'static>; 2] { [("C:1", "one", None, None), ("C:2", "two", None, members)] };
    let with = run(folder.path(), "r1", &rows(Some(&["C:1"]))).await;
    broken_off(config.clone(), url, &with, async || {
        Dump::of(url).await.assets.len() == 2 && held(url, "C:2").await.2 != Value::Null
    })
    .await;
    let without = run(folder.path(), "r2", &rows(None)).await;
    let planned = plan(config.clone(), url, &without).await;
    assert_eq!((planned.counts.create, planned.counts.unchanged), (1, 1), "{planned:?}");
    let report = load(config.clone(), url, &without).await.unwrap();
    assert_eq!((report.created, report.unchanged), (1, 1), "{report:?}");
    assert_eq!(held(url, "C:2").await.2, Value::Null);
    idle(config, url, &without, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_references_that_were_not_entered_are_written_again_when_the_row_is_as_before() {
    let folder = TempDir::new().unwrap();
    // Two assets with values, one with references: what follows is the change.
    let server = flex(Personality::Both, &["hang:POST /assets/*/annotations:commit=true:after=3"]);
    let url = server.base_url();
    let config = config(folder.path());
    let rows = |members| [("C:1", "one", None, None), ("C:2", "two", None, Some(members))];
    let before = run(folder.path(), "r1", &rows(&["C:1"][..])).await;
    load(config.clone(), url, &before).await.unwrap();
    let old = held(url, "C:2").await.2;
    let changed = run(folder.path(), "r2", &rows(&["C:2", "C:1"][..])).await;
    broken_off(config.clone(), url, &changed, async || held(url, "C:2").await.2 != old).await;
    let report = load(config.clone(), url, &before).await.unwrap();
    assert_eq!((report.updated, report.unchanged, report.linked), (1, 1, 1), "{report:?}");
    assert_eq!(held(url, "C:2").await.2, old);
    idle(config, url, &before, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_that_was_not_entered_is_taken_back_when_the_row_has_the_old_one() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["hang:PUT /assets/*:commit=true:first=1"]);
    let url = server.base_url();
    let config = config(folder.path());
    let before = run(folder.path(), "r1", &[("C:1", "old", None, None)]).await;
    load(config.clone(), url, &before).await.unwrap();
    let renamed = run(folder.path(), "r2", &[("C:1", "new", None, None)]).await;
    broken_off(config.clone(), url, &renamed, async || held(url, "C:1").await.0 == "new").await;
    let report = load(config.clone(), url, &before).await.unwrap();
    assert_eq!(report.updated, 1, "{report:?}");
    assert_eq!(held(url, "C:1").await.0, "old");
    idle(config, url, &before, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_under_way_when_a_load_was_killed_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["duplicate-uuid=400"]);
    let url = server.base_url();
    let config = config(folder.path());
    let rows = run(folder.path(), "r1", &[("C:1", "one", None, None)]).await;
    let settling = FlexConfig { settle: Duration::from_secs(2), ..flex_config(url) };
    let prepared = Load::prepare(config, FlexClient::new(&settling).unwrap(), rows).await.unwrap();
    let intent = Intent {
        source_key: "C:1".to_owned(),
        query: "collection".to_owned(),
        uuid: uuid_of("C:1"),
        name: "one".to_owned(),
        payload: [7; 32],
        run: "r0".to_owned(),
        request: None,
        made: None,
        fresh: true,
    };
    prepared.ledger().intend(vec![intent]).await.unwrap();
    let late = NewAsset {
        name: "one".to_owned(),
        asset_type: "group-asset".to_owned(),
        definition: prepared.bound()[0].definition.id,
        uuid: uuid_of("C:1"),
        external_id: Some(ExternalId { key: "reach".to_owned(), value: "C:1".to_owned() }),
    };
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let arrives = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        client(url).create_asset(&late).await.unwrap();
    };
    let (report, ()) = tokio::join!(prepared.apply(&progress, &cancel), arrives);
    let report = report.unwrap();
    assert_eq!((report.created, report.adopted, report.failed), (1, 1, 0), "{report:?}");
    Dump::of(url).await.assert_each_once(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_type_or_external_id_than_was_sent_is_told() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let config = config(folder.path());
    let rows = run(folder.path(), "r1", &[("C:1", "one", None, None), ("C:2", "two", None, None)]).await;
    load(config.clone(), url, &rows).await.unwrap();
    let mut other_type = config.clone();
    other_type.bindings[0].asset_type = "media-asset".to_owned();
    let other_key = LoadConfig { external_id_key: "other".to_owned(), ..config.clone() };
    for (config, restated) in [(other_type, 2), (other_key, 2), (config, 0)] {
        let planned = plan(config.clone(), url, &rows).await.counts;
        let report = load(config, url, &rows).await.unwrap();
        assert_eq!((planned.restated, planned.unchanged), (restated, 2), "{planned:?}");
        assert_eq!((report.restated, report.unchanged), (restated, 2), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_a_replay_bound_the_second_pass() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["status=400:POST /assets:first=2"]);
    let url = server.base_url();
    let config = LoadConfig { canary: 0, ..config(folder.path()) };
    let keys: Vec<String> = (0..20).map(|number| format!("C:{number}")).collect();
    let rows = async |id, member: &[&str]| {
        let specs: Vec<Spec> = keys.iter().map(|key| (key.as_str(), "n", None, Some(member))).collect();
        run(folder.path(), id, &specs).await
    };
    let counts = |report: &LoadReport| (report.created, report.updated, report.unchanged, report.failed);
    let first = rows("r1", &["C:5"]).await;
    // The bare lists of no reference count as references, too.
    let report = load(config.clone(), url, &first).await.unwrap();
    assert_eq!(counts(&report), (18, 0, 0, 2), "{report:?}");

    let second = rows("r2", &["C:6"]).await;
    let before = writes(url).await;
    let replay = LoadConfig { only_rejects: true, ..config.clone() };
    let report = load(replay, url, &second).await.unwrap();
    assert_eq!(counts(&report), (2, 0, 0, 0), "{report:?}");
    assert_eq!(writes(url).await - before, 6, "creation, values and references of two");

    let before = writes(url).await;
    let one = LoadConfig { limit: Some(1), ..config.clone() };
    let report = load(one, url, &second).await.unwrap();
    assert_eq!(counts(&report), (0, 1, 19, 0), "{report:?}");
    assert_eq!(writes(url).await - before, 1);
    let report = load(config.clone(), url, &second).await.unwrap();
    assert_eq!(counts(&report), (0, 17, 3, 0), "{report:?}");
    let empty = rows("r3", &[]).await;
    let report = load(config.clone(), url, &empty).await.unwrap();
    assert_eq!(counts(&report), (0, 20, 0, 0), "{report:?}");
    idle(config, url, &empty, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_without_references_are_counted_once() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let config = config(folder.path());
    let rows = run(folder.path(), "r1", &[("C:1", "one", None, Some(&[])), ("C:2", "two", None, Some(&["C:1"]))]).await;
    let report = load(config.clone(), server.base_url(), &rows).await.unwrap();
    assert_eq!((report.created, report.updated, report.unchanged), (2, 0, 0), "{report:?}");
    idle(config, server.base_url(), &rows, 2).await;
}

/// A load with a client that names its uuid otherwise than the server does.
async fn with_own_uuids(server: &LocalFlex, config: LoadConfig, run: RunFolder) -> Result<LoadReport> {
    let fields = CreateFields { uuid: Some("ourUuid".to_owned()), ..CreateFields::default() };
    let odd = FlexConfig { fields, ..flex_config(server.base_url()) };
    let prepared = Load::prepare(config, FlexClient::new(&odd)?, run).await?;
    prepared.apply(&Progress::default(), &CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_makes_uuids_of_its_own_is_found_out_with_the_first_row() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["strict=ignore"]);
    let rows = run(folder.path(), "r1", &[("C:1", "one", None, None), ("C:2", "two", None, None)]).await;
    let error = with_own_uuids(&server, config(folder.path()), rows).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("uuid: sent {:?}", uuid_of("C:1"))), "{text}");
    assert_eq!(Dump::of(server.base_url()).await.assets.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_which_the_first_ten_fail_is_not_sent_on() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["status=400:POST /assets:first=20"]);
    let url = server.base_url();
    let keys: Vec<String> = (0..30).map(|number| format!("C:{number}")).collect();
    let specs: Vec<Spec> = keys.iter().map(|key| (key.as_str(), "n", None, None)).collect();
    let rows = run(folder.path(), "r1", &specs).await;
    let error = load(config(folder.path()), url, &rows).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("first 10 rows of collection all failed") && text.contains("HTTP 400"), "{text}");
    assert!(text.contains("flex.dev.canary = 0"), "{text}");
    assert_eq!(Dump::of(url).await.requests("POST"), 10);
    let on = LoadConfig { canary: 0, ..config(folder.path()) };
    let report = load(on, url, &rows).await.unwrap();
    assert_eq!((report.created, report.failed), (20, 10), "{report:?}");
    // Of what is known to work ten bad rows stop nothing.
    let report = load(config(folder.path()), url, &rows).await.unwrap();
    assert_eq!((report.created, report.unchanged), (10, 20), "{report:?}");
}
