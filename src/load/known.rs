//! A ledger that knows nothing while the target holds our assets is a lost ledger: a load that started blank over it would
//! make everything a second time wherever the target takes the same uuid twice.

use futures::TryStreamExt;

use super::{Load, Row};
use crate::error::{Error, Result};
use crate::flex::Finding;

/// Rows of each query that are looked for: the first, which a load begins with.
const LOOKED_FOR: usize = 5;

impl Load {
    /// That a ledger that knows of no asset is not a lost one.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the ledger is blank, but the target holds assets of the run's rows. When the target cannot
    /// be asked.
    pub async fn require_known(&self) -> Result<()> {
        self.require_whole().await?;
        if !self.ledger.is_blank().await? {
            return Ok(());
        }
        for bound in &self.bound {
            let mut batches = bound.batches().await?;
            let mut left = LOOKED_FOR;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                let rows = bound.shape.rows(&batch)?;
                for (_, row) in rows.iter().take(left) {
                    if let Some(id) = self.find(row).await? {
                        return Err(self.lost(row, id));
                    }
                }
                left = left.saturating_sub(rows.len());
                if left == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn find(&self, row: &Row) -> Result<Option<i64>> {
        if let Finding::Found(asset) = self.client.find_by_uuid(&row.uuid()).await? {
            return Ok(Some(asset.id));
        }
        let Some(external) = self.config.external_id(row) else { return Ok(None) };
        match self.client.find_by_external_id(&external.key, &external.value).await? {
            Finding::Found(asset) => Ok(Some(asset.id)),
            Finding::Absent | Finding::Unproven => Ok(None),
        }
    }

    fn lost(&self, row: &Row, id: i64) -> Error {
        let (ledger, target) = (self.ledger.path().display(), &self.config.target);
        Error::preflight(format!(
            "the ledger {ledger} knows of no asset, but the target `{target}` holds {} (asset {id}). Put the ledger back \
             (its last copy is in the staging area's ledger/ folder), or run `telecine ledger rebuild --target {target}`, \
             then the same command again",
            row.source_key
        ))
    }
}
