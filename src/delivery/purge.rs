//! Documents that are not delivered: found by rules in SQL, moved aside, brought back or deleted. The source of truth keeps
//! them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Fault};
use super::record::{self, Recording, Row, State};
use super::transfer::{Held, Item, Sent, Transfer, Transferred};
use super::{
    DOCUMENTS, Delivery, Inputs, NAMES, PURGED, Problem, QUARANTINE, SANITISED, StepReport, Wish, examine, inventory,
};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::staging::Manifest;
use crate::transform;

/// The folder of rules within the project.
const RULES: &str = "deliver/purge";
/// Documents deleted with a call.
const DELETED_AT_ONCE: usize = 1_000;

/// A document that a rule found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Purged {
    pub(super) key: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    etag: String,
    /// `quarantined` or `failed`.
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    failure: Option<String>,
}

impl Row for Purged {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("key", DataType::Utf8),
        ("name", DataType::Utf8),
        ("rule", DataType::Utf8),
        ("reason", DataType::Utf8),
        ("size", DataType::Int64),
        ("etag", DataType::Utf8),
        ("outcome", DataType::Utf8),
        ("failure", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![&self.outcome]
    }
}

/// A rule: a file of SQL.
#[derive(Debug)]
struct Rule {
    name: String,
    sql: String,
}

/// Moves what the rules find to `{area}/quarantine/{delivery}/`, or brings it back, or deletes it there.
///
/// # Errors
/// When a rule is wrong or finds more than the cap, before anything is moved; when a place does not answer.
pub(super) async fn run(delivery: &Delivery, wish: &Wish, progress: &Progress) -> Result<StepReport> {
    if wish.restore || wish.delete {
        let purged = record::committed(&delivery.folder, PURGED, "purge").await?;
        return if wish.restore { restore(delivery, purged).await } else { delete(delivery, purged, wish.yes).await };
    }
    let sanitised = record::committed(&delivery.folder, SANITISED, "sanitise").await?;
    let rules = rules(delivery)?;
    let texts: String = rules.iter().map(|rule| format!("{}\n{}\n", rule.name, rule.sql)).collect();
    let rules_hash = blake3::hash(texts.as_bytes()).to_hex().to_string();
    let inputs = Inputs::from([(SANITISED.to_owned(), sanitised.content()), ("rules".to_owned(), rules_hash)]);
    let kept = delivery.folder.query(PURGED).manifest().await?;
    if kept.is_some_and(|kept| kept.inputs != inputs && kept.rows > 0) && !delivery.dry_run {
        let id = delivery.folder.id();
        return Err(Error::preflight(format!(
            "the rules or the documents have changed since delivery {id} was purged; \
             `telecine deliver purge --restore --delivery {id}` brings the documents back, then purge again"
        )));
    }
    if !delivery.dry_run
        && let State::Done(manifest) = Recording::open::<Purged>(&delivery.folder, PURGED, inputs.clone()).await?
    {
        return Ok(StepReport { kept: true, ..report(delivery, *manifest, sanitised.rows).await? });
    }
    let plan = plan(delivery, &rules, &sanitised, progress).await?;
    require_cap(delivery, &plan).await?;
    if delivery.dry_run {
        let mut counts = BTreeMap::new();
        plan.iter().for_each(|row| *counts.entry(format!("would quarantine by {}", row.rule)).or_default() += 1);
        return Ok(delivery.planned("purge", sanitised.rows, counts));
    }
    let State::Open(recording) = Recording::open::<Purged>(&delivery.folder, PURGED, inputs).await? else {
        return Ok(StepReport::default());
    };
    let (documents, quarantine) = places(delivery);
    let plan = futures::stream::iter([Ok(plan)]).boxed();
    let (from, to) = (documents.clone(), quarantine.clone());
    let moved = move |row| quarantined(from.clone(), to.clone(), row);
    let manifest = recording.fill(delivery, plan, &quarantine, moved).await?;
    documents.settle().await?;
    report(delivery, manifest, sanitised.rows).await
}

fn places(delivery: &Delivery) -> (Bucket, Bucket) {
    let quarantine = delivery.area.below(QUARANTINE).below(delivery.folder.id());
    (delivery.area.below(DOCUMENTS), quarantine)
}

/// The rules in order of their names; a folder that is not there has none.
fn rules(delivery: &Delivery) -> Result<Vec<Rule>> {
    let folder = delivery.sql.project.join(RULES);
    let unread = |cause: std::io::Error| Error::config(format!("{}: {cause}", folder.display()));
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()).map_err(unread)?,
    };
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let rule = |file: PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Rule { name, sql: std::fs::read_to_string(&file).map_err(unread)? })
    };
    files.into_iter().map(rule).collect()
}

/// What the rules find: each document once, by the first rule that finds it. Nothing is moved.
async fn plan(delivery: &Delivery, rules: &[Rule], sanitised: &Manifest, progress: &Progress) -> Result<Vec<Purged>> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let context = transform::session(&delivery.sql)?;
    let mut tables = vec![
        (inventory::NAME, record::committed(&delivery.folder, inventory::NAME, "copy").await?),
        (NAMES, record::committed(&delivery.folder, NAMES, "sanitise").await?),
    ];
    // Every document is read for it: only where a rule asks.
    if rules.iter().any(|rule| rule.sql.contains(examine::NAME)) {
        tables.push((examine::NAME, examine::run(delivery, sanitised, progress).await?));
    }
    for (name, manifest) in &tables {
        transform::register_dataset(&context, name, &delivery.folder.query(name), manifest).await?;
    }
    let mut found: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
    for rule in rules {
        for (key, reason) in keys(&context, rule).await? {
            found.entry(key).or_insert_with(|| (rule.name.clone(), reason));
        }
    }
    let mut plan = Vec::new();
    let mut chunks = record::rows::<Transferred>(&delivery.folder, sanitised);
    while let Some(rows) = chunks.try_next().await? {
        for row in rows.into_iter().filter(Transferred::is_there) {
            if let Some((rule, reason)) = found.remove(&row.key) {
                let etag = row.etag.unwrap_or_default();
                plan.push(Purged {
                    key: row.key,
                    name: row.name,
                    rule,
                    reason,
                    size: row.size,
                    etag,
                    ..Purged::default()
                });
            }
        }
    }
    require_known(delivery, found).await?;
    Ok(plan)
}

/// What is left of the rules' findings has no document: an object that could not be copied, or a key that is none.
async fn require_known(delivery: &Delivery, mut left: BTreeMap<String, (String, Option<String>)>) -> Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    let listed = record::committed(&delivery.folder, inventory::NAME, "copy").await?;
    let mut chunks = record::rows::<inventory::Object>(&delivery.folder, &listed);
    while let Some(objects) = chunks.try_next().await? {
        objects.iter().for_each(|object| drop(left.remove(&object.key)));
    }
    let Some((key, (rule, _))) = left.first_key_value() else { return Ok(()) };
    Err(Error::preflight(format!(
        "{RULES}/{rule}.sql gives the key {key:?}, which the inventory does not have ({} such keys in all rules); nothing \
         was moved. Select key from inventory, names or documents",
        left.len()
    )))
}

/// The keys that a rule finds, with its reasons.
async fn keys(context: &datafusion::prelude::SessionContext, rule: &Rule) -> Result<Vec<(String, Option<String>)>> {
    let unusable = |cause: DataFusionError| Error::Preflight {
        message: format!("{RULES}/{}.sql: the rule cannot be used; it gives key and reason", rule.name),
        cause: Some(cause.into()),
    };
    let failed = |cause| Error::query(format!("{RULES}/{}.sql", rule.name), "the rule broke off", cause);
    let options =
        datafusion::prelude::SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(&rule.sql, options).await.map_err(unusable)?;
    let texts = ["key", "reason"]
        .map(|name| datafusion::prelude::cast(datafusion::prelude::col(name), DataType::Utf8).alias(name));
    let mut batches = frame.select(texts.to_vec()).map_err(unusable)?.execute_stream().await.map_err(failed)?;
    let mut found = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        let (keys, reasons) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let text =
            |column: &arrow::array::StringArray, row| (!column.is_null(row)).then(|| column.value(row).to_owned());
        found.extend((0..batch.num_rows()).filter_map(|row| Some((text(keys, row)?, text(reasons, row)))));
    }
    Ok(found)
}

/// Refuses a plan beyond the cap: rules that find too much are wrong more often than the documents.
async fn require_cap(delivery: &Delivery, plan: &[Purged]) -> Result<()> {
    let listed = record::committed(&delivery.folder, inventory::NAME, "copy").await?.rows;
    let most = delivery.config.purge_cap * listed as f64;
    if plan.len() as f64 <= most {
        return Ok(());
    }
    let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
    plan.iter().for_each(|row| *rules.entry(&row.rule).or_default() += 1);
    Err(Error::preflight(format!(
        "the purge would move {} of {listed} documents, more than deliver.purge_cap ({}%): {rules:?}; nothing was moved. \
         Narrow the rules in {RULES}/ or raise the cap",
        plan.len(),
        delivery.config.purge_cap * 100.0
    )))
}

/// Moves a document; one that an earlier attempt has moved is where it shall be.
async fn quarantined(documents: Bucket, quarantine: Bucket, row: Purged) -> Result<Purged> {
    let moved = moved(&documents, &quarantine, &row).await;
    outcome(row, moved, "quarantined", &quarantine.reader().url())
}

fn outcome(row: Purged, moved: std::result::Result<(), Fault>, word: &str, url: &str) -> Result<Purged> {
    Ok(match moved {
        Ok(()) => Purged { outcome: word.to_owned(), ..row },
        Err(fault) => Purged { outcome: "failed".to_owned(), failure: Some(fault.reason(url)?), ..row },
    })
}

/// Copies an object and then deletes it where it was.
async fn moved(from: &Bucket, to: &Bucket, row: &Purged) -> std::result::Result<(), Fault> {
    match to.take(from, &row.name, &row.etag).await {
        Err(Fault::Unable) => {}
        taken => return there_already(taken.map(|_| ()), to, row).await,
    }
    let transfer = Transfer::new(from.reader().clone(), to.clone(), Held::default(), Sent::default());
    let (size, etag) = (row.size, row.etag.clone());
    let item = Item { key: row.name.clone(), name: row.name.clone(), size, etag, reason: None };
    let copied =
        transfer.send_into(&item, &mut Transferred { name: row.name.clone(), size, ..Transferred::default() }).await;
    there_already(copied, to, row).await?;
    let refused = from.delete(std::slice::from_ref(&row.name)).await;
    match refused.map_err(|error| Fault::Away(error.to_string(), Some(error.into())))?.pop() {
        Some((_, reason)) => Err(Fault::Refused(reason)),
        None => Ok(()),
    }
}

/// What an earlier attempt has moved is gone from where it was.
async fn there_already(
    moved: std::result::Result<(), Fault>,
    to: &Bucket,
    row: &Purged,
) -> std::result::Result<(), Fault> {
    match moved {
        Err(Fault::Missing) => match to.reader().head(&row.name).await {
            Ok((size, _)) if size == row.size => Ok(()),
            _ => Err(Fault::Missing),
        },
        moved => moved,
    }
}

/// Brings back what this delivery has moved; its record goes when all is back.
async fn restore(delivery: &Delivery, purged: Manifest) -> Result<StepReport> {
    let (documents, quarantine) = places(delivery);
    let (mut problems, mut restored) = (Vec::new(), 0);
    let mut chunks = record::rows::<Purged>(&delivery.folder, &purged);
    while let Some(rows) = chunks.try_next().await? {
        for row in rows.into_iter().filter(|row| row.outcome == "quarantined") {
            delivery.require_not_stopped()?;
            if delivery.dry_run {
                restored += 1;
                continue;
            }
            // Its ETag where it is now: a folder's is another after a move.
            let etag = quarantine.reader().head(&row.name).await.map(|(_, etag)| etag).unwrap_or_default();
            let back = moved(&quarantine, &documents, &Purged { etag, ..row.clone() }).await;
            let row = outcome(row, back, "restored", &documents.reader().url())?;
            match row.failure {
                None => restored += 1,
                Some(reason) => problems.push(Problem { key: row.key, reason }),
            }
        }
    }
    documents.settle().await?;
    quarantine.settle().await?;
    if problems.is_empty() && !delivery.dry_run {
        delivery.folder.query(PURGED).discard().await?;
    }
    Ok(ended(delivery, "restored", "would restore", restored, problems))
}

/// Deletes what this delivery has moved, and nothing else.
async fn delete(delivery: &Delivery, purged: Manifest, yes: bool) -> Result<StepReport> {
    let dry = delivery.dry_run || !yes;
    let (_, quarantine) = places(delivery);
    let (mut problems, mut deleted) = (Vec::new(), 0);
    let mut chunks = record::rows::<Purged>(&delivery.folder, &purged);
    let mut plan = Vec::new();
    while let Some(rows) = chunks.try_next().await? {
        plan.extend(rows.into_iter().filter(|row| row.outcome == "quarantined"));
    }
    require_cap(delivery, &plan).await?;
    for rows in plan.chunks(DELETED_AT_ONCE) {
        delivery.require_not_stopped()?;
        let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        let refused = if dry { Vec::new() } else { quarantine.delete(&names).await? };
        deleted += (rows.len() - refused.len()) as u64;
        problems.extend(refused.into_iter().map(|(key, reason)| Problem { key, reason }));
    }
    quarantine.settle().await?;
    let report = ended(delivery, "deleted", "would delete (--yes does)", deleted, problems);
    Ok(StepReport { dry_run: dry, ..report })
}

fn ended(delivery: &Delivery, did: &str, would: &str, done: u64, problems: Vec<Problem>) -> StepReport {
    let dry = delivery.dry_run || (did == "deleted" && !delivery.yes);
    let word = if dry { would } else { did };
    let objects = done + problems.len() as u64;
    StepReport {
        step: "purge".to_owned(),
        objects,
        counts: BTreeMap::from([(word.to_owned(), done), ("failed".to_owned(), problems.len() as u64)]),
        problems_in_all: problems.len() as u64,
        problems: problems.into_iter().take(super::MOST_NAMED).collect(),
        balanced: true,
        dry_run: dry,
        ..StepReport::default()
    }
}

async fn report(delivery: &Delivery, manifest: Manifest, objects: u64) -> Result<StepReport> {
    let mut counts: BTreeMap<String, u64> = manifest.notes.clone();
    let mut problems = Vec::new();
    let mut chunks = record::rows::<Purged>(&delivery.folder, &manifest);
    while let Some(rows) = chunks.try_next().await? {
        for row in rows {
            *counts.entry(format!("by {}", row.rule)).or_default() += 1;
            problems.extend(row.failure.map(|reason| Problem { key: row.key, reason }));
        }
    }
    let problems_in_all = problems.len() as u64;
    problems.truncate(super::MOST_NAMED);
    counts.insert("stay".to_owned(), objects - manifest.rows);
    Ok(StepReport {
        step: "purge".to_owned(),
        objects,
        counts,
        problems,
        problems_in_all,
        balanced: true,
        record: Some(delivery.folder.query(PURGED).url()),
        ..StepReport::default()
    })
}
