//! A bucket of S3, below a prefix.

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::BoxStream;
use md5::{Digest, Md5};
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use tokio::sync::mpsc;
use url::Url;

use super::request::{Request, Sender, encoded};
use super::uploads::Noted;
use super::{Condition, Fault, Listed, Outcome, Reach, xml};
use crate::error::{Error, Result};
use crate::staging::RunFolder;

/// Objects that one DeleteObjects takes, at most (S3's own limit).
const DELETED_AT_ONCE: usize = 1_000;

/// A bucket and a prefix in it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct S3 {
    sender: Sender,
    bucket: String,
    /// Empty, or ending in `/`.
    prefix: String,
    /// Where uploads in parts are noted.
    notes: Arc<RunFolder>,
}

impl S3 {
    pub(super) fn open(url: &str, reach: &Reach) -> Result<Self> {
        let parsed = Url::parse(url).map_err(|cause| Error::config(format!("{url}: {cause}")))?;
        let bucket = parsed.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() {
            return Err(Error::config(format!("{url} names no bucket; write s3://bucket/prefix")));
        }
        // As it was written: a URL's parser changes what it thinks it may.
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let prefix = rest.split_once('/').map_or("", |(_, prefix)| prefix).trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { sender: Sender::to(&parsed, &bucket, reach)?, bucket, prefix, notes: Arc::clone(&reach.notes) })
    }

    pub(super) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    pub(super) fn below(&self, name: &str) -> Self {
        Self { prefix: format!("{}{name}/", self.prefix), ..self.clone() }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn request(&self, method: Method, key: &str) -> Request {
        Request::new(method, self.key(key))
    }

    pub(super) fn list(&self) -> BoxStream<'static, Result<Vec<Listed>>> {
        let bucket = self.clone();
        let (pages, received) = mpsc::channel(1);
        // The next page is on its way while one is worked on.
        tokio::spawn(async move {
            let mut token = None;
            loop {
                let page = bucket.page(token).await.map_err(|fault| bucket.failed("cannot be listed", fault));
                let (page, next) = page.map_or_else(|error| (Err(error), None), |(page, next)| (Ok(page), next));
                if pages.send(page).await.is_err() || next.is_none() {
                    return;
                }
                token = next;
            }
        });
        let next = |mut received: mpsc::Receiver<_>| async move { received.recv().await.map(|page| (page, received)) };
        futures::stream::unfold(received, next).boxed()
    }

    async fn page(&self, token: Option<String>) -> Outcome<(Vec<Listed>, Option<String>)> {
        let mut request = Request::new(Method::GET, "")
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("prefix", self.prefix.clone());
        if let Some(token) = token {
            request = request.query("continuation-token", token);
        }
        let answer = self.sender.send(&request).await?;
        let page: xml::Page = xml::read(&answer.body)?;
        let encoding = page.encoding_type.as_deref();
        let objects = page.contents.into_iter().map(|object| self.listed(object, encoding)).collect::<Outcome<_>>()?;
        Ok((objects, page.next_continuation_token.filter(|token| !token.is_empty())))
    }

    fn listed(&self, object: xml::Contents, encoding: Option<&str>) -> Outcome<Listed> {
        let (whole, reason) = match xml::key(&object.key, encoding) {
            Ok(key) => (key, None),
            Err(Fault::Unnameable(why)) => (object.key.clone(), Some(why)),
            Err(fault) => return Err(fault),
        };
        let modified = object.last_modified.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
        Ok(Listed {
            key: whole.strip_prefix(&self.prefix).unwrap_or(&whole).to_owned(),
            size: object.size,
            etag: object.etag.trim_matches('"').to_owned(),
            modified: modified.map_or(0, |moment| moment.timestamp_micros()),
            reason,
        })
    }

    fn failed(&self, message: &str, fault: Fault) -> Error {
        match fault.reason(&self.url()) {
            Ok(reason) => Error::Bucket { url: self.url(), message: format!("{message}: {reason}"), cause: None },
            Err(error) => error,
        }
    }

    pub(super) async fn head(&self, key: &str) -> Outcome<(u64, String)> {
        let answer = self.sender.send(&self.request(Method::HEAD, key)).await?;
        let size = answer.headers.get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
        Ok((size.unwrap_or_default(), answer.etag()))
    }

    pub(super) async fn read(&self, key: &str, etag: &str, start: u64, length: u64) -> Outcome<Bytes> {
        // A range of nothing is none.
        if length == 0 {
            let (size, found) = self.head(key).await?;
            return if size == 0 && found == etag { Ok(Bytes::new()) } else { Err(Fault::Changed) };
        }
        let range = format!("bytes={start}-{}", start + length - 1);
        let request = self.request(Method::GET, key).header("range", &range).header("if-match", &format!("\"{etag}\""));
        let answer = self.sender.send(&request).await?;
        if answer.etag() != etag || answer.body.len() as u64 != length {
            return Err(Fault::Changed);
        }
        Ok(answer.body)
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Outcome<String> {
        let request = conditional(self.request(Method::PUT, key).body(bytes.clone()), condition);
        match self.sender.send(&request).await {
            Ok(answer) => Ok(answer.etag()),
            // One that was answered with an error and stored all the same meets itself when it is sent again.
            Err(Fault::Changed) => match self.head(key).await {
                Ok((_, etag)) if !matches!(condition, Condition::New) && etag == hex(&Md5::digest(&bytes)) => Ok(etag),
                Err(Fault::Away(message, cause)) => Err(Fault::Away(message, cause)),
                _ => Err(Fault::Changed),
            },
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn copy(&self, source: &Self, from: &str, etag: &str, to: &str) -> Outcome<String> {
        if self.sender.endpoint() != source.sender.endpoint() {
            return Err(Fault::Unable);
        }
        let from = format!("/{}/{}", source.bucket, encoded(&source.key(from)));
        let request = self
            .request(Method::PUT, to)
            .header("x-amz-copy-source", &from)
            .header("x-amz-copy-source-if-match", &format!("\"{etag}\""));
        let answer = self.sender.send(&request).await?;
        let made: xml::Made = xml::read(&answer.body)?;
        Ok(made.etag.trim_matches('"').to_owned())
    }

    pub(super) async fn upload(&self, key: &str) -> Outcome<Upload> {
        let answer = self.sender.send(&self.request(Method::POST, key).query("uploads", "")).await?;
        let begun: xml::Begun = xml::read(&answer.body)?;
        let noted = Noted::new(self.url(), key.to_owned(), begun.upload_id);
        // Before the first part, so that nothing is ever kept of an upload that nobody knows.
        let failed = |error: Error| Fault::Away("an upload cannot be noted; see the cause".into(), Some(error.into()));
        noted.write(&self.notes).await.map_err(failed)?;
        Ok(Upload { bucket: self.clone(), noted, parts: Vec::new() })
    }

    /// Whether an upload is there still.
    pub(super) async fn is_open(&self, key: &str, id: &str) -> Outcome<bool> {
        let parts = self.request(Method::GET, key).query("uploadId", id).query("max-parts", "1");
        match self.sender.send(&parts).await {
            Err(Fault::Missing) => Ok(false),
            // Servers that do not tell, or do not tell us: it was begun, and nobody has seen it end.
            Ok(_) | Err(Fault::Refused(_) | Fault::Unable) => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    /// Ends an upload; its parts are gone. One that is gone already is no failure.
    pub(super) async fn end_upload(&self, key: &str, id: &str) -> Outcome<()> {
        match self.sender.send(&self.request(Method::DELETE, key).query("uploadId", id)).await {
            Ok(_) | Err(Fault::Missing) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn delete(&self, keys: &[String]) -> Result<Vec<(String, String)>> {
        let mut refused = Vec::new();
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let whole: Vec<String> = keys.iter().map(|key| self.key(key)).collect();
            let body = xml::deletion(&whole);
            let digest = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Md5::digest(&body));
            let request = Request::new(Method::POST, "").query("delete", "").header("content-md5", &digest).body(body);
            let failed = |fault| self.failed("objects cannot be deleted", fault);
            let answer = self.sender.send(&request).await.map_err(failed)?;
            let deleted: xml::Deleted = xml::read(&answer.body).map_err(failed)?;
            let told = |error: xml::Refused| {
                let key = error.key.strip_prefix(&self.prefix).unwrap_or(&error.key).to_owned();
                (key, format!("{} {}", error.code, error.message).trim_end().to_owned())
            };
            refused.extend(deleted.errors.into_iter().filter(|error| error.code != "NoSuchKey").map(told));
        }
        Ok(refused)
    }
}

/// The request with its condition as headers.
fn conditional(request: Request, condition: Condition<'_>) -> Request {
    match condition {
        Condition::Any => request,
        Condition::New => request.header("if-none-match", "*"),
        Condition::Is(etag) => request.header("if-match", &format!("\"{etag}\"")),
    }
}

pub(in crate::delivery) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A multipart upload.
#[derive(Debug)]
pub struct Upload {
    bucket: S3,
    noted: Noted,
    /// The ETags of the parts, in order.
    parts: Vec<String>,
}

impl Upload {
    pub(super) async fn append(&mut self, bytes: Bytes) -> Outcome<()> {
        let number = (self.parts.len() + 1).to_string();
        let request = self.request(Method::PUT).query("partNumber", number).query("uploadId", &self.noted.upload);
        let answer = self.bucket.sender.send(&request.body(bytes)).await?;
        self.parts.push(answer.etag());
        Ok(())
    }

    pub(super) async fn finish(self, condition: Condition<'_>) -> Outcome<String> {
        let request = self.request(Method::POST).query("uploadId", &self.noted.upload);
        let request = conditional(request.body(xml::completion(&self.parts)), condition);
        match self.bucket.sender.send(&request).await {
            Ok(answer) => {
                let made: xml::Made = xml::read(&answer.body)?;
                self.noted.forget(&self.bucket.notes).await;
                Ok(made.etag.trim_matches('"').to_owned())
            }
            // Ended by the first of two sendings, of which only the second was answered: what is there is read back.
            Err(Fault::Missing) => self.bucket.head(&self.noted.key).await.map(|(_, etag)| etag),
            Err(fault) => {
                self.abandon().await;
                Err(fault)
            }
        }
    }

    pub(super) async fn abandon(self) {
        match self.bucket.end_upload(&self.noted.key, &self.noted.upload).await {
            Ok(()) => self.noted.forget(&self.bucket.notes).await,
            Err(_) => tracing::warn!(
                key = self.noted.key,
                "an upload that was broken off could not be removed from the bucket; `telecine staging orphans --sweep` does"
            ),
        }
    }

    fn request(&self, method: Method) -> Request {
        self.bucket.request(method, &self.noted.key)
    }
}
