//! The files of a private server: where they lie, whose they are, and the binaries that made them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::{Error, Result};

/// The longest a socket's folder may be: the whole path has to fit into 107 bytes (`sockaddr_un`).
const LONGEST_SOCKET_FOLDER: usize = 90;
/// How long initdb may take on a busy machine.
const INITDB_PATIENCE: Duration = Duration::from_secs(120);

/// A cluster on disk. Dropping it removes its folder, unless it is kept.
#[derive(Debug)]
pub(super) struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    owner: Option<Owner>,
    password: SecretString,
    keep: bool,
}

/// The user and group a server runs as when root starts it (PostgreSQL refuses to run as root).
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Cluster {
    /// Makes the folder and runs initdb.
    pub(super) async fn create() -> Result<Self> {
        let binaries = binaries()?;
        let failed = |cause: io::Error| Error::rehearsal("PostgreSQL", "the cluster's folder cannot be made", cause);
        let folder = parent().join(format!("telecine-pg-{}", random_hex(6).map_err(failed)?));
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let password = SecretString::from(random_hex(24).map_err(failed)?);
        // The folder's owner is the effective user of this process.
        let root = fs::metadata(&folder).map_err(failed)?.uid() == 0;
        let mut cluster = Self { folder, binaries, owner: None, password, keep: false };
        if root {
            let owner = unprivileged_user()?;
            chown(&cluster.folder, Some(owner.user), Some(owner.group)).map_err(failed)?;
            cluster.owner = Some(owner);
        }
        cluster.initdb().await?;
        Ok(cluster)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn password(&self) -> &SecretString {
        &self.password
    }

    pub(super) fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// The folder for the Unix socket; empty (no socket) where its path would be too long.
    pub(super) fn socket_folder(&self) -> String {
        let folder = self.folder.display().to_string();
        if folder.len() > LONGEST_SOCKET_FOLDER { String::new() } else { folder }
    }

    /// The server's log, to append to.
    pub(super) fn log(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(self.folder.join("server.log"))
    }

    /// The last lines of the log, for messages.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// The process of the running server.
    pub(super) fn server_pid(&self) -> io::Result<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"))?;
        let first = text.lines().next().unwrap_or_default();
        first.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "postmaster.pid has no number"))
    }

    /// Makes a command run as the cluster's owner.
    pub(super) fn unprivileged(&self, command: &mut Command) {
        if let Some(owner) = self.owner {
            command.uid(owner.user).gid(owner.group);
        }
    }

    /// Leaves the files when this value is dropped.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Removes the files.
    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                let message = format!("{} cannot be removed; remove it by hand", self.folder.display());
                Err(Error::rehearsal("PostgreSQL", message, cause))
            }
            _ => Ok(()),
        }
    }

    async fn initdb(&self) -> Result<()> {
        let failed = |cause: io::Error| Error::rehearsal("PostgreSQL", "initdb cannot be run", cause);
        let password = self.folder.join("password");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password).map_err(failed)?;
        file.write_all(self.password.expose_secret().as_bytes()).map_err(failed)?;
        drop(file);
        if let Some(owner) = self.owner {
            chown(&password, Some(owner.user), Some(owner.group)).map_err(failed)?;
        }
        let mut command = Command::new(self.binary("initdb"));
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(&password).current_dir(&self.folder);
        command.args(["--no-sync", "-E", "UTF8", "--locale=C", "-U", "postgres", "--auth=scram-sha-256"]);
        command.stdin(Stdio::null());
        self.unprivileged(&mut command);
        let mut command = tokio::process::Command::from(command);
        let done = tokio::time::timeout(INITDB_PATIENCE, command.kill_on_drop(true).output()).await;
        let output = done.map_err(|_| failed(io::Error::from(io::ErrorKind::TimedOut)))?.map_err(failed)?;
        fs::remove_file(&password).map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let message = format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        Err(Error::Rehearsal { what: "PostgreSQL".into(), message, cause: None })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self.remove();
        }
    }
}

/// Names the folder of the server programs, and no other is looked at: for one of several versions, or none of them.
const BINARIES: &str = "TELECINE_PG_BINDIR";

/// The folder of `postgres` and `initdb`: the one the environment names, else where `pg_config` says, else Debian's
/// newest, else on the PATH.
fn binaries() -> Result<PathBuf> {
    let complete = |folder: &PathBuf| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    if let Some(named) = std::env::var_os(BINARIES).map(PathBuf::from) {
        return Some(named).filter(complete).ok_or_else(|| missing(&format!(", or correct {BINARIES}")));
    }
    let configured = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output().ok();
    let configured = configured.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    configured
        .into_iter()
        .chain(debian_folders())
        .chain(std::env::split_paths(&path))
        .find(complete)
        .ok_or_else(|| missing(""))
}

fn missing(otherwise: &str) -> Error {
    Error::preflight(format!(
        "a rehearsal needs PostgreSQL's server programs (12 or later){otherwise}; install them: apt-get install -y postgresql"
    ))
}

/// `/usr/lib/postgresql/VERSION/bin`, newest version first.
fn debian_folders() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let mut versions: Vec<(u32, PathBuf)> =
        entries.map(|entry| entry.path()).filter_map(|path| Some((version(&path)?, path.join("bin")))).collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// The first temporary folder that every user can reach; a TMPDIR under root's home is of no use to `postgres`.
fn parent() -> PathBuf {
    let configured = std::env::temp_dir();
    [configured.clone(), "/tmp".into(), "/var/tmp".into()]
        .into_iter()
        .find(|path| reachable(path))
        .unwrap_or(configured)
}

fn reachable(path: &Path) -> bool {
    path.ancestors().all(|part| fs::metadata(part).is_ok_and(|metadata| metadata.mode() & 0o001 != 0))
}

/// `postgres` where the package made one, else `nobody`.
fn unprivileged_user() -> Result<Owner> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let fields: Vec<&str> = users
            .lines()
            .map(|line| line.split(':').collect())
            .find(|fields: &Vec<&str>| fields.first() == Some(&name))?;
        Some(Owner { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
    };
    find("postgres").or_else(|| find("nobody")).ok_or_else(|| {
        Error::preflight(
            "PostgreSQL does not run as root and there is no user postgres or nobody; start telecine as another user",
        )
    })
}

/// Random bytes of the operating system in hexadecimal.
fn random_hex(bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0u8; bytes];
    File::open("/dev/urandom")?.read_exact(&mut buffer)?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}
