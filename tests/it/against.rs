//! Two databases side by side: a difference of any kind is found and named, and rows are read again only where parts of a
//! table differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use telecine::dataflow::Progress;
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::{PostgresSource, SourceConfig};
use telecine::verify;
use telecine::verify::against::{AgainstReport, ComparedTable, RowDifference, RowKind, ValueDifference};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::source::{client, config};
use crate::support::Workplace;

/// A private server with two databases, `left` and `right`.
struct Two {
    server: PrivateServer,
    left: SecretString,
    right: SecretString,
}

impl Two {
    /// Both filled alike, then the right one changed.
    async fn of_sql(both: &str, change: &str) -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        for name in ["left", "right"] {
            server.create_database(name).await.unwrap();
            client(&server.url(name)).await.batch_execute(both).await.unwrap();
        }
        let two = Self { left: server.url("left"), right: server.url("right"), server };
        two.change(change).await;
        two
    }

    async fn change(&self, statements: &str) {
        self.right_client().await.batch_execute(statements).await.unwrap();
    }

    /// A place to call the binary from, with the other database's URL in `OTHER`.
    fn workplace(&self) -> Workplace {
        Workplace::of_files(&[])
            .set("TELECINE_SOURCE_URL", self.left.expose_secret())
            .set("OTHER", self.right.expose_secret())
    }

    async fn right_client(&self) -> Client {
        client(&self.right).await
    }

    async fn compare(&self) -> AgainstReport {
        self.compare_as(|_| {}).await
    }

    async fn compare_as(&self, adapt: impl Fn(&mut SourceConfig)) -> AgainstReport {
        let open = async |url: &SecretString| {
            let mut settings = config(url);
            adapt(&mut settings);
            PostgresSource::connect(&settings).await.unwrap()
        };
        let (left, right) = (open(&self.left).await, open(&self.right).await);
        verify::against(&left, &right, &Progress::default(), &CancellationToken::new()).await.unwrap()
    }
}

#[track_caller]
fn table<'a>(report: &'a AgainstReport, name: &str) -> &'a ComparedTable {
    let found = report.tables.iter().find(|table| table.table.name == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", report.tables))
}

fn counts(table: &ComparedTable) -> [u64; 3] {
    [RowKind::Missing, RowKind::Extra, RowKind::Different].map(|kind| table.counts.get(&kind).copied().unwrap_or(0))
}

/// The rows that differ as `key kind column:here>there`, without quotes and names of single key columns.
fn lines(table: &ComparedTable) -> Vec<String> {
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".into());
    let line = |row: &RowDifference| {
        let key: Vec<_> = row.key.values().map(shown).collect();
        let column = |column: &ValueDifference| {
            format!(" {}:{}>{}", column.name, shown(&column.values.source), shown(&column.values.against))
        };
        let times = if row.times > 1 { format!(" x{}", row.times) } else { String::new() };
        let columns: String = row.columns.iter().map(column).collect();
        format!("{} {:?}{times}{columns}", key.join(","), row.kind)
    };
    table.differences.iter().map(line).collect()
}

const MILLION: &str = "
    create table big (id bigint primary key, name text, at timestamptz);
    insert into big select i, 'row ' || i, timestamptz '2020-01-01 00:00:00+00' + i * interval '1 second'
        from generate_series(1, 1000000) i;
    analyze";

#[tokio::test(flavor = "multi_thread")]
async fn one_row_of_a_million_is_found_and_little_is_read_twice() {
    let two = Two::of_sql(MILLION, "update big set name = 'another' where id = 777777").await;
    let place = two.workplace();
    let report = place.run("verify --against env:OTHER --output json -q").await.code(3);
    assert!(report.stderr.contains("the two databases: 1 of 1 tables differ"), "{}", report.stderr);
    let report = report.json();
    let big = &report["tables"][0];
    assert_eq!(
        big["differences"],
        json!([{"kind": "different", "key": {"id": "777777"}, "times": 1,
                "columns": [{"name": "name", "source": "row 777777", "against": "another"}]}])
    );
    assert_eq!((&big["method"], &big["differing_parts"]), (&json!("key ranges"), &json!(1)));
    assert!(big["parts"].as_u64() > Some(100), "{big:#}");
    assert_eq!(report["first_pass"]["rows_read"], json!({"source": 1_000_000, "against": 1_000_000}));
    let again = &report["narrowing"]["rows_read"];
    assert!(again["source"].as_u64().is_some_and(|rows| (1..50_000).contains(&rows)), "{again}");
    assert_eq!(again["source"], again["against"]);
    println!("first pass {}, narrowing {}", report["first_pass"], report["narrowing"]);
    assert!(!place.path().join("staging").exists(), "a comparison needs no run and leaves none");
    two.server.stop().await.unwrap();
}

/// Four parts of about 4,096 rows, and tables without any.
const FEW: &str = "
    create table film (id int primary key, title text, seen date);
    insert into film select i, 'Film ' || i, date '2020-01-01' + i % 365 from generate_series(1, 16000) i;
    create table no_rows (id int primary key); create table nothing (); create view seen as select 1 as one;
    analyze";

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_says_what_it_found_and_how_it_ended() {
    let two = Two::of_sql(FEW, "").await;
    let place = two.workplace();
    let equal = place.json("verify --against env:OTHER -q").await;
    assert_eq!((&equal["schema_version"], &equal["tables"][0]["equal"]), (&json!(1), &json!(true)));
    assert_eq!(equal["tables"].as_array().unwrap().len(), 3);
    assert_eq!(equal["narrowing"]["rows_read"], json!({"source": 0, "against": 0}));
    assert_eq!((&equal["skipped"][0]["name"], &equal["skipped"][1]["side"]), (&json!("seen"), &json!("against")));

    // At the edges of the table, and of one part in the middle.
    two.change(
        "delete from film where id in (1, 16000); update film set title = E'a\n\"b\"', seen = null where id = 8000;
         insert into film values (0, 'x', null), (16001, 'y', null); insert into no_rows values (5)",
    )
    .await;
    let report = two.compare().await;
    let film = table(&report, "film");
    let edited = "8000 Different title:Film 8000>a\n\"b\" seen:2020-12-01>NULL";
    assert_eq!(lines(film), ["0 Extra", "1 Missing", edited, "16000 Missing", "16001 Extra"]);
    assert_eq!(lines(table(&report, "no_rows")), ["5 Extra"]);
    assert!(table(&report, "nothing").equal);
    let text = place.run("verify --against env:OTHER -q").await.code(3).stdout;
    for wanted in
        ["DIFFERENT", "id=\"1\" is only in the source", "id=\"0\" is only in the other", "not compared: public.seen"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }

    // Only what is asked for, on both sides; a comparison takes no run.
    let one = place.json("verify --against env:OTHER -q --tables nothing").await;
    assert_eq!(one["tables"].as_array().unwrap().len(), 1);
    assert!(place.run("verify --against env:OTHER --run r").await.code(2).stderr.contains("--run"));

    // What is selected and missing on the other side is a difference; what is nowhere is a slip of the pen.
    two.change("drop table nothing").await;
    let gone = place.run("verify --against env:OTHER -q --tables nothing").await.code(3);
    assert!(gone.stderr.contains("public.nothing: it is not in the other database"), "{}", gone.stderr);
    let slip = place.run("verify --against env:OTHER -q --tables nothin").await.code(2);
    assert!(slip.stderr.contains("matches no table"), "{}", slip.stderr);
    // A database is not compared with itself, by whatever name.
    let itself = two.left.expose_secret().replace("127.0.0.1", "localhost");
    let refused = place.set("ITSELF", &itself).run("verify --against env:ITSELF -q").await.code(2);
    assert!(refused.stderr.contains("both sides are the same database"), "{}", refused.stderr);
    two.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_no_encoding_are_shown() {
    let mut two = Two::of_sql("", "").await;
    for (url, name) in [(&mut two.left, "bytes_left"), (&mut two.right, "bytes_right")] {
        let how = "template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'";
        client(url).await.batch_execute(&format!("create database {name} {how}")).await.unwrap();
        *url = two.server.url(name);
        // The second is cut in the middle of a character.
        let fill = "create table t (id int primary key, v text);
                    insert into t values (1, E'a\\xffb'), (2, 'x' || repeat('é', 150))";
        client(url).await.batch_execute(fill).await.unwrap();
    }
    two.change("update t set v = 'y' || substr(v, 2)").await;
    let report = two.compare().await;
    let shown = format!("{}\\xc3", "é".repeat(99));
    let rows = ["1 Different v:a\\xffb>y\\xffb".to_owned(), format!("2 Different v:x{shown}>y{shown}")];
    assert_eq!(lines(table(&report, "t")), rows);
    two.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_that_is_too_small_is_not_believed() {
    let stale = "create table t (a text); insert into t values ('x'); analyze t;
                 alter table t set (autovacuum_enabled = off);
                 insert into t select repeat('x', 1000) || i from generate_series(1, 9000) i";
    let two = Two::of_sql(stale, "update t set a = 'other' where a like '%x4500'").await;
    let report = two.compare().await;
    assert!(table(&report, "t").parts > 1, "{:?}", table(&report, "t"));
    assert_eq!(counts(table(&report, "t")), [1, 1, 0]);
    two.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_cannot_be_read_is_named_and_no_difference_claimed() {
    let two =
        Two::of_sql(FEW, "create role limited login password 'canary-x'; grant select on nothing to limited").await;
    let limited = format!("postgres://limited:canary-x@127.0.0.1:{}/right", two.server.port());
    let place = two.workplace().set("LIMITED", &limited);
    let refused = place.run(&format!("verify --against {limited}")).await.code(2);
    assert!(refused.stderr.contains("--against: other users can see a password"), "{}", refused.stderr);
    let refused = place.run(&format!("verify --source-url {limited} --against env:OTHER")).await.code(2);
    assert!(refused.stderr.contains("--source-url: other users can see a password"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("canary"), "{}", refused.stderr);
    assert!(place.run("verify --against env:NOBODY").await.code(2).stderr.contains("NOBODY is not set"));
    place.write("migration.toml", "[against]\nurl = \"postgres://x:canary-x@127.0.0.1:9/y\"");
    let refused = place.run("config").await.code(2);
    assert!(refused.stderr.contains("against.url") && !refused.stderr.contains("canary"), "{}", refused.stderr);
    place.write("migration.toml", "");

    let gone = place.run("verify --against postgres://x@127.0.0.1:9/y").await.code(2);
    assert!(gone.stderr.contains("the other database") && gone.stderr.contains("127.0.0.1:9"), "{}", gone.stderr);
    let remote = place.run("verify --against postgres://x@db.example.invalid/y?sslmode=disable").await.code(2);
    assert!(remote.stderr.contains("the other database: db.example.invalid"), "{}", remote.stderr);
    let unreadable = place.run("verify --against env:LIMITED").await.code(2);
    for wanted in ["the other database", "public.film", "public.no_rows", "grant select"] {
        assert!(unreadable.stderr.contains(wanted), "{wanted}: {}", unreadable.stderr);
    }
    // The same database from a file is read as any other.
    let file = place.path().join("url");
    std::fs::write(&file, format!("{}\n", two.right.expose_secret())).unwrap();
    place.run(&format!("verify --against file:{} -q", file.display())).await.code(0);
    two.server.stop().await.unwrap();
}

/// A type, the value in both databases, the other value; each as PostgreSQL prints it.
const VALUES: [(&str, &str, &str); 35] = [
    ("bool", "t", "f"),
    ("int2", "-32768", "32767"),
    ("float8", "0", "-0"),
    ("float4", "NaN", "Infinity"),
    ("float8", "5e-324", "0"),
    // Values that raw/ has as NULL, or has NULL in.
    ("numeric(12,3)", "NaN", "NULL"),
    ("numeric(12,3)", "NaN", "1.000"),
    ("numeric(40,0)", "NaN", "NULL"),
    ("time", "24:00:00", "NULL"),
    ("time", "24:00:00", "00:00:00"),
    ("int4[]", "{{1,2},{3,4}}", "{{1,2},{3,5}}"),
    ("int4[]", "{{1,2},{3,4}}", "NULL"),
    ("int4[]", "[0:1]={7,8}", "{7,8}"),
    ("int4[]", "{{1,2}}", "{{1},{2}}"),
    ("numeric(5,1)[]", "{NaN}", "{NULL}"),
    ("time[]", "{24:00:00,00:00:01}", "{NULL,00:00:01}"),
    ("clock", "(24:00:00,x)", "(,x)"),
    ("clock[]", "{\"(24:00:00,x)\"}", "{\"(,x)\"}"),
    // Forms that are near each other.
    ("numeric", "1.0", "1.00"),
    ("numeric", "NaN", "0"),
    ("date", "infinity", "-infinity"),
    ("date", "4713-01-01 BC", "5874897-12-31"),
    ("timestamp", "infinity", "2020-01-01 00:00:00"),
    ("timestamptz", "294276-12-31 23:59:59.999999+00", "infinity"),
    ("text", "a ", "a"),
    ("text", "", "NULL"),
    ("bytea", "\\x00", "\\x0000"),
    ("jsonb", "{\"a\": 1}", "{\"a\": 1.0}"),
    ("json", "{\"a\":1}", "{\"a\": 1}"),
    ("int4range", "[1,5)", "[1,6)"),
    ("int4multirange", "{[1,5),[7,9)}", "{[1,5),[7,10)}"),
    ("inet", "10.0.0.1", "10.0.0.2"),
    ("interval", "1 day", "24:00:00"),
    ("mood[]", "{good,bad}", "{bad,good}"),
    ("uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"),
];

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_kind_are_compared_exactly() {
    let quoted = |value: &str| if value == "NULL" { "null".to_owned() } else { format!("'{value}'") };
    let mut both = "create type mood as enum ('good', 'bad'); create type clock as (at time, what text);".to_owned();
    let mut change = String::new();
    for (index, (kind, value, other)) in VALUES.iter().enumerate() {
        both.push_str(&format!(
            "create table v{index:02} (id int primary key, same {kind}, v {kind});
             insert into v{index:02} values (1, {value}, {value}), (2, null, null), (3, null, {value});",
            value = quoted(value)
        ));
        change.push_str(&format!("update v{index:02} set v = {} where id = 1;", quoted(other)));
    }
    // The same types under other OIDs.
    let two = Two::of_sql("", "create type before as enum ('x'); create type more as (a int)").await;
    for url in [&two.left, &two.right] {
        client(url).await.batch_execute(&both).await.unwrap();
    }
    two.compare().await.require_equal().unwrap();
    two.change(&change).await;
    let report = two.compare().await;
    for (index, (kind, value, other)) in VALUES.iter().enumerate() {
        let found = lines(table(&report, &format!("v{index:02}")));
        assert_eq!(found, [format!("1 Different v:{value}>{other}")], "{kind}");
    }
    two.server.stop().await.unwrap();
}

/// Tables by key: name, the key's columns as declared, as named, their values in row `i`.
const KEYS: [(&str, &str, &str, &str); 14] = [
    ("small", "k int2", "k", "i - 5000"),
    ("long", "k int8", "k", "i * 1000000007::bigint - 5000000000000"),
    ("exact", "k numeric(20,4)", "k", "(i - 5000) * 1.0001"),
    ("day", "k date", "k", "date '1990-01-01' + i"),
    ("moment", "k timestamptz", "k", "timestamptz 'epoch' + (i - 5000) * interval '7 hours'"),
    ("token", "k uuid", "k", "md5(i::text)::uuid"),
    ("blob", "k bytea", "k", "decode(md5(i::text), 'hex')"),
    ("word", "k text", "k", r"md5(i::text) || E'\\x' || '''' || i"),
    ("collated", "k varchar(60) collate de", "k", "chr(65 + i % 58) || 'ä' || i"),
    ("padded", "k char(8)", "k", "i::text"),
    ("pair", "k int, l text", "k, l", "i / 100, 'x' || i % 100"),
    ("three", "k date, l uuid, m int", "k, l, m", "date '2000-01-01' + i / 1000, md5((i / 10)::text)::uuid, i"),
    ("real", "k float8", "k", "i / 7.0"),
    ("label", "k grade, l int", "k, l", "(case i % 2 when 0 then 'zulu' else 'alpha' end)::grade, i"),
];

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_keys_of_every_kind() {
    let mut both = "create type grade as enum ('zulu', 'alpha');
                    create collation de (provider = icu, locale = 'de');"
        .to_owned();
    let mut change = String::new();
    for (name, columns, key, value) in KEYS {
        both.push_str(&format!(
            "create table \"{name}\" (v int not null, {columns}, primary key ({key}));
             insert into \"{name}\" select i, {value} from generate_series(1, 10000) i;"
        ));
        change.push_str(&format!(
            "delete from \"{name}\" where v in (1, 4097); update \"{name}\" set v = -v where v in (2, 5000, 9999);
             update \"{name}\" set v = 0 where v = 10000;"
        ));
    }
    both.push_str("analyze");
    let two = Two::of_sql(&both, &change).await;
    let report = two.compare().await;
    for (name, ..) in KEYS {
        let found = table(&report, name);
        assert_eq!(counts(found), [2, 0, 4], "{name}: {found:#?}");
        assert_eq!(found.not_narrowed, Vec::<String>::new(), "{name}");
        let wanted = if name == "real" { "hashes of the key" } else { "key ranges" };
        assert_eq!(found.method, wanted, "{name}");
        let values: Vec<_> = found.differences.iter().flat_map(|row| &row.columns).map(|c| c.name.as_str()).collect();
        assert_eq!(values, ["v"; 4], "{name}");
        assert!(found.narrowing.rows_read.source <= 10_000, "{name}: {found:#?}");
    }
    two.server.stop().await.unwrap();
}

const SHAPES: &str = "
    create table no_key (a int, b text);
    insert into no_key select i, case when i % 7 = 0 then null else 'row ' || i end from generate_series(1, 9000) i;
    insert into no_key select 1, 'row 1' from generate_series(1, 4);
    create table retyped (id int primary key, word varchar(10), price numeric(10,2), doc json, at timestamp);
    insert into retyped select i, 'w' || i, i / 100.0, '{}', '2020-01-01' from generate_series(1, 100) i;
    create table widened (id int primary key, v int, w text);
    insert into widened select i, i, 'w' from generate_series(1, 9000) i;
    create table moved (id int primary key, a int, b int, gone int); insert into moved values (1, 2, 3, 4);
    create table only_left (id int primary key); insert into only_left values (1);
    create table keyed (id int primary key, v int); insert into keyed values (1, 1), (2, 2);
    create table partly (id int primary key, v text) partition by range (id);
    create table partly_1 partition of partly for values from (0) to (100);
    insert into partly values (1, 'x')";

const RESHAPED: &str = "
    delete from no_key where ctid = any(array(select ctid from no_key where a = 1 limit 3));
    insert into no_key values (14, null), (14, null), (20, 'other'); delete from no_key where a = 21;
    alter table retyped alter word type varchar(20), alter price type numeric(12,2), alter doc type jsonb,
        alter at type timestamptz; update retyped set word = 'longer' where id = 50;
    alter table widened alter id type bigint, alter v type bigint; update widened set w = 'x' where id = 4500;
    drop table moved; create table moved (b int, a int, id int primary key, added int);
    insert into moved values (3, 2, 1, 9);
    drop table only_left; create table only_right (id int primary key);
    alter table keyed drop constraint keyed_pkey; update keyed set v = 3 where id = 2;
    update partly set v = 'y'";

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_other_shapes_are_compared_as_far_as_they_can_be() {
    let two = Two::of_sql(SHAPES, RESHAPED).await;
    let report = two.compare().await;
    let no_key = table(&report, "no_key");
    assert_eq!((no_key.method, counts(no_key)), ("hashes of the row", [4, 3, 0]));
    let mut rows = lines(no_key);
    rows.sort();
    assert_eq!(rows, ["1,row 1 Missing x3", "14,NULL Extra x2", "20,other Extra", "21,NULL Missing"]);

    let retyped = table(&report, "retyped");
    let columns: Vec<_> = retyped.columns.retyped.iter().map(|c| (c.name.as_str(), c.compared)).collect();
    assert_eq!(columns, [("word", true), ("price", true), ("doc", false), ("at", false)]);
    assert_eq!(lines(retyped), ["50 Different word:w50>longer"]);
    let problems = retyped.problems.join("\n");
    for wanted in ["doc is retyped: json in the source, jsonb in the other database; its values", "word is retyped"] {
        assert!(problems.contains(wanted), "{problems}");
    }
    let widened = table(&report, "widened");
    assert_eq!((widened.method, lines(widened)), ("key ranges", vec!["4500 Different w:w>x".to_owned()]));
    let moved = table(&report, "moved");
    assert_eq!((&moved.columns.missing[0], &moved.columns.added[0]), (&"gone".to_owned(), &"added".to_owned()));
    assert!(moved.checksums.source == moved.checksums.against && !moved.equal && moved.counts.is_empty());

    assert!(table(&report, "only_left").problems[0].contains("not in the other"));
    assert!(table(&report, "only_right").problems[0].contains("only in the other"));
    let keyed = table(&report, "keyed");
    assert!(keyed.problems.iter().any(|problem| problem.contains("no common primary key")), "{keyed:?}");
    assert_eq!(counts(keyed), [1, 1, 0]);
    assert!(table(&report, "partly").equal);
    assert_eq!(lines(table(&report, "partly_1")), ["1 Different v:x>y"]);
    two.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_has_grown_is_cut_again() {
    // The sample sees keys up to 10,000; behind the last of them the other side has ever so many more.
    let few = "create table t (id int primary key, v int);
               insert into t select i, i from generate_series(1, 10000) i; analyze";
    let more = "insert into t select i, i from generate_series(10001, 240000) i; update t set v = 0 where id = 5";
    let two = Two::of_sql(few, more).await;
    let report = two.compare().await;
    let found = table(&report, "t");
    assert_eq!((counts(found), &found.not_narrowed), ([0, 230_000, 1], &Vec::new()), "{found:#?}");
    assert_eq!(lines(found)[..2], ["5 Different v:5>0", "10001 Extra"]);
    assert_eq!(found.differences.len(), 100);
    two.server.stop().await.unwrap();
}
