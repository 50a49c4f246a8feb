//! What a `Source` of rows must hold, whatever is behind the seam: our own reader of PostgreSQL, connectorx (where it is
//! built in), and, for what is not about connections, the raw tables of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use telecine::dataflow::{ContentChecksum, Partition, Progress, Slice, Source, TableName};
use telecine::extract;
use telecine::source::json::{JsonOptions, JsonSource};
use telecine::source::{PostgresSource, Reader, SourceConfig};
use telecine::staging::{RawTables, StagingArea, StagingConfig};
use telecine::verify::WireChecksum;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::source::{client, database, read_by, rows, whole};
use crate::support::{PATIENCE, wait_for};

/// Runs every check with every reader that is built in.
macro_rules! over_readers {
    ($($check:path as $name:ident),+ $(,)?) => {
        mod copy {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $check(telecine::source::Reader::Copy).await;
            })+
        }

        #[cfg(feature = "connectorx")]
        mod connectorx {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $check(telecine::source::Reader::Connectorx).await;
            })+
        }
    };
}

over_readers! {
    crate::types::every::a_column_of_every_type_of_the_server_comes_back as a_column_of_every_type_of_the_server_comes_back,
    crate::types::every::odd_values_of_common_types_come_back as odd_values_of_common_types_come_back,
    crate::source::values_that_no_column_can_hold_are_noted as values_that_no_column_can_hold_are_noted,
    crate::source::numbers_of_every_size_are_the_servers_own_text as numbers_of_every_size_are_the_servers_own_text,
    crate::source::floats_in_exceptions_are_the_servers_own_text as floats_in_exceptions_are_the_servers_own_text,
    crate::source::a_read_is_whole_or_an_error_and_slices_add_up as a_read_is_whole_or_an_error_and_slices_add_up,
    crate::source::bytes_that_are_no_text_are_set_aside_with_their_row as bytes_that_are_no_text_are_set_aside,
    crate::shapes::server::readers_together_stay_below_the_rate as readers_together_stay_below_the_rate,
    super::checksums_are_those_of_the_servers_bytes as checksums_are_those_of_the_servers_bytes,
    super::tables_of_every_shape_arrive as tables_of_every_shape_arrive,
    super::all_is_of_one_moment as all_is_of_one_moment,
    super::an_error_of_the_server_is_an_error as an_error_of_the_server_is_an_error,
    super::a_dropped_stream_frees_its_session as a_dropped_stream_frees_its_session,
    super::batches_end_at_the_bytes_that_are_set as batches_end_at_the_bytes_that_are_set,
    super::batches_end_at_what_their_values_grow_to as batches_end_at_what_their_values_grow_to,
}

/// The checksum of every table, hashed from the bytes of the server by the verifier's own code.
pub(crate) async fn checksums_of_bytes(source: &PostgresSource) -> BTreeMap<TableName, ContentChecksum> {
    let mut all = BTreeMap::new();
    for table in source.tables().await.unwrap() {
        let wires = source.wires(&table.table).await.unwrap();
        let mut sum = WireChecksum::new(table.table.clone(), wires);
        let slice = Partition { table: table.table.clone(), number: 0, slice: Slice::Whole };
        let mut read = source.read(&slice).await.unwrap();
        while let Some(chunk) = read.chunk().await.unwrap() {
            sum.push(&chunk).unwrap();
        }
        read.accept(sum.checksum().rows, true).await.unwrap();
        all.insert(table.table, sum.checksum());
    }
    all
}

/// The checksum of every table, from the batches of all its slices; every batch has the schema that was announced.
pub(crate) async fn checksums_of_batches(source: &dyn Source) -> BTreeMap<TableName, ContentChecksum> {
    let mut all = BTreeMap::new();
    for table in source.tables().await.unwrap() {
        let mut sum = ContentChecksum::default();
        let slices = source.partitions(&table).await.unwrap();
        assert!(!slices.is_empty(), "{}", table.table);
        for (number, slice) in slices.iter().enumerate() {
            assert_eq!((slice.number, &slice.table), (number, &table.table));
            let mut batches = source.scan(slice).await.unwrap();
            assert_eq!(batches.schema(), table.arrow, "{}", table.table);
            while let Some(batch) = batches.try_next().await.unwrap() {
                assert_eq!(batch.schema(), table.arrow, "{}", table.table);
                sum.update(&batch).unwrap();
            }
            assert!(batches.next().await.is_none(), "an ended stream stays at its end");
        }
        all.insert(table.table, sum);
    }
    all
}

async fn checksums_are_those_of_the_servers_bytes(reader: Reader) {
    let (server, url, _client) = database(include_str!("odd_types.sql")).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    let wanted = checksums_of_bytes(&source).await;
    let found = checksums_of_batches(&source).await;
    assert!(wanted.len() > 60);
    for (table, sum) in &wanted {
        assert_eq!(found.get(table), Some(sum), "{table}");
    }
    assert_eq!(found.len(), wanted.len());
    server.stop().await.unwrap();
}

/// JSON documents are a source, too: slices that are numbered and together the table, batches of the schema that was
/// announced, the same rows at every reading and however objects are cut, and an error where an object is another by then.
#[tokio::test(flavor = "multi_thread")]
async fn documents_of_json_hold_what_every_source_holds() {
    let folder = tempfile::tempdir().unwrap();
    let document = |number: u64| {
        format!(
            "{{\"id\":{number},\"nested\":{{\"list\":[{number}.5,null],\"none\":null}},\"text\":\"{number:0>300}\"}}\n"
        )
    };
    let group = |name: &str| {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        folder.path().join(name)
    };
    let whole = group("whole");
    std::fs::write(whole.join("all.ndjson"), (0..60_000).map(document).collect::<String>()).unwrap();
    let parts = group("parts");
    for part in 0..60 {
        let text: String = (part * 1_000..(part + 1) * 1_000).map(document).collect();
        std::fs::write(parts.join(format!("{part:02}.ndjson")), text).unwrap();
    }
    std::fs::write(group("odd").join("odd"), "{\"a\":1e400,\"a \":{}}{\"a\":[[[]]]}").unwrap();
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    let place = object_store::path::Path::default();
    let source = JsonSource::survey(store, &place, JsonOptions::default(), |_| Ok(())).await.unwrap();
    let found = checksums_of_batches(&source).await;
    assert_eq!(checksums_of_batches(&source).await, found);
    let rows: Vec<u64> = found.values().map(|sum| sum.rows).collect();
    assert_eq!(rows, [2, 60_000, 60_000]);
    let tables = source.tables().await.unwrap();
    let table = |name: &str| tables.iter().find(|table| table.table.name == name).unwrap();
    // Without the places they come from, the rows of both groups are the same.
    let mut sums = Vec::new();
    for name in ["parts", "whole"] {
        let slices = source.partitions(table(name)).await.unwrap();
        assert!(!slices.is_empty());
        let mut sum = ContentChecksum::default();
        for slice in slices {
            let mut batches = source.scan(&slice).await.unwrap();
            while let Some(batch) = batches.try_next().await.unwrap() {
                sum.update(&batch.project(&(3..batch.num_columns()).collect::<Vec<_>>()).unwrap()).unwrap();
            }
        }
        sums.push(sum);
    }
    assert_eq!(sums[0], sums[1]);
    // A stream that is dropped keeps nothing from being read again.
    let slice = source.partitions(table("whole")).await.unwrap().remove(0);
    for _ in 0..3 {
        assert!(source.scan(&slice).await.unwrap().next().await.unwrap().unwrap().num_rows() > 0);
    }
    std::fs::write(whole.join("all.ndjson"), document(7)).unwrap();
    let read =
        async { source.scan(&slice).await?.try_collect::<Vec<_>>().await.map_err(telecine::Error::from_datafusion) };
    let error = read.await.unwrap_err().to_string();
    assert!(error.contains("whole/all.ndjson") && error.contains("changed"), "{error}");
    let none = Partition { table: TableName::new("documents", "none"), ..slice };
    assert!(source.scan(&none).await.is_err());
}

/// Tables that are odd as tables, not by their types.
const SHAPES: &str = r#"
    create table no_columns (); insert into no_columns select from generate_series(1, 2500);
    create table no_rows (id int primary key, at timestamptz, price numeric(9, 2), note text, tags text[]);
    create table only_nulls as select null::text as a, null::int as b, null::date as c from generate_series(1, 1500);
    create table "Quoted ""Name"" %s $1" ("Größe" int primary key, "a b" text, "select" date, "ctid;--" numeric(5, 1));
    insert into "Quoted ""Name"" %s $1" values (1, '', '2024-02-29', 0.5), (2, null, 'infinity', null);
    create schema "Other Schema"; create table "Other Schema".no_columns (id int);
    insert into "Other Schema".no_columns values (7);
    create table parent (id int); create table child (more text) inherits (parent);
    insert into parent values (1); insert into child values (2, 'x');
    create table event (id int, at date not null) partition by range (at);
    create table event_2024 partition of event for values from ('2024-01-01') to ('2025-01-01');
    insert into event select i, date '2024-01-01' + i % 366 from generate_series(1, 1001) i;
    create table dropped (id int, gone text, kept text); insert into dropped values (1, 'a', 'b');
    alter table dropped drop column gone;
    create table generated (id int, twice int generated always as (id * 2) stored); insert into generated values (21);
    create table long_values (id int primary key, note text, doc jsonb, raw bytea);
    insert into long_values
        select i, repeat(md5(i::text), 40000), jsonb_build_object('k', repeat('v', 300000)), decode(repeat('00ff', 200000), 'hex')
        from generate_series(1, 5) i;
    do $$ begin
        execute (select 'create table wide (' || string_agg(format('c%s %s', i,
                 (array['int', 'text', 'date', 'numeric(9,2)', 'timestamptz', 'bool', 'uuid', 'jsonb'])[1 + i % 8]), ', ')
                 || ')' from generate_series(1, 1200) i);
    end $$;
    insert into wide (c8, c1, c1199) select i, 'x' || i, '[]' from generate_series(1, 50) i;
    analyze
"#;

async fn tables_of_every_shape_arrive(reader: Reader) {
    let (server, url, _client) = database(SHAPES).await;
    let settings = read_by(&url, reader);
    let source = PostgresSource::connect(&settings).await.unwrap();
    let found = checksums_of_batches(&source).await;
    assert_eq!(found, checksums_of_bytes(&source).await);
    let rows_of = |schema: &str, name: &str| found[&TableName::new(schema, name)].rows;
    assert_eq!((rows_of("public", "no_columns"), rows_of("Other Schema", "no_columns")), (2500, 1));
    assert_eq!((rows_of("public", "no_rows"), rows_of("public", "only_nulls")), (0, 1500));
    assert_eq!((rows_of("public", "parent"), rows_of("public", "child")), (1, 1), "a table without its children");
    assert_eq!((rows_of("public", "event"), rows_of("public", "event_2024")), (0, 1001));
    assert_eq!((rows_of("public", "wide"), rows_of("public", "Quoted \"Name\" %s $1")), (50, 2));

    // The same rows, extracted: the raw tables are a source, too, and hold to the same.
    let folder = tempfile::tempdir().unwrap();
    let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
    let run = area.run("first");
    extract::run(&source, &run, &Progress::default(), &CancellationToken::new()).await.unwrap();
    let raw = RawTables::new(&run);
    assert_eq!(checksums_of_batches(&raw).await, found);
    // A part that is cut short is an error there, never a short table.
    let event = raw.tables().await.unwrap().into_iter().find(|table| table.table.name == "event_2024").unwrap();
    let slice = raw.partitions(&event).await.unwrap().remove(0);
    let part = folder.path().join("runs/first/raw/public.event_2024/part-00000.parquet");
    let bytes = std::fs::read(&part).unwrap();
    std::fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    let read =
        async { raw.scan(&slice).await?.try_collect::<Vec<_>>().await.map_err(telecine::Error::from_datafusion) };
    assert!(read.await.is_err());
    server.stop().await.unwrap();
}

/// The sum of a column of whole numbers over all slices of the table `t`.
async fn ids(source: &PostgresSource) -> Vec<i64> {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    let table = source.tables().await.unwrap().into_iter().find(|table| table.table.name == "t").unwrap();
    let mut ids = Vec::new();
    for slice in source.partitions(&table).await.unwrap() {
        for batch in rows(source, &slice).await {
            ids.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().copied());
        }
    }
    ids.sort_unstable();
    ids
}

async fn all_is_of_one_moment(reader: Reader) {
    let fill = "create table t (id bigint primary key, fill text);
                insert into t select i, repeat('x', 100) from generate_series(1, 20000) i; analyze t";
    let (server, url, writer) = database(fill).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    source.snapshot().await.unwrap();
    let change = "delete from t where id % 2 = 0; insert into t select i from generate_series(30000, 31000) i;
                  update t set id = -id where id < 100";
    writer.batch_execute(change).await.unwrap();
    assert!(ids(&source).await.into_iter().eq(1..=20_000), "the rows of the snapshot");
    source.release().await;
    let now = ids(&source).await;
    assert_eq!((now.len(), now[0]), (11_001, -99), "a new snapshot is of a new moment");
    server.stop().await.unwrap();
}

async fn an_error_of_the_server_is_an_error(reader: Reader) {
    let fill = "create table t (id bigint primary key, fill text);
                insert into t select i, repeat(md5(i::text), 8) from generate_series(1, 30000) i";
    let (server, url, _client) = database(fill).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    // After the first rows have come: the statement fails at a row in the middle.
    let slice = Slice::Where("1 / (id - 20000) < 2".into());
    let mut batches = source.scan(&Partition { slice, ..whole("public", "t") }).await.unwrap();
    let mut read = 0;
    let error = loop {
        match batches.next().await.expect("a failed read does not end as if it were whole") {
            Ok(batch) => read += batch.num_rows(),
            Err(error) => break telecine::Error::from_datafusion(error),
        }
    };
    let text = error.to_string();
    assert!(read < 20_000 && !error.is_transient(), "{read} {error:?}");
    assert!(text.contains("public.t") && text.contains("division by zero"), "{text}");
    // A statement that cannot be started is one as well, from the call or from the stream.
    let slice = Slice::Where("no_such_column".into());
    let failed = async {
        let batches = source.scan(&Partition { slice, ..whole("public", "t") }).await?;
        batches.try_collect::<Vec<_>>().await.map_err(telecine::Error::from_datafusion)
    };
    let error = failed.await.unwrap_err();
    assert!(error.to_string().contains("no_such_column") && !error.is_transient(), "{error:?}");
    // The source is as good as before.
    assert_eq!(rows(&source, &whole("public", "t")).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 30_000);
    server.stop().await.unwrap();
}

async fn copying(client: &Client) -> i64 {
    let copying = "select count(*) from pg_stat_activity where query ilike 'copy (select%' and state = 'active'";
    client.query_one(copying, &[]).await.unwrap().get(0)
}

async fn a_dropped_stream_frees_its_session(reader: Reader) {
    let fill = "create table t (id bigint primary key, fill text);
                insert into t select i, repeat(md5(i::text), 8) from generate_series(1, 200000) i";
    let (server, url, watcher) = database(fill).await;
    let source = PostgresSource::connect(&SourceConfig { connections: 1, ..read_by(&url, reader) }).await.unwrap();
    for _ in 0..3 {
        // With one connection, a session that is not freed would keep the next scan from beginning.
        let mut batches = source.scan(&whole("public", "t")).await.unwrap();
        assert!(batches.next().await.unwrap().unwrap().num_rows() > 0);
        assert_eq!(copying(&watcher).await, 1);
        drop(batches);
        wait_for("the server to end the COPY", PATIENCE, async || (copying(&watcher).await == 0).then_some(())).await;
    }
    // Dropped before anything was asked for.
    drop(source.scan(&whole("public", "t")).await.unwrap());
    wait_for("the server to end the COPY", PATIENCE, async || (copying(&watcher).await == 0).then_some(())).await;
    assert_eq!(rows(&source, &whole("public", "t")).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 200_000);
    drop(source);
    let other = client(&url).await;
    let sessions = "select count(*) from pg_stat_activity where application_name = 'telecine'";
    wait_for("all sessions to end", PATIENCE, async || {
        let left: i64 = other.query_one(sessions, &[]).await.unwrap().get(0);
        (left == 0).then_some(())
    })
    .await;
    server.stop().await.unwrap();
}

async fn batches_end_at_the_bytes_that_are_set(reader: Reader) {
    // Rows of 100 kB, then rows of next to nothing: by rows alone a batch would have 100 MB.
    let fill = "create table t (id bigint primary key, fill text);
                alter table t alter fill set storage external;
                insert into t select i, repeat('x', 100000) from generate_series(1, 400) i;
                insert into t select i, 'x' from generate_series(401, 5000) i";
    let (server, url, _client) = database(fill).await;
    let settings = SourceConfig { partition_bytes: 1 << 40, ..read_by(&url, reader) };
    let source = PostgresSource::connect(&settings).await.unwrap();
    let batches = rows(&source, &whole("public", "t")).await;
    let longest = batches.iter().map(RecordBatch::get_array_memory_size).max().unwrap();
    assert!(longest < 8 << 20, "a batch of {longest} bytes where 1 MiB is set");
    assert!(batches.len() > 10 && batches.iter().any(|batch| batch.num_rows() == 1000));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 5000);
    server.stop().await.unwrap();
}

async fn batches_end_at_what_their_values_grow_to(reader: Reader) {
    // Ten bytes each on the wire, 100,001 digits each in the column.
    let fill = "create table t (id bigint primary key, price numeric, prices numeric[]);
                insert into t select i, 1e100000, array[1e100000] from generate_series(1, 200) i";
    let (server, url, _client) = database(fill).await;
    let source = PostgresSource::connect(&read_by(&url, reader)).await.unwrap();
    let batches = rows(&source, &whole("public", "t")).await;
    let longest = batches.iter().map(RecordBatch::get_array_memory_size).max().unwrap();
    assert!(longest < 8 << 20, "a batch of {longest} bytes where 1 MiB is set");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    assert_eq!(checksums_of_batches(&source).await, checksums_of_bytes(&source).await);
    server.stop().await.unwrap();
}

/// Without the feature the reader is known by name, and what would bring it is said.
#[cfg(not(feature = "connectorx"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_not_built_in_says_how_to_build_it() {
    let place = crate::support::Workplace::of_files(&[]).set("TELECINE_SOURCE_URL", "postgres://nobody@127.0.0.1:9/x");
    let done = place.run("extract --reader connectorx").await.code(2);
    assert!(done.stderr.contains("source.reader") && done.stderr.contains("--features connectorx"), "{}", done.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_reader_is_refused_with_those_there_are() {
    let place = crate::support::Workplace::of_files(&[]).set("TELECINE_SOURCE_URL", "postgres://nobody@127.0.0.1:9/x");
    let done = place.run("extract --reader cursor").await.code(2);
    assert!(done.stderr.contains("source.reader = `cursor`: one of copy, connectorx is wanted"), "{}", done.stderr);
}
