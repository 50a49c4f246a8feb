//! The server itself: a standby that is read from and warned of, a busy server, a capped rate.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use telecine::dataflow::Source;
use telecine::rehearsal::postgres::{PrivateServer, ServerOptions};
use telecine::source::{PostgresSource, Reader, SourceConfig};
use tokio_postgres::{Client, NoTls};

use super::{client, config, database, extracted, version};
use crate::source::read_by;
use crate::support::{PATIENCE, server_command, signal, wait_for};

/// A standby of a private server, in the server's folder and run by the server's user. It ends with this value.
struct Standby {
    data: PathBuf,
    url: SecretString,
}

impl Standby {
    /// Copies the server's files while it runs and starts another server on them.
    async fn of(server: &PrivateServer, primary: &Client) -> Self {
        let version = version(primary).await;
        let folder = server.folder().to_owned();
        let (from, data) = (folder.join("data"), folder.join("standby"));
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let (start, stop) = match version {
            150_000.. => ("pg_backup_start('copy', true)", "select labelfile from pg_backup_stop(false)"),
            _ => ("pg_start_backup('copy', true, false)", "select labelfile from pg_stop_backup(false, false)"),
        };
        primary.batch_execute(&format!("select {start}")).await.unwrap();
        let copy = format!("cp -a {} {} && rm -f {1}/postmaster.pid {1}/postmaster.opts", show(&from), show(&data));
        server_command(primary, &copy).await;
        let label: String = primary.query_one(stop, &[]).await.unwrap().get(0);
        let conninfo = server.url("postgres").expose_secret().replace('\'', "''");
        let follow = format!("primary_conninfo = '{conninfo}'\n");
        let mut files = vec![("backup_label", label)];
        if version >= 120_000 {
            files.push(("standby.signal", String::new()));
            files.push(("postgresql.auto.conf", follow));
        } else {
            files.push(("recovery.conf", format!("standby_mode = on\n{follow}")));
        }
        for (name, text) in files {
            // By the server, whose user owns the folder.
            let text = text.replace('\'', "'\\''");
            server_command(primary, &format!("printf %s '{text}' > {}/{name}", show(&data))).await;
        }
        let programs: String =
            primary.query_one("select setting from pg_config where name = 'BINDIR'", &[]).await.unwrap().get(0);
        let options =
            "-c listen_addresses=127.0.0.1 -c hot_standby=on -c max_connections=50 -c max_wal_senders=4 -c fsync=off";
        let log = folder.join("standby.log");
        let command = format!(
            "{programs}/postgres -D {} -p {port} {options} -c unix_socket_directories= >{} 2>&1 </dev/null &",
            show(&data),
            show(&log)
        );
        server_command(primary, &command).await;
        let url = server.url("library").expose_secret().replace(&format!(":{}/", server.port()), &format!(":{port}/"));
        let standby = Self { data, url: url.into() };
        let log = async || {
            let connected = tokio_postgres::connect(standby.url.expose_secret(), NoTls).await;
            connected.ok().map(drop)
        };
        wait_for("the standby", PATIENCE, log).await;
        standby
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next().and_then(|line| line.parse().ok()) {
            signal("QUIT", pid);
        }
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_noticed_and_can_be_read_from() {
    let server = PrivateServer::start(ServerOptions { replication: true, ..ServerOptions::default() }).await.unwrap();
    server.create_database("library").await.unwrap();
    let primary = client(&server.url("library")).await;
    let tables = "create table t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 60000) i;
                  create materialized view m as select * from t where id < 100";
    primary.batch_execute(tables).await.unwrap();
    let standby = Standby::of(&server, &primary).await;
    primary.batch_execute("insert into t values (0, 'late')").await.unwrap();
    let reader = client(&standby.url).await;
    let arrived = async || {
        let row = reader.query_one("select count(*) from t", &[]).await.unwrap();
        (row.get::<_, i64>(0) == 60_001).then_some(())
    };
    wait_for("the last row", PATIENCE, arrived).await;

    let settings = SourceConfig { materialised_views: true, ..config(&standby.url) };
    let source = PostgresSource::connect(&settings).await.unwrap();
    let found = source.discover().await.unwrap();
    assert!(found.connection.in_recovery);
    let warnings = found.warnings.join("\n");
    assert!(warnings.contains("is a standby") && warnings.contains("hot_standby_feedback is off"), "{warnings}");
    // Slices, locks, snapshot: all of it on a server that writes nothing.
    let read = extracted(&settings).await;
    assert_eq!((read.rows("public", "t"), read.rows("public", "m")), (60_001, 99));
    read.compare(&reader).await;
    assert!(read.report.lsn.is_some());
    drop(standby);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_noticed() {
    let server = PrivateServer::start(ServerOptions { max_connections: 12, ..ServerOptions::default() }).await.unwrap();
    server.create_database("library").await.unwrap();
    let url = server.url("library");
    let first = client(&url).await;
    first.batch_execute("create table wanted (id int); create table excluded (id int)").await.unwrap();
    let mut settings = config(&url);
    settings.include = vec!["wanted".into()];
    settings.connections = 2;
    let source = PostgresSource::connect(&settings).await.unwrap();
    assert_eq!(source.discover().await.unwrap().warnings, Vec::<String>::new());

    first.batch_execute("begin; lock table wanted in share row exclusive mode").await.unwrap();
    let second = client(&url).await;
    second.batch_execute("begin; lock table excluded in exclusive mode").await.unwrap();
    let waiting = client(&url).await;
    let cancel = waiting.cancel_token();
    let waits = tokio::spawn(async move { waiting.batch_execute("begin; lock table wanted in exclusive mode").await });
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(client(&url).await);
    }
    let waits_now = async || {
        let query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        // Not by a session in a transaction, which sees the same activity to its end.
        (idle[0].query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
    };
    wait_for("the lock", PATIENCE, waits_now).await;
    let warnings = source.discover().await.unwrap().warnings.join("\n");
    for wanted in [
        "8 of 9 connections are taken and a run needs 4",
        "1 other sessions wait for locks",
        "holds ShareRowExclusiveLock (an index being built, or DDL)",
        "waits for ExclusiveLock",
    ] {
        assert!(warnings.contains(wanted), "{wanted}: {warnings}");
    }
    assert!(!warnings.contains("excluded"), "{warnings}");

    // Who may not look says so.
    first.batch_execute("rollback").await.unwrap();
    cancel.cancel_query(NoTls).await.unwrap();
    let _ = waits.await.unwrap();
    drop(idle);
    second
        .batch_execute("rollback; create role guest login password 'canary-5'; grant select on wanted to guest")
        .await
        .unwrap();
    settings.url = format!("postgres://guest:canary-5@127.0.0.1:{}/library", server.port()).into();
    let guest = async || {
        let source = PostgresSource::connect(&settings).await.ok()?;
        Some(source.discover().await.unwrap().warnings)
    };
    // The server forgets a session a moment after it has ended.
    let hidden = wait_for("a free connection", PATIENCE, guest).await.join("\n");
    assert!(hidden.contains("hidden from this user (grant pg_read_all_stats shows it)"), "{hidden}");
    server.stop().await.unwrap();
}

pub(crate) async fn readers_together_stay_below_the_rate(reader: Reader) {
    let rows = "create table t (id int, v text); insert into t select i, repeat(md5(i::text), 100) from generate_series(1, 4000) i";
    let (server, url, client) = database(rows).await;
    let bytes: i64 = client.query_one("select sum(octet_length(v) + 20) from t", &[]).await.unwrap().get(0);
    let settings = SourceConfig { max_mbps: Some(5), ..read_by(&url, reader) };
    let source = PostgresSource::connect(&settings).await.unwrap();
    let table = source.tables().await.unwrap().remove(0);
    let partitions = source.partitions(&table).await.unwrap();
    let begun = Instant::now();
    let readers = partitions.iter().map(|partition| async {
        use futures::TryStreamExt;
        let batches: Vec<_> = source.scan(partition).await.unwrap().try_collect().await.unwrap();
        batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>()
    });
    let rows: usize = futures::future::join_all(readers).await.into_iter().sum();
    assert_eq!(rows, 4000);
    // However fast the machine: so many bytes are not to be had sooner.
    let soonest = Duration::from_secs_f64(bytes as f64 / 5e6 * 0.8);
    assert!(begun.elapsed() > soonest, "{bytes} bytes in {:?}", begun.elapsed());
    server.stop().await.unwrap();
}
