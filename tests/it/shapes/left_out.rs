//! What is left out keeps nothing waiting, and what only goes along with a key or a path is no part of what is read.

use telecine::dataflow::{Source, TableName};
use telecine::source::{Exclusion, PostgresSource, SourceConfig};

use super::{client, config, database, extracted, version};

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_lock_on_a_table_that_is_left_out_holds_nobody_up() {
    let tables = "create table wanted (id int primary key); insert into wanted select generate_series(1, 50);
                  create table rebuilt (id int primary key); insert into rebuilt select generate_series(1, 50)";
    let (server, url, writer) = database(tables).await;
    writer.batch_execute("begin; lock table rebuilt in access exclusive mode").await.unwrap();
    let excluded = Exclusion { glob: "rebuilt".into(), reason: "is rebuilt".into() };
    let settings = SourceConfig { exclude: vec![excluded], ..config(&url) };
    let found = PostgresSource::connect(&settings).await.unwrap().discover().await.unwrap();
    let table = |name: &str| found.listing.iter().find(|table| table.table.name == name).unwrap();
    assert_eq!((table("wanted").rows, table("wanted").rows_exact), (50, true));
    let rebuilt = table("rebuilt");
    assert_eq!((rebuilt.rows, rebuilt.rows_exact, rebuilt.findings.len()), (0, false, 0), "{:?}", rebuilt.findings);
    let read = extracted(&settings).await;
    assert_eq!((read.rows("public", "wanted"), read.reason("rebuilt")), (50, "is rebuilt"));
    // The lock was there all the time.
    writer.batch_execute("rollback").await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_an_index_includes_are_no_key() {
    let (server, url, writer) = database("create type mood as enum ('good', 'bad')").await;
    let include = if version(&writer).await >= 110_000 { "include (x)" } else { "" };
    let table =
        format!("create table t (id int, x int, m mood, primary key (id) {include}); insert into t values (1, 2)");
    writer.batch_execute(&table).await.unwrap();
    let source = PostgresSource::connect(&config(&url)).await.unwrap();
    let found = source.tables().await.unwrap().remove(0);
    assert_eq!((found.table, found.key), (TableName::new("public", "t"), vec!["id".to_owned()]));
    // A user's type has its schema, whatever the user's path is.
    assert_eq!(found.columns[2].type_name, "public.mood");
    let elsewhere = client(&url).await;
    elsewhere.batch_execute("alter database library set search_path = pg_temp").await.unwrap();
    let found = PostgresSource::connect(&config(&url)).await.unwrap().tables().await.unwrap().remove(0);
    assert_eq!(found.columns[2].type_name, "public.mood");
    server.stop().await.unwrap();
}
