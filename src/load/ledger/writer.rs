//! The one thread that writes. What arrives while it commits goes into the next transaction, so the number of fsyncs
//! follows from how fast the disk is, and nobody waits for a timer.

use rusqlite::{Connection, Transaction, params};
use tokio::sync::{mpsc, oneshot};

use super::entry::{Found, Intent, Reason, Sent};
use super::{Ledger, now};
use crate::error::{Error, Result};
use crate::load::row::FieldPrints;

/// Changes of one transaction, at which no further order is taken into it.
const LARGEST_GROUP: usize = 500;

/// A change of one asset's entry. Each names the states it may be made from; from any other it is an error.
#[derive(Debug)]
pub(super) enum Change {
    Intend(Intent),
    Refuse { intent: Intent, reason: Reason },
    Created { source_key: String, flex_id: i64, sent: Option<Sent> },
    Revise { source_key: String, query: String, payload: [u8; 32] },
    Renamed { source_key: String, name: String, sent: Sent },
    Described { source_key: String, fields: FieldPrints, sent: Option<Sent> },
    Complete { source_key: String, written: Written, sent: Option<Sent> },
    Failed { source_key: String, reason: Reason, links: bool, sent: Option<Sent> },
    Unknown { source_key: String, message: String, sent: Option<Sent> },
    Removed { source_key: String, sent: Sent },
    Restore(Found),
    Number { name: String },
    Remember { key: String, value: String },
}

/// What the target holds of an asset that is complete.
#[derive(Debug)]
pub(super) struct Written {
    /// `None` where they were told before.
    pub(super) fields: Option<FieldPrints>,
    /// `None` for a row without references.
    pub(super) linked: Option<[u8; 32]>,
    pub(super) unresolved: u32,
}

/// Changes that are committed together, and who waits for them.
pub(super) type Order = (Vec<Change>, oneshot::Sender<Result<()>>);

/// Runs until all senders are gone; then everything sent is committed.
pub(super) fn run(mut connection: Connection, path: &str, mut orders: mpsc::Receiver<Order>) {
    while let Some(first) = orders.blocking_recv() {
        let mut changes = first.0.len();
        let mut group = vec![first];
        while changes < LARGEST_GROUP {
            match orders.try_recv() {
                Ok(order) => {
                    changes += order.0.len();
                    group.push(order);
                }
                Err(_) => break,
            }
        }
        commit(&mut connection, path, group);
    }
}

fn commit(connection: &mut Connection, path: &str, group: Vec<Order>) {
    let mut waiting = Vec::with_capacity(group.len());
    let committed = connection.transaction().and_then(|mut transaction| {
        for (changes, waiter) in group {
            waiting.push((apply_all(&mut transaction, path, &changes)?, waiter));
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

/// All changes of an order or, where one contradicts what is written, none.
fn apply_all(transaction: &mut Transaction<'_>, path: &str, changes: &[Change]) -> rusqlite::Result<Result<()>> {
    if let [one] = changes {
        return Ok(apply(transaction, one).map_err(|cause| refused(path, one, cause)));
    }
    let savepoint = transaction.savepoint()?;
    for change in changes {
        if let Err(cause) = apply(&savepoint, change) {
            // Dropped without a commit, it is rolled back.
            return Ok(Err(refused(path, change, cause)));
        }
    }
    savepoint.commit()?;
    Ok(Ok(()))
}

fn refused(path: &str, change: &Change, cause: rusqlite::Error) -> Error {
    let message = format!("the change {change:?} contradicts what is written");
    Ledger::error(path, message, Some(Box::new(cause)))
}

fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    let changed = match change {
        Change::Intend(intent) => upsert(connection, intent, "intended", None)?,
        Change::Refuse { intent, reason } => upsert(connection, intent, "failed", Some(reason))?,
        Change::Restore(found) => restore(connection, found)?,
        Change::Number { name } => connection
            .prepare_cached("insert into field select coalesce(max(number) + 1, 0), ?1 from field")?
            .execute([name])?,
        Change::Remember { key, value } => connection
            .prepare_cached("insert into about values (?1, ?2) on conflict (key) do update set value = excluded.value")?
            .execute(params![key, value])?,
        progress => progressed(connection, progress)?,
    };
    // Nothing changed: the entry is not in a state from which the change may be made.
    if changed != 1 {
        return Err(rusqlite::Error::StatementChangedRows(changed));
    }
    match change {
        Change::Created { source_key, sent: Some(sent), .. }
        | Change::Renamed { source_key, sent, .. }
        | Change::Described { source_key, sent: Some(sent), .. }
        | Change::Complete { source_key, sent: Some(sent), .. }
        | Change::Failed { source_key, sent: Some(sent), .. }
        | Change::Unknown { source_key, sent: Some(sent), .. }
        | Change::Removed { source_key, sent } => note(connection, source_key, sent),
        _ => Ok(()),
    }
}

/// A step of an asset that has an entry.
fn progressed(connection: &Connection, change: &Change) -> rusqlite::Result<usize> {
    match change {
        Change::Created { source_key, flex_id, .. } => connection
            .prepare_cached(
                "update asset set state = 'created', flex_id = ?2, reason = null, message = null, request_id = null,
                 created_at = ?3, changed_at = ?3 where source_key = ?1 and flex_id is null",
            )?
            .execute(params![source_key, flex_id, now()]),
        Change::Revise { source_key, query, payload } => connection
            .prepare_cached(
                "update asset set state = 'created', query = ?2, payload = ?3, reason = null, message = null,
                 request_id = null, changed_at = ?4 where source_key = ?1 and flex_id is not null",
            )?
            .execute(params![source_key, query, payload, now()]),
        Change::Renamed { source_key, name, .. } => connection
            .prepare_cached("update asset set name = ?2, changed_at = ?3 where source_key = ?1 and state = 'created'")?
            .execute(params![source_key, name, now()]),
        Change::Described { source_key, fields, .. } => connection
            .prepare_cached(
                "update asset set state = 'described', links = 'pending', fields = ?2, changed_at = ?3
                 where source_key = ?1 and state = 'created'",
            )?
            .execute(params![source_key, fields.bytes(), now()]),
        Change::Complete { source_key, written, .. } => completed(connection, source_key, written),
        Change::Failed { source_key, reason, links, .. } => connection
            .prepare_cached(
                "update asset set state = 'failed', reason = ?2, message = ?3, request_id = ?4, changed_at = ?5,
                 links = iif(?6, 'failed', links) where source_key = ?1",
            )?
            .execute(params![source_key, reason.class, reason.message, reason.request_id, now(), links]),
        Change::Unknown { source_key, message, .. } => connection
            .prepare_cached(
                "update asset set state = 'unknown', reason = 'UNCLEAR', message = ?2, changed_at = ?3
                 where source_key = ?1 and flex_id is null",
            )?
            .execute(params![source_key, message, now()]),
        Change::Removed { source_key, .. } => connection
            .prepare_cached(
                "update asset set state = 'removed', flex_id = null, created_at = null, fields = x'', linked = null,
                 links = 'none', unresolved = 0, completions = 0, reason = null, message = null, request_id = null,
                 changed_at = ?2 where source_key = ?1 and flex_id is not null",
            )?
            .execute(params![source_key, now()]),
        _ => Ok(0),
    }
}

fn completed(connection: &Connection, source_key: &str, written: &Written) -> rusqlite::Result<usize> {
    let links = match (written.linked, written.unresolved) {
        (None, _) => "none",
        (Some(_), 0) => "done",
        (Some(_), _) => "partial",
    };
    connection
        .prepare_cached(
            "update asset set state = 'complete', fields = coalesce(?2, fields), links = ?3, linked = ?4, unresolved = ?5,
             completions = completions + 1, changed_at = ?6
             where source_key = ?1 and state in ('created', 'described', 'complete')",
        )?
        .execute(params![
            source_key,
            written.fields.as_ref().map(FieldPrints::bytes),
            links,
            written.linked,
            written.unresolved,
            now()
        ])
}

/// A new intent replaces one that has no asset yet; a refusal leaves the asset that is there.
fn upsert(
    connection: &Connection,
    intent: &Intent,
    state: &str,
    reason: Option<&Reason>,
) -> rusqlite::Result<usize> {
    let changed = connection
        .prepare_cached(
            "insert into asset
                 (source_key, query, uuid, state, name, payload, run, intended_at, changed_at, reason, message, request_id)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11)
             on conflict (source_key) do update set
                 state = excluded.state, query = excluded.query, payload = excluded.payload,
                 name = iif(asset.flex_id is null, excluded.name, asset.name),
                 run = iif(asset.flex_id is null, excluded.run, asset.run),
                 -- The search for an asset of an unclear outcome reaches back to the first intent.
                 intended_at = iif(asset.state in ('intended', 'unknown'), asset.intended_at, excluded.intended_at),
                 changed_at = excluded.changed_at, reason = excluded.reason, message = excluded.message,
                 request_id = excluded.request_id
             where not ?12 and (asset.flex_id is null or excluded.state = 'failed')",
        )?
        .execute(params![
            intent.source_key,
            intent.query,
            intent.uuid,
            state,
            intent.name,
            intent.payload,
            intent.run,
            now(),
            reason.map(|reason| &reason.class),
            reason.map(|reason| &reason.message),
            reason.and_then(|reason| reason.request_id.as_ref()),
            intent.fresh
        ])?;
    if let (1, Some(hash)) = (changed, intent.request) {
        let step = crate::load::request::Step::Create;
        note(connection, &intent.source_key, &Sent { step, hash, status: None, request_id: None })?;
    }
    Ok(changed)
}

/// The last request of its kind.
fn note(connection: &Connection, source_key: &str, sent: &Sent) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into request (source_key, step, blake3, status, request_id, at) values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (source_key, step) do update set
                 -- An answer belongs to the request that was told of before.
                 sent = request.sent + iif(request.status is null and excluded.status is not null, 0, 1),
                 blake3 = excluded.blake3, status = excluded.status, request_id = excluded.request_id, at = excluded.at",
        )?
        .execute(params![source_key, sent.step.word(), sent.hash, sent.status, sent.request_id, now()])
        .map(drop)
}

/// An asset that was found in the target, in a ledger that does not know it.
fn restore(connection: &Connection, found: &Found) -> rusqlite::Result<usize> {
    let links = match (&found.linked, found.unresolved) {
        (None, _) => "none",
        (Some(_), 0) => "done",
        (Some(_), _) => "partial",
    };
    let complete = found.fields.is_some();
    let intent = &found.intent;
    connection
        .prepare_cached(
            "insert into asset (source_key, query, uuid, state, flex_id, name, payload, fields, links, linked, unresolved,
                 completions, run, intended_at, created_at, changed_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1, ?12, ?13, ?13, ?13)
             on conflict (source_key) do nothing",
        )?
        .execute(params![
            intent.source_key,
            intent.query,
            intent.uuid,
            if complete { "complete" } else { "created" },
            found.flex_id,
            intent.name,
            intent.payload,
            found.fields.as_ref().map_or(&[][..], FieldPrints::bytes),
            links,
            found.linked,
            found.unresolved,
            intent.run,
            now()
        ])
}
