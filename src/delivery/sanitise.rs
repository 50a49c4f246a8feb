//! Names that a hot folder takes, for every object that was copied.

use arrow::datatypes::DataType;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::names::Names;
use super::record::{self, CHUNK, Recording, Row, State};
use super::transfer::{Held, Item, Sent, Transfer, Transferred};
use super::{COPIED, DOCUMENTS, Delivery, Inputs, NAMES, OBJECTS, SANITISED, StepReport};
use crate::dataflow::Progress;
use crate::error::Result;
use crate::staging::Manifest;

/// A key's name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) key: String,
    #[serde(default)]
    pub(super) safe_key: String,
    #[serde(default)]
    changed: bool,
    #[serde(default)]
    how: String,
    #[serde(default)]
    size: u64,
    /// Of the copy in the area.
    #[serde(default)]
    etag: String,
}

impl Row for Named {
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("key", DataType::Utf8),
        ("safe_key", DataType::Utf8),
        ("changed", DataType::Boolean),
        ("how", DataType::Utf8),
        ("size", DataType::Int64),
        ("etag", DataType::Utf8),
    ];

    fn counts(&self) -> Vec<&str> {
        vec![&self.how]
    }
}

/// Gives every copied object its name and copies it to `{area}/documents/{safe key}`. The map is in `names`, what was sent in
/// `sanitised`; both are durable when it returns.
///
/// # Errors
/// When nothing was copied yet, a place does not answer or the staging area fails.
pub(super) async fn run(delivery: &Delivery, progress: &Progress) -> Result<StepReport> {
    let named = name_all(delivery).await?;
    let (source, target) = (delivery.area.below(OBJECTS), delivery.area.below(DOCUMENTS));
    let inputs = Inputs::from([(NAMES.to_owned(), named.content()), ("target".to_owned(), target.reader().url())]);
    let sent = Sent::read(&delivery.former().await?, SANITISED).await?;
    let state = match delivery.dry_run {
        true => None,
        false => Some(Recording::open::<Transferred>(&delivery.folder, SANITISED, inputs).await?),
    };
    let report = match state {
        Some(State::Done(manifest)) => delivery.kept("sanitise", *manifest).await?,
        state => {
            let held = Held::list(target.reader()).await?;
            let transfer = Transfer::new(source.reader().clone(), target, held, sent);
            match state {
                Some(State::Open(recording)) => {
                    let manifest = transfer.run(delivery, recording, items(delivery, &named), progress).await?;
                    delivery.told("sanitise", manifest, named.rows).await?
                }
                _ => delivery.planned("sanitise", named.rows, transfer.outlook(items(delivery, &named)).await?),
            }
        }
    };
    let how = named.notes.iter().map(|(how, count)| (format!("name {how}"), *count));
    Ok(StepReport { counts: report.counts.clone().into_iter().chain(how).collect(), ..report })
}

/// The map of names: two readings of what was copied, for a name can meet one that comes later.
async fn name_all(delivery: &Delivery) -> Result<Manifest> {
    let copied = record::committed(&delivery.folder, COPIED, "copy").await?;
    let inputs = Inputs::from([(COPIED.to_owned(), copied.content())]);
    let mut recording = match Recording::open::<Named>(&delivery.folder, NAMES, inputs.clone()).await? {
        State::Done(manifest) => return Ok(*manifest),
        State::Open(recording) => recording,
    };
    let mut names = Names::default();
    let mut chunks = record::rows::<Transferred>(&delivery.folder, &copied);
    while let Some(rows) = chunks.try_next().await? {
        rows.iter().filter(|row| row.is_there()).for_each(|row| names.add(&row.key));
    }
    names.settle();
    let done = usize::try_from(recording.rows()).unwrap_or(usize::MAX);
    let copied = record::rows::<Transferred>(&delivery.folder, &copied);
    let copied = copied.map_ok(|rows| futures::stream::iter(rows.into_iter().map(Ok))).try_flatten();
    let there = copied.try_filter(|row| std::future::ready(row.is_there())).skip(done);
    let mut chunks = there.try_chunks(8 * CHUNK);
    while let Some(rows) = chunks.try_next().await.map_err(|error| error.1)? {
        let rows: Vec<Named> = rows.into_iter().map(|row| named(&names, row)).collect();
        recording.append(&rows).await?;
    }
    recording.finish::<Named>().await
}

fn named(names: &Names, row: Transferred) -> Named {
    let (safe_key, how) = names.name(&row.key);
    Named {
        changed: safe_key != row.key,
        key: row.key,
        safe_key,
        how: how.word().to_owned(),
        size: row.size,
        etag: row.etag.unwrap_or_default(),
    }
}

fn items(delivery: &Delivery, named: &Manifest) -> BoxStream<'static, Result<Vec<Item>>> {
    let names = record::rows::<Named>(&delivery.folder, named);
    let item = |row: Named| Item { key: row.key, name: row.safe_key, size: row.size, etag: row.etag, reason: None };
    names.map_ok(move |rows| rows.into_iter().map(item).collect()).boxed()
}
