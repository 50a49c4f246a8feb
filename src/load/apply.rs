//! Sending the plan: two passes over the mapped datasets, each a bounded number of rows at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::TryStreamExt;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::asset::Way;
use super::ledger::{Entry, State};
use super::pace::Pace;
use super::report::{LoadReport, Tally};
use super::row::Row;
use super::{Attributes, Bound, Load, preflight};
use crate::dataflow::{Progress, SendableRecordBatchStream, Sink, WriteSummary};
use crate::error::{Error, Result};

/// Where the ledger's copy lies below the staging area's `ledger/{target}/`.
const LEDGER_COPY: &str = "ledger.sqlite";
/// The ledger's key for how field values are set.
const ATTRIBUTES: &str = "attributes";

/// What the workers of a load share.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) load: Load,
    pub(super) tally: Tally,
    /// How field values are set, once that is known.
    pub(super) way: OnceCell<Way>,
    pace: Pace,
    progress: Progress,
    cancel: CancellationToken,
    remaining: AtomicU64,
    error: Mutex<Option<Error>>,
}

/// Which of the two passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Assets and their field values.
    Assets,
    /// References.
    References,
}

/// The loader as a sink: takes the rows of one mapped dataset and writes those to be loaded to the target.
#[derive(Debug, Clone)]
pub struct FlexSink {
    work: Arc<Work>,
    bound: Arc<Bound>,
    pass: Pass,
}

impl Load {
    /// Sends what the target lacks and copies the ledger to the staging area. Rows that fail are recorded with their
    /// reason and do not stop the others. When `cancel` fires, no further row is begun, those begun are finished, and
    /// the report says `interrupted`.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the transform of the run did not end clean or the datasets are not those it wrote: nothing
    /// is sent. When the target stays away or refuses the credentials, when more rows fail than the settings allow, or when the
    /// ledger or the staging area fails. Everything done until then is in the ledger.
    pub async fn apply(&self, progress: &Progress, cancel: &CancellationToken) -> Result<LoadReport> {
        preflight::require_clean(&self.bound, &self.run).await?;
        let work = Arc::new(Work::new(self, progress, cancel).await?);
        let sent = self.send(&work).await;
        // Whatever happened: what was done is to be found in the staging area too.
        let copied = self.copy_ledger().await;
        sent?;
        copied?;
        let attributes = work.way.get().map(|way| way.word().to_owned());
        Ok(work.tally.report(&self.config.target, self.client.traffic(), attributes, cancel.is_cancelled()))
    }

    async fn send(&self, work: &Arc<Work>) -> Result<()> {
        for bound in &self.bound {
            work.progress.expect(bound.rows());
            FlexSink::new(work, bound, Pass::Assets).write_all(bound.batches().await?).await?;
        }
        for bound in self.bound.iter().filter(|bound| bound.shape.has_references()) {
            FlexSink::new(work, bound, Pass::References).write_all(bound.batches().await?).await?;
        }
        Ok(())
    }

    async fn copy_ledger(&self) -> Result<()> {
        let mut copy = self.ledger.path().as_os_str().to_owned();
        copy.push(".copy");
        let copy = std::path::PathBuf::from(copy);
        // One that an interrupted load left behind.
        let _ = tokio::fs::remove_file(&copy).await;
        self.ledger.copy_to(&copy).await?;
        let put = self.run.area().put_ledger_copy(&self.config.target, LEDGER_COPY, &copy).await;
        let _ = tokio::fs::remove_file(&copy).await;
        put
    }
}

impl FlexSink {
    fn new(work: &Arc<Work>, bound: &Arc<Bound>, pass: Pass) -> Self {
        Self { work: Arc::clone(work), bound: Arc::clone(bound), pass }
    }

    /// Begins work on each row of the batches that needs some; returns how many.
    async fn begin_all(&self, mut batches: SendableRecordBatchStream, tasks: &mut JoinSet<()>) -> Result<u64> {
        let work = &self.work;
        let mut begun = 0;
        while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
            let rows = self.bound.shape.rows(&batch)?;
            let keys = rows.iter().map(|row| row.source_key.clone()).collect();
            let mut entries = work.load.ledger.entries(keys).await?;
            let ids = match self.pass {
                Pass::Assets => HashMap::new(),
                Pass::References => work.ids_of(&rows).await?,
            };
            let ids = Arc::new(ids);
            for row in rows {
                let entry = entries.remove(&row.source_key);
                if !self.needs_work(&row, entry.as_ref()) {
                    continue;
                }
                let Some(leave) = work.leave(self.pass).await else { return Ok(begun) };
                begun += 1;
                let (sink, ids) = (self.clone(), Arc::clone(&ids));
                tasks.spawn(async move {
                    sink.one(row, entry, &ids).await;
                    drop(leave);
                });
                while tasks.try_join_next().is_some() {}
            }
            if self.pass == Pass::Assets {
                work.progress.advance(batch.num_rows() as u64, 0);
            }
        }
        Ok(begun)
    }

    fn needs_work(&self, row: &Row, entry: Option<&Entry>) -> bool {
        let state = entry.map(|entry| (entry.state, entry.payload == row.payload, entry.unresolved));
        match (self.pass, state) {
            (Pass::Assets, Some((State::Complete, true, _))) => {
                Tally::add(&self.work.tally.unchanged);
                false
            }
            // Only its references are missing.
            (Pass::Assets, Some((State::Described, true, _))) => false,
            (Pass::Assets, _) => true,
            (Pass::References, Some((State::Described, true, _))) => true,
            (Pass::References, Some((State::Complete, true, unresolved))) => unresolved > 0,
            (Pass::References, _) => false,
        }
    }

    async fn one(&self, row: Row, entry: Option<Entry>, ids: &HashMap<String, i64>) {
        let work = &self.work;
        work.progress.begin();
        let done = match (self.pass, entry) {
            (Pass::Assets, entry) => work.write_asset(&self.bound, &row, entry).await,
            (Pass::References, Some(entry)) => work.link(&row, &entry, ids).await,
            (Pass::References, None) => Ok(()),
        };
        work.progress.end();
        work.pace.observe(work.load.client.traffic().throttled);
        if let Err(error) = done {
            work.stop(error);
        }
    }
}

#[async_trait]
impl Sink for FlexSink {
    async fn write_all(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        let mut tasks = JoinSet::new();
        let begun = self.begin_all(batches, &mut tasks).await;
        let mut broken = None;
        while let Some(joined) = tasks.join_next().await {
            broken = joined.err().or(broken);
        }
        if let Some(error) = self.work.taken_error() {
            return Err(error);
        }
        if let Some(cause) = broken {
            return Err(Error::query(&self.bound.binding.query, "a worker of the load broke off", cause));
        }
        Ok(WriteSummary { rows: begun?, ..WriteSummary::default() })
    }
}

impl Work {
    async fn new(load: &Load, progress: &Progress, cancel: &CancellationToken) -> Result<Self> {
        let way = match load.config.attributes {
            Attributes::Annotations => Some(Way::Annotations),
            Attributes::Metadata => Some(Way::Metadata),
            Attributes::Auto => load.ledger.recall(ATTRIBUTES).await?.as_deref().and_then(Way::parse),
        };
        Ok(Self {
            tally: Tally::new(load.client.traffic()),
            way: OnceCell::new_with(way),
            pace: Pace::new(load.config.max_in_flight),
            progress: progress.clone(),
            cancel: cancel.clone(),
            remaining: AtomicU64::new(load.config.limit.unwrap_or(u64::MAX)),
            error: Mutex::new(None),
            load: load.clone(),
        })
    }

    /// Leave to begin a row; `None` when no further row is to be begun.
    async fn leave(&self, pass: Pass) -> Option<super::pace::Leave> {
        let leave = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return None,
            leave = self.pace.enter() => leave,
        };
        if self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return None;
        }
        let allowed = pass == Pass::References
            || self.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        allowed.then_some(leave)
    }

    /// The first error stops the load; rows under way come to their own end.
    fn stop(&self, error: Error) {
        let mut first = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
    }

    fn taken_error(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The ids of everything these rows refer to.
    pub(super) async fn ids_of(&self, rows: &[Row]) -> Result<HashMap<String, i64>> {
        self.load.ids_of(rows).await
    }

    /// Remembers how field values are set, for the loads that follow.
    pub(super) async fn remember_way(&self, way: Way) -> Result<()> {
        self.load.ledger.remember(ATTRIBUTES, way.word()).await
    }

    /// Counts a failed row; too many of them are an error.
    pub(super) fn count_failure(&self, reason: &str) -> Result<()> {
        self.tally.failed(reason);
        self.progress.reject(1);
        let failures = self.tally.failures();
        match self.load.config.max_failures {
            Some(most) if failures > most => Err(Error::Mismatch {
                what: format!("load into {}", self.load.config.target),
                message: format!(
                    "{failures} rows failed and {most} are allowed; the run's failed.json lists them with reasons"
                ),
            }),
            _ => Ok(()),
        }
    }
}

impl Load {
    /// The ids of everything these rows refer to.
    pub(super) async fn ids_of(&self, rows: &[Row]) -> Result<HashMap<String, i64>> {
        let mut keys: Vec<String> = rows.iter().flat_map(|row| row.references.iter().cloned()).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() { Ok(HashMap::new()) } else { self.ledger.ids(keys).await }
    }
}
