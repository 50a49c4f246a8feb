//! Flex = mapped? Every asset of the run is read back and compared with what was mapped, field by field. What is
//! expected waits in a temporary database on disk, so memory holds one page of assets at a time, however many there are.

mod shelf;

use std::time::Instant;

use futures::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::shelf::Shelf;
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::flex::{Asset, Expected, FlexClient, Instance, instance};

/// Assets read with one request.
const PAGE: usize = 500;
/// Assets expected that are put on the shelf at a time.
const PORTION: usize = 1_000;
/// Assets read one by one at the same time.
const AT_ONCE: usize = 16;
/// Differences that a report lists.
const MOST_LISTED: usize = 100;
/// How a difference of the asset's own name is called; no metadata field can have a space.
const ASSET_NAME: &str = "asset name";

/// What reading Flex back found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReconcileReport {
    /// The target's name.
    pub target: String,
    /// Assets expected: equal, different and missing together.
    pub checked: u64,
    /// Assets that hold exactly what was mapped.
    pub equal: u64,
    /// Assets of which at least one field differs.
    pub different: u64,
    /// Assets that the ledger knows and the target does not list.
    pub missing: u64,
    /// Other assets with the uuid or external id of one of ours.
    pub duplicates: u64,
    /// The first hundred fields that differ.
    pub fields: Vec<FieldDifference>,
    /// The first hundred missing assets.
    pub missing_assets: Vec<Named>,
    /// The first hundred duplicates: their own id with the source key of ours.
    pub duplicate_assets: Vec<Named>,
    /// Seconds.
    pub seconds: f64,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// The key in the source.
    pub source_key: String,
    /// The target's id.
    pub id: i64,
    /// The field's name (`asset name` for the asset's own).
    pub field: String,
    /// What was mapped; null for a field that should not be there.
    pub expected: Value,
    /// What the target holds; null for a field that is missing.
    pub found: Value,
}

/// An asset by both its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The key in the source.
    pub source_key: String,
    /// The target's id.
    pub id: i64,
}

/// Reads back every asset of `expected` (or `sample` of them, the same ones each time) and compares it.
///
/// # Errors
/// When the target or the expected assets cannot be read, when the target's pages do not add up, or when `cancel`
/// fires. Differences are in the report.
pub async fn run(
    client: &FlexClient,
    target: &str,
    expected: impl Stream<Item = Result<Expected>>,
    sample: Option<u64>,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<ReconcileReport> {
    let started = Instant::now();
    let shelf = Shelf::new()?;
    let mut portions = std::pin::pin!(expected.try_chunks(PORTION));
    while let Some(portion) = portions.try_next().await.map_err(|broken| broken.1)? {
        stop_if(cancel)?;
        shelf.put(portion).await?;
    }
    let mut report = ReconcileReport { target: target.to_owned(), ..ReconcileReport::default() };
    match sample {
        None => read_all(client, &shelf, &mut report, progress, cancel).await?,
        Some(most) => read_some(client, &shelf, most, &mut report, progress, cancel).await?,
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

async fn read_all(
    client: &FlexClient,
    shelf: &Shelf,
    report: &mut ReconcileReport,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<()> {
    report.checked = shelf.count().await?;
    progress.expect(report.checked);
    let mut pages = client.assets(PAGE);
    while let Some(page) = pages.next().await? {
        stop_if(cancel)?;
        let mut expected = shelf.take(page.iter().map(|asset| asset.id).collect()).await?;
        let (ours, others): (Vec<Asset>, Vec<Asset>) =
            page.into_iter().partition(|asset| expected.contains_key(&asset.id));
        for twin in shelf.twins(others).await? {
            report.duplicates += 1;
            list(&mut report.duplicate_assets, twin);
        }
        progress.advance(ours.len() as u64, 0);
        for (asset, found) in with_instances(client, ours).await? {
            if let Some(expected) = expected.remove(&asset.id) {
                report.compare(&expected, &asset, &found);
            }
        }
    }
    let (missing, first) = shelf.left(MOST_LISTED).await?;
    report.missing = missing;
    report.missing_assets = first;
    Ok(())
}

async fn read_some(
    client: &FlexClient,
    shelf: &Shelf,
    most: u64,
    report: &mut ReconcileReport,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<()> {
    let sample = shelf.sample(most).await?;
    report.checked = sample.len() as u64;
    progress.expect(report.checked);
    for portion in sample.chunks(AT_ONCE) {
        stop_if(cancel)?;
        let mut expected = shelf.take(portion.to_vec()).await?;
        let assets = futures::future::try_join_all(portion.iter().map(|id| client.asset(*id))).await?;
        for (asset, found) in with_instances(client, assets.into_iter().flatten().collect()).await? {
            if let Some(expected) = expected.remove(&asset.id) {
                report.compare(&expected, &asset, &found);
            }
        }
        progress.advance(portion.len() as u64, 0);
        for (id, gone) in expected {
            report.missing += 1;
            list(&mut report.missing_assets, Named { source_key: gone.source_key, id });
        }
    }
    Ok(())
}

/// The instances as they came with the assets; those that did not are read one by one.
async fn with_instances(client: &FlexClient, assets: Vec<Asset>) -> Result<Vec<(Asset, Instance)>> {
    let reads = assets.into_iter().map(|mut asset| async move {
        let given = asset.metadata.take().and_then(|metadata| metadata.instance);
        let instance = match given {
            Some(instance) => instance,
            None => client.metadata(asset.id).await?.unwrap_or_default(),
        };
        Ok((asset, instance))
    });
    futures::stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

fn stop_if(cancel: &CancellationToken) -> Result<()> {
    if cancel.is_cancelled() { Err(Error::Interrupted { signal: 2 }) } else { Ok(()) }
}

fn list<T>(listed: &mut Vec<T>, item: T) {
    if listed.len() < MOST_LISTED {
        listed.push(item);
    }
}

impl ReconcileReport {
    fn compare(&mut self, expected: &Expected, asset: &Asset, found: &Instance) {
        let mut differences = Vec::new();
        if asset.name.as_deref() != Some(&expected.name) {
            differences.push((ASSET_NAME.to_owned(), json!(expected.name), json!(asset.name)));
        }
        for difference in instance::differences(&expected.instance, found) {
            let (ours, theirs) = (difference.expected.unwrap_or_default(), difference.found.unwrap_or_default());
            differences.push((difference.field, ours, theirs));
        }
        if differences.is_empty() {
            self.equal += 1;
            return;
        }
        self.different += 1;
        for (field, ours, theirs) in differences {
            let source_key = expected.source_key.clone();
            list(&mut self.fields, FieldDifference { source_key, id: asset.id, field, expected: ours, found: theirs });
        }
    }

    /// # Errors
    /// [`Error::Mismatch`] naming the first differences, unless the target holds exactly what was mapped.
    pub fn require_equal(&self) -> Result<()> {
        if self.different == 0 && self.missing == 0 && self.duplicates == 0 {
            return Ok(());
        }
        let mut message = format!(
            "of {} assets {} differ, {} are missing, {} have a duplicate",
            self.checked, self.different, self.missing, self.duplicates
        );
        for difference in self.fields.iter().take(5) {
            let FieldDifference { source_key, id, field, expected, found } = difference;
            message.push_str(&format!("\n  {source_key} (asset {id}) {field}: expected {expected}, found {found}"));
        }
        for asset in self.missing_assets.iter().take(5) {
            message.push_str(&format!("\n  {} (asset {}) is missing", asset.source_key, asset.id));
        }
        for asset in self.duplicate_assets.iter().take(5) {
            message.push_str(&format!("\n  {} is there a second time as asset {}", asset.source_key, asset.id));
        }
        Err(Error::Mismatch { what: format!("reconcile with {}", self.target), message })
    }
}
