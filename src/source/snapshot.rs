//! The one moment all tables are read at. A holder locks every table, then takes and exports a snapshot; the readers
//! import it. The order matters: a snapshot taken before another session's TRUNCATE would read the table as empty.
//!
//! LOCK TABLE refuses materialised views, on every version; a query locks one in the same mode and as long. But a query
//! takes a snapshot, too. So the holder reads committed: each statement then has a snapshot of its own, and the one that
//! is exported, after all locks, lives on until the transaction ends. A REFRESH waits for those locks; one that does not
//! (CONCURRENTLY) leaves the old rows to older snapshots.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::catalog::{CatalogTable, quote_table};
use super::connect::Session;
use super::failure::{answer, value};
use super::target::Target;
use crate::error::{Error, Result};

/// Tables locked by one round trip.
const LOCK_BATCH: usize = 100;
/// Tries to lock all tables; each waits for the session's `lock_timeout`.
const LOCK_TRIES: usize = 6;
/// Between two signs of life on the holder, shorter than what firewalls forget a connection after (350 s on AWS).
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Exports the snapshot of this statement, the first after the locks: its id and the moment. Not `now()`, which is
/// when the transaction began: before the locks were waited for.
const EXPORT: &str = "
    select pg_catalog.pg_export_snapshot(),
           pg_catalog.to_char(pg_catalog.clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";

/// What names a snapshot in reports and manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotName {
    /// The exported id (`00000003-0000001B-1`); valid while the holder lives.
    pub id: String,
    /// The write-ahead log position just before it, where the server tells.
    pub lsn: Option<String>,
    /// The server's clock, RFC 3339 in UTC.
    pub at: String,
}

/// An exported snapshot with the sessions that read under it.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) name: SnapshotName,
    target: Target,
    locks: Arc<Vec<String>>,
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
    lost: Arc<AtomicBool>,
    _holder: AbortOnDropHandle<()>,
}

impl Snapshot {
    /// Locks `tables`, exports a snapshot and opens `connections` sessions under it, each with the same locks: a session
    /// that came later would queue behind anybody's waiting exclusive lock.
    pub(super) async fn open(
        target: &Target,
        control: &Client,
        tables: &[&CatalogTable],
        connections: usize,
    ) -> Result<Self> {
        let locks = Arc::new(lock_statements(tables));
        let mut tries = 1;
        loop {
            match Self::attempt(target, control, locks.clone(), connections).await {
                Err(error) if tries < LOCK_TRIES && is_lock_timeout(&error) => {
                    warn!(tries, "a table is locked by {}; trying again", blockers(control).await);
                    tries += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(error) if is_lock_timeout(&error) => {
                    let message = format!(
                        "the tables could not be locked for reading: {} hold or want exclusive locks; wait for them",
                        blockers(control).await
                    );
                    return Err(Error::Preflight { message, cause: Some(error.into()) });
                }
                opened => return opened,
            }
        }
    }

    async fn attempt(target: &Target, control: &Client, locks: Arc<Vec<String>>, connections: usize) -> Result<Self> {
        let holder = Session::open(target).await?;
        begin(&holder.client, "").await?;
        lock(&holder.client, &locks).await?;
        // Read before the snapshot is taken: changes after this position and before the snapshot come twice, not never.
        let lsn = lsn(control).await;
        let exported = holder.client.query_one(EXPORT, &[]);
        let row = answer("snapshot", "the snapshot cannot be exported", exported).await?;
        let name = SnapshotName { id: value(&row, 0)?, lsn, at: value(&row, 1)? };
        let mut idle = Vec::new();
        for _ in 0..connections.max(1) {
            idle.push(reader(target, &name.id, &locks).await?);
        }
        let lost = Arc::new(AtomicBool::new(false));
        let holder = AbortOnDropHandle::new(tokio::spawn(keep_alive(holder, lost.clone())));
        let permits = Arc::new(Semaphore::new(connections.max(1)));
        Ok(Self { name, target: target.clone(), locks, idle: Mutex::new(idle), permits, lost, _holder: holder })
    }

    /// A session under the snapshot, for one reader; waits until one is free.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| self.gone(None))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let session = match idle {
            Some(session) if !session.client.is_closed() => session,
            _ => reader(&self.target, &self.name.id, &self.locks).await.map_err(|error| {
                if self.is_lost() || refuses_snapshot(&error) { self.gone(Some(error)) } else { error }
            })?,
        };
        Ok(Lease { session, snapshot: self.clone(), _permit: permit })
    }

    /// Whether the holder's session has ended: no new reader can join.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    fn gone(&self, cause: Option<Error>) -> Error {
        Error::Source {
            table: format!("snapshot {}", self.name.id),
            message: "the session that held it has ended; what was read under it is complete in itself, the rest must \
                      be read again: run the same command again"
                .into(),
            transient: false,
            cause: cause.map(Into::into),
        }
    }
}

/// A session lent to one reader. Dropped without [`Lease::give_back`] it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) session: Session,
    snapshot: Arc<Snapshot>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Returns a session on which nothing is under way.
    pub(super) fn give_back(self) {
        let Self { session, snapshot, _permit } = self;
        snapshot.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

fn lock_statements(tables: &[&CatalogTable]) -> Vec<String> {
    let statement = |batch: &[&CatalogTable]| {
        let names: Vec<_> = batch.iter().map(|table| format!("only {}", quote_table(&table.table))).collect();
        format!("lock table {} in access share mode", names.join(", "))
    };
    let (views, tables): (Vec<_>, Vec<_>) = tables.iter().partition(|table| table.relkind == 'm');
    let view = |view: &CatalogTable| format!("select from {} limit 0", quote_table(&view.table));
    tables.chunks(LOCK_BATCH).map(statement).chain(views.into_iter().map(view)).collect()
}

/// Starts a transaction: that of the holder, or of a reader of this snapshot.
async fn begin(client: &Client, snapshot: &str) -> Result<()> {
    let statement = match snapshot {
        "" => "begin isolation level read committed read only".to_owned(),
        id => {
            let import = format!("set transaction snapshot '{}'", id.replace('\'', "''"));
            format!("begin isolation level repeatable read read only; {import}")
        }
    };
    answer("snapshot", "the snapshot cannot be entered", client.batch_execute(&statement)).await
}

async fn lock(client: &Client, locks: &[String]) -> Result<()> {
    for statement in locks {
        answer("snapshot", "a table cannot be locked", client.batch_execute(statement)).await?;
    }
    Ok(())
}

async fn reader(target: &Target, snapshot: &str, locks: &[String]) -> Result<Session> {
    let session = Session::open(target).await?;
    begin(&session.client, snapshot).await?;
    lock(&session.client, locks).await?;
    Ok(session)
}

async fn lsn(control: &Client) -> Option<String> {
    let query = "select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                        else pg_catalog.pg_current_wal_lsn() end::text";
    // Some managed servers refuse these functions; a snapshot without a position still is one.
    control.query_one(query, &[]).await.ok().and_then(|row| row.try_get(0).ok().flatten())
}

/// Holds the transaction open and shows the network that it lives.
async fn keep_alive(holder: Session, lost: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(KEEPALIVE).await;
        if let Err(error) = answer("snapshot", "no sign of life", holder.client.batch_execute("select 1")).await {
            warn!(%error, "the snapshot's holder was lost");
            lost.store(true, Ordering::Release);
            return;
        }
    }
}

fn is_lock_timeout(error: &Error) -> bool {
    sql_state(error) == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// Whether the server says that a snapshot's exporter has gone: its file is missing (22023 or 42704, by version)
/// or its transaction no longer runs (55000). Source: `ImportSnapshot` and `ProcArrayInstallImportedXmin`.
fn refuses_snapshot(error: &Error) -> bool {
    let gone =
        [&SqlState::INVALID_PARAMETER_VALUE, &SqlState::UNDEFINED_OBJECT, &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
    sql_state(error).is_some_and(|state| gone.contains(&state))
}

fn sql_state(error: &Error) -> Option<&SqlState> {
    let cause = std::error::Error::source(error)?.downcast_ref::<tokio_postgres::Error>()?;
    cause.code()
}

/// Who holds or wants exclusive locks, for a message.
async fn blockers(control: &Client) -> String {
    let query = "select coalesce(pg_catalog.string_agg(distinct pg_catalog.format('session %s (table %s)', l.pid,
                                                       l.relation::pg_catalog.regclass), ', '), 'other sessions')
                 from pg_catalog.pg_locks l
                 join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
                 where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
                   and l.pid <> pg_catalog.pg_backend_pid()";
    control.query_one(query, &[]).await.and_then(|row| row.try_get(0)).unwrap_or_else(|_| "other sessions".into())
}
