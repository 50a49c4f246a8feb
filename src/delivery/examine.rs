//! What the documents are, as the rules of a purge see them: each object read by [`json::examine`], and what was found told of
//! its first document that cannot be read, else of its first.

use arrow::datatypes::DataType;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::bucket::{PART, ReadOnly};
use super::record::{self, Recording, Row, State};
use super::transfer::Transferred;
use super::{DOCUMENTS, Delivery, Inputs, SANITISED};
use crate::dataflow::Progress;
use crate::error::Result;
use crate::source::json;
use crate::staging::Manifest;

/// The record's name.
pub(super) const NAME: &str = "documents";

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
    let work = move |row: Transferred| {
        progress.advance(1, row.size);
        let reader = reader.clone();
        async move { look(&reader, row).await }
    };
    recording.fill(delivery, rows, &place, work).await
}

async fn look(place: &ReadOnly, row: Transferred) -> Result<Document> {
    let document = Document { key: row.key, ..Document::default() };
    let unread = |reason: String| Document { validity: "unread".into(), reason: Some(reason), ..document.clone() };
    if row.size > PART {
        return Ok(unread(format!("larger than {} MiB", PART >> 20)));
    }
    match place.read(&row.name, &row.etag.unwrap_or_default(), 0, row.size).await {
        Ok(bytes) => Ok(judge(document, &bytes)),
        Err(fault) => Ok(unread(fault.reason(&place.url())?)),
    }
}

fn judge(document: Document, bytes: &[u8]) -> Document {
    let mut told: Option<json::Document> = None;
    let (mut documents, mut unreadable) = (0, 0);
    json::examine(bytes, json::JsonOptions::default().limit, |found| {
        documents += 1;
        unreadable += i64::from(found.fault.is_some());
        if told.is_none_or(|told| told.fault.is_none() && found.fault.is_some()) {
            told = Some(found);
        }
    });
    let Some(told) = told else { return document };
    let place = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    let validity = match told.fault {
        None => "valid",
        Some(json::Fault { reason: json::Reason::Empty, .. }) => "empty",
        Some(_) => "invalid",
    };
    Document {
        documents,
        unreadable,
        document: i64::try_from(told.number).unwrap_or(i64::MAX),
        offset: told.fault.map(|fault| place(fault.offset)),
        kind: told.kind.map(|kind| kind.word().to_owned()),
        validity: validity.into(),
        reason: told.fault.map(|fault| fault.reason.word().to_owned()),
        ..document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
