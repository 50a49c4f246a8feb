//! Documents that conflict with what they are to be, found before anything is made of them: what each group holds is found
//! from all of its documents and compared with the target's definition or with what queries declare of it, with the other
//! groups and with the delivery before.
//!
//! `survey` reads the documents, `shapes` is the record of what they hold, `contract` what they are to hold, `judge` compares
//! (with the contract in `held`), `forms` counts types, `proposal` says in SQL what would settle a conflict, `settings` which of
//! them block.

mod contract;
mod forms;
mod held;
mod judge;
mod proposal;
mod settings;
mod shapes;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use self::contract::Contracts;
use self::settings::{Against, Kind, Severity};
pub use self::settings::{Blocks, ConflictsConfig, GroupConfig};
use self::shapes::{Former, Shape};
use self::survey::{DEFECTS, Defect, Survey};
use super::publish::{self, Left};
use super::record::{self, CHUNK, Recording, Row, State};
use super::{Delivery, Inputs, MOST_NAMED, PURGED, Problem, SANITISED, StepReport};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::source::json::ROOT_PATH;
use crate::staging::Manifest;

/// The record's name, which is the step's.
const NAME: &str = "conflicts";
/// The file of SQL that would settle conflicts.
const PROPOSALS_FILE: &str = "proposals.sql";
/// What a survey counts; another number where it counts otherwise, so that what was kept is not taken for it.
const COUNTING: &str = "1";

/// Something that documents conflict with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The group: the folder of the documents.
    pub group: String,
    /// The path of the values; `$` is the document itself.
    #[serde(default)]
    pub path: String,
    /// In what way.
    pub kind: Kind,
    /// With what: `itself`, `definition NAME`, `declared FILE`, `group NAME`, `former DELIVERY`.
    #[serde(default)]
    pub against: String,
    /// What is wanted, or was.
    #[serde(default)]
    pub before: Option<String>,
    /// What is there.
    #[serde(default)]
    pub now: Option<String>,
    /// What comes of it.
    pub severity: Severity,
    /// How many values or documents it is about.
    #[serde(default)]
    pub count: u64,
    /// The object of the first of them: its key in the source.
    #[serde(default)]
    pub object: Option<String>,
    /// The number of the document in its object.
    #[serde(default)]
    pub document: Option<u64>,
    /// Bytes of the object's text before it.
    #[serde(default)]
    pub offset: Option<u64>,
    /// More about it.
    #[serde(default)]
    pub detail: Option<String>,
    /// SQL that would settle it.
    #[serde(default)]
    pub proposal: Option<String>,
}

impl Default for Conflict {
    fn default() -> Self {
        Self {
            group: String::new(),
            path: String::new(),
            kind: Kind::Mixed,
            against: String::new(),
            before: None,
            now: None,
            severity: Severity::Warning,
            count: 0,
            object: None,
            document: None,
            offset: None,
            detail: None,
            proposal: None,
        }
    }
}

impl Row for Conflict {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("group", DataType::Utf8),
        ("path", DataType::Utf8),
        ("kind", DataType::Utf8),
        ("against", DataType::Utf8),
        ("before", DataType::Utf8),
        ("now", DataType::Utf8),
        ("severity", DataType::Utf8),
        ("count", DataType::Int64),
        ("object", DataType::Utf8),
        ("document", DataType::Int64),
        ("offset", DataType::Int64),
        ("detail", DataType::Utf8),
        ("proposal", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![self.severity.word()]
    }
}

/// Refuses settings that name a definition of which there is no file.
///
/// # Errors
/// [`Error::Config`] with all of them.
pub(super) fn require_definitions(config: &ConflictsConfig) -> Result<()> {
    let mut problems = Vec::new();
    for group in config.groups.keys() {
        match contract::definition(config, group) {
            Ok(_) => {}
            Err(Error::Config { problems: more }) => problems.extend(more),
            Err(error) => return Err(error),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Config { problems }) }
}

/// Refuses to go on while conflicts of these documents block. Where nobody looked for any, that is told; `strict` is for whom
/// that is not enough.
///
/// # Errors
/// [`Error::Preflight`], unless the settings accept all conflicts.
pub(super) async fn require_settled(delivery: &Delivery, made_from: &Inputs, strict: bool) -> Result<()> {
    if delivery.config.conflicts.accept {
        return Ok(());
    }
    let id = delivery.folder.id();
    let look = format!("`telecine deliver conflicts --delivery {id}`");
    let Some(conflicts) = delivery.folder.query(NAME).manifest().await? else {
        let unknown = format!("nobody has looked for conflicts of these documents; {look} does");
        if strict {
            return Err(Error::preflight(unknown));
        }
        tracing::warn!("{unknown}");
        return Ok(());
    };
    let same = |name: &str| conflicts.inputs.get(name) == made_from.get(name);
    if !(same(SANITISED) && same(PURGED)) {
        return Err(Error::preflight(format!(
            "the documents have changed since conflicts were looked for; {look} looks again"
        )));
    }
    match conflicts.notes.get(Severity::Blocking.word()) {
        None | Some(0) => Ok(()),
        Some(blocking) => Err(Error::preflight(format!(
            "{blocking} conflicts of delivery {id} block; see {} and {PROPOSALS_FILE} beside it. Settle them, or say in \
             [deliver.conflicts] what blocks and what is allowed and run {look}, or set deliver.conflicts.accept = true",
            delivery.folder.query(NAME).url()
        ))),
    }
}

/// Reads all documents that are left after the purge and records in `shapes` what they hold, in `defects` those that cannot be
/// read, in `conflicts` what they conflict with, and SQL that would settle it in `proposals.sql`; all durable when it returns.
/// Documents are read once for the same definitions: other settings about what blocks, other queries or another former
/// delivery are judged from what was counted.
///
/// # Errors
/// When the purge has no record, a definition is unusable, or a place does not answer; the same command goes on.
pub(super) async fn run(delivery: &Delivery, progress: &Progress) -> Result<StepReport> {
    let left = publish::left(delivery).await?;
    let documents = left.documents;
    let contracts = contracts(delivery).await?;
    if delivery.dry_run {
        return Ok(delivery.planned(NAME, documents, [("would read".to_owned(), documents)].into()));
    }
    let made_from = left.made_from.clone();
    let (survey, defects) = surveyed(delivery, left, &contracts, progress).await?;
    let former = shapes::former(delivery).await?;
    let shapes = keep_shapes(delivery, &survey, &defects).await?;
    let mut inputs = made_from;
    inputs.insert(shapes::NAME.to_owned(), shapes.content());
    inputs.insert(DEFECTS.to_owned(), defects.content());
    inputs.insert("settings".to_owned(), format!("{:?}", delivery.config.conflicts));
    inputs.insert("definitions".to_owned(), contracts.hash.clone());
    let before = former.as_ref().map_or_else(String::new, |former| format!("{} {}", former.delivery, former.content));
    inputs.insert("former".to_owned(), before);
    let (manifest, kept) = match fresh::<Conflict>(delivery, NAME, inputs).await? {
        State::Done(manifest) => (*manifest, true),
        State::Open(recording) => {
            (record_all(delivery, recording, &survey, &contracts, former.as_ref(), &defects).await?, false)
        }
    };
    let balanced = survey.objects == documents;
    Ok(StepReport { kept, balanced, ..told(delivery, &manifest, &survey, documents).await? })
}

/// What each group is held to. The groups are known by the names of documents.
async fn contracts(delivery: &Delivery) -> Result<Contracts> {
    let config = &delivery.config.conflicts;
    let mut groups = BTreeSet::new();
    if config.definitions.is_dir() || !config.groups.is_empty() {
        let mut rows = publish::left(delivery).await?.rows;
        while let Some(rows) = rows.try_next().await? {
            groups.extend(rows.iter().map(|row| survey::group_of(&row.name).to_owned()));
        }
        for group in config.groups.keys().filter(|group| !groups.contains(*group)) {
            tracing::warn!("deliver.conflicts.{group}: no document is in such a folder");
        }
    }
    Contracts::read(config, &delivery.sql.project, &groups).await
}

async fn surveyed(
    delivery: &Delivery,
    left: Left,
    contracts: &Contracts,
    progress: &Progress,
) -> Result<(Survey, Manifest)> {
    let mut inputs = left.made_from.clone();
    inputs.insert("rules".to_owned(), contracts.rules.clone());
    inputs.insert("counting".to_owned(), COUNTING.to_owned());
    survey::take(delivery, left, inputs, contracts, progress).await
}

async fn keep_shapes(delivery: &Delivery, survey: &Survey, defects: &Manifest) -> Result<Manifest> {
    let mut inputs = defects.inputs.clone();
    inputs.insert(DEFECTS.to_owned(), defects.content());
    let mut recording = match fresh::<Shape>(delivery, shapes::NAME, inputs).await? {
        State::Done(manifest) => return Ok(*manifest),
        State::Open(recording) => recording,
    };
    for rows in shapes::of(survey).chunks(8 * CHUNK) {
        recording.append(rows).await?;
    }
    recording.finish::<Shape>().await
}

/// A record that is written at once: what a broken-off attempt left of it is nothing worth.
async fn fresh<T: Row>(delivery: &Delivery, name: &str, inputs: Inputs) -> Result<State> {
    match Recording::open::<T>(&delivery.folder, name, inputs.clone()).await? {
        State::Open(recording) if recording.parts() > 0 => {
            delivery.folder.query(name).discard().await?;
            Recording::open::<T>(&delivery.folder, name, inputs).await
        }
        state => Ok(state),
    }
}

async fn record_all(
    delivery: &Delivery,
    mut recording: Box<Recording>,
    survey: &Survey,
    contracts: &Contracts,
    former: Option<&Former>,
    defects: &Manifest,
) -> Result<Manifest> {
    let config = &delivery.config.conflicts;
    let judged = judge::judge(survey, contracts, former);
    let severe = |(against, conflict): judge::Told| Conflict {
        severity: config.severity(&conflict.group, &conflict.path, conflict.kind, against),
        ..conflict
    };
    let conflicts: Vec<Conflict> = judged.into_iter().map(severe).collect();
    let mut proposals = proposals(&conflicts);
    for rows in conflicts.chunks(8 * CHUNK) {
        recording.append(rows).await?;
    }
    let mut named = 0;
    let mut chunks = record::rows::<Defect>(&delivery.folder, defects);
    while let Some(rows) = chunks.try_next().await? {
        let rows: Vec<Conflict> = rows.into_iter().map(|defect| unparseable(config, defect)).collect();
        if named < MOST_NAMED {
            let first: Vec<Conflict> = rows.iter().take(MOST_NAMED - named).cloned().collect();
            named += first.len();
            proposals.push_str(&self::proposals(&first));
        }
        recording.append(&rows).await?;
    }
    delivery.folder.put_text(PROPOSALS_FILE, proposals).await?;
    recording.finish::<Conflict>().await
}

fn unparseable(config: &ConflictsConfig, defect: Defect) -> Conflict {
    let severity = config.severity(&defect.group, ROOT_PATH, Kind::Unparseable, Against::Itself);
    Conflict {
        path: ROOT_PATH.to_owned(),
        kind: Kind::Unparseable,
        against: Against::Itself.word().to_owned(),
        severity,
        count: 1,
        document: u64::try_from(defect.document).ok(),
        offset: defect.offset.and_then(|offset| u64::try_from(offset).ok()),
        proposal: Some(proposal::purge(&defect.key, &defect.reason)),
        now: Some(defect.reason),
        object: Some(defect.key),
        group: defect.group,
        ..Conflict::default()
    }
}

/// What would settle them, for people to take up or not.
fn proposals(conflicts: &[Conflict]) -> String {
    let mut text = String::new();
    for conflict in conflicts.iter().filter(|conflict| conflict.severity != Severity::Allowed) {
        if let Some(proposal) = conflict.proposal.as_ref() {
            let comment = format!("{}: {}", conflict.severity.word(), conflict.line()).replace(['\n', '\r'], " ");
            text.push_str(&format!("-- {comment}\n{proposal}\n\n"));
        }
    }
    text
}

impl Conflict {
    /// The conflict in a line, without what comes of it.
    pub fn line(&self) -> String {
        let Self { group, path, kind, against, count, .. } = self;
        let place = self.place().map_or_else(String::new, |place| format!(", first {place}"));
        format!("{group} {path}: {} ({against}): {}, {count} in all{place}", kind.word(), self.what())
    }

    /// What was wanted, what is there, and more about it.
    pub fn what(&self) -> String {
        let now = self.now.as_deref();
        let change = match (self.before.as_deref(), now) {
            (Some(before), Some(now)) => Some(format!("{before} → {now}")),
            (before, now) => before.or(now).map(str::to_owned),
        };
        [change.as_deref(), self.detail.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Where the first one is.
    pub fn place(&self) -> Option<String> {
        let object = self.object.as_ref()?;
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        Some(format!("{object} document {} offset {}", number(self.document), number(self.offset)))
    }
}

/// The report, by the record.
async fn told(delivery: &Delivery, manifest: &Manifest, survey: &Survey, objects: u64) -> Result<StepReport> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut first: BTreeMap<Severity, Vec<Conflict>> = BTreeMap::new();
    let mut chunks = record::rows::<Conflict>(&delivery.folder, manifest);
    while let Some(rows) = chunks.try_next().await? {
        for row in rows {
            *counts.entry(format!("{} {}", row.severity.word(), row.kind.word())).or_default() += 1;
            let named = first.entry(row.severity).or_default();
            if named.len() < MOST_NAMED && row.severity != Severity::Allowed {
                named.push(row);
            }
        }
    }
    let readable: u64 = survey.groups.values().map(|group| group.census.documents()).sum();
    counts.insert("documents".to_owned(), readable + survey.groups.values().map(|group| group.unreadable).sum::<u64>());
    counts.insert("groups".to_owned(), survey.groups.len() as u64);
    let blocking = first.get(&Severity::Blocking).map(Vec::as_slice).unwrap_or_default();
    let problem = |conflict: &Conflict| Problem {
        key: conflict.object.clone().unwrap_or_else(|| format!("{}/", conflict.group)),
        reason: conflict.line(),
    };
    Ok(StepReport {
        step: NAME.to_owned(),
        objects,
        counts,
        problems: blocking.iter().map(problem).collect(),
        problems_in_all: manifest.notes.get(Severity::Blocking.word()).copied().unwrap_or_default(),
        conflicts: first.into_values().flatten().collect(),
        record: Some(delivery.folder.query(NAME).url()),
        ..StepReport::default()
    })
}
