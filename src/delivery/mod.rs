//! The delivery: JSON documents between buckets, the last leg of the way.
//!
//! ```text
//! source of truth ──copy──▶ {area}/objects/{key} ──sanitise──▶ {area}/documents/{safe key}
//!                                     {area}/quarantine/{delivery}/… ◀──purge──┤
//!                          {staging}/deliveries/{delivery}/conflicts ◀──conflicts──┤
//!             {staging}/deliveries/{delivery}/transform/documents/… ◀──transform──┤
//!                                                          └──────publish──────┴──▶ a target's hot folder
//! ```
//! The source is only read: its handle is a [`bucket::ReadOnly`]. Each step leaves a record in the staging area, a dataset
//! below `deliveries/{id}/` with a manifest, and reads those of the steps before it. A step that was broken off goes on; one
//! that is done is not done again; what is there already is not sent again.

pub mod bucket;
mod conflicts;
mod copy;
mod declared;
mod examine;
mod inventory;
pub mod names;
mod publish;
mod purge;
mod raw;
mod record;
mod sanitise;
mod transfer;
mod transform;
mod uploads;

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::bucket::{Bucket, Reach, ReadOnly};
pub use self::conflicts::{Blocks, Conflict, ConflictsConfig, GroupConfig};
use self::transfer::Transferred;
pub use self::transform::look;
pub use self::uploads::orphans;
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::staging::{Manifest, Requests, RunFolder, S3Settings, StagingArea};
use crate::transform::{Definitions, TransformConfig};

/// Folders of the area.
const OBJECTS: &str = "objects";
const DOCUMENTS: &str = "documents";
const QUARANTINE: &str = "quarantine";
/// Records.
const COPIED: &str = "copied";
const NAMES: &str = "names";
const SANITISED: &str = "sanitised";
const PURGED: &str = "purged";
/// The file of a delivery that says when it was begun.
const BEGUN_FILE: &str = "delivery.json";
/// The report of a delivery, kept after each step.
pub const REPORT_FILE: &str = "report.json";
/// Objects that a report names.
const MOST_NAMED: usize = 20;

/// What a record was made from.
type Inputs = BTreeMap<String, String>;

/// `[deliver]`.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// The source of truth: `s3://bucket/prefix` or a folder. Only read.
    pub source: String,
    /// The transformation area.
    pub area: String,
    /// Objects under way at the same time.
    pub max_in_flight: usize,
    /// The largest share of the inventory that a purge may move, from 0 to 1.
    pub purge_cap: f64,
    /// What documents are held to, and which conflicts block.
    pub conflicts: ConflictsConfig,
    /// The hot folders by name.
    pub publish: BTreeMap<String, PublishTarget>,
    /// How buckets are reached.
    pub s3: S3Settings,
}

/// `[deliver.publish.NAME]`: a hot folder.
#[derive(Debug, Clone)]
pub struct PublishTarget {
    /// `s3://bucket/prefix` or a folder.
    pub url: String,
    /// Whether a publication asks for `--yes` and for another target that is verified.
    pub production: bool,
    /// The target that must have been published and verified before; any that is not production where `None`.
    pub after: Option<String>,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From the source of truth to the area.
    Copy,
    /// Names that a hot folder takes.
    Sanitise,
    /// Documents that rules leave out.
    Purge,
    /// What documents hold against what they are to hold.
    Conflicts,
    /// Documents into the target's form, by SQL.
    Transform,
    /// Into the hot folders.
    Publish,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 6] =
        [Self::Copy, Self::Sanitise, Self::Purge, Self::Conflicts, Self::Transform, Self::Publish];

    /// The word on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Sanitise => "sanitise",
            Self::Purge => "purge",
            Self::Conflicts => "conflicts",
            Self::Transform => "transform",
            Self::Publish => "publish",
        }
    }
}

/// What one call says of a delivery, beside the settings.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Production may be published, and what is in quarantine may be deleted.
    pub yes: bool,
    /// The one target to publish to; all that are not production where `None`.
    pub target: Option<String>,
    /// Put documents in the place of others of the same name.
    pub replace: bool,
    /// Bring back what the purge of this delivery has moved.
    pub restore: bool,
    /// Delete what the purge of this delivery has moved.
    pub delete: bool,
}

/// What a step has done, or would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step, with its target where it has one.
    pub step: String,
    /// Objects that the step was about.
    pub objects: u64,
    /// How many of them came to what; for a plan, how many would.
    pub counts: BTreeMap<String, u64>,
    /// What needs a look, the first of them.
    pub problems: Vec<Problem>,
    /// Problems in all.
    pub problems_in_all: u64,
    /// Conflicts, the first of them, those that block before others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Whether every object is accounted for.
    pub balanced: bool,
    /// Whether nothing was done because all was done before.
    pub kept: bool,
    /// Whether this is only a plan.
    pub dry_run: bool,
    /// Seconds it took.
    pub seconds: f64,
    /// What a hot folder holds of the delivery, as one hash of all names, sizes and hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The record; none for a plan.
    pub record: Option<String>,
    /// What it sent to buckets, the staging area's among them; none where no place is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
}

/// An object that needs a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The object's key.
    pub key: String,
    /// What is the matter.
    pub reason: String,
}

/// The report of a delivery.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// The delivery's id.
    pub delivery: String,
    /// The source of truth.
    pub source: String,
    /// The transformation area.
    pub area: String,
    /// The steps in the order in which they were last done.
    pub steps: Vec<StepReport>,
    /// Whether a pass over all steps came to its end.
    pub finished: bool,
}

impl DeliveryReport {
    /// An error where something needs a look.
    ///
    /// # Errors
    /// [`Error::Mismatch`] naming steps and the first objects.
    pub fn verdict(&self) -> Result<()> {
        let unclean = self.steps.iter().filter(|step| step.problems_in_all > 0 || !step.balanced);
        let lines: Vec<String> = unclean.map(StepReport::complaint).collect();
        if lines.is_empty() {
            return Ok(());
        }
        Err(Error::Mismatch { what: format!("delivery {}", self.delivery), message: lines.join("\n") })
    }
}

impl StepReport {
    fn complaint(&self) -> String {
        let balance = if self.balanced { "" } else { "; its balance does not close" };
        let first =
            self.problems.first().map_or(String::new(), |first| format!(", first {:?}: {}", first.key, first.reason));
        format!("{}: {} objects need a look{balance}{first}", self.step, self.problems_in_all)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    delivery: String,
    /// RFC 3339, to the microsecond, in UTC: sorts in order of time.
    begun: String,
}

/// All deliveries of an area, the oldest first.
///
/// # Errors
/// When the area cannot be read.
pub async fn deliveries(area: &StagingArea) -> Result<Vec<RunFolder>> {
    let mut found = Vec::new();
    for id in area.deliveries().await? {
        let folder = area.delivery(&id);
        if let Some(begun) = folder.get_json::<Begun>(BEGUN_FILE).await? {
            found.push((begun.begun, id, folder));
        }
    }
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    Ok(found.into_iter().map(|(_, _, folder)| folder).collect())
}

/// Begins a delivery, unless it was begun before.
///
/// # Errors
/// When the area cannot be written.
pub async fn begin(folder: &RunFolder, now: DateTime<Utc>) -> Result<()> {
    if folder.get_json::<Begun>(BEGUN_FILE).await?.is_none() {
        let begun = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        folder.put_json(BEGUN_FILE, &Begun { delivery: folder.id().to_owned(), begun }).await?;
    }
    Ok(())
}

/// One delivery.
#[derive(Debug)]
pub struct Delivery {
    config: DeliveryConfig,
    folder: RunFolder,
    /// How places are opened.
    reach: Reach,
    source: ReadOnly,
    area: Bucket,
    /// The project, the memory and the threads of queries.
    sql: TransformConfig,
    bound: Bound,
    dry_run: bool,
    yes: bool,
    cancel: CancellationToken,
}

/// What queries over documents feed.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    /// The definition that names the documents of a query, by query.
    pub definitions: BTreeMap<String, String>,
    /// The definitions that rows are held to, where they are known.
    pub known: Definitions,
}

impl Delivery {
    /// The delivery in `folder`. Nothing is asked of the buckets yet.
    ///
    /// # Errors
    /// When a place cannot be, or would be written where the source of truth is.
    pub fn open(
        config: DeliveryConfig,
        sql: TransformConfig,
        bound: Bound,
        folder: RunFolder,
        wish: &Wish,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let reach = Reach::new(config.s3.clone(), folder.clone());
        let source = ReadOnly::open(&config.source, &reach)?;
        let area = Bucket::open(&config.area, &reach)?;
        let mut problems = Vec::new();
        if source.overlaps(area.reader()) {
            problems
                .push("deliver.area: lies in the source of truth or holds it, which is never written to".to_owned());
        }
        for (name, target) in &config.publish {
            let place = ReadOnly::open(&target.url, &reach)?;
            if place.overlaps(&source) || place.overlaps(area.reader()) {
                problems
                    .push(format!("deliver.publish.{name}.url: lies in the source of truth or the area, or holds it"));
            }
        }
        if !problems.is_empty() {
            return Err(Error::Config { problems });
        }
        conflicts::require_definitions(&config.conflicts)?;
        Ok(Self { config, folder, reach, source, area, sql, bound, dry_run: wish.dry_run, yes: wish.yes, cancel })
    }

    /// The steps of a pass over all: documents are only transformed where the project has queries for them.
    pub fn steps(&self) -> Vec<Step> {
        let all = Step::ALL.into_iter();
        all.filter(|step| *step != Step::Transform || transform::is_wanted(self)).collect()
    }

    /// Does one step, or says what it would do.
    ///
    /// # Errors
    /// When the step before it has no record, or a place fails; the same command goes on. What came of single objects is in
    /// the report.
    pub async fn step(&self, step: Step, wish: &Wish, progress: &Progress) -> Result<Vec<StepReport>> {
        let (start, before) = (Instant::now(), self.requests());
        let reports = match step {
            Step::Copy => vec![copy::run(self, progress).await?],
            Step::Sanitise => vec![sanitise::run(self, progress).await?],
            Step::Purge => vec![purge::run(self, wish, progress).await?],
            Step::Conflicts => vec![conflicts::run(self, progress).await?],
            Step::Transform => vec![transform::run(self, progress).await?],
            Step::Publish => publish::run(self, wish, progress).await?,
        };
        let (seconds, sent) = (start.elapsed().as_secs_f64(), self.sent_since(&before));
        let told = reports.into_iter().map(|report| StepReport {
            seconds,
            // Of several targets each tells its own.
            requests: report.requests.or(sent),
            ..report
        });
        Ok(told.collect())
    }

    /// What was sent to buckets so far.
    fn requests(&self) -> Requests {
        self.reach.counter().requests().and(&self.folder.area().requests().unwrap_or_default())
    }

    fn sent_since(&self, before: &Requests) -> Option<Requests> {
        Some(self.requests().since(before)).filter(|sent| sent.total() > 0)
    }

    /// The report so far, empty at first.
    ///
    /// # Errors
    /// [`Error::Preflight`] where the delivery is one between other places. When it cannot be read.
    pub async fn report(&self) -> Result<DeliveryReport> {
        let (source, area) = (self.source.url(), self.area.reader().url());
        let before: Option<DeliveryReport> = self.folder.get_json(REPORT_FILE).await?;
        if let Some(other) = before.as_ref().filter(|before| before.source != source || before.area != area) {
            return Err(Error::preflight(format!(
                "delivery {} is from {} to {}, and the settings say from {source} to {area}; correct deliver.source and \
                 deliver.area, or begin another with --delivery ID",
                self.folder.id(),
                other.source,
                other.area
            )));
        }
        let delivery = self.folder.id().to_owned();
        Ok(before.unwrap_or(DeliveryReport { delivery, source, area, ..DeliveryReport::default() }))
    }

    /// Enters a step in place of what it did before, and keeps the report.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn note(&self, report: &mut DeliveryReport, step: StepReport) -> Result<()> {
        report.steps.retain(|before| before.step != step.step);
        report.steps.push(step);
        self.keep(report).await
    }

    /// Keeps the report.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn keep(&self, report: &DeliveryReport) -> Result<()> {
        if self.dry_run {
            return Ok(());
        }
        self.folder.put_json(REPORT_FILE, report).await
    }

    fn require_not_stopped(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::Interrupted { signal: 2 }) } else { Ok(()) }
    }

    /// The deliveries whose records say what was sent before: the last one before this, then this one.
    async fn former(&self) -> Result<Vec<RunFolder>> {
        let all = deliveries(self.folder.area()).await?;
        let before = all.into_iter().take_while(|other| other.id() != self.folder.id()).last();
        Ok(before.into_iter().chain([self.folder.clone()]).collect())
    }

    fn planned(&self, step: &str, objects: u64, counts: BTreeMap<String, u64>) -> StepReport {
        StepReport { step: step.to_owned(), objects, counts, balanced: true, dry_run: true, ..StepReport::default() }
    }

    async fn kept(&self, step: &str, manifest: Manifest) -> Result<StepReport> {
        let rows = manifest.rows;
        Ok(StepReport { kept: true, ..self.told(step, manifest, rows).await? })
    }

    /// The report of a step that sent objects, by its record.
    async fn told(&self, step: &str, manifest: Manifest, objects: u64) -> Result<StepReport> {
        let count = |what: &str| manifest.notes.get(what).copied().unwrap_or_default();
        let problems_in_all = count("failed") + count("different");
        let mut problems = Vec::new();
        if problems_in_all > 0 {
            let mut chunks = record::rows::<Transferred>(&self.folder, &manifest);
            while let Some(rows) = chunks.try_next().await?.filter(|_| problems.len() < MOST_NAMED) {
                let bad = rows.into_iter().filter(|row| !row.is_there());
                problems.extend(bad.map(|row| Problem { key: row.key, reason: row.reason.unwrap_or(row.outcome) }));
            }
            problems.truncate(MOST_NAMED);
        }
        let accounted: u64 = ["copied", "skipped", "failed", "different"].into_iter().map(count).sum();
        Ok(StepReport {
            step: step.to_owned(),
            objects,
            counts: manifest.notes.clone(),
            problems,
            problems_in_all,
            balanced: accounted == objects,
            record: Some(self.folder.query(&manifest.dataset).url()),
            ..StepReport::default()
        })
    }
}

/// 128 bits that tell parts of texts apart, so that many of them can be remembered in little.
fn hash128(parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_le_bytes(bytes)
}
