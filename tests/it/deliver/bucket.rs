//! moto's S3 server behind a proxy that knows what was asked and plays faults.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::support::{PATIENCE, Workplace, python, wait_for};

/// The buckets that are there.
const BUCKETS: [&str; 4] = ["truth", "work", "dev", "prod"];
/// moto wants a signature and believes any.
const SIGNATURE: &str =
    "AWS4-HMAC-SHA256 Credential=shelf/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A server with [`BUCKETS`].
pub struct Buckets {
    _child: Child,
    moto: String,
    proxy: String,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    moto: String,
    client: reqwest::Client,
    requests: Mutex<Vec<Asked>>,
    count: watch::Sender<usize>,
    faulty: AtomicBool,
    number: AtomicUsize,
    played: AtomicUsize,
}

/// A request: its method, and its path with the query.
pub type Asked = (Method, String);

/// Whether it changes something.
pub fn writes((method, _): &Asked) -> bool {
    *method != Method::GET && *method != Method::HEAD
}

impl Buckets {
    pub async fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let mut command = Command::new(python());
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port]).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moto = format!("http://127.0.0.1:{port}");
        let seen = Arc::new(Seen { moto: moto.clone(), ..Seen::default() });
        for bucket in BUCKETS {
            let made = async || seen.client.put(format!("{moto}/{bucket}")).send().await.ok();
            assert!(wait_for("moto", PATIENCE, made).await.status().is_success());
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(pass).layer(DefaultBodyLimit::disable()).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { _child: child, moto, proxy, seen }
    }

    pub fn settings(&self, place: Workplace) -> Workplace {
        place
            .set("AWS_ENDPOINT_URL", &self.proxy)
            .set("AWS_REGION", "us-east-1")
            .set("AWS_ACCESS_KEY_ID", "shelf")
            .set("AWS_SECRET_ACCESS_KEY", "canary-s3-8842aa")
    }

    /// Whether requests fail from now on, most of them only once.
    pub fn faults(&self, on: bool) {
        self.seen.faulty.store(on, Ordering::SeqCst);
    }

    /// How many faults were played.
    pub fn played(&self) -> usize {
        self.seen.played.load(Ordering::SeqCst)
    }

    /// Kills a process as soon as what has arrived since now is enough; false where it ends before.
    pub async fn kill_when(&self, child: &mut Child, enough: impl Fn(&[Asked]) -> bool) -> bool {
        let mut count = self.seen.count.subscribe();
        let before = *count.borrow();
        let is_enough = |_: &usize| enough(&self.seen.requests.lock().unwrap()[before..]);
        // What it gives locks the count, and the door waits for that.
        let arrived = async { drop(count.wait_for(is_enough).await) };
        let killed = tokio::select! {
            _ = child.wait() => false,
            () = arrived => true,
        };
        if killed {
            child.kill().await.unwrap();
        }
        killed
    }

    /// The requests that write to a bucket, or to any.
    pub fn writes_to(&self, bucket: &str) -> Vec<String> {
        let requests = self.seen.requests.lock().unwrap();
        let written = requests.iter().filter(|asked| writes(asked) && asked.1.starts_with(&format!("/{bucket}")));
        written.map(|(method, path)| format!("{method} {path}")).collect()
    }

    /// Somebody else's upload in parts, begun and left.
    pub async fn begin_upload(&self, bucket: &str, key: &str) {
        let request = self.seen.client.post(format!("{}/{bucket}/{key}?uploads", self.moto));
        let answer = request.header("authorization", SIGNATURE).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// The keys of the open uploads of a bucket.
    pub async fn open_uploads(&self, bucket: &str) -> Vec<String> {
        let request = self.seen.client.get(format!("{}/{bucket}?uploads", self.moto));
        let answer = request.header("authorization", SIGNATURE).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(text.contains("ListMultipartUploadsResult"), "{text}");
        let keys = text.split("<Key>").skip(1).map(|piece| piece.split("</Key>").next().unwrap().to_owned());
        keys.collect()
    }

    pub async fn put(&self, bucket: &str, key: &str, text: impl AsRef<[u8]>) {
        let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        let request = self.seen.client.put(format!("{}/{bucket}/{key}", self.moto)).body(text.as_ref().to_vec());
        let answer = request.header("authorization", SIGNATURE).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// All objects of a bucket: keys that XML can carry, and text.
    pub async fn contents(&self, bucket: &str) -> BTreeMap<String, String> {
        let get = async |path: String| {
            let request = self.seen.client.get(format!("{}/{bucket}{path}", self.moto));
            let answer = request.header("authorization", SIGNATURE).send().await.unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
            answer.text().await.unwrap()
        };
        let listing = get("?list-type=2&encoding-type=url".to_owned()).await;
        let mut found = BTreeMap::new();
        for piece in listing.split("<Key>").skip(1) {
            let key = piece.split("</Key>").next().unwrap().replace('+', " ");
            let key = percent_encoding::percent_decode_str(&key).decode_utf8().unwrap().into_owned();
            let path = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC);
            found.insert(key.clone(), get(format!("/{path}")).await);
        }
        found
    }
}

/// Passes a request on, or plays a fault: refused before it is done, done and then answered with an error, done and the
/// answer cut.
async fn pass(State(seen): State<Arc<Seen>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path_and_query().unwrap().to_string();
    {
        let mut requests = seen.requests.lock().unwrap();
        requests.push((method.clone(), path.clone()));
    }
    seen.count.send_modify(|count| *count += 1);
    let number = seen.number.fetch_add(1, Ordering::SeqCst);
    let fault = if seen.faulty.load(Ordering::SeqCst) { number % 13 } else { 0 };
    if matches!(fault, 1 | 5 | 9) {
        seen.played.fetch_add(1, Ordering::SeqCst);
    }
    let refusal = |status: u16, code: &str| {
        let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a fault</Message></Error>");
        Response::builder().status(status).body(Body::from(text)).unwrap()
    };
    if fault == 1 {
        return refusal(503, "SlowDown");
    }
    let answer = seen.client.request(method, format!("{}{path}", seen.moto)).headers(headers).body(body).send().await;
    let Ok(answer) = answer else { return refusal(500, "InternalError") };
    if fault == 5 {
        return refusal(500, "InternalError");
    }
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    if fault == 9 {
        let cut = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        return response.body(Body::from_stream(cut)).unwrap();
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}
