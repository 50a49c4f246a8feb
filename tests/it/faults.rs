//! Extraction while sessions, servers and networks fail, and while others write: one moment, nothing lost, and an error
//! that says what is done and how to go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod one_moment;

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use telecine::dataflow::TableName;
use telecine::source::{PostgresSource, SILENCE, SourceConfig};

use crate::cluster::Cluster;
use crate::proxy::{Fault, Proxy};
use crate::source::{client, config, database};
use crate::support::{PATIENCE, area, extract, files, verify, wait_for};

async fn connect(settings: &SourceConfig) -> PostgresSource {
    PostgresSource::connect(settings).await.unwrap()
}

/// Ends the sessions of telecine that a condition on `pg_stat_activity` is true for; gives how many.
async fn end_sessions(client: &tokio_postgres::Client, which: &str) -> usize {
    let ending = format!(
        "select pid, pg_terminate_backend(pid) from pg_stat_activity where application_name = 'telecine' and {which}"
    );
    let ended: Vec<i32> = client.query(&ending, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let gone = "select not exists (select from pg_stat_activity where pid = any($1))";
    let wait = async || client.query_one(gone, &[&ended]).await.unwrap().get::<_, bool>(0).then_some(());
    wait_for("the end of sessions", PATIENCE, wait).await;
    ended.len()
}

/// The session that exported the snapshot, before anything is read: the others have locked the tables last.
const HOLDER: &str = "state = 'idle in transaction' and query not like 'lock table%'";

/// Some 20 MiB in slices of 1 MiB, and small tables beside it.
const TABLES: &str = "
    create table big (id bigint primary key, fill text);
    insert into big select i, repeat(md5(i::text), 8) from generate_series(1, 60000) i;
    create table middle (id bigint primary key, fill text);
    insert into middle select i, repeat(md5(i::text), 4) from generate_series(1, 20000) i;
    create table few (id int primary key, v numeric(6, 2)); insert into few values (1, 1.5), (2, 'NaN');
    create table empty (id int); analyze";
const ROWS: u64 = 80_002;

/// No temporary file and no part that no manifest speaks of.
fn nothing_is_left_over(folder: &Path, run: &str) {
    for file in files(&folder.join("runs").join(run)) {
        assert!(!file.ends_with(".tmp") && !file.contains("_lease"), "{file} was left behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_off_is_read_again_in_the_same_snapshot() {
    let (server, url, writer) = database(TABLES).await;
    let proxy = Proxy::start(server.port()).await;
    let folder = tempfile::tempdir().unwrap();
    let faults = [
        ("delayed", Fault::Delay(Duration::from_millis(2)), SILENCE, ""),
        ("one-byte", Fault::OneByte, SILENCE, ""),
        ("cut", Fault::Cut, SILENCE, ""),
        ("reset", Fault::Reset, SILENCE, ""),
        // Acknowledged by the other end's system: only the watchdog notices.
        ("silent", Fault::Silence, Duration::from_secs(3), ""),
        // Not acknowledged: TCP notices, long before the watchdog would.
        (
            "gone",
            Fault::BlackHole,
            SILENCE,
            "keepalives_idle=1&keepalives_interval=1&keepalives_count=2&tcp_user_timeout=3000",
        ),
    ];
    for (name, fault, silence, parameters) in faults {
        let settings = SourceConfig { silence, ..config(&proxy.url(&url, parameters)) };
        let source = connect(&settings).await;
        let run = area(folder.path()).run(name);
        let snapshot = source.snapshot().await.unwrap();
        // A row that comes after the snapshot is in none of the reads, the first or the second.
        writer.batch_execute("insert into big select max(id) + 1, 'late' from big").await.unwrap();
        proxy.strike(fault, 300_000, 2);
        let report = extract(&source, &run).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(proxy.struck(), 2, "{name}");
        assert_eq!((&report.snapshot, report.snapshots.len(), report.one_moment), (&snapshot.id, 1, true), "{name}");
        let verified = verify(&source, &run).await;
        assert!(verified.same_snapshot, "{name}");
        verified.require_equal().unwrap_or_else(|error| panic!("{name}: {error}"));
        nothing_is_left_over(folder.path(), name);
    }
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_that_are_killed_one_after_the_other_cost_nothing_but_time() {
    let (server, url, writer) = database(TABLES).await;
    let proxy = Proxy::start(server.port()).await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("r");
    let source = connect(&SourceConfig { partition_bytes: 8 << 20, ..config(&proxy.url(&url, "")) }).await;
    source.snapshot().await.unwrap();
    writer.batch_execute("delete from big where id % 3 = 0").await.unwrap();
    // Slices larger than what sockets hold, and so slow that kills hit reads.
    proxy.strike(Fault::Delay(Duration::from_millis(25)), 100_000, usize::MAX);
    let (reading, staged) = (source.clone(), run.clone());
    let extracted = tokio::spawn(async move { extract(&reading, &staged).await });
    // A slice is read three times at most: none is hit a third time.
    let mut killed: Vec<String> = Vec::new();
    while killed.len() < 4 && !extracted.is_finished() {
        let reading = "select query from pg_stat_activity where application_name = 'telecine' and state = 'active'
                       and query like 'copy (select%' order by backend_start";
        let reading = writer.query(reading, &[]).await.unwrap();
        let mut reading = reading.iter().map(|row| row.get::<_, String>(0));
        let Some(one) = reading.find(|query| killed.iter().filter(|known| *known == query).count() < 2) else {
            continue;
        };
        if end_sessions(&writer, &format!("state = 'active' and query = $copy${one}$copy$")).await > 0 {
            killed.push(one);
        }
    }
    proxy.calm();
    assert!(!killed.is_empty(), "no read was hit");
    let report = extracted.await.unwrap().unwrap();
    assert_eq!((report.rows, report.snapshots.len()), (ROWS, 1));
    verify(&source, &run).await.require_equal().unwrap();
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_holder_a_snapshot_is_read_to_the_end_by_those_who_are_in_it() {
    let (server, url, admin) = database(TABLES).await;
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(server.port()).await;
    let source = connect(&config(&proxy.url(&url, ""))).await;
    let run = area(folder.path()).run("finished");
    source.snapshot().await.unwrap();
    assert_eq!(end_sessions(&admin, HOLDER).await, 1, "the holder");
    // And a reader that is lost then leaves its work to the others, who have not ended when it wants to go on.
    proxy.strike(Fault::Reset, 300_000, 1);
    let staged = run.clone();
    let extracted = tokio::spawn(async move { extract(&source, &staged).await });
    wait_for("a lost reader", PATIENCE, async || (proxy.struck() == 1).then_some(())).await;
    proxy.strike(Fault::Delay(Duration::from_millis(8)), 0, usize::MAX);
    let report = extracted.await.unwrap().unwrap();
    assert_eq!((report.rows, report.snapshots.len()), (ROWS, 1));
    proxy.strike(Fault::Cut, usize::MAX, 0);

    // When the last reader has gone, what is done is told, and how to go on.
    let source = connect(&config(&proxy.url(&url, ""))).await;
    let run = area(folder.path()).run("lost");
    source.snapshot().await.unwrap();
    proxy.strike(Fault::Delay(Duration::from_millis(20)), 300_000, usize::MAX);
    let (reading, staged) = (source.clone(), run.clone());
    let extracted = tokio::spawn(async move { extract(&reading, &staged).await });
    let some = async || (proxy.struck() >= 2).then_some(());
    wait_for("reads under way", PATIENCE, some).await;
    assert!(end_sessions(&admin, "pid <> pg_backend_pid()").await >= 4);
    let error = extracted.await.unwrap().unwrap_err();
    let text = error.to_string();
    assert!(error.exit_code() == 1 && text.contains("the session that held it has ended"), "{text}");
    assert!(text.contains("of 4 tables are committed"), "{text}");
    assert!(text.contains("`telecine extract --run lost` keeps them and reads the others"), "{text}");
    proxy.strike(Fault::Cut, usize::MAX, 0);
    let report = extract(&connect(&config(&url)).await, &run).await.unwrap();
    assert_eq!((report.rows, report.one_moment), (ROWS, true), "nobody wrote: {report:?}");
    nothing_is_left_over(folder.path(), "lost");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_told_and_the_run_goes_on() {
    let cluster = Cluster::start(&[]).await;
    client(&cluster.url()).await.batch_execute(TABLES).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(cluster.port()).await;
    // After a clean stop it is known that nothing has changed; after a crash it is not, and that is said.
    for (mode, one_moment) in [("fast", true), ("immediate", false)] {
        let run = area(folder.path()).run(mode);
        let source = connect(&config(&proxy.url(&cluster.url(), ""))).await;
        let staged = run.clone();
        let extracted = tokio::spawn(async move { extract(&source, &staged).await });
        let begun = async || run.raw_tables().await.unwrap().first().map(drop);
        proxy.strike(Fault::Delay(Duration::from_millis(4)), 400_000, usize::MAX);
        wait_for("a committed table", PATIENCE, begun).await;
        cluster.restart(mode);
        let kept = run.raw_tables().await.unwrap().len();
        let error = extracted.await.unwrap().unwrap_err();
        let text = error.to_string();
        assert!(error.exit_code() == 1 && text.contains(&format!("`telecine extract --run {mode}`")), "{mode}: {text}");
        let source = connect(&config(&cluster.url())).await;
        let report = extract(&source, &run).await.unwrap();
        assert_eq!((report.rows, report.one_moment, report.snapshots.len()), (ROWS, one_moment, 2), "{mode} {kept}");
        assert_eq!(report.remark.is_none(), one_moment, "{report:?}");
        let verified = verify(&source, &run).await;
        verified.require_equal().unwrap();
        assert_eq!((verified.same_snapshot, verified.remark.is_none()), (one_moment, one_moment));
        nothing_is_left_over(folder.path(), mode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_connections_than_asked_for_are_enough_and_none_is_waited_for() {
    let (server, _, admin) = database(TABLES).await;
    let grant = "create role limited login password 'canary-2718' connection limit 3;
                 grant select on all tables in schema public to limited";
    admin.batch_execute(grant).await.unwrap();
    let limited: SecretString = format!("postgres://limited:canary-2718@127.0.0.1:{}/library", server.port()).into();
    let folder = tempfile::tempdir().unwrap();
    // One for the catalog, one that holds the snapshot, one to read with.
    let run = area(folder.path()).run("fewer");
    let source = connect(&config(&limited)).await;
    assert_eq!(extract(&source, &run).await.unwrap().rows, ROWS);
    verify(&source, &run).await.require_equal().unwrap();
    drop(source);

    admin.batch_execute("alter role limited connection limit 2").await.unwrap();
    let run = area(folder.path()).run("waits");
    let source = connect(&SourceConfig { connections: 1, ..config(&limited) }).await;
    // The first part was refused some, too.
    std::fs::write(server.folder().join("server.log"), "").unwrap();
    let extracting = tokio::spawn(async move { extract(&source, &run).await });
    let log = server.folder().join("server.log");
    let refused =
        async || std::fs::read_to_string(&log).unwrap().contains("too many connections for role").then_some(());
    wait_for("a refused connection", PATIENCE, refused).await;
    admin.batch_execute("alter role limited connection limit 4").await.unwrap();
    assert_eq!(extracting.await.unwrap().unwrap().rows, ROWS);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn time_limits_that_the_server_sets_do_not_reach_us() {
    let (server, url, admin) = database(TABLES).await;
    let limits = "alter role postgres set statement_timeout = '300ms'; alter role postgres set lock_timeout = '1ms';
                  alter role postgres set idle_in_transaction_session_timeout = '50ms';
                  alter system set idle_in_transaction_session_timeout = '50ms'; select pg_reload_conf()";
    for statement in limits.split(';') {
        admin.batch_execute(statement).await.unwrap();
    }
    let proxy = Proxy::start(server.port()).await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("r");
    let source = connect(&SourceConfig { partition_bytes: 1 << 30, ..config(&proxy.url(&url, "")) }).await;
    source.snapshot().await.unwrap();
    // A lock that is waited for, sessions that idle, and statements that take long: each well above the limits.
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.strike(Fault::Delay(Duration::from_millis(2)), 100_000, 3);
    assert_eq!(extract(&source, &run).await.unwrap().rows, ROWS);
    let alive =
        "select count(*) from pg_stat_activity where application_name = 'telecine' and state = 'idle in transaction'";
    assert_eq!(admin.query_one(alive, &[]).await.unwrap().get::<_, i64>(0), 4, "the holder and the readers live");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_the_rows_away_says_what_to_set() {
    let primary = Cluster::start(&["wal_level=replica", "max_wal_senders=4", "autovacuum=off"]).await;
    client(&primary.url()).await.batch_execute(TABLES).await.unwrap();
    let standby = primary.standby(&["max_standby_streaming_delay=0", "hot_standby_feedback=off"]);
    let writer = client(&primary.url()).await;
    let proxy = Proxy::start(standby.port()).await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("r");
    let source = connect(&config(&proxy.url(&standby.url(), ""))).await;
    let snapshot = source.snapshot().await.unwrap();
    assert!(snapshot.lsn.is_some() && snapshot.state.is_some(), "{snapshot:?}");
    proxy.strike(Fault::Delay(Duration::from_millis(20)), 0, usize::MAX);
    let staged = run.clone();
    let extracting = tokio::spawn(async move { extract(&source, &staged).await });
    wait_for("reads", PATIENCE, async || (proxy.struck() > 0).then_some(())).await;
    let mut round = 0;
    while !extracting.is_finished() {
        round += 1;
        writer.batch_execute(&format!("delete from big where id % 50 = {}", round % 50)).await.unwrap();
        writer.batch_execute("vacuum big").await.unwrap();
    }
    let error = extracting.await.unwrap().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("telecine extract --run r"), "{text}");
    let all = format!("{text} {error:?}");
    assert!(all.contains("hot_standby_feedback") && all.contains("max_standby_streaming_delay"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_altered_since_it_was_read_cannot_stay() {
    let (server, url, writer) = database(TABLES).await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("r");
    let source = connect(&config(&url)).await;
    extract(&source, &run).await.unwrap();
    source.release().await;
    run.exceptions().withdraw().await.unwrap();
    run.raw(&TableName::new("public", "big")).withdraw().await.unwrap();
    let alter = "alter table middle add note text; alter table middle alter fill type varchar(200);
                 alter table few drop v; alter table big add more int";
    writer.batch_execute(alter).await.unwrap();
    let before = files(folder.path());
    let error = extract(&connect(&config(&url)).await, &run).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 2, "{text}");
    for line in [
        "public.few: column v (numeric(6,2)) is gone",
        "public.middle: column fill was text and is character varying(200)",
        "public.middle: column note (text) was added",
        "start a new run",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("public.big"), "it is to be read anew: {text}");
    assert_eq!(files(folder.path()), before, "nothing was removed");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_with_the_tables_never_becomes_the_victim_of_our_locks() {
    let (server, url, first) =
        database("create table a (id int); create table b (id int); create table c (id int)").await;
    let folder = tempfile::tempdir().unwrap();
    let run = area(folder.path()).run("r");
    let source = connect(&config(&url)).await;
    source.discover().await.unwrap();
    // Ours has `a` and wants `b`; theirs has `b` and then wants `a`: a circle, unless one gives way.
    first.batch_execute("begin; truncate b; insert into b values (1)").await.unwrap();
    let (reading, staged) = (source.clone(), run.clone());
    let extracting = tokio::spawn(async move { extract(&reading, &staged).await });
    let admin = client(&url).await;
    let waits = "select count(*) from pg_locks where not granted";
    let waiting = async || (admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).then_some(());
    wait_for("our wish", PATIENCE, waiting).await;
    first.batch_execute("truncate a; insert into a values (1), (2); commit").await.unwrap();
    assert_eq!(extracting.await.unwrap().unwrap().rows, 3);
    let deadlocks = "select sum(deadlocks)::bigint from pg_stat_database";
    assert_eq!(admin.query_one(deadlocks, &[]).await.unwrap().get::<_, i64>(0), 0);
    server.stop().await.unwrap();
}
