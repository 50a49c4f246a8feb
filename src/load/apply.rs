//! Sending the plan: two passes over the mapped datasets, each a bounded number of rows at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use serde_json::Value;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::decide::{Need, is_linked, relinks};
use super::ledger::{Entry, Intent, Reason, State};
use super::needed::{Ids, Readiness};
use super::reference::Resolved;
use super::report::{LoadReport, Tally};
use super::request::Request;
use super::row::Row;
use super::work::{Pass, Round, Work};
use super::{Bound, Load, preflight, reference};
use crate::dataflow::{Progress, SendableRecordBatchStream, Sink, WriteSummary};
use crate::error::{Error, Result};

/// Rows whose intents are committed together. Those of a killed load are looked up before they are sent again, so not many.
const PORTION: usize = 128;
/// The reason of a row that the definition forbids.
const INVALID: &str = "INVALID";
/// The reason of a row of which a required reference has nothing to point to.
const UNMET: &str = "REQUIRED_REFERENCE";

/// The loader as a sink: takes the rows of one mapped dataset and writes those to be loaded to the target.
#[derive(Debug, Clone)]
pub struct FlexSink {
    pub(super) work: Arc<Work>,
    pub(super) bound: Arc<Bound>,
    pub(super) pass: Pass,
}

/// A row that needs work.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) row: Row,
    pub(super) entry: Option<Entry>,
    /// The references that go with the first field values, because the definition requires them.
    pub(super) first: Resolved,
    /// The references with ids: all that are known in the second pass; in the first, those known before the load and those
    /// that are required.
    pub(super) resolved: Resolved,
    /// The request that creates the asset of a row that has none.
    pub(super) create: Option<Request>,
}

impl Load {
    /// Sends what the target lacks. Rows that fail are recorded with their reason and do not stop the others. When `cancel`
    /// fires, no further row is begun, those begun are finished within the configured time, and the report says
    /// `interrupted`. Copies of the ledger are put into the staging area from time to time and at the end, however it ends.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the transform of the run did not end clean, the datasets are not those it wrote, or the
    /// ledger is blank over a target that holds our assets: nothing is sent. When the target stays away or refuses the
    /// credentials, when the canaries differ from what was sent, when more rows fail than the settings allow, when a
    /// definition changes meanwhile, or when the ledger or the staging area fails. Everything done until then is in the
    /// ledger. [`Error::Interrupted`] when `cancel` fires before anything is under way.
    pub async fn apply(&self, progress: &Progress, cancel: &CancellationToken) -> Result<LoadReport> {
        preflight::require_clean(&self.bound, &self.run).await?;
        tokio::select! {
            biased;
            known = self.require_known() => known?,
            // Nothing is under way yet.
            () = cancel.cancelled() => return Err(Error::Interrupted { signal: 2 }),
        }
        let work = Arc::new(Work::new(self, progress, cancel).await?);
        let beside = [self.watch_definitions(&work), self.copy_from_time_to_time()];
        let sent = self.send(&work).await;
        for task in beside {
            task.abort();
            // Until it has ended it holds the ledger open.
            let _ = task.await;
        }
        // Whatever happened: what was done is to be found in the staging area too.
        let copied = self.checkpoint().await;
        sent?;
        copied?;
        let attributes = work.way.get().map(|way| way.word().to_owned());
        Ok(work.tally.report(&self.config.target, self.client.traffic(), attributes, cancel.is_cancelled()))
    }

    async fn send(&self, work: &Arc<Work>) -> Result<()> {
        let (needing, free): (Vec<_>, Vec<_>) = self.bound.iter().partition(|bound| bound.has_needed());
        for bound in free {
            work.progress.expect(bound.rows());
            FlexSink::new(work, bound, Pass::Assets(Round::First)).write_all(bound.batches().await?).await?;
        }
        self.send_in_rounds(work, &needing).await?;
        for bound in self.bound.iter().filter(|bound| bound.shape.has_references()) {
            FlexSink::new(work, bound, Pass::References).write_all(bound.batches().await?).await?;
        }
        Ok(())
    }

    /// Sends rows that need others first, round after round, as long as one makes others ready.
    async fn send_in_rounds(&self, work: &Arc<Work>, needing: &[&Arc<Bound>]) -> Result<()> {
        let mut round = Round::First;
        loop {
            let mut begun = 0;
            for bound in needing {
                if round == Round::First {
                    work.progress.expect(bound.rows());
                }
                let sink = FlexSink::new(work, bound, Pass::Assets(round));
                begun += sink.write_all(bound.batches().await?).await?.rows;
            }
            let is_over = work.is_over() || !work.is_within_limit();
            round = match round {
                _ if is_over || needing.is_empty() => return Ok(()),
                Round::First => Round::Waiting,
                Round::Waiting | Round::Partly if begun > 0 => Round::Waiting,
                Round::Waiting => Round::Partly,
                Round::Partly => Round::Last,
                Round::Last => return Ok(()),
            };
        }
    }
}

/// What stands for the asset of a source key.
fn to(ids: &HashMap<String, i64>, key: &str) -> Option<Value> {
    ids.get(key).copied().map(reference::to)
}

impl FlexSink {
    fn new(work: &Arc<Work>, bound: &Arc<Bound>, pass: Pass) -> Self {
        Self { work: Arc::clone(work), bound: Arc::clone(bound), pass }
    }

    /// Begins work on each row of the batches that needs some; returns how many.
    async fn begin_all(&self, mut batches: SendableRecordBatchStream, workers: &mut JoinSet<()>) -> Result<u64> {
        let (mut begun, mut canaries) = (0, self.canaries());
        while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
            for start in (0..batch.num_rows()).step_by(PORTION) {
                if self.work.is_over() {
                    return Ok(begun);
                }
                let portion = batch.slice(start, PORTION.min(batch.num_rows() - start));
                let tasks = self.tasks(&portion).await?;
                begun += tasks.len() as u64;
                let mut tasks = tasks.into_iter();
                self.sing(&mut canaries, &mut tasks).await?;
                for task in tasks {
                    let Some(leave) = self.work.leave().await else { return Ok(begun) };
                    let sink = self.clone();
                    workers.spawn(async move {
                        sink.one(task).await;
                        drop(leave);
                    });
                    while workers.try_join_next().is_some() {}
                }
            }
            if self.pass == Pass::Assets(Round::First) {
                self.work.progress.advance(batch.num_rows() as u64, 0);
            }
        }
        Ok(begun)
    }

    /// Those of the rows that need work. What the definition forbids is refused here; the intents of all others are durable
    /// when this returns.
    async fn tasks(&self, portion: &RecordBatch) -> Result<Vec<Task>> {
        let load = &self.work.load;
        let rows = self.bound.shape.rows(portion)?;
        let mut faults = match self.pass {
            Pass::Assets(_) => self.bound.rules.faults(portion),
            Pass::References => BTreeMap::new(),
        };
        let mut entries = load.ledger.entries(rows.iter().map(|(_, row)| row.source_key.clone()).collect()).await?;
        let ids = self.ids(&rows).await?;
        let mut tasks = Vec::new();
        for (index, row) in rows {
            let entry = entries.remove(&row.source_key);
            let resolved = self.bound.links_at_once(&row, &|key| to(&ids.before, key), &|key| to(&ids.now, key));
            if !self.needs_work(&row, entry.as_ref(), &resolved) {
                continue;
            }
            if let Some(lines) = faults.remove(&index) {
                self.refuse(&row, entry.as_ref(), INVALID, lines.join("; ")).await?;
                continue;
            }
            let mut first = Resolved::default();
            if let (Pass::Assets(round), Some(seen)) = (self.pass, &self.work.seen) {
                match self.bound.readiness(&row, &ids, seen, round)? {
                    Readiness::Ready => first = self.bound.first_links(&row, &|key| to(&ids.now, key)),
                    Readiness::Waits => continue,
                    Readiness::Unmet(message) => {
                        self.refuse(&row, entry.as_ref(), UNMET, message).await?;
                        continue;
                    }
                }
            }
            tasks.push(Task { row, entry, first, resolved, create: None });
        }
        self.begin(tasks).await
    }

    /// The ids of what the rows refer to. Those of the first pass are those that the plan knew, but for what rows need.
    async fn ids(&self, rows: &[(usize, Row)]) -> Result<Ids> {
        let load = &self.work.load;
        let of = |before| load.ids_of(rows.iter().map(|(_, row)| row), before);
        Ok(match self.pass {
            Pass::References => {
                let all = of(None).await?;
                Ids { before: all.clone(), now: all }
            }
            Pass::Assets(_) => Ids {
                before: of(Some(self.work.began)).await?,
                now: if self.bound.has_needed() { of(None).await? } else { HashMap::new() },
            },
        })
    }

    /// Those of the tasks that the limit allows, with what has to be durable before they are sent.
    async fn begin(&self, mut tasks: Vec<Task>) -> Result<Vec<Task>> {
        let load = &self.work.load;
        match self.pass {
            Pass::Assets(_) => {
                tasks.truncate(self.work.allowed(tasks.len()));
                let mut intents = Vec::new();
                for task in &mut tasks {
                    if task.entry.as_ref().is_none_or(|entry| entry.flex_id.is_none()) {
                        let request = load.create_request(&self.bound, &task.row);
                        intents.push(self.intent(&task.row, task.entry.as_ref(), Some(&request)));
                        task.create = Some(request);
                    }
                }
                load.ledger.intend(intents).await?;
            }
            Pass::References => {
                // What the first pass began is brought to its end, whatever the limit.
                tasks.retain(|task| self.is_begun(task) || self.work.allowed(1) == 1);
                let anew = |task: &&Task| task.entry.as_ref().is_some_and(|entry| relinks(entry, &task.resolved));
                load.ledger.relink(tasks.iter().filter(anew).map(|task| task.row.source_key.clone()).collect()).await?;
            }
        }
        Ok(tasks)
    }

    fn is_begun(&self, task: &Task) -> bool {
        task.entry.as_ref().is_some_and(|entry| self.work.is_begun_here(entry))
    }

    fn needs_work(&self, row: &Row, entry: Option<&Entry>, resolved: &Resolved) -> bool {
        let config = &self.work.load.config;
        let is_chosen = match (config.only_rejects, self.pass, entry) {
            (false, ..) => true,
            (true, _, None) => false,
            (true, Pass::Assets(_), Some(entry)) => matches!(entry.state, State::Failed | State::Unknown),
            (true, Pass::References, Some(entry)) => self.work.is_begun_here(entry),
        };
        // Later rounds are for rows that this load has not touched.
        let is_first = self.pass == Pass::Assets(Round::First);
        let is_touched = !is_first && entry.is_some_and(|entry| entry.changed_at >= self.work.began);
        if !is_chosen || (is_touched && self.pass != Pass::References) {
            return false;
        }
        if is_first && entry.is_some_and(|entry| config.is_restated(&self.bound, row, entry)) {
            Tally::add(&self.work.tally.restated);
        }
        match (self.pass, Need::of(row, entry), entry) {
            (Pass::Assets(round), Need::Nothing, _) => {
                if round == Round::First {
                    Tally::add(&self.work.tally.unchanged);
                }
                false
            }
            // Only its references are missing.
            (Pass::Assets(_), Need::Link, _) => false,
            (Pass::Assets(_), ..) => true,
            (Pass::References, Need::Link, Some(_)) => true,
            (Pass::References, Need::Nothing, Some(entry)) => {
                !is_linked(entry, resolved) || entry.unresolved != resolved.unresolved
            }
            (Pass::References, ..) => false,
        }
    }

    async fn refuse(&self, row: &Row, entry: Option<&Entry>, class: &str, message: String) -> Result<()> {
        let reason = Reason { class: class.to_owned(), message, request_id: None };
        self.work.load.ledger.refuse(self.intent(row, entry, None), reason).await?;
        self.work.count_failure(class)
    }

    fn intent(&self, row: &Row, entry: Option<&Entry>, request: Option<&Request>) -> Intent {
        let load = &self.work.load;
        Intent {
            source_key: row.source_key.clone(),
            query: self.bound.binding.query.clone(),
            uuid: row.uuid(),
            name: row.name.clone(),
            payload: row.payload,
            run: load.run.id().to_owned(),
            request: request.map(Request::hash),
            made: Some(load.config.made(&self.bound, row)),
            fresh: entry.is_none(),
        }
    }

    /// Brings one row on its way to the end; an error stops the load.
    pub(super) async fn one(&self, task: Task) {
        let work = &self.work;
        work.progress.begin();
        let done = match (self.pass, &task.entry) {
            (Pass::Assets(_), _) => work.write_asset(&self.bound, &task).await,
            (Pass::References, Some(entry)) => work.link(&self.bound, &task, entry).await,
            (Pass::References, None) => Ok(()),
        };
        work.progress.end();
        if let Err(error) = done {
            work.stop(error);
        }
    }

    /// Ends when the load was asked to stop and the time is over that the settings give to rows under way.
    async fn late(&self) {
        self.work.cancel.cancelled().await;
        tokio::time::sleep(self.work.load.config.drain).await;
    }

    /// Waits for the rows under way, until it is late.
    async fn drain(&self, mut workers: JoinSet<()>, mut late: impl Future<Output = ()> + Unpin) -> Option<JoinError> {
        let mut broken = None;
        loop {
            tokio::select! {
                biased;
                joined = workers.join_next() => match joined {
                    None => return broken,
                    Some(joined) => broken = joined.err().or(broken),
                },
                () = &mut late => {
                    tracing::warn!(rows = workers.len(), "rows under way did not end in time; the next load looks them up");
                    workers.abort_all();
                    while workers.join_next().await.is_some() {}
                    return broken;
                }
            }
        }
    }
}

#[async_trait]
impl Sink for FlexSink {
    async fn write_all(&self, batches: SendableRecordBatchStream) -> Result<WriteSummary> {
        let mut workers = JoinSet::new();
        let late = self.late().boxed().shared();
        let begun = tokio::select! {
            biased;
            begun = self.begin_all(batches, &mut workers) => begun,
            // A canary is sent while rows are begun, and may hang.
            () = late.clone() => Ok(0),
        };
        let broken = self.drain(workers, late).await;
        if let Some(error) = self.work.taken_error() {
            return Err(error);
        }
        let begun = begun?;
        if let Some(cause) = broken {
            return Err(Error::query(&self.bound.binding.query, "a worker of the load broke off", cause));
        }
        Ok(WriteSummary { rows: begun, ..WriteSummary::default() })
    }
}
