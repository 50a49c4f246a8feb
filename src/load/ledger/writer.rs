//! The one thread that writes. What arrives while it commits goes into the next transaction, so the number of fsyncs
//! follows from how fast the disk is, and nobody waits for a timer.

use rusqlite::{Connection, ToSql, Transaction, params};
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
    Refuse {
        intent: Intent,
        reason: Reason,
    },
    Created {
        source_key: String,
        flex_id: i64,
        sent: Option<Sent>,
    },
    /// `name` where it is known what the target calls it.
    Adopted {
        source_key: String,
        flex_id: i64,
        name: Option<String>,
        rename: Option<[u8; 32]>,
    },
    Revise {
        source_key: String,
        query: String,
        payload: [u8; 32],
        rename: Option<[u8; 32]>,
    },
    Relink {
        source_key: String,
    },
    Renamed {
        source_key: String,
        name: String,
        sent: Sent,
    },
    /// `linked` where references were written with the field values.
    Described {
        source_key: String,
        fields: FieldPrints,
        linked: Option<[u8; 32]>,
        sent: Option<Sent>,
    },
    Complete {
        source_key: String,
        written: Written,
        sent: Option<Sent>,
    },
    Failed {
        source_key: String,
        reason: Reason,
        links: bool,
        sent: Option<Sent>,
    },
    Unknown {
        source_key: String,
        message: String,
        sent: Option<Sent>,
    },
    Removed {
        source_key: String,
        sent: Sent,
    },
    Restore(Found),
    Number {
        name: String,
    },
    Remember {
        key: String,
        value: String,
    },
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
    // So that the file alone is the whole ledger for who copies it. Without this all is in its log, and as safe.
    let _ = connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
}

fn commit(connection: &mut Connection, path: &str, group: Vec<Order>) {
    let mut waiting = Vec::with_capacity(group.len());
    let at = now();
    let committed = connection.transaction().and_then(|mut transaction| {
        for (changes, waiter) in group {
            waiting.push((apply_all(&mut transaction, path, &changes, &at)?, waiter));
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
fn apply_all(
    transaction: &mut Transaction<'_>,
    path: &str,
    changes: &[Change],
    at: &str,
) -> rusqlite::Result<Result<()>> {
    if let [one] = changes {
        return Ok(apply(transaction, one, at).map_err(|cause| refused(path, one, cause)));
    }
    let savepoint = transaction.savepoint()?;
    for change in changes {
        if let Err(cause) = apply(&savepoint, change, at) {
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

fn apply(connection: &Connection, change: &Change, at: &str) -> rusqlite::Result<()> {
    let changed = match change {
        Change::Intend(intent) => upsert(connection, intent, "intended", None, at)?,
        Change::Refuse { intent, reason } => upsert(connection, intent, "failed", Some(reason), at)?,
        Change::Restore(found) => restore(connection, found, at)?,
        Change::Number { name } => connection
            .prepare_cached("insert into field select coalesce(max(number) + 1, 0), ?1 from field")?
            .execute([name])?,
        Change::Remember { key, value } => connection
            .prepare_cached("insert into about values (?1, ?2) on conflict (key) do update set value = excluded.value")?
            .execute(params![key, value])?,
        progress => progressed(connection, progress, at)?,
    };
    // Nothing changed: the entry is not in a state from which the change may be made.
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// A step of an asset that has an entry.
fn progressed(connection: &Connection, change: &Change, at: &str) -> rusqlite::Result<usize> {
    const WELL: &str = "reason = null, message = null, request_id = null";
    match change {
        Change::Created { source_key, flex_id, sent } => Update::of(source_key, at, sent.as_ref()).set(
            connection,
            &format!("state = 'created', flex_id = ?3, created_at = ?2, rename_blake3 = null, rename_status = null, {WELL}"),
            "flex_id is null",
            &[flex_id],
        ),
        // Whatever an earlier load gave it may be there.
        Change::Adopted { source_key, flex_id, name, rename } => Update::of(source_key, at, None).set(
            connection,
            &format!(
                "state = 'created', flex_id = ?3, name = coalesce(?4, name), created_at = ?2, revisions = revisions + 1,
                 rename_blake3 = ?5, rename_status = null, {WELL}"
            ),
            "flex_id is null",
            &[flex_id, name, rename],
        ),
        Change::Revise { source_key, query, payload, rename } => Update::of(source_key, at, None).set(
            connection,
            &format!(
                "state = 'created', query = ?3, payload = ?4, revisions = revisions + 1,
                 rename_status = iif(?5 is null, rename_status, null), rename_blake3 = coalesce(?5, rename_blake3), {WELL}"
            ),
            "flex_id is not null",
            &[query, payload, rename],
        ),
        Change::Relink { source_key } => Update::of(source_key, at, None).set(
            connection,
            "state = 'described', links = 'pending'",
            "state = 'complete'",
            &[],
        ),
        Change::Renamed { source_key, name, sent } => {
            Update::of(source_key, at, Some(sent)).set(connection, "name = ?3", "state = 'created'", &[name])
        }
        Change::Described { source_key, fields, linked, sent } => Update::of(source_key, at, sent.as_ref()).set(
            connection,
            "state = 'described', links = 'pending', fields = ?3, linked = ?4",
            "state = 'created'",
            &[&fields.bytes(), linked],
        ),
        Change::Complete { source_key, written, sent } => Update::of(source_key, at, sent.as_ref()).set(
            connection,
            "state = 'complete', fields = coalesce(?3, fields), links = ?4, linked = ?5, unresolved = ?6,
             completions = completions + 1",
            "(state = 'created' or state = 'described' or state = 'complete')",
            &[
                &written.fields.as_ref().map(FieldPrints::bytes),
                &links(written.linked.as_ref(), written.unresolved),
                &written.linked,
                &written.unresolved,
            ],
        ),
        Change::Failed { source_key, reason, links, sent } => Update::of(source_key, at, sent.as_ref()).set(
            connection,
            "state = 'failed', reason = ?3, message = ?4, request_id = ?5, links = iif(?6, 'failed', links)",
            "true",
            &[&reason.class, &reason.message, &reason.request_id, links],
        ),
        Change::Unknown { source_key, message, sent } => Update::of(source_key, at, sent.as_ref()).set(
            connection,
            "state = 'unknown', reason = 'UNCLEAR', message = ?3",
            "flex_id is null",
            &[message],
        ),
        Change::Removed { source_key, sent } => Update::of(source_key, at, Some(sent)).set(
            connection,
            &format!(
                "state = 'removed', flex_id = null, created_at = null, fields = x'', linked = null, links = 'none',
                 unresolved = 0, completions = 0, revisions = 0, {WELL}"
            ),
            "flex_id is not null",
            &[],
        ),
        _ => Ok(0),
    }
}

/// How far references have come of which these are written.
fn links(linked: Option<&[u8; 32]>, unresolved: u32) -> &'static str {
    match (linked, unresolved) {
        (None, _) => "none",
        (Some(_), 0) => "done",
        (Some(_), _) => "partial",
    }
}

/// A change of one asset's row, together with the request that brought it about.
struct Update<'a> {
    source_key: &'a String,
    at: &'a str,
    sent: Option<&'a Sent>,
}

impl<'a> Update<'a> {
    fn of(source_key: &'a String, at: &'a str, sent: Option<&'a Sent>) -> Self {
        Self { source_key, at, sent }
    }

    /// `values` are the parameters of `set` from `?3` on.
    fn set(self, connection: &Connection, set: &str, only: &str, values: &[&dyn ToSql]) -> rusqlite::Result<usize> {
        let mut parameters: Vec<&dyn ToSql> = vec![self.source_key, &self.at];
        parameters.extend(values);
        let mut sql = format!("update asset set changed_at = ?2, {set}");
        if let Some(sent) = self.sent {
            let (word, next) = (sent.step.word(), parameters.len() + 1);
            sql.push_str(&format!(", {word}_blake3 = ?{next}, {word}_status = ?{}", next + 1));
            parameters.extend([&sent.hash as &dyn ToSql, &sent.status]);
        }
        sql.push_str(&format!(" where source_key = ?1 and {only}"));
        connection.prepare_cached(&sql)?.execute(&parameters[..])
    }
}

/// A new intent replaces one that has no asset yet; a refusal leaves the asset that is there.
fn upsert(
    connection: &Connection,
    intent: &Intent,
    state: &str,
    reason: Option<&Reason>,
    at: &str,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "insert into asset (source_key, query, uuid, state, name, payload, run, intended_at, changed_at, reason,
                 message, request_id, create_blake3, made)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11, ?12, ?14)
             on conflict (source_key) do update set
                 state = excluded.state, query = excluded.query, payload = excluded.payload,
                 name = iif(asset.flex_id is null, excluded.name, asset.name),
                 run = iif(asset.flex_id is null, excluded.run, asset.run),
                 -- The search for an asset of an unclear outcome reaches back to the first intent, whatever came after it.
                 intended_at = iif(asset.state = 'removed', excluded.intended_at, asset.intended_at),
                 changed_at = excluded.changed_at, reason = excluded.reason, message = excluded.message,
                 request_id = excluded.request_id,
                 made = iif(asset.flex_id is null, coalesce(excluded.made, asset.made), asset.made),
                 create_status = iif(excluded.create_blake3 is null, asset.create_status, null),
                 create_blake3 = coalesce(excluded.create_blake3, asset.create_blake3)
             where not ?13 and (asset.flex_id is null or excluded.state = 'failed')",
        )?
        .execute(params![
            intent.source_key,
            intent.query,
            intent.uuid,
            state,
            intent.name,
            intent.payload,
            intent.run,
            at,
            reason.map(|reason| &reason.class),
            reason.map(|reason| &reason.message),
            reason.and_then(|reason| reason.request_id.as_ref()),
            intent.request,
            intent.fresh,
            intent.made
        ])
}

/// An asset that was found in the target, in a ledger that does not know it.
fn restore(connection: &Connection, found: &Found, at: &str) -> rusqlite::Result<usize> {
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
            links(found.linked.as_ref(), found.unresolved),
            found.linked,
            found.unresolved,
            intent.run,
            at
        ])
}
