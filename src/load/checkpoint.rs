//! Copies of the ledger in the staging area.

use std::path::PathBuf;

use tokio_util::task::AbortOnDropHandle;

use super::Load;
use crate::error::Result;

/// Where the ledger's copy lies below the staging area's `ledger/{target}/`.
const LEDGER_COPY: &str = "ledger.sqlite";

/// What is added to the ledger's name for a copy that is made while rows are sent. It may still be written when the load
/// ends and makes its last one.
const MEANWHILE: &str = ".copy-meanwhile";

impl Load {
    /// Puts a copy of the ledger into the staging area, in place of an older one.
    ///
    /// # Errors
    /// When the ledger cannot be read or the staging area not be written.
    pub async fn checkpoint(&self) -> Result<()> {
        self.copy_by_way_of(".copy").await
    }

    async fn copy_by_way_of(&self, suffix: &str) -> Result<()> {
        let beside = |suffix: &str| {
            let mut copy = self.ledger.path().as_os_str().to_owned();
            copy.push(suffix);
            PathBuf::from(copy)
        };
        let copy = beside(suffix);
        // Those that a load that was broken off left behind.
        for old in [&copy, &beside(MEANWHILE)] {
            let _ = tokio::fs::remove_file(old).await;
        }
        self.ledger.copy_to(&copy).await?;
        let put = self.run.area().put_ledger_copy(&self.config.target, LEDGER_COPY, &copy).await;
        let _ = tokio::fs::remove_file(&copy).await;
        put
    }

    /// Makes checkpoints until the handle is dropped. One that fails is told; the ledger itself is what counts.
    pub(super) fn copy_from_time_to_time(&self) -> AbortOnDropHandle<()> {
        let load = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(load.config.checkpoint).await;
                if let Err(error) = load.copy_by_way_of(MEANWHILE).await {
                    tracing::warn!(%error, "the ledger's copy was not made");
                }
            }
        }))
    }
}
