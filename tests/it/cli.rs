//! The command line: exit codes, messages, settings, secrets, results.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use url::Url;

use crate::support::{
    Done, FLEX_PASSWORD, FLEX_USER, Flex, PATIENCE, Source, Workplace, files, finish, lives, run, telecine,
};

/// Must turn up in no output, no file and no command line.
const SOURCE_PASSWORD: &str = "canary-source-7f3a9d";

const SETTINGS: &str = r#"
[load]
external_id_key = "reach"
external_id_column = "externalId"
[definitions.collection]
definition = "assetType_Collection"
asset_type = "group-asset"
"#;

const CANDIDATES: &str = "-- Every film.\n-- key: source_key\nselect concat('Film:', cast(id as varchar)) as source_key, id from public.film";

const COLLECTION: &str = r#"-- Films as collections.
-- materialise: parquet, json
-- key: source_key
select
    c.source_key,
    case when f.title is null then 'reject' else 'load' end as disposition,
    case when f.title is null then 'MISSING_TITLE' end as reason,
    cast(null as varchar) as details,
    warn('description', f.notes, case when f.notes = 'odd' then 'ODD_NOTES' end) as warnings,
    f.title as name,
    f.title,
    concat('film-', cast(f.id as varchar)) as "externalId",
    f.id as "legacyId",
    f.notes as description,
    'Manual' as "collectionKind"
from candidates c join public.film f on f.id = c.id
"#;

/// 3,000 films of which 100 have no title, and tables that nothing reads.
const FILMS: &str = "
    create table film (id bigint primary key, title text, notes text);
    insert into film select i, case when i % 30 = 0 then null else 'Film ' || i end, repeat('n', 40)
        from generate_series(1, 3000) i;
    update film set notes = 'odd' where id <= 7;
    create table audit_log (id int, what text); insert into audit_log values (1, 'x');
    create table audit_mail (id int primary key);
    create schema wfe; create table wfe.job (id int primary key); insert into wfe.job values (1), (2);
    create view titles as select title from film;
    analyze";

pub fn films() -> Workplace {
    Workplace::of_files(&[
        ("migration.toml", SETTINGS),
        ("1_select/candidates.sql", CANDIDATES),
        ("4_map/collection.sql", COLLECTION),
    ])
}

/// Every part is in the text, in whatever order.
#[track_caller]
pub fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_the_settings_is_said_at_once() {
    let place = Workplace::of_files(&[(
        "migration.toml",
        r#"
        [source]
        url = "postgres://reader:canary-file-1@db.example.com/studio"
        conections = 4
        exclude = ["[a-"]
        [transform]
        memory = "lots"
        [flex.dev]
        url = "https://flex.example.com/api"
        username = "env:NOBODY_SET_THIS"
        password = "canary-file-2"
        [definitions.promo]
        asset_type = "media-asset"
        "#,
    )]);
    let done = place.run("config").await.code(2);
    has(
        &done.stderr,
        &[
            "unknown key `source.conections`; did you mean `source.connections`?",
            "source.url: a secret must not stand in a file",
            "`[a-` is not a glob",
            "transform.memory = `lots`",
            "NOBODY_SET_THIS is not set",
            "flex.dev.password: a secret must not stand in a file",
            "definitions.promo: `definition` is missing",
            "migration.toml",
        ],
    );
    assert!(!done.stderr.contains("canary-file") && done.stdout.is_empty(), "{}", done.stderr);
    // Every verb that needs settings says the same.
    for verb in ["discover", "extract", "run", "transform", "plan", "load", "reconcile"] {
        assert_eq!(place.run(verb).await.code(2).stderr, done.stderr, "{verb}");
    }
    let broken = Workplace::of_files(&[("migration.toml", "[source\nurl = 1")]);
    has(&broken.run("config").await.code(2).stderr, &["migration.toml"]);
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let place = films();
    has(&place.run("extract").await.code(2).stderr, &["source.url is not set", "--source-url", "TELECINE_SOURCE_URL"]);
    has(&place.run("transform").await.code(2).stderr, &["there is no run in", "telecine extract"]);
    has(&place.run("load").await.code(2).stderr, &["no target is set", "[flex.NAME]"]);
    has(&place.run("verify --run r").await.code(2).stderr, &["there is no run in", "no such folder"]);
    let begun = place.path().join("staging/runs/r");
    fs::create_dir_all(&begun).unwrap();
    fs::write(begun.join("run.json"), r#"{"run": "r", "begun": "2026-01-01T00:00:00Z"}"#).unwrap();
    has(&place.run("verify --run ../r").await.code(2).stderr, &["letters, digits"]);
    has(&place.run("verify --run s").await.code(2).stderr, &["there is no run s in", "the last are: r"]);
    let flex = Flex::start(&[]).await;
    let (root, elsewhere) = (flex.url.trim_end_matches("/api"), ["no Flex answers", "does the URL end in /api?"]);
    place.add_target("one", root, "");
    has(&place.run("load --run r --target two").await.code(2).stderr, &["`two`", "known: one"]);
    has(&place.run("load --run r --target one").await.code(2).stderr, &elsewhere);
    place.add_target("three", root, "production = true");
    has(&place.run("load --run r").await.code(2).stderr, &["choose one with --target: one, three"]);
    let production = place.run("load --run r --target three").await.code(2);
    has(&production.stderr, &["`three` is marked production", "telecine plan", "--yes"]);
    has(&place.run("load --run r --target three --yes").await.code(2).stderr, &elsewhere);
    // Usage errors come from the parser, which knows the nearest verb.
    has(&place.run("extrakt").await.code(2).stderr, &["extract"]);
    has(&place.run("flex serve --fault explode").await.code(2).stderr, &["explode", "drop-after-commit"]);
    // A port that nothing listens on.
    let url = "postgres://reader@127.0.0.1:9/studio";
    let unreachable = place.run(&format!("extract --source-url {url}")).await;
    assert!(matches!(unreachable.code, Some(1 | 2)), "{}", unreachable.stderr);
    has(&unreachable.stderr, &["127.0.0.1:9"]);
    assert_eq!(run(&mut telecine(["--version"])).await.code(0).stdout.trim(), "telecine 0.1.0");
}

#[tokio::test]
async fn unusable_settings_of_pace_are_told_all_at_once() {
    let place = films();
    let pace = "max_in_flight = 0\nmax_requests_per_second = -1\nheadroom = 1.0\npatience = \"nan\"\nretries = -1\nsettle = -2";
    place.add_target("dev", "http://127.0.0.1:9/api", pace);
    let refused = place.run("config").await.code(2).stderr;
    for key in ["max_in_flight", "max_requests_per_second", "headroom", "patience", "retries", "settle"] {
        has(&refused, &[&format!("flex.dev.{key}")]);
    }
}

#[tokio::test]
async fn settings_are_shown_with_their_origin_and_without_secrets() {
    let place = films().set("TELECINE_SOURCE_URL", "postgres://reader:canary-shown@db/studio");
    place.add_target("dev", "http://127.0.0.1:9/api", "max_in_flight = 7");
    let table = place.run("config").await.code(0).stdout;
    has(&table, &["source.url", "environment TELECINE_SOURCE_URL", "********", "env:FLEX_PASSWORD", "default"]);
    let staging = format!("file:{}", place.path().join("elsewhere").display());
    let settings = place.json(&format!("config --staging {staging}")).await;
    let setting = |key: &str| {
        let found = settings["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == key);
        found.unwrap_or_else(|| panic!("{key}: {settings:#}")).clone()
    };
    assert_eq!(setting("flex.dev.max_in_flight")["value"], "7");
    assert_eq!(setting("flex.dev.max_in_flight")["origin"], "file");
    for (key, value) in [("max_requests_per_second", "unlimited"), ("headroom", "0"), ("patience", "300")] {
        assert_eq!(setting(&format!("flex.dev.{key}"))["value"], value);
    }
    assert_eq!(setting("staging.url")["value"], json!(staging));
    assert_eq!(setting("staging.url")["origin"], "flag");
    assert_eq!(setting("source.url")["value"], "********");
    assert_eq!(setting("transform.memory"), json!({"key": "transform.memory", "value": "2GiB", "origin": "default"}));
    for text in [table, settings.to_string()] {
        assert!(!text.contains("canary-") && !text.contains(FLEX_PASSWORD), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_looked_at_and_read_in_part() {
    let source = Source::of_sql(FILMS).await;
    let place = films().with_source(&source);
    let facts = place.json("discover -q --exclude audit_*").await;
    assert_eq!((facts["schema_version"].as_u64(), &facts["tables"]), (Some(1), &json!(4)));
    assert!(facts["size_bytes"].as_u64() > Some(1_000_000), "{facts}");
    has(facts["server_version"].as_str().unwrap(), &["."]);
    assert_eq!((&facts["connection"]["route"], &facts["connection"]["encoding"]), (&json!("direct"), &json!("UTF8")));
    let table = |name: &str| facts["listing"].as_array().unwrap().iter().find(|found| found["name"] == name).unwrap();
    assert_eq!((&table("film")["use"], &table("film")["rows"]), (&json!("read"), &json!(3000)));
    assert_eq!((&table("film")["key"], &table("film")["findings"]), (&json!(["id"]), &json!([])));
    assert_eq!(
        (&table("audit_log")["use"], &table("audit_log")["reason"]),
        (&json!("skipped"), &json!("excluded by the settings"))
    );
    has(&table("audit_log")["findings"].to_string(), &["no primary key"]);
    has(table("titles")["reason"].as_str().unwrap(), &["view"]);
    has(&place.run("discover -q").await.code(0).stdout, &["wfe.job", "3,000", "direct"]);

    let report =
        place.json("extract -q --run part --tables film --tables wfe.* --tables audit_* --exclude audit_log").await;
    let names = |part: &str| -> Vec<String> {
        let list = report[part].as_array().unwrap().iter();
        list.map(|table| format!("{}.{}", table["schema"].as_str().unwrap(), table["name"].as_str().unwrap())).collect()
    };
    assert_eq!(names("tables"), ["public.audit_mail", "public.film", "wfe.job"]);
    assert_eq!(names("skipped"), ["public.audit_log", "public.titles"]);
    assert_eq!(report["skipped"][0]["reason"], "excluded by the settings");
    assert_eq!((&report["run"], &report["rows"]), (&json!("part"), &json!(3002)));
    for part in ["snapshot", "lsn", "bytes", "seconds"] {
        assert!(!report[part].is_null(), "{part}: {report}");
    }
    let verified =
        place.json("verify -q --run part --tables film --tables wfe.* --tables audit_* --exclude audit_log").await;
    assert_eq!(verified["tables"].as_array().unwrap().len(), 3);

    // A query that asks for what is not there stops a run before a row is read.
    place.write("4_map/collection.sql", &COLLECTION.replace("f.title as name", "f.titel as name"));
    place.add_target("dev", "http://127.0.0.1:9/api", "");
    let before = files(&place.path().join("staging"));
    let done = place.run("run -q --run early").await.code(2);
    has(&done.stderr, &["4_map/collection.sql:10:", "`f.titel`", "did you mean", "title"]);
    let written: Vec<String> =
        files(&place.path().join("staging")).into_iter().filter(|file| !before.contains(file)).collect();
    assert!(!written.iter().any(|file| file.contains("/raw/")), "{written:?}");
    // Rows that change behind a run's back: verify tells.
    source.client().await.batch_execute("update film set notes = 'changed' where id = 9").await.unwrap();
    let done =
        place.run("verify -q --run part --tables film --tables wfe.* --tables audit_* --exclude audit_log").await;
    has(&done.code(3).stderr, &["public.film"]);
    source.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_shows_its_results_and_no_secret() {
    let source = Source::of_sql(FILMS).await;
    let role = format!("create role reader superuser login password '{SOURCE_PASSWORD}'");
    source.client().await.batch_execute(&role).await.unwrap();
    let flex = Flex::start(&["--fault", "delay-ms=2:*"]).await;
    let with = |password: &str| {
        let mut url = Url::parse(source.url.expose_secret()).unwrap();
        url.set_username("reader").unwrap();
        url.set_password(Some(password)).unwrap();
        films().set("TELECINE_SOURCE_URL", url.as_str())
    };
    let place = with(SOURCE_PASSWORD);
    place.add_target("dev", &flex.url, "");

    let child = place.call("run -vv --output json").spawn().unwrap();
    let process = child.id().unwrap();
    let (done, seen) = tokio::join!(finish(child), watch(process));
    assert!(seen > 3, "looked at its command line {seen} times");
    let done = done.code(0);
    let report = done.json();
    assert_eq!((&report["candidates"], &report["loaded"]), (&json!(3000), &json!(2900)), "{report}");
    assert_eq!((&report["rejected"], &report["warnings"]), (&json!({"MISSING_TITLE": 100}), &json!({"ODD_NOTES": 7})));
    assert_eq!(report["balanced"], json!(true));
    assert_eq!(report["source"].as_str().unwrap().matches('@').count(), 0);
    results(&place, &report).await;

    // Wrong passwords: refused, and not repeated to anybody.
    let wrong = with("canary-wrong-2d");
    let refused = wrong.run("extract -vv").await.code(2);
    assert!(!refused.stderr.contains("canary"), "{}", refused.stderr);
    let mut call = place.call("load -vv");
    let unknown = run(call.env("FLEX_PASSWORD", "canary-wrong-3e")).await.code(2);
    assert!(!unknown.stderr.contains("canary"), "{}", unknown.stderr);

    let secrets = [SecretString::from(SOURCE_PASSWORD), SecretString::from(FLEX_PASSWORD)];
    let basic = base64(&format!("{FLEX_USER}:{FLEX_PASSWORD}"));
    for secret in secrets.iter().map(ExposeSecret::expose_secret).chain([basic.as_str()]) {
        assert!(!done.stdout.contains(secret), "stdout");
        assert!(!done.stderr.contains(secret), "stderr with -vv:\n{}", done.stderr);
        for file in files(place.path()) {
            let bytes = fs::read(place.path().join(&file)).unwrap();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
        }
    }
    assert!(done.stderr.lines().count() > 10, "-vv says something:\n{}", done.stderr);
    assert!(files(place.path()).iter().any(|file| file.starts_with("ledger/") && file.ends_with(".sqlite3")));
    source.server.stop().await.unwrap();
}

/// Looks at the command lines of a process and its children until it ends; returns how often.
async fn watch(pid: u32) -> usize {
    let mut seen = 0;
    while lives(pid) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().map(|child| child.parse().unwrap());
        for process in children.chain([pid]) {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&line).contains("canary"), "a secret in a command line");
            seen += usize::from(!line.is_empty());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

/// `report`, `sql`, `plan` over the run that is there.
async fn results(place: &Workplace, report: &Value) {
    assert_eq!(without_seconds(&place.json("report").await), without_seconds(report));
    has(&place.run("report").await.code(0).stdout, &["balance sheet", "MISSING_TITLE", "2,900", "balanced"]);
    let sql = async |statement: &str, form: &str| -> Done {
        run(place.call(&format!("sql --output {form}")).arg(statement)).await
    };
    let rows =
        sql("select count(*) as n, sum(\"legacyId\") as s from collection where disposition = 'load'", "json").await;
    let all: u64 = (1..=3000).filter(|id| id % 30 != 0).sum();
    assert_eq!(rows.code(0).json(), json!({"schema_version": 1, "rows": [{"n": 2900, "s": all}]}));
    let joined = "select r.reason, count(*) as n from rejected r join candidates c on c.source_key = r.source_key \
                  join public.film f on f.id = c.id group by r.reason";
    let counted = sql(joined, "json").await.code(0).json();
    assert_eq!(counted["rows"], json!([{"reason": "MISSING_TITLE", "n": 100}]));
    // A look shows what the JSON rule has no form for.
    let odd = sql("select cast('nan' as double) as n", "json").await.code(0).json();
    assert_eq!(odd["rows"], json!([{"n": "NaN"}]));
    has(&sql("select cast('nan' as double) as n", "table").await.code(0).stdout, &["NaN"]);
    has(
        &sql("select title from collection order by \"legacyId\" limit 2", "table").await.code(0).stdout,
        &["Film 1", "Film 2"],
    );
    looks(&sql).await;

    // A reader that has seen enough: `telecine sql … | head -1`.
    let mut child = place.call("sql --output json").arg("select * from public.film order by id").spawn().unwrap();
    let mut first = [0; 10];
    tokio::time::timeout(PATIENCE, child.stdout.as_mut().unwrap().read_exact(&mut first)).await.unwrap().unwrap();
    drop(child.stdout.take());
    assert_eq!(&first, br#"{"schema_v"#);
    assert_eq!(finish(child).await.code(0).stderr, "");

    let requests = place.path().join("requests.ndjson");
    let plan = place.json(&format!("plan -q --requests {}", requests.display())).await;
    assert_eq!((&plan["unchanged"], &plan["create"]), (&json!(2900), &json!(0)), "{plan}");
    assert_eq!(fs::read_to_string(requests).unwrap(), "");
}

/// What `sql` refuses, and how it says so; plans; values that would steer a terminal or break a line.
async fn looks(sql: &impl AsyncFn(&str, &str) -> Done) {
    for (statement, told) in [
        ("select titel from collection", "sql:1:8: no column `titel`; did you mean title?"),
        ("select count(*)\nfrom collection where nosuch = 1", "sql:2:23: no column `nosuch`; there are "),
        ("select * from colection", "sql:1:15: no table `colection`; did you mean collection?"),
        ("select * from flim", "sql:1:15: no table `flim`; did you mean public.film?"),
        ("selec 1", "sql:1:1: Expected: an SQL statement, found: selec"),
        ("select 1; select 2", "a single SQL statement"),
        ("select * from '/etc/passwd'", ": no table `/etc/passwd`"),
        (
            "drop table collection",
            "sql: `drop table` would change something; a look may only read (select, explain, describe, show)",
        ),
        (
            "create external table x stored as csv location '/etc/passwd'",
            "`create external table` would change something",
        ),
        ("create table x as select 1 as one", "`create table` would change something"),
        ("insert into collection select * from collection", "`insert` would change something"),
        ("copy collection to '/tmp/x.csv'", "`copy` would change something"),
        ("explain analyze copy collection to '/tmp/x.csv'", "`copy` would change something"),
        ("explain analyze insert into collection select * from collection", "`insert` would change something"),
        ("set datafusion.execution.batch_size = 1", "`set` would change something"),
    ] {
        let done = sql(statement, "json").await.code(2);
        has(&done.stderr, &[told]);
        assert_eq!(done.stdout, "", "{statement}");
    }
    let odd = "select source_key, 'a,\"b\"' as q, make_array(1, null) as l, cast(null as int) as n, \
               concat('x', chr(27), '[2J', chr(8238)) as t from collection order by \"legacyId\" limit 1";
    let csv = sql(odd, "csv").await.code(0).stdout;
    assert_eq!(csv, "source_key,q,l,n,t\nFilm:1,\"a,\"\"b\"\"\",\"[1,null]\",,x\u{1b}[2J\u{202e}\n");
    let csv = sql("-- of nothing\nselect '' as e, cast(null as varchar) as n", "csv").await.code(0).stdout;
    assert_eq!(csv, "e,n\n\"\",\n");
    assert_eq!(sql("select cast(null as varchar) as n", "csv").await.code(0).stdout, "n\n\n");
    has(&sql(odd, "table").await.code(0).stdout, &["x\\u{1b}[2J\\u{202e}"]);
    let plan = sql("explain select count(*) from public.film where id > 5", "table").await.code(0).stdout;
    has(&plan, &["logical_plan\n  Projection: ", "\nphysical_plan\n  ", "DataSourceExec: "]);
    let ran = sql("explain analyze select name from collection", "table").await.code(0).stdout;
    has(&ran, &["Plan with Metrics\n  ", "output_rows=3.00 K"]);
}

/// A report without its times, whose last binary digit may differ once they are read back.
fn without_seconds(report: &Value) -> Value {
    let mut report = report.clone();
    for step in report["steps"].as_array_mut().unwrap() {
        assert!(step.as_object_mut().unwrap().shift_remove("seconds").is_some_and(|seconds| seconds.is_number()));
    }
    report
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
