//! The one moment all tables are read at. A holder locks every table, then takes and exports a snapshot; the readers
//! import it. The order matters: a snapshot taken before another session's TRUNCATE would read the table as empty.
//!
//! LOCK TABLE refuses materialised views, on every version; a query locks one in the same mode and as long. But a query
//! takes a snapshot, too. So the holder reads committed: each statement then has a snapshot of its own, and the one that
//! is exported, after all locks, lives on until the transaction ends. A REFRESH waits for those locks; one that does not
//! (CONCURRENTLY) leaves the old rows to older snapshots.
//!
//! The snapshot lives in the transactions of the readers that have imported it. When the holder's session is lost, no
//! further session can join, and those that are in go on; when a reader's session is lost then, the others do its work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::catalog::{self, CatalogTable, quote_table};
use super::connect::Session;
use super::failure::{answer, answer_within, pause, reason, sql_state, value};
use super::target::Target;
use crate::error::{Error, Result};
use crate::staging::{ServerState, SnapshotNote};

/// Tables locked by one round trip.
const LOCK_BATCH: usize = 100;
/// How long it is tried to lock all tables.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// How long a try waits for a lock (`lock_timeout`) before it gives up those that it has. Well below the time after which
/// a server looks for a deadlock and ends one of its parties (`deadlock_timeout`, 1 s): that is not to be the source's own
/// work.
const HOLDERS_LOCK: &str = "500ms";
/// Between two tries, at most: whoever wants an exclusive lock gets it then.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// How long the first readers wait for a lock (`lock_timeout`). Who holds them up waits for our own holder: only a new
/// try can end that, and the sooner it comes, the less the source's users wait for us.
const READERS_LOCK: &str = "200ms";
/// How long a reader that replaces a lost one waits: until others give up their wish for an exclusive lock.
const LATE_LOCK: &str = "10s";
/// Between two signs of life on the holder, shorter than what firewalls forget a connection after (350 s on AWS).
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long the holder's answer to a sign of life may take before it is taken for lost.
const PULSE: Duration = Duration::from_secs(120);
/// Between two looks at whether the holder's connection has ended by itself.
const LOOK: Duration = Duration::from_millis(500);
/// Tries to get a first session while the server has no connection to give.
const CONNECTION_TRIES: u32 = 5;

/// Exports the snapshot of this statement, the first after the locks: its id, the moment and the transactions that it
/// sees. Not `now()`, which is when the transaction began: before the locks were waited for. A standby does not tell which
/// of the transactions between the first and the last that it may not see have ended (PostgreSQL's `GetSnapshotData`,
/// "takenDuringRecovery"): there only a snapshot without any between says what it shows.
const EXPORT: &str = "
    select pg_catalog.pg_export_snapshot(),
           pg_catalog.to_char(pg_catalog.clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),
           case when not pg_catalog.pg_is_in_recovery()
                  or pg_catalog.txid_snapshot_xmin(s) = pg_catalog.txid_snapshot_xmax(s) then s::text end
    from pg_catalog.txid_current_snapshot() s";

/// Which server this is, as far as it tells everybody: see [`ServerState`].
const IDENTITY: &str = "
    select s.system_identifier::text, c.timeline_id, d.oid, b.stats_reset::text
    from pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_stat_bgwriter b,
         pg_catalog.pg_database d
    where d.datname = pg_catalog.current_database() and b.stats_reset is not null";

/// An exported snapshot with the sessions that read under it.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) name: SnapshotNote,
    target: Target,
    locks: Arc<Vec<String>>,
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
    /// Sessions that there are or may be: one a permit.
    places: AtomicUsize,
    lost: Arc<AtomicBool>,
    holder: Arc<Session>,
    _pulse: AbortOnDropHandle<()>,
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
        let begun = Instant::now();
        let mut full = 1;
        loop {
            match Self::attempt(target, control, locks.clone(), connections).await {
                Err(error) if full < CONNECTION_TRIES && has_no_connection(&error) => {
                    warn!(full, "the server has no connection left; trying again");
                    pause(full).await;
                    full += 1;
                }
                Err(error) if begun.elapsed() < LOCK_PATIENCE && is_lock_timeout(&error) => {
                    warn!("a table is locked by {}; trying again", blockers(control).await);
                    tokio::time::sleep(LOCK_PAUSE.mul_f64(fastrand::f64())).await;
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

    /// All sessions are there before the first lock is asked for: between the holder's locks and the last reader's,
    /// anybody's wish for an exclusive lock holds the readers up.
    async fn attempt(target: &Target, control: &Client, locks: Arc<Vec<String>>, connections: usize) -> Result<Self> {
        let holder = Session::open(target).await?;
        let mut idle = Vec::new();
        for _ in 0..connections.max(1) {
            match Session::open(target).await {
                Ok(session) => idle.push(session),
                Err(error) if has_no_connection(&error) && !idle.is_empty() => {
                    warn!("the server has no connection left: reading with {} of {connections}", idle.len());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        enter(&holder, "", &locks, HOLDERS_LOCK).await?;
        // Read before the snapshot is taken: changes after this position and before the snapshot come twice, not never.
        let lsn = lsn(control).await;
        let exported = holder.client.query_one(EXPORT, &[]);
        let row = answer("snapshot", "the snapshot cannot be exported", exported).await?;
        let (id, at, transactions): (String, _, _) = (value(&row, 0)?, value(&row, 1)?, value(&row, 2)?);
        try_join_all(idle.iter().map(|session| enter(session, &id, &locks, READERS_LOCK))).await?;
        let name = SnapshotNote { id, lsn, at, state: state(control, transactions).await };
        let holder = Arc::new(holder);
        let lost = Arc::new(AtomicBool::new(false));
        let pulse = AbortOnDropHandle::new(tokio::spawn(keep_alive(holder.clone(), lost.clone())));
        let (permits, places) = (Arc::new(Semaphore::new(idle.len())), AtomicUsize::new(idle.len()));
        let (target, idle) = (target.clone(), Mutex::new(idle));
        Ok(Self { name, target, locks, idle, permits, places, lost, holder, _pulse: pulse })
    }

    /// The session that holds the snapshot, and by which its server is known.
    #[cfg(feature = "connectorx")]
    pub(super) fn holder(&self) -> &Session {
        &self.holder
    }

    /// The catalog at the moment of the snapshot, asked by the session that has the locks: another one would wait behind
    /// whoever wants an exclusive lock.
    pub(super) async fn catalog(&self) -> Result<Vec<CatalogTable>> {
        catalog::read(&self.holder.client).await
    }

    /// A session under the snapshot, for one reader; waits until one is free. Where no further session can be had (the
    /// holder has ended, the server has no connection left), one of the others is waited for.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease> {
        loop {
            let permit = self.permits.clone().acquire_owned().await.map_err(|_| self.gone(None))?;
            let error = match self.idle_session() {
                Some(session) => return Ok(Lease { session, snapshot: self.clone(), _permit: permit }),
                None if self.is_lost() => self.gone(None),
                None => match reader(&self.target, &self.name.id, &self.locks).await {
                    Ok(session) => return Ok(Lease { session, snapshot: self.clone(), _permit: permit }),
                    Err(error) if refuses_snapshot(&error) => {
                        self.lost.store(true, Ordering::Release);
                        self.gone(Some(error))
                    }
                    Err(error) if self.is_lost() => self.gone(Some(error)),
                    Err(error) if has_no_connection(&error) => error,
                    Err(error) => return Err(error),
                },
            };
            if !self.give_up_place(permit) {
                return Err(error);
            }
        }
    }

    /// A session that nobody uses and whose connection has not ended.
    fn idle_session(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(session) = idle.pop() {
            if !session.client.is_closed() {
                return Some(session);
            }
        }
        None
    }

    /// Goes on with a session less, unless it is the last: then nobody is left to wait for.
    fn give_up_place(&self, permit: OwnedSemaphorePermit) -> bool {
        let fewer = |places: usize| if places > 1 { Some(places - 1) } else { None };
        let others = self.places.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer).is_ok();
        if others {
            permit.forget();
        } else if self.is_lost() {
            self.permits.close();
        }
        others
    }

    /// Whether the holder's session has ended: no new reader can join.
    fn is_lost(&self) -> bool {
        self.holder.ending.get().is_some() || self.lost.load(Ordering::Acquire)
    }

    fn gone(&self, cause: Option<Error>) -> Error {
        Error::Source {
            table: format!("snapshot {}", self.name.id),
            message: format!(
                "the session that held it has ended, and no other can join it; tables that are committed stay, the others \
                 must be read under a new one{}",
                self.holder.ending.get().map(|ending| reason(ending, "the session ended")).unwrap_or_default()
            ),
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
    enter(&session, snapshot, locks, LATE_LOCK).await?;
    Ok(session)
}

/// Begins a session's transaction, under the snapshot if there is one yet, and locks the tables.
async fn enter(session: &Session, snapshot: &str, locks: &[String], patience: &str) -> Result<()> {
    begin(&session.client, snapshot).await?;
    let limit = format!("set local lock_timeout = '{patience}'");
    answer("snapshot", "the session cannot be set up", session.client.batch_execute(&limit)).await?;
    lock(&session.client, locks).await
}

async fn lsn(control: &Client) -> Option<String> {
    let query = "select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
                        else pg_catalog.pg_current_wal_lsn() end::text";
    // Some managed servers refuse these functions; a snapshot without a position still is one.
    control.query_one(query, &[]).await.ok().and_then(|row| row.try_get(0).ok().flatten())
}

/// What the rows of a snapshot depend on; none where the server does not tell all of it.
async fn state(control: &Client, transactions: Option<String>) -> Option<ServerState> {
    let row = control.query_one(IDENTITY, &[]).await.ok()?;
    Some(ServerState {
        transactions: transactions?,
        system: row.try_get(0).ok()?,
        timeline: row.try_get(1).ok()?,
        database: row.try_get(2).ok()?,
        counting_since: row.try_get(3).ok()?,
    })
}

/// Holds the transaction open and shows the network that it lives. An end of the connection is noticed at once.
async fn keep_alive(holder: Arc<Session>, lost: Arc<AtomicBool>) {
    let looks = KEEPALIVE.as_millis() / LOOK.as_millis();
    loop {
        for _ in 0..looks {
            tokio::time::sleep(LOOK).await;
            if holder.client.is_closed() {
                break;
            }
        }
        let asked = holder.client.batch_execute("select 1");
        if let Err(error) = answer_within(PULSE, "snapshot", "no sign of life", asked).await {
            lost.store(true, Ordering::Release);
            let why = holder.ending.get().map(|ending| reason(ending, "the session ended")).unwrap_or_default();
            warn!(%error, "the session that holds the snapshot was lost: those that are in it go on, no other can join{why}");
            return;
        }
    }
}

/// Whether the server, or a limit of this user or database, has no connection to give.
fn has_no_connection(error: &Error) -> bool {
    sql_state(error) == Some(&SqlState::TOO_MANY_CONNECTIONS)
}

/// Whether others kept us from a lock.
fn is_lock_timeout(error: &Error) -> bool {
    sql_state(error)
        .is_some_and(|state| [&SqlState::LOCK_NOT_AVAILABLE, &SqlState::T_R_DEADLOCK_DETECTED].contains(&state))
}

/// Whether the server says that a snapshot's exporter has gone: its file is missing (22023 or 42704, by version)
/// or its transaction no longer runs (55000). Source: `ImportSnapshot` and `ProcArrayInstallImportedXmin`.
fn refuses_snapshot(error: &Error) -> bool {
    let gone =
        [&SqlState::INVALID_PARAMETER_VALUE, &SqlState::UNDEFINED_OBJECT, &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
    sql_state(error).is_some_and(|state| gone.contains(&state))
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
