//! The plainest client: requests that were signed before, over kept-alive connections, one under way on each. Of an answer
//! it reads status and length.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{self, KEY, TRUTH};

/// What the requests ask for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Kind {
    Copy,
    Read,
    Write,
}

/// Sends a request for every object of the source of truth; prints seconds.
pub fn send(endpoint: &str, kind: Kind, size: usize, in_flight: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seconds = runtime.block_on(async {
        let counts: std::collections::BTreeMap<String, usize> =
            reqwest::get(format!("{endpoint}/__counts")).await.unwrap().json().await.unwrap();
        let all: VecDeque<_> = (0..counts[TRUTH]).map(|number| request(endpoint, kind, size, number)).collect();
        let (all, host) = (Arc::new(Mutex::new(all)), endpoint.trim_start_matches("http://").to_owned());
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..in_flight {
            tasks.spawn(connection(Arc::clone(&all), host.clone()));
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        started.elapsed().as_secs_f64()
    });
    println!("{seconds}");
}

/// The bytes of a signed request.
fn request(endpoint: &str, kind: Kind, size: usize, number: usize) -> Vec<u8> {
    let key = server::key(number);
    let (method, bucket, body) = match kind {
        Kind::Copy => ("PUT", "other", Vec::new()),
        Kind::Read => ("GET", TRUTH, Vec::new()),
        Kind::Write => ("PUT", "dev", server::document(number, size).into_bytes()),
    };
    let mut request = HttpRequest::new(body.clone().into());
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = format!("{endpoint}/{bucket}/{key}").parse().unwrap();
    if matches!(kind, Kind::Copy) {
        request.headers_mut().insert("x-amz-copy-source", format!("/{TRUTH}/{key}").parse().unwrap());
    }
    let credential = AwsCredential { key_id: KEY.to_owned(), secret_key: KEY.to_owned(), token: None };
    AwsAuthorizer::new(&credential, "s3", "us-east-1").authorize(&mut request, None);
    let mut text = format!("{method} /{bucket}/{key} HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    if request.headers().get("host").is_none() {
        text += &format!("host: {}\r\n", endpoint.trim_start_matches("http://"));
    }
    text += &format!("content-length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend(body);
    bytes
}

async fn connection(all: Arc<Mutex<VecDeque<Vec<u8>>>>, host: String) {
    let mut stream = TcpStream::connect(&host).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = Vec::new();
    loop {
        let Some(request) = all.lock().unwrap().pop_front() else { return };
        stream.write_all(&request).await.unwrap();
        answer.clear();
        let mut whole = None;
        while whole.is_none_or(|whole| answer.len() < whole) {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the server closed the connection");
            whole = whole.or_else(|| length(&answer));
        }
        assert!(answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Bytes of head and body, once the head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    let body = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Some(end + body.map_or(0, |body| body.trim().parse::<usize>().unwrap()))
}
