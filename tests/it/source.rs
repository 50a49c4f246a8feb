//! The source reader against a private PostgreSQL: every type, what discovery says, what a broken read is. The checks that
//! take a reader are run over every reader by `conformance`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod sessions;

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};
use telecine::dataflow::{Partition, Slice, Source, TableName};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::{PostgresSource, Reader, SourceConfig, key_slices};
use tokio_postgres::{Client, NoTls};

use crate::support::{PATIENCE, wait_for};
use crate::types::back::scalar;

/// A source of this database with small batches and slices.
pub(crate) fn config(url: &SecretString) -> SourceConfig {
    SourceConfig {
        url: url.clone(),
        include: Vec::new(),
        exclude: Vec::new(),
        exclude_columns: Vec::new(),
        connections: 3,
        batch_rows: 1000,
        batch_bytes: 1 << 20,
        partition_bytes: 1 << 20,
        max_mbps: None,
        materialised_views: false,
        allow_insecure: false,
        reader: Reader::default(),
        silence: telecine::source::SILENCE,
    }
}

/// The same, read by this reader.
pub(crate) fn read_by(url: &SecretString, reader: Reader) -> SourceConfig {
    SourceConfig { reader, ..config(url) }
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

pub(crate) fn whole(schema: &str, name: &str) -> Partition {
    Partition { table: TableName::new(schema, name), number: 0, slice: Slice::Whole }
}

pub(crate) async fn rows(source: &PostgresSource, partition: &Partition) -> Vec<RecordBatch> {
    source.scan(partition).await.unwrap().try_collect().await.unwrap()
}

/// What the odd values that cannot be held became: (table, key, text).
const EXCEPTIONS: [(&str, &str, &str); 10] = [
    ("t_int4_array", "3", "[0:1]={7,8}"),
    ("t_int4_array", "4", "{{1,2},{3,4}}"),
    ("t_numeric_12_3", "6", "NaN"),
    ("t_numeric_39_0", "3", "NaN"),
    ("t_numeric_array", "2", "{NaN,1.000}"),
    ("t_text_array", "3", "{{a,\"b,c\"},{\"\",NULL}}"),
    ("t_time", "4", "24:00:00"),
    ("t_timestamp", "8", "294247-01-10 04:00:54.775807"),
    ("t_timestamp", "9", "294276-12-31 23:59:59.999999"),
    ("t_timestamptz", "6", "294276-12-31 23:59:59+00"),
];

pub(crate) async fn values_that_no_column_can_hold_are_noted(reader: Reader) {
    let (server, url, _client) = database(include_str!("odd_types.sql")).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    let mut exceptions = Vec::new();
    for table in source.tables().await.unwrap() {
        rows(&source, &whole("odd", &table.table.name)).await;
        exceptions.extend(source.noted(&table.table).exceptions);
    }
    exceptions.sort_by(|a, b| (&a.table, &a.key).cmp(&(&b.table, &b.key)));
    let found: Vec<_> = exceptions.iter().map(|e| (e.table.as_str(), e.key.as_str(), e.text.as_str())).collect();
    let wanted = EXCEPTIONS.map(|(table, key, text)| (format!("odd.{table}"), key, text));
    assert_eq!(found, wanted.each_ref().map(|(table, key, text)| (table.as_str(), *key, *text)));
    let infinite = source.noted(&TableName::new("odd", "t_timestamp")).infinite;
    assert_eq!(infinite, BTreeMap::from([("v".to_owned(), 2)]));
    server.stop().await.unwrap();
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

pub(crate) async fn numbers_of_every_size_are_the_servers_own_text(reader: Reader) {
    let (server, url, _client) = database(NUMBERS).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    let mut compared = 0;
    for batch in rows(&source, &whole("public", "numbers")).await {
        for row in 0..batch.num_rows() {
            for column in [0, 2, 4] {
                assert_eq!(scalar(batch.column(column), row), scalar(batch.column(column + 1), row));
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
    -- Powers of two and their neighbours, and integers beyond the mantissa: where the shortest digits are hard to find.
    insert into grids
    select 5000 + i, array[array[two, two * (1 + 2 ^ -52)], array[-two * (1 - 2 ^ -53), large]],
           array[array[small, small * (1 + 2 ^ -23)], array[small * (1 - 2 ^ -24), whole]]::float4[]
    from (select i, 2::float8 ^ (i % 2000 - 1000) as two, 2::float8 ^ (i % 250 - 125) as small,
                 floor(random() * 2 ^ 53) * 2 ^ floor(random() * 30) as large,
                 floor(random() * 2 ^ 24) * 2 ^ floor(random() * 20) as whole
          from generate_series(1, 5000) i) as made;
    alter table grids add primary key (id)";

pub(crate) async fn floats_in_exceptions_are_the_servers_own_text(reader: Reader) {
    let (server, url, client) = database(GRIDS).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    rows(&source, &whole("public", "grids")).await;
    let exceptions = source.noted(&TableName::new("public", "grids")).exceptions;
    assert_eq!(exceptions.len(), 20_000);
    client.batch_execute("set extra_float_digits = 3").await.unwrap();
    // Before 12 the server prints 17 digits (9 of a real) where fewer name the same number.
    let shortest = version(&client).await >= 120_000;
    let mut texts = BTreeMap::new();
    for row in client.query("select id::text, wide::text, narrow::text from grids", &[]).await.unwrap() {
        let id: String = row.get(0);
        texts.insert((id.clone(), "wide"), row.get::<_, String>(1));
        texts.insert((id, "narrow"), row.get::<_, String>(2));
    }
    for found in exceptions {
        let text = &texts[&(found.key.clone(), found.column.as_str())];
        let single = found.column == "narrow";
        let equal = found.text == *text || (!shortest && numbers(&found.text, single) == numbers(text, single));
        assert!(equal, "{text}: {found:?}");
    }
    server.stop().await.unwrap();
}

/// The numbers of an array's text, each by all of its bits.
fn numbers(text: &str, single: bool) -> Vec<String> {
    let numbers = text.split(['{', '}', ',']).filter(|number| !number.is_empty());
    numbers.map(|number| float(number.to_owned(), single)).collect()
}

/// A float's text with all of its digits, the same for texts of the same bits.
fn float(text: String, single: bool) -> String {
    let text = text.replace("Infinity", "inf");
    match single {
        true => format!("{:?}", text.parse::<f32>().unwrap()),
        false => format!("{:?}", text.parse::<f64>().unwrap()),
    }
}

/// The server's `server_version_num`.
pub(crate) async fn version(client: &Client) -> i32 {
    let row = client.query_one("select current_setting('server_version_num')::int", &[]).await.unwrap();
    row.get(0)
}

const BIG: &str = "
    create table big (id bigint primary key, fill text);
    insert into big select i * 7, repeat(md5(i::text), 8) from generate_series(1, 120000) i;
    alter table big drop constraint big_pkey, add primary key (id);
    analyze big";

pub(crate) async fn a_read_is_whole_or_an_error_and_slices_add_up(reader: Reader) {
    let (server, url, client) = database(BIG).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
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
    for (number, slice) in key_slices("id", &["7", "70000", "500000"].map(str::to_owned), true).into_iter().enumerate()
    {
        let partition = Partition { table: table.table.clone(), number, slice };
        by_key += rows(&source, &partition).await.iter().map(RecordBatch::num_rows).sum::<usize>();
    }
    assert_eq!(by_key, 120_000);

    // Back-pressure: a stream that is not polled stops reading, and the server waits for it.
    let mut stream = source.scan(&whole("public", "big")).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.num_rows(), 1000);
    let waiting = "select pid from pg_stat_activity where query ilike 'copy (select%' and wait_event = 'ClientWrite'";
    let pid: i32 = wait_for("the server to wait for us", PATIENCE, async || {
        client.query_opt(waiting, &[]).await.unwrap().map(|row| row.get(0))
    })
    .await;

    // Its backend killed: what comes is less than the table, and then an error, never an end.
    client.execute("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
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

pub(crate) async fn bytes_that_are_no_text_are_set_aside_with_their_row(reader: Reader) {
    let (server, _, first) = database("").await;
    let create = "create database latin encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0";
    first.batch_execute(create).await.unwrap();
    let url = server.url("latin");
    let statements = r"create table note (code text primary key, v text, tags text[]);
                       insert into note values ('ok', 'plain', '{a}'), ('bad', E'\xe9t\xe9', array['x', E'\xff'])";
    client(&url).await.batch_execute(statements).await.unwrap();
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    let batches = rows(&source, &whole("public", "note")).await;
    assert_eq!(scalar(batches[0].column(1), 0), "plain");
    assert!(batches[0].column(1).is_null(1), "never a replacement character");
    let exceptions = source.noted(&TableName::new("public", "note")).exceptions;
    let found: Vec<_> = exceptions.iter().map(|e| (e.key.as_str(), e.column.as_str(), e.text.as_str())).collect();
    assert_eq!(found, [("bad", "tags", "\\x7b782cff7d"), ("bad", "v", "\\xe974e9")]);

    // A name cannot be set aside.
    let name = r#"do $$ begin execute 'create table "' || E'caf\xe9' || '" (id int)'; end $$"#;
    client(&url).await.batch_execute(name).await.unwrap();
    let error = PostgresSource::connect(&read_by(&url, reader)).await.unwrap().discover().await.unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("relname"), "{error}");
    server.stop().await.unwrap();
}
