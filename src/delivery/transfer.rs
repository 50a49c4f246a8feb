//! Objects from one place to another: what every step that sends bytes does with each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::bucket::{Bucket, Condition, Fault, Outcome, PART, ReadOnly};
use super::record::{self, Recording, Row};
use super::{Delivery, hash128};
use crate::dataflow::Progress;
use crate::error::Result;
use crate::staging::{Manifest, RunFolder};

/// KiB of bodies that may be in memory at the same time.
const BODIES: u32 = 64 << 10;

/// An object that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its key where it is read.
    pub(super) key: String,
    /// Its key where it is written.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) etag: String,
    /// Why it cannot be sent, where that is known.
    pub(super) reason: Option<String>,
}

/// What became of an object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Transferred {
    pub(super) key: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) source_etag: String,
    /// The ETag of what is there now.
    #[serde(default)]
    pub(super) etag: Option<String>,
    /// BLAKE3 of the bytes in hex, where they were read.
    #[serde(default)]
    pub(super) blake3: Option<String>,
    /// `copied`; `skipped`: there already; `different`: another is there and stays; `failed`.
    #[serde(default)]
    pub(super) outcome: String,
    /// How it was seen that both are the same: `etag` or `read`.
    #[serde(default)]
    pub(super) verified: Option<String>,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

impl Row for Transferred {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("key", DataType::Utf8),
        ("name", DataType::Utf8),
        ("size", DataType::Int64),
        ("source_etag", DataType::Utf8),
        ("etag", DataType::Utf8),
        ("blake3", DataType::Utf8),
        ("outcome", DataType::Utf8),
        ("verified", DataType::Utf8),
        ("reason", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        let verified = self.verified.as_ref().map(|_| "verified");
        std::iter::once(self.outcome.as_str()).chain(verified).collect()
    }
}

impl Transferred {
    /// Whether the object is there.
    pub(super) fn is_there(&self) -> bool {
        matches!(self.outcome.as_str(), "copied" | "skipped")
    }
}

/// What a place holds, by hashes: 32 bytes an object.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<u128, u128>);

impl Held {
    /// Lists the place.
    pub(super) async fn list(place: &ReadOnly) -> Result<Self> {
        let mut held = HashMap::new();
        let mut pages = place.list();
        while let Some(page) = pages.try_next().await? {
            for object in page {
                held.insert(hash128(&[object.key.as_bytes()]), version(&object.etag, object.size));
            }
        }
        Ok(Self(held))
    }

    /// Whether just this object is there.
    pub(super) fn has(&self, name: &str, etag: &str, size: u64) -> bool {
        self.get(name) == Some(version(etag, size))
    }

    fn get(&self, name: &str) -> Option<u128> {
        self.0.get(&hash128(&[name.as_bytes()])).copied()
    }
}

fn version(etag: &str, size: u64) -> u128 {
    hash128(&[etag.as_bytes(), &size.to_le_bytes()])
}

/// What earlier attempts and deliveries have sent and verified, with the BLAKE3 where it is known: 48 bytes an object.
#[derive(Debug, Default)]
pub(super) struct Sent(HashMap<u128, Option<blake3::Hash>>);

impl Sent {
    /// Reads the records `name` of these deliveries.
    pub(super) async fn read(deliveries: &[RunFolder], name: &str) -> Result<Self> {
        let mut sent = Self::default();
        for folder in deliveries {
            let Some(manifest) = record::written(folder, name).await? else { continue };
            let mut chunks = record::rows::<Transferred>(folder, &manifest);
            while let Some(rows) = chunks.try_next().await? {
                rows.iter().for_each(|row| sent.add(row));
            }
        }
        Ok(sent)
    }

    fn add(&mut self, row: &Transferred) {
        if let (Some(etag), true) = (&row.etag, row.is_there() && row.verified.is_some()) {
            let blake3 = row.blake3.as_ref().and_then(|hex| blake3::Hash::from_hex(hex).ok());
            self.0.insert(Self::key(&row.key, &row.name, &row.source_etag, version(etag, row.size)), blake3);
        }
    }

    fn key(key: &str, name: &str, etag: &str, there: u128) -> u128 {
        hash128(&[key.as_bytes(), name.as_bytes(), etag.as_bytes(), &there.to_le_bytes()])
    }

    fn get(&self, item: &Item, there: u128) -> Option<Option<blake3::Hash>> {
        self.0.get(&Self::key(&item.key, &item.name, &item.etag, there)).copied()
    }
}

/// How objects are sent.
#[derive(Debug)]
pub(super) struct Transfer {
    source: ReadOnly,
    target: Bucket,
    /// Whether the server may move the bytes itself; then their BLAKE3 is not known.
    pub(super) direct: bool,
    /// Whether another object that is there stays, and is told.
    pub(super) only_new: bool,
    held: Held,
    sent: Sent,
    bodies: Semaphore,
}

/// An object's bytes, as hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    md5: String,
    blake3: blake3::Hash,
}

impl Transfer {
    pub(super) fn new(source: ReadOnly, target: Bucket, held: Held, sent: Sent) -> Self {
        let bodies = Semaphore::new(BODIES as usize);
        Self { source, target, direct: true, only_new: false, held, sent, bodies }
    }

    /// Sends all items that the record does not have yet, and commits it.
    pub(super) async fn run(
        self,
        delivery: &Delivery,
        recording: Box<Recording>,
        items: BoxStream<'static, Result<Vec<Item>>>,
        progress: &Progress,
    ) -> Result<Manifest> {
        let (target, progress, transfer) = (self.target.clone(), progress.clone(), Arc::new(self));
        let send = move |item| {
            let (transfer, progress) = (Arc::clone(&transfer), progress.clone());
            async move {
                let row = transfer.send(item).await?;
                progress.advance(1, row.size);
                progress.reject(u64::from(!row.is_there()));
                Ok(row)
            }
        };
        recording.fill(delivery, items, &target, send).await
    }

    /// Counts what would be sent.
    pub(super) async fn outlook(
        &self,
        mut items: BoxStream<'static, Result<Vec<Item>>>,
    ) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        while let Some(items) = items.try_next().await? {
            for item in items {
                let there = self.held.get(&item.name);
                let would = match there {
                    _ if item.reason.is_some() => "fail",
                    Some(there) if self.sent.get(&item, there).is_some() || self.is_same(&item, there) => "skip",
                    Some(_) if self.only_new => "compare",
                    _ => "copy",
                };
                *counts.entry(format!("would {would}")).or_default() += 1;
            }
        }
        Ok(counts)
    }

    /// Whether what is there is the object, by an ETag that is the MD5 of the bytes.
    fn is_same(&self, item: &Item, there: u128) -> bool {
        is_md5(&item.etag) && there == version(&item.etag, item.size)
    }

    async fn send(&self, item: Item) -> Result<Transferred> {
        let mut row = Transferred {
            key: item.key.clone(),
            name: item.name.clone(),
            size: item.size,
            source_etag: item.etag.clone(),
            ..Transferred::default()
        };
        let sent = match item.reason.clone() {
            Some(reason) => Err(Fault::Unnameable(reason)),
            None => self.send_into(&item, &mut row).await,
        };
        if let Err(fault) = sent {
            row.outcome = "failed".to_owned();
            row.reason = Some(fault.reason(&self.target.reader().url())?);
        }
        Ok(row)
    }

    /// The same, with what came of it in `row`.
    pub(super) async fn send_into(&self, item: &Item, row: &mut Transferred) -> Outcome<()> {
        if item.etag.is_empty() {
            // A server whose listings tell none; from here on a change is noticed, before it only by the size.
            return match self.source.head(&item.key).await? {
                (_, etag) if etag.is_empty() => Err(Fault::Refused("the server tells no ETag of it".into())),
                (size, etag) if size == item.size => self.send_version(&Item { etag, ..item.clone() }, row).await,
                _ => Err(Fault::Changed),
            };
        }
        self.send_version(item, row).await
    }

    /// The same, of a known ETag.
    async fn send_version(&self, item: &Item, row: &mut Transferred) -> Outcome<()> {
        let there = self.held.get(&item.name);
        if let Some(there) = there {
            let known = self.sent.get(item, there);
            if known.is_some() || (self.direct && self.is_same(item, there)) {
                // What is there is of this ETag; only its hash is at hand.
                let (_, etag) = if self.is_same(item, there) {
                    (item.size, item.etag.clone())
                } else {
                    self.target.reader().head(&item.name).await?
                };
                row.blake3 = known.flatten().map(|hash| hash.to_hex().to_string());
                conclude(row, "skipped", &etag, "etag");
                return Ok(());
            }
        }
        if self.direct {
            match self.target.copy(&self.source, &item.key, &item.etag, item.size, &item.name).await {
                Err(Fault::Unable) => {}
                copied => return self.verify_copy(item, &copied?, row).await,
            }
        }
        self.stream(item, there, row).await
    }

    /// A copy that the server made: by its ETag, else by reading both.
    async fn verify_copy(&self, item: &Item, etag: &str, row: &mut Transferred) -> Outcome<()> {
        if is_md5(etag) && etag == item.etag {
            conclude(row, "copied", etag, "etag");
            return Ok(());
        }
        let sent = self.content(&self.source, &item.key, &item.etag, item.size).await?;
        self.compare(&sent, etag, "copied", row).await
    }

    /// Reads what is there and compares it with what was sent.
    async fn compare(&self, sent: &Content, etag: &str, outcome: &str, row: &mut Transferred) -> Outcome<()> {
        let found = self.content(self.target.reader(), &row.name, etag, row.size).await?;
        if found != *sent {
            return Err(Fault::Refused("what is there differs from what was sent; run the same command again".into()));
        }
        row.blake3 = Some(sent.blake3.to_hex().to_string());
        conclude(row, outcome, etag, "read");
        Ok(())
    }

    /// By way of this process.
    async fn stream(&self, item: &Item, there: Option<u128>, row: &mut Transferred) -> Outcome<()> {
        if item.size > PART {
            return self.stream_parts(item, row).await;
        }
        let permits = self.bodies.acquire_many(kib(item.size)).await;
        let bytes = self.source.read(&item.key, &item.etag, 0, item.size).await?;
        let content = Content { md5: super::bucket::hex(&Md5::digest(&bytes)), blake3: blake3::hash(&bytes) };
        if there == Some(version(&content.md5, item.size)) {
            row.blake3 = Some(content.blake3.to_hex().to_string());
            conclude(row, "skipped", &content.md5, "etag");
            return Ok(());
        }
        let written = match (self.only_new, there) {
            (true, Some(_)) => Err(Fault::Changed),
            (true, None) => self.target.put(&item.name, bytes.clone(), Condition::New).await,
            (false, _) => self.target.put(&item.name, bytes, Condition::Any).await,
        };
        drop(permits);
        self.judge(written, content, row).await
    }

    async fn stream_parts(&self, item: &Item, row: &mut Transferred) -> Outcome<()> {
        let part = PART.max(item.size.div_ceil(10_000));
        let mut upload = self.target.upload(&item.name).await?;
        let (mut md5, mut hasher) = (Md5::new(), blake3::Hasher::new());
        let mut start = 0;
        while start < item.size {
            let length = part.min(item.size - start);
            let _permits = self.bodies.acquire_many(kib(length)).await;
            let appended = match self.source.read(&item.key, &item.etag, start, length).await {
                Ok(bytes) => {
                    md5.update(&bytes);
                    hasher.update(&bytes);
                    upload.append(bytes).await
                }
                Err(fault) => Err(fault),
            };
            if let Err(fault) = appended {
                upload.abandon().await;
                return Err(fault);
            }
            start += length;
        }
        let content = Content { md5: super::bucket::hex(&md5.finalize()), blake3: hasher.finalize() };
        let condition = if self.only_new { Condition::New } else { Condition::Any };
        let written = upload.finish(condition).await;
        self.judge(written, content, row).await
    }

    /// What a conditional write came to: where another object stood in its way, that may be the same.
    async fn judge(&self, written: Outcome<String>, content: Content, row: &mut Transferred) -> Outcome<()> {
        row.blake3 = Some(content.blake3.to_hex().to_string());
        match written {
            Ok(etag) if etag == content.md5 => conclude(row, "copied", &etag, "etag"),
            Ok(etag) => return self.compare(&content, &etag, "copied", row).await,
            Err(Fault::Changed) if self.only_new => {
                let (size, etag) = self.target.reader().head(&row.name).await?;
                if size == row.size && etag == content.md5 {
                    conclude(row, "skipped", &etag, "etag");
                } else if size == row.size && self.compare(&content, &etag, "skipped", row).await.is_ok() {
                } else {
                    row.outcome = "different".to_owned();
                    row.reason =
                        Some("another document of this name is there; --replace puts this one in its place".into());
                }
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    async fn content(&self, place: &ReadOnly, key: &str, etag: &str, size: u64) -> Outcome<Content> {
        let (mut md5, mut hasher) = (Md5::new(), blake3::Hasher::new());
        let mut start = 0;
        loop {
            let length = PART.min(size - start);
            let _permits = self.bodies.acquire_many(kib(length)).await;
            let bytes: Bytes = place.read(key, etag, start, length).await?;
            md5.update(&bytes);
            hasher.update(&bytes);
            start += length;
            if start >= size {
                return Ok(Content { md5: super::bucket::hex(&md5.finalize()), blake3: hasher.finalize() });
            }
        }
    }
}

fn conclude(row: &mut Transferred, outcome: &str, etag: &str, verified: &str) {
    row.outcome = outcome.to_owned();
    row.etag = Some(etag.to_owned());
    row.verified = Some(verified.to_owned());
}

/// What a body takes of [`BODIES`]; one that is larger than all of it is alone.
fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes / 1024 + 1).unwrap_or(BODIES).min(BODIES)
}

/// Whether an ETag can be an MD5: one of an upload in parts is not (`…-3`), nor a folder's.
fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}
