//! Values that a column holds only in part: what is in the column, what in `raw/_exceptions`, and under which key. And
//! databases whose text is not UTF-8.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use serde_json::json;
use telecine::dataflow::TableName;
use telecine::source::{PG_INFINITY, PostgresSource};

use super::{back, run_in};
use crate::outside::look;
use crate::source::{client, config, database};
use crate::support::python;

const NESTED: &str = r#"
    create schema n;
    create type n.pair as (a numeric(12,3), t time, tags text[]);
    create type n.deep as (pairs n.pair[], at timestamptz);
    create domain n.grid as int[];
    create domain n.grids as n.grid[];
    create type n.gridrange as range (subtype = int[]);
    create type n.timerange as range (subtype = time);
    create table n.v (id int primary key, numbers numeric(12,3)[], pair n.pair, pairs n.pair[], deep n.deep, grid n.grid,
                      grids n.grids, ranged n.gridrange, times n.timerange, many tstzmultirange);
    insert into n.v (id, numbers) values (1, '{1,NaN,3}'), (2, '{{1,2}}');
    insert into n.v (id, pair) values (3, '(NaN,24:00:00,"{a}")'), (4, '(1,00:00,"{{a},{b}}")'), (5, '(1,00:00,"[0:0]={a}")');
    insert into n.v (id, pairs) values (6, array['(1,00:00,"{a,b}")', '(2,24:00:00,)', null, '(3,00:00,"{{x}}")']::n.pair[]);
    insert into n.v (id, deep) values (7, '("{""(NaN,,)""}","294276-12-31 23:59:59+00")');
    insert into n.v (id, grid) values (8, '{{1,2},{3,4}}'), (9, '[5:6]={7,8}');
    insert into n.v (id, grids) values (10, array['{{1}}'::n.grid, '{2}'::n.grid, '[0:0]={3}'::n.grid]);
    insert into n.v (id, ranged) values (11, '["{{1}}","{2}")'), (12, '["[2:3]={1,2}",)');
    insert into n.v (id, times) values (13, '[23:00,24:00]');
    insert into n.v (id, many) values (14, '{[2020-01-01,2020-01-02),["294276-12-31 23:59:59+00",infinity)}');
    insert into n.v (id) values (15)"#;

/// Row, column, what is in it, what is in `raw/_exceptions`.
const HELD: [(i32, &str, Option<&str>, &str); 14] = [
    (1, "numbers", Some(r#"{"1.000",NULL,"3.000"}"#), "{1.000,NaN,3.000}"),
    (2, "numbers", None, "{{1.000,2.000}}"),
    (3, "pair", Some(r#"(,,"{""a""}")"#), "(NaN,24:00:00,{a})"),
    (4, "pair", Some(r#"("1.000","00:00:00.000000",)"#), r#"(1.000,00:00:00,"{{a},{b}}")"#),
    (5, "pair", Some(r#"("1.000","00:00:00.000000","{""a""}")"#), "(1.000,00:00:00,[0:0]={a})"),
    (
        6,
        "pairs",
        Some(
            r#"{"(\"1.000\",\"00:00:00.000000\",\"{\"\"a\"\",\"\"b\"\"}\")","(\"2.000\",,)",NULL,"(\"3.000\",\"00:00:00.000000\",)"}"#,
        ),
        r#"{"(1.000,00:00:00,\"{a,b}\")","(2.000,24:00:00,)",NULL,"(3.000,00:00:00,{{x}})"}"#,
    ),
    (7, "deep", Some(r#"("{""(,,)""}",)"#), r#"("{""(NaN,,)""}","294276-12-31 23:59:59+00")"#),
    (8, "grid", None, "{{1,2},{3,4}}"),
    (9, "grid", Some(r#"{"7","8"}"#), "[5:6]={7,8}"),
    (10, "grids", Some(r#"{NULL,"{\"2\"}","{\"3\"}"}"#), r#"{"{{1}}","{2}","[0:0]={3}"}"#),
    (11, "ranged", Some(r#"[,"{""2""}")"#), "[{{1}},{2})"),
    (12, "ranged", Some(r#"["{""1"",""2""}",)"#), r#"["[2:3]={1,2}",)"#),
    (13, "times", Some(r#"["23:00:00.000000",]"#), "[23:00:00,24:00:00]"),
    (
        14,
        "many",
        Some(r#"{["2020-01-01 00:00:00.000000+00","2020-01-02 00:00:00.000000+00"),[,"infinity")}"#),
        r#"{["2020-01-01 00:00:00+00","2020-01-02 00:00:00+00"),["294276-12-31 23:59:59+00",infinity)}"#,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_held_in_part_is_whole_in_the_exceptions() {
    let (server, url, client) = database(NESTED).await;
    client.batch_execute(back::SETTINGS).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path(), "nested");
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    // PostgreSQL reads the texts back as the values that they were.
    let judged = back::judge(&client, &source, &run).await;
    let found: BTreeMap<(i32, String), String> = judged
        .exceptions
        .iter()
        .map(|(_, key, column, text)| ((key.parse().unwrap(), column.clone()), text.clone()))
        .collect();
    let wanted = HELD.map(|(id, column, _, text)| ((id, column.to_owned()), text.to_owned()));
    assert_eq!(found, BTreeMap::from(wanted));

    let name = TableName::new("n", "v");
    let wires = source.wires(&name).await.unwrap();
    let manifest = run.raw(&name).manifest().await.unwrap().unwrap();
    let batches = run.raw(&name).read_part(&manifest.files[0]).await.unwrap();
    let batch = batches.try_collect::<Vec<_>>().await.unwrap().remove(0);
    for (id, column, held, _) in HELD {
        let index = batch.schema().index_of(column).unwrap();
        let got = back::text(&wires[index], batch.column(index), usize::try_from(id).unwrap() - 1);
        assert_eq!(got.as_deref(), held, "{id} {column}");
    }
    assert_eq!(manifest.notes["infinite: many"], 1);
    assert_eq!(manifest.notes["exceptions: grid"], 2);
    let says = |column: &str| batch.schema().field_with_name(column).unwrap().metadata().get(PG_INFINITY).cloned();
    assert_eq!(says("many").as_deref(), Some("timestamp: -9223372036854775807, 9223372036854775807"));
    assert_eq!(says("numbers"), None);
    server.stop().await.unwrap();
}

const KEYED: &str = "
    create table keyed (d date, z timestamptz, t timestamp, b bool, f float8, s float4, y bytea, c time, n numeric(9,2), i int8,
        o oid, u uuid, x text, a int[], v time, primary key (d, z, t, b, f, s, y, c, n, i, o, u, x, a));
    insert into keyed (select d::date, z::timestamptz, t::timestamp, n > 1, f::float8, f::float4, '\\x5c22', c::time, m::numeric,
                              -n, n, md5(n::text)::uuid, x, a::int[], '24:00'
        from (values (1, '2020-02-29', '2020-02-29 12:34:56.7+02', '1999-12-31 23:59:59.999999', '0.1', '00:00', '1.5', 'a, \"b\"', '{}'),
                     (2, '0044-03-15 BC', '0044-03-15 00:00:00+00 BC', '0001-01-01', '-1e300', '12:34:56.789', '-2', '', '{1,2}'),
                     (3, 'infinity', '-infinity', 'infinity', '-0', '23:59:59.999999', '0', '\\', '[0:1]={1,2}'),
                     (4, '-infinity', 'infinity', '-infinity', 'NaN', '24:00', '3', '(', '{{1},{2}}'),
                     (5, '5874897-12-31', '294276-12-31 23:59:59+00', '294276-12-31', 'Infinity', '01:00', 'NaN', ' ', '{}'))
             w(n, d, z, t, f, c, m, x, a)) on conflict do nothing";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_named_as_postgresql_prints_it() {
    let (server, url, client) = database("").await;
    client.batch_execute(back::SETTINGS).await.unwrap();
    client
        .batch_execute(&KEYED.replace("f::float4", "case when n = 2 then 1.5 else f::float8 end::float4"))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let exceptions = back::extracted(&source, &run_in(folder.path(), "keyed")).await;
    let keys: BTreeSet<String> = exceptions.iter().map(|(_, key, ..)| key.clone()).collect();
    let printed = "select concat((d, z, t, b, f, s, y, c, n, i, o, u, x, a)) from keyed";
    let rows = client.query(printed, &[]).await.unwrap();
    let printed = |row: &tokio_postgres::Row| {
        let text: String = row.get(0);
        // A key that is an array, and whole in its column, is named by Arrow.
        text[1..text.len() - 1].replace(",\"{1,2}\"", ",\"[1, 2]\"").replace(",{}", ",[]")
    };
    assert_eq!(keys, rows.iter().map(printed).collect());
    assert_eq!((keys.len(), exceptions.len()), (5, 5 + 1 + 2 + 3));
    server.stop().await.unwrap();
}

/// The far ends of what is finite, and beyond.
const ENDS: &str = "
    create table ends (id int primary key, d date, t timestamp, z timestamptz);
    insert into ends values (1, '-infinity', '-infinity', '-infinity'), (2, 'infinity', 'infinity', 'infinity'),
        (3, '4713-01-01 BC', '4713-01-01 BC', '4713-01-01 00:00:00+00 BC'),
        (4, '5874897-12-31', '294247-01-10 04:00:54.775806', '294247-01-10 04:00:54.775806+00'),
        (5, null, null, null), (6, '-infinity', '2020-01-01', '-infinity')";

#[tokio::test(flavor = "multi_thread")]
async fn other_readers_take_the_infinities_for_infinite_and_nothing_else() {
    let python = python();
    let (server, url, _client) = database(ENDS).await;
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path(), "ends");
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    assert_eq!(back::extracted(&source, &run).await, []);
    let manifest = run.raw(&TableName::new("public", "ends")).manifest().await.unwrap().unwrap();
    let mut dataset = json!({
        "name": manifest.dataset, "folder": folder.path().join("runs/ends/raw/public.ends"), "rows": 6,
        "files": manifest.files, "decimals": {"id": "21"}, "lengths": {},
        "infinities": {"d": [2, 1], "t": [1, 1], "z": [2, 1]},
    });
    let seen = look(&python, folder.path(), &[dataset.clone()]).await;
    assert_eq!(seen.0, Some(0), "{}", seen.2);
    // The comparison can fail, in both readers.
    dataset["infinities"]["t"] = json!([1, 2]);
    let seen = look(&python, folder.path(), &[dataset]).await;
    assert_eq!((seen.0, &seen.1["problems"]), (Some(1), &json!(2)), "{}", seen.2);
    server.stop().await.unwrap();
}

const BYTES: &str = r#"
    create type label as enum ('plain');
    alter type label add value E'\xe9';
    create type pair as (a int, b text);
    create table note (code text, number int, v text, tags text[], pair pair, doc json, more jsonb, mark xml, fixed char(4),
                       bounded varchar(4), mood label, moods label[], span int4range, cased citext, primary key (code, number));
    insert into note (code, number, v, tags, pair) values ('ok', 1, 'plain', '{a}', '(1,b)');
    insert into note (code, number, v, tags, pair) values ('bad', 1, E'\xe9t\xe9', array['x', E'\xff'], row(1, E'"\xe9')::pair);
    insert into note (code, number, doc, cased) values
        ('bad', 2, E'{"a": "\xe9"}', E'\xe9');
    insert into note (code, number, fixed, bounded) values ('bad', 3, E'\xe9', E'\xe9');
    insert into note (code, number, v) values (E'k\xe9,y', 4, 'held'), (E'k\xe9,y', 5, E'\xff'), ('a,b', 6, E'\xfe');
    create table plain (id int primary key, v text); insert into plain values (1, E'\xe9'), (2, 'x');
    create table mood (id int primary key, mood label, moods label[]);"#;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_no_encoding_are_in_hex_under_their_key() {
    let (server, _, first) = database("").await;
    let create = "create database ascii encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0";
    first.batch_execute(create).await.unwrap();
    let url = server.url("ascii");
    let writer = client(&url).await;
    writer.batch_execute("create extension citext").await.unwrap();
    writer.batch_execute(BYTES).await.unwrap();
    writer.batch_execute(r"insert into mood values (1, E'\xe9', array['plain', E'\xe9']::label[])").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path(), "ascii");
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let judged = back::extracted(&source, &run).await;
    let mut found: Vec<_> =
        judged.iter().map(|(_, key, column, text)| (key.as_str(), column.as_str(), text.as_str())).collect();
    found.sort_unstable();
    let mut wanted = vec![
        // Whole values in hex: `{x,\xff}`, `(1,"""\xe9")`, `{"a": "\xe9"}`, `\xe9   `, `{plain,\xe9}`.
        ("bad,1", "v", r"\xe974e9"),
        ("bad,1", "tags", r"\x7b782cff7d"),
        ("bad,1", "pair", r"\x28312c222222e92229"),
        ("bad,2", "doc", r"\x7b2261223a2022e9227d"),
        ("bad,2", "cased", r"\xe9"),
        ("bad,3", "fixed", r"\xe9202020"),
        ("bad,3", "bounded", r"\xe9"),
        // The key itself is such bytes: it is in hex there too.
        (r#""\\x6be92c79",4"#, "code", r"\x6be92c79"),
        (r#""\\x6be92c79",5"#, "code", r"\x6be92c79"),
        (r#""\\x6be92c79",5"#, "v", r"\xff"),
        (r#""a,b",6"#, "v", r"\xfe"),
        ("1", "v", r"\xe9"),
        ("1", "mood", r"\xe9"),
        ("1", "moods", r"\x7b706c61696e2ce97d"),
    ];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_encoding_is_converted_exactly() {
    let (server, _, first) = database("").await;
    let create = "create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0";
    first.batch_execute(create).await.unwrap();
    let url = server.url("latin");
    let writer = client(&url).await;
    writer.batch_execute(back::SETTINGS).await.unwrap();
    // Every character of the encoding, in every kind of text.
    let statements = "
        create type \"Größe\" as enum ('groß', 'klein');
        create type \"Paß\" as (\"Straße\" text, tags text[]);
        create table \"Tür\" (id int primary key, \"Wörter\" text, tags text[], pair \"Paß\", doc jsonb, mark xml, size \"Größe\",
                             fixed char(300), plain bytea, mixed interval[]);
        insert into \"Tür\" select i, t, array[t, null], row(t, array[t])::\"Paß\", to_jsonb(t), ('<a>' || i || 'é</a>')::xml, 'groß'::\"Größe\", t,
                                 convert_to(t, 'LATIN1'), null
        from (select i, repeat(chr(i), 3)::text as t from generate_series(1, 255) i) as made";
    writer.batch_execute(statements).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let judged = back::judge(&writer, &source, &run_in(folder.path(), "latin")).await;
    assert_eq!((judged.values, judged.exceptions.len()), (9 * 255, 0));
    server.stop().await.unwrap();
}
