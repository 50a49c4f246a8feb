//! Loading into the local Flex: what arrives, what a second load does, and that no fault makes a second asset.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::BufRead;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use telecine::dataflow::Progress;
use telecine::error::Error;
use telecine::flex::{FlexClient, FlexConfig};
use telecine::load::{Attributes, Load, LoadConfig, Threshold};
use telecine::rehearsal::flex::Personality;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::mapped::{self, Dump, config, flex, load, rows, with_metadata, write_run};
use crate::reconcile::reconcile;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_brings_everything_and_a_second_sends_nothing() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let small = rows(40, 7);
    let run = write_run(folder.path(), "r1", &small).await;

    let prepared = Load::prepare(config(folder.path()), mapped::client(url), run.clone()).await.unwrap();
    let mut requests = Vec::new();
    let plan = prepared.plan(Some(&mut requests)).await.unwrap();
    assert_eq!((plan.counts.create, plan.to_send(), plan.gone), (43, 43, 0));
    let lines: Vec<Value> = requests.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    // Two requests an asset, and a third for those with references; four collections refer to rejected ones only.
    assert_eq!(lines.len(), 43 * 2 + 32);
    let body: Value = serde_json::from_str(lines[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["externalIds"], json!([{"key": "reach", "value": "Collection-0"}]));
    assert_eq!(Dump::of(url).await.requests("POST"), 0, "a plan sends nothing");
    drop(prepared);

    let report = load(config(folder.path()), url, &run).await.unwrap();
    assert_eq!((report.created, report.updated, report.unchanged, report.failed, report.held), (43, 0, 0, 0, 0));
    // Four collections refer to rejected ones only: there is nothing to send for them.
    assert_eq!(report.linked, 32);
    assert_eq!(report.attributes.as_deref(), Some("annotations"));
    let dump = Dump::of(url).await;
    dump.assert_each_once(43);
    assert_eq!(dump.requests("POST /assets") as usize, lines.len());
    let asset = dump.asset("Collection-1");
    let instance = &asset["instance"];
    assert_eq!(instance["title"], "Title of 1, version 1");
    assert_eq!(instance["legacyId"].to_string(), "9007199254740994");
    assert_eq!(instance["createdDate"], "2019-04-12T09:30:00.123Z");
    assert_eq!(instance["parent"]["id"], dump.asset("Collection-0")["id"]);
    assert_eq!(instance["members"].as_array().unwrap().len(), 1, "a rejected member is dropped: {instance}");
    assert_eq!(instance["members"][0]["id"], dump.asset("Collection-2")["id"]);
    assert_eq!(dump.asset("Project-3")["instance"]["budgetAmount"].to_string(), "12345678901234567890.03");
    assert_eq!(asset["definition"], "assetType_Collection");
    let copy = folder.path().join("staging/ledger/dev/ledger.sqlite");
    assert!(copy.exists(), "the ledger's copy is in the staging area");

    let again = load(config(folder.path()), url, &run).await.unwrap();
    assert_eq!((again.unchanged, again.requests), (43, 0));
    assert_eq!(Dump::of(url).await.requests("POST"), dump.requests("POST"));
    reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_updated_and_what_is_gone_is_reported() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(20, 5)).await;
    load(config(folder.path()), url, &run).await.unwrap();

    // Other titles and names, and two collections and two projects fewer.
    let changed = mapped::Rows { version: 2, name: "Renamed", ..rows(18, 3) };
    let run = write_run(folder.path(), "r2", &changed).await;
    let prepared = Load::prepare(config(folder.path()), mapped::client(url), run.clone()).await.unwrap();
    let plan = prepared.plan(None).await.unwrap();
    assert_eq!((plan.counts.create, plan.counts.update, plan.counts.unchanged, plan.gone), (0, 17, 3, 3));
    assert_eq!(plan.gone_keys, ["Collection:18", "Project:3", "Project:4"]);
    drop(prepared);
    let report = load(config(folder.path()), url, &run).await.unwrap();
    assert_eq!((report.created, report.updated, report.unchanged, report.failed), (0, 17, 3, 0));
    let dump = Dump::of(url).await;
    dump.assert_each_once(23);
    let asset = dump.asset("Collection-4");
    assert_eq!(asset["name"], "Renamed 4; n=/%,é");
    assert_eq!(asset["instance"]["title"], "Title of 4, version 2");
    // The three that are gone are still in the target: extra, and nothing else.
    let back = reconcile(config(folder.path()), url, &run).await;
    assert_eq!((back.checked, back.equal, back.extra, back.not_loaded), (20, 20, 3, 0));
    assert_eq!(load(config(folder.path()), url, &run).await.unwrap().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_makes_a_second_asset_or_loses_one() {
    let scripts: [(&[&str], Attributes); 4] = [
        (&["drop-after-commit:POST /assets:every=5"], Attributes::Annotations),
        (
            &["status=502:POST /assets:every=4:commit=true", "reset:POST /assets/*/annotations:every=6"],
            Attributes::Annotations,
        ),
        (
            &[
                "status=503:POST /assets:every=7:retry-after=1",
                "status=429:POST /assets:every=9",
                "drop-after-commit:PUT /assets/*/metadata:every=5",
            ],
            Attributes::Metadata,
        ),
        (
            &["status=500:POST /assets:every=3:body=html", "status=200:POST /assets/*/annotations:every=50"],
            Attributes::Annotations,
        ),
    ];
    for (faults, attributes) in scripts {
        let folder = TempDir::new().unwrap();
        let server = flex(Personality::Both, faults);
        let url = server.base_url();
        let small = rows(60, 10);
        let run = write_run(folder.path(), "r1", &small).await;
        let first = load(with_metadata(folder.path(), attributes), url, &run).await.unwrap();
        let faultless = 2 * small.loadable() + first.linked;
        assert!(first.requests > faultless || first.failed > 0, "{faults:?}: the faults did something: {first:?}");
        assert_eq!(first.created + first.failed, small.loadable(), "{faults:?}: {first:?}");
        // What was refused (200 with errors) is tried again.
        let second = load(with_metadata(folder.path(), attributes), url, &run).await.unwrap();
        assert_eq!((second.created + second.updated, second.failed), (first.failed, 0), "{faults:?}: {second:?}");
        Dump::of(url).await.assert_each_once(small.loadable());
        reconcile(with_metadata(folder.path(), attributes), url, &run).await.require_equal().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_finds_out_how_field_values_are_set() {
    for (personality, way) in [(Personality::Flex, "metadata"), (Personality::Seed, "annotations")] {
        let folder = TempDir::new().unwrap();
        let server = flex(personality, &[]);
        let url = server.base_url();
        let run = write_run(folder.path(), "r1", &rows(20, 3)).await;
        let limited = LoadConfig { limit: Some(4), ..with_metadata(folder.path(), Attributes::Auto) };
        let report = load(limited, url, &run).await.unwrap();
        assert_eq!(report.attributes.as_deref(), Some(way));
        assert_eq!(Dump::of(url).await.assets.len(), 4, "the limit holds");
        let report = load(with_metadata(folder.path(), Attributes::Auto), url, &run).await.unwrap();
        assert_eq!(report.attributes.as_deref(), Some(way), "remembered");
        assert!(Dump::of(url).await.requests("POST /assets/*/annotations") <= 1 || way == "annotations");
        reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_fail_alone_and_refused_credentials_stop_everything() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["status=400:POST /assets:every=10"]);
    let url = server.base_url();
    let small = rows(40, 4);
    let run = write_run(folder.path(), "r1", &small).await;
    let report = load(config(folder.path()), url, &run).await.unwrap();
    assert_eq!((report.created, report.failed), (36, 4));
    assert_eq!(report.failures["HTTP 400"], 4);
    let prepared = Load::prepare(config(folder.path()), mapped::client(url), run.clone()).await.unwrap();
    let troubles = prepared.ledger().troubles(10).await.unwrap();
    assert_eq!(troubles.len(), 4);
    assert!(troubles.iter().all(|trouble| trouble.reason == "HTTP 400" && trouble.flex_id.is_none()));
    drop(prepared);
    Dump::of(url).await.assert_each_once(36);

    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["status=400:POST /assets:every=2"]);
    let run = write_run(folder.path(), "r1", &small).await;
    let strict = LoadConfig { max_failures: Some(Threshold::Count(3)), ..config(folder.path()) };
    let error = load(strict, server.base_url(), &run).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");

    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["status=401:POST /assets:after=10"]);
    let run = write_run(folder.path(), "r1", &small).await;
    let error = load(config(folder.path()), server.base_url(), &run).await.unwrap_err();
    assert!(matches!(error, Error::Flex { status: Some(401), .. }), "{error}");
    let dump = Dump::of(server.base_url()).await;
    let refused: u64 = dump.totals.iter().filter(|((_, status), _)| *status == 401).map(|(_, count)| count).sum();
    assert!(refused <= 32, "no more than were in flight: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_clean_transform_of_the_whole_run_wrote_is_sent() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let run = write_run(folder.path(), "r1", &rows(10, 2)).await;
    let refusal = async || load(config(folder.path()), server.base_url(), &run).await.unwrap_err();
    mapped::write_report(&run, &["the balance does not close"]).await;
    let error = refusal().await;
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("the balance does not close"), "{error}");
    let other =
        serde_json::json!({"select": ["project"], "queries": [{"name": "project", "checksum": "2:0"}], "problems": []});
    run.put_json("transform.json", &other).await.unwrap();
    let text = refusal().await.to_string();
    assert!(text.contains("query project: its dataset has changed since"), "{text}");
    assert!(text.contains("query collection: the last transform did not run it"), "{text}");
    assert!(text.contains("the last transform was of project only"), "{text}");
    std::fs::remove_file(folder.path().join("staging/runs/r1/transform.json")).unwrap();
    assert!(refusal().await.to_string().contains("no transform has ended"));
    assert_eq!(Dump::of(server.base_url()).await.requests("POST /assets"), 0);
    mapped::write_report(&run, &[]).await;
    load(config(folder.path()), server.base_url(), &run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_names_everything_that_does_not_fit() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let run = write_run(folder.path(), "r1", &rows(10, 2)).await;
    let mut wrong = config(folder.path());
    wrong.bindings[0].definition = "assetType_Project".to_owned();
    wrong.bindings[1].definition = "assetType_Nothing".to_owned();
    wrong.bindings.push(telecine::load::Binding { query: "absent".into(), ..wrong.bindings[0].clone() });
    let error = Load::prepare(wrong, mapped::client(server.base_url()), run.clone()).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    for word in ["collectionKind", "assetType_Nothing", "query absent", "parent"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let nobody = mapped::client("http://127.0.0.1:9/api");
    let error = Load::prepare(config(folder.path()), nobody, run).await.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_asked_to_stop_drains_and_goes_on_later() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["delay-ms=3:*"]);
    let url = server.base_url();
    let small = rows(400, 10);
    let run = write_run(folder.path(), "r1", &small).await;
    // Few at a time, so that the load cannot be over before it is asked to stop.
    let slow = FlexClient::new(&FlexConfig { max_in_flight: 4, ..mapped::flex_config(url) }).unwrap();
    let prepared = Load::prepare(config(folder.path()), slow, run.clone()).await.unwrap();
    let cancel = CancellationToken::new();
    let stop_after_forty = async {
        while Dump::of(url).await.assets.len() < 40 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        cancel.cancel();
    };
    let progress = Progress::default();
    let (report, ()) = tokio::join!(prepared.apply(&progress, &cancel), stop_after_forty);
    let report = report.unwrap();
    drop(prepared);
    assert!(report.interrupted);
    let there = Dump::of(url).await.assets.len() as u64;
    assert!(there > 0 && there < small.loadable(), "{there}");
    let rest = load(config(folder.path()), url, &run).await.unwrap();
    assert_eq!(rest.created + report.created, small.loadable());
    Dump::of(url).await.assert_each_once(small.loadable());
    reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();
}

/// A Flex that answers POSTs with 502 (those of one name without carrying them out) and ignores every filter of a list.
async fn poor_gateway(server: String, lost: &'static str) -> String {
    let http = reqwest::Client::new();
    let host = server.strip_suffix("/api").unwrap().to_owned();
    let answer = move |request: axum::extract::Request| {
        let (http, host) = (http.clone(), host.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let mut path = parts.uri.path().to_owned();
            let posted = parts.method == "POST" && path == "/api/assets";
            if posted && String::from_utf8_lossy(&body).contains(lost) {
                return (axum::http::StatusCode::BAD_GATEWAY, Vec::new());
            }
            if path.starts_with("/api/assets;") {
                path = "/api/assets;sortBy=id;sort=asc;limit=1000".to_owned();
            }
            let reply = http.request(parts.method, format!("{host}{path}")).headers(parts.headers).body(body);
            let reply = reply.send().await.unwrap();
            let status = if posted { axum::http::StatusCode::BAD_GATEWAY } else { reply.status() };
            (status, reply.bytes().await.unwrap().to_vec())
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_proven_is_held_and_never_posted_again() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let gateway = poor_gateway(server.base_url().to_owned(), "Project-3").await;
    let small = rows(10, 6);
    let run = write_run(folder.path(), "r1", &small).await;
    let named = LoadConfig { identity: Some("the only one".into()), ..config(folder.path()) };
    let report = load(named.clone(), &gateway, &run).await.unwrap();
    // The answers to all others were lost too, but they are there to be found.
    assert_eq!((report.created, report.held, report.failed), (14, 1, 0), "{report:?}");
    let again = load(named.clone(), &gateway, &run).await.unwrap();
    assert_eq!((again.created, again.unchanged, again.held), (0, 14, 1));
    let dump = Dump::of(server.base_url()).await;
    dump.assert_each_once(14);
    let posted: u64 = dump.totals.iter().filter(|((route, _), _)| route == "POST /assets").map(|(_, n)| n).sum();
    assert_eq!(posted, 14, "no asset was posted twice");
    let prepared = Load::prepare(named.clone(), mapped::client(&gateway), run.clone()).await.unwrap();
    assert_eq!(prepared.plan(None).await.unwrap().counts.held, 1);
    assert_eq!(prepared.ledger().troubles(9).await.unwrap()[0].source_key, "Project:3");
    drop(prepared);
    // Asked directly, the target can prove that it is absent.
    let healed = load(named, server.base_url(), &run).await.unwrap();
    assert_eq!((healed.created, healed.held), (1, 0));
    Dump::of(server.base_url()).await.assert_each_once(15);
}

/// Such a target says that nothing is there of an asset that it has just made.
#[tokio::test(flavor = "multi_thread")]
async fn searches_that_never_show_anything_prove_nothing() {
    let folder = TempDir::new().unwrap();
    // The first is looked up while the target is blank, which proves that it is not there, and only that.
    let faults =
        ["no-lookup=nothing", "status=504:POST /assets:first=1", "drop-after-commit:POST /assets:every=4:after=1"];
    let server = flex(Personality::Both, &faults);
    let run = write_run(folder.path(), "r1", &rows(20, 4)).await;
    for _ in 0..2 {
        let report = load(config(folder.path()), server.base_url(), &run).await.unwrap();
        assert_eq!((report.failed, report.held), (0, 5), "{report:?}");
        let dump = Dump::of(server.base_url()).await;
        dump.assert_each_once(22);
        let posts = dump.totals.iter().filter(|((route, _), _)| route == "POST /assets");
        assert_eq!(posts.map(|(_, count)| count).sum::<u64>(), 23, "no other is sent again: {:?}", dump.totals);
    }
    // Where they do show something, what is held is found.
    server.set_faults(Vec::new());
    let report = load(config(folder.path()), server.base_url(), &run).await.unwrap();
    assert_eq!((report.held, report.adopted), (0, 5), "{report:?}");
    Dump::of(server.base_url()).await.assert_each_once(22);
}

/// The child of the test below: loads what the environment names, and may be killed at any moment.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by killed_loads_resume"]
async fn killed_load() {
    let folder = std::path::PathBuf::from(std::env::var("KILLED_LOAD_FOLDER").unwrap());
    let url = std::env::var("KILLED_LOAD_URL").unwrap();
    let run = mapped::run_of(&folder, "r1");
    load(config(&folder), &url, &run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_loads_resume() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["delay-ms=2:*", "drop-after-commit:POST /assets:every=40"]);
    let url = server.base_url();
    let small = rows(500, 20);
    let run = write_run(folder.path(), "r1", &small).await;
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "load::killed_load", "--ignored", "--test-threads=1"])
            .env("KILLED_LOAD_FOLDER", folder.path())
            .env("KILLED_LOAD_URL", url)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let until = tokio::time::Instant::now() + Duration::from_millis(60 + fastrand::u64(0..120));
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if kills < 25 && tokio::time::Instant::now() > until {
                break None;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        match ended {
            Some(status) => {
                assert!(status.success());
                break;
            }
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
            }
        }
    }
    println!("killed {kills} times");
    assert!(kills > 2, "the load was too fast to be killed");
    Dump::of(url).await.assert_each_once(small.loadable());
    assert_eq!(load(config(folder.path()), url, &run).await.unwrap().requests, 0);
    reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();
}

/// Not a check of a number: prints what a load over loopback reaches.
#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_shown() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let run = write_run(folder.path(), "r1", &rows(10, 3_000)).await;
    let report = load(config(folder.path()), server.base_url(), &run).await.unwrap();
    println!("{:.0} requests a second, {} assets", report.requests_per_second, report.created);
    assert_eq!(report.created, 3_009);
}
