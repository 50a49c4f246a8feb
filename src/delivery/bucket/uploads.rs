//! Uploads in parts, noted before their first part is sent: what a killed process leaves open in a bucket is known by its id,
//! and nobody else's is ever taken for it.

use chrono::{SecondsFormat, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::delivery::hash128;
use crate::error::Result;
use crate::staging::RunFolder;

/// The folder of a delivery that holds a file for each upload that is open.
const FOLDER: &str = "_uploads";

/// An upload that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::delivery) struct Noted {
    /// The place that it goes to.
    pub(in crate::delivery) place: String,
    /// The key there.
    pub(in crate::delivery) key: String,
    /// The id that the server gave it.
    pub(in crate::delivery) upload: String,
    /// RFC 3339, UTC.
    pub(in crate::delivery) begun: String,
}

impl Noted {
    pub(super) fn new(place: String, key: String, upload: String) -> Self {
        Self { place, key, upload, begun: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true) }
    }

    /// All that a delivery has noted, and not yet seen to end.
    pub(in crate::delivery) async fn all(delivery: &RunFolder) -> Result<Vec<Self>> {
        let names = delivery.json_names(FOLDER).await?;
        let notes = names.into_iter().map(|name| async move { delivery.get_json(&format!("{FOLDER}/{name}")).await });
        let notes = futures::stream::iter(notes.map(Ok)).try_buffered(16).try_collect::<Vec<Option<Self>>>();
        Ok(notes.await?.into_iter().flatten().collect())
    }

    /// Durable when it returns.
    pub(super) async fn write(&self, delivery: &RunFolder) -> Result<()> {
        delivery.put_json(&self.name(), self).await
    }

    /// The upload has ended. A note that stays is found out by the next that looks.
    pub(in crate::delivery) async fn forget(&self, delivery: &RunFolder) {
        if let Err(cause) = delivery.remove_json(&self.name()).await {
            tracing::debug!(%cause, key = self.key, "the note of an upload that has ended stays");
        }
    }

    fn name(&self) -> String {
        let parts = [&self.place, &self.key, &self.upload].map(|part| part.as_bytes());
        format!("{FOLDER}/{:032x}.json", hash128(&parts))
    }
}
