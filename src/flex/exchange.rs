//! One request and its one answer, classified. Nothing is repeated here.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use url::{Host, Url};

use super::FlexConfig;
use super::model::Refusal;
use super::retry::retry_after;
use super::tls;
use crate::error::{Error, Result};

/// The media type that every known client sends.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.nativ.mio.v1+json");
/// A longer body is not read to its end.
const LONGEST_BODY: usize = 32 << 20;
/// A body of more values is not taken apart: one of two bytes (`1,`) takes 72 in memory, so 32 MiB could become gigabytes.
const MOST_VALUES: usize = 1 << 20;
/// Of an answer that is no success so much is read: it serves for a message only.
const LONGEST_PAGE: usize = 64 << 10;
/// Characters kept of a message from the server.
const LONGEST_MESSAGE: usize = 500;

/// What came of one request.
#[derive(Debug)]
pub(super) enum Exchange {
    /// 2xx, readable, without `errors`.
    Done(Reply),
    /// The server will not do it, whoever asks how often.
    Refused(Refusal),
    /// It may or may not have been done; `gateway` when the fault is the way to the server rather than the request.
    Unclear { message: String, gateway: bool },
    /// It cannot have been done: no connection.
    NotSent(String),
    /// 429 or 503.
    Throttled { status: u16, message: String, after: Option<Duration> },
    /// The server did not prove its identity: no credentials were sent, and trying again does not help.
    Untrusted(String),
    /// 401 or 403. From now on nothing is sent.
    Unauthorised(Refusal),
}

/// The answer to a request that was carried out. Its body is JSON or empty.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// The status, of the 2xx.
    pub(super) status: u16,
    /// The `id` at the top, if there is one.
    pub(super) id: Option<i64>,
    body: Bytes,
}

impl Reply {
    /// The whole body; null for an empty one.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What every answer is looked at for. Answers can be large (metadata come with their whole definition), so the rest is
/// skipped and read by those who need it.
#[derive(Deserialize)]
struct Head<'a> {
    errors: Option<IgnoredAny>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// The connection pool to one server.
#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    base: String,
    /// What must not be repeated to anybody: a server may put what it was sent into its error page.
    secrets: [SecretString; 2],
    requests: AtomicU64,
    bytes: AtomicU64,
    /// Set by the first 401 or 403, so that parallel workers do not lock the account.
    refused: AtomicBool,
}

impl Transport {
    /// # Errors
    /// When the base URL or the file of authorities is unusable, or the URL is plain http to another host without leave.
    pub(super) fn new(config: &FlexConfig) -> Result<Self> {
        let (base, loopback) = checked_base(config)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        let credentials = credentials(config);
        headers.insert(AUTHORIZATION, basic(&credentials)?);
        let mut builder = reqwest::Client::builder()
            // Also where another crate of the build turns reqwest's own default to the system's library.
            .use_rustls_tls()
            .redirect(redirect::Policy::none())
            .timeout(config.timeout)
            .connect_timeout(config.timeout.min(Duration::from_secs(10)))
            .user_agent(concat!("telecine/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers);
        if !base.starts_with("https:") {
            // Plain http trusts nobody: reading the system's certificates would be the longest part of a short load.
            builder = builder.tls_built_in_root_certs(false);
        }
        if loopback {
            builder = builder.no_proxy();
        }
        for authority in config.ca.as_deref().map(tls::authorities).transpose()?.unwrap_or_default() {
            builder = builder.add_root_certificate(authority);
        }
        let http = builder.build().map_err(|cause| Error::Preflight {
            message: "the HTTP client cannot be built; are the system's root certificates installed?".to_owned(),
            cause: Some(Box::new(cause)),
        })?;
        Ok(Self {
            http,
            base,
            secrets: [credentials, config.password.clone()],
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused: AtomicBool::new(false),
        })
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Requests sent so far, repeats included.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of the bodies sent so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Sends one request and reads its answer.
    pub(super) async fn send(&self, method: &Method, path: &str, body: Option<Bytes>) -> Exchange {
        if self.refused.load(Ordering::Acquire) {
            let message = "not sent: the credentials were refused before".to_owned();
            return Exchange::Unauthorised(Refusal { status: 401, message, request_id: None });
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut request = self.http.request(method.clone(), self.url(path));
        if let Some(body) = body {
            self.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
            request = request.body(body);
        }
        let exchange = match request.send().await {
            Ok(response) => read(response, *method == Method::GET).await.redacted(&self.secrets),
            Err(cause) if cause.is_connect() => match tls::distrust(&cause) {
                Some(why) => Exchange::Untrusted(why),
                None => Exchange::NotSent(chain(cause)),
            },
            Err(cause) => Exchange::Unclear { message: chain(cause), gateway: true },
        };
        if matches!(exchange, Exchange::Unauthorised(_)) {
            self.refused.store(true, Ordering::Release);
        }
        tracing::debug!(%method, path, outcome = exchange.word(), "request");
        exchange
    }
}

impl Exchange {
    /// The same with the secrets struck from the server's words.
    fn redacted(mut self, secrets: &[SecretString]) -> Self {
        let texts: [Option<&mut String>; 2] = match &mut self {
            Self::Refused(refusal) | Self::Unauthorised(refusal) => {
                [Some(&mut refusal.message), refusal.request_id.as_mut()]
            }
            Self::Unclear { message, .. } | Self::Throttled { message, .. } => [Some(message), None],
            Self::Done(_) | Self::NotSent(_) | Self::Untrusted(_) => [None, None],
        };
        for text in texts.into_iter().flatten() {
            for secret in secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty()) {
                *text = text.replace(secret, "********");
            }
        }
        self
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Unclear { .. } => "unclear",
            Self::NotSent(_) => "not sent",
            Self::Untrusted(_) => "untrusted",
            Self::Throttled { .. } => "throttled",
            Self::Unauthorised(_) => "unauthorised",
        }
    }
}

/// The base without its last slash, and whether it is on this machine.
fn checked_base(config: &FlexConfig) -> Result<(String, bool)> {
    let bad = |why: &str| Error::config(format!("flex url: {why}; expected https://HOST/api"));
    let url = Url::parse(&config.base_url).map_err(|cause| bad(&format!("not a URL ({cause})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("credentials in the URL; set username and password instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("a query or fragment cannot be used"));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => return Err(bad("no host")),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || config.allow_insecure => {}
        "http" => {
            return Err(bad(
                "plain http would show the password to everybody on the way (--allow-insecure permits it)",
            ));
        }
        _ => return Err(bad("the scheme is neither https nor http")),
    }
    Ok((url.as_str().trim_end_matches('/').to_owned(), loopback))
}

/// User and password as HTTP Basic sends them.
fn credentials(config: &FlexConfig) -> SecretString {
    let pair = format!("{}:{}", config.username.expose_secret(), config.password.expose_secret());
    base64::engine::general_purpose::STANDARD.encode(pair).into()
}

fn basic(credentials: &SecretString) -> Result<HeaderValue> {
    let text = format!("Basic {}", credentials.expose_secret());
    let mut value = HeaderValue::from_str(&text).map_err(|_| Error::config("flex username or password: not usable"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads and classifies an answer. One that is to be used `whole` must be readable to its last byte; of others the head
/// is enough.
async fn read(response: Response, whole: bool) -> Exchange {
    let status = response.status();
    let after = header(&response, RETRY_AFTER.as_str()).and_then(retry_after);
    let location = header(&response, LOCATION.as_str()).map(str::to_owned);
    if status.is_success() {
        return match body(response).await {
            Ok(body) => success(status, body, whole),
            Err(message) => Exchange::Unclear { message, gateway: true },
        };
    }
    // What is left of a broken error page is good enough for a message.
    let (message, request_id) = words(&page(response).await);
    let refusal = || Refusal { status: status.as_u16(), message: message.clone(), request_id: request_id.clone() };
    match status.as_u16() {
        401 | 403 => Exchange::Unauthorised(refusal()),
        429 | 503 => Exchange::Throttled { status: status.as_u16(), message, after },
        code @ 500.. => {
            Exchange::Unclear { message: format!("HTTP {code}: {message}"), gateway: matches!(code, 502 | 504) }
        }
        300..=399 => {
            let to = location.unwrap_or_default();
            Exchange::Refused(Refusal { message: format!("redirect to {:?}, not followed", cut(&to)), ..refusal() })
        }
        // 101: what follows would be another protocol, and nobody asked for one.
        code @ ..200 => Exchange::Unclear { message: format!("HTTP {code}: {message}"), gateway: true },
        _ => Exchange::Refused(refusal()),
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The body, counted while it comes in.
async fn body(mut response: Response) -> Result<Bytes, String> {
    // Most answers come in one piece, which need not be copied.
    let (mut piece, mut body) = (Bytes::new(), BytesMut::new());
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if piece.len() + body.len() + chunk.len() > LONGEST_BODY => {
                return Err(format!("the answer is longer than {LONGEST_BODY} bytes"));
            }
            Ok(Some(chunk)) if piece.is_empty() && body.is_empty() => piece = chunk,
            Ok(Some(chunk)) => {
                body.extend_from_slice(&std::mem::take(&mut piece));
                body.extend_from_slice(&chunk);
            }
            Ok(None) if body.is_empty() => return Ok(piece),
            Ok(None) => return Ok(body.freeze()),
            Err(cause) => return Err(format!("the answer broke off: {}", chain(cause))),
        }
    }
}

/// The beginning of a body.
async fn page(mut response: Response) -> BytesMut {
    let mut page = BytesMut::new();
    while page.len() < LONGEST_PAGE {
        match response.chunk().await {
            Ok(Some(chunk)) => page.extend_from_slice(&chunk[..chunk.len().min(LONGEST_PAGE - page.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    page
}

/// A 2xx counts when it can be read and has no `errors`.
fn success(status: StatusCode, body: Bytes, whole: bool) -> Exchange {
    // What is skipped is not looked at: bytes that are no text, or depth, would turn up only when the answer is used.
    let readable = match std::str::from_utf8(&body) {
        // Before each value but the first stands one of these; in texts they count too.
        Ok(text) if whole && text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MOST_VALUES => {
            Err(format!("more than {MOST_VALUES} values"))
        }
        Err(cause) => Err(cause.to_string()),
        Ok(text) if whole && !text.trim_ascii().is_empty() => {
            serde_json::from_str::<Value>(text).map(drop).map_err(|cause| cause.to_string())
        }
        Ok(_) => Ok(()),
    };
    if let Err(cause) = readable {
        return unreadable(status, &body, &cause);
    }
    let head = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Exchange::Done(Reply { status: status.as_u16(), ..Reply::default() }),
        Some(b'{') => serde_json::from_slice::<Head>(&body),
        Some(_) => serde_json::from_slice::<IgnoredAny>(&body).map(|_| Head { errors: None, id: None }),
    };
    match head {
        Ok(Head { errors: Some(_), .. }) => {
            let (message, request_id) = words(&body);
            Exchange::Refused(Refusal { status: status.as_u16(), message, request_id })
        }
        Ok(head) => {
            let id = head.id.and_then(|id| id.get().parse().ok());
            Exchange::Done(Reply { status: status.as_u16(), id, body })
        }
        Err(cause) => unreadable(status, &body, &cause.to_string()),
    }
}

fn unreadable(status: StatusCode, body: &[u8], cause: &str) -> Exchange {
    let said = words(&body[..body.len().min(LONGEST_PAGE)]).0;
    let message = format!("HTTP {} with an unreadable body ({cause}): {said}", status.as_u16());
    Exchange::Unclear { message, gateway: false }
}

/// The server's words: from the JSON envelope, with its `flex.request.id`, or the text of an HTML page.
fn words(body: &[u8]) -> (String, Option<String>) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return (cut(&without_tags(&String::from_utf8_lossy(&body[..body.len().min(8 * LONGEST_MESSAGE)]))), None);
    };
    let text = match value.pointer("/errors/error").or_else(|| value.get("errors")) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => value.to_string(),
    };
    (cut(&text), value.get("flex.request.id").and_then(Value::as_str).map(cut))
}

/// One line of bounded length, without what would steer a terminal.
fn cut(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(LONGEST_MESSAGE).collect()
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

/// The error and its causes in one line, without the URL.
fn chain(cause: reqwest::Error) -> String {
    let cause = cause.without_url();
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> FlexConfig {
        FlexConfig { base_url: url.to_owned(), ..FlexConfig::new("", "user", "canary-secret") }
    }

    #[test]
    fn only_https_or_loopback_is_spoken_to() {
        for url in
            ["https://flex.example.com/api", "http://127.0.0.1:80/api/", "http://localhost/api", "http://[::1]/api"]
        {
            assert!(Transport::new(&config(url)).is_ok(), "{url}");
        }
        for url in [
            "http://flex.example.com/api",
            "ftp://h/api",
            "https://u:p@h/api",
            "flex",
            "https://h/api?x=1",
            "http://10.0.0.1/",
        ] {
            let error = Transport::new(&config(url)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}: {error}");
        }
        let leave = FlexConfig { allow_insecure: true, ..config("http://10.0.0.1/api") };
        assert_eq!(Transport::new(&leave).unwrap().url("/assets"), "http://10.0.0.1/api/assets");
    }

    #[test]
    fn no_secret_in_debug_output() {
        let config = config("http://127.0.0.1/api");
        let shown = format!("{config:?} {:?}", Transport::new(&config).unwrap());
        assert!(!shown.contains("canary") && !shown.contains("Y2FuYXJ5"), "{shown}");
    }

    #[test]
    fn words_are_found_in_json_and_html() {
        let json = br#"{"errors":{"error":"Asset: 7 not found."},"flex.request.id":"ab-1"}"#;
        assert_eq!(words(json), ("Asset: 7 not found.".to_owned(), Some("ab-1".to_owned())));
        assert_eq!(words(b"<html><h1>JBoss</h1>\n<p>no  such page").0, "JBoss no such page");
        assert_eq!(words(&vec![b'x'; 100_000]).0.len(), LONGEST_MESSAGE);
        assert_eq!(words(b""), (String::new(), None));
    }

    #[test]
    fn success_needs_a_readable_body_without_errors() {
        let answer = |body: &'static [u8]| success(StatusCode::OK, Bytes::from_static(body), true);
        assert!(matches!(answer(b" "), Exchange::Done(Reply { id: None, .. })));
        assert!(matches!(
            answer(br#"{"x":[{"id":2}],"id":1,"errors":null}"#),
            Exchange::Done(Reply { id: Some(1), .. })
        ));
        assert!(matches!(answer(br#"{"id":"text"}"#), Exchange::Done(Reply { id: None, .. })));
        assert!(matches!(answer(br#"[{"errors":1}]"#), Exchange::Done(_)));
        assert!(matches!(answer(br#"{"id":1,"errors":{"error":"x"}}"#), Exchange::Refused(_)));
        for broken in [&b"<html>"[..], br#"{"id":1"#, b"\xff\xfe", b"[1"] {
            assert!(matches!(answer(broken), Exchange::Unclear { .. }), "{broken:?}");
        }
    }

    #[test]
    fn a_body_of_too_many_values_is_not_taken_apart() {
        let body = |values: usize| Bytes::from(format!("[{}1]", "1,".repeat(values)));
        assert!(matches!(success(StatusCode::OK, body(1_000), true), Exchange::Done(_)));
        let Exchange::Unclear { message, .. } = success(StatusCode::OK, body(MOST_VALUES), true) else { panic!() };
        assert!(message.contains("values"), "{message}");
    }
}
