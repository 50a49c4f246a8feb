//! A PostgreSQL that a test may restart, and a standby of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use secrecy::SecretString;
use tempfile::TempDir;

use crate::source::client;
use crate::support::open_folder;

/// A cluster of its own, without passwords, on loopback. Dropped, it is stopped and removed.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    port: u16,
    /// What the server was started with.
    options: Mutex<String>,
}

impl Cluster {
    /// A running server with the database `library`.
    pub async fn start(settings: &[&str]) -> Self {
        let cluster = Self::new();
        let data = cluster.data();
        let made = ["-D", &data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"];
        cluster.call(&binaries().join("initdb"), &made);
        cluster.launch(settings);
        client(&cluster.url_of("postgres")).await.batch_execute("create database library").await.unwrap();
        cluster
    }

    /// A hot standby of this cluster, whose `wal_level` is `replica`; this one is stopped for a moment.
    pub fn standby(&self, settings: &[&str]) -> Self {
        let standby = Self::new();
        let (here, there) = (self.data(), standby.data());
        self.call(&binaries().join("pg_ctl"), &["stop", "-D", &here, "-m", "fast", "-w"]);
        self.call(Path::new("cp"), &["-a", &here, &there]);
        self.call(
            &binaries().join("pg_ctl"),
            &["start", "-D", &here, "-w", "-l", &self.log(), "-o", &self.options.lock().unwrap()],
        );
        let primary = format!("host=127.0.0.1 port={} user=postgres", self.port);
        let version = fs::read_to_string(format!("{there}/PG_VERSION")).unwrap();
        let (file, text) = if version.trim().parse::<u32>().unwrap() < 12 {
            ("recovery.conf", format!("standby_mode = on\nprimary_conninfo = '{primary}'\n"))
        } else {
            let settings = fs::OpenOptions::new().append(true).open(format!("{there}/postgresql.auto.conf"));
            writeln!(settings.unwrap(), "primary_conninfo = '{primary}'").unwrap();
            ("standby.signal", String::new())
        };
        fs::write(format!("{there}/{file}"), text).unwrap();
        if is_root() {
            let (user, group) = owner();
            chown(format!("{there}/{file}"), Some(user), Some(group)).unwrap();
        }
        standby.launch(settings);
        standby
    }

    /// The URL of the database.
    pub fn url(&self) -> SecretString {
        self.url_of("library")
    }

    fn url_of(&self, database: &str) -> SecretString {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port).into()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops and starts the server, `fast` or `immediate`.
    pub fn restart(&self, mode: &str) {
        self.call(
            &binaries().join("pg_ctl"),
            &["restart", "-D", &self.data(), "-m", mode, "-w", "-t", "60", "-l", &self.log()],
        );
    }

    fn new() -> Self {
        let folder = open_folder();
        if is_root() {
            let (user, group) = owner();
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port, options: Mutex::default() }
    }

    fn launch(&self, settings: &[&str]) {
        let mut options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=40",
            self.port
        );
        settings.iter().for_each(|setting| options.push_str(&format!(" -c {setting}")));
        let data = self.data();
        self.call(
            &binaries().join("pg_ctl"),
            &["start", "-D", &data, "-w", "-t", "60", "-l", &self.log(), "-o", &options],
        );
        *self.options.lock().unwrap() = options;
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn log(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn call(&self, program: &Path, arguments: &[&str]) {
        let done = self.command(program, arguments).status().unwrap();
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        assert!(done.success(), "{program:?} {arguments:?}: {done}\n{log}");
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if is_root() {
            let (user, group) = owner();
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let _ = self
            .command(&binaries().join("pg_ctl"), &["stop", "-D", &data, "-m", "immediate", "-w"])
            .stderr(Stdio::null())
            .status();
    }
}

/// The programs of the server under test, as a rehearsal finds them.
fn binaries() -> PathBuf {
    let named = std::env::var_os("TELECINE_PG_BINDIR").map(PathBuf::from);
    named.unwrap_or_else(|| {
        let output = Command::new("pg_config").arg("--bindir").output().expect("pg_config: install PostgreSQL");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// User and group for a server that root starts.
fn owner() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    of("postgres").or_else(|| of("nobody")).expect("no user postgres or nobody")
}
