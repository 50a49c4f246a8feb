//! The same bytes into the hot folders of every target: first where nothing is at stake, then where something is.

use std::collections::HashSet;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::bucket::Bucket;
use super::purge::Purged;
use super::record::{self, Recording, State};
use super::transfer::{Held, Item, Sent, Transfer, Transferred};
use super::{
    DOCUMENTS, Delivery, Inputs, PURGED, Problem, PublishTarget, SANITISED, StepReport, Wish, conflicts, hash128,
    transform,
};
use crate::dataflow::Progress;
use crate::error::{Error, Result};
use crate::staging::Manifest;

/// What is published: where it is read, from what it was made, and each document.
pub(super) struct Edition {
    pub(super) place: Bucket,
    pub(super) made_from: Inputs,
    pub(super) documents: u64,
    pub(super) items: BoxStream<'static, Result<Vec<Item>>>,
}

impl Edition {
    /// One of no document.
    pub(super) fn empty(place: Bucket) -> Self {
        Self { place, made_from: Inputs::new(), documents: 0, items: futures::stream::empty().boxed() }
    }
}

/// The documents that were sanitised and not purged.
pub(super) struct Left {
    /// What was made from what.
    pub(super) made_from: Inputs,
    /// How many they are.
    pub(super) documents: u64,
    /// Each of them, in order of the record.
    pub(super) rows: BoxStream<'static, Result<Vec<Transferred>>>,
}

/// Writes every document that was not purged into the hot folder of the named target, or of all that are not production.
/// Each is written where nothing is, read back by its ETag or whole, and recorded in `published_{target}`.
///
/// # Errors
/// When a step before it has no record, a target asks for `--yes` or for another that is verified, or a place does not
/// answer.
pub(super) async fn run(delivery: &Delivery, wish: &Wish, progress: &Progress) -> Result<Vec<StepReport>> {
    let targets = &delivery.config.publish;
    let chosen: Vec<(&String, &PublishTarget)> = match &wish.target {
        Some(name) => targets.get_key_value(name).into_iter().collect(),
        None => targets.iter().filter(|(_, target)| !target.production).collect(),
    };
    if let (Some(name), true) = (&wish.target, chosen.is_empty()) {
        let known: Vec<&str> = targets.keys().map(String::as_str).collect();
        return Err(Error::config(format!(
            "the target `{name}` is not in [deliver.publish.*]; known: {}",
            known.join(", ")
        )));
    }
    let mut reports = Vec::new();
    for (name, target) in chosen {
        let before = delivery.requests();
        let report = one(delivery, name, target, wish, progress).await?;
        reports.push(StepReport { requests: delivery.sent_since(&before), ..report });
    }
    Ok(reports)
}

async fn one(
    delivery: &Delivery,
    name: &str,
    target: &PublishTarget,
    wish: &Wish,
    progress: &Progress,
) -> Result<StepReport> {
    let edition = edition(delivery, target.production).await?;
    let model = match target.production {
        true => Some(require_model(delivery, name, target, wish, &edition).await?),
        false => None,
    };
    let (step, record) = (format!("publish {name}"), record_name(name));
    let place = Bucket::open(&target.url, &delivery.reach)?;
    let mut inputs = edition.made_from.clone();
    inputs.insert("target".to_owned(), place.reader().url());
    let sent = Sent::read(&delivery.former().await?, &record).await?;
    let held = Held::list(place.reader()).await?;
    let mut transfer = Transfer::new(edition.place.reader().clone(), place, held, sent);
    // Read by this process: the BLAKE3 of every document is compared between targets.
    transfer.direct = false;
    transfer.only_new = !wish.replace;
    if delivery.dry_run {
        return Ok(delivery.planned(&step, edition.documents, transfer.outlook(edition.items).await?));
    }
    let report = match Recording::open::<Transferred>(&delivery.folder, &record, inputs).await? {
        State::Done(manifest) => delivery.kept(&step, *manifest).await?,
        State::Open(recording) => {
            let manifest = transfer.run(delivery, recording, edition.items, progress).await?;
            delivery.told(&step, manifest, edition.documents).await?
        }
    };
    let digest = digest(delivery, name).await?;
    let mut report = StepReport { digest: Some(digest.clone()), ..report };
    if let Some((model, expected)) = model.filter(|(_, expected)| *expected != digest) {
        let reason = format!("{name} holds {digest}, {model} holds {expected}");
        report.problems.push(Problem { key: "(all documents)".to_owned(), reason });
        report.problems_in_all += 1;
    }
    Ok(report)
}

fn record_name(target: &str) -> String {
    format!("published_{target}")
}

/// What is to be published: the documents in the target's form where the project has queries for that, else as they are.
async fn edition(delivery: &Delivery, is_production: bool) -> Result<Edition> {
    let Left { made_from, documents, rows } = left(delivery).await?;
    conflicts::require_settled(delivery, &made_from, is_production).await?;
    if transform::is_wanted(delivery) {
        return transform::edition(delivery).await;
    }
    let item = |row: Transferred| {
        let etag = row.etag.unwrap_or_default();
        Item { key: row.name.clone(), name: row.name, size: row.size, etag, reason: None }
    };
    let items = rows.map_ok(move |rows| rows.into_iter().map(item).collect()).boxed();
    Ok(Edition { place: delivery.area.below(DOCUMENTS), made_from, documents, items })
}

/// The documents of the delivery after the purge.
///
/// # Errors
/// When the purge has no record, or looked at other documents.
pub(super) async fn left(delivery: &Delivery) -> Result<Left> {
    let sanitised = record::committed(&delivery.folder, SANITISED, "sanitise").await?;
    let purged = record::committed(&delivery.folder, PURGED, "purge").await?;
    if purged.inputs.get(SANITISED) != Some(&sanitised.content()) {
        return Err(Error::preflight(
            "the documents have changed since the purge; `telecine deliver purge` looks at them",
        ));
    }
    let mut left_out = HashSet::new();
    let mut chunks = record::rows::<Purged>(&delivery.folder, &purged);
    while let Some(rows) = chunks.try_next().await? {
        left_out.extend(rows.iter().map(|row| hash128(&[row.name.as_bytes()])));
    }
    let there: u64 = ["copied", "skipped"].iter().filter_map(|what| sanitised.notes.get(*what)).sum();
    let documents = there - left_out.len() as u64;
    let made_from = Inputs::from([(SANITISED.to_owned(), sanitised.content()), (PURGED.to_owned(), purged.content())]);
    let stays = move |row: &Transferred| row.is_there() && !left_out.contains(&hash128(&[row.name.as_bytes()]));
    let rows = record::rows::<Transferred>(&delivery.folder, &sanitised);
    let rows = rows.map_ok(move |rows| rows.into_iter().filter(|row| stays(row)).collect()).boxed();
    Ok(Left { made_from, documents, rows })
}

/// The target that must hold the same before production does, and what it holds.
///
/// # Errors
/// When there is none, or it was not published whole and verified from the same documents, or `--yes` is missing.
async fn require_model(
    delivery: &Delivery,
    name: &str,
    target: &PublishTarget,
    wish: &Wish,
    edition: &Edition,
) -> Result<(String, String)> {
    let others = &delivery.config.publish;
    let models: Vec<&String> = match &target.after {
        Some(after) => vec![after],
        None => others.iter().filter(|(_, other)| !other.production).map(|(name, _)| name).collect(),
    };
    let mut verified = None;
    for model in &models {
        let Some(manifest) = delivery.folder.query(&record_name(model)).manifest().await? else { continue };
        if is_verified(&manifest, edition) {
            verified = Some((*model).clone());
        }
    }
    let Some(model) = verified else {
        let models: Vec<&str> = models.into_iter().map(String::as_str).collect();
        return Err(Error::preflight(format!(
            "{name} is production: first {} must hold these documents, all verified; \
             `telecine deliver publish --target {} --delivery {}` does that",
            models.join(" or "),
            models.first().unwrap_or(&"NAME"),
            delivery.folder.id()
        )));
    };
    if !wish.yes && !delivery.dry_run {
        let documents = edition.documents;
        return Err(Error::preflight(format!(
            "{name} is production: {documents} documents are ready; --yes publishes them"
        )));
    }
    let digest = digest(delivery, &model).await?;
    Ok((model, digest))
}

fn is_verified(manifest: &Manifest, edition: &Edition) -> bool {
    let same = edition.made_from.iter().all(|(name, content)| manifest.inputs.get(name) == Some(content));
    let verified = manifest.notes.get("verified").copied().unwrap_or_default();
    same && manifest.rows == edition.documents && verified == edition.documents
}

/// The BLAKE3 over name, size and BLAKE3 of every document that is there, in order of the record: two targets with the same
/// hold the same bytes under the same names.
async fn digest(delivery: &Delivery, target: &str) -> Result<String> {
    let name = record_name(target);
    let manifest = record::committed(&delivery.folder, &name, "publish").await?;
    let mut chunks = record::rows::<Transferred>(&delivery.folder, &manifest);
    let mut hasher = blake3::Hasher::new();
    while let Some(rows) = chunks.try_next().await? {
        for row in rows.iter().filter(|row| row.is_there()) {
            let line = serde_json::json!([row.name, row.size, row.blake3]);
            hasher.update(line.to_string().as_bytes()).update(b"\n");
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}
