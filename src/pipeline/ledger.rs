//! What people do with a ledger: look at it, make it anew, take back what it says was created.

use std::path::PathBuf;

use datafusion::execution::SendableRecordBatchStream;
use serde::Serialize;

use super::steps::Outcome;
use super::{Pipeline, Step};
use crate::config::TargetConfig;
use crate::dataflow::TableName;
use crate::error::{Error, Result};
use crate::flex::{Difference, FlexClient, instance};
use crate::load::ledger::{AssetRecord, RequestRecord};
use crate::load::{Ledger, RebuildReport, Removal, RemovalReport, Threshold};
use crate::report::RunReport;
use crate::transform::{Trace, Transform};

/// The schema under which SQL sees the ledger.
const SCHEMA: &str = "ledger";
/// The tables of it.
const TABLES: [&str; 2] = ["assets", "requests"];
/// How the asset's own name is called among its fields; no metadata field can have a space.
const ASSET_NAME: &str = "asset name";

/// One asset's way, from the rows of the source to what the target holds.
#[derive(Debug, Serialize)]
pub struct WholeTrace {
    /// From the source's rows to the document.
    #[serde(flatten)]
    pub trace: Trace,
    /// What the ledger says; `None` where no target is chosen, or it has no ledger.
    pub ledger: Option<LedgerTrace>,
}

/// What the ledger says of one asset.
#[derive(Debug, Serialize)]
pub struct LedgerTrace {
    /// The target's name.
    pub target: String,
    /// The entry; `None` where there is none.
    pub asset: Option<AssetRecord>,
    /// The last request of each kind.
    pub requests: Vec<RequestRecord>,
    /// What the target holds, where it was asked.
    pub flex: Option<FlexTrace>,
}

/// One asset as the target holds it.
#[derive(Debug, Serialize)]
pub struct FlexTrace {
    /// Where it is.
    pub url: String,
    /// Whether the target shows it, and not as deleted.
    pub found: bool,
    /// What differs from what was mapped; empty where it is not found.
    pub differences: Vec<Difference>,
}

/// What a look at rejected rows gives: how many of which reason, and the rows themselves.
pub struct Rejects {
    /// `at`, `state`, `reason` and `n`, the most frequent first.
    pub counts: SendableRecordBatchStream,
    /// The rows, by source key.
    pub rows: SendableRecordBatchStream,
}

impl Pipeline {
    /// The rows of a statement over what the run holds and over the ledger of the target, which is copied first where the
    /// statement names it.
    ///
    /// # Errors
    /// As [`Transform::sql`].
    pub async fn sql(&self, statement: &str) -> Result<SendableRecordBatchStream> {
        if statement.to_lowercase().contains(SCHEMA) {
            self.refresh_ledger().await?;
            if self.ledger_tables().await?.is_empty() {
                tracing::warn!("the ledger's tables are not there: {}", self.why_no_ledger());
            }
        }
        self.looking().await?.sql(&self.run, statement).await
    }

    /// Rows that the transform rejected, and rows that a load could not bring to their end; at most `most` of them, if given.
    ///
    /// # Errors
    /// When a dataset or the ledger cannot be read.
    pub async fn rejects(&self, most: Option<usize>) -> Result<Rejects> {
        self.refresh_ledger().await?;
        let mut parts = Vec::new();
        if self.run.rejected().manifest().await?.is_some() {
            parts.push(
                "select source_key, 'transform' as at, 'rejected' as state, reason, details as message, \
                 cast(null as varchar) as request_id, cast(null as bigint) as flex_id, cast(null as varchar) as uuid from rejected \
                 where disposition = 'reject'",
            );
        }
        if self.ledger_tables().await?.is_empty() {
            if self.config.has_targets() {
                tracing::warn!("rows that failed or are held in a target are not listed: {}", self.why_no_ledger());
            }
        } else {
            parts.push(
                "select source_key, 'load' as at, case state when 'unknown' then 'held' else state end as state, reason, \
                 message, request_id, flex_id, uuid from ledger.assets where state in ('failed', 'unknown')",
            );
        }
        if parts.is_empty() {
            return Err(Error::preflight(format!(
                "run {0}: no transform has ended and no target has a ledger, so nothing can have been rejected; run \
                 `telecine transform --run {0}`",
                self.run.id()
            )));
        }
        let all = parts.join(" union all ");
        let looking = self.looking().await?;
        let counts = format!(
            "select at, state, reason, count(*) as n from ({all}) group by at, state, reason order by n desc, at, state, reason"
        );
        let limit = most.map_or(String::new(), |most| format!(" limit {most}"));
        let rows = format!("select * from ({all}) order by source_key, at{limit}");
        Ok(Rejects { counts: looking.sql(&self.run, &counts).await?, rows: looking.sql(&self.run, &rows).await? })
    }

    /// One asset's way, with what the ledger says of it; what the target holds of it is asked where one was named.
    ///
    /// # Errors
    /// As [`Pipeline::trace`]; when the target cannot be read. A ledger that a load holds is only warned of.
    pub async fn whole_trace(&self, key: &str) -> Result<WholeTrace> {
        let trace = self.trace(key).await?;
        let ledger = match self.opened_ledger().await {
            Ok(Some(ledger)) => ledger,
            Ok(None) => return Ok(WholeTrace { trace, ledger: None }),
            Err(error @ Error::Ledger { .. }) => {
                tracing::warn!("what the ledger says is not shown: {error}");
                return Ok(WholeTrace { trace, ledger: None });
            }
            Err(error) => return Err(error),
        };
        let asset = ledger.asset(key).await?;
        let requests = ledger.requests_of(key).await?;
        drop(ledger);
        let id = asset.as_ref().and_then(|asset| asset.flex_id);
        let flex = match (&self.target, id) {
            (Some(_), Some(id)) => Some(self.flex_trace(key, id).await?),
            _ => None,
        };
        let target = self.target()?.load.target.clone();
        Ok(WholeTrace { trace, ledger: Some(LedgerTrace { target, asset, requests, flex }) })
    }

    async fn flex_trace(&self, key: &str, id: i64) -> Result<FlexTrace> {
        let load = self.prepare_load(&super::Sending::default()).await?;
        let url = format!("{}/assets/{id}", load.client().base_url());
        let asset = load.client().asset(id).await?.filter(|asset| !asset.deleted);
        let (Some(asset), Some(expected)) = (&asset, load.expected_of_key(key).await?) else {
            return Ok(FlexTrace { url, found: asset.is_some(), differences: Vec::new() });
        };
        let found = match asset.metadata.as_ref().and_then(|metadata| metadata.instance.clone()) {
            Some(instance) => instance,
            None => load.client().metadata(id).await?.unwrap_or_default(),
        };
        let bound = load.bound().iter().find(|bound| bound.definition.id == expected.definition);
        let fields = bound.map_or(&[][..], |bound| &bound.definition.fields);
        let mut differences = instance::differences_in(fields, &expected.instance, &found);
        if asset.name.as_deref() != Some(&expected.name) {
            let (expected, found) = (Some(expected.name.into()), asset.name.clone().map(Into::into));
            differences.insert(0, Difference { field: ASSET_NAME.to_owned(), expected, found });
        }
        Ok(FlexTrace { url, found: true, differences })
    }

    /// Makes the ledger of the target anew from what the target holds. With `force` a ledger that knows assets is put aside.
    ///
    /// # Errors
    /// As [`crate::load::Load::rebuild`]; when another process has the ledger open.
    pub async fn rebuild_ledger(&self, force: bool) -> Result<Step<RebuildReport>> {
        self.step("rebuild", async |progress| {
            // What can be found wrong is found before the ledger is put aside.
            let mut load = self.prepare_load(&super::Sending::default()).await?;
            let mut aside = None;
            if force && !load.ledger().is_blank().await? {
                let path = self.target()?.load.ledger.clone();
                drop(load);
                let moved = tokio::task::spawn_blocking(move || Ledger::set_aside(&path)).await;
                let moved = moved.map_err(|cause| Error::Preflight {
                    message: "putting the ledger aside was broken off".to_owned(),
                    cause: Some(Box::new(cause)),
                })?;
                aside = moved?.map(|path: PathBuf| path.display().to_string());
                load = self.prepare_load(&super::Sending::default()).await?;
            }
            let report = load.rebuild(progress, &self.cancel).await?;
            Ok(RebuildReport { aside, ..report })
        })
        .await
    }

    /// What the run `run` created in the target, to be removed.
    ///
    /// # Errors
    /// As [`Removal::of_run`].
    pub async fn creations_of(&self, run: &str) -> Result<Removal> {
        let target = self.target()?;
        Removal::of_run(&target.load, FlexClient::new(&target.flex)?, run).await
    }

    /// What the target holds that no row of the run stands for, to be removed.
    ///
    /// # Errors
    /// As [`Removal::of_gone`].
    pub async fn gone(&self) -> Result<Removal> {
        Removal::of_gone(self.prepare_load(&super::Sending::default()).await?).await
    }

    /// Removes it, at most `most` of the ledger's assets; then the ledger's copy is put into the staging area.
    ///
    /// # Errors
    /// As [`Removal::apply`].
    pub async fn remove(&self, removal: &Removal, most: Threshold) -> Result<Step<RemovalReport>> {
        self.step("remove", async |progress| {
            let applied = removal.apply(most, progress, &self.cancel).await;
            let copied = removal.ledger().checkpoint(self.run.area(), &self.target()?.load.target).await;
            let report = applied?;
            copied?;
            if report.interrupted {
                return Err(Error::Interrupted { signal: 2 });
            }
            Ok(report)
        })
        .await
    }

    /// The ledger of the target, if one is chosen and has a ledger.
    async fn opened_ledger(&self) -> Result<Option<Ledger>> {
        let target = match (self.target(), &self.target) {
            (Ok(target), _) => target,
            // None was named, and none is needed.
            (Err(_), None) => return Ok(None),
            (Err(error), Some(_)) => return Err(error),
        };
        let path = target.load.ledger.clone();
        if !path.exists() {
            return Ok(None);
        }
        let client = FlexClient::new(&target.flex)?;
        let server = target.load.identity.clone().unwrap_or_else(|| client.base_url().to_owned());
        Ledger::open_apart(path, target.load.target.clone(), server).await.map(Some)
    }

    /// Why there is no ledger to look at.
    fn why_no_ledger(&self) -> String {
        match self.target() {
            Ok(TargetConfig { load, .. }) => {
                format!(
                    "the target `{}` has no ledger at {}: nothing was loaded from here",
                    load.target,
                    load.ledger.display()
                )
            }
            Err(Error::Config { problems }) => problems.join("; "),
            Err(error) => error.to_string(),
        }
    }

    /// Copies the ledger's tables into the staging area as they are now. Where a load holds the ledger, the last copy stays.
    async fn refresh_ledger(&self) -> Result<()> {
        match self.opened_ledger().await {
            Ok(Some(ledger)) => ledger.export(self.run.area(), &self.target()?.load.target).await,
            Ok(None) => {
                if !self.ledger_tables().await?.is_empty() {
                    let why = self.why_no_ledger();
                    tracing::warn!("{why}; what is shown of the ledger is its last copy in the staging area");
                }
                Ok(())
            }
            Err(error @ Error::Ledger { .. }) => {
                tracing::warn!("{error}: what is shown of the ledger is its last copy in the staging area");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The queries, with the ledger's tables beside the run's.
    async fn looking(&self) -> Result<Transform> {
        let transform = Transform::open(&self.transform_config().await?)?;
        Ok(transform.with_files(self.ledger_tables().await?))
    }

    async fn ledger_tables(&self) -> Result<Vec<(TableName, object_store::ObjectMeta)>> {
        let Ok(target) = self.target() else { return Ok(Vec::new()) };
        let mut tables = Vec::new();
        for table in TABLES {
            if let Some(file) = self.run.area().ledger_file(&target.load.target, table).await? {
                tables.push((TableName::new(SCHEMA, table), file));
            }
        }
        Ok(tables)
    }
}

impl Outcome for RebuildReport {
    fn moved(&self) -> (u64, u64, u64) {
        (self.listed, self.equal + self.different, 0)
    }

    fn enter(&self, _: &mut RunReport) -> Result<()> {
        self.verdict()
    }
}

impl Outcome for RemovalReport {
    fn moved(&self) -> (u64, u64, u64) {
        (self.removed + self.absent + self.left, self.removed, 0)
    }

    fn enter(&self, _: &mut RunReport) -> Result<()> {
        self.verdict()
    }
}
