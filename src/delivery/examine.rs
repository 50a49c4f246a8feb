//! What the documents are, as the rules of a purge see them: each object read by [`json::examine`], one of more than
//! [`PART`] bytes by [`json::examine_from`], and what was found told of its first document that cannot be read, else of its
//! first. An object may be of any size: of two large ones at a time, some parts are held, and no more unless one string is
//! larger than they are.

use std::io::{self, Read};
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::{Buf, Bytes};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use super::bucket::{Fault, Outcome, PART, ReadOnly};
use super::record::{self, Recording, Row, State};
use super::transfer::Transferred;
use super::{DOCUMENTS, Delivery, Inputs, SANITISED};
use crate::dataflow::Progress;
use crate::error::{Cause, Result};
use crate::source::json;
use crate::staging::Manifest;

/// The record's name.
pub(super) const NAME: &str = "documents";

/// Objects of more than a part that are read at the same time.
const LARGE_AT_ONCE: usize = 2;

/// A document.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Document {
    /// The key of the source.
    key: String,
    /// Documents of the object.
    #[serde(default)]
    documents: i64,
    /// Those of them that cannot be read.
    #[serde(default)]
    unreadable: i64,
    /// The number of the document that is told of, within its object.
    #[serde(default)]
    document: i64,
    /// Where it is broken, in bytes of its text ([`json::Fault::offset`]).
    #[serde(default)]
    offset: Option<i64>,
    /// `object`, `array`, `string`, `number`, `boolean`, `null`.
    #[serde(default)]
    kind: Option<String>,
    /// `valid`, `invalid`, `empty`, or `unread`.
    #[serde(default)]
    validity: String,
    #[serde(default)]
    reason: Option<String>,
}

impl Row for Document {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("key", DataType::Utf8),
        ("documents", DataType::Int64),
        ("unreadable", DataType::Int64),
        ("document", DataType::Int64),
        ("offset", DataType::Int64),
        ("kind", DataType::Utf8),
        ("validity", DataType::Utf8),
        ("reason", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![&self.validity]
    }
}

/// Examines every document, unless that was done.
pub(super) async fn run(delivery: &Delivery, sanitised: &Manifest, progress: &Progress) -> Result<Manifest> {
    let inputs = Inputs::from([(SANITISED.to_owned(), sanitised.content())]);
    let recording = match Recording::open::<Document>(&delivery.folder, NAME, inputs).await? {
        State::Done(manifest) => return Ok(*manifest),
        State::Open(recording) => recording,
    };
    let place = delivery.area.below(DOCUMENTS);
    let (reader, progress) = (place.reader().clone(), progress.clone());
    let rows = record::rows::<Transferred>(&delivery.folder, sanitised);
    let rows = rows.map_ok(|rows| rows.into_iter().filter(Transferred::is_there).collect()).boxed();
    let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
    let work = move |row: Transferred| {
        progress.advance(1, row.size);
        let (reader, large) = (reader.clone(), Arc::clone(&large));
        async move { look(&reader, row, &large).await }
    };
    recording.fill(delivery, rows, &place, work).await
}

async fn look(place: &ReadOnly, row: Transferred, large: &Semaphore) -> Result<Document> {
    let document = Document { key: row.key.clone(), ..Document::default() };
    let unread = |reason: String| Document { validity: "unread".into(), reason: Some(reason), ..document.clone() };
    let etag = row.etag.clone().unwrap_or_default();
    let judged = if row.size > PART {
        let permit = large.acquire().await;
        let judged = look_long(place, &row, &etag, document.clone()).await;
        drop(permit);
        judged
    } else {
        place.read(&row.name, &etag, 0, row.size).await.map(|bytes| judge(document.clone(), &bytes))
    };
    match judged {
        Ok(document) => Ok(document),
        Err(fault) => Ok(unread(fault.reason(&place.url())?)),
    }
}

/// The same of an object that is read part by part, beside the runtime.
async fn look_long(place: &ReadOnly, row: &Transferred, etag: &str, document: Document) -> Outcome<Document> {
    let (parts, received) = mpsc::channel(1);
    let judging = tokio::task::spawn_blocking(move || {
        judge_from(document, Parts { received, current: Bytes::new(), is_over: false })
    });
    let mut start = 0;
    while start < row.size {
        let length = PART.min(row.size - start);
        let bytes = place.read(&row.name, etag, start, length).await?;
        // What does not take them any more has failed.
        if parts.send(Some(bytes)).await.is_err() {
            break;
        }
        start += length;
    }
    // Parts that end without this word are no whole object.
    let _ = parts.send(None).await;
    let broken = |cause: Cause| Fault::Away("an object could not be read to its end".into(), Some(cause));
    let judged = judging.await.map_err(|cause| broken(cause.into()))?;
    judged.map_err(|cause| broken(cause.into()))
}

/// Parts of an object as they come; the end is told, and otherwise is an error.
struct Parts {
    received: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    is_over: bool,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_over {
            match self.received.blocking_recv() {
                Some(Some(bytes)) => self.current = bytes,
                Some(None) => self.is_over = true,
                None => return Err(io::Error::other("the parts have ended before the object")),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

fn judge(document: Document, bytes: &[u8]) -> Document {
    let mut judged = Judged::default();
    json::examine(bytes, json::JsonOptions::default().limit, |found| judged.add(found));
    judged.tell(document)
}

fn judge_from(document: Document, input: impl Read) -> io::Result<Document> {
    let mut judged = Judged::default();
    let limits = json::Limits { document: usize::MAX, held: json::JsonOptions::default().limit };
    json::examine_from(input, limits, |found| judged.add(found))?;
    Ok(judged.tell(document))
}

/// What was found in an object.
#[derive(Default)]
struct Judged {
    told: Option<json::Document>,
    documents: i64,
    unreadable: i64,
}

impl Judged {
    fn add(&mut self, found: json::Document) {
        self.documents += 1;
        self.unreadable += i64::from(found.fault.is_some());
        if self.told.is_none_or(|told| told.fault.is_none() && found.fault.is_some()) {
            self.told = Some(found);
        }
    }

    fn tell(self, document: Document) -> Document {
        let Some(told) = self.told else { return document };
        let place = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let validity = match told.fault {
            None => "valid",
            Some(json::Fault { reason: json::Reason::Empty, .. }) => "empty",
            Some(_) => "invalid",
        };
        Document {
            documents: self.documents,
            unreadable: self.unreadable,
            document: i64::try_from(told.number).unwrap_or(i64::MAX),
            offset: told.fault.map(|fault| place(fault.offset)),
            kind: told.kind.map(|kind| kind.word().to_owned()),
            validity: validity.into(),
            reason: told.fault.map(|fault| fault.reason.word().to_owned()),
            ..document
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bucket::Reach;
    use super::*;
    use crate::staging::{S3Settings, StagingArea};

    #[test]
    fn what_is_broken_is_told_with_its_place() {
        let look = |text: &str| judge(Document::default(), text.as_bytes());
        assert_eq!(look(" {\"a\": 1}").validity, "valid");
        assert_eq!(look(" {\"a\": 1}").kind.as_deref(), Some("object"));
        assert_eq!(look(" \n").validity, "empty");
        let broken = look("{\n\"a\": x}");
        assert_eq!((broken.validity.as_str(), broken.offset), ("invalid", Some(7)));
        let lines = look("{}\n{\"a\":1,\"a\":2}\n[]\n");
        assert_eq!((lines.documents, lines.unreadable, lines.document, lines.offset), (3, 1, 1, Some(10)));
        assert_eq!(lines.reason.as_deref(), Some("DUPLICATE_KEY"));
    }

    #[tokio::test]
    async fn an_object_of_many_parts_is_judged_whole() {
        let folder = tempfile::tempdir().unwrap();
        let reach = Reach::new(S3Settings::default(), StagingArea::in_memory().unwrap().delivery("d"));
        let open = || ReadOnly::open(&folder.path().display().to_string(), &reach).unwrap();
        let text = format!("[{}\n7]", "\"x\",".repeat(5 << 20));
        for (end, validity, offset) in [("", "valid", None), ("\n]", "invalid", Some(text.len() + 1))] {
            std::fs::write(folder.path().join("a.json"), format!("{text}{end}")).unwrap();
            let (size, etag) = open().head("a.json").await.unwrap();
            assert!(size > 2 * PART);
            let row = Transferred { name: "a.json".into(), size, etag: Some(etag), ..Transferred::default() };
            let found = look(&open(), row.clone(), &Semaphore::new(1)).await.unwrap();
            assert_eq!((found.validity.as_str(), found.documents), (validity, if end.is_empty() { 1 } else { 2 }));
            assert_eq!(found.offset, offset.map(|offset| i64::try_from(offset).unwrap()));
            // One that changes is not judged by what was read of it.
            let other = Transferred { etag: Some("another".into()), ..row };
            assert_eq!(look(&open(), other, &Semaphore::new(1)).await.unwrap().validity, "unread");
        }
    }
}
