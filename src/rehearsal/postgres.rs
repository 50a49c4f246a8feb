//! A private PostgreSQL server for rehearsals and tests: a throw-away cluster from the installed binaries.
//!
//! The server is started through a small shell that holds the other end of a pipe: when telecine closes the pipe
//! or dies in whatever way, the shell shuts the server down and removes the cluster. It runs in a process group of
//! its own, so Ctrl-C reaches telecine alone and the server outlives the drain.

mod cluster;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::NoTls;

use self::cluster::Cluster;
use crate::{Error, Result};

/// How long a server may take until it accepts connections, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a start is tried: a free port may be taken by another process before the server binds it.
const ATTEMPTS: u32 = 3;
/// How long one connection may take; a port that another program holds may never answer.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at a server that starts or stops.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs the server ("$@") until it ends, then removes the cluster ($1) unless it failed. End of input stops the server: fast, then
/// immediate, then by force. The line `keep` lets it run on.
const KEEPER: &str = r#"
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(
  line=; read -r line <&3; exec 3<&-
  [ "$line" = keep ] && exit
  for signal in INT QUIT KILL; do
    kill -$signal $server 2>/dev/null || exit
    for second in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 $server 2>/dev/null || exit; done
  done
) & watcher=$!
exec 3<&-
wait $server; status=$?
kill $watcher 2>/dev/null
cd /; [ $status = 0 ] && rm -rf "$folder"
exit $status
"#;

/// Settings of a private server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// `max_connections` of the server.
    pub max_connections: u32,
    /// Whether a standby may follow the server.
    pub replication: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { max_connections: 50, replication: false }
    }
}

/// A running private server. Dropping it stops it and removes its files; [`PrivateServer::stop`] tells whether that
/// went well.
#[derive(Debug)]
pub struct PrivateServer {
    keeper: Child,
    cluster: Cluster,
    port: u16,
    kept: bool,
}

/// A server that goes on when telecine ends.
#[derive(Debug, Clone)]
pub struct KeptServer {
    /// The server's process; SIGINT stops it, and its files are removed then.
    pub pid: u32,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The folder of cluster, socket and log.
    pub folder: PathBuf,
}

impl PrivateServer {
    /// Creates a cluster (UTF8, locale C, superuser `postgres` with a random password) and starts a server on it that
    /// listens on 127.0.0.1 and on a socket in its folder. It accepts connections when this returns. Started by root,
    /// the server runs as `postgres` or `nobody`.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the binaries are not installed; [`Error::Rehearsal`] with the last lines of the
    /// server's log when it does not start.
    pub async fn start(options: ServerOptions) -> Result<Self> {
        let cluster = Cluster::create().await?;
        let mut attempt = 1;
        let (keeper, port) = loop {
            let port = free_port()?;
            match start_on(&cluster, port, options).await {
                Ok(keeper) => break (keeper, port),
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(_) => attempt += 1,
            }
        };
        Ok(Self { keeper, cluster, port, kept: false })
    }

    /// The URL of a database of this server, with the superuser's name and password.
    pub fn url(&self, database: &str) -> SecretString {
        url(self.port, self.cluster.password(), database)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of cluster, socket and log.
    pub fn folder(&self) -> &Path {
        self.cluster.folder()
    }

    /// Creates an empty database (UTF8, collation C).
    ///
    /// # Errors
    /// [`Error::Rehearsal`] when the server refuses, for instance because the database exists.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let quoted = name.replace('"', "\"\"");
        let statement =
            format!("CREATE DATABASE \"{quoted}\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
        execute(&self.url("postgres"), &statement)
            .await
            .map_err(|cause| Error::rehearsal(format!("PostgreSQL, database {name}"), "cannot be created", cause))
    }

    /// Stops the server and removes its files.
    ///
    /// # Errors
    /// [`Error::Rehearsal`] when it does not end, or its files cannot be removed.
    pub async fn stop(mut self) -> Result<()> {
        drop(self.keeper.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while self.running() {
            if Instant::now() > deadline {
                return Err(stuck(self.cluster.folder()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.cluster.remove()
    }

    /// Lets the server run when telecine ends.
    ///
    /// # Errors
    /// [`Error::Rehearsal`] when the server is no longer there.
    pub fn leave_running(mut self) -> Result<KeptServer> {
        let gone = |cause: std::io::Error| Error::rehearsal("PostgreSQL", "the server has ended; start again", cause);
        let pid = self.cluster.server_pid().map_err(gone)?;
        if let Some(mut pipe) = self.keeper.stdin.take() {
            pipe.write_all(b"keep\n").map_err(gone)?;
        }
        self.kept = true;
        self.cluster.keep();
        Ok(KeptServer { pid, port: self.port, folder: self.cluster.folder().to_owned() })
    }

    fn running(&mut self) -> bool {
        matches!(self.keeper.try_wait(), Ok(None))
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        drop(self.keeper.stdin.take());
        let deadline = Instant::now() + PATIENCE;
        while self.running() && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
    }
}

fn stuck(folder: &Path) -> Error {
    Error::Rehearsal {
        what: "PostgreSQL".into(),
        message: format!("the server in {} does not end; stop it with SIGKILL and remove the folder", folder.display()),
        cause: None,
    }
}

fn free_port() -> Result<u16> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|cause| Error::rehearsal("PostgreSQL", "no free port on 127.0.0.1", cause))
}

fn url(port: u16, password: &SecretString, database: &str) -> SecretString {
    let database = percent_encoding::utf8_percent_encode(database, percent_encoding::NON_ALPHANUMERIC);
    SecretString::from(format!("postgres://postgres:{}@127.0.0.1:{port}/{database}", password.expose_secret()))
}

/// Starts the keeper and waits until the server accepts connections.
async fn start_on(cluster: &Cluster, port: u16, options: ServerOptions) -> Result<Child> {
    let log = cluster.log().map_err(|cause| Error::rehearsal("PostgreSQL", "the log cannot be written", cause))?;
    let errors = log.try_clone().map_err(|cause| Error::rehearsal("PostgreSQL", "the log cannot be written", cause))?;
    let mut command = Command::new("sh");
    command.args(["-c", KEEPER, "telecine-postgres"]).arg(cluster.folder()).arg(cluster.binary("postgres"));
    command.arg("-D").arg(cluster.data()).args(settings(cluster, port, options));
    command.stdin(Stdio::piped()).stdout(log).stderr(errors).current_dir(cluster.folder()).process_group(0);
    cluster.unprivileged(&mut command);
    let mut keeper = command.spawn().map_err(|cause| Error::rehearsal("PostgreSQL", "sh cannot be started", cause))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let url = url(port, cluster.password(), "postgres");
        let answer = tokio::time::timeout(CONNECTION_PATIENCE, execute(&url, "select 1")).await;
        if matches!(answer, Ok(Ok(()))) {
            return Ok(keeper);
        }
        let ended = !matches!(keeper.try_wait(), Ok(None));
        if ended || Instant::now() > deadline {
            drop(keeper.stdin.take());
            let message = format!("the server does not start; its log ends with:\n{}", cluster.log_tail());
            return Err(Error::Rehearsal { what: "PostgreSQL".into(), message, cause: None });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Settings for speed: nothing here outlives a crash, and nothing needs to.
fn settings(cluster: &Cluster, port: u16, options: ServerOptions) -> Vec<String> {
    let connections = format!("max_connections={}", options.max_connections);
    let sockets = format!("unix_socket_directories={}", cluster.socket_folder());
    let plain = [
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        if options.replication { "wal_level=replica" } else { "wal_level=minimal" },
        if options.replication { "max_wal_senders=4" } else { "max_wal_senders=0" },
        "max_wal_size=4GB",
        "checkpoint_timeout=1h",
        "autovacuum=off",
        "shared_buffers=128MB",
        "maintenance_work_mem=128MB",
        "timezone=UTC",
    ];
    let mut arguments = vec!["-p".to_owned(), port.to_string()];
    for setting in plain.into_iter().map(str::to_owned).chain([connections, sockets]) {
        arguments.extend(["-c".to_owned(), setting]);
    }
    arguments
}

async fn execute(url: &SecretString, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(statement).await;
    drop(client);
    let _ = connection.await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_answers_stops() {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        server.create_database("stu\"dio 1").await.unwrap();
        let (client, connection) =
            tokio_postgres::connect(server.url("stu\"dio 1").expose_secret(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let row = client.query_one("select version(), current_setting('server_encoding')", &[]).await.unwrap();
        assert!(row.get::<_, &str>(0).starts_with("PostgreSQL"));
        assert_eq!(row.get::<_, &str>(1), "UTF8");
        let folder = server.folder().to_owned();
        assert!(folder.exists());
        assert!(!format!("{server:?}").contains(server.cluster.password().expose_secret()));
        // A connection that is still open must not hold up the shutdown.
        server.stop().await.unwrap();
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_from_the_log() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let cluster = Cluster::create().await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = start_on(&cluster, port, ServerOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("Address already in use"), "{error}");
        // The cluster is still there for another attempt.
        assert!(cluster.data().exists());
    }

    #[tokio::test]
    async fn outlives_the_handle_only_when_kept() {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let folder = server.folder().to_owned();
        drop(server);
        assert!(!folder.exists());

        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let url = server.url("postgres");
        let kept = server.leave_running().unwrap();
        execute(&url, "select 1").await.unwrap();
        assert!(Command::new("kill").args(["-INT", &kept.pid.to_string()]).status().unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        while kept.folder.exists() {
            assert!(Instant::now() < deadline, "the folder of a kept server goes with the server");
            tokio::time::sleep(PAUSE).await;
        }
    }
}
