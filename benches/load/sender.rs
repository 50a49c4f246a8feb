//! The plainest load generator: sends bodies that are ready, over kept-alive connections, one request under way on each.
//! No ledger, no planning, no checks; of an answer it reads status, length and, where an asset was made, the id.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request of the plan.
#[derive(Debug, Clone)]
pub struct Planned {
    pub method: String,
    /// Below the base URL; `{id}` stands for the id that the asset gets.
    pub path: String,
    pub body: String,
}

/// The requests of a plan, asset by asset, at most those of `assets` assets.
pub fn planned(file: &Path, assets: usize) -> Vec<Vec<Planned>> {
    let text = fs::read_to_string(file).unwrap();
    let mut all: Vec<(String, Vec<Planned>)> = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let key = line["source_key"].as_str().unwrap().to_owned();
        let body = match &line["body"] {
            Value::String(body) => body.clone(),
            body => body.to_string(),
        };
        let path = line.get("path").or(line.get("url")).unwrap().as_str().unwrap();
        let path = path[path.find("/assets").unwrap()..].to_owned();
        let request = Planned { method: line["method"].as_str().unwrap().to_owned(), path, body };
        let full = all.len() == assets;
        match all.last_mut() {
            Some((last, requests)) if *last == key => requests.push(request),
            _ if full => break,
            _ => all.push((key, vec![request])),
        }
    }
    all.into_iter().map(|(_, requests)| requests).collect()
}

/// The bytes of a request.
pub fn request(planned: &Planned, id: &str, host: &str) -> Vec<u8> {
    let Planned { method, path, body } = planned;
    let path = path.replace("{id}", id);
    let user = STANDARD.encode("rehearsal:rehearsal");
    format!(
        "{method} /api{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {user}\r\nAccept: application/json\r\n\
         Content-Type: application/vnd.nativ.mio.v1+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends all requests over `in_flight` connections; prints requests and seconds.
pub fn send(file: &Path, assets: usize, host: &str, in_flight: usize) {
    let all = Arc::new(Mutex::new(VecDeque::from(planned(file, assets))));
    let count: usize = all.lock().unwrap().iter().map(Vec::len).sum();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seconds = runtime.block_on(async {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            tasks.spawn(connection(Arc::clone(&all), host.to_owned()));
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        started.elapsed().as_secs_f64()
    });
    println!("sent {count} {seconds}");
}

async fn connection(all: Arc<Mutex<VecDeque<Vec<Planned>>>>, host: String) {
    let mut stream = TcpStream::connect(&host).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = Vec::new();
    loop {
        let Some(asset) = all.lock().unwrap().pop_front() else { return };
        let mut id = String::new();
        for planned in &asset {
            stream.write_all(&request(planned, &id, &host)).await.unwrap();
            read(&mut stream, &mut answer).await;
            assert!(answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
            if id.is_empty() {
                id = first_id(&answer);
            }
        }
    }
}

/// Reads one answer whole.
async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| answer.len() < whole) {
        assert!(stream.read_buf(answer).await.unwrap() > 0, "the server closed the connection");
        whole = whole.or_else(|| length(answer));
    }
}

/// Bytes of head and body, once the head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    let body = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    Some(end + body.trim().parse::<usize>().unwrap())
}

/// The number of the first `"id":` of an answer.
fn first_id(answer: &[u8]) -> String {
    let start = answer.windows(5).position(|five| five == b"\"id\":").unwrap() + 5;
    answer[start..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect()
}
