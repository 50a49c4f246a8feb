//! A server in a process of its own, a project that uses it, and what calls on it cost.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::process;
use crate::server::{KEY, REQUESTS, TRUTH};

/// A server and a project; it is ended when this is dropped, also by a measurement that failed.
pub struct Session {
    child: Child,
    pub endpoint: String,
    folder: TempDir,
}

/// What one call cost.
#[derive(Debug, Clone)]
pub struct Measured {
    pub objects: usize,
    /// Seconds.
    pub wall: f64,
    client: f64,
    server: f64,
    peak: u64,
    requests: usize,
    pub stdout: String,
}

impl Session {
    /// A server whose source of truth holds so many objects of this size.
    pub fn start(objects: usize, size: usize, in_flight: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("serve").arg(objects.to_string()).arg(size.to_string());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, endpoint: line.trim().to_owned(), folder: project(in_flight) }
    }

    /// Objects by bucket, and the requests so far by the name [`REQUESTS`].
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let address = format!("{}/__counts", self.endpoint);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { reqwest::get(address).await.unwrap().json().await.unwrap() })
    }

    /// Runs a call about so many objects to its end.
    pub fn measure(&self, objects: usize, program: &Path, call: &[&str]) -> Measured {
        let folder = self.folder.path();
        let mut command = process::command(program, None);
        let variables = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY), ("AWS_REGION", "us-east-1")];
        command.args(call).current_dir(folder).envs(variables).env("AWS_DEFAULT_REGION", "us-east-1");
        // By both names: the command lines of S3 do not all know the same.
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("S3_ENDPOINT_URL", &self.endpoint);
        command.env("AWS_CONFIG_FILE", folder.join("aws.ini"));
        let (before, cpu) = (self.counts()[REQUESTS], process::cpu(self.child.id()));
        let cost = process::run(&mut command);
        Measured {
            objects,
            wall: cost.wall,
            client: cost.cpu,
            server: process::cpu(self.child.id()) - cpu,
            peak: cost.peak,
            requests: self.counts()[REQUESTS] - before,
            stdout: cost.stdout,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        process::stop(&mut self.child);
    }
}

fn project(in_flight: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let settings = format!(
        "[staging]\nurl = \"file:staging\"\n[deliver]\nsource = \"s3://{TRUTH}\"\narea = \"s3://work/area\"\n\
         max_in_flight = {in_flight}\n[deliver.publish.dev]\nurl = \"s3://dev/drop\"\n",
    );
    std::fs::create_dir(folder.path().join("queries")).unwrap();
    std::fs::write(folder.path().join("queries/migration.toml"), settings).unwrap();
    let aws = format!("[default]\ns3 =\n  max_concurrent_requests = {in_flight}\n");
    std::fs::write(folder.path().join("aws.ini"), aws).unwrap();
    folder
}

impl Measured {
    /// The line above all.
    pub fn head() {
        println!(
            "{:<40} {:>8} {:>10} {:>10} {:>14} {:>14} {:>9}",
            "", "seconds", "objects/s", "requests", "client us/obj", "server us/obj", "peak MiB"
        );
    }

    pub fn print(&self, name: &str) {
        let Self { objects, wall, client, server, peak, requests, .. } = self;
        let objects = *objects as f64;
        let micros = |seconds: &f64| seconds * 1e6 / objects;
        println!(
            "{name:<40} {wall:>8.2} {:>10.0} {requests:>10} {:>14.0} {:>14.0} {:>9}",
            objects / wall,
            micros(client),
            micros(server),
            peak >> 20
        );
    }
}
