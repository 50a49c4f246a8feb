//! What people do with the ledger: rebuild it, take back what a run created, remove what is gone, look at rejects and send
//! them again, plan for production, read its tables.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use serde_json::{Value, json};
use telecine::dataflow::Progress;
use telecine::flex::{ExternalId, FlexClient, FlexConfig, NewAsset};
use telecine::load::ledger::Intent;
use telecine::load::{Deletion, Ledger, Load, LoadConfig, RebuildReport, Removal, Threshold, uuid_of};
use telecine::rehearsal::flex::Personality;
use telecine::staging::RunFolder;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::mapped::{self, Dump, Writes, client, config, flex, load, rows, tamper, write_run};
use crate::reconcile::reconcile;
use crate::support::{FLEX_PASSWORD, FLEX_USER, Flex, PATIENCE, Source, Workplace, wait_for};

async fn rebuild(config: LoadConfig, url: &str, run: &RunFolder) -> telecine::Result<RebuildReport> {
    let load = Load::prepare(config, client(url), run.clone()).await?;
    load.rebuild(&Progress::default(), &CancellationToken::new()).await
}

fn forget(folder: &TempDir) {
    let aside = Ledger::set_aside(&folder.path().join("dev.sqlite3")).unwrap().unwrap();
    assert!(aside.exists(), "nothing is deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_ledger_is_rebuilt_from_the_target() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let small = rows(40, 7);
    let run = write_run(folder.path(), "r1", &small).await;
    load(config(folder.path()), url, &run).await.unwrap();
    let known = rebuild(config(folder.path()), url, &run).await.unwrap_err();
    assert_eq!(known.exit_code(), 2);
    assert!(known.to_string().contains("--force"), "{known}");

    forget(&folder);
    let refused = load(config(folder.path()), url, &run).await.unwrap_err().to_string();
    assert!(refused.contains("telecine ledger rebuild"), "{refused}");
    let before = Dump::of(url).await;
    let report = rebuild(config(folder.path()), url, &run).await.unwrap();
    assert_eq!((report.listed, report.rows, report.equal), (43, 43, 43));
    assert_eq!((report.different, report.missing, report.duplicates, report.strangers), (0, 0, 0, 0));
    assert_eq!(load(config(folder.path()), url, &run).await.unwrap().unchanged, 43);
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(Dump::of(url).await.requests(method), before.requests(method), "nothing was written");
    }
    reconcile(config(folder.path()), url, &run).await.require_equal().unwrap();

    // A rebuilt ledger knows no longer which run created what, and says so.
    let unknown = Removal::of_run(&config(folder.path()), client(url), "r1").await.unwrap_err().to_string();
    assert!(unknown.contains("(rebuilt) (43)"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_written_again_and_what_is_there_twice_is_held() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(20, 3)).await;
    // Two projects are not there yet.
    let first = write_run(folder.path(), "r0", &rows(20, 1)).await;
    load(config(folder.path()), url, &first).await.unwrap();
    let dump = Dump::of(url).await;
    let id = |external: &str| dump.asset(external)["id"].as_i64().unwrap();
    tamper(url, json!({"asset": id("Collection-4"), "field": "title", "value": "falsified"})).await;
    client(url).rename_asset(id("Collection-5"), "another name").await.unwrap();
    tamper(url, json!({"asset": id("Collection-7"), "field": "parent", "value": {"id": id("Collection-8")}})).await;
    let definition = client(url).definition("assetType_Project").await.unwrap().unwrap().id;
    let strange = |value: &str, uuid: &str| NewAsset {
        name: "by hand".into(),
        asset_type: "group-asset".into(),
        definition,
        uuid: uuid.into(),
        external_id: Some(ExternalId { key: "reach".into(), value: value.into() }),
    };
    client(url).create_asset(&strange("Nobody-1", "5f0c3f4e-0000-4000-8000-000000000001")).await.unwrap();
    client(url).create_asset(&strange("Collection-3", "5f0c3f4e-0000-4000-8000-000000000002")).await.unwrap();

    forget(&folder);
    let report = rebuild(config(folder.path()), url, &run).await.unwrap();
    // Collection:2 refers to what is there twice, and has nothing to point to for now.
    assert_eq!((report.different, report.missing, report.duplicates, report.strangers), (4, 2, 1, 1));
    assert_eq!((report.listed, report.equal), (21, 14));
    assert_eq!(report.stranger_assets[0].external_id, "Nobody-1");
    assert_eq!(report.duplicate_assets[0].source_key, "Collection:3");
    assert_eq!(report.duplicate_assets[0].ids[0], id("Collection-3"));
    assert_eq!(report.verdict().unwrap_err().exit_code(), 3);

    let prepared = Load::prepare(config(folder.path()), client(url), run.clone()).await.unwrap();
    let plan = prepared.plan(None).await.unwrap();
    assert_eq!((plan.counts.create, plan.counts.held), (2, 1), "{plan:?}");
    drop(prepared);
    // By its uuid it is found; the other one with its external id is for people to remove.
    load(config(folder.path()), url, &run).await.unwrap();
    let after = reconcile(config(folder.path()), url, &run).await;
    assert_eq!((after.different, after.missing, after.duplicates), (0, 0, 1), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_broken_off_is_no_ledger_and_goes_on() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(30, 2)).await;
    load(config(folder.path()), url, &run).await.unwrap();
    forget(&folder);
    rebuild(config(folder.path()), url, &run).await.unwrap();
    let prepared = Load::prepare(config(folder.path()), client(url), run.clone()).await.unwrap();
    prepared.ledger().remember("rebuild", "begun").await.unwrap();
    drop(prepared);
    let refused = load(config(folder.path()), url, &run).await.unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    assert!(refused.to_string().contains("rebuilt in part only"), "{refused}");
    assert_eq!(rebuild(config(folder.path()), url, &run).await.unwrap().equal, 29);
    assert_eq!(load(config(folder.path()), url, &run).await.unwrap().requests, 0);
}

async fn remove(removal: &Removal, most: Threshold) -> telecine::Result<telecine::load::RemovalReport> {
    removal.apply(most, &Progress::default(), &CancellationToken::new()).await
}

const ALL: Threshold = Threshold::Share(1.0);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_created_is_taken_back_and_can_be_loaded_anew() {
    for deletion in [Deletion::Action, Deletion::Delete] {
        let folder = TempDir::new().unwrap();
        let (locked, dropped) = match deletion {
            Deletion::Action => {
                ("status=409:POST /assets/*/actions:first=2", "drop-after-commit:POST /assets/*/actions:every=4")
            }
            Deletion::Delete => ("status=409:DELETE /assets/*:first=2", "drop-after-commit:DELETE /assets/*:every=4"),
        };
        let server = flex(Personality::Both, &[locked, dropped]);
        let url = server.base_url();
        let settings = LoadConfig { deletion, ..config(folder.path()) };
        let first = write_run(folder.path(), "r1", &rows(20, 3)).await;
        load(settings.clone(), url, &first).await.unwrap();
        let second = write_run(folder.path(), "r2", &rows(30, 3)).await;
        load(settings.clone(), url, &second).await.unwrap();
        Dump::of(url).await.assert_each_once(30);

        let removal = Removal::of_run(&settings, client(url), "r2").await.unwrap();
        let plan = removal.plan().await.unwrap();
        assert_eq!((plan.remove, plan.unclear, plan.of, plan.queries["collection"]), (9, 0, 30, 9));
        assert_eq!(plan.keys[0], "Collection:20");
        let refused = remove(&removal, Threshold::Share(0.1)).await.unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("9 of the 30 assets"), "{refused}");
        assert_eq!(gone(url).await, 0, "nothing was sent");

        let report = remove(&removal, ALL).await.unwrap();
        assert_eq!((report.removed, report.left), (7, 2), "{report:?}");
        assert!(report.left_assets[0].message.contains("409"), "{report:?}");
        assert_eq!(report.verdict().unwrap_err().exit_code(), 3);
        // The same again goes on with those that are left.
        assert_eq!(removal.plan().await.unwrap().remove, 2);
        let rest = remove(&removal, ALL).await.unwrap();
        assert_eq!((rest.removed, rest.left), (2, 0), "{rest:?}");
        assert_eq!(gone(url).await, 9);
        drop(removal);
        let none = Removal::of_run(&settings, client(url), "r2").await.unwrap_err().to_string();
        assert!(none.contains("r1 (21)"), "{none}");

        // What referred to them is linked anew, and what was removed is made anew.
        let again = load(settings.clone(), url, &second).await.unwrap();
        assert_eq!((again.created, again.failed, again.held), (9, 0, 0), "{again:?}");
        reconcile(settings, url, &second).await.require_equal().unwrap();
    }
}

/// A load that was killed leaves intents behind: what came of them is looked up before it is removed.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_load_may_have_created_is_looked_up() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(10, 2)).await;
    let prepared = Load::prepare(config(folder.path()), client(url), run).await.unwrap();
    let intent = |key: &str| Intent {
        source_key: key.to_owned(),
        query: "collection".to_owned(),
        uuid: uuid_of(key),
        name: key.to_owned(),
        payload: [7; 32],
        run: "r1".to_owned(),
        request: None,
        made: None,
        fresh: true,
    };
    let keys = ["Collection:1", "Collection:2", "Collection:3"];
    prepared.ledger().intend(keys.map(intent).into()).await.unwrap();
    prepared.ledger().unknown("Collection:3", "no answer", None).await.unwrap();
    let definition = prepared.bound()[0].definition.id;
    drop(prepared);
    for key in [keys[0], keys[2]] {
        let (name, asset_type, uuid) = (key.to_owned(), "group-asset".to_owned(), uuid_of(key));
        client(url).create_asset(&NewAsset { name, asset_type, definition, uuid, external_id: None }).await.unwrap();
    }
    let removal = Removal::of_run(&config(folder.path()), client(url), "r1").await.unwrap();
    let plan = removal.plan().await.unwrap();
    assert_eq!((plan.remove, plan.unclear), (3, 3));
    let report = remove(&removal, Threshold::Count(3)).await.unwrap();
    assert_eq!((report.removed, report.absent, report.left), (2, 1, 0), "{report:?}");
    assert_eq!(gone(url).await, 2);
    // Nobody knows more of the one that was not there: the next load looks it up once more.
    assert_eq!(removal.plan().await.unwrap().keys, ["Collection:2"]);
}

/// A search that shows nothing of what is there proves nothing of what is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_shows_nothing_proves_no_absence() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &["no-lookup=nothing", "drop-after-commit:POST /assets:every=4"]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(20, 4)).await;
    let held = load(config(folder.path()), url, &run).await.unwrap().held;
    assert!(held > 0);
    let removal = Removal::of_run(&config(folder.path()), client(url), "r1").await.unwrap();
    let plan = removal.plan().await.unwrap();
    assert_eq!((plan.remove, plan.unclear, plan.of), (22, held, 22));
    // All of them are no more than a hundred in a hundred.
    let report = remove(&removal, Threshold::Share(1.0)).await.unwrap();
    assert_eq!((report.removed, report.absent, report.left), (22 - held, 0, held), "{report:?}");
    assert_eq!(report.verdict().unwrap_err().exit_code(), 3);
}

/// Assets in the bin.
async fn gone(url: &str) -> usize {
    Dump::of(url).await.assets.values().flatten().filter(|asset| asset["deleted"] == true).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_row_stands_for_is_removed_within_the_cap() {
    let folder = TempDir::new().unwrap();
    let server = flex(Personality::Both, &[]);
    let url = server.base_url();
    let run = write_run(folder.path(), "r1", &rows(40, 5)).await;
    load(config(folder.path()), url, &run).await.unwrap();
    let fewer = write_run(folder.path(), "r2", &rows(40, 2)).await;
    load(config(folder.path()), url, &fewer).await.unwrap();

    let gone_of = async |run: &RunFolder| {
        Removal::of_gone(Load::prepare(config(folder.path()), client(url), run.clone()).await.unwrap()).await
    };
    let removal = gone_of(&fewer).await.unwrap();
    let plan = removal.plan().await.unwrap();
    assert_eq!((plan.remove, plan.of, plan.referring), (3, 41, Some(0)));
    assert_eq!(plan.keys, ["Project:2", "Project:3", "Project:4"]);
    assert_eq!(remove(&removal, Threshold::Count(2)).await.unwrap_err().exit_code(), 2);
    let stopped = CancellationToken::new();
    stopped.cancel();
    let nothing = removal.apply(ALL, &Progress::default(), &stopped).await.unwrap();
    assert_eq!((nothing.interrupted, nothing.removed, gone(url).await), (true, 0, 0));
    // Somebody was quicker.
    let taken = Dump::of(url).await.asset("Project-3")["id"].clone();
    tamper(url, json!({"asset": taken, "deleted": true})).await;
    let report = remove(&removal, Threshold::Share(0.1)).await.unwrap();
    assert_eq!((report.removed, report.left), (3, 0), "{report:?}");
    drop(removal);
    let prepared = Load::prepare(config(folder.path()), client(url), fewer.clone()).await.unwrap();
    let plan = prepared.plan(None).await.unwrap();
    assert_eq!((plan.gone, plan.to_send()), (0, 0));
    drop(prepared);
    mapped::write_report(&fewer, &["the balance does not close"]).await;
    assert_eq!(gone_of(&fewer).await.unwrap_err().exit_code(), 2, "rows may be lacking for another reason");
}

/// How often the removing process is killed.
const KILLS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_killed_again_and_again_removes_everything_once() {
    let flex =
        Flex::start(&["--fault", "delay-ms=4:*", "--fault", "drop-after-commit:POST /assets/*/actions:every=9"]).await;
    let place = Workplace::of_files(&[("migration.toml", "")]);
    place.add_target("dev", &flex.url, "max_in_flight = 4");
    let small = rows(200, 10);
    let run = write_run(place.path(), "r1", &small).await;
    let client = FlexClient::new(&FlexConfig::new(&flex.url, FLEX_USER, FLEX_PASSWORD)).unwrap();
    let settings = LoadConfig { ledger: place.path().join("ledger/dev.sqlite3"), ..config(place.path()) };
    let prepared = Load::prepare(settings, client, run).await.unwrap();
    let loaded = prepared.apply(&Progress::default(), &CancellationToken::new()).await.unwrap();
    assert_eq!(loaded.created, small.loadable());
    drop(prepared);

    let undo = "undo --run r1 --yes --max 100% -q --output json";
    let removed = async || flex.assets().await.values().filter(|asset| asset["deleted"] == true).count() as u64;
    for kill in 0..KILLS {
        let moment = small.loadable() * kill / KILLS + fastrand::u64(1..20);
        let mut child = place.call(undo).spawn().unwrap();
        wait_for("the moment", PATIENCE, async || (removed().await >= moment).then_some(())).await;
        assert!(child.try_wait().unwrap().is_none(), "it ended before {moment} were removed");
        child.kill().await.unwrap();
    }
    let (there, last) = (small.loadable() - removed().await, place.run(undo).await.code(0).json());
    // Those that a killed process had removed and not yet entered are asked for once more.
    assert!(last["removed"].as_u64().unwrap() >= there && last["left"] == 0, "{last}");
    assert_eq!(removed().await, small.loadable());
    place.run(undo).await.code(2);
}

const PROJECT: [(&str, &str); 3] = [
    (
        "migration.toml",
        "[definitions]\ncollection = { definition = \"assetType_Collection\", asset_type = \"group-asset\" }\n\
         [load]\nexternal_id_key = \"reach\"\nexternal_id_column = \"externalId\"\n",
    ),
    ("1_select/candidates.sql", CANDIDATES),
    ("4_map/collection.sql", COLLECTION),
];
const CANDIDATES: &str = "-- Every film is a candidate.
-- key: source_key
select concat('Film:', cast(id as varchar)) as source_key, 'Film' as class, id from public.film
";
const COLLECTION: &str = r#"-- Films as collections.
-- materialise: parquet, json
-- key: source_key
select
    c.source_key,
    case when f.title is null then 'reject' else 'load' end as disposition,
    case when f.title is null then 'MISSING_TITLE' end as reason,
    cast(null as varchar) as details,
    warn('title', f.title, case when f.title = 'odd' then 'ODD' end) as warnings,
    f.title as name,
    f.title,
    concat('film-', cast(f.id as varchar)) as "externalId",
    f.id as "legacyId",
    'Manual' as "collectionKind"
from candidates c join public.film f on f.id = c.id
"#;
const FILMS: &str = "
    create table film (id bigint primary key, title text);
    insert into film select i, case when i % 10 = 0 then null else 'Film ' || i end from generate_series(1, 40) i;
    analyze";

#[tokio::test(flavor = "multi_thread")]
async fn rejects_traces_and_tables_through_the_binary() {
    let source = Source::of_sql(FILMS).await;
    let flex = Flex::start(&["--fault", "status=400:POST /assets:first=3"]).await;
    let place = Workplace::of_files(&PROJECT).with_source(&source);
    place.add_target("dev", &flex.url, "canary = 0\nmax_failures = \"50%\"\ndrain = \"5s\"");
    place.json("extract --run r -q").await;
    place.json("transform --run r -q").await;
    let before = place.json("rejects list --run r").await;
    assert_eq!(before["counts"], json!([{"at": "transform", "state": "rejected", "reason": "MISSING_TITLE", "n": 4}]));

    // With few rows under way the first refusals are seen before the rest is sent.
    let stopped = place.run("load --run r -q --max-failures 2").await.code(3);
    assert!(stopped.stderr.contains("telecine rejects list --target dev"), "{}", stopped.stderr);
    place.run("load --run r -q --max-failures many").await.code(2);
    rejects_are_listed_and_sent_again(&place).await;
    place.json("load --run r -q").await;
    the_ledger_is_a_table(&place, &flex).await;

    let trace = place.json("trace Film:7 --run r --target dev").await;
    let (asset, found) = (&trace["ledger"]["asset"], &trace["ledger"]["flex"]);
    assert_eq!(
        (&asset["state"], &found["found"], &found["differences"]),
        (&json!("complete"), &json!(true), &json!([]))
    );
    let requests = trace["ledger"]["requests"].as_array().unwrap();
    let steps: Vec<&str> = requests.iter().map(|sent| sent["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["attributes", "create"]);
    flex.tamper(json!({"asset": asset["flex_id"], "field": "title", "value": "falsified"})).await;
    let text = place.run("trace Film:7 --run r --target dev").await.code(0).stdout;
    assert!(text.contains("title: falsified where Film 7 was mapped"), "{text}");
    assert!(!text.contains(FLEX_PASSWORD), "{text}");
    a_ledger_in_use_is_shown_as_it_was(&place, &flex).await;
    let alone = place.json("trace Film:7 --run r").await;
    assert_eq!((&alone["ledger"]["asset"]["state"], &alone["ledger"]["flex"]), (&json!("complete"), &Value::Null));
}

async fn rejects_are_listed_and_sent_again(place: &Workplace) {
    let listed = place.json("rejects list --run r").await;
    let of_load: Vec<&Value> = listed["rows"].as_array().unwrap().iter().filter(|row| row["at"] == "load").collect();
    assert!(of_load.len() >= 3, "{listed}");
    assert!(of_load.iter().all(|row| row["state"] == "failed" && row["reason"] == "HTTP 400"), "{listed}");
    let csv = place.run("rejects list --run r --all --output csv").await.code(0).stdout;
    assert_eq!(csv.lines().count(), 1 + 4 + of_load.len(), "{csv}");
    assert!(csv.starts_with("source_key,at,state,reason,message,request_id,flex_id\n"), "{csv}");
    let table = place.run("rejects list --run r").await.code(0).stdout;
    assert!(table.contains("MISSING_TITLE") && table.contains("HTTP 400"), "{table}");
    let replayed = place.json("rejects replay --run r -q").await;
    assert_eq!(replayed["created"], json!(of_load.len()), "those alone were sent: {replayed}");
    assert_eq!(place.json("rejects list --run r").await["counts"].as_array().unwrap().len(), 1);
}

/// While a load holds the ledger, looking shows its last copy and says so; changing is refused.
async fn a_ledger_in_use_is_shown_as_it_was(place: &Workplace, flex: &Flex) {
    let _held = Ledger::open(&place.path().join("ledger/dev.sqlite3"), "dev", &flex.url).unwrap();
    for line in ["rejects list --run r", "trace Film:7 --run r"] {
        let told = place.run(line).await.code(0).stderr;
        assert!(told.contains(&format!("in use by process {}", std::process::id())), "{line}: {told}");
    }
    for line in ["undo --run r --yes", "ledger rebuild --run r --force"] {
        let refused = place.run(line).await;
        assert!(refused.code != Some(0) && refused.stderr.contains("in use by process"), "{line}: {}", refused.stderr);
    }
}

async fn the_ledger_is_a_table(place: &Workplace, flex: &Flex) {
    let sql = async |statement: &str| {
        let mut call = place.call("sql --run r --output json");
        crate::support::run(call.arg(statement)).await.code(0).json()["rows"].clone()
    };
    assert_eq!(
        sql("select state, count(*) as n from ledger.assets group by state").await,
        json!([{"state": "complete", "n": 36}])
    );
    let sent = "select step, count(*) as n from ledger.requests where status < 300 group by step order by step";
    assert_eq!(sql(sent).await, json!([{"step": "attributes", "n": 36}, {"step": "create", "n": 36}]));
    let assets = flex.assets().await;
    let ids =
        sql("select a.flex_id, a.uuid from ledger.assets a join collection c on c.source_key = a.source_key").await;
    for row in ids.as_array().unwrap() {
        assert_eq!(assets[row["uuid"].as_str().unwrap()]["id"], row["flex_id"]);
    }
    for name in ["ledger.sqlite", "assets.parquet", "requests.parquet"] {
        assert!(place.path().join("staging/ledger/dev").join(name).exists(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn production_is_loaded_by_its_plan_and_a_run_is_undone_through_the_binary() {
    let source = Source::of_sql(FILMS).await;
    let (flex, other) = (Flex::start(&[]).await, Flex::start(&[]).await);
    let place = Workplace::of_files(&PROJECT).with_source(&source);
    place.add_target("prod", &flex.url, "production = true");
    place.json("extract --run r -q").await;
    place.json("transform --run r -q").await;
    let unplanned = place.run("load --run r -q --yes").await.code(2);
    assert!(unplanned.stderr.contains("telecine plan --target prod --run r"), "{}", unplanned.stderr);
    place.json("plan --run r -q").await;
    assert!(place.run_folder("r").join("plan/prod.json").exists());
    place.run("load --run r -q").await.code(2);

    // The same name, another server; then other rows.
    let mut elsewhere = place.call("load --run r -q --yes");
    elsewhere.env("TELECINE_FLEX_PROD_URL", &other.url).env("TELECINE_LOAD_LEDGER", place.path().join("other"));
    let elsewhere = crate::support::run(&mut elsewhere).await.code(2);
    assert!(elsewhere.stderr.contains("it was made for"), "{}", elsewhere.stderr);
    assert!(other.assets().await.is_empty());
    place.write("4_map/collection.sql", &COLLECTION.replace("f.title as name", "concat(f.title, '.') as name"));
    place.json("transform --run r -q").await;
    let stale = place.run("load --run r -q --yes").await.code(2);
    assert!(stale.stderr.contains("the rows of collection are others"), "{}", stale.stderr);
    assert_eq!(flex.assets().await.len(), 0);
    place.json("plan --run r -q").await;
    // The same rows, made into something else.
    let mut changed = place.call("load --run r -q --yes");
    let changed = crate::support::run(changed.env("TELECINE_LOAD_EXTERNAL_ID_KEY", "other")).await.code(2);
    assert!(changed.stderr.contains("the settings have changed, now: external id other"), "{}", changed.stderr);
    assert_eq!(place.json("load --run r -q --yes").await["created"], json!(36));

    let planned = place.json("undo --run r").await;
    assert_eq!((&planned["remove"], &planned["sent"]), (&json!(36), &json!(false)));
    place.run("undo --run r --yes -q").await.code(2);
    place.run("undo --run never --yes -q").await.code(2);
    let undone = place.json("undo --run r --yes --max 100% -q").await;
    assert_eq!((&undone["removed"], &undone["left"]), (&json!(36), &json!(0)));
    assert!(flex.assets().await.values().all(|asset| asset["deleted"] == true));
    assert_eq!(place.json("plan --run r -q").await["create"], json!(36));
    place.json("prune --run r -q").await;

    std::fs::remove_dir_all(place.path().join("ledger")).unwrap();
    let rebuilt = place.json("ledger rebuild --run r -q").await;
    assert_eq!((&rebuilt["missing"], &rebuilt["listed"]), (&json!(36), &json!(0)));
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&format!("completions {shell}")).await.code(0).stdout;
        assert!(script.contains("telecine") && script.contains("rejects"), "{script}");
    }
}
