//! Big tables in slices: each row once, and about the same bytes in each, also where rows are not alike.

use std::collections::BTreeSet;

use serde_json::Value;
use telecine::dataflow::{Slice, Source, TableName};
use telecine::source::{PostgresSource, SourceConfig, page_slices};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{config, database, extracted, quoted, version};

/// Wide rows at one end, rows all alike on more pages than are sampled, wide rows in the middle and NULLs, rows that grow,
/// keys in no order, pages without rows; never analysed.
const SKEWED: &str = "
    create function noise(seed int, n int) returns text language sql as
        $$ select string_agg(md5((seed * 7919 + j)::text), '') from generate_series(1, n) j $$;
    create table tail (id int primary key, v text);
    alter table tail alter v set storage external;
    insert into tail select i, case when i > 39400 then noise(i, 500) else repeat('n', 300) end
        from generate_series(1, 40000) i;
    create table even (id int primary key, v text);
    insert into even select i, repeat('e', 300) from generate_series(1, 60000) i;
    create table drifting (at timestamptz, v bytea, note text);
    alter table drifting alter v set storage external;
    insert into drifting select timestamptz '2020-01-01' + i * interval '1 min',
        convert_to(noise(i, case when i between 3000 and 3300 then 900 else 1 end), 'UTF8'), 'n' from generate_series(1, 12000) i;
    insert into drifting select null, convert_to(noise(i, 40), 'UTF8'), 'null' from generate_series(1, 300) i;
    create index on drifting (at);
    create table coded (code text collate \"C\" primary key, v text);
    insert into coded select 'k''\\' || to_char(i, '000000'), noise(i, 20 + (i / 3000) * 20) from generate_series(1, 9000) i;
    create table alike (id uuid, v text);
    insert into alike select md5(i::text)::uuid, noise(i, 8) from generate_series(1, 20000) i;
    alter table alike add primary key (id);
    create table empty_half (id bigint primary key, v text);
    insert into empty_half select i, noise(i, 10) from generate_series(1, 30000) i;
    delete from empty_half where id < 20000";

/// Bytes and rows of each slice, as the server counts them.
async fn weights(client: &Client, table: &TableName, slices: &[Slice]) -> Vec<(i64, i64)> {
    let mut found = Vec::new();
    for slice in slices {
        let predicate = match slice {
            Slice::Where(predicate) => predicate.as_str(),
            _ => "true",
        };
        let columns = "select coalesce(sum(octet_length(t.v)), 0)::int8 + count(*) * 40, count(*)";
        let query =
            format!("{columns} from only {}.{} t where {predicate}", quoted(&table.schema), quoted(&table.name));
        let row = client.query_one(&query, &[]).await.unwrap();
        found.push((row.get(0), row.get(1)));
    }
    found
}

/// The biggest slice by the mean.
fn skew(weights: &[(i64, i64)]) -> f64 {
    let sum: i64 = weights.iter().map(|(bytes, _)| bytes).sum();
    let most = weights.iter().map(|(bytes, _)| *bytes).max().unwrap();
    most as f64 * weights.len() as f64 / sum as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_are_even_in_bytes_and_hold_each_row_once() {
    let (server, url, client) = database(SKEWED).await;
    client.batch_execute("vacuum empty_half").await.unwrap();
    let version = version(&client).await;
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let tables = source.tables().await.unwrap();
    assert_eq!(tables.len(), 6);
    for table in &tables {
        let name = &table.table.name;
        let partitions = source.partitions(table).await.unwrap();
        let slices: Vec<_> = partitions.into_iter().map(|partition| partition.slice).collect();
        let found = weights(&client, &table.table, &slices).await;
        let count = client.query_one(&format!("select count(*) from {name}"), &[]).await.unwrap().get::<_, i64>(0);
        assert_eq!(found.iter().map(|(_, rows)| rows).sum::<i64>(), count, "{name}");
        let main: i64 = client.query_one(&format!("select pg_relation_size('{name}')"), &[]).await.unwrap().get(0);
        let before = page_slices(u64::try_from(main).unwrap(), table.bytes, 1 << 20);
        let before = skew(&weights(&client, &table.table, &before).await);
        println!(
            "{version} {name}: {} slices, biggest/mean {before:.2} by pages, {:.2} by bytes",
            slices.len(),
            skew(&found)
        );
        if version < 140_000 && name == "alike" {
            // Its rows lie in no order: each slice would read most of the table.
            assert_eq!(slices, [Slice::Whole]);
            continue;
        }
        assert!(slices.len() >= 4, "{name}: {} slices", slices.len());
        // NULL is one slice, whatever it holds.
        assert!(skew(&found) < 1.5, "{name}: {found:?}");
    }
    // What is written adds up, too; more slices of less.
    let read = extracted(&SourceConfig { partition_bytes: 1 << 18, ..config(&url) }).await;
    for name in ["tail", "even", "drifting", "coded", "alike", "empty_half"] {
        let count = client.query_one(&format!("select count(*) from {name}"), &[]).await.unwrap().get::<_, i64>(0);
        let manifest = read.manifest(&TableName::new("public", name)).await;
        assert_eq!(manifest.files.iter().map(|file| file.rows).sum::<u64>(), u64::try_from(count).unwrap(), "{name}");
    }
    server.stop().await.unwrap();
}

/// A key of each type that a btree orders.
const KEYS: [(&str, &str); 12] = [
    ("smallint", "(i % 30000)::int2"),
    ("bigint", "i::int8 * -4000000000"),
    ("numeric", "i / 7.0"),
    ("double precision", "case when i = 1 then 'nan' else i / 7.0 end"),
    ("text", "to_char(i, '000000') || E'\\'\\\\\\n\"'"),
    ("character varying(20)", "to_char(i, '000000')"),
    ("character(12)", "to_char(i, '000000')"),
    ("uuid", "lpad(i::text, 32, '0')::uuid"),
    ("date", "case when i = 2 then 'infinity' else date '0001-01-01' + i end"),
    ("timestamp", "timestamp '0044-03-15 BC' + i * interval '7 hours'"),
    ("bytea", "decode(lpad(to_hex(i), 8, '0'), 'hex')"),
    ("interval", "i * interval '1 hour'"),
];

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_type_cut_a_table_where_addresses_cannot() {
    let (server, url, client) = database("").await;
    let by_key = version(&client).await < 140_000;
    let mut settings = config(&url);
    settings.partition_bytes = 100_000;
    for (number, (kind, value)) in KEYS.into_iter().enumerate() {
        let sql = format!(
            "create table t{number} (k {kind}, v text); insert into t{number}
             select {value}, md5(i::text) from generate_series(1, 9000) i order by 1;
             insert into t{number} select null, md5(i::text) from generate_series(1, 50) i; create index on t{number} (k)"
        );
        client.batch_execute(&sql).await.unwrap();
    }
    let source = PostgresSource::connect(&settings).await.unwrap();
    for table in source.tables().await.unwrap() {
        let partitions = source.partitions(&table).await.unwrap();
        let slices: Vec<_> = partitions.into_iter().map(|partition| partition.slice).collect();
        assert!(slices.len() >= 4, "{}: {slices:?}", table.table);
        let found = weights(&client, &table.table, &slices).await;
        assert_eq!(found.iter().map(|(_, rows)| rows).sum::<i64>(), 9050, "{}", table.table);
        let biggest = found.iter().map(|(_, rows)| *rows).max().unwrap();
        assert!(biggest < 2 * 9050 / i64::try_from(slices.len() - 1).unwrap(), "{}: {found:?}", table.table);
        let (mut read, mut blocks) = (BTreeSet::new(), 0);
        for slice in &slices {
            let Slice::Where(predicate) = slice else { panic!("{slice:?}") };
            assert_eq!(predicate.contains("ctid"), !by_key, "{predicate}");
            let plan = plan(&client, &table.table.name, predicate).await;
            assert!(!plan.to_string().contains("Seq Scan"), "{plan}");
            read.insert(plan["Node Type"].as_str().unwrap().to_owned());
            blocks += plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap();
        }
        // All slices together read the table and its index about once, not once each.
        let pages = "select pg_table_size($1::text::regclass) / 8192 + pg_indexes_size($1::text::regclass) / 8192";
        let pages: i64 = client.query_one(pages, &[&table.table.name]).await.unwrap().get(0);
        assert!(blocks < 2 * pages, "{}: {blocks} pages read of {pages} in {} slices", table.table, slices.len());
        let node = if by_key { ["Index Scan", "Bitmap Heap Scan"] } else { ["Tid Range Scan"; 2] };
        assert!(read.iter().all(|found| node.contains(&found.as_str())), "{read:?}");
    }
    server.stop().await.unwrap();
}

/// How the server reads a slice in a session as ours is, with what it has read.
async fn plan(client: &Client, table: &str, predicate: &str) -> Value {
    client.batch_execute("begin; set local enable_seqscan = off").await.unwrap();
    let explain = format!("explain (analyze, buffers, format json) select k, v from only {table} where {predicate}");
    let answer = client.simple_query(&explain).await.unwrap();
    client.batch_execute("commit").await.unwrap();
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str::<Value>(row.unwrap()).unwrap()[0]["Plan"].clone()
}
