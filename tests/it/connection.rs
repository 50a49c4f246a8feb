//! Connections: who is believed before a password is sent, where parameters come from, what this user may read, and that
//! no secret turns up anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use secrecy::SecretString;
use telecine::dataflow::Source as _;
use telecine::source::{PostgresSource, SourceConfig};

use crate::source::{config, database};
use crate::support::{Done, PATIENCE, Source, Workplace, files, finish, lives, server_command, wait_for};

/// Must be heard by nobody who has not proved who it is, and turn up nowhere.
const PASSWORD: &str = "canary-connect-4c1f";

/// Two authorities; certificates of the first for `db.internal`, for another host, expired, for a client; and one that
/// vouches for itself.
const CERTIFICATES: &str = "set -e
    key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    for name in ca evil; do openssl req -x509 $key -days 2 -subj /CN=$name -keyout $name.key -out $name.pem; done
    issue() {
        openssl req $key -subj /CN=$2 -addext subjectAltName=DNS:$2 -keyout $1.key -out $1.csr
        openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $3 -copy_extensions copy -out $1.pem
    }
    issue right db.internal 2; issue other elsewhere.internal 2; issue expired db.internal -1; issue client postgres 2
    openssl req -x509 $key -days 2 -subj /CN=db.internal -addext subjectAltName=DNS:db.internal \
        -addext basicConstraints=critical,CA:FALSE -keyout itself.key -out itself.pem
    chmod 600 *.key";

fn certificates() -> tempfile::TempDir {
    let folder = crate::support::open_folder();
    let made = std::process::Command::new("sh").args(["-c", CERTIFICATES]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// Something that listens like PostgreSQL, asks for the password in clear text, and remembers every byte it was told:
/// under TLS with a certificate, or without TLS.
struct Ear {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Ear {
    fn open(certificate: Option<(&Path, &str)>) -> Self {
        let tls = certificate.map(|(folder, name)| {
            let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
            Arc::new(builder.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap())
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ear = Self { port: listener.local_addr().unwrap().port(), heard: Arc::default() };
        let heard = ear.heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut request = [0; 8];
                // A connection that ends here has said nothing.
                if stream.read_exact(&mut request).is_err() {
                    continue;
                }
                match &tls {
                    Some(tls) => {
                        stream.write_all(b"S").unwrap();
                        let mut session = ServerConnection::new(tls.clone()).unwrap();
                        listen(&mut rustls::Stream::new(&mut session, &mut stream), &heard);
                    }
                    // The request for TLS (its code is 80877103); else a start-up message has begun.
                    None if request[4..] == 80_877_103_u32.to_be_bytes() => {
                        stream.write_all(b"N").unwrap();
                        listen(&mut stream as &mut TcpStream, &heard);
                    }
                    None => listen(&mut stream as &mut TcpStream, &heard),
                }
            }
        });
        ear
    }

    /// Connects as a user with a password and gives the error, and what was heard meanwhile.
    async fn connect(&self, parameters: &str) -> (telecine::Error, String) {
        self.heard.lock().unwrap().clear();
        let text = format!("port={} user=u dbname=d password={PASSWORD} {parameters}", self.port);
        let error = PostgresSource::connect(&config(&SecretString::from(text))).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        (error, String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned())
    }
}

/// Hears a start-up message, asks for a password, and hears what comes.
fn listen(stream: &mut (impl Read + Write), heard: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    let mut hear = |stream: &mut dyn Read| match stream.read(&mut buffer) {
        Ok(count) if count > 0 => {
            heard.lock().unwrap().extend_from_slice(&buffer[..count]);
            true
        }
        _ => false,
    };
    if hear(stream) && stream.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).and_then(|()| stream.flush()).is_ok() {
        hear(stream);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_sent_to_who_does_not_prove_its_name() {
    let folder = certificates();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (ca, evil) = (at("ca.pem"), at("evil.pem"));
    let there = "host=db.internal hostaddr=127.0.0.1";
    let open = |name: &str| Ear::open(Some((folder.path(), name)));

    // The ear hears a password where there is one to be heard: the right name, or none asked for.
    let (right, other) = (open("right"), open("other"));
    for (ear, parameters) in [
        (&right, format!("{there} sslrootcert={ca}")),
        (&right, format!("{there} sslmode=verify-full sslrootcert={ca}")),
        (&right, format!("host=127.0.0.1 sslmode=verify-ca sslrootcert={ca}")),
        (&other, format!("{there} sslmode=verify-ca sslrootcert={ca}")),
        (&other, format!("{there} sslmode=require")),
    ] {
        let (_, heard) = ear.connect(&parameters).await;
        assert!(heard.contains(PASSWORD), "{parameters}: {heard:?}");
    }

    let (expired, itself) = (open("expired"), open("itself"));
    for (ear, parameters) in [
        (&other, format!("{there} sslrootcert={ca}")),
        (&right, format!("host=127.0.0.1 sslmode=verify-full sslrootcert={ca}")),
        (&right, format!("{there} sslrootcert={evil}")),
        (&right, format!("{there} sslmode=verify-ca sslrootcert={evil}")),
        (&right, format!("{there} sslmode=require sslrootcert={evil}")),
        (&right, format!("{there} sslrootcert=system")),
        (&right, format!("{there} sslmode=verify-full")),
        (&expired, format!("{there} sslrootcert={ca}")),
        (&expired, format!("{there} sslmode=verify-ca sslrootcert={ca}")),
        (&itself, format!("{there} sslrootcert={ca}")),
    ] {
        let (error, heard) = ear.connect(&parameters).await;
        assert_eq!((error.exit_code(), heard.as_str()), (2, ""), "{parameters}: {error}");
        let told = format!("{error} {:?}", std::error::Error::source(&error));
        for wanted in ["did not prove its identity; no password was sent", "global-bundle.pem"] {
            assert!(told.contains(wanted), "{parameters}: {told}");
        }
    }
    let told = |error: &telecine::Error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    };
    let (error, _) = other.connect(&format!("{there} sslrootcert={ca}")).await;
    assert!(told(&error).contains("db.internal") && told(&error).contains("elsewhere.internal"), "{}", told(&error));
    let (error, _) = expired.connect(&format!("{there} sslrootcert={ca}")).await;
    assert!(told(&error).to_lowercase().contains("expired"), "{}", told(&error));

    // Without TLS: not where it is asked for; heard where it is done without.
    let bare = Ear::open(None);
    for mode in ["verify-full", "verify-ca", "require"] {
        let (error, heard) = bare.connect(&format!("{there} sslmode={mode} sslrootcert={ca}")).await;
        assert_eq!(heard, "", "{mode}");
        assert!(error.exit_code() == 2 && error.to_string().contains("offers no TLS"), "{error}");
    }
    let (_, heard) = bare.connect("host=127.0.0.1 sslmode=prefer").await;
    assert!(heard.contains(PASSWORD), "{heard}");
}

/// Turns TLS on in a private server, with client certificates for a role of its own.
async fn secure(server: &telecine::rehearsal::postgres::PrivateServer, folder: &Path, client: &tokio_postgres::Client) {
    let data: String = client.query_one("show data_directory", &[]).await.unwrap().get(0);
    let setting = format!(
        "cp {0}/right.pem {1}/server.crt && cp {0}/ca.pem {1}/ca.pem && cat {0}/right.key > {1}/server.key && \
         chmod 600 {1}/server.key && printf 'hostssl all cert_user all cert map=m\\nhostssl all all all scram-sha-256\\n\
         local all all scram-sha-256\\nhost all all all scram-sha-256\\n' > {1}/pg_hba.conf && \
         echo 'm postgres cert_user' > {1}/pg_ident.conf",
        folder.display(),
        data
    );
    // The server runs as another user, who must be able to read the key for a moment.
    fs::set_permissions(folder.join("right.key"), fs::Permissions::from_mode(0o644)).unwrap();
    server_command(client, &setting).await;
    for statement in ["alter system set ssl = on", "alter system set ssl_ca_file = 'ca.pem'", "select pg_reload_conf()"]
    {
        client.batch_execute(statement).await.unwrap();
    }
    let url = server.url("library");
    wait_for("TLS", PATIENCE, async || {
        let settings = SourceConfig { url: with(&url, "sslmode=require"), ..config(&url) };
        PostgresSource::connect(&settings).await.ok()
    })
    .await;
}

fn with(url: &SecretString, parameters: &str) -> SecretString {
    use secrecy::ExposeSecret;
    SecretString::from(format!("{}?{parameters}", url.expose_secret()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tls_is_read_and_a_client_certificate_signs_in() {
    let folder = certificates();
    let sql = "create role cert_user superuser login; create table t as select generate_series(1, 5000) as id";
    let (server, url, client) = database(sql).await;
    secure(&server, folder.path(), &client).await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let read = async |text: String| {
        let source = PostgresSource::connect(&config(&SecretString::from(text))).await?;
        source.tables().await?;
        Ok::<_, telecine::Error>(source.discover().await?.connection)
    };
    use secrecy::ExposeSecret;
    let named = url.expose_secret().replace("127.0.0.1", "db.internal");
    let full = format!("{named}?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}", at("ca.pem"));
    assert!(read(full).await.unwrap().transport.starts_with("TLSv1.3"));

    let port = server.port();
    let signed = |key: &str| {
        format!(
            "host=db.internal hostaddr=127.0.0.1 port={port} dbname=library user=cert_user sslmode=verify-full \
             sslrootcert={} sslcert={} sslkey={}",
            at("ca.pem"),
            at("client.pem"),
            at(key)
        )
    };
    let connection = read(signed("client.key")).await.unwrap();
    assert_eq!(connection.user, "cert_user");
    let other = read(signed("other.key")).await.unwrap_err();
    assert!(other.exit_code() == 2 && other.to_string().contains("is not the key of"), "{other}");
    fs::set_permissions(folder.path().join("client.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = read(signed("client.key")).await.unwrap_err();
    assert!(open.exit_code() == 2 && open.to_string().contains("chmod 600"), "{open}");

    // Which server is wanted.
    for (attributes, taken) in [
        ("any", true),
        ("primary", true),
        ("read-write", true),
        ("prefer-standby", true),
        ("standby", false),
        ("read-only", false),
    ] {
        let text = format!("{}?sslmode=require&target_session_attrs={attributes}", url.expose_secret());
        let outcome = read(text).await;
        assert_eq!(outcome.is_ok(), taken, "{attributes}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.exit_code() == 2 && error.to_string().contains("target_session_attrs"), "{error}");
        }
    }
    server.stop().await.unwrap();
}

/// A home folder with files of these modes.
fn home(files: &[(&str, &str, u32)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, mode) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    folder
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_service_files_and_password_files_are_honoured() {
    let source = Source::of_sql(&format!(
        "create table t (id int); create role reader login password '{PASSWORD}'; grant select on t to reader"
    ))
    .await;
    let port = source.server.port().to_string();
    let service =
        format!("[studio]\nhost=127.0.0.1\nport={port}\ndbname=studio\nuser=reader\napplication_name=by service\n");
    let pgpass = format!("nowhere:*:*:*:wrong\n127.0.0.1:{port}:*:reader:{PASSWORD}\n");
    let home = home(&[(".pg_service.conf", &service, 0o644), (".pgpass", &pgpass, 0o600), ("open", &pgpass, 0o644)]);
    let place = || Workplace::of_files(&[]).set("HOME", &show(home.path())).set("USER", "nobody-here");
    let user = |done: Done| done.code(0).json()["connection"]["user"].as_str().unwrap().to_owned();

    // All by variables; then by a service named by variable, by URL, and in a file elsewhere.
    let variables = place().set("PGHOST", "127.0.0.1").set("PGPORT", &port).set("PGDATABASE", "studio");
    let variables = variables.set("PGUSER", "reader");
    assert_eq!(user(variables.run("discover -q --output json").await), "reader");
    assert_eq!(user(place().set("PGSERVICE", "studio").run("discover -q --output json").await), "reader");
    assert_eq!(
        user(place().run("discover -q --output json --source-url postgresql:///?service=studio").await),
        "reader"
    );
    let elsewhere =
        place().set("HOME", "/nonexistent").set("PGSERVICEFILE", &show(&home.path().join(".pg_service.conf")));
    let elsewhere = elsewhere.set("PGSERVICE", "studio").set("PGPASSFILE", &show(&home.path().join(".pgpass")));
    // The string over the service over the variables.
    let elsewhere = elsewhere.set("PGDATABASE", "not_there").set("PGPORT", "9");
    assert_eq!(user(elsewhere.run("discover -q --output json").await), "reader");
    let refused = elsewhere.run("discover -q --source-url postgresql:///absent").await.code(2);
    assert!(refused.stderr.contains("absent"), "{}", refused.stderr);

    // A password file that others can read is refused, not passed over; and so is what is not known.
    let open = place().set("PGSERVICE", "studio").set("PGPASSFILE", &show(&home.path().join("open")));
    let refused = open.run("discover").await.code(2);
    assert!(refused.stderr.contains("chmod 600") && refused.stderr.contains("/open"), "{}", refused.stderr);
    let by_url = format!("--source-url postgresql:///?passfile={}/.pgpass", show(home.path()));
    assert_eq!(user(open.run(&format!("discover -q --output json {by_url}")).await), "reader");
    for (url, wanted) in [
        ("postgres://u@h/d?sslmod=require", "\"sslmod\" is unknown; known are host, hostaddr"),
        ("postgres://u@h/d?sslcrl=x", "sslcrl is not supported"),
        ("postgresql:///?service=absent", "\"absent\" is not defined in"),
        ("postgres://u@db.example.invalid/d?sslmode=disable", "--allow-insecure"),
        ("postgres://u@db.example.invalid/d?sslmode=prefer", "db.example.invalid is not this machine"),
    ] {
        let refused = place().run(&format!("discover --source-url {url}")).await.code(2);
        assert!(refused.stderr.contains(wanted), "{url}: {}", refused.stderr);
    }
    // Permitted by name, the same gets as far as looking for the host.
    let url = "postgres://u@db.example.invalid/d?sslmode=disable";
    let allowed = place().run(&format!("discover --allow-insecure --source-url {url}")).await.code(2);
    assert!(allowed.stderr.contains("db.example.invalid:5432: no connection"), "{}", allowed.stderr);
    source.server.stop().await.unwrap();
}

const CLOSED: &str = "
    create table open (id int); create table closed (id int); create table partly (id int, secret text);
    create table \"Policed\" (id int); alter table \"Policed\" enable row level security;
    create schema hidden; create table hidden.t (id int); create table hidden.u (id int);
    create role limited login password 'canary-l'; grant select on open, \"Policed\" to limited;
    grant select (id) on partly to limited; grant select on hidden.u to limited";

#[tokio::test(flavor = "multi_thread")]
async fn all_that_this_user_may_not_read_is_said_at_once_with_what_mends_it() {
    let (server, url, client) = database(CLOSED).await;
    let limited = format!("postgres://limited:canary-l@127.0.0.1:{}/library", server.port());
    let mut settings = SourceConfig { url: limited.into(), ..config(&url) };
    settings.include = ["*", "hidden.*", "opne", "absent.*"].map(str::to_owned).to_vec();
    let source = PostgresSource::connect(&settings).await.unwrap();
    let error = source.snapshot().await.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_code(), 2);
    for wanted in [
        "\"opne\" matches no table; the nearest names are public.open",
        "\"absent.*\" matches no table; there is no schema absent with tables",
        "5 tables cannot be read:",
        "public.closed: no permission\n",
        "public.partly: permission for columns alone (id), not for the table",
        "public.Policed: row-level security hides rows from this user",
        "hidden.t: no permission on its schema hidden; no permission\n",
        "hidden.u: no permission on its schema hidden\n",
    ] {
        assert!(message.contains(wanted), "{wanted}:\n{message}");
    }
    assert!(!message.contains("public.open:"), "{message}");
    let locks = "select count(*) from pg_locks l join pg_class c on c.oid = l.relation where c.relname = 'open'";
    let locked: i64 = client.query_one(locks, &[]).await.unwrap().get(0);
    assert_eq!(locked, 0, "nothing is locked before all of it may be");

    // The statements, copied, mend it.
    let statements: Vec<_> = message.lines().map(str::trim).filter(|line| line.ends_with(';')).collect();
    assert_eq!(
        statements,
        [
            "grant usage on schema \"hidden\" to \"limited\";",
            "grant select on \"hidden\".\"t\" to \"limited\";",
            "grant select on \"public\".\"closed\" to \"limited\";",
            "grant select on \"public\".\"partly\" to \"limited\";",
            "alter role \"limited\" bypassrls;",
        ]
    );
    client.batch_execute(&statements.concat()).await.unwrap();
    settings.include = Vec::new();
    let source = PostgresSource::connect(&settings).await.unwrap();
    source.snapshot().await.unwrap();
    assert_eq!(source.tables().await.unwrap().len(), 6);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_turns_up_anywhere_however_it_was_given() {
    let source = Source::of_sql(&format!(
        "create table t (id int primary key, v text); insert into t select i, 'v' || i from generate_series(1, 500) i;
         create role reader login password '{PASSWORD}'; grant select on t to reader"
    ))
    .await;
    let port = source.server.port();
    source.server.create_database("twin").await.unwrap();
    let twin = "create table t (id int primary key, v text); grant select on t to reader;
                insert into t select i, 'v' || i from generate_series(1, 500) i";
    crate::source::client(&source.server.url("twin")).await.batch_execute(twin).await.unwrap();
    let service = format!("[studio]\nhost=127.0.0.1\nport={port}\ndbname=studio\nuser=reader\npassword={PASSWORD}\n");
    let pgpass = format!("127.0.0.1:{port}:*:*:{PASSWORD}\n");
    let home = home(&[("services", &service, 0o600), ("passwords", &pgpass, 0o600)]);
    let url = format!("postgres://reader:{PASSWORD}@127.0.0.1:{port}/studio");
    let bare = format!("postgres://reader@127.0.0.1:{port}/studio");
    let ways: [&[(&str, String)]; 3] = [
        &[("OTHER", url.replace("/studio", "/twin")), ("TELECINE_SOURCE_URL", url)],
        &[
            ("PGSERVICE", "studio".into()),
            ("PGSERVICEFILE", show(&home.path().join("services"))),
            ("OTHER", "postgresql:///twin".into()),
        ],
        &[
            ("OTHER", bare.replace("/studio", "/twin")),
            ("TELECINE_SOURCE_URL", bare),
            ("PGPASSFILE", show(&home.path().join("passwords"))),
        ],
    ];
    for way in ways {
        let place = way.iter().fold(Workplace::of_files(&[]), |place, (name, value)| place.set(name, value));
        for line in [
            "config -vvv",
            "discover -vvv",
            "extract --run r -vvv --log-format json",
            "verify --run r -vvv --output json",
            "verify --against env:OTHER -vvv",
        ] {
            let child = place.call(line).spawn().unwrap();
            let pid = child.id().unwrap();
            let arguments: PathBuf = format!("/proc/{pid}/cmdline").into();
            let (done, ()) = tokio::join!(finish(child), async {
                while lives(pid) {
                    let seen = fs::read(&arguments).unwrap_or_default();
                    assert!(!String::from_utf8_lossy(&seen).contains("canary"), "{line}: in the arguments");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
            let done = done.code(0);
            assert!(
                !format!("{}{}", done.stdout, done.stderr).contains("canary"),
                "{line}:\n{}\n{}",
                done.stdout,
                done.stderr
            );
            assert!(
                line.starts_with("config") || done.stderr.lines().count() > 5,
                "-vvv says something: {}",
                done.stderr
            );
        }
        let written = files(place.path());
        assert!(written.iter().any(|file| file.ends_with(".parquet")), "{written:?}");
        for file in written {
            let bytes = fs::read(place.path().join(&file)).unwrap();
            assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "{file}");
        }
    }
    source.server.stop().await.unwrap();
}
