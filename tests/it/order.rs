//! Parents before children: a definition that requires a reference, on a target that enforces it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use arrow::array::ListArray;
use serde_json::{Value, json};
use telecine::load::{Attributes, LoadConfig};
use telecine::rehearsal::flex::{LocalFlex, Personality};
use telecine::staging::RunFolder;
use tempfile::TempDir;

use crate::mapped::{self, Dump, batch, flex, list, load, rows, run_of, structure, texts};
use crate::plan::truthful;

/// A collection: its key, the key of its parent, keys of its members.
type Spec = (&'static str, &'static str, &'static [&'static str]);

/// Children first; a chain of four below a project; a circle; orphans.
const SPECS: [Spec; 11] = [
    ("C:4", "C:3", &["C:1", "Project:1"]),
    ("C:3", "C:2", &[]),
    ("C:2", "C:1", &["C:4"]),
    ("C:circle-a", "C:circle-b", &[]),
    ("C:circle-b", "C:circle-a", &[]),
    ("C:below-the-circle", "C:circle-a", &[]),
    ("C:own-parent", "C:own-parent", &[]),
    ("C:orphan", "C:nobody", &[]),
    ("C:1", "Project:0", &["C:orphan"]),
    ("C:twin", "C:1", &["C:1"]),
    ("C:below-a-bad-one", "C:bad", &[]),
];

async fn write_run(folder: &Path, id: &str, specs: &[Spec]) -> RunFolder {
    let text = |of: &dyn Fn(&Spec) -> &str| texts(specs.iter().map(|spec| Some(of(spec).to_owned())));
    let keys = specs.iter().flat_map(|spec| spec.2).map(|key| Some((*key).to_owned()));
    let members = list(structure(vec![("source_key", texts(keys))], None), specs.iter().map(|s| s.2.len()).collect());
    let (field, offsets, values, _) = members.as_any().downcast_ref::<ListArray>().unwrap().clone().into_parts();
    let there: Vec<bool> = specs.iter().map(|spec| !spec.2.is_empty()).collect();
    let collections = batch(vec![
        ("source_key", text(&|spec| spec.0)),
        ("disposition", text(&|_| "load")),
        ("name", text(&|spec| spec.0)),
        ("title", text(&|spec| spec.0)),
        ("externalId", text(&|spec| spec.0)),
        // One is not of the options that the definition has.
        ("collectionKind", text(&|spec| if spec.0 == "C:bad" { "Odd" } else { "Manual" })),
        ("parent", structure(vec![("source_key", text(&|spec| spec.1))], None)),
        ("members", Arc::new(ListArray::new(field, offsets, values, Some(there.into())))),
    ]);
    let run = run_of(folder, id);
    mapped::write_dataset(&run, "collection", collections).await;
    mapped::write_dataset(&run, "project", mapped::projects(&rows(0, 4))).await;
    mapped::write_report(&run, &[]).await;
    run
}

/// A Flex on which a collection needs a parent.
async fn strict(faults: &[&str]) -> LocalFlex {
    let server = flex(Personality::Both, &[&["enforce-required"], faults].concat());
    let url = server.base_url();
    let client = mapped::client(url);
    let id = client.definition("assetType_Collection").await.unwrap().unwrap().id;
    let mut answer = client.definition_answer(id).await.unwrap();
    let fields = answer["definition"].as_array_mut().unwrap();
    fields.iter_mut().find(|field| field["name"] == "parent").unwrap()["required"] = json!(true);
    let body = json!({"definition": fields}).to_string();
    let request = mapped::http().put(format!("{url}/metadataDefinitions/{id}/definition"));
    let request = request.basic_auth("rehearsal", Some("rehearsal")).header("content-type", "application/json");
    assert!(request.body(body).send().await.unwrap().status().is_success());
    server
}

fn config(folder: &Path) -> LoadConfig {
    let mut config = mapped::config(folder);
    // The queries stand in the wrong order on purpose.
    assert_eq!(config.bindings[0].query, "collection");
    config.canary = 1;
    config
}

fn parent(dump: &Dump, key: &str) -> Value {
    dump.asset(key)["instance"]["parent"]["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_requires_is_there_before_it() {
    for attributes in [Attributes::Annotations, Attributes::Metadata] {
        let folder = TempDir::new().unwrap();
        let server = strict(&[]).await;
        let url = server.base_url();
        let config = LoadConfig { attributes, ..config(folder.path()) };
        let specs = [&SPECS[..], &[("C:bad", "C:1", &[])]].concat();
        let run = write_run(folder.path(), "r1", &specs).await;
        let planned = truthful(config.clone(), &server, &run).await;
        assert_eq!((planned.counts.create, planned.counts.invalid), (4 + 5, 7), "{planned:?}");
        let dump = Dump::of(url).await;
        dump.assert_each_once(9);
        for (child, of) in [("C:1", "Project-0"), ("C:2", "C:1"), ("C:3", "C:2"), ("C:4", "C:3"), ("C:twin", "C:1")] {
            assert_eq!(parent(&dump, child), dump.asset(of)["id"], "{child}");
        }
        assert_eq!(dump.asset("C:2")["instance"]["members"], json!([{"id": dump.asset("C:4")["id"]}]));

        // The next load tries the failed ones again, and no others.
        let report = load(config.clone(), url, &run).await.unwrap();
        assert_eq!((report.created, report.unchanged, report.failed), (0, 9, 7), "{report:?}");
        assert_eq!((report.failures["INVALID"], report.failures["REQUIRED_REFERENCE"]), (1, 6), "{report:?}");
        let prepared = telecine::load::Load::prepare(config.clone(), mapped::client(url), run).await.unwrap();
        let orphan = prepared.ledger().asset("C:orphan").await.unwrap().unwrap();
        assert!(orphan.message.unwrap().starts_with("parent is required and refers to C:nobody"));
        drop(prepared);

        // Children move: each stays below something at every moment.
        let mut moved = SPECS;
        moved[0].1 = "Project:2";
        moved[8].1 = "C:new";
        let moved = [&moved[..], &[("C:bad", "C:1", &[]), ("C:new", "Project:3", &[])]].concat();
        let run = write_run(folder.path(), "r2", &moved).await;
        let planned = truthful(config.clone(), &server, &run).await;
        assert_eq!((planned.counts.create, planned.counts.update), (1, 2), "{planned:?}");
        let dump = Dump::of(url).await;
        assert_eq!(parent(&dump, "C:4"), dump.asset("Project-2")["id"]);
        assert_eq!(parent(&dump, "C:1"), dump.asset("C:new")["id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_row_that_fails_is_told_and_comes_with_it() {
    let folder = TempDir::new().unwrap();
    // The fifth creation is that of the first collection: four projects are before it.
    let server = strict(&["status=400:POST /assets:after=4:first=1"]).await;
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &[SPECS[0], SPECS[1], SPECS[2], SPECS[8], SPECS[9]]).await;
    let report = load(config(folder.path()), url, &run).await.unwrap();
    assert_eq!((report.created, report.failed), (4, 5), "{report:?}");
    assert_eq!(report.failures["REQUIRED_REFERENCE"], 4, "{report:?}");
    let report = load(LoadConfig { only_rejects: true, ..config(folder.path()) }, url, &run).await.unwrap();
    assert_eq!((report.created, report.failed), (5, 0), "{report:?}");
    let limited = write_run(folder.path(), "r2", &[SPECS[0], SPECS[1], SPECS[2], SPECS[8], SPECS[9]]).await;
    let report = load(LoadConfig { limit: Some(1), ..config(folder.path()) }, url, &limited).await.unwrap();
    assert_eq!((report.unchanged, report.failed), (9, 0), "{report:?}");
}
