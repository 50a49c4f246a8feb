//! Taking assets out of the target again: what a run created, or what no row stands for any more. First a plan that sends
//! nothing, then one request an asset; each removal is durable in the ledger, so that what was broken off goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::ledger::{AssetRecord, Sent, State};
use super::request::Request;
use super::seen::Seen;
use super::{Deletion, Ledger, Load, LoadConfig, Threshold, preflight};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::flex::{Finding, FlexClient, Outcome};

/// Entries of the ledger read at a time.
const PORTION: usize = 10_000;
/// Assets that are tried for one that a search shows.
const TRIED: usize = 100;
/// Assets that a plan and a report name.
const MOST_NAMED: usize = 100;

/// Assets of a ledger that are to be removed from its target.
#[derive(Debug)]
pub struct Removal {
    ledger: Ledger,
    client: FlexClient,
    target: String,
    deletion: Deletion,
    at_once: usize,
    selection: Selection,
}

/// Which assets.
#[derive(Debug)]
enum Selection {
    /// Those that this run created.
    Run(String),
    /// Those that no row of a run stands for.
    Gone { load: Box<Load>, seen: Seen },
}

/// What a removal would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalPlan {
    /// The target's name.
    pub target: String,
    /// Where it is.
    pub url: String,
    /// The run whose creations are removed; absent where assets are removed that no row stands for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<String>,
    /// Assets to be removed.
    pub remove: u64,
    /// Those of which the ledger does not know whether they are there: they are looked up first (part of `remove`).
    pub unclear: u64,
    /// Assets in the ledger, those unclear ones included that are to be removed.
    pub of: u64,
    /// Those to be removed by query.
    pub queries: BTreeMap<String, u64>,
    /// The first hundred of them, by source key.
    pub keys: Vec<String>,
    /// Rows that stay and refer to one of them, where rows are at hand. The next load sets their references anew.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub referring: Option<u64>,
    /// The first hundred of these rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub referring_keys: Vec<String>,
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RemovalReport {
    /// The target's name.
    pub target: String,
    /// Assets that the target no longer holds.
    pub removed: u64,
    /// Creations of unclear outcome that turned out not to be there.
    pub absent: u64,
    /// Assets that are still there, or of which nobody can tell.
    pub left: u64,
    /// The first hundred of them, with the reason.
    pub left_assets: Vec<Left>,
    /// Requests, repeats and look-ups included.
    pub requests: u64,
    /// Seconds.
    pub seconds: f64,
    /// Stopped before the end because it was asked to.
    pub interrupted: bool,
}

/// An asset that was not removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The key in the source.
    pub source_key: String,
    /// The target's id, if the ledger knows it.
    pub flex_id: Option<i64>,
    /// Why.
    pub message: String,
}

/// What became of one asset.
enum Fate {
    Removed,
    Absent,
    Left(Left),
    /// Not begun: the removal was asked to stop.
    Skipped,
}

impl Removal {
    /// Of the assets that `run` created. The run's datasets are not needed; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Ledger`] when the ledger cannot be opened, [`Error::Preflight`] when there is none, or it knows of no asset of
    /// that run.
    pub async fn of_run(config: &LoadConfig, client: FlexClient, run: &str) -> Result<Self> {
        if !config.ledger.exists() {
            return Err(Error::preflight(format!(
                "the target `{}` has no ledger at {}, so nobody knows what run {run} created there",
                config.target,
                config.ledger.display()
            )));
        }
        let server = config.identity.clone().unwrap_or_else(|| client.base_url().to_owned());
        let ledger = Ledger::open_apart(config.ledger.clone(), config.target.clone(), server).await?;
        let selection = Selection::Run(run.to_owned());
        let removal = Self {
            ledger,
            client,
            target: config.target.clone(),
            deletion: config.deletion,
            at_once: config.max_in_flight.max(1),
            selection,
        };
        if removal.plan().await?.remove == 0 {
            let known = removal.ledger.tally().await?.runs;
            let known: Vec<String> = known.into_iter().map(|(run, assets)| format!("{run} ({assets})")).collect();
            let known = if known.is_empty() { "none at all".to_owned() } else { known.join(", ") };
            return Err(Error::preflight(format!(
                "run {run} has no asset in the target `{}`; assets there were created by: {known}",
                removal.target
            )));
        }
        Ok(removal)
    }

    /// Of the assets that no row of the load's run stands for.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the transform of the run did not end clean: rows that are lacking for another reason would
    /// look as if they were gone.
    pub async fn of_gone(load: Load) -> Result<Self> {
        preflight::require_clean(&load.bound, &load.run).await?;
        let seen = load.see_all().await?;
        Ok(Self {
            ledger: load.ledger.clone(),
            client: load.client.clone(),
            target: load.config.target.clone(),
            deletion: load.config.deletion,
            at_once: load.config.max_in_flight.max(1),
            selection: Selection::Gone { load: Box::new(load), seen },
        })
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What would be removed. Sends nothing.
    ///
    /// # Errors
    /// When the ledger or the datasets cannot be read.
    pub async fn plan(&self) -> Result<RemovalPlan> {
        let mut plan = RemovalPlan {
            target: self.target.clone(),
            url: self.client.base_url().to_owned(),
            of: self.ledger.tally().await?.assets,
            ..RemovalPlan::default()
        };
        let mut after = String::new();
        loop {
            let portion = self.ledger.assets_after(after, PORTION).await?;
            let Some(last) = portion.last().map(|asset| asset.source_key.clone()) else { break };
            for asset in self.selected(portion)? {
                plan.remove += 1;
                plan.unclear += u64::from(asset.flex_id.is_none());
                *plan.queries.entry(asset.query).or_default() += 1;
                if plan.keys.len() < MOST_NAMED {
                    plan.keys.push(asset.source_key);
                }
            }
            after = last;
        }
        plan.of += plan.unclear;
        match &self.selection {
            Selection::Run(run) => plan.run = Some(run.clone()),
            Selection::Gone { load, seen } => find_referring(load, seen, &mut plan).await?,
        }
        Ok(plan)
    }

    /// Removes what [`Removal::plan`] names. One that the target refuses to remove is listed and does not stop the others.
    /// An asset counts as removed when the target no longer shows it, whatever it answered. When `cancel` fires, those
    /// begun are finished and the report says `interrupted`; the same call goes on.
    ///
    /// # Errors
    /// [`Error::Preflight`] when more would be removed than `most` of the ledger's assets: nothing is sent. When the target
    /// stays away or refuses the credentials, or the ledger fails; what was removed until then is in the ledger.
    pub async fn apply(
        &self,
        most: Threshold,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<RemovalReport> {
        let plan = self.plan().await?;
        plan.require_within(most)?;
        let (started, before) = (Instant::now(), self.client.traffic().requests);
        self.client.ping().await?;
        progress.expect(plan.remove);
        let is_shown = plan.unclear > 0 && self.is_shown().await?;
        let (removed, absent) = (AtomicU64::new(0), AtomicU64::new(0));
        let left = Mutex::new((0_u64, Vec::new()));
        let mut after = String::new();
        while !cancel.is_cancelled() {
            let portion = self.ledger.assets_after(after, PORTION).await?;
            let Some(last) = portion.last().map(|asset| asset.source_key.clone()) else { break };
            let work = self.selected(portion)?.into_iter().map(|asset| async {
                let fate = if cancel.is_cancelled() { Fate::Skipped } else { self.one(asset, is_shown).await? };
                match fate {
                    Fate::Removed => drop(removed.fetch_add(1, Ordering::Relaxed)),
                    Fate::Absent => drop(absent.fetch_add(1, Ordering::Relaxed)),
                    Fate::Left(asset) => {
                        let mut left = left.lock().await;
                        left.0 += 1;
                        if left.1.len() < MOST_NAMED {
                            left.1.push(asset);
                        }
                        progress.reject(1);
                    }
                    Fate::Skipped => return Ok(()),
                }
                progress.advance(1, 0);
                Ok::<_, Error>(())
            });
            futures::stream::iter(work).buffer_unordered(self.at_once).try_collect::<()>().await?;
            after = last;
        }
        let (left, mut left_assets) = left.into_inner();
        left_assets.sort_by(|a: &Left, b| a.source_key.cmp(&b.source_key));
        Ok(RemovalReport {
            target: self.target.clone(),
            removed: removed.into_inner(),
            absent: absent.into_inner(),
            left,
            left_assets,
            requests: self.client.traffic().requests - before,
            seconds: started.elapsed().as_secs_f64(),
            interrupted: cancel.is_cancelled(),
        })
    }

    fn selected(&self, mut portion: Vec<AssetRecord>) -> Result<Vec<AssetRecord>> {
        match &self.selection {
            Selection::Run(run) => {
                // One that was about to be created may be there: a load that was killed did not live to see the answer.
                let may_be = [State::Intended.word(), State::Unknown.word()];
                portion.retain(|asset| {
                    asset.run == *run && (asset.flex_id.is_some() || may_be.contains(&asset.state.as_str()))
                });
                Ok(portion)
            }
            Selection::Gone { seen, .. } => {
                let mut gone = Vec::new();
                for asset in portion.into_iter().filter(|asset| asset.flex_id.is_some()) {
                    if seen.get(&asset.source_key)?.is_none() {
                        gone.push(asset);
                    }
                }
                Ok(gone)
            }
        }
    }

    /// Whether a search by uuid shows an asset that is there: only then does one that shows nothing prove absence. A few
    /// assets are tried.
    async fn is_shown(&self) -> Result<bool> {
        for asset in self.ledger.assets_after(String::new(), TRIED).await? {
            if let Some(id) = asset.flex_id
                && self.client.asset(id).await?.is_none_or(|asset| asset.deleted)
            {
                continue;
            }
            match self.client.find_by_uuid(&asset.uuid).await? {
                Finding::Found(_) => return Ok(true),
                Finding::Absent | Finding::Unproven if asset.flex_id.is_some() => return Ok(false),
                Finding::Absent | Finding::Unproven => {}
            }
        }
        Ok(false)
    }

    async fn one(&self, asset: AssetRecord, is_shown: bool) -> Result<Fate> {
        let key = asset.source_key;
        let left = |flex_id, message| Fate::Left(Left { source_key: key.clone(), flex_id, message });
        let id = match asset.flex_id {
            Some(id) => id,
            None => match self.client.find_by_uuid(&asset.uuid).await? {
                Finding::Found(found) => {
                    self.ledger.created(&key, found.id, None).await?;
                    found.id
                }
                Finding::Absent if is_shown => return Ok(Fate::Absent),
                Finding::Absent | Finding::Unproven => {
                    let message = "whether it is there cannot be found out: look for its uuid in the target";
                    return Ok(left(None, format!("{message} ({})", asset.uuid)));
                }
            },
        };
        let request = Request::remove(id, self.deletion);
        for repeat in 1.. {
            let sent = self.client.write(&request.method, &request.path, request.body.clone(), true).await?;
            let (sent, message, refused) = match sent {
                Outcome::Done(written) => {
                    let message = "the target said that it is removed, but still shows it".to_owned();
                    (Sent::answered(&request, written.status), message, false)
                }
                Outcome::Refused(refusal) => {
                    let message = refusal.to_string();
                    let sent = Sent { request_id: refusal.request_id, ..Sent::answered(&request, refusal.status) };
                    (sent, message, true)
                }
                Outcome::Unclear(message) => (Sent::unanswered(&request), message, false),
            };
            if self.client.asset(id).await?.is_none_or(|asset| asset.deleted) {
                self.ledger.removed(&key, sent).await?;
                return Ok(Fate::Removed);
            }
            if refused || !self.client.again(repeat).await {
                return Ok(left(Some(id), message));
            }
            tokio::time::sleep(self.client.settle_time()).await;
        }
        Ok(Fate::Skipped)
    }
}

/// Counts the rows that stay and refer to an asset that goes.
async fn find_referring(load: &Load, seen: &Seen, plan: &mut RemovalPlan) -> Result<()> {
    let mut referring = 0;
    for bound in load.bound.iter().filter(|bound| bound.shape.has_references()) {
        let mut batches = bound.batches().await?;
        while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
            let rows = bound.shape.rows(&batch)?;
            let ids = load.ids_of(rows.iter().map(|(_, row)| row), None).await?;
            for (_, row) in rows {
                let mut refers = false;
                for key in row.references.iter().filter(|key| ids.contains_key(*key)) {
                    refers |= seen.get(key)?.is_none();
                }
                if refers {
                    referring += 1;
                    if plan.referring_keys.len() < MOST_NAMED {
                        plan.referring_keys.push(row.source_key);
                    }
                }
            }
        }
    }
    plan.referring = Some(referring);
    Ok(())
}

impl RemovalPlan {
    /// # Errors
    /// [`Error::Preflight`] when more is to be removed than `most` of the ledger's assets.
    pub fn require_within(&self, most: Threshold) -> Result<()> {
        if !most.is_beyond(self.remove, self.of) {
            return Ok(());
        }
        Err(Error::preflight(format!(
            "{} of the {} assets that the ledger of `{}` knows would be removed, more than {most}: nothing was sent. If that \
             is meant, say so with --max, such as --max {}",
            self.remove, self.of, self.target, self.remove
        )))
    }
}

impl RemovalReport {
    /// # Errors
    /// [`Error::Mismatch`] with the first of those that are left.
    pub fn verdict(&self) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let named = self.left_assets.iter().take(5).map(|left| format!("\n  {}: {}", left.source_key, left.message));
        Err(Error::Mismatch {
            what: format!("removing from {}", self.target),
            message: format!("{} assets are left{}", self.left, named.collect::<String>()),
        })
    }
}
