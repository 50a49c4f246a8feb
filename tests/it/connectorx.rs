//! What is particular to the reader connectorx. What it shares with our own is in `conformance`.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use telecine::dataflow::{Partition, Slice, Source as _};
use telecine::rehearsal::library::LibraryOptions;
use telecine::source::{PostgresSource, Reader, SourceConfig};

use crate::conformance::{checksums_of_batches, checksums_of_bytes};
use crate::source::sessions::CERTIFICATES;
use crate::source::{database, read_by, rows, whole};
use crate::support::{PATIENCE, Source, Workplace, server_command, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn both_readers_give_the_sample_library_with_equal_checksums() {
    let library = Source::of_library(LibraryOptions { scale: 0.001, dirt: 1.0, ..LibraryOptions::default() }).await;
    let settings = |reader| SourceConfig { batch_rows: 8192, batch_bytes: 8 << 20, ..read_by(&library.url, reader) };
    let mut read = Vec::new();
    for reader in [Reader::Copy, Reader::Connectorx] {
        let source = PostgresSource::connect(&settings(reader)).await.unwrap();
        source.snapshot().await.unwrap();
        let begun = Instant::now();
        let sums = checksums_of_batches(&source).await;
        let elapsed = begun.elapsed();
        let mut noted = BTreeMap::new();
        for table in sums.keys() {
            let found = source.noted(table);
            let mut texts: Vec<_> =
                found.exceptions.iter().map(|e| (e.key.clone(), e.column.clone(), e.text.clone())).collect();
            texts.sort();
            noted.insert(table.clone(), (texts, found.exceptional, found.infinite));
        }
        eprintln!("{reader:?}: {} tables in {elapsed:?}", sums.len());
        read.push((sums, noted));
        if reader == Reader::Connectorx {
            assert_eq!(checksums_of_bytes(&source).await, read[0].0, "what the server sends, hashed by the verifier");
        }
    }
    let (sums, _) = &read[0];
    assert_eq!(sums.len(), 227);
    assert!(sums.values().map(|sum| sum.rows).sum::<u64>() > 200_000);
    assert!(read[0] == read[1], "checksums, exceptions and infinities are the same");
    library.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extraction_by_it_is_verified_by_the_other() {
    let sql = format!(
        "{}; create table more as select i as id, now() as at from generate_series(1, 3000) i",
        include_str!("odd_types.sql")
    );
    let source = Source::of_sql(&sql).await;
    let place = Workplace::of_files(&[]).with_source(&source);
    let extracted = place.json("extract --run by-connectorx --reader connectorx").await;
    assert!(extracted["rows"].as_u64().unwrap() > 3000, "{extracted}");
    let verified = place.json("verify --run by-connectorx").await;
    assert!(verified["tables"].as_array().unwrap().iter().all(|table| table["equal"] == true), "{verified}");
    let config = place.set("TELECINE_SOURCE_READER", "connectorx").run("config --output json").await.code(0);
    assert!(config.stdout.contains("source.reader"), "{}", config.stdout);
    source.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_over_tls_that_proves_the_servers_name() {
    let (server, url, client) =
        database("create table t (id bigint, fill text); insert into t select i, repeat(md5(i::text), 9) from generate_series(1, 90000) i").await;
    let folder: String = client.query_one("show data_directory", &[]).await.unwrap().get(0);
    server_command(&client, CERTIFICATES).await;
    client.batch_execute("alter system set ssl = on").await.unwrap();
    client.batch_execute("select pg_reload_conf()").await.unwrap();
    wait_for("the server to offer TLS", PATIENCE, async || {
        let on: String = crate::source::client(&url).await.query_one("show ssl", &[]).await.unwrap().get(0);
        (on == "on").then_some(())
    })
    .await;

    for (options, secured) in
        [("sslmode=verify-full&sslrootcert=DIR/ca.pem", true), ("sslmode=prefer", true), ("sslmode=disable", false)]
    {
        let url = url.expose_secret().replace("127.0.0.1", "localhost");
        let url = SecretString::from(format!("{url}?{}", options.replace("DIR", &folder)));
        let source = PostgresSource::connect(&read_by(&url, Reader::Connectorx)).await.unwrap();
        let mut batches = source.scan(&whole("public", "t")).await.unwrap();
        let first = batches.next().await.unwrap().unwrap().num_rows();
        let by_tls = "select s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid)
                      where a.query like 'COPY (select % from only %) TO STDOUT WITH BINARY'";
        assert_eq!(client.query_one(by_tls, &[]).await.unwrap().get::<_, bool>(0), secured, "{options}");
        let mut read = first;
        while let Some(batch) = batches.next().await {
            read += batch.unwrap().num_rows();
        }
        assert_eq!(read, 90_000, "{options}: counted by the server as well");
    }

    // Certificates that change under a source are looked at by every session.
    let url = url.expose_secret().replace("127.0.0.1", "localhost");
    let url = SecretString::from(format!("{url}?sslmode=verify-full&sslrootcert={folder}/other.pem"));
    std::fs::copy(format!("{folder}/ca.pem"), format!("{folder}/other.pem")).unwrap();
    let source = PostgresSource::connect(&read_by(&url, Reader::Connectorx)).await.unwrap();
    source.snapshot().await.unwrap();
    std::fs::copy(format!("{folder}/evil.pem"), format!("{folder}/other.pem")).unwrap();
    let mut batches = source.scan(&whole("public", "t")).await.unwrap();
    let error = batches.next().await.unwrap().unwrap_err().to_string();
    assert!(error.contains("public.t") && error.contains("there is no connection"), "{error}");
    assert!(!error.contains(url.expose_secret().split(['/', ':', '@']).nth(4).unwrap()), "{error}");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_it_goes_to_that_of_the_snapshot() {
    let (server, url, _client) = database("create table t (id bigint); insert into t values (1), (2)").await;
    let text = url.expose_secret();
    let (before, host) = text.split_at(text.find("127.0.0.1").unwrap());
    // Nobody listens at port 1; where somebody does, it has no such snapshot.
    let url = SecretString::from(format!("{before}127.0.0.1:1,{host}"));
    let source = PostgresSource::connect(&read_by(&url, Reader::Connectorx)).await.unwrap();
    let read: usize = rows(&source, &whole("public", "t")).await.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(read, 2);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_reach_is_refused_before_anything_is_read() {
    let url = SecretString::from("postgres://u:canary-77@%2Ftmp%2Fnowhere/d");
    let error = PostgresSource::connect(&read_by(&url, Reader::Connectorx)).await.unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("--reader copy"), "{error}");
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_waited_for_is_named_and_not_waited_for_for_ever() {
    let (server, url, _client) = database("create table t (id bigint); insert into t values (1), (2)").await;
    let source = PostgresSource::connect(&read_by(&url, Reader::Connectorx)).await.unwrap();
    source.snapshot().await.unwrap();
    let truncating = crate::source::client(&url).await;
    let cancel = truncating.cancel_token();
    let truncate = tokio::spawn(async move { truncating.batch_execute("truncate t").await });
    let watcher = crate::source::client(&url).await;
    let waits = "select true from pg_stat_activity where query = 'truncate t' and wait_event_type = 'Lock'";
    wait_for("the TRUNCATE to wait", PATIENCE, async || watcher.query_opt(waits, &[]).await.unwrap()).await;
    let mut batches = source.scan(&whole("public", "t")).await.unwrap();
    let error = telecine::Error::from_datafusion(batches.next().await.unwrap().unwrap_err());
    assert!(error.is_transient() && error.to_string().contains("exclusive lock"), "{error}");
    cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
    truncate.await.unwrap().unwrap_err();
    let read: usize = rows(&source, &whole("public", "t")).await.iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(read, 2);

    // Without the snapshot's holder nothing more can be read, and trying again is of no use.
    let holder = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                  where application_name = 'telecine' and backend_xmin is not null and state = 'idle in transaction'";
    assert!(watcher.query_one(holder, &[]).await.unwrap().get::<_, i64>(0) > 0);
    let gone =
        "select count(*) from pg_stat_activity where application_name = 'telecine' and state = 'idle in transaction'";
    wait_for("the holder to end", PATIENCE, async || {
        let left: i64 = watcher.query_one(gone, &[]).await.unwrap().get(0);
        (left == 0).then_some(())
    })
    .await;
    let mut batches = source.scan(&whole("public", "t")).await.unwrap();
    let error = telecine::Error::from_datafusion(batches.next().await.unwrap().unwrap_err());
    assert!(!error.is_transient() && error.to_string().contains("the snapshot's holder has gone"), "{error}");
    server.stop().await.unwrap();
}

/// A stream that is dropped while its session waits for the server ends the connection, and the server takes note.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_ends_a_session_that_waits() {
    let (server, url, client) = database("create table t (id bigint); insert into t values (1)").await;
    client.batch_execute("alter database library set client_connection_check_interval = '50ms'").await.unwrap();
    let source = PostgresSource::connect(&read_by(&url, Reader::Connectorx)).await.unwrap();
    let slice = Slice::Where("pg_sleep(3600) is not null".into());
    let batches = source.scan(&Partition { slice, ..whole("public", "t") }).await.unwrap();
    let asleep = "select true from pg_stat_activity where wait_event = 'PgSleep'";
    wait_for("the statement to sleep", PATIENCE, async || client.query_opt(asleep, &[]).await.unwrap()).await;
    drop(batches);
    wait_for("the session to end", PATIENCE, async || {
        client.query_opt(asleep, &[]).await.unwrap().is_none().then_some(())
    })
    .await;
    server.stop().await.unwrap();
}
