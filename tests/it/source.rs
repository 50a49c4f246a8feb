//! The source reader against a private PostgreSQL: every type, what discovery says, what a broken read is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, UInt32Type,
};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta};
use futures::{StreamExt, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};
use telecine::dataflow::{Partition, Slice, Source, TableName};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::{Exclusion, PostgresSource, SourceConfig, Use, key_slices};
use tokio_postgres::{Client, NoTls};

/// A source of this database with small batches and slices.
pub(crate) fn config(url: &SecretString) -> SourceConfig {
    SourceConfig {
        url: url.clone(),
        include: Vec::new(),
        exclude: Vec::new(),
        connections: 3,
        batch_rows: 1000,
        batch_bytes: 1 << 20,
        partition_bytes: 1 << 20,
        allow_insecure: false,
    }
}

/// A client beside telecine's own connections.
pub(crate) async fn client(url: &SecretString) -> Client {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A private server with one database.
pub(crate) async fn database(statements: &str) -> (PrivateServer, SecretString, Client) {
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    server.create_database("library").await.unwrap();
    let url = server.url("library");
    let client = client(&url).await;
    client.batch_execute(statements).await.unwrap();
    (server, url, client)
}

fn whole(schema: &str, name: &str) -> Partition {
    Partition { table: TableName::new(schema, name), number: 0, slice: Slice::Whole }
}

async fn rows(source: &PostgresSource, partition: &Partition) -> Vec<RecordBatch> {
    source.scan(partition).await.unwrap().try_collect().await.unwrap()
}

/// A value as PostgreSQL's output function prints it, from Arrow; the test's own rendering, by chrono and arrow.
fn text(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => if array.as_boolean().value(row) { "t" } else { "f" }.into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::Float32 => format!("{:?}", array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().value_as_string(row),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Binary => {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            format!("\\x{}", hex(array.as_binary::<i32>().value(row)))
        }
        DataType::Date32 => day(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(_, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            moment(micros, if zone.is_some() { "+00" } else { "" })
        }
        DataType::Time64(_) => {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            clock(chrono::DateTime::from_timestamp_micros(micros).unwrap().naive_utc())
        }
        other => panic!("{other} is compared by its parts"),
    })
}

fn day(days: i32) -> String {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    match days {
        i32::MAX => "infinity".into(),
        i32::MIN => "-infinity".into(),
        // Beyond chrono's calendar; the one such value of the test.
        days if days > 90_000_000 => "5874897-12-31".into(),
        days if days >= 0 => date_text(epoch + Days::new(days.unsigned_abs().into())),
        days => date_text(epoch - Days::new(days.unsigned_abs().into())),
    }
}

fn date_text(date: NaiveDate) -> String {
    let (year, era) = if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " BC") };
    format!("{year:04}-{:02}-{:02}{era}", date.month(), date.day())
}

fn clock(moment: NaiveDateTime) -> String {
    let text = moment.format("%H:%M:%S%.6f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn moment(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => return "infinity".into(),
        i64::MIN => return "-infinity".into(),
        _ => {}
    }
    // The last year of the test lies beyond chrono's calendar: move it by whole 400-year cycles.
    let cycle = 146_097 * 86_400_000_000;
    let cycles = if micros > 7_000_000_000_000_000_000 { 250 } else { 0 };
    let moved = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap()
        + TimeDelta::microseconds(micros - cycles * cycle);
    let date = moved.date();
    let (year, era) = if date.year() > 0 { (date.year(), "") } else { (1 - date.year(), " BC") };
    let year = year + i32::try_from(cycles).unwrap() * 400;
    let whole_seconds = clock(moved);
    format!("{year:04}-{:02}-{:02} {whole_seconds}{zone}{era}", date.month(), date.day())
}

/// PostgreSQL's float text in the form that the test renders with.
fn float(text: String, single: bool) -> String {
    let text = text.replace("Infinity", "inf");
    match single {
        true => format!("{:?}", text.parse::<f32>().unwrap()),
        false => format!("{:?}", text.parse::<f64>().unwrap()),
    }
}

/// What the odd values that cannot be held became: (table, key, text).
const EXCEPTIONS: [(&str, &str, &str); 10] = [
    ("t_int4_array", "3", "[0:1]={7,8}"),
    ("t_int4_array", "4", "{{1,2},{3,4}}"),
    ("t_numeric_12_3", "6", "NaN"),
    ("t_numeric_39_0", "3", "NaN"),
    ("t_numeric_array", "2", "NaN"),
    ("t_text_array", "3", "{{a,\"b,c\"},{\"\",NULL}}"),
    ("t_time", "4", "24:00:00"),
    ("t_timestamp", "8", "294247-01-10 04:00:54.775807"),
    ("t_timestamp", "9", "294276-12-31 23:59:59.999999"),
    ("t_timestamptz", "6", "294276-12-31 23:59:59+00"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_as_postgresql_prints_it() {
    let (server, url, client) = database(include_str!("odd_types.sql")).await;
    client.batch_execute("set timezone = 'UTC'; set extra_float_digits = 3").await.unwrap();
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let tables = source.tables().await.unwrap();
    assert!(tables.len() > 60);
    let mut values = 0;
    let mut exceptions = Vec::new();
    for table in &tables {
        let batches = rows(&source, &whole("odd", &table.table.name)).await;
        let noted = source.noted(&table.table);
        let lost: BTreeMap<String, String> = noted.exceptions.iter().map(|e| (e.key.clone(), e.text.clone())).collect();
        exceptions.extend(noted.exceptions);
        let as_text = table.arrow.field(1).metadata().contains_key("pg_text") || table.table.name == "t_xml";
        for batch in batches {
            values += compare(&client, &table.table.name, &batch, as_text, &lost).await;
        }
    }
    assert!(values > 170, "{values} values were compared");
    exceptions.sort_by(|a, b| (&a.table, &a.key).cmp(&(&b.table, &b.key)));
    let found: Vec<_> = exceptions.iter().map(|e| (e.table.as_str(), e.key.as_str(), e.text.as_str())).collect();
    let wanted = EXCEPTIONS.map(|(table, key, text)| (format!("odd.{table}"), key, text));
    assert_eq!(found, wanted.each_ref().map(|(table, key, text)| (table.as_str(), *key, *text)));
    let infinite = source.noted(&TableName::new("odd", "t_timestamp")).infinite;
    assert_eq!(infinite, BTreeMap::from([("v".to_owned(), 2)]));
    server.stop().await.unwrap();
}

/// Compares column v of a table with the server's text of it and returns how many values were compared.
async fn compare(
    client: &Client,
    name: &str,
    batch: &RecordBatch,
    as_text: bool,
    lost: &BTreeMap<String, String>,
) -> usize {
    let ids = batch.column(0).as_primitive::<Int32Type>();
    let mut compared = 0;
    for row in 0..batch.num_rows() {
        let id = ids.value(row);
        let value = batch.column(1);
        let parts = parts(value, row);
        for (path, got) in &parts {
            let expression = format!("(v){path}");
            let printed = if as_text { format!("{expression}::text") } else { format!("concat({expression})") };
            let query = format!(
                "select case when {expression}::text is not null then {printed} end from odd.{name} where id = {id}"
            );
            let oracle: Option<String> = client.query_one(&query, &[]).await.unwrap().get(0);
            let oracle = match value.data_type() {
                DataType::Float32 => oracle.map(|text| float(text, true)),
                DataType::Float64 => oracle.map(|text| float(text, false)),
                DataType::List(item) if item.data_type() == &DataType::Float64 => oracle.map(|text| float(text, false)),
                _ => oracle,
            };
            if oracle != *got {
                let key = id.to_string();
                assert!(got.is_none() && lost.contains_key(&key), "{name} {id}{path}: {got:?}, PostgreSQL {oracle:?}");
                assert!(oracle.is_some_and(|oracle| oracle == lost[&key]), "{name} {id}: the exception's text");
            }
            compared += 1;
        }
    }
    compared
}

/// The scalar parts of a value with the SQL that leads to each from `(v)`.
fn parts(array: &ArrayRef, row: usize) -> Vec<(String, Option<String>)> {
    match array.data_type() {
        _ if array.is_null(row) => vec![(String::new(), None)],
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let nested = matches!(items.data_type(), DataType::Struct(_));
            // A lower bound is not kept: the test's one such array starts at 0.
            let first = if items.len() == 2 && text_or_none(&items, 0).as_deref() == Some("7") { 0 } else { 1 };
            (0..items.len())
                .flat_map(|index| {
                    let at = format!("[{}]", index + first);
                    if nested {
                        parts(&items, index).into_iter().map(|(path, got)| (format!("{at}{path}"), got)).collect()
                    } else {
                        vec![(at, text(&items, index))]
                    }
                })
                .collect()
        }
        DataType::Struct(fields) if fields.iter().any(|field| field.name() == "lower_inc") => {
            vec![(String::new(), Some(range_text(array, row)))]
        }
        DataType::Struct(fields) => {
            let members = array.as_struct();
            let part = |(field, member): (&arrow::datatypes::FieldRef, &ArrayRef)| {
                let path = format!(".{}", field.name());
                parts(member, row).into_iter().map(|(rest, got)| (format!("{path}{rest}"), got)).collect::<Vec<_>>()
            };
            fields.iter().zip(members.columns()).flat_map(part).collect()
        }
        _ => vec![(String::new(), text(array, row))],
    }
}

fn text_or_none(array: &ArrayRef, row: usize) -> Option<String> {
    if matches!(array.data_type(), DataType::Struct(_)) { None } else { text(array, row) }
}

/// A range as PostgreSQL prints it, put together from the struct.
fn range_text(array: &ArrayRef, row: usize) -> String {
    let members = array.as_struct();
    let flag = |name: &str| members.column_by_name(name).unwrap().as_boolean().value(row);
    let bound = |name: &str| {
        let text = text(members.column_by_name(name).unwrap(), row).unwrap_or_default();
        if text.contains(' ') { format!("\"{text}\"") } else { text }
    };
    if flag("empty") {
        return "empty".into();
    }
    let (open, close) = (if flag("lower_inc") { "[" } else { "(" }, if flag("upper_inc") { "]" } else { ")" });
    format!("{open}{},{}{close}", bound("lower"), bound("upper"))
}

/// Each numeric beside its text, both made by the server.
pub(crate) const NUMBERS: &str = "
    select setseed(0.42);
    create table numbers as
    select free, free::text as free_text, fixed, fixed::text as fixed_text, wide, wide::text as wide_text
    from (select trunc((random()::numeric - 0.5) * 10::numeric ^ (floor(random() * 60)::int - 30),
                       floor(random() * 30)::int) as free,
                 ((random()::numeric - 0.5) * 10::numeric ^ floor(random() * 15)::int)::numeric(20, 5) as fixed,
                 ((random()::numeric - 0.5) * 10::numeric ^ floor(random() * 50)::int)::numeric(60, 9) as wide
          from generate_series(1, 20000)) as made";

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_every_size_are_the_servers_own_text() {
    let (server, url, _client) = database(NUMBERS).await;
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let mut compared = 0;
    for batch in rows(&source, &whole("public", "numbers")).await {
        for row in 0..batch.num_rows() {
            for column in [0, 2, 4] {
                assert_eq!(text(batch.column(column), row), text(batch.column(column + 1), row));
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 60_000);
    server.stop().await.unwrap();
}

/// Arrays that go to the exceptions because they have two dimensions, of numbers of every size.
const GRIDS: &str = "
    select setseed(0.42);
    create table grids as
    select i as id, array[array[wide, 'infinity'], array[round(wide), '-0']] as wide,
           array[array[narrow, '-infinity'], array['nan', round(narrow)]]::float4[] as narrow
    from (select i, (random() - 0.5) * 10 ^ floor(random() * 60 - 44) as wide,
                 ((random() - 0.5) * 10 ^ floor(random() * 38 - 30))::float4 as narrow
          from generate_series(1, 5000) i) as made;
    alter table grids add primary key (id)";

#[tokio::test(flavor = "multi_thread")]
async fn floats_in_exceptions_are_the_servers_own_text() {
    let (server, url, client) = database(GRIDS).await;
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    rows(&source, &whole("public", "grids")).await;
    let exceptions = source.noted(&TableName::new("public", "grids")).exceptions;
    assert_eq!(exceptions.len(), 10_000);
    let mut texts = BTreeMap::new();
    for row in client.query("select id::text, wide::text, narrow::text from grids", &[]).await.unwrap() {
        let id: String = row.get(0);
        texts.insert((id.clone(), "wide"), row.get::<_, String>(1));
        texts.insert((id, "narrow"), row.get::<_, String>(2));
    }
    for found in exceptions {
        assert_eq!(found.text, texts[&(found.key.clone(), found.column.as_str())], "{found:?}");
    }
    server.stop().await.unwrap();
}

const LIBRARY: &str = r#"
    create table plain (id bigint primary key, name text, lasts interval);
    insert into plain select i, 'row ' || i, '1 day' from generate_series(1, 50) i;
    create table "Quoted ""Name""" ("Größe" int, "a b" text);
    create table nothing ();
    insert into nothing select from generate_series(1, 3);
    create table event (id int, at date not null) partition by range (at);
    create table event_2024 partition of event for values from ('2024-01-01') to ('2025-01-01');
    insert into event values (1, '2024-05-05');
    create table parent (id int); create table child () inherits (parent);
    insert into parent values (1); insert into child values (2);
    create schema wfe; create table wfe.job (id int primary key);
    create table audit_log (id int);
    create view seen as select 1 as one;
    create materialized view kept as select 1 as one;
    select lo_create(0);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn discovery_accounts_for_every_table() {
    let (server, url, client) = database(LIBRARY).await;
    let mut settings = config(&url);
    let exclusion = |glob: &str| Exclusion { glob: glob.into(), reason: format!("as {glob}") };
    settings.exclude = vec![exclusion("wfe.*"), exclusion("audit_*")];
    let source = PostgresSource::connect(&settings).await.unwrap();
    let found = source.discover().await.unwrap();
    assert_eq!((found.tables, found.large_objects), (9, 1));
    assert!(found.size_bytes > 1 << 20 && found.connection.route == "direct" && found.connection.user == "postgres");
    let table = |name: &str| found.listing.iter().find(|table| table.table.name == name).unwrap();
    let plain = table("plain");
    assert_eq!((plain.rows, plain.rows_exact, plain.key.as_slice()), (50, true, &["id".to_owned()][..]));
    assert_eq!(plain.findings, ["column lasts (interval) is read in its text form"]);
    assert_eq!(table("Quoted \"Name\"").findings, ["no primary key", "empty"]);
    assert_eq!((table("nothing").rows, table("nothing").findings.as_slice()), (3, &["no columns".to_owned()][..]));
    assert!(table("event").findings[0].starts_with("partitioned parent") && table("event").usage == Use::Read);
    assert_eq!(table("event_2024").findings[0], "partition of public.event");
    assert_eq!((table("parent").rows, table("child").rows), (1, 1));
    assert_eq!(table("job").usage, Use::Skipped("as wfe.*".into()));
    assert_eq!(table("audit_log").usage, Use::Skipped("as audit_*".into()));
    assert_eq!((table("seen").kind.as_str(), table("kept").kind.as_str()), ("view", "materialised view"));
    let exact = |name: &str| (table(name).rows, table(name).rows_exact);
    assert_eq!((exact("seen"), exact("kept"), exact("event")), ((0, false), (0, false), (0, true)));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["listing"][0]["use"], "read");

    // A glob that selects nothing is a slip of the pen: named, with what may be meant, before anything is read.
    let include = |globs: &[&str]| {
        let include = globs.iter().map(|glob| (*glob).to_owned()).collect();
        telecine::source::SourceConfig { include, ..settings.clone() }
    };
    let narrow = include(&["plan", "wfe.jbo", "zzz*", "see*", "event*"]);
    let error = PostgresSource::connect(&narrow).await.unwrap().tables().await.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_code(), 2);
    for wanted in [
        "\"plan\" matches no table; the nearest names are public.plain",
        "\"wfe.jbo\" matches no table; the nearest names are wfe.job",
        "\"zzz*\" matches no table; and no name is like it",
        "\"see*\" matches no table; only public.seen (a view",
    ] {
        assert!(message.contains(wanted), "{message}");
    }
    assert!(!message.contains("event*"), "{message}");
    let tables = PostgresSource::connect(&include(&["plai?", "event*"])).await.unwrap().tables().await.unwrap();
    assert_eq!(tables.len(), 3);

    // A user that may read one of the tables is told of all the others at once, before anything is read.
    let grant = "create role limited login password 'canary-3141'; grant select on plain to limited;
                 alter table child enable row level security; grant select on child to limited";
    client.batch_execute(grant).await.unwrap();
    let port = server.port();
    settings.url = format!("postgres://limited:canary-3141@127.0.0.1:{port}/library").into();
    let limited = PostgresSource::connect(&settings).await.unwrap();
    let error = limited.tables().await.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_code(), 2);
    assert!(message.contains("6 tables") && message.contains("public.event_2024"), "{message}");
    assert!(message.contains("public.child: row-level security") && !message.contains("public.plain"), "{message}");

    settings.url = format!("postgres://limited:canary-wrong@127.0.0.1:{port}/library").into();
    let refused = PostgresSource::connect(&settings).await.unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    assert!(!format!("{refused} {refused:?} {limited:?} {settings:?}").contains("canary"), "{refused:?}");

    // The folder's Unix socket is as good as the port; a server without TLS is not enough for verify-full.
    settings.url = format!("postgres://127.0.0.1:{port}/library?sslmode=verify-full&user=x").into();
    let unsafe_link = PostgresSource::connect(&settings).await.unwrap_err();
    assert!(format!("{unsafe_link:?}").contains("TLS"), "{unsafe_link:?}");

    // What keeps a run from starting says so and what mends it, once, and never with the password.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_at = mute.local_addr().unwrap().port();
    for (url, wanted) in [
        (format!("x@127.0.0.1:{mute_at}/library?connect_timeout=1"), &"has not answered within 1s".to_owned()),
        (format!("limited@127.0.0.1:{port}/library"), &format!("127.0.0.1:{port} asks for a password and none is set")),
        (format!("limited:canary-9@127.0.0.1:{port}/library?sslmode=require"), &"sslmode=disable".to_owned()),
        (format!("limited:canary-9@127.0.0.1:{port}/library"), &"PGPASSFILE".to_owned()),
        (format!("limited:canary-9@127.0.0.1:{nobody}/library"), &format!("127.0.0.1:{nobody}: no connection")),
        ("limited:canary-9@nowhere.invalid/library".to_owned(), &"nowhere.invalid:5432: no connection".to_owned()),
    ] {
        settings.url = format!("postgres://{url}").into();
        let error = PostgresSource::connect(&settings).await.unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(wanted.as_str()), "{url}: {error:?}");
        assert!(!error.is_transient() && !format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    server.stop().await.unwrap();
}

const BIG: &str = "
    create table big (id bigint primary key, fill text);
    insert into big select i * 7, repeat(md5(i::text), 8) from generate_series(1, 120000) i;
    alter table big drop constraint big_pkey, add primary key (id);
    analyze big";

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_whole_or_an_error_and_slices_add_up() {
    let (server, url, client) = database(BIG).await;
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let table = source.tables().await.unwrap().remove(0);

    let partitions = source.partitions(&table).await.unwrap();
    assert!(partitions.len() > 10, "{} slices", partitions.len());
    let mut ids = Vec::new();
    for partition in &partitions {
        for batch in rows(&source, partition).await {
            assert!(batch.num_rows() <= 1000);
            ids.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
        }
    }
    ids.sort_unstable();
    assert!(ids.iter().copied().eq((1..=120_000).map(|i| i * 7)), "every row once");
    let mut by_key = 0;
    for (number, slice) in key_slices("id", &[70_000, 7, 500_000]).into_iter().enumerate() {
        let partition = Partition { table: table.table.clone(), number, slice };
        by_key += rows(&source, &partition).await.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    assert_eq!(by_key, 120_000);

    // Back-pressure: a stream that is not polled stops reading, and the server waits for it.
    let mut stream = source.scan(&whole("public", "big")).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.num_rows(), 1000);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let waiting = "select pid, wait_event from pg_stat_activity where query like 'copy (select%' and state = 'active'";
    let row = client.query_one(waiting, &[]).await.unwrap();
    assert_eq!(row.get::<_, Option<String>>(1).as_deref(), Some("ClientWrite"));

    // Its backend killed: what comes is less than the table, and then an error, never an end.
    client.execute("select pg_terminate_backend($1)", &[&row.get::<_, i32>(0)]).await.unwrap();
    let mut read = first.num_rows();
    let error = loop {
        match stream.next().await.expect("a killed read does not end as if it were whole") {
            Ok(batch) => read += batch.num_rows(),
            Err(error) => break telecine::Error::from_datafusion(error),
        }
    };
    assert!(read < 120_000 && error.is_transient() && error.to_string().contains("public.big"), "{read} {error}");
    // The snapshot lives on: a new session reads the same rows.
    client.batch_execute("delete from big where id < 1000").await.unwrap();
    let again: usize = rows(&source, &whole("public", "big")).await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(again, 120_000);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_under_the_catalogs_eyes_is_not_there() {
    let (server, url, client) = database("create table stays (id int); create table goes (id int)").await;
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    client.batch_execute("begin; drop table goes").await.unwrap();
    // Its size is asked for, which waits for the lock and then finds nothing.
    let asking = source.clone();
    let tables = tokio::spawn(async move { asking.tables().await });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!tables.is_finished());
    client.batch_execute("commit").await.unwrap();
    let tables = tables.await.unwrap().unwrap();
    assert_eq!(tables.iter().map(|table| table.table.name.as_str()).collect::<Vec<_>>(), ["stays"]);

    // One that came since the catalog was read would be missing from the staging area: the snapshot is refused.
    client.batch_execute("create table comes (id int)").await.unwrap();
    let error = source.snapshot().await.unwrap_err();
    let message = error.to_string();
    assert!(error.exit_code() == 2 && message.contains("public.comes was created"), "{message}");
    let again = PostgresSource::connect(&config(&url)).await.unwrap();
    again.tables().await.unwrap();

    // The moment is that of the snapshot, after the wait for the locks.
    client.batch_execute("begin; lock table comes in access exclusive mode").await.unwrap();
    let waiting = again.clone();
    let snapshot = tokio::spawn(async move { waiting.snapshot().await });
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let clock = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
    let before: String = client.query_one(clock, &[]).await.unwrap().get(0);
    client.batch_execute("commit").await.unwrap();
    let at = snapshot.await.unwrap().unwrap().at;
    assert!(at >= before, "{at} is not after {before}");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reader_that_must_wait_for_a_lock_has_not_lost_the_snapshot() {
    let (server, url, client) = database("create table t (id int); insert into t values (1), (2)").await;
    let mut settings = config(&url);
    settings.connections = 1;
    let source = PostgresSource::connect(&settings).await.unwrap();
    source.snapshot().await.unwrap();
    let truncating = self::client(&url).await;
    let cancel = truncating.cancel_token();
    let truncate = tokio::spawn(async move { truncating.batch_execute("truncate t").await });
    let readers = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where application_name = 'telecine' and query like 'lock table%'";
    let ended: i64 = client.query_one(readers, &[]).await.unwrap().get(0);
    assert_eq!(ended, 1);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;

    let Err(error) = source.scan(&whole("public", "t")).await else { panic!("the TRUNCATE holds the reader back") };
    assert!(error.is_transient() && error.to_string().contains("exclusive lock"), "{error}");
    cancel.cancel_query(NoTls).await.unwrap();
    truncate.await.unwrap().unwrap_err();
    let read: usize = rows(&source, &whole("public", "t")).await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(read, 2);

    // Without its holder it is lost, and trying again is of no use.
    let all = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where application_name = 'telecine' and state = 'idle in transaction'";
    let ended: i64 = client.query_one(all, &[]).await.unwrap().get(0);
    assert_eq!(ended, 2);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let Err(error) = source.scan(&whole("public", "t")).await else { panic!("the holder has ended") };
    assert!(!error.is_transient() && error.to_string().contains("the session that held it has ended"), "{error}");
    server.stop().await.unwrap();
}

/// A certificate authority, a certificate of it for `localhost`, and an authority that nobody knows.
const CERTIFICATES: &str = "
    key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    for name in ca evil; do openssl req -x509 $key -days 2 -subj /CN=$name -keyout $name.key -out $name.pem; done
    openssl req $key -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout server.key -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out server.crt
    chmod 600 server.key";

#[tokio::test(flavor = "multi_thread")]
async fn the_server_proves_its_name_before_a_password_is_sent() {
    let (server, url, client) =
        database("create table t (id int); insert into t select generate_series(1, 5000)").await;
    let folder: String = client.query_one("show data_directory", &[]).await.unwrap().get(0);
    let program = CERTIFICATES.replace('\'', "\'\'");
    client.batch_execute(&format!("copy (select 1) to program '({program}) >/dev/null 2>&1'")).await.unwrap();
    client.batch_execute("alter system set ssl = on").await.unwrap();
    client.batch_execute("select pg_reload_conf()").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;

    let connect = async |host: &str, options: &str| {
        let url = url.expose_secret().replace("127.0.0.1", host);
        let join = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{join}{}", options.replace("DIR", &folder));
        PostgresSource::connect(&config(&SecretString::from(url))).await
    };
    let proven = connect("localhost", "sslmode=verify-full&sslrootcert=DIR/ca.pem").await.unwrap();
    let transport = proven.discover().await.unwrap().connection.transport;
    assert!(transport.starts_with("TLSv1.3"), "{transport}");
    let read: usize = rows(&proven, &whole("public", "t")).await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(read, 5000);

    for (host, options) in [
        ("127.0.0.1", "sslmode=verify-full&sslrootcert=DIR/ca.pem"),
        ("localhost", "sslmode=verify-full&sslrootcert=DIR/evil.pem"),
        ("localhost", "sslmode=verify-ca&sslrootcert=DIR/evil.pem"),
        ("localhost", "sslmode=require&sslrootcert=DIR/evil.pem"),
    ] {
        let error = connect(host, options).await.expect_err(options);
        assert!(
            error.exit_code() == 2 && error.to_string().contains("did not prove its identity"),
            "{options}: {error}"
        );
    }
    for (host, options, tls) in [
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=DIR/ca.pem", true),
        ("127.0.0.1", "sslmode=require", true),
        ("127.0.0.1", "sslmode=prefer", true),
        ("127.0.0.1", "sslmode=disable", false),
    ] {
        let transport = connect(host, options).await.unwrap().discover().await.unwrap().connection.transport;
        assert_eq!(transport.starts_with("TLS"), tls, "{options}: {transport}");
    }
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_are_set_aside_with_their_row() {
    let (server, _, first) = database("").await;
    let create = "create database latin encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0";
    first.batch_execute(create).await.unwrap();
    let url = server.url("latin");
    let statements = r"create table note (code text primary key, v text, tags text[]);
                       insert into note values ('ok', 'plain', '{a}'), ('bad', E'\xe9t\xe9', array['x', E'\xff'])";
    client(&url).await.batch_execute(statements).await.unwrap();
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let batches = rows(&source, &whole("public", "note")).await;
    assert_eq!(text(batches[0].column(1), 0).as_deref(), Some("plain"));
    assert!(batches[0].column(1).is_null(1), "never a replacement character");
    let exceptions = source.noted(&TableName::new("public", "note")).exceptions;
    let found: Vec<_> = exceptions.iter().map(|e| (e.key.as_str(), e.column.as_str(), e.text.as_str())).collect();
    assert_eq!(found, [("bad", "v", "\\xe974e9"), ("bad", "tags", "\\xff")]);

    // A name cannot be set aside.
    let name = r#"do $$ begin execute 'create table "' || E'caf\xe9' || '" (id int)'; end $$"#;
    client(&url).await.batch_execute(name).await.unwrap();
    let error = PostgresSource::connect(&config(&url)).await.unwrap().discover().await.unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("relname"), "{error}");
    server.stop().await.unwrap();
}
