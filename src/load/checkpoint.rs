//! Copies of the ledger in the staging area.

use std::path::PathBuf;

use tokio_util::task::AbortOnDropHandle;

use super::{Ledger, Load};
use crate::error::Result;
use crate::staging::StagingArea;

/// Where the ledger's copy lies below the staging area's `ledger/{target}/`.
const LEDGER_COPY: &str = "ledger.sqlite";

/// What is added to the ledger's name for a copy that is made while rows are sent. It may still be written when the load
/// ends and makes its last one.
const MEANWHILE: &str = ".copy-meanwhile";

impl Ledger {
    /// Puts a copy of the ledger into the staging area, in place of an older one: the file itself, and its tables as Parquet.
    ///
    /// # Errors
    /// When the ledger cannot be read or the staging area not be written.
    pub async fn checkpoint(&self, area: &StagingArea, target: &str) -> Result<()> {
        self.copy_by_way_of(area, target, ".copy").await?;
        self.export(area, target).await
    }

    async fn copy_by_way_of(&self, area: &StagingArea, target: &str, suffix: &str) -> Result<()> {
        let beside = |suffix: &str| {
            let mut copy = self.path().as_os_str().to_owned();
            copy.push(suffix);
            PathBuf::from(copy)
        };
        let copy = beside(suffix);
        // Those that a load that was broken off left behind.
        for old in [&copy, &beside(MEANWHILE)] {
            let _ = tokio::fs::remove_file(old).await;
        }
        self.copy_to(&copy).await?;
        let put = area.put_ledger_copy(target, LEDGER_COPY, &copy).await;
        let _ = tokio::fs::remove_file(&copy).await;
        put
    }
}

impl Load {
    /// Puts a copy of the ledger into the staging area, as [`Ledger::checkpoint`].
    ///
    /// # Errors
    /// When the ledger cannot be read or the staging area not be written.
    pub async fn checkpoint(&self) -> Result<()> {
        self.ledger.checkpoint(self.run.area(), &self.config.target).await
    }

    /// Makes copies until the handle is dropped. One that fails is told; the ledger itself is what counts.
    pub(super) fn copy_from_time_to_time(&self) -> AbortOnDropHandle<()> {
        let load = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(load.config.checkpoint).await;
                let copied = load.ledger.copy_by_way_of(load.run.area(), &load.config.target, MEANWHILE).await;
                if let Err(error) = copied {
                    tracing::warn!(%error, "the ledger's copy was not made");
                }
            }
        }))
    }
}
