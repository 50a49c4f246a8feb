//! What is in the source of truth: every object, with what tells whether it changes.

use arrow::datatypes::{DataType, TimeUnit};
use chrono::DateTime;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::record::{CHUNK, Recording, Row, State};
use super::{Delivery, Inputs};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::staging::Manifest;

/// The record's name.
pub(super) const NAME: &str = "inventory";

/// An object of the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) key: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) etag: String,
    /// RFC 3339, UTC.
    #[serde(default)]
    modified: String,
    /// Why it cannot be read.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

impl Row for Object {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("key", DataType::Utf8),
        ("size", DataType::Int64),
        ("etag", DataType::Utf8),
        ("modified", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("reason", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![if self.reason.is_none() { "listed" } else { "unreadable" }]
    }
}

/// Lists the source, unless the delivery has its list: all steps of a delivery are about the same objects. A listing that
/// was broken off begins anew, for the source may have changed.
///
/// # Errors
/// [`Error::Preflight`] where the source holds nothing: it is another one that is meant. When it cannot be listed.
pub(super) async fn take(delivery: &Delivery, progress: &Progress) -> Result<Manifest> {
    let inputs = Inputs::from([("source".to_owned(), delivery.source.url())]);
    let mut recording = match Recording::open::<Object>(&delivery.folder, NAME, inputs.clone()).await? {
        State::Done(manifest) => return Ok(*manifest),
        State::Open(recording) if recording.rows() == 0 => recording,
        State::Open(_) => {
            delivery.folder.query(NAME).discard().await?;
            match Recording::open::<Object>(&delivery.folder, NAME, inputs).await? {
                State::Done(manifest) => return Ok(*manifest),
                State::Open(recording) => recording,
            }
        }
    };
    let mut pages = delivery.source.list();
    let mut rows = Vec::new();
    while let Some(page) = pages.try_next().await? {
        delivery.require_not_stopped()?;
        progress.advance(page.len() as u64, 0);
        rows.extend(page.into_iter().map(|object| Object {
            key: object.key,
            size: object.size,
            etag: object.etag,
            modified:
                DateTime::from_timestamp_micros(object.modified).unwrap_or_default().format("%FT%T%.6f").to_string(),
            reason: object.reason,
        }));
        if rows.len() >= 8 * CHUNK {
            recording.append(&std::mem::take(&mut rows)).await?;
        }
    }
    if !rows.is_empty() {
        recording.append(&rows).await?;
    }
    if recording.rows() == 0 {
        let source = delivery.source.url();
        return Err(Error::preflight(format!("the source of truth {source} holds no object; see deliver.source")));
    }
    recording.finish::<Object>().await
}
