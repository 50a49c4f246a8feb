//! What the documents are, as the rules of a purge see them. A document is one JSON value of UTF-8; what else an object may
//! hold is told as its reason.

use arrow::datatypes::DataType;
use futures::{StreamExt, TryStreamExt};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::bucket::{PART, ReadOnly};
use super::record::{self, Recording, Row, State};
use super::transfer::Transferred;
use super::{DOCUMENTS, Delivery, Inputs, SANITISED};
use crate::dataflow::Progress;
use crate::error::Result;
use crate::staging::Manifest;

/// The record's name.
pub(super) const NAME: &str = "documents";

/// A document.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Document {
    /// The key of the source.
    key: String,
    /// The document's number within its object.
    #[serde(default)]
    document: i64,
    /// Where it is broken, in bytes.
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
    let reader = place.reader();
    let rows = record::rows::<Transferred>(&delivery.folder, sanitised);
    let rows = rows.map_ok(|rows| rows.into_iter().filter(Transferred::is_there).collect()).boxed();
    let work = |row: Transferred| async move {
        progress.advance(1, row.size);
        look(reader, row).await
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
    let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else {
        return Document { validity: "empty".into(), ..document };
    };
    let kind = match first {
        b'{' => "object",
        b'[' => "array",
        b'"' => "string",
        b't' | b'f' => "boolean",
        b'n' => "null",
        _ => "number",
    };
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(_) => Document { kind: Some(kind.into()), validity: "valid".into(), ..document },
        Err(cause) => {
            let before: usize = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .take(cause.line().saturating_sub(1))
                .map(<[u8]>::len)
                .sum();
            let offset = i64::try_from(before + cause.column().saturating_sub(1)).ok();
            Document { offset, validity: "invalid".into(), reason: Some(cause.to_string()), ..document }
        }
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
    }
}
