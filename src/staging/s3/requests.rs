//! Requests as they are sent, counted: those that a client repeats by itself, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use serde::{Deserialize, Serialize};

/// Requests sent to object storage, by what they cost there, and their bytes. The few that fetch credentials count, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Objects read or asked for (GET, HEAD).
    pub read: u64,
    /// Objects and parts written, uploads begun and completed (PUT, POST).
    pub written: u64,
    /// Pages of listings.
    pub listed: u64,
    /// Deletions: of one object, of up to a thousand at once, of uploads.
    pub deleted: u64,
    /// Those of all these that the server failed (5xx, 408, 429) or never answered: they are sent again, within bounds.
    pub failed: u64,
    /// Bytes of the bodies sent.
    pub bytes_sent: u64,
    /// Bytes of the bodies answered, as the answers announce them.
    pub bytes_received: u64,
}

impl Requests {
    /// What was sent since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            read: self.read - before.read,
            written: self.written - before.written,
            listed: self.listed - before.listed,
            deleted: self.deleted - before.deleted,
            failed: self.failed - before.failed,
            bytes_sent: self.bytes_sent - before.bytes_sent,
            bytes_received: self.bytes_received - before.bytes_received,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            read: self.read + other.read,
            written: self.written + other.written,
            listed: self.listed + other.listed,
            deleted: self.deleted + other.deleted,
            failed: self.failed + other.failed,
            bytes_sent: self.bytes_sent + other.bytes_sent,
            bytes_received: self.bytes_received + other.bytes_received,
        }
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.read + self.written + self.listed + self.deleted
    }
}

/// Counts the requests of a client. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    written: AtomicU64,
    listed: AtomicU64,
    deleted: AtomicU64,
    failed: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl Counter {
    /// What was sent so far.
    pub fn requests(&self) -> Requests {
        let told = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Requests {
            read: told(&self.0.read),
            written: told(&self.0.written),
            listed: told(&self.0.listed),
            deleted: told(&self.0.deleted),
            failed: told(&self.0.failed),
            bytes_sent: told(&self.0.bytes_sent),
            bytes_received: told(&self.0.bytes_received),
        }
    }

    /// What makes the HTTP clients of an object store, so that they count here.
    pub fn connector(&self) -> impl HttpConnector + use<> {
        Connector { counter: self.clone(), inner: ReqwestConnector::default() }
    }

    fn kind(&self, request: &HttpRequest) -> &AtomicU64 {
        let query = request.uri().query().unwrap_or_default();
        let asks = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
        match request.method().as_str() {
            "DELETE" => &self.0.deleted,
            "POST" if asks("delete") => &self.0.deleted,
            "GET" if asks("list-type") || asks("uploads") => &self.0.listed,
            "GET" | "HEAD" => &self.0.read,
            _ => &self.0.written,
        }
    }
}

#[derive(Debug)]
struct Connector {
    counter: Counter,
    inner: ReqwestConnector,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.inner.connect(options)?;
        Ok(HttpClient::new(Counting { counter: self.counter.clone(), client }))
    }
}

#[derive(Debug)]
struct Counting {
    counter: Counter,
    client: HttpClient,
}

#[async_trait::async_trait]
impl HttpService for Counting {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let counts = &self.counter.0;
        self.counter.kind(&request).fetch_add(1, Ordering::Relaxed);
        counts.bytes_sent.fetch_add(request.body().content_length() as u64, Ordering::Relaxed);
        let asked_for_bytes = request.method().as_str() != "HEAD";
        let answered = self.client.execute(request).await;
        let failed = answered.as_ref().map_or(true, |answer| {
            let status = answer.status();
            status.is_server_error() || matches!(status.as_u16(), 408 | 429)
        });
        counts.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
        if let Ok(answer) = answered.as_ref().map_err(drop)
            && asked_for_bytes
        {
            let length = answer.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
            counts.bytes_received.fetch_add(length.unwrap_or(0), Ordering::Relaxed);
        }
        answered
    }
}
