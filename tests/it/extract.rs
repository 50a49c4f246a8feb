//! Extraction into Parquet and its verification, against a private PostgreSQL: one moment, nothing lost, damage named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use telecine::dataflow::{Progress, Source, TableName};
use telecine::extract;
use telecine::source::{Exclusion, PostgresSource};
use tokio_util::sync::CancellationToken;

use crate::source::{NUMBERS, client, config, database};
use crate::support::{area, extract, verify};

fn part(folder: &Path, run: &str, table: &str, number: usize) -> PathBuf {
    folder.join(format!("runs/{run}/raw/{table}/part-{number:05}.parquet"))
}

const LIBRARY: &str = r#"
    create table big (id bigint primary key, fill text, price numeric(12, 3), at timestamptz, tags text[], doc jsonb);
    insert into big select i, repeat(md5(i::text), 4), i / 1000.0, now(), array['a', i::text], jsonb_build_object('i', i)
        from generate_series(1, 60000) i;
    create table no_key (a int, b text); insert into no_key values (1, 'x'), (1, 'x'), (null, null);
    create table empty (id int primary key, v timestamptz);
    create table no_columns (); insert into no_columns select from generate_series(1, 5);
    create table "Legacy Metadata" ("Größe" int primary key, "Keywords;Tags" text);
    insert into "Legacy Metadata" values (1, 'a;b');
    create table "a/b" (id int); insert into "a/b" values (1);
    create table "a_b" (id int); insert into "a_b" values (1), (2);
    create table "CON" (id int); create table con (id int);
    create schema other; create table other.con (id int); insert into other.con values (3);
    create table event (id int, at date not null) partition by range (at);
    create table event_2024 partition of event for values from ('2024-01-01') to ('2025-01-01');
    create table event_2025 partition of event for values from ('2025-01-01') to ('2026-01-01');
    insert into event select i, date '2024-01-01' + i from generate_series(0, 699) i;
    create table secrets (id int); insert into secrets values (1);
    analyze
"#;

#[tokio::test(flavor = "multi_thread")]
async fn all_tables_are_of_one_moment_whatever_writers_do() {
    let (server, url, writer) = database(LIBRARY).await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("first");
    let mut settings = config(&url);
    settings.exclude = vec![Exclusion { glob: "secrets".into(), reason: "credentials".into() }];
    let source = PostgresSource::connect(&settings).await.unwrap();
    let snapshot = source.snapshot().await.unwrap();

    // After the snapshot: rows come and go, and a TRUNCATE has to wait, before the first table is read.
    writer
        .batch_execute("insert into big select i from generate_series(100001, 101000) i; delete from no_key")
        .await
        .unwrap();
    let truncating = client(&url).await;
    let truncate = tokio::spawn(async move { truncating.batch_execute("truncate big").await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!truncate.is_finished(), "our locks hold it back");

    let report = extract(&source, &run).await.unwrap();
    assert_eq!((&report.snapshot, &report.lsn, report.run.as_str()), (&snapshot.id, &snapshot.lsn, "first"));
    assert!(report.lsn.is_some());
    let rows = |schema: &str, name: &str| {
        let found = report.tables.iter().find(|table| table.table == TableName::new(schema, name));
        found.unwrap_or_else(|| panic!("{schema}.{name}")).rows
    };
    assert_eq!((rows("public", "big"), rows("public", "no_key"), rows("public", "empty")), (60_000, 3, 0));
    assert_eq!((rows("public", "no_columns"), rows("public", "Legacy Metadata")), (5, 1));
    assert_eq!((rows("public", "a/b"), rows("public", "a_b"), rows("other", "con")), (1, 2, 1));
    assert_eq!((rows("public", "event"), rows("public", "event_2024") + rows("public", "event_2025")), (0, 700));
    assert_eq!(report.rows, 60_000 + 3 + 5 + 1 + 1 + 2 + 1 + 700);
    assert_eq!(report.skipped.len(), 1);
    let big = report.tables.iter().find(|table| table.table.name == "big").unwrap();
    assert!(big.partitions > 5 && big.files == big.partitions && big.bytes > 0, "{big:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        (json["tables"][0]["schema"].as_str(), json["skipped"][0]["reason"].as_str()),
        (Some("other"), Some("credentials"))
    );

    let verified = verify(&source, &run).await;
    assert!(verified.same_snapshot, "read again at the same moment");
    verified.require_equal().unwrap();
    assert_eq!(verified.tables.len(), report.tables.len());

    // The same run again reads nothing: its files stay the same to the byte and the second.
    let file = part(folder.path(), "first", "public.big", 0);
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    let again = extract(&source, &run).await.unwrap();
    assert_eq!((again.rows, &again.tables.len()), (report.rows, &report.tables.len()));
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);

    // The locks go with the snapshot; a later look at the source sees what has changed since, and says so.
    source.release().await;
    truncate.await.unwrap().unwrap();
    let later = verify(&source, &run).await;
    assert!(!later.same_snapshot);
    let differing: Vec<_> = later.differences().map(|table| table.table.name.as_str()).collect();
    assert_eq!(differing, ["big", "no_key"]);
    assert_eq!(later.require_equal().unwrap_err().exit_code(), 3);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_are_verified_and_their_exceptions_staged() {
    let (server, url, writer) = database(include_str!("odd_types.sql")).await;
    writer.batch_execute(NUMBERS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("odd");
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let report = extract(&source, &run).await.unwrap();
    verify(&source, &run).await.require_equal().unwrap();

    let exceptions = run.exceptions().manifest().await.unwrap().unwrap();
    assert_eq!(exceptions.rows, 10);
    assert_eq!(report.tables.iter().map(|table| table.exceptions).sum::<u64>(), 10);
    let mut listed = 0;
    for file in &exceptions.files {
        let batches: Vec<_> = run.exceptions().read_part(file).await.unwrap().try_collect().await.unwrap();
        listed += batches.iter().map(|batch| batch.num_rows()).sum::<usize>();
    }
    assert_eq!(listed, 10);
    let infinite = run.raw(&TableName::new("odd", "t_date")).manifest().await.unwrap().unwrap();
    assert_eq!(infinite.notes.get("infinite: v"), Some(&2));
    assert_eq!(infinite.schema[1].pg_type.as_deref(), Some("date"));

    // A bit flipped in the exceptions, their end gone, a file gone.
    let file = folder.path().join("runs/odd/raw/_exceptions").join(&exceptions.files[0].name);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [Some(flipped.as_slice()), Some(&whole[..whole.len() - 1]), None] {
        damaged.map_or_else(|| fs::remove_file(&file), |bytes| fs::write(&file, bytes)).unwrap();
        let report = verify(&source, &run).await;
        let different: Vec<_> = report.differences().map(|table| table.table.to_string()).collect();
        assert_eq!(different, ["raw._exceptions"]);
        let told = report.require_equal().unwrap_err().to_string();
        assert!(told.contains("raw/_exceptions") && told.contains(&exceptions.files[0].name), "{told}");
    }
    fs::write(&file, &whole).unwrap();
    verify(&source, &run).await.require_equal().unwrap();

    // Every table by every single row: a checksum that ignored a value would let a change pass.
    let mut changed = 0;
    source.release().await;
    for table in source.tables().await.unwrap().into_iter().filter(|table| table.table.schema == "odd") {
        let name = &table.table.name;
        writer.batch_execute(&format!("update odd.{name} set v = null where id = 1")).await.unwrap();
        changed += 1;
    }
    let later = verify(&source, &run).await;
    assert_eq!(later.differences().count(), changed);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_more_exceptions_than_there_is_room_for_is_not_committed_without_them() {
    let (server, _, first) = database("").await;
    let create = "create database latin encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0";
    first.batch_execute(create).await.unwrap();
    let url = server.url("latin");
    let statements = r"create table good (id int primary key, v text); insert into good values (1, E'\xe9');
                       create table many (id int primary key, v text);
                       insert into many select i, repeat(E'\xe9', 1000) from generate_series(1, 8000) i";
    client(&url).await.batch_execute(statements).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("latin");
    let mut settings = config(&url);
    (settings.connections, settings.partition_bytes) = (1, 1 << 30);
    let source = PostgresSource::connect(&settings).await.unwrap();
    let error = extract(&source, &run).await.unwrap_err();
    let told = error.to_string();
    assert_eq!(error.exit_code(), 1);
    assert!(told.contains("public.many") && told.contains(": v (") && told.contains("source.exclude"), "{told}");
    assert!(run.raw(&TableName::new("public", "many")).manifest().await.unwrap().is_none());
    assert!(run.exceptions().manifest().await.unwrap().is_none());
    source.release().await;
    // In smaller slices every one is listed, and the run goes on.
    settings.partition_bytes = 1 << 20;
    let source = PostgresSource::connect(&settings).await.unwrap();
    extract(&source, &run).await.unwrap();
    let exceptions = run.exceptions().manifest().await.unwrap().unwrap();
    assert_eq!(exceptions.rows, 8001);
    assert!(exceptions.files.len() > 4, "a file a slice: {}", exceptions.files.len());
    verify(&source, &run).await.require_equal().unwrap();
    server.stop().await.unwrap();
}

const FEW: &str = "
    create table alpha (id int primary key, v text); insert into alpha select i, md5(i::text) from generate_series(1, 20000) i;
    create table beta (id int primary key, v text); insert into beta select i, md5(i::text) from generate_series(1, 20000) i;
    create table gamma (id int primary key, v text); insert into gamma values (1, 'x')";

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_by_table_and_file_and_a_stopped_run_goes_on() {
    let (server, url, writer) = database(FEW).await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("r");
    let source = PostgresSource::connect(&config(&url)).await.unwrap();

    let stopped = CancellationToken::new();
    stopped.cancel();
    let error = extract::run(&source, &run, &Progress::default(), &stopped).await.unwrap_err();
    assert_eq!(error.exit_code(), 130);
    assert!(run.exceptions().manifest().await.unwrap().is_none(), "a stopped extraction is not complete");
    extract(&source, &run).await.unwrap();
    verify(&source, &run).await.require_equal().unwrap();

    // One bit flipped anywhere in a file, and a file gone.
    let flipped = part(folder.path(), "r", "public.alpha", 1);
    let mut bytes = fs::read(&flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&flipped, &bytes).unwrap();
    fs::remove_file(part(folder.path(), "r", "public.beta", 0)).unwrap();
    let report = verify(&source, &run).await;
    let problem = |name: &str| {
        report.tables.iter().find(|table| table.table.name == name).and_then(|table| table.problem.clone())
    };
    assert!(problem("alpha").is_some_and(|text| text.contains("part-00001.parquet")), "{:?}", problem("alpha"));
    assert!(problem("beta").is_some_and(|text| text.contains("part-00000.parquet")), "{:?}", problem("beta"));
    assert_eq!(problem("gamma"), None);
    let message = report.require_equal().unwrap_err().to_string();
    assert!(
        message.contains("public.alpha") && message.contains("public.beta") && message.contains("2 of 3"),
        "{message}"
    );

    // A run whose extraction was cut short goes on table by table: what is committed stays, the rest is of a new snapshot.
    run.exceptions().discard().await.unwrap();
    run.raw(&TableName::new("public", "alpha")).discard().await.unwrap();
    run.raw(&TableName::new("public", "beta")).discard().await.unwrap();
    source.release().await;
    writer.batch_execute("update gamma set v = 'y'; delete from beta where id > 10").await.unwrap();
    let second = PostgresSource::connect(&config(&url)).await.unwrap();
    let report = extract(&second, &run).await.unwrap();
    assert_eq!((report.rows, report.one_moment), (20_000 + 10 + 1, false));
    let used: Vec<_> = report.snapshots.iter().map(|used| used.tables).collect();
    assert_eq!(used, [1, 2], "{report:?}");
    let verified = verify(&second, &run).await;
    let different: Vec<_> = verified.differences().map(|table| table.table.name.as_str()).collect();
    assert_eq!((different, verified.same_snapshot), (vec!["gamma"], false), "it is of the first moment");

    // Two databases side by side: a copy is equal to its original until a value differs.
    let copying = "create database copy template library";
    drop((source, second));
    drop(writer);
    let admin = client(&server.url("postgres")).await;
    while admin.batch_execute(copying).await.is_err() {
        let ending = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'library'";
        admin.batch_execute(ending).await.unwrap();
    }
    let (original, copy) = (PostgresSource::connect(&config(&url)).await.unwrap(), server.url("copy"));
    let against = async || {
        let copy = PostgresSource::connect(&config(&copy)).await.unwrap();
        let none = CancellationToken::new();
        telecine::verify::against(&original, &copy, &Progress::default(), &none).await.unwrap()
    };
    against().await.require_equal().unwrap();
    let changing = client(&copy).await;
    changing
        .batch_execute("update alpha set v = 'other' where id = 5; create table extra (id int); drop table beta")
        .await
        .unwrap();
    let differing: Vec<_> = against().await.differences().map(|table| table.table.name.clone()).collect();
    assert_eq!(differing, ["alpha", "beta", "extra"]);

    // A table selected away would stay behind at another moment: refused, nothing removed.
    run.exceptions().discard().await.unwrap();
    let mut narrow = config(&url);
    narrow.include = vec!["gamma".into()];
    let narrow = PostgresSource::connect(&narrow).await.unwrap();
    let refused = extract(&narrow, &run).await.unwrap_err();
    assert!(refused.exit_code() == 2 && refused.to_string().contains("public.alpha"), "{refused}");
    assert_eq!(run.raw_tables().await.unwrap().len(), 3);
    server.stop().await.unwrap();
}
