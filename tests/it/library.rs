#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;

use secrecy::ExposeSecret;
use telecine::Error;
use telecine::dataflow::Progress;
use telecine::rehearsal::library::{self, Library, LibraryOptions};
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use tokio_postgres::{Client, NoTls};

async fn client(server: &PrivateServer, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(server.url(database).expose_secret(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

/// Rows and an order-free checksum of every table, by name. Partitioned parents are read through their partitions.
async fn contents(client: &Client, library: &Library) -> Vec<(String, i64, String)> {
    let mut contents = Vec::new();
    for table in library.tables() {
        let query = format!(
            "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text from only {} t",
            table.quoted()
        );
        let row = client.query_one(&query, &[]).await.unwrap();
        contents.push((table.quoted(), row.get(0), row.get(1)));
    }
    contents
}

/// The whole library at smoke scale, twice, with different numbers of connections: every table has its rows,
/// PostgreSQL accepts every value and key, and the two databases are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_tables_load_and_load_alike() {
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let library = Arc::new(Library::new(LibraryOptions { scale: 0.0001, ..LibraryOptions::default() }).unwrap());
    let mut databases = Vec::new();
    for (database, connections) in [("one", 1), ("three", 3)] {
        server.create_database(database).await.unwrap();
        let progress = Progress::default();
        let url = server.url(database);
        let summary = library::create(&library, &url, connections, &progress).await.unwrap();
        println!("{summary:?}");
        assert_eq!(summary.tables, 227);
        assert!(summary.rows > 70_000, "{summary:?}");
        assert_eq!(progress.reading().bytes, summary.bytes);
        let again = library::create(&library, &url, connections, &progress).await.unwrap_err();
        assert!(matches!(again, Error::Preflight { .. }), "{again}");
        databases.push(client(&server, database).await);
    }
    let first = contents(&databases[0], &library).await;
    let second = contents(&databases[1], &library).await;
    for ((left, right), table) in first.iter().zip(&second).zip(library.tables()) {
        assert_eq!(left, right);
        let mut fixtures = Vec::new();
        let expected = library.rows_of(table) + library.write_fixtures(table, &mut fixtures);
        assert_eq!(left.1, i64::try_from(expected).unwrap(), "{}", left.0);
    }
    shape_of(&databases[0]).await;
    drop(databases);
    server.stop().await.unwrap();
}

/// What a discovery finds: relations, indexes, views, large objects, owner, edge values.
async fn shape_of(client: &Client) {
    let relations = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace \
                     where nspname in ('public', 'wfe') and relkind in ('r', 'p')";
    assert_eq!(number(client, relations).await, 227);
    let parents = "select count(*) from pg_class where relkind = 'p'";
    assert_eq!(number(client, parents).await, 3);
    let owned = "select count(*) from pg_class where relkind in ('r', 'p', 'v', 'm') \
                 and relowner = (select oid from pg_roles where rolname = 'reachengine')";
    assert_eq!(number(client, owned).await, 230);
    let indexes = "select count(*) from pg_indexes where schemaname = 'public' and indexname like 'ix\\_%'";
    assert!(number(client, indexes).await >= 27);
    // The materialised view was refreshed before the last rows came.
    let seen = number(client, "select sum(n)::bigint from mv_collection_counts").await;
    let items = number(client, "select count(*) from asset_collection_item").await;
    assert!(seen > 0 && seen < items, "{seen} of {items}");
    let objects = "select count(*) from file_lob_ref f join pg_largeobject_metadata m on m.oid = f.lob";
    assert!(number(client, objects).await > 0);
    let partitions = "select count(*) from audit_event where extract(year from occurred_at at time zone 'UTC') = 2022";
    assert_eq!(number(client, partitions).await, number(client, "select count(*) from audit_event_2022").await);
    let nulls = "select count(*) from api_access_log where path is null";
    assert!(number(client, nulls).await > 0);
    let children = "select count(*) from transcode_job_log l where not exists \
                    (select from wfe.transcode_job j where j.id = l.job_id)";
    assert_eq!(number(client, &children.replace("transcode_job_log l", "wfe.transcode_job_log l")).await, 0);
    let statistics = "select count(*) from pg_stats where schemaname = 'public'";
    assert!(number(client, statistics).await > 500);
}

#[test]
fn unusable_options_are_refused() {
    for (scale, dirt) in [(0.0, 1.0), (1.5, 1.0), (f64::NAN, 1.0), (0.1, -1.0)] {
        let error = Library::new(LibraryOptions { scale, dirt, ..LibraryOptions::default() }).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{scale} {dirt}");
    }
    let tables = Some(vec!["no_such_table".to_owned()]);
    assert!(Library::new(LibraryOptions { tables, ..LibraryOptions::default() }).is_err());
}

/// Questions whose answer is 0 in a clean library, each after its name.
const BLEMISHES: &str = include_str!("library_clean.sql");

/// With dirt 0 nothing is left to reject or to warn about, and the skews of the specification are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_library_is_clean() {
    let scale = std::env::var("TELECINE_TEST_SCALE").map_or(0.0001, |scale| scale.parse().unwrap());
    let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let library = Library::new(LibraryOptions { scale, dirt: 0.0, ..LibraryOptions::default() }).unwrap();
    server.create_database("studio").await.unwrap();
    let summary = library::create(&Arc::new(library), &server.url("studio"), 2, &Progress::default()).await.unwrap();
    println!("{summary:?}");
    let client = client(&server, "studio").await;
    let mut found = Vec::new();
    let questions: Vec<(&str, &str)> =
        BLEMISHES.split("--- ").skip(1).filter_map(|question| question.split_once('\n')).collect();
    assert_eq!(questions.len(), 25);
    for (what, query) in questions {
        match number(&client, query).await {
            0 => {}
            rows => found.push(format!("{what}: {rows}")),
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    let ready = number(
        &client,
        "select count(*) * 100 / (select count(*) from asset_master) from asset_master where status_id = 3",
    )
    .await;
    assert!((80..96).contains(&ready), "status 3: {ready} %");
    let classes = number(&client, "select count(distinct member_class) from asset_collection_item").await;
    assert_eq!(classes, 5);
    drop(client);
    server.stop().await.unwrap();
}
