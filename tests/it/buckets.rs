//! Two S3-compatible servers of different makers, a bucket each: s3s (Rust, in this process, checks signatures) and moto
//! (Python, a process of its own). Before both stands a door that notes what arrives and plays faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use futures::StreamExt;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use telecine::staging::{S3Settings, StagingArea, StagingConfig};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::support::{PATIENCE, Workplace, python, wait_for};

/// Name of the bucket and id of its key.
pub const BUCKET: &str = "shelf";
/// The secret of that key; it must turn up nowhere.
pub const SECRET: &str = "canary-s3-51c7e2";
/// Where the areas of these tests are in the bucket.
pub const PREFIX: &str = "some/prefix";
/// The largest body that the door takes.
const LARGEST: usize = 64 << 20;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not done: 503 SlowDown.
    SlowDown,
    /// Not done: 500 InternalError.
    Refused,
    /// Done, and answered by 500 InternalError.
    DoneAndDenied,
    /// Done, and the connection breaks in the middle of the answer's body.
    Cut,
    /// Not done, ever.
    Forbidden,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub bytes: usize,
}

impl Arrived {
    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn asks(&self, name: &str) -> bool {
        self.uri.query().unwrap_or_default().split('&').any(|part| part.split('=').next() == Some(name))
    }
}

type Judge = Box<dyn FnMut(&Arrived) -> Option<Fault> + Send>;

#[derive(Clone)]
enum Server {
    S3s { service: S3Service, root: PathBuf },
    Other { client: reqwest::Client, address: String },
}

struct Door {
    server: Server,
    arrived: Mutex<Vec<Arrived>>,
    /// All that have arrived.
    count: watch::Sender<usize>,
    judge: Mutex<Option<Judge>>,
    /// Held while a conditional request is served: s3s-fs looks first and writes then, and others come in between.
    conditional: tokio::sync::Mutex<()>,
    /// Milliseconds that every request waits.
    delay: AtomicU64,
}

/// A server with one bucket; it ends when this is dropped.
pub struct Bucket {
    pub endpoint: String,
    door: Arc<Door>,
    _child: Option<Child>,
    _folder: Option<TempDir>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Bucket {
    pub async fn s3s() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(BUCKET, SECRET));
        let server = Server::S3s { service: builder.build(), root: folder.path().to_owned() };
        Self::behind_a_door(server, None, Some(folder)).await
    }

    pub async fn moto() -> Self {
        // Between the look for a free port and its use others may take it.
        for _ in 0..5 {
            if let Some(bucket) = Self::moto_on_a_free_port().await {
                return bucket;
            }
        }
        panic!("moto finds no port");
    }

    async fn moto_on_a_free_port() -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = Command::new(python());
        let port = address.rsplit(':').next().unwrap();
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", port]).kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let client = reqwest::Client::new();
        let made = async || client.put(format!("http://{address}/{BUCKET}")).send().await.ok();
        let made = wait_for("moto", PATIENCE, made).await.status().is_success();
        let is_ours = made && child.try_wait().unwrap().is_none();
        let server = Server::Other { client, address };
        if is_ours { Some(Self::behind_a_door(server, Some(child), None).await) } else { None }
    }

    async fn behind_a_door(server: Server, child: Option<Child>, folder: Option<TempDir>) -> Self {
        let door = Arc::new(Door {
            server,
            arrived: Mutex::default(),
            count: watch::Sender::default(),
            judge: Mutex::default(),
            conditional: Default::default(),
            delay: AtomicU64::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let at_the_door = Arc::clone(&door);
        let app = axum::Router::new().fallback(async move |request: Request| at_the_door.enter(request).await);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, door, _child: child, _folder: folder, serving }
    }

    pub fn is_s3s(&self) -> bool {
        matches!(self.door.server, Server::S3s { .. })
    }

    /// What an environment must hold to reach it.
    pub fn variables(&self) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", BUCKET),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    pub fn config(&self) -> StagingConfig {
        let s3 = S3Settings::of_environment(self.variables());
        StagingConfig { s3, ..StagingConfig::at(format!("s3://{BUCKET}/{PREFIX}")) }
    }

    pub fn area(&self) -> StagingArea {
        StagingArea::open(&self.config()).unwrap()
    }

    /// The place with its staging area in the bucket.
    pub fn settings(&self, place: Workplace) -> Workplace {
        let place = place.set("TELECINE_STAGING_URL", &format!("s3://{BUCKET}/{PREFIX}"));
        self.variables().iter().fold(place, |place, (name, value)| place.set(name, value))
    }

    /// Asks of each request what becomes of it, from now on.
    pub fn judge(&self, judge: impl FnMut(&Arrived) -> Option<Fault> + Send + 'static) {
        *self.door.judge.lock().unwrap() = Some(Box::new(judge));
    }

    /// Plays `fault` for the first `times` requests that match.
    pub fn fault(&self, fault: Fault, times: usize, matches: impl Fn(&Arrived) -> bool + Send + 'static) {
        let mut left = times;
        self.judge(move |arrived| {
            let struck = left > 0 && matches(arrived);
            left -= usize::from(struck);
            struck.then_some(fault)
        });
    }

    /// Every request waits so long, from now on.
    pub fn delay(&self, millis: u64) {
        self.door.delay.store(millis, Ordering::Relaxed);
    }

    /// Kills a process as soon as so many requests have arrived since now; false where it ends before.
    pub async fn kill_after(&self, child: &mut Child, requests: usize) -> bool {
        let mut count = self.door.count.subscribe();
        let enough = *count.borrow() + requests;
        // What it gives locks the count, and the door waits for that.
        let arrived = async { drop(count.wait_for(|count| *count >= enough).await) };
        let killed = tokio::select! {
            _ = child.wait() => false,
            () = arrived => true,
        };
        if killed {
            child.kill().await.unwrap();
        }
        killed
    }

    /// What has arrived since this was last asked.
    pub fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.door.arrived.lock().unwrap())
    }
}

impl Door {
    async fn enter(&self, request: Request) -> Response<Body> {
        tokio::time::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed))).await;
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, LARGEST).await.unwrap_or_default();
        let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
        let arrived = Arrived { method, uri, headers, bytes: body.len() };
        self.arrived.lock().unwrap().push(arrived.clone());
        self.count.send_modify(|count| *count += 1);
        let judged = self.judge.lock().unwrap().as_mut().and_then(|judge| judge(&arrived));
        match judged {
            Some(Fault::SlowDown) => error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            Some(Fault::Refused) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Some(Fault::Forbidden) => error(StatusCode::FORBIDDEN, "AccessDenied"),
            Some(Fault::DoneAndDenied) => {
                self.pass(arrived, body).await;
                error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
            }
            Some(Fault::Cut) => cut(self.pass(arrived, body).await).await,
            None => self.pass(arrived, body).await,
        }
    }

    async fn pass(&self, arrived: Arrived, body: Bytes) -> Response<Body> {
        match &self.server {
            Server::S3s { root, .. } if arrived.asks("uploads") && arrived.method == Method::GET => open_uploads(root),
            Server::S3s { service, .. } => {
                let conditional = ["if-none-match", "if-match"].iter().any(|name| arrived.headers.contains_key(*name));
                let _alone = if conditional { Some(self.conditional.lock().await) } else { None };
                let mut request = axum::http::Request::builder().method(arrived.method).uri(arrived.uri);
                *request.headers_mut().unwrap() = arrived.headers;
                let answer = service.call(request.body(s3s::Body::from(body)).unwrap()).await.unwrap();
                answer.map(Body::new)
            }
            Server::Other { client, address } => {
                let url = format!("http://{address}{}", arrived.uri.path_and_query().unwrap());
                let request = client.request(arrived.method, url).headers(arrived.headers).body(body);
                let answer = request.send().await.unwrap();
                let mut response = Response::new(Body::empty());
                *response.status_mut() = answer.status();
                *response.headers_mut() = answer.headers().clone();
                response.map(|_| Body::from_stream(answer.bytes_stream()))
            }
        }
    }
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let text =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as the script says</Message></Error>");
    Response::builder().status(status).header("content-type", "application/xml").body(Body::from(text)).unwrap()
}

/// The answer, of which half the body comes before the connection breaks.
async fn cut(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, LARGEST).await.unwrap();
    parts.headers.insert("content-length", (body.len().max(1)).into());
    let half = futures::stream::iter([Ok(body.slice(..body.len() / 2)), Err(std::io::Error::other("cut"))]);
    Response::from_parts(parts, Body::from_stream(half.boxed()))
}

/// `ListMultipartUploads`, which s3s-fs lacks: it keeps a file `.bucket-B.object-K.upload-ID.metadata.json` of each.
fn open_uploads(root: &std::path::Path) -> Response<Body> {
    let mut text = String::from("<?xml version=\"1.0\"?><ListMultipartUploadsResult><IsTruncated>false</IsTruncated>");
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(rest) = name.strip_suffix(".metadata.json") else { continue };
        let Some((object, id)) = rest.rsplit_once(".upload-") else { continue };
        let key = object.rsplit_once(".object-").unwrap().1;
        let key = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key).unwrap();
        let key = String::from_utf8(key).unwrap();
        text.push_str(&format!(
            "<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>2020-01-01T00:00:00.000Z</Initiated></Upload>"
        ));
    }
    text.push_str("</ListMultipartUploadsResult>");
    Response::builder().header("content-type", "application/xml").body(Body::from(text)).unwrap()
}
