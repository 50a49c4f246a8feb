//! What the target should hold, for whoever reads it back.

use std::collections::HashMap;

use futures::{Stream, StreamExt, TryStreamExt};

use super::ledger::Entry;
use super::reference::{self, Resolved};
use super::{Bound, Load, Row};
use crate::error::{Error, Result};
use crate::flex::Expected;

impl Load {
    /// Every row of the run that the ledger says has an asset, in the order of the datasets, as it should stand in the
    /// target: references resolved by the ledger, as the second pass resolves them.
    pub fn expected(&self) -> impl Stream<Item = Result<Expected>> + Send + '_ {
        futures::stream::iter(self.bound.clone())
            .then(move |bound| async move {
                let batches = bound.batches().await?.map_err(Error::from_datafusion);
                Ok::<_, Error>(batches.and_then(move |batch| {
                    let bound = bound.clone();
                    async move { self.expected_of(&bound, bound.shape.rows(&batch)?.into_iter().map(|(_, row)| row).collect()).await }
                }))
            })
            .try_flatten()
            .map_ok(|assets| futures::stream::iter(assets.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    async fn expected_of(&self, bound: &Bound, rows: Vec<Row>) -> Result<Vec<Expected>> {
        let keys = rows.iter().map(|row| row.source_key.clone()).collect();
        let entries: HashMap<String, Entry> = self.ledger.entries(keys).await?;
        let ids = self.ids_of(&rows, None).await?;
        let expected = rows.into_iter().filter_map(|row| {
            let id = entries.get(&row.source_key)?.flex_id?;
            let resolved = Resolved::of(&row.links, &|key| ids.get(key).copied().map(reference::to));
            let instance = serde_json::from_slice(&resolved.append(&row.values)).unwrap_or_default();
            let asset = self.config.new_asset(bound, &row);
            let (uuid, external_id, name) = (asset.uuid, asset.external_id, asset.name);
            Some(Expected { source_key: row.source_key, id, uuid, external_id, name, instance })
        });
        Ok(expected.collect())
    }
}
