//! Sessions with the source: what discovery says, what keeps a run from starting, what a snapshot holds together.

use crate::support::server_command;
use arrow::array::RecordBatch;
use secrecy::{ExposeSecret, SecretString};
use telecine::dataflow::Source;
use telecine::source::{Exclusion, PostgresSource, SourceConfig, Use};
use tokio_postgres::NoTls;

use super::{config, database, rows, whole};

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
    let (server, url, _client) = database(LIBRARY).await;
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

    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn globs_and_grants_are_asked_for_before_anything_is_read() {
    let (server, url, client) = database(LIBRARY).await;
    let mut settings = config(&url);
    let exclusion = |glob: &str| Exclusion { glob: glob.into(), reason: format!("as {glob}") };
    settings.exclude = vec![exclusion("wfe.*"), exclusion("audit_*")];
    // A glob that selects nothing is a slip of the pen: named, with what may be meant, before anything is read.
    let include = |globs: &[&str]| {
        let include = globs.iter().map(|glob| (*glob).to_owned()).collect();
        SourceConfig { include, ..config(&url) }
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

    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_run_from_starting_says_what_mends_it() {
    let (server, url, _client) = database("create role limited login password 'canary-3141'").await;
    let port = server.port();
    let mut settings = config(&url);
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
    let truncating = super::client(&url).await;
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
pub(crate) const CERTIFICATES: &str = "
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
    server_command(&client, CERTIFICATES).await;
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
