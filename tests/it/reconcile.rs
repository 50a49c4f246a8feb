//! Reading Flex back: what was changed, removed or doubled behind our back is found and named.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use serde_json::json;
use telecine::dataflow::Progress;
use telecine::load::{Load, LoadConfig};
use telecine::reconcile::{ReconcileReport, run};
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
    run(load.client(), load.target(), load.expected(), sample, &Progress::default(), &cancel).await.unwrap()
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

    let report = reconcile(config(folder.path()), url, &run).await;
    assert_eq!((report.checked, report.different, report.missing, report.duplicates), (750, 4, 1, 1));
    assert_eq!(report.equal, 745);
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
