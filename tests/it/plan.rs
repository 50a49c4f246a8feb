//! The plan is the truth: the requests it names are, byte for byte, those that the target gets.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use telecine::load::{Attributes, Load, LoadConfig, PlanReport};
use telecine::rehearsal::flex::{LocalFlex, Personality};
use telecine::staging::RunFolder;
use tempfile::TempDir;

use crate::mapped::{self, Dump, Rows, flex, load, rows, with_metadata, write_run};

/// A plan with its requests, one a line.
async fn plan(config: LoadConfig, url: &str, run: &RunFolder) -> (PlanReport, Vec<Value>) {
    let prepared = Load::prepare(config, mapped::client(url), run.clone()).await.unwrap();
    let mut requests = Vec::new();
    let report = prepared.plan(Some(&mut requests)).await.unwrap();
    let lines = String::from_utf8(requests).unwrap();
    (report, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The writes that the target got after its first `before`, as hashes with what they were.
async fn writes(url: &str, before: usize) -> Vec<(String, String)> {
    let oracle = format!("{}/__standin/dump", url.strip_suffix("/api").unwrap());
    let text = reqwest::get(oracle).await.unwrap().text().await.unwrap();
    let requests = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let requests = requests.filter(|line| line["kind"] == "request" && line["method"] != "GET");
    let write = |line: Value| {
        let what = format!("{} {}", line["method"].as_str().unwrap(), line["path"].as_str().unwrap());
        (line["blake3"].as_str().unwrap().to_owned(), what)
    };
    requests.skip(before).map(write).collect()
}

/// What a planned line is when the ids that the target gave stand in it.
fn filled(line: &Value, url: &str, ids: &BTreeMap<String, i64>) -> (String, String) {
    let id = |key: &str| ids.get(key).unwrap_or_else(|| panic!("{key} has no id")).to_string();
    let mut path = line["url"].as_str().unwrap().strip_prefix(url).unwrap().to_owned();
    if path.contains("{id}") {
        path = path.replace("{id}", &id(line["source_key"].as_str().unwrap()));
    }
    let mut body = line["body"].as_str().unwrap().to_owned();
    for key in line["references"].as_array().into_iter().flatten().map(|key| key.as_str().unwrap()) {
        let coming = format!("\"{{{key}}}\"");
        if body.contains(&coming) {
            body = body.replace(&coming, &id(key));
        }
    }
    let method = line["method"].as_str().unwrap();
    let hash = blake3::hash(format!("{method} {path}\n{body}").as_bytes()).to_hex().to_string();
    if let Some(told) = line.get("blake3") {
        assert_eq!(told.as_str(), Some(hash.as_str()), "{line}");
    }
    (hash, format!("{method} {path}"))
}

/// Plans and loads, and compares what was planned with what the target got and with what the ledger keeps.
pub async fn truthful(config: LoadConfig, server: &LocalFlex, run: &RunFolder) -> PlanReport {
    let url = server.base_url();
    let before = writes(url, 0).await.len();
    let (report, lines) = plan(config.clone(), url, run).await;
    assert_eq!(writes(url, 0).await.len(), before, "a plan sends nothing");
    load(config.clone(), url, run).await.unwrap();
    let prepared = Load::prepare(config, mapped::client(url), run.clone()).await.unwrap();
    let assets = prepared.ledger().assets_after(String::new(), 10_000).await.unwrap();
    let ids = assets.into_iter().filter_map(|asset| Some((asset.source_key, asset.flex_id?))).collect();
    let mut planned: Vec<_> = lines.iter().map(|line| filled(line, url, &ids)).collect();
    let mut sent = writes(url, before).await;
    planned.sort();
    sent.sort();
    assert_eq!(planned, sent);
    let (kept, _) = prepared.ledger().requests_after(String::new(), 10_000).await.unwrap();
    for line in &lines {
        let (hash, what) = filled(line, url, &ids);
        let same = |kept: &&telecine::load::ledger::RequestRecord| {
            line["source_key"] == kept.source_key.as_str() && line["step"] == kept.step.as_str()
        };
        let kept = kept.iter().find(same).unwrap_or_else(|| panic!("the ledger lacks {line}"));
        assert_eq!((kept.blake3.as_str(), kept.status.is_some()), (hash.as_str(), true), "{what}");
    }
    report
}

/// The references of one collection point elsewhere: another order of its rows is another ring.
async fn relinked(folder: &Path, id: &str, small: &Rows) -> RunFolder {
    let run = mapped::run_of(folder, id);
    mapped::write_dataset(&run, "collection", mapped::collections_without_parent(small, 7)).await;
    mapped::write_dataset(&run, "project", mapped::projects(small)).await;
    mapped::write_report(&run, &[]).await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_what_the_target_gets_byte_for_byte() {
    for attributes in [Attributes::Annotations, Attributes::Metadata] {
        let folder = TempDir::new().unwrap();
        let server = flex(Personality::Both, &[]);
        let config = with_metadata(folder.path(), attributes);
        let small = rows(30, 6);

        // In part, then the rest, some of which refers to what is there.
        let first = write_run(folder.path(), "r1", &small).await;
        load(LoadConfig { limit: Some(9), ..config.clone() }, server.base_url(), &first).await.unwrap();
        let report = truthful(config.clone(), &server, &first).await;
        assert_eq!((report.counts.create, report.counts.invalid), (24, 0), "{report:?}");

        // Other values and names; two collections and a project fewer.
        let changed = Rows { version: 2, name: "Renamed", ..rows(28, 5) };
        let second = write_run(folder.path(), "r2", &changed).await;
        let report = truthful(config.clone(), &server, &second).await;
        let collections = &report.queries["collection"];
        assert_eq!((collections.counts.update, collections.counts.create, report.gone), (26, 0, 2), "{report:?}");
        assert_eq!(collections.fields["title"], 26);
        assert_eq!(collections.fields["asset name"], 26);

        // One collection loses its parent, and nothing else is different.
        let third = relinked(folder.path(), "r3", &changed).await;
        let report = truthful(config.clone(), &server, &third).await;
        assert_eq!((report.counts.update, report.counts.relink), (1, 1), "{report:?}");
        assert_eq!(report.queries["collection"].fields, BTreeMap::from([("parent".to_owned(), 1)]));
        let dump = Dump::of(server.base_url()).await;
        assert!(dump.asset("Collection-7")["instance"].get("parent").is_none(), "it is gone there, too");

        // It comes back: again one request.
        let report = truthful(config.clone(), &server, &second).await;
        assert_eq!((report.counts.update, report.counts.relink), (1, 1), "{report:?}");
        let report = truthful(config, &server, &second).await;
        assert_eq!((report.to_send(), report.counts.unchanged), (0, 31));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_alters_values_is_found_out_with_the_first_rows() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["lossy=truncate=10"]);
    let run = write_run(folder.path(), "r1", &rows(40, 10)).await;
    let error = load(mapped::config(folder.path()), server.base_url(), &run).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    for part in ["Collection:0", "title: sent \"Title of 0, version 1\", found \"Title of 0\"", "no further rows"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(Dump::of(server.base_url()).await.assets.len(), 1);
    let unwatched = LoadConfig { canary: 0, ..mapped::config(folder.path()) };
    assert_eq!(load(unwatched, server.base_url(), &run).await.unwrap().created, 46);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_not_begun_anew_over_a_target_that_holds_our_assets() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let run = write_run(folder.path(), "r1", &rows(20, 4)).await;
    load(mapped::config(folder.path()), server.base_url(), &run).await.unwrap();
    let lost = LoadConfig { ledger: folder.path().join("other.sqlite3"), ..mapped::config(folder.path()) };
    let before = writes(server.base_url(), 0).await.len();
    let prepared = Load::prepare(lost.clone(), mapped::client(server.base_url()), run.clone()).await.unwrap();
    let planned = prepared.plan(None).await.unwrap_err();
    drop(prepared);
    for error in [planned, load(lost, server.base_url(), &run).await.unwrap_err()] {
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.contains("telecine ledger rebuild --target dev") && text.contains("Collection:0"), "{text}");
    }
    assert_eq!(writes(server.base_url(), 0).await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_changes_stops_the_plan_and_the_load() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["delay-ms=5:POST /assets"]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(400, 4)).await;
    let client = mapped::client(url);
    let checked = client.definition("assetType_Collection").await.unwrap().unwrap();
    run.put_json("definitions.json", &json!([checked])).await.unwrap();
    let answer = client.definition_answer(checked.id).await.unwrap();
    let put = async |definition: Value| {
        let path = format!("{url}/metadataDefinitions/{}/definition", checked.id);
        let request = reqwest::Client::new().put(path).basic_auth("rehearsal", Some("rehearsal"));
        let request =
            request.header("content-type", "application/json").body(json!({"definition": definition}).to_string());
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_success(), "{:?}", reply.text().await);
    };
    let mut longer = answer["definition"].clone();
    let title = longer.as_array_mut().unwrap().iter_mut().find(|field| field["name"] == "title").unwrap();
    title["maxLength"] = json!(4_000);

    // While rows are sent.
    let watched = LoadConfig { watch: Duration::from_millis(20), max_in_flight: 1, ..mapped::config(folder.path()) };
    let change = async {
        while Dump::of(url).await.assets.len() < 12 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        put(longer.clone()).await;
    };
    let (stopped, ()) = tokio::join!(load(watched, url, &run), change);
    let text = stopped.unwrap_err().to_string();
    assert!(text.contains("assetType_Collection") && text.contains("field title differs"), "{text}");
    let there = Dump::of(url).await.assets.len();
    assert!(there < 350, "it was stopped: {there}");

    // Before anything is sent.
    let error = Load::prepare(mapped::config(folder.path()), mapped::client(url), run.clone()).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("field title differs") && error.to_string().contains("telecine transform"),
        "{error}"
    );
    put(answer["definition"].clone()).await;
    load(mapped::config(folder.path()), url, &run).await.unwrap();
}
