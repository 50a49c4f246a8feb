//! A local Flex in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::process;

/// A running local Flex. It is ended when this is dropped, also by a measurement that failed.
pub struct Server {
    child: Child,
    /// Ends in `/api`.
    pub url: String,
}

impl Server {
    /// Starts one that answers each request after `latency` milliseconds.
    pub fn start(telecine: &Path, latency: u64, core: Option<u32>) -> Self {
        let mut command = process::command(telecine, core);
        command.args(["flex", "serve"]);
        if latency > 0 {
            command.args(["--fault", &format!("delay-ms={latency}:*")]);
        }
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/api")
    }

    /// Seconds of CPU so far.
    pub fn cpu(&self) -> f64 {
        process::cpu(self.child.id())
    }

    /// The largest resident set so far, bytes.
    pub fn peak_memory(&self) -> u64 {
        process::peak_memory(self.child.id())
    }

    /// Requests that changed something and were carried out; others must be none.
    pub fn written(&self) -> u64 {
        let url = format!("http://{}/__standin/totals", self.host());
        let totals = runtime().block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            client.get(url).send().await.unwrap().json::<Value>().await.unwrap()
        });
        let totals = totals.as_array().or_else(|| totals["totals"].as_array()).unwrap().clone();
        let written = totals.iter().filter(|total| !total["route"].as_str().unwrap().starts_with("GET "));
        let counts = written.map(|total| {
            let status = total["status"].as_u64().unwrap();
            assert!((200..300).contains(&status), "a request was not carried out: {total}");
            total["count"].as_u64().unwrap()
        });
        counts.sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::stop(&mut self.child);
    }
}

/// A runtime for what little this program does itself.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
