//! A PostgreSQL that a test may restart, and a standby of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use secrecy::SecretString;
use tempfile::TempDir;

use crate::support::open_folder;

/// A cluster of its own, without passwords, on loopback. Dropped, it is stopped and removed.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// A running server with the database `library`.
    pub fn start(settings: &[&str]) -> Self {
        let cluster = Self::new();
        let data = cluster.data();
        let made = ["-D", &data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"];
        cluster.call("initdb", &made);
        cluster.launch(settings);
        let port = cluster.port.to_string();
        cluster.call("createdb", &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "library"]);
        cluster
    }

    /// A hot standby of a cluster whose `wal_level` is `replica`.
    pub fn standby(&self, settings: &[&str]) -> Self {
        let standby = Self::new();
        let (port, data) = (self.port.to_string(), standby.data());
        let copied = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-D", &data, "-R", "-X", "stream", "-c", "fast"];
        standby.call("pg_basebackup", &copied);
        standby.launch(settings);
        standby
    }

    /// The URL of the database.
    pub fn url(&self) -> SecretString {
        format!("postgres://postgres@127.0.0.1:{}/library", self.port).into()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops and starts the server, `fast` or `immediate`.
    pub fn restart(&self, mode: &str) {
        self.call("pg_ctl", &["restart", "-D", &self.data(), "-m", mode, "-w", "-t", "60", "-l", &self.log()]);
    }

    fn new() -> Self {
        let folder = open_folder();
        if fs::metadata(folder.path()).unwrap().uid() == 0 {
            let (user, group) = owner();
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port }
    }

    fn launch(&self, settings: &[&str]) {
        let mut options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=40",
            self.port
        );
        settings.iter().for_each(|setting| options.push_str(&format!(" -c {setting}")));
        let data = self.data();
        self.call("pg_ctl", &["start", "-D", &data, "-w", "-t", "60", "-l", &self.log(), "-o", &options]);
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn log(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn call(&self, program: &str, arguments: &[&str]) {
        let done = self.command(program, arguments).status().unwrap();
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        assert!(done.success(), "{program} {arguments:?}: {done}\n{log}");
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries().join(program));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            let (user, group) = owner();
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let _ = self.command("pg_ctl", &["stop", "-D", &data, "-m", "immediate", "-w"]).stderr(Stdio::null()).status();
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
