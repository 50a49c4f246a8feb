//! From the source of truth to the transformation area, as they are.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::record::{self, Recording, State};
use super::transfer::{Held, Item, Sent, Transfer, Transferred};
use super::{COPIED, Delivery, Inputs, OBJECTS, StepReport, inventory};
use crate::dataflow::Progress;
use crate::error::Result;
use crate::staging::Manifest;

/// Copies every object of the inventory to `{area}/objects/{key}`; durable and recorded in `copied` when it returns.
///
/// # Errors
/// When a place does not answer or the staging area fails; the same command goes on. What could not be copied is counted,
/// with its reason.
pub(super) async fn run(delivery: &Delivery, progress: &Progress) -> Result<StepReport> {
    let listed = inventory::take(delivery, progress).await?;
    let target = delivery.area.below(OBJECTS);
    let inputs =
        Inputs::from([("inventory".to_owned(), listed.content()), ("target".to_owned(), target.reader().url())]);
    let sent = Sent::read(&delivery.former().await?, COPIED).await?;
    let state = match delivery.dry_run {
        true => None,
        false => Some(Recording::open::<Transferred>(&delivery.folder, COPIED, inputs).await?),
    };
    if let Some(State::Done(manifest)) = state {
        return delivery.kept("copy", *manifest).await;
    }
    let transfer = Transfer::new(delivery.source.clone(), target.clone(), Held::list(target.reader()).await?, sent);
    let items = items(delivery, &listed);
    match state {
        Some(State::Open(recording)) => {
            let manifest = transfer.run(delivery, recording, items, progress).await?;
            delivery.told("copy", manifest, listed.rows).await
        }
        _ => Ok(delivery.planned("copy", listed.rows, transfer.outlook(items).await?)),
    }
}

fn items(delivery: &Delivery, listed: &Manifest) -> BoxStream<'static, Result<Vec<Item>>> {
    let objects = record::rows::<inventory::Object>(&delivery.folder, listed);
    let item = |object: inventory::Object| Item {
        name: object.key.clone(),
        key: object.key,
        size: object.size,
        etag: object.etag,
        reason: object.reason,
    };
    objects.map_ok(move |objects| objects.into_iter().map(item).collect()).boxed()
}
