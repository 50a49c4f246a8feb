//! Tables of every shape, name and size in a private PostgreSQL of any version: extracted, verified, and compared with the
//! server value by value.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod large;
mod left_out;
pub(crate) mod server;
mod split;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use telecine::dataflow::{Progress, TableName};
use telecine::extract;
use telecine::extract::ExtractReport;
use telecine::source::{PostgresSource, SourceConfig};
use telecine::staging::{Manifest, RunFolder, StagingArea, StagingConfig, raw_folder};
use telecine::verify;
use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use crate::source::{client, config, database, version};

/// A run that was extracted and found equal to its source.
struct Extracted {
    run: RunFolder,
    report: ExtractReport,
    folder: TempDir,
}

async fn extracted(settings: &SourceConfig) -> Extracted {
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
    let run = area.run("r");
    let source = PostgresSource::connect(settings).await.unwrap();
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let report = extract::run(&source, &run, &progress, &cancel).await.unwrap();
    let verified = verify::run(&source, &run, &progress, &cancel).await.unwrap();
    verified.require_equal().unwrap();
    assert!(verified.same_snapshot);
    assert_eq!(verified.tables.len(), report.tables.len());
    Extracted { run, report, folder }
}

/// An identifier as SQL text.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Extracted {
    fn rows(&self, schema: &str, name: &str) -> u64 {
        let wanted = TableName::new(schema, name);
        let found = self.report.tables.iter().find(|table| table.table == wanted);
        found.unwrap_or_else(|| panic!("{wanted} was not read")).rows
    }

    fn reason(&self, name: &str) -> &str {
        let found = self.report.skipped.iter().find(|table| table.table.name == name);
        &found.unwrap_or_else(|| panic!("{name} was not skipped")).reason
    }

    async fn manifest(&self, table: &TableName) -> Manifest {
        self.run.raw(table).manifest().await.unwrap().unwrap()
    }

    /// The rows of a table as texts, sorted.
    async fn values(&self, table: &TableName) -> Vec<Vec<Option<String>>> {
        let mut rows = Vec::new();
        for file in &self.manifest(table).await.files {
            let batches: Vec<_> = self.run.raw(table).read_part(file).await.unwrap().try_collect().await.unwrap();
            for batch in batches {
                for row in 0..batch.num_rows() {
                    let value = |column: &arrow::array::ArrayRef| {
                        (!column.is_null(row)).then(|| array_value_to_string(column, row).unwrap())
                    };
                    rows.push(batch.columns().iter().map(value).collect());
                }
            }
        }
        rows.sort();
        rows
    }

    /// Compares every table's rows with those that the server prints; tells how many values were compared.
    async fn compare(&self, client: &Client) -> usize {
        let mut compared = 0;
        for table in &self.report.tables {
            let manifest = self.manifest(&table.table).await;
            let columns: Vec<_> = manifest.schema.iter().map(|field| quoted(&field.name)).collect();
            let name = format!("{}.{}", quoted(&table.table.schema), quoted(&table.table.name));
            let query = format!("select {} from only {name}", columns.join(", "));
            let mut rows = Vec::new();
            for message in client.simple_query(&query).await.unwrap() {
                if let SimpleQueryMessage::Row(row) = message {
                    rows.push((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect::<Vec<_>>());
                }
            }
            rows.sort();
            assert_eq!(rows.len() as u64, table.rows, "{name}");
            if !columns.is_empty() {
                assert!(rows == self.values(&table.table).await, "{name} differs");
            }
            compared += rows.len() * columns.len();
        }
        compared
    }
}

/// Every kind of relation; all values are integers and texts.
const SHAPES: &str = r#"
    create table no_columns (); insert into no_columns select from generate_series(1, 5);
    create table no_columns_left (a int); insert into no_columns_left values (1), (2);
    alter table no_columns_left drop column a;
    create table no_rows (id int primary key, v text);
    create table twins (a int, b text); insert into twins values (1, 'x'), (1, 'x'), (null, null), (null, null);
    create table dropped (gone int, k1 text, gone_too text, k2 int, v text, primary key (k2, k1));
    insert into dropped select i, 'k' || i, 'x', i, 'v' || i from generate_series(1, 9) i;
    alter table dropped drop column gone, drop column gone_too;
    alter table dropped add column late text default 'late';
    create table identity (id int generated always as identity primary key, other int generated by default as identity,
                           serial serial, v text);
    insert into identity (v) select 'v' || i from generate_series(1, 7) i;
    create unlogged table unlogged (id int); insert into unlogged values (1), (2);
    create type pair as (a int, b text); create table typed of pair (primary key (a)); insert into typed values (1, 'b');
    create table parent (id int, v text); create table child (more int) inherits (parent);
    create table other (id int); create table both_of (deep text) inherits (child, other);
    insert into parent values (1, 'p'); insert into child values (2, 'c', 3), (3, 'c', 3); insert into other values (4);
    insert into both_of values (5, 'b', 6, 'd');
    create table event (kind text, day int, v text) partition by list (kind);
    create table event_a partition of event for values in ('a') partition by range (day);
    create table event_a_1 partition of event_a for values from (1) to (10);
    create table event_a_2 partition of event_a for values from (10) to (maxvalue);
    create table event_b partition of event for values in ('b');
    insert into event select case when i % 3 = 0 then 'b' else 'a' end, i, 'v' || i from generate_series(1, 60) i;
    do $do$ begin
        if current_setting('server_version_num')::int >= 110000 then
            execute $$ create table event_rest partition of event default;
                       insert into event values ('z', 1, 'rest'), (null, 2, 'rest') $$;
        end if;
        if current_setting('server_version_num')::int >= 120000 then
            execute $$ create table generated (id int primary key, twice int generated always as (id * 2) stored, v text);
                       insert into generated (id, v) select i, 'v' || i from generate_series(1, 8) i $$;
        end if;
    end $do$;
    create foreign data wrapper nowhere; create server elsewhere foreign data wrapper nowhere;
    create foreign table distant (id int) server elsewhere;
    create foreign table event_far partition of event for values in ('far') server elsewhere;
    create view seen as select * from twins;
    create materialized view kept as select * from parent;
    create table of_extension (id int); insert into of_extension values (1); alter extension plpgsql add table of_extension
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_table_is_read_once_or_skipped_with_a_reason() {
    let (server, url, writer) = database(SHAPES).await;
    let version = version(&writer).await;
    writer.batch_execute("create temp table fleeting (id int); insert into fleeting values (1)").await.unwrap();
    let read = extracted(&config(&url)).await;
    let compared = read.compare(&writer).await;
    assert!(compared > 250, "{compared} values were compared");

    let rows = |name: &str| read.rows("public", name);
    assert_eq!((rows("no_columns"), rows("no_columns_left"), rows("no_rows"), rows("twins")), (5, 2, 0, 4));
    assert_eq!((rows("dropped"), rows("identity"), rows("unlogged"), rows("typed")), (9, 7, 2, 1));
    assert_eq!((rows("parent"), rows("child"), rows("other"), rows("both_of")), (1, 2, 1, 1));
    assert_eq!(
        (rows("event"), rows("event_a"), rows("event_a_1"), rows("event_a_2"), rows("event_b")),
        (0, 0, 6, 34, 20)
    );
    assert_eq!(rows("of_extension"), 1);
    if version >= 110_000 {
        assert_eq!(rows("event_rest"), 2);
    }
    if version >= 120_000 {
        assert_eq!(rows("generated"), 8);
    }
    let dropped = read.manifest(&TableName::new("public", "dropped")).await;
    assert_eq!(dropped.key, ["k2", "k1"]);
    assert_eq!(dropped.schema.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["k1", "k2", "v", "late"]);

    let skipped: BTreeSet<_> = read.report.skipped.iter().map(|table| table.table.name.as_str()).collect();
    assert_eq!(skipped, ["distant", "event_far", "kept", "seen"].into());
    assert!(read.reason("distant").contains("another system") && !read.reason("distant").contains("MISSING"));
    assert!(read.reason("event_far").contains("partition of public.event, whose rows there are MISSING"));
    assert!(
        read.reason("seen").starts_with("a view") && read.reason("kept").contains("source.materialised_views = true")
    );

    let found = PostgresSource::connect(&config(&url)).await.unwrap().discover().await.unwrap();
    let table = |name: &str| found.listing.iter().find(|table| table.table.name == name).unwrap();
    assert!(table("of_extension").findings.contains(&"belongs to the extension plpgsql".to_owned()));
    assert!(found.listing.iter().all(|table| table.table.name != "fleeting"));
    let missing =
        "public.event: its partition public.event_far is a foreign table; the rows that are there are not read";
    assert!(found.warnings.iter().any(|warning| warning == missing), "{:?}", found.warnings);

    // A schema that may not be entered: told before anything is read, with what mends it.
    let closed = "create schema closed; create table closed.t (id int); create role guest login password 'canary-77';
                  grant select on all tables in schema public, closed to guest";
    writer.batch_execute(closed).await.unwrap();
    let mut settings = config(&url);
    settings.url = format!("postgres://guest:canary-77@127.0.0.1:{}/library", server.port()).into();
    let error = PostgresSource::connect(&settings).await.unwrap().snapshot().await.unwrap_err();
    let text = error.to_string();
    assert!(error.exit_code() == 2 && text.contains("closed.t: no permission on its schema closed"), "{text}");
    assert!(text.contains("grant usage on schema \"closed\" to \"guest\";"), "{text}");
    server.stop().await.unwrap();
}

/// The most columns that a table can have: of integers, and of texts some of which are wide.
const WIDE: &str = "
    do $$ declare columns text; begin
        select string_agg(format('c%s int', i), ', ') into columns from generate_series(1, 1600) i;
        execute 'create table numbers (' || columns || ')';
        select string_agg(case when i % 3 = 0 then 'null' else 'g * ' || i end, ', ') into columns
            from generate_series(1, 1600) i;
        execute 'insert into numbers select ' || columns || ' from generate_series(1, 40) g';
        select string_agg(format('c%s text', i), ', ') into columns from generate_series(1, 1600) i;
        execute 'create table texts (' || columns || ')';
        -- A row has room for some 400 values that lie apart.
        for shift in 0 .. 3 loop
            select string_agg(case when i % 5 = 0 then 'null' when i / 400 = shift and i % 2 = 0 then 'wide.v' else
                              quote_literal('') end, ', ') into columns from generate_series(1, 1600) i;
            execute 'insert into texts select ' || columns || ' from generate_series(1, 3) g, lateral '
                    || '(select string_agg(md5((g * 1000 + j)::text), '''') as v from generate_series(1, 160) j) wide';
        end loop;
    end $$";

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_hundred_columns_are_read_and_split() {
    let (server, url, writer) = database(WIDE).await;
    let mut settings = config(&url);
    settings.partition_bytes = 1 << 16;
    let read = extracted(&settings).await;
    assert_eq!(read.compare(&writer).await, 40 * 1600 + 12 * 1600);
    let parts = |name: &str| read.report.tables.iter().find(|table| table.table.name == name).unwrap().partitions;
    let least = if version(&writer).await >= 140_000 { 2 } else { 1 };
    assert!(parts("numbers") >= least && parts("texts") >= least, "{} {}", parts("numbers"), parts("texts"));
    server.stop().await.unwrap();
}

/// Names that mean something to SQL, shells, paths, globs or Windows, or that meet when they are made safe.
fn names() -> Vec<String> {
    let long = format!("{}x", "é".repeat(31));
    let other = format!("{}y", "é".repeat(31));
    assert_eq!(long.len(), 63);
    let plain = [
        "t",
        "a/b",
        "a_b",
        "a%2Fb",
        "a!2Fb",
        "a b",
        "a.b",
        "..",
        ".",
        "...",
        "%",
        "!",
        "!!",
        "!!7",
        "CON",
        "con",
        "Con",
        "cOn",
        "nul",
        "lpt1",
        "dot.",
        "space ",
        " ",
        "\n",
        "a\nb",
        "\t",
        "\"",
        "\"\"",
        "'",
        "''",
        "\\",
        "$1",
        "; drop table t;",
        "--",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "é",
        "É",
        "e\u{301}",
        "\u{feff}",
        "\u{202e}",
        "a\u{1}b",
        "_manifest.json",
        "~",
        "../../../tmp/evil",
        "select",
        "Größe",
    ];
    let long_ascii = ["a", "A"].map(|letter| letter.repeat(63));
    plain.into_iter().map(str::to_owned).chain([long, other]).chain(long_ascii).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_has_a_folder_of_its_own_and_is_kept() {
    let (server, url, writer) = database("").await;
    let mut number = 0;
    let mut wanted = BTreeMap::new();
    let schemas = ["public", "a", "a.b", "A", "con", "..", "x/y", "q\"\n"];
    for (place, schema) in schemas.into_iter().enumerate() {
        writer.batch_execute(&format!("create schema if not exists {}", quoted(schema))).await.unwrap();
        let extra = ["b.c".to_owned(), "c".to_owned()];
        // All names in the first schema; in the others enough to meet across the dot between schema and name.
        let names = if place == 0 { names() } else { extra.into_iter().chain(names().into_iter().take(17)).collect() };
        for name in names {
            number += 1;
            let table = format!("{}.{}", quoted(schema), quoted(&name));
            let column = quoted(if number % 2 == 0 { &name } else { "id" });
            let sql = format!("create table {table} ({column} int primary key); insert into {table} values ({number})");
            writer.batch_execute(&sql).await.unwrap();
            wanted.insert(TableName::new(schema, name), number.to_string());
        }
    }
    let read = extracted(&config(&url)).await;
    assert_eq!(read.compare(&writer).await, wanted.len());

    // Each folder on disk is one of ours, and they differ also where case does not count.
    let mut folders = BTreeSet::new();
    for entry in std::fs::read_dir(read.folder.path().join("runs/r/raw")).unwrap() {
        folders.insert(entry.unwrap().file_name().into_string().unwrap().to_lowercase());
    }
    let ours: BTreeSet<_> = wanted.keys().map(|table| raw_folder(table).to_lowercase()).collect();
    assert_eq!(ours.len(), wanted.len());
    assert!(folders.remove("_exceptions"), "{folders:?}");
    assert_eq!(folders, ours);
    let held: BTreeMap<_, _> = read.run.raw_tables().await.unwrap().into_iter().collect();
    for (table, number) in &wanted {
        assert_eq!(held[table].table.as_ref(), Some(table), "the true name");
        assert_eq!(read.values(table).await, [[Some(number.clone())]], "{table}");
    }
    server.stop().await.unwrap();
}
