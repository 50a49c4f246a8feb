//! One signed request, repeated within bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use url::Url;

use super::credentials::Access;
use super::{Fault, Outcome, Reach, xml};
use crate::error::{Error, Result};

/// What a URL carries as it is (RFC 3986, unreserved): the rest of a key is percent-encoded, as signatures want it.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');
/// How often a request is sent before it is given up.
const ATTEMPTS: u32 = 9;
/// The first pause is up to this long, each further up to twice the last, at most [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The longest that one request may take, with its body of at most a part.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The most bytes that an answer may have.
const LONGEST_ANSWER: usize = 64 << 20;
/// Codes that say the same of every request: who sends it is not known or not allowed.
const CREDENTIALS: [&str; 5] =
    ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"];

/// Percent-encodes a key or a part of one; `/` stays.
pub(super) fn encoded(key: &str) -> String {
    utf8_percent_encode(key, IN_PATH).to_string()
}

/// A request as it is told to [`Sender::send`].
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The key in the bucket; empty for the bucket itself.
    pub(super) key: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn new(method: Method, key: impl Into<String>) -> Self {
        Self { method, key: key.into(), query: Vec::new(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// A header; a value that no header can carry is left out, and the request then refused by the server.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The ETag of the headers, without quotes; empty without one.
    pub(super) fn etag(&self) -> String {
        let etag = self.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        etag.unwrap_or_default().trim_matches('"').to_owned()
    }
}

/// Sends requests to one bucket.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    client: HttpClient,
    access: Access,
    bucket: String,
}

/// What one sending came to.
enum Attempt {
    Done(Answer),
    Failed(Fault),
    /// To be sent again, after this pause if one is asked for.
    Again(String, Option<Duration>),
}

impl Sender {
    pub(super) fn to(url: &Url, bucket: &str, reach: &Reach) -> Result<Self> {
        let access = Access::to(url, &reach.settings)?;
        let plain_http = access.endpoint.starts_with("http:");
        let options = reach
            .settings
            .client_options(&mut Vec::new())
            .with_allow_http(plain_http)
            .with_timeout(TIMEOUT)
            .with_connect_timeout(Duration::from_secs(10));
        let client = reach.counter.connector().connect(&options).map_err(|cause| Error::Preflight {
            message: format!("no requests can be sent to {url}"),
            cause: Some(cause.into()),
        })?;
        Ok(Self { client, access, bucket: bucket.to_owned() })
    }

    /// The server; two buckets of one can be copied between.
    pub(super) fn endpoint(&self) -> &str {
        &self.access.endpoint
    }

    /// Sends a request until it is answered for good: what the server says may be repeated, and what was not answered,
    /// is repeated with full jitter.
    ///
    /// # Errors
    /// See [`Fault`].
    pub(super) async fn send(&self, request: &Request) -> Outcome<Answer> {
        let url = self.url_of(request)?;
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            match self.attempt(request, &url).await {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Failed(fault) => return Err(fault),
                Attempt::Again(why, asked) => {
                    let most = FIRST_PAUSE.saturating_mul(1 << attempt).min(LONGEST_PAUSE);
                    let pause = asked.map_or(most.mul_f64(fastrand::f64()), |asked| asked.min(LONGEST_PAUSE));
                    tracing::debug!(%why, ?pause, method = %request.method, key = request.key, "sent again");
                    last = why;
                    if attempt + 1 < ATTEMPTS {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
        let message = format!(
            "{} of {:?} failed {ATTEMPTS} times, lastly: {last}; run the same command again",
            request.method, request.key
        );
        Err(Fault::Away(message, None))
    }

    fn url_of(&self, request: &Request) -> Outcome<String> {
        let path = format!("/{}/{}", self.bucket, encoded(&request.key));
        let path = if request.key.is_empty() { format!("/{}", self.bucket) } else { path };
        let query: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, IN_QUERY)))
            .collect();
        let url = format!("{}{path}?{}", self.access.endpoint, query.join("&"));
        let url = url.trim_end_matches('?');
        let whole = Url::parse(url).ok().filter(|parsed| parsed.path().ends_with(&path));
        match whole {
            Some(_) => Ok(url.to_owned()),
            None => Err(Fault::Unnameable("no URL can carry the key: `.` or `..` stands between slashes".into())),
        }
    }

    async fn attempt(&self, request: &Request, url: &str) -> Attempt {
        let away = |message: &str, cause| Attempt::Failed(Fault::Away(message.to_owned(), Some(cause)));
        let credential = match self.access.credentials.get_credential().await {
            Ok(credential) => credential,
            Err(cause) => return away("no credentials can be had; see the cause", cause.into()),
        };
        let mut message = HttpRequest::new(request.body.clone().into());
        *message.method_mut() = request.method.clone();
        *message.headers_mut() = request.headers.clone();
        match url.parse() {
            Ok(uri) => *message.uri_mut() = uri,
            Err(_) => return Attempt::Failed(Fault::Unnameable("no URL can carry the key".into())),
        }
        AwsAuthorizer::new(&credential, "s3", &self.access.region).authorize(&mut message, None);
        match self.client.execute(message).await {
            Ok(response) => judge(response, &request.method).await,
            Err(cause) => Attempt::Again(cause.to_string(), None),
        }
    }
}

async fn judge(response: HttpResponse, method: &Method) -> Attempt {
    let (parts, body) = response.into_parts();
    let mut chunks = body.bytes_stream();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) if bytes.len() + chunk.len() <= LONGEST_ANSWER => bytes.extend_from_slice(&chunk),
            Ok(_) => return Attempt::Failed(Fault::Refused("the answer is too long".into())),
            Err(cause) => return Attempt::Again(format!("the answer broke off: {cause}"), None),
        }
    }
    let (status, headers, body) = (parts.status, parts.headers, bytes.freeze());
    // A copy that fails after it was begun is answered with 200 and an error (S3, CopyObject); what a read gives is the
    // object's own, whatever it looks like.
    let read = status.is_success() && method == Method::GET;
    let error = if read { None } else { xml::error(&body) };
    if status.is_success() && error.is_none() {
        return Attempt::Done(Answer { headers, body });
    }
    let (code, message) = error.unwrap_or_default();
    let told = format!("{status} {code} {message}").trim_end().to_owned();
    let after = headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    match (status, code.as_str()) {
        (StatusCode::NOT_FOUND, "NoSuchBucket") => {
            Attempt::Failed(Fault::Away("there is no such bucket; make it or correct the setting".into(), None))
        }
        (StatusCode::NOT_FOUND, _) => Attempt::Failed(Fault::Missing),
        (StatusCode::PRECONDITION_FAILED, _) => Attempt::Failed(Fault::Changed),
        (StatusCode::NOT_IMPLEMENTED, _) => Attempt::Failed(Fault::Unable),
        (_, code) if CREDENTIALS.contains(&code) => Attempt::Failed(Fault::Away(
            format!("the credentials are refused: {told}; correct them, then run the same command again"),
            None,
        )),
        (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT, _)
        | (_, "RequestTimeout" | "SlowDown" | "InternalError") => Attempt::Again(told, after),
        (status, _) if status.is_server_error() || status.is_success() => Attempt::Again(told, after),
        _ => Attempt::Failed(Fault::Refused(told)),
    }
}
