//! The request log: the last requests one by one, totals that are never forgotten, and every request in a file
//! where one is asked for.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use axum::http::Method;
use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// How many requests are kept one by one.
const KEPT: usize = 100_000;
/// How many totals are kept apart; a client that invents paths must not fill the memory.
const ROUTES: usize = 1_000;

/// One request as it was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// The number of the request, from 1, in the order of answering.
    pub n: u64,
    /// The method.
    #[serde(serialize_with = "as_text")]
    pub method: Method,
    /// The raw path below `/api`, with matrix parameters.
    pub path: String,
    /// The status; `None` where the reply was lost on purpose.
    pub status: Option<u16>,
    /// The fault that struck it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// Over `METHOD SP PATH LF BODY`, PATH being `path`; `None` where the body could not be read.
    #[serde(serialize_with = "as_hex")]
    pub blake3: Option<blake3::Hash>,
    /// The bytes of the body.
    pub length: usize,
    /// Milliseconds from the start of the server to its coming.
    pub came: u64,
    /// Milliseconds from the start of the server to the answer.
    pub ms: u64,
}

fn as_text<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

fn as_hex<S: Serializer>(hash: &Option<blake3::Hash>, serializer: S) -> Result<S::Ok, S::Error> {
    hash.map(|hash| hash.to_hex()).as_deref().serialize(serializer)
}

/// The hash by which a request is known to its sender as well.
pub fn hash(method: &Method, path: &str, body: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(method.as_str().as_bytes()).update(b" ").update(path.as_bytes()).update(b"\n").update(body);
    hasher.finalize()
}

/// How often a route was answered with a status since the server started.
#[derive(Debug, Clone, Serialize)]
pub struct Total {
    /// Method and path with `{id}` for ids: `POST /assets/{id}/annotations`.
    pub route: String,
    /// The status; `None` where replies were lost on purpose.
    pub status: Option<u16>,
    /// How often.
    pub count: u64,
}

/// The log of one server.
#[derive(Debug, Default)]
pub struct RequestLog {
    recent: VecDeque<Arc<Request>>,
    totals: BTreeMap<String, BTreeMap<Option<u16>, u64>>,
    routes: usize,
    last: u64,
    /// The route of the request at hand; kept for its buffer.
    route: String,
    file: Option<LogFile>,
}

impl RequestLog {
    /// An empty log; with a file, every request is appended to it as a JSON line.
    ///
    /// # Errors
    /// [`Error::Rehearsal`] where the file cannot be opened for appending.
    pub fn open(file: Option<&Path>) -> Result<Self> {
        Ok(Self { file: file.map(LogFile::open).transpose()?, ..Self::default() })
    }

    /// Adds a request, numbered in the order of answering, and gives its number; the oldest is dropped where the
    /// log is full.
    pub fn add(&mut self, mut request: Request, segments: &[&str]) -> u64 {
        self.last += 1;
        request.n = self.last;
        self.count(&request, segments);
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        let request = Arc::new(request);
        if let Some(file) = &self.file {
            file.append(Arc::clone(&request));
        }
        self.recent.push_back(request);
        self.last
    }

    fn count(&mut self, request: &Request, segments: &[&str]) {
        route(&mut self.route, &request.method, segments);
        if !self.totals.contains_key(&self.route) {
            if self.routes >= ROUTES {
                "other".clone_into(&mut self.route);
            }
            self.routes += 1;
            self.totals.entry(self.route.clone()).or_default();
        }
        if let Some(statuses) = self.totals.get_mut(&self.route) {
            *statuses.entry(request.status).or_default() += 1;
        }
    }

    /// Up to `count` kept requests with a number above `after`, oldest first.
    pub fn after(&self, after: u64, count: usize) -> Vec<Arc<Request>> {
        let start = self.recent.partition_point(|request| request.n <= after);
        self.recent.iter().skip(start).take(count).cloned().collect()
    }

    /// All totals, by route and status.
    pub fn totals(&self) -> Vec<Total> {
        let total = |route: &String, status, count| Total { route: route.clone(), status, count };
        let routes = self.totals.iter();
        routes.flat_map(|(route, of)| of.iter().map(move |(status, count)| total(route, *status, *count))).collect()
    }

    /// Returns once the file, if there is one, holds every request added so far.
    pub fn flush(&self) {
        if let Some(file) = &self.file {
            file.flush();
        }
    }
}

fn route(route: &mut String, method: &Method, segments: &[&str]) {
    route.clear();
    route.push_str(method.as_str());
    route.push(' ');
    for segment in segments {
        let numeric = segment.bytes().all(|byte| byte.is_ascii_digit());
        route.push('/');
        route.push_str(if numeric { "{id}" } else { segment });
    }
}

/// The file of a log, written by a thread of its own so that no request waits for it. It is flushed whenever no
/// request waits to be written; dropping this writes what is left.
#[derive(Debug)]
struct LogFile {
    lines: Option<Sender<Line>>,
    thread: Option<JoinHandle<()>>,
}

enum Line {
    Request(Arc<Request>),
    Flush(SyncSender<()>),
}

impl LogFile {
    fn open(path: &Path) -> Result<Self> {
        let failed = |cause: io::Error| {
            let what = format!("the request log {} cannot be written; name another file", path.display());
            Error::rehearsal("the local Flex", what, cause)
        };
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
        let (lines, received) = channel();
        let thread = thread::Builder::new().name("request log".to_owned()).spawn(move || write(file, &received));
        Ok(Self { lines: Some(lines), thread: Some(thread.map_err(failed)?) })
    }

    fn append(&self, request: Arc<Request>) {
        if let Some(lines) = &self.lines {
            let _ = lines.send(Line::Request(request));
        }
    }

    fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.as_ref().is_some_and(|lines| lines.send(Line::Flush(done)).is_ok()) {
            let _ = wait.recv();
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(file: File, lines: &Receiver<Line>) {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let mut waiting = None;
    while let Some(line) = waiting.take().or_else(|| lines.recv().ok()) {
        let written = match line {
            Line::Request(request) => serde_json::to_writer(&mut file, &*request)
                .map_err(io::Error::from)
                .and_then(|()| file.write_all(b"\n")),
            Line::Flush(done) => file.flush().map(|()| _ = done.send(())),
        };
        waiting = lines.try_recv().ok();
        let flushed = if waiting.is_none() { file.flush() } else { Ok(()) };
        if let Err(error) = written.and(flushed) {
            tracing::error!(%error, "the local Flex writes its request log no further");
            return;
        }
    }
}
