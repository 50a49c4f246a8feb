//! A ledger that was lost is made anew from what the target holds: every asset is read, matched with the rows to be loaded
//! and compared with them. Nothing is written to the target.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::found::{Asset, Found};
use super::ledger::{Found as Restored, Intent};
use super::reference::{self, Resolved};
use super::row::Row;
use super::{Bound, Load, uuid_of};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::flex::{self, Instance, instance};

/// Assets read with one request.
const PAGE: usize = 500;
/// Instances read one by one at the same time, where the list does not give them.
const AT_ONCE: usize = 16;
/// Assets that a report names of each kind.
const MOST_NAMED: usize = 100;
/// The ledger's key for how far a rebuild has come, with [`BEGUN`] or [`ENDED`].
const REBUILD: &str = "rebuild";
const BEGUN: &str = "begun";
const ENDED: &str = "ended";
/// Stands for the run that created an asset, which nobody knows any more. No run can have this id.
const UNKNOWN_RUN: &str = "(rebuilt)";

/// What a rebuild found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RebuildReport {
    /// The target's name.
    pub target: String,
    /// Where it is.
    pub url: String,
    /// The run whose rows were looked for.
    pub run: String,
    /// The file of the former ledger, where one was put aside.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aside: Option<String>,
    /// Assets that the target listed.
    pub listed: u64,
    /// Rows to be loaded.
    pub rows: u64,
    /// Assets that hold what their row says.
    pub equal: u64,
    /// Assets that do not; the next load writes them again.
    pub different: u64,
    /// Rows without an asset; the next load creates it.
    pub missing: u64,
    /// Rows for which several assets stand. They are held, and looked up again by the next load.
    pub duplicates: u64,
    /// The first hundred of them.
    pub duplicate_assets: Vec<Doubled>,
    /// Assets that have an external id of ours and stand for no row.
    pub strangers: u64,
    /// The first hundred of them.
    pub stranger_assets: Vec<Stranger>,
    /// Seconds.
    pub seconds: f64,
}

/// A row for which several assets stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubled {
    /// The key in the source.
    pub source_key: String,
    /// The target's ids.
    pub ids: Vec<i64>,
}

/// An asset with an external id of ours that stands for no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// The target's id.
    pub id: i64,
    /// Its name.
    pub name: Option<String>,
    /// The value of the external id.
    pub external_id: String,
}

impl Load {
    /// Enters every asset of the target that a row of the run stands for into the ledger, which must know of none: complete
    /// where the target holds what the row says, else to be written again. All of it is durable when it returns; a ledger
    /// whose rebuild was broken off is refused by plans and loads, and the same call goes on.
    ///
    /// # Errors
    /// [`Error::Preflight`] when the ledger knows assets. When the target, the datasets or the ledger cannot be read or
    /// written. Duplicates are in the report.
    pub async fn rebuild(&self, progress: &Progress, cancel: &CancellationToken) -> Result<RebuildReport> {
        let started = Instant::now();
        let broken_off = self.ledger.recall(REBUILD).await?.as_deref() == Some(BEGUN);
        if !broken_off && !self.ledger.is_blank().await? {
            let (path, assets) = (self.ledger.path().display(), self.ledger.tally().await?.assets);
            return Err(Error::preflight(format!(
                "the ledger {path} knows {assets} assets, so there is nothing to rebuild. With --force it is put aside (never \
                 deleted) and begun anew; what it alone knows, such as which run created what, is then lost"
            )));
        }
        let mut report = RebuildReport {
            target: self.config.target.clone(),
            url: self.client.base_url().to_owned(),
            run: self.run.id().to_owned(),
            ..RebuildReport::default()
        };
        let mut found = self.wanted(&mut report).await?;
        self.scan(&mut found, &mut report, progress, cancel).await?;
        self.ledger.remember(REBUILD, BEGUN).await?;
        for bound in &self.bound {
            let mut batches = bound.batches().await?;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                stop_if(cancel)?;
                let rows = bound.shape.rows(&batch)?.into_iter().map(|(_, row)| row).collect();
                self.enter(bound, rows, &found, &mut report).await?;
            }
        }
        self.ledger.remember(REBUILD, ENDED).await?;
        self.checkpoint().await?;
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// # Errors
    /// [`Error::Preflight`] when a rebuild of the ledger was begun and did not come to its end: it knows some assets only.
    pub(super) async fn require_whole(&self) -> Result<()> {
        if self.ledger.recall(REBUILD).await?.as_deref() != Some(BEGUN) {
            return Ok(());
        }
        Err(Error::preflight(format!(
            "the ledger {} was rebuilt in part only; run `telecine ledger rebuild --target {}` to its end first",
            self.ledger.path().display(),
            self.config.target
        )))
    }

    /// All rows to be loaded.
    async fn wanted(&self, report: &mut RebuildReport) -> Result<Found> {
        let mut found = Found::new()?;
        for bound in &self.bound {
            let mut batches = bound.batches().await?;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                let rows = bound.shape.rows(&batch)?;
                report.rows += rows.len() as u64;
                let external = |row: &Row| self.config.external_id(row).map(|id| id.value);
                found.want(rows.into_iter().map(|(_, row)| {
                    let (uuid, external) = (uuid_of(&row.source_key), external(&row));
                    (row.source_key, uuid, external)
                }))?;
            }
        }
        Ok(found)
    }

    /// Reads all assets of the target and keeps those that stand for rows.
    async fn scan(
        &self,
        found: &mut Found,
        report: &mut RebuildReport,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<()> {
        progress.expect(report.rows);
        let mut pages = self.client.assets(PAGE);
        while let Some(page) = pages.next().await? {
            stop_if(cancel)?;
            let mut ours = Vec::new();
            for asset in page.into_iter().filter(|asset| !asset.deleted) {
                report.listed += 1;
                let externals = self.externals_of(&asset);
                match (found.key_of(asset.uuid.as_deref(), &externals)?, externals.into_iter().next()) {
                    (Some(key), _) => ours.push((key, asset)),
                    (None, Some(external_id)) => {
                        report.strangers += 1;
                        let stranger = Stranger { id: asset.id, name: asset.name, external_id };
                        list(&mut report.stranger_assets, stranger);
                    }
                    (None, None) => {}
                }
            }
            progress.advance(ours.len() as u64, 0);
            let read =
                ours.into_iter().map(|(key, asset)| async move { Ok::<_, Error>((key, self.whole(asset).await?)) });
            found.put(futures::stream::iter(read).buffered(AT_ONCE).try_collect().await?)?;
        }
        Ok(())
    }

    /// The values of the external ids that are ours by their key.
    fn externals_of(&self, asset: &flex::Asset) -> Vec<String> {
        if self.config.external_id_column.is_empty() {
            return Vec::new();
        }
        let ours = asset.external_ids.iter().flatten().filter(|id| id.key == self.config.external_id_key);
        ours.map(|id| id.value.clone()).collect()
    }

    async fn whole(&self, asset: flex::Asset) -> Result<Asset> {
        let instance = match asset.metadata.and_then(|metadata| metadata.instance) {
            Some(instance) => instance,
            None => self.client.metadata(asset.id).await?.unwrap_or_default(),
        };
        let instance = serde_json::Value::Object(instance).to_string();
        Ok(Asset { id: asset.id, name: asset.name.unwrap_or_default(), instance })
    }

    /// Enters the assets of these rows.
    async fn enter(&self, bound: &Bound, rows: Vec<Row>, found: &Found, report: &mut RebuildReport) -> Result<()> {
        let known = self.ledger.entries(rows.iter().map(|row| row.source_key.clone()).collect()).await?;
        let ids = found.ids(rows.iter().flat_map(|row| row.references.iter().cloned()))?;
        let (mut restored, mut doubled) = (Vec::new(), Vec::new());
        for row in rows {
            let is_new = !known.contains_key(&row.source_key);
            let mut assets = found.of(&row.source_key)?;
            match (assets.pop(), assets.is_empty()) {
                (None, _) => report.missing += 1,
                (Some(asset), true) => {
                    let resolved = Resolved::of(&row.links, &|key| ids.get(key).copied().map(reference::to));
                    let equal = holds(bound, &asset, &row, &resolved);
                    report.equal += u64::from(equal);
                    report.different += u64::from(!equal);
                    if is_new {
                        restored.push(self.restored(bound, &row, &asset, &resolved, equal));
                    }
                }
                (Some(asset), false) => {
                    report.duplicates += 1;
                    let ids: Vec<i64> = assets.iter().chain([&asset]).map(|asset| asset.id).collect();
                    list(
                        &mut report.duplicate_assets,
                        Doubled { source_key: row.source_key.clone(), ids: ids.clone() },
                    );
                    if is_new {
                        doubled.push((self.intent(bound, &row, row.name.clone(), row.payload), ids));
                    }
                }
            }
        }
        self.ledger.restore(restored).await?;
        for (intent, ids) in doubled {
            let key = intent.source_key.clone();
            let message =
                format!("several assets of the target stand for it ({ids:?}); remove all but one, then load again");
            self.ledger.intend(vec![intent]).await?;
            self.ledger.unknown(&key, &message, None).await?;
        }
        Ok(())
    }

    fn restored(&self, bound: &Bound, row: &Row, asset: &Asset, resolved: &Resolved, equal: bool) -> Restored {
        let has_links = bound.shape.has_references() && !row.references.is_empty();
        Restored {
            // No row has the hash of nothing, so one that differs is written again.
            intent: self.intent(bound, row, asset.name.clone(), if equal { row.payload } else { [0; 32] }),
            flex_id: asset.id,
            fields: equal.then(|| row.fields.clone()),
            linked: (equal && has_links).then(|| resolved.hash()),
            unresolved: if equal { resolved.unresolved } else { 0 },
        }
    }

    fn intent(&self, bound: &Bound, row: &Row, name: String, payload: [u8; 32]) -> Intent {
        Intent {
            source_key: row.source_key.clone(),
            query: bound.binding.query.clone(),
            uuid: row.uuid(),
            name,
            payload,
            run: UNKNOWN_RUN.to_owned(),
            request: None,
            made: None,
            fresh: true,
        }
    }
}

/// Whether the asset holds what the row says, references included.
fn holds(bound: &Bound, asset: &Asset, row: &Row, resolved: &Resolved) -> bool {
    let expected: Instance = serde_json::from_slice(&resolved.append(&row.values)).unwrap_or_default();
    let found: Instance = serde_json::from_str(&asset.instance).unwrap_or_default();
    asset.name == row.name && instance::differences_in(&bound.definition.fields, &expected, &found).is_empty()
}

fn stop_if(cancel: &CancellationToken) -> Result<()> {
    if cancel.is_cancelled() { Err(Error::Interrupted { signal: 2 }) } else { Ok(()) }
}

fn list<T>(listed: &mut Vec<T>, item: T) {
    if listed.len() < MOST_NAMED {
        listed.push(item);
    }
}

impl RebuildReport {
    /// # Errors
    /// [`Error::Mismatch`] with the first rows for which several assets stand.
    pub fn verdict(&self) -> Result<()> {
        if self.duplicates == 0 {
            return Ok(());
        }
        let named = self
            .duplicate_assets
            .iter()
            .take(5)
            .map(|doubled| format!("\n  {}: {:?}", doubled.source_key, doubled.ids));
        Err(Error::Mismatch {
            what: format!("rebuilding the ledger of {}", self.target),
            message: format!("several assets stand for each of {} rows{}", self.duplicates, named.collect::<String>()),
        })
    }
}
