//! Flex = mapped? Every asset of the run is read back and compared with what was mapped, field by field. What is
//! expected waits in a temporary database on disk, and findings go to Parquet while they are found, so memory holds a few
//! pages of assets at a time, however many there are.

mod compare;
mod findings;
mod report;
mod shelf;

use std::time::Instant;

use futures::{Stream, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use self::findings::{Finding, Findings};
use self::report::list;
pub use self::report::{FieldDifference, Named, ReconcileReport};
use self::shelf::{Shelf, Stray};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::flex::{Asset, Definition, Expected, Field, FlexClient, Instance};
use crate::staging::RunFolder;

/// Assets read with one request.
const PAGE: usize = 500;
/// Rows that are put on the shelf, or taken from it, at a time.
const PORTION: usize = 1_000;
/// Assets or instances that are asked for one by one at the same time, at most.
const AT_ONCE: usize = 64;

/// What is read back, and how.
#[derive(Debug, Clone)]
pub struct Reconcile<'a> {
    /// The target's client.
    pub client: &'a FlexClient,
    /// The target's name.
    pub target: &'a str,
    /// The key of our external ids: an asset that carries it is one of ours. `None` where none are used.
    pub external_id_key: Option<&'a str>,
    /// The definitions of what is expected: they say which fields hold dates.
    pub definitions: Vec<&'a Definition>,
    /// The run whose folder takes the findings.
    pub run: &'a RunFolder,
    /// Reads so many assets only, the same ones each time, of all definitions and types. Extra assets are not looked for then.
    pub sample: Option<u64>,
}

/// Reads back every asset of `expected` and compares it. `known` are all assets that we ever made, id and source key: of
/// those that are not expected any more the target is to hold none, and what it holds is named. When it returns, all findings are durable in the dataset
/// `_reconcile` of the run.
///
/// # Errors
/// When the target or the expected assets cannot be read, when the target's lists cannot be proven to be whole, when the
/// findings cannot be written, or when `cancel` fires. Differences are in the report.
pub async fn run(
    job: &Reconcile<'_>,
    expected: impl Stream<Item = Result<Expected>>,
    known: impl Stream<Item = Result<(i64, String)>>,
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
    if job.sample.is_none() {
        let mut portions = std::pin::pin!(known.try_chunks(PORTION));
        while let Some(portion) = portions.try_next().await.map_err(|broken| broken.1)? {
            stop_if(cancel)?;
            shelf.put_known(portion).await?;
        }
    }
    let report = ReconcileReport { target: job.target.to_owned(), ..ReconcileReport::default() };
    let mut reading = Reading { job, shelf, report, findings: Findings::begin(job.run).await?, progress, cancel };
    match job.sample {
        None => reading.all().await?,
        Some(most) => reading.some(most).await?,
    }
    let Reading { mut report, findings, .. } = reading;
    report.findings = findings.commit().await?;
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

struct Reading<'a> {
    job: &'a Reconcile<'a>,
    shelf: Shelf,
    report: ReconcileReport,
    findings: Findings,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
}

impl Reading<'_> {
    async fn all(&mut self) -> Result<()> {
        self.report.checked = self.shelf.count().await?;
        self.progress.expect(self.report.checked);
        let mut pages = self.job.client.assets(PAGE);
        while let Some(mut page) = pages.next().await? {
            stop_if(self.cancel)?;
            // A server that lists what is in the bin does not hold it.
            page.retain(|asset| !asset.deleted);
            let mut expected = self.shelf.take(page.iter().map(|asset| asset.id).collect()).await?;
            let (ours, others): (Vec<Asset>, Vec<Asset>) =
                page.into_iter().partition(|asset| expected.contains_key(&asset.id));
            for stray in self.shelf.strays(others, self.job.external_id_key).await? {
                self.stray(stray).await?;
            }
            self.progress.advance(ours.len() as u64, 0);
            for (asset, found) in with_instances(self.job.client, ours).await? {
                if let Some(expected) = expected.remove(&asset.id) {
                    self.compare(&expected, &asset, &found).await?;
                }
            }
        }
        self.unseen(false).await
    }

    async fn some(&mut self, most: u64) -> Result<()> {
        let sample = self.shelf.sample(most).await?;
        self.report.checked = sample.len() as u64;
        self.progress.expect(self.report.checked);
        for portion in sample.chunks(PORTION) {
            stop_if(self.cancel)?;
            let mut expected = self.shelf.take(portion.to_vec()).await?;
            let reads = portion.iter().map(|id| self.job.client.asset(*id));
            let reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE);
            let assets: Vec<Option<Asset>> = reads.try_collect().await?;
            let there = assets.into_iter().flatten().filter(|asset| !asset.deleted).collect();
            for (asset, found) in with_instances(self.job.client, there).await? {
                if let Some(expected) = expected.remove(&asset.id) {
                    self.compare(&expected, &asset, &found).await?;
                }
            }
            self.progress.advance(portion.len() as u64, 0);
            let mut gone: Vec<_> = expected.into_iter().collect();
            gone.sort_unstable_by_key(|(id, _)| *id);
            for (id, gone) in gone {
                self.missing(gone.source_key, id, gone.definition).await?;
            }
        }
        self.unseen(true).await
    }

    async fn compare(&mut self, expected: &Expected, asset: &Asset, found: &Instance) -> Result<()> {
        let definition = self.job.definitions.iter().find(|definition| definition.id == expected.definition);
        let fields: &[Field] = definition.map_or(&[], |definition| &definition.fields);
        let differences = compare::compare(expected, asset, found, self.job.client.create_fields(), fields);
        if differences.is_empty() {
            self.report.equal += 1;
            return Ok(());
        }
        self.report.different += 1;
        for difference in differences {
            let FieldDifference { source_key, id, kind, field, expected: ours, found } = difference.clone();
            self.findings
                .add(Finding {
                    source_key,
                    flex_id: Some(id),
                    definition: Some(expected.definition),
                    kind,
                    field: Some(field),
                    expected: Some(ours.to_string()),
                    found: Some(found.to_string()),
                })
                .await?;
            list(&mut self.report.fields, difference);
        }
        Ok(())
    }

    async fn stray(&mut self, stray: Stray) -> Result<()> {
        let (count, listed, named, kind) = match stray {
            Stray::Duplicate(named) => {
                (&mut self.report.duplicates, &mut self.report.duplicate_assets, named, "duplicate")
            }
            Stray::Extra(named) => (&mut self.report.extra, &mut self.report.extra_assets, named, "extra"),
            Stray::Other => {
                self.report.others += 1;
                return Ok(());
            }
        };
        *count += 1;
        list(listed, named.clone());
        let Named { source_key, id } = named;
        let kind = kind.to_owned();
        self.findings.add(Finding { source_key, flex_id: Some(id), kind, ..Finding::default() }).await
    }

    async fn missing(&mut self, source_key: String, id: i64, definition: i64) -> Result<()> {
        self.report.missing += 1;
        list(&mut self.report.missing_assets, Named { source_key: source_key.clone(), id });
        let (flex_id, definition, kind) = (Some(id), Some(definition), "missing".to_owned());
        self.findings.add(Finding { source_key, flex_id, definition, kind, ..Finding::default() }).await
    }

    /// Rows whose asset was not seen, and rows that have none.
    async fn unseen(&mut self, only_without_asset: bool) -> Result<()> {
        let mut place = 0;
        loop {
            stop_if(self.cancel)?;
            let rows = self.shelf.unseen(place, PORTION, only_without_asset).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            place = last.place;
            for row in rows {
                if let Some(id) = row.id {
                    self.missing(row.source_key, id, row.definition).await?;
                    continue;
                }
                self.report.not_loaded += 1;
                list(&mut self.report.not_loaded_rows, row.source_key.clone());
                let (definition, kind) = (Some(row.definition), "not loaded".to_owned());
                let finding = Finding { source_key: row.source_key, definition, kind, ..Finding::default() };
                self.findings.add(finding).await?;
            }
        }
    }
}

/// The instances as they came with the assets; those that did not are read one by one. In no order.
async fn with_instances(client: &FlexClient, assets: Vec<Asset>) -> Result<Vec<(Asset, Instance)>> {
    let reads = assets.into_iter().map(|mut asset| async move {
        let given = asset.metadata.as_mut().and_then(|metadata| metadata.instance.take());
        let instance = match given {
            Some(instance) => instance,
            None => client.metadata(asset.id).await?.unwrap_or_default(),
        };
        Ok((asset, instance))
    });
    futures::stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await
}

fn stop_if(cancel: &CancellationToken) -> Result<()> {
    if cancel.is_cancelled() { Err(Error::Interrupted { signal: 2 }) } else { Ok(()) }
}
