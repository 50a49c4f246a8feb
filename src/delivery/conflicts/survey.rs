//! What the documents of a delivery hold: each of them is read once. Broken off, the survey goes on after the last chunk of
//! objects: what was counted until then lies beside the record of those that cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::super::bucket::{Fault, PART, ReadOnly};
use super::super::publish::Left;
use super::super::record::{CHUNK, Recording, Row, State};
use super::super::transfer::Transferred;
use super::super::{DOCUMENTS, Delivery, Inputs};
use super::contract::Contracts;
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::source::json::{Census, Document, JsonOptions};
use crate::staging::{Manifest, RunFolder};

/// The record of documents that cannot be read.
pub(super) const DEFECTS: &str = "defects";
/// The group of objects that are in no folder, as a source of JSON documents has it.
const ROOT: &str = "root";
/// Bytes and objects that one thread reads at a time; one object may have more bytes.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_OBJECTS: usize = 64;
/// KiB of bodies that may be in memory at the same time, but for one object that is larger.
const BODIES: u32 = 64 << 10;

/// A document that cannot be read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Defect {
    /// The object's key in the source.
    pub(super) key: String,
    #[serde(default)]
    pub(super) group: String,
    /// The number of the document in its object.
    #[serde(default)]
    pub(super) document: i64,
    /// Bytes of the object's text before what is wrong; none where the object could not be had.
    #[serde(default)]
    pub(super) offset: Option<i64>,
    #[serde(default)]
    pub(super) reason: String,
    /// `unreadable`, or `failed` where the object could not be had.
    #[serde(default)]
    outcome: String,
}

impl Row for Defect {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("key", DataType::Utf8),
        ("group", DataType::Utf8),
        ("document", DataType::Int64),
        ("offset", DataType::Int64),
        ("reason", DataType::Utf8),
        ("outcome", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![&self.outcome]
    }
}

/// The documents of one folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) objects: u64,
    /// Documents that cannot be read; the others are in the census.
    pub(super) unreadable: u64,
    pub(super) census: Census,
}

/// What was counted of the first objects.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Survey {
    inputs: Inputs,
    /// Parts of the record of documents that cannot be read, which were written with it.
    parts: usize,
    pub(super) objects: u64,
    pub(super) groups: BTreeMap<String, Group>,
}

/// What one thread found.
type Looked = (BTreeMap<String, Group>, Vec<Defect>);

/// An object as it was fetched.
type Fetched = (Transferred, std::result::Result<Bytes, String>);

/// Two states are kept, so that one of them fits the record whenever the survey breaks off.
fn state_file(parts: usize) -> String {
    format!("survey_{}.json", parts % 2)
}

/// Reads every document, unless that was done from the same inputs. What was counted and the record are durable when it
/// returns.
///
/// # Errors
/// When a place does not answer; the same command goes on.
pub(super) async fn take(
    delivery: &Delivery,
    left: Left,
    inputs: Inputs,
    contracts: &Contracts,
    progress: &Progress,
) -> Result<(Survey, Manifest)> {
    let mut recording = match Recording::open::<Defect>(&delivery.folder, DEFECTS, inputs.clone()).await? {
        State::Done(manifest) => match kept(&delivery.folder, &inputs, manifest.files.len()).await? {
            Some(survey) => return Ok((survey, *manifest)),
            None => anew(delivery, &inputs).await?,
        },
        State::Open(recording) => recording,
    };
    let mut survey = kept(&delivery.folder, &inputs, recording.parts()).await?.unwrap_or_default();
    if survey.parts != recording.parts() {
        recording = anew(delivery, &inputs).await?;
    }
    survey.inputs = inputs;
    progress.expect(left.documents);
    let done = usize::try_from(survey.objects).unwrap_or(usize::MAX);
    let rows = left.rows.map_ok(|rows| futures::stream::iter(rows.into_iter().map(Ok))).try_flatten();
    let mut chunks = std::pin::pin!(rows.skip(done).try_chunks(CHUNK));
    let readers = Readers::of(delivery, contracts);
    while let Some(chunk) = chunks.try_next().await.map_err(|error| error.1)? {
        survey.objects += chunk.len() as u64;
        let defects = readers.read(delivery, chunk, &mut survey.groups, progress).await?;
        append(delivery, &mut survey, &mut recording, &defects).await?;
    }
    if survey.parts == 0 {
        append(delivery, &mut survey, &mut recording, &[]).await?;
    }
    Ok((survey, recording.finish::<Defect>().await?))
}

async fn append(delivery: &Delivery, survey: &mut Survey, recording: &mut Recording, defects: &[Defect]) -> Result<()> {
    survey.parts += 1;
    delivery.folder.put_json(&state_file(survey.parts), survey).await?;
    recording.append(defects).await
}

async fn kept(folder: &RunFolder, inputs: &Inputs, parts: usize) -> Result<Option<Survey>> {
    let kept: Option<Survey> = folder.get_json(&state_file(parts)).await?;
    Ok(kept.filter(|kept| kept.inputs == *inputs && kept.parts == parts))
}

async fn anew(delivery: &Delivery, inputs: &Inputs) -> Result<Box<Recording>> {
    delivery.folder.query(DEFECTS).discard().await?;
    match Recording::open::<Defect>(&delivery.folder, DEFECTS, inputs.clone()).await? {
        State::Open(recording) => Ok(recording),
        State::Done(_) => Err(Error::preflight("another process makes the same record")),
    }
}

/// The folder that a document is in.
pub(super) fn group_of(name: &str) -> &str {
    name.split_once('/').map_or(ROOT, |(group, _)| group)
}

/// How objects are fetched and read.
struct Readers {
    place: ReadOnly,
    contracts: Contracts,
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    at_once: usize,
    threads: usize,
}

impl Readers {
    fn of(delivery: &Delivery, contracts: &Contracts) -> Self {
        Self {
            place: delivery.area.below(DOCUMENTS).reader().clone(),
            contracts: contracts.clone(),
            requests: Arc::new(Semaphore::new(delivery.config.max_in_flight)),
            bodies: Arc::new(Semaphore::new(BODIES as usize)),
            at_once: delivery.config.max_in_flight,
            threads: delivery.sql.threads.max(1),
        }
    }

    /// Reads a chunk of objects; what is counted does not depend on which of them come first.
    async fn read(
        &self,
        delivery: &Delivery,
        chunk: Vec<Transferred>,
        groups: &mut BTreeMap<String, Group>,
        progress: &Progress,
    ) -> Result<Vec<Defect>> {
        let looks = futures::stream::iter(batches(chunk)).map(|batch| async move {
            delivery.require_not_stopped()?;
            let (objects, bytes) = (batch.len() as u64, batch.iter().map(|row| row.size).sum::<u64>());
            let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, BODIES);
            // Nobody closes the semaphore.
            let _held = self.bodies.acquire_many(kib).await;
            let fetched = self.fetch(batch).await?;
            let contracts = self.contracts.clone();
            let looked = tokio::task::spawn_blocking(move || look(fetched, &contracts));
            let looked = looked.await.map_err(|cause| Error::staging(DEFECTS, "the reading broke off", cause))?;
            progress.advance(objects, bytes);
            Ok::<Looked, Error>(looked)
        });
        let mut looks = std::pin::pin!(looks.buffered(2 * self.threads));
        let mut defects = Vec::new();
        while let Some((looked, broken)) = looks.try_next().await? {
            for (name, group) in looked {
                match groups.get_mut(&name) {
                    Some(known) => known.merge(group),
                    None => drop(groups.insert(name, group)),
                }
            }
            defects.extend(broken);
        }
        Ok(defects)
    }

    async fn fetch(&self, batch: Vec<Transferred>) -> Result<Vec<Fetched>> {
        let fetches = futures::stream::iter(batch).map(|row| async move {
            // Nobody closes the semaphore.
            let _one = self.requests.acquire().await;
            let bytes = match self.whole(&row).await {
                Ok(bytes) => Ok(bytes),
                Err(fault) => Err(fault.reason(&self.place.url())?),
            };
            Ok::<Fetched, Error>((row, bytes))
        });
        fetches.buffered(self.at_once).try_collect().await
    }

    /// All bytes of an object, or one more than are read.
    async fn whole(&self, row: &Transferred) -> std::result::Result<Bytes, Fault> {
        let etag = row.etag.as_deref().unwrap_or_default();
        let size = row.size.min(JsonOptions::default().limit as u64 + 1);
        if size <= PART {
            return self.place.read(&row.name, etag, 0, size).await;
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
        while (bytes.len() as u64) < size {
            let start = bytes.len() as u64;
            bytes.extend_from_slice(&self.place.read(&row.name, etag, start, PART.min(size - start)).await?);
        }
        Ok(bytes.freeze())
    }
}

/// Objects as one thread takes them.
fn batches(chunk: Vec<Transferred>) -> Vec<Vec<Transferred>> {
    let mut batches: Vec<(u64, Vec<Transferred>)> = Vec::new();
    for row in chunk {
        match batches.last_mut().filter(|(bytes, batch)| bytes + row.size <= BATCH_BYTES && batch.len() < BATCH_OBJECTS)
        {
            Some((bytes, batch)) => {
                *bytes += row.size;
                batch.push(row);
            }
            None => batches.push((row.size, vec![row])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

impl Group {
    fn merge(&mut self, other: Self) {
        self.objects += other.objects;
        self.unreadable += other.unreadable;
        self.census.merge(other.census);
    }
}

fn look(fetched: Vec<Fetched>, contracts: &Contracts) -> Looked {
    let (mut groups, mut defects) = (BTreeMap::<String, Group>::new(), Vec::new());
    for (row, bytes) in fetched {
        let name = group_of(&row.name);
        if !groups.contains_key(name) {
            let census = Census::new(contracts.rule(name));
            groups.insert(name.to_owned(), Group { objects: 0, unreadable: 0, census });
        }
        let Some(group) = groups.get_mut(name) else { continue };
        group.objects += 1;
        let defect = |outcome: &str, reason: &str| Defect {
            key: row.key.clone(),
            group: name.to_owned(),
            reason: reason.to_owned(),
            outcome: outcome.to_owned(),
            ..Defect::default()
        };
        match bytes {
            Err(reason) => {
                group.unreadable += 1;
                defects.push(defect("failed", &reason));
            }
            Ok(bytes) => {
                let unreadable = &mut group.unreadable;
                group.census.read(&row.key, &bytes, JsonOptions::default().limit, |document: Document| {
                    let Some(fault) = document.fault else { return };
                    *unreadable += 1;
                    defects.push(Defect {
                        document: i64::try_from(document.number).unwrap_or(i64::MAX),
                        offset: i64::try_from(fault.offset).ok(),
                        ..defect("unreadable", fault.reason.word())
                    });
                });
            }
        }
    }
    (groups, defects)
}
