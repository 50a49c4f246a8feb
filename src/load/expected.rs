//! What the target should hold, for whoever reads it back.

use std::collections::HashMap;

use futures::{Stream, StreamExt, TryStreamExt};

use super::ledger::Entry;
use super::reference::{self, Resolved};
use super::{Bound, Load, Row};
use crate::error::{Error, Result};
use crate::flex::{Expected, NewAsset};

/// Entries of the ledger read at a time.
const PORTION: usize = 10_000;

impl Load {
    /// The key of the external ids that assets get; `None` where they get none.
    pub fn external_id_key(&self) -> Option<&str> {
        (!self.config.external_id_column.is_empty()).then_some(self.config.external_id_key.as_str())
    }

    /// Every row of the run that is to be loaded, in the order of the datasets, as it should stand in the target:
    /// references resolved by the ledger, as the second pass resolves them. Without an id where the ledger knows no asset.
    pub fn expected(&self) -> impl Stream<Item = Result<Expected>> + Send + '_ {
        futures::stream::iter(self.bound.clone())
            .then(move |bound| async move {
                let batches = bound.batches().await?.map_err(Error::from_datafusion);
                Ok::<_, Error>(batches.and_then(move |batch| {
                    let bound = bound.clone();
                    async move {
                        self.expected_of(&bound, bound.shape.rows(&batch)?.into_iter().map(|(_, row)| row).collect())
                            .await
                    }
                }))
            })
            .try_flatten()
            .map_ok(|assets| futures::stream::iter(assets.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    /// The same for one source key; `None` where no row to be loaded has it, or the ledger knows of no asset.
    ///
    /// # Errors
    /// When the datasets or the ledger cannot be read.
    pub async fn expected_of_key(&self, source_key: &str) -> Result<Option<Expected>> {
        for bound in &self.bound {
            let mut batches = bound.batches().await?;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                if bound.shape.keys(&batch)?.iter().any(|(_, key)| key == source_key) {
                    let rows = bound.shape.rows(&batch)?.into_iter().map(|(_, row)| row);
                    let row = rows.filter(|row| row.source_key == source_key).collect();
                    return Ok(self.expected_of(bound, row).await?.pop());
                }
            }
        }
        Ok(None)
    }

    /// Every asset that the ledger knows, whatever its row has become: the target's id, the source key.
    pub fn known(&self) -> impl Stream<Item = Result<(i64, String)>> + Send + '_ {
        futures::stream::try_unfold(String::new(), move |after| async move {
            let assets = self.ledger.ids_after(after, PORTION).await?;
            let next = assets.last().map(|(_, key)| key.clone());
            Ok::<_, Error>(next.map(|next| (assets, next)))
        })
        .map_ok(|assets| futures::stream::iter(assets.into_iter().map(Ok)))
        .try_flatten()
    }

    async fn expected_of(&self, bound: &Bound, rows: Vec<Row>) -> Result<Vec<Expected>> {
        let keys = rows.iter().map(|row| row.source_key.clone()).collect();
        let entries: HashMap<String, Entry> = self.ledger.entries(keys).await?;
        let ids = self.ids_of(&rows, None).await?;
        let expected = rows.into_iter().map(|row| {
            let id = entries.get(&row.source_key).and_then(|entry| entry.flex_id);
            let resolved = Resolved::of(&row.links, &|key| ids.get(key).copied().map(reference::to));
            let instance = serde_json::from_slice(&resolved.append(&row.values)).unwrap_or_default();
            let asset = self.config.new_asset(bound, &row);
            let NewAsset { name, asset_type, definition, uuid, external_id } = asset;
            Expected { source_key: row.source_key, id, uuid, external_id, name, asset_type, definition, instance }
        });
        Ok(expected.collect())
    }
}
