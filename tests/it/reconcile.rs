//! Reading Flex back: what was changed, removed or doubled behind our back is found and named.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use futures::StreamExt;
use serde_json::json;
use telecine::dataflow::Progress;
use telecine::load::{Load, LoadConfig};
use telecine::reconcile::{Reconcile, ReconcileReport, run};
use telecine::rehearsal::flex::Personality;
use telecine::staging::RunFolder;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::mapped::{self, Dump, Writes, config, flex, load, rows, tamper, write_run};

/// Reads back everything the ledger knows.
pub async fn reconcile(config: LoadConfig, url: &str, folder: &RunFolder) -> ReconcileReport {
    sampled(config, url, folder, None).await
}

async fn sampled(config: LoadConfig, url: &str, folder: &RunFolder, sample: Option<u64>) -> ReconcileReport {
    let load = Load::prepare(config, mapped::client(url), folder.clone()).await.unwrap();
    let cancel = CancellationToken::new();
    let (client, target, external_id_key) = (load.client(), load.target(), load.external_id_key());
    let definitions = load.bound().iter().map(|bound| &bound.definition).collect();
    let job = Reconcile { client, target, external_id_key, definitions, run: folder, sample };
    run(&job, load.expected(), load.known(), &Progress::default(), &cancel).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_is_found_and_named() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    // More than one page.
    let many = rows(800, 30);
    let run = write_run(folder.path(), "r1", &many).await;
    load(config(folder.path()), url, &run).await.unwrap();
    let clean = reconcile(config(folder.path()), url, &run).await;
    assert_eq!((clean.checked, clean.equal, clean.different, clean.missing, clean.duplicates), (750, 750, 0, 0, 0));
    clean.require_equal().unwrap();

    let dump = Dump::of(url).await;
    let id = |external: &str| dump.asset(external)["id"].as_i64().unwrap();
    let (changed, lost, extra, deleted) =
        (id("Collection-701"), id("Collection-702"), id("Project-5"), id("Project-6"));
    tamper(url, json!({"asset": changed, "field": "legacyId", "value": 9_007_199_254_741_695_i64})).await;
    tamper(url, json!({"asset": lost, "field": "tags", "value": null})).await;
    tamper(url, json!({"asset": extra, "field": "producer", "value": "nobody"})).await;
    tamper(url, json!({"asset": deleted, "deleted": true})).await;
    let client = mapped::client(url);
    client.rename_asset(id("Project-7"), "Another name").await.unwrap();
    // A second asset with an external id of ours, as a person might make one.
    let definition = client.definition("assetType_Project").await.unwrap().unwrap().id;
    let twin = telecine::flex::NewAsset {
        name: "twin".into(),
        asset_type: "group-asset".into(),
        definition,
        uuid: "5f0c3f4e-0000-4000-8000-000000000001".into(),
        external_id: Some(telecine::flex::ExternalId { key: "reach".into(), value: "Collection-3".into() }),
    };
    client.create_asset(&twin).await.unwrap();
    // One of ours that no row is mapped to, and one of somebody else.
    let external_id = Some(telecine::flex::ExternalId { key: "reach".into(), value: "Nobody-1".into() });
    let uuid = "5f0c3f4e-0000-4000-8000-000000000002".to_owned();
    client.create_asset(&telecine::flex::NewAsset { uuid, external_id, ..twin.clone() }).await.unwrap();
    let uuid = "5f0c3f4e-0000-4000-8000-000000000003".to_owned();
    client.create_asset(&telecine::flex::NewAsset { uuid, external_id: None, ..twin.clone() }).await.unwrap();

    let report = reconcile(config(folder.path()), url, &run).await;
    assert_eq!((report.checked, report.different, report.missing, report.duplicates), (750, 4, 1, 1));
    assert_eq!((report.equal, report.extra, report.others, report.not_loaded), (745, 1, 1, 0));
    let kind = |field: &str| report.fields.iter().find(|found| found.field == field).unwrap().kind.as_str();
    assert_eq!((kind("legacyId"), kind("tags"), kind("producer")), ("different", "dropped", "added"));
    let findings = run.findings().manifest().await.unwrap().unwrap();
    assert_eq!((findings.rows, run.findings().url()), (7, report.findings.clone()));
    let mut named: Vec<_> =
        report.fields.iter().map(|field| (field.source_key.as_str(), field.field.as_str())).collect();
    // By id, which is not the order of the rows: they are sent side by side.
    named.sort_unstable();
    assert_eq!(
        named,
        [
            ("Collection:701", "legacyId"),
            ("Collection:702", "tags"),
            ("Project:5", "producer"),
            ("Project:7", "asset name"),
        ]
    );
    let number = report.fields.iter().find(|field| field.field == "legacyId").unwrap();
    assert_eq!(number.expected.to_string(), "9007199254741694");
    assert_eq!(number.found.to_string(), "9007199254741695");
    assert_eq!(report.missing_assets[0].source_key, "Project:6");
    assert_eq!(report.duplicate_assets[0].source_key, "Collection:3");
    let error = report.require_equal().unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("Collection:701"), "{error}");

    let sample = sampled(config(folder.path()), url, &run, Some(40)).await;
    assert_eq!(sample.checked, 40);
    let all = sampled(config(folder.path()), url, &run, Some(10_000)).await;
    assert_eq!((all.checked, all.different), (750, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_not_loaded_are_named() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let many = rows(20, 5);
    let run = write_run(folder.path(), "r1", &many).await;
    load(LoadConfig { limit: Some(10), ..config(folder.path()) }, url, &run).await.unwrap();
    for sample in [None, Some(1_000)] {
        let report = sampled(config(folder.path()), url, &run, sample).await;
        assert_eq!((report.checked, report.missing, report.extra), (10, 0, 0));
        assert_eq!(report.not_loaded, many.loadable() - 10);
        assert_eq!(report.not_loaded_rows.len() as u64, report.not_loaded);
        assert_eq!(report.require_equal().unwrap_err().exit_code(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_from_the_run_is_extra_under_its_own_key() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    // Without external ids only the ledger knows whose they are.
    let config = || LoadConfig { external_id_column: String::new(), ..config(folder.path()) };
    let run = write_run(folder.path(), "r1", &rows(20, 5)).await;
    load(config(), url, &run).await.unwrap();
    let fewer = write_run(folder.path(), "r2", &rows(20, 3)).await;
    let report = reconcile(config(), url, &fewer).await;
    assert_eq!((report.checked, report.equal, report.extra, report.others), (21, 21, 2, 0));
    let mut keys: Vec<_> = report.extra_assets.iter().map(|asset| asset.source_key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["Project:3", "Project:4"]);
    let error = report.require_equal().unwrap_err().to_string();
    assert!(error.contains("Project:4, which is gone or was not loaded"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_compared_by_value() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(9, 2)).await;
    load(config(folder.path()), url, &run).await.unwrap();
    let id = Dump::of(url).await.asset("Collection-3")["id"].as_i64().unwrap();
    let date = |value: &str| json!({"asset": id, "field": "createdDate", "value": value});
    tamper(url, date("12 Apr 2019 11:30:00 +0200")).await;
    let near = reconcile(config(folder.path()), url, &run).await;
    // The value has milliseconds, what is shown has none.
    assert_eq!((near.different, near.fields[0].field.as_str()), (1, "createdDate"));
    tamper(url, date("2019-04-12 11:30:00.123+0200")).await;
    reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rows_of_one_key_are_named() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(9, 2)).await;
    load(config(folder.path()), url, &run).await.unwrap();
    let load = Load::prepare(config(folder.path()), mapped::client(url), run.clone()).await.unwrap();
    let (client, target, external_id_key) = (load.client(), load.target(), load.external_id_key());
    let definitions = load.bound().iter().map(|bound| &bound.definition).collect();
    let job = Reconcile { client, target, external_id_key, definitions, run: &run, sample: None };
    let cancel = CancellationToken::new();
    let twice = load.expected().chain(load.expected());
    let error = telecine::reconcile::run(&job, twice, load.known(), &Progress::default(), &cancel).await.unwrap_err();
    assert!(error.to_string().contains("have the source key Collection:0"), "{error}");
}

/// What a server that loses values, or lists badly, is found out by, or does not disturb.
#[tokio::test(flavor = "multi_thread")]
async fn lossy_storage_is_found_and_bad_lists_do_no_harm() {
    for (fault, kind) in [("lossy=truncate=9", "truncated to 9"), ("lossy=drop=title", "dropped")] {
        let folder = TempDir::new().unwrap();
        let server = flex(Personality::Both, &[fault]);
        let url = server.base_url();
        let run = write_run(folder.path(), "r1", &rows(10, 3)).await;
        // The canary would have said so.
        load(LoadConfig { canary: 0, ..config(folder.path()) }, url, &run).await.unwrap();
        for sample in [None, Some(5)] {
            let report = sampled(config(folder.path()), url, &run, sample).await;
            assert_eq!((report.checked, report.different), (sample.unwrap_or(12), sample.unwrap_or(12)), "{fault}");
            let title = report.fields.iter().find(|difference| difference.field == "title").unwrap();
            assert_eq!(title.kind, kind, "{fault}");
            assert_eq!(report.require_equal().unwrap_err().exit_code(), 3);
        }
    }
    for fault in
        ["ignore-include-metadata", "repeat-rows", "page-cap=7", "max-page=200", "window=150:all=true", "moving-totals"]
    {
        let folder = TempDir::new().unwrap();
        let server = flex(Personality::Both, &[fault]);
        let url = server.base_url();
        // Few enough for one second to be read from both its ends.
        let run = write_run(folder.path(), "r1", &rows(100, 20)).await;
        load(config(folder.path()), url, &run).await.unwrap();
        for sample in [None, Some(30)] {
            let report = sampled(config(folder.path()), url, &run, sample).await;
            assert_eq!((report.equal, report.different, report.missing), (sample.unwrap_or(110), 0, 0), "{fault}");
            report.require_equal().unwrap();
        }
    }
}
