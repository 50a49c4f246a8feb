//! What the workers of a load share: counts, leave to begin, the first error.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::report::Tally;
use super::request::Way;
use super::row::Row;
use super::seen::Seen;
use super::{Attributes, Load};
use crate::dataflow::Progress;
use crate::dataflow::progress::Sending;
use crate::error::{Error, Result};

/// The ledger's key for how field values are set.
const ATTRIBUTES: &str = "attributes";
/// Rows under way for each request that may be: while some wait for the ledger's next commit, others send.
const ROWS_A_REQUEST: usize = 8;

/// Which of the two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Assets and their field values.
    Assets(Round),
    /// References.
    References,
}

/// Rows that need others first are begun in rounds over their dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// All rows; those that wait are left for later rounds.
    First,
    /// Those that waited and have now all they wait for.
    Waiting,
    /// Those that wait in a circle and can be written with a part of what they refer to.
    Partly,
    /// Those left have failed.
    Last,
}

/// What the workers of a load share.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) load: Load,
    pub(super) tally: Tally,
    /// How field values are set, once that is known.
    pub(super) way: OnceCell<Way>,
    /// Ids that the ledger learned before are those that the plan knew.
    pub(super) began: DateTime<Utc>,
    /// Which rows will have assets; only where some need others first.
    pub(super) seen: Option<Seen>,
    pub(super) progress: Progress,
    pub(super) cancel: CancellationToken,
    rows: Arc<Semaphore>,
    remaining: AtomicU64,
    error: Mutex<Option<Error>>,
    failed: CancellationToken,
}

impl Load {
    /// How field values are set: as the settings say, or as an earlier load found out; `None` where the first new asset is
    /// to show it.
    pub(super) async fn known_way(&self) -> Result<Option<Way>> {
        Ok(match self.config.attributes {
            Attributes::Annotations => Some(Way::Annotations),
            Attributes::Metadata => Some(Way::Metadata),
            Attributes::Auto => self.ledger.recall(ATTRIBUTES).await?.as_deref().and_then(Way::parse),
        })
    }
}

impl Work {
    pub(super) async fn new(load: &Load, progress: &Progress, cancel: &CancellationToken) -> Result<Self> {
        let way = load.known_way().await?;
        let (client, before) = (load.client.clone(), load.client.traffic().requests);
        progress.sends(move || {
            let pace = client.pace();
            let requests = client.traffic().requests.saturating_sub(before);
            Sending { requests, in_flight: pace.in_flight, limit: pace.limit, paused: pace.paused }
        });
        let seen = if load.bound.iter().any(|bound| bound.has_needed()) { Some(load.see_all().await?) } else { None };
        Ok(Self {
            seen,
            tally: Tally::new(load.client.traffic()),
            way: OnceCell::new_with(way),
            began: Utc::now(),
            progress: progress.clone(),
            cancel: cancel.clone(),
            rows: Arc::new(Semaphore::new(load.client.max_in_flight() * ROWS_A_REQUEST)),
            remaining: AtomicU64::new(load.config.limit.unwrap_or(u64::MAX)),
            error: Mutex::new(None),
            failed: CancellationToken::new(),
            load: load.clone(),
        })
    }

    /// Whether rows may still be begun, as far as the limit goes.
    pub(super) fn is_within_limit(&self) -> bool {
        self.remaining.load(Ordering::Relaxed) > 0
    }

    /// How many of so many rows may still be begun.
    pub(super) fn allowed(&self, rows: usize) -> usize {
        let wanted = rows as u64;
        let take = |left: u64| Some(left.saturating_sub(wanted));
        let before = self.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or(0);
        usize::try_from(before.min(wanted)).unwrap_or(rows)
    }

    /// Whether no further row is to be begun.
    pub(super) fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || self.failed.is_cancelled()
    }

    /// Leave to begin a row; `None` when no further row is to be begun.
    pub(super) async fn leave(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            () = self.failed.cancelled() => None,
            leave = Arc::clone(&self.rows).acquire_owned() => leave.ok(),
        }
    }

    /// The first error stops the load; rows under way come to their own end.
    pub(super) fn stop(&self, error: Error) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.failed.cancel();
    }

    pub(super) fn taken_error(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Remembers how field values are set, for the loads that follow.
    pub(super) async fn remember_way(&self, way: Way) -> Result<()> {
        self.load.ledger.remember(ATTRIBUTES, way.word()).await
    }

    /// Counts a failed row; too many of them are an error.
    pub(super) fn count_failure(&self, class: &str) -> Result<()> {
        self.tally.failed(class);
        self.progress.reject(1);
        let failures = self.tally.failures();
        let Some(threshold) = self.load.config.max_failures else { return Ok(()) };
        if !threshold.is_exceeded(failures, self.tally.sent()) {
            return Ok(());
        }
        let target = &self.load.config.target;
        Err(Error::Mismatch {
            what: format!("load into {target}"),
            message: format!(
                "{failures} rows failed, more than the settings allow (flex.{target}.max_failures); \
                 `telecine rejects list --target {target}` names them with their reasons"
            ),
        })
    }
}

impl Load {
    /// The ids of everything these rows refer to, those only that the ledger learned `before` a moment.
    pub(super) async fn ids_of<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        before: Option<DateTime<Utc>>,
    ) -> Result<HashMap<String, i64>> {
        let mut keys: Vec<String> = rows.into_iter().flat_map(|row| row.references.iter().cloned()).collect();
        keys.sort_unstable();
        keys.dedup();
        self.ledger.ids(keys, before).await
    }
}
