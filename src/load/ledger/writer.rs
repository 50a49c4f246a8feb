//! The one thread that writes. What arrives while it commits goes into the next transaction, so the number of fsyncs
//! follows from how fast the disk is, and nobody waits for a timer.

use rusqlite::{Connection, Transaction, params};
use tokio::sync::{mpsc, oneshot};

use super::{Intent, Ledger, now};
use crate::error::{Error, Result};

/// Operations of one transaction at most.
const LARGEST_GROUP: usize = 200;

/// A change of one asset's entry. Each names the states it may be made from; from any other it is an error.
#[derive(Debug)]
pub(super) enum Change {
    Intend(Intent),
    Refuse { intent: Intent, reason: String, message: String },
    Created { source_key: String, flex_id: i64 },
    Revise { source_key: String, payload: [u8; 32] },
    Renamed { source_key: String, name: String },
    Described { source_key: String },
    Complete { source_key: String, unresolved: u32 },
    Failed { source_key: String, reason: String, message: String },
    Unknown { source_key: String, message: String },
    Remember { key: &'static str, value: String },
}

/// A change and who waits for its commit.
pub(super) type Order = (Change, oneshot::Sender<Result<()>>);

/// Runs until all senders are gone; then everything sent is committed.
pub(super) fn run(mut connection: Connection, path: &str, mut orders: mpsc::Receiver<Order>) {
    while let Some(first) = orders.blocking_recv() {
        let mut group = vec![first];
        while group.len() < LARGEST_GROUP {
            match orders.try_recv() {
                Ok(order) => group.push(order),
                Err(_) => break,
            }
        }
        commit(&mut connection, path, group);
    }
}

fn commit(connection: &mut Connection, path: &str, group: Vec<Order>) {
    let mut waiting = Vec::with_capacity(group.len());
    let committed = connection.transaction().and_then(|transaction| {
        for (change, waiter) in group {
            waiting.push((apply(&transaction, &change).map_err(|cause| refused(path, &change, cause)), waiter));
        }
        transaction.commit()
    });
    // A waiter that is gone has stopped caring; a failed commit undoes every change of the group.
    match committed {
        Ok(()) => waiting.into_iter().for_each(|(result, waiter)| drop(waiter.send(result))),
        Err(cause) => {
            let message =
                format!("cannot be written ({cause}); free space or mend the disk, then run the same command again");
            for (_, waiter) in waiting {
                drop(waiter.send(Err(Ledger::error(path, message.clone(), None))));
            }
        }
    }
}

fn refused(path: &str, change: &Change, cause: rusqlite::Error) -> Error {
    let message = format!("the change {change:?} contradicts what is written");
    Ledger::error(path, message, Some(Box::new(cause)))
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let changed = match change {
        Change::Intend(intent) => upsert(transaction, intent, "intended", None)?,
        Change::Refuse { intent, reason, message } => upsert(transaction, intent, "failed", Some((reason, message)))?,
        Change::Created { source_key, flex_id } => transaction
            .prepare_cached(
                "update asset set state = 'created', flex_id = ?2, reason = null, message = null, changed_at = ?3
                 where source_key = ?1 and flex_id is null",
            )?
            .execute(params![source_key, flex_id, now()])?,
        Change::Revise { source_key, payload } => transaction
            .prepare_cached(
                "update asset set state = 'created', payload = ?2, unresolved = 0, reason = null, message = null,
                 changed_at = ?3 where source_key = ?1 and flex_id is not null",
            )?
            .execute(params![source_key, payload, now()])?,
        Change::Renamed { source_key, name } => transaction
            .prepare_cached("update asset set name = ?2, changed_at = ?3 where source_key = ?1 and state = 'created'")?
            .execute(params![source_key, name, now()])?,
        Change::Described { source_key } => transaction
            .prepare_cached(
                "update asset set state = 'described', changed_at = ?2 where source_key = ?1 and state = 'created'",
            )?
            .execute(params![source_key, now()])?,
        Change::Complete { source_key, unresolved } => transaction
            .prepare_cached(
                "update asset set state = 'complete', unresolved = ?2, completions = completions + 1, changed_at = ?3
                 where source_key = ?1 and state in ('created', 'described', 'complete')",
            )?
            .execute(params![source_key, unresolved, now()])?,
        Change::Failed { source_key, reason, message } => transaction
            .prepare_cached(
                "update asset set state = 'failed', reason = ?2, message = ?3, changed_at = ?4 where source_key = ?1",
            )?
            .execute(params![source_key, reason, message, now()])?,
        Change::Unknown { source_key, message } => transaction
            .prepare_cached(
                "update asset set state = 'unknown', reason = 'UNCLEAR', message = ?2, changed_at = ?3
                 where source_key = ?1 and flex_id is null",
            )?
            .execute(params![source_key, message, now()])?,
        Change::Remember { key, value } => transaction
            .prepare_cached("insert into about values (?1, ?2) on conflict (key) do update set value = excluded.value")?
            .execute(params![key, value])?,
    };
    // Nothing changed: the entry is not in a state from which the change may be made.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// A new intent replaces one that has no asset yet; a refusal leaves the asset that is there.
fn upsert(
    transaction: &Transaction<'_>,
    intent: &Intent,
    state: &str,
    trouble: Option<(&String, &String)>,
) -> rusqlite::Result<usize> {
    let (reason, message) = trouble.unzip();
    transaction
        .prepare_cached(
            "insert into asset (source_key, query, uuid, state, name, payload, intended_at, changed_at, reason, message)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)
             on conflict (source_key) do update set
                 state = excluded.state, query = excluded.query, payload = excluded.payload,
                 name = iif(asset.flex_id is null, excluded.name, asset.name),
                 -- The search for an asset of an unclear outcome reaches back to the first intent.
                 intended_at = iif(asset.state in ('intended', 'unknown'), asset.intended_at, excluded.intended_at),
                 changed_at = excluded.changed_at, reason = excluded.reason, message = excluded.message
             where not ?10 and (asset.flex_id is null or excluded.state = 'failed')",
        )?
        .execute(params![
            intent.source_key,
            intent.query,
            intent.uuid,
            state,
            intent.name,
            intent.payload,
            now(),
            reason,
            message,
            intent.fresh
        ])
}
