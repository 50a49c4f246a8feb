//! A bucket of S3, below a prefix.

use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::BoxStream;
use md5::{Digest, Md5};
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use url::Url;

use super::request::{Request, Sender, encoded};
use super::{Condition, Fault, Listed, Outcome, xml};
use crate::error::{Error, Result};
use crate::staging::S3Settings;

/// Objects that one DeleteObjects takes, at most (S3's own limit).
const DELETED_AT_ONCE: usize = 1_000;

/// A bucket and a prefix in it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct S3 {
    sender: Sender,
    bucket: String,
    /// Empty, or ending in `/`.
    prefix: String,
}

impl S3 {
    pub(super) fn open(url: &str, settings: &S3Settings) -> Result<Self> {
        let parsed = Url::parse(url).map_err(|cause| Error::config(format!("{url}: {cause}")))?;
        let bucket = parsed.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() {
            return Err(Error::config(format!("{url} names no bucket; write s3://bucket/prefix")));
        }
        // As it was written: a URL's parser changes what it thinks it may.
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let prefix = rest.split_once('/').map_or("", |(_, prefix)| prefix).trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { sender: Sender::to(&parsed, &bucket, settings)?, bucket, prefix })
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
        let pages = futures::stream::try_unfold((bucket, Some(None)), |(bucket, token)| async move {
            let Some(token) = token else { return Ok(None) };
            let (page, next) = bucket.page(token).await.map_err(|fault| bucket.failed("cannot be listed", fault))?;
            Ok(Some((page, (bucket, next.map(Some)))))
        });
        pages.boxed()
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
        let md5 = hex(&Md5::digest(&bytes));
        let request = conditional(self.request(Method::PUT, key).body(bytes), condition);
        match self.sender.send(&request).await {
            Ok(answer) => Ok(answer.etag()),
            // One that was answered with an error and stored all the same meets itself when it is sent again.
            Err(Fault::Changed) => match self.head(key).await {
                Ok((_, etag)) if etag == md5 && !matches!(condition, Condition::New) => Ok(etag),
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
        Ok(Upload { bucket: self.clone(), key: key.to_owned(), id: begun.upload_id, parts: Vec::new() })
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
    key: String,
    id: String,
    /// The ETags of the parts, in order.
    parts: Vec<String>,
}

impl Upload {
    pub(super) async fn append(&mut self, bytes: Bytes) -> Outcome<()> {
        let number = (self.parts.len() + 1).to_string();
        let request =
            self.bucket.request(Method::PUT, &self.key).query("partNumber", number).query("uploadId", &self.id);
        let answer = self.bucket.sender.send(&request.body(bytes)).await?;
        self.parts.push(answer.etag());
        Ok(())
    }

    pub(super) async fn finish(self, condition: Condition<'_>) -> Outcome<String> {
        let request = self.bucket.request(Method::POST, &self.key).query("uploadId", &self.id);
        let request = conditional(request.body(xml::completion(&self.parts)), condition);
        match self.bucket.sender.send(&request).await {
            Ok(answer) => {
                let made: xml::Made = xml::read(&answer.body)?;
                Ok(made.etag.trim_matches('"').to_owned())
            }
            // Ended by the first of two sendings, of which only the second was answered: what is there is read back.
            Err(Fault::Missing) => self.bucket.head(&self.key).await.map(|(_, etag)| etag),
            Err(fault) => {
                self.abandon().await;
                Err(fault)
            }
        }
    }

    pub(super) async fn abandon(self) {
        let request = self.bucket.request(Method::DELETE, &self.key).query("uploadId", &self.id);
        if self.bucket.sender.send(&request).await.is_err() {
            tracing::warn!(key = self.key, "an upload that was broken off could not be removed from the bucket");
        }
    }
}
