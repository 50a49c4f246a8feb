//! What else goes on in the server, for discover: a standby that may cancel long reads, a busy server, connections that
//! run out, locks on tables that are to be read.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::catalog::CatalogTable;
use super::connect::Session;
use super::failure::{answer, value};
use crate::dataflow::TableName;
use crate::error::Result;

/// Sessions at work at the same moment from which a server is called busy.
const BUSY: i64 = 8;
/// A statement that runs as long is likely to go on through the migration, and to slow it down.
const LONG_QUERY: Duration = Duration::from_secs(60);
/// A transaction open as long keeps dead rows, which every read passes over.
const LONG_TRANSACTION: Duration = Duration::from_secs(600);
/// A standby behind by more shows a moment that users would not call now.
const LAG: Duration = Duration::from_secs(10);
/// Sessions of ours beside the readers: one asks, one holds the snapshot.
const BESIDE: usize = 2;

/// How a standby stands. Seconds are NULL where nothing was ever replayed; a standby that has replayed all it was sent is
/// not behind, however old the last transaction is.
const STANDBY: &str = "
    select case when pg_catalog.pg_is_in_recovery()
                 and pg_catalog.pg_last_wal_receive_lsn() is distinct from pg_catalog.pg_last_wal_replay_lsn()
                then extract(epoch from pg_catalog.clock_timestamp()
                             - pg_catalog.pg_last_xact_replay_timestamp())::float8 end,
           pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('hot_standby_feedback') = 'on',
           pg_catalog.current_setting('max_standby_streaming_delay')";

/// The other sessions. What they do is NULL to a user who may not see it, how many there are in each database is not.
const SESSIONS: &str = "
    select pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
           pg_catalog.count(*) filter (where a.state = 'active'),
           pg_catalog.count(*) filter (where a.wait_event_type = 'Lock'),
           (extract(epoch from pg_catalog.max(pg_catalog.clock_timestamp() - a.query_start)
                               filter (where a.state = 'active')))::float8,
           (extract(epoch from pg_catalog.max(pg_catalog.clock_timestamp() - a.xact_start)))::float8,
           (select coalesce(pg_catalog.sum(d.numbackends), 0)::int8 from pg_catalog.pg_stat_database d),
           pg_catalog.current_setting('max_connections')::int8
           - pg_catalog.current_setting('superuser_reserved_connections')::int8
    from pg_catalog.pg_stat_activity a
    where a.backend_type = 'client backend' and a.pid <> pg_catalog.pg_backend_pid()";

/// Locks of others on tables that are stronger than writing rows takes.
const LOCKS: &str = "
    select l.relation, l.mode, l.granted, l.pid, coalesce(a.backend_type, '')
    from pg_catalog.pg_locks l
    join pg_catalog.pg_database d on d.oid = l.database and d.datname = pg_catalog.current_database()
    left join pg_catalog.pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'relation' and l.pid <> pg_catalog.pg_backend_pid()
      and l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                     'AccessExclusiveLock')
    order by l.relation, l.pid, l.mode";

/// A standby's state.
#[derive(Debug, Clone)]
struct Standby {
    lag: Option<Duration>,
    feedback: bool,
    delay: String,
}

/// The other sessions of the server.
#[derive(Debug, Clone, Default)]
struct Others {
    seen: bool,
    active: i64,
    waiting: i64,
    longest_query: Option<Duration>,
    oldest_transaction: Option<Duration>,
    connections: i64,
    most_connections: i64,
}

/// A strong lock, held or waited for.
#[derive(Debug, Clone)]
struct Lock {
    table: TableName,
    mode: String,
    granted: bool,
    pid: i32,
    backend: String,
}

/// What a reader of the tables `read` by so many connections should know of the server, a sentence each. What a server
/// refuses to tell (Amazon Aurora's readers know no position in a log) is one of these sentences, no error.
pub(super) async fn warnings(session: &Session, read: &[&CatalogTable], connections: usize) -> Vec<String> {
    let mut found = Vec::new();
    for (told, what) in [
        (standby(session).await, "whether it is a standby that lags behind"),
        (others(session, connections).await, "what its other sessions do"),
        (locks(session, read).await, "which tables are locked"),
    ] {
        match told {
            Ok(sentences) => found.extend(sentences),
            Err(error) => found.push(format!("the server does not tell {what}: {error}")),
        }
    }
    found
}

async fn ask(session: &Session, query: &str) -> Result<Vec<Row>> {
    answer("server", "its activity cannot be read", session.client.query(query, &[])).await
}

async fn standby(session: &Session) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for row in ask(session, STANDBY).await?.iter().filter(|row| matches!(value(row, 1), Ok(true))) {
        found.extend(
            Standby { lag: seconds(value(row, 0)?), feedback: value(row, 2)?, delay: value(row, 3)? }.warnings(),
        );
    }
    Ok(found)
}

async fn others(session: &Session, connections: usize) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for row in ask(session, SESSIONS).await? {
        let others = Others {
            seen: value(&row, 0)?,
            active: value(&row, 1)?,
            waiting: value(&row, 2)?,
            longest_query: seconds(value(&row, 3)?),
            oldest_transaction: seconds(value(&row, 4)?),
            connections: value(&row, 5)?,
            most_connections: value(&row, 6)?,
        };
        found.extend(others.warnings(connections + BESIDE));
    }
    Ok(found)
}

async fn locks(session: &Session, read: &[&CatalogTable]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for row in ask(session, LOCKS).await? {
        let oid: Oid = value(&row, 0)?;
        let Some(table) = read.iter().find(|table| table.oid == oid) else { continue };
        let lock = Lock {
            table: table.table.clone(),
            mode: value(&row, 1)?,
            granted: value(&row, 2)?,
            pid: value(&row, 3)?,
            backend: value(&row, 4)?,
        };
        found.push(lock.warning());
    }
    Ok(found)
}

fn seconds(seconds: Option<f64>) -> Option<Duration> {
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
}

impl Standby {
    fn warnings(&self) -> Vec<String> {
        let mut found = vec!["the server is a standby: what is read is what it has replayed so far".to_owned()];
        if let Some(lag) = self.lag.filter(|lag| *lag > LAG) {
            found.push(format!("the standby is {} s behind its primary", lag.as_secs()));
        }
        if !self.feedback {
            found.push(format!(
                "hot_standby_feedback is off: the standby may cancel a read that takes longer than \
                 max_standby_streaming_delay ({}); turn it on, or raise the delay, until the migration is done",
                self.delay
            ));
        }
        found
    }
}

impl Others {
    /// `wanted` is how many connections a run will open.
    fn warnings(&self, wanted: usize) -> Vec<String> {
        let mut found = Vec::new();
        let free = self.most_connections - self.connections;
        // The session that asks is one of those wanted.
        if free + 1 < i64::try_from(wanted).unwrap_or(i64::MAX) {
            found.push(format!(
                "{} of {} connections are taken and a run needs {wanted}: lower source.connections",
                self.connections, self.most_connections
            ));
        }
        if !self.seen {
            let hidden = "what other users' sessions do is hidden from this user (grant pg_read_all_stats shows it)";
            found.push(hidden.to_owned());
        }
        if self.active >= BUSY {
            found.push(format!("the server is busy: {} other sessions are at work", self.active));
        }
        if self.waiting > 0 {
            found.push(format!("{} other sessions wait for locks", self.waiting));
        }
        if let Some(age) = self.longest_query.filter(|age| *age > LONG_QUERY) {
            found.push(format!("a statement of another session has been running for {} s", age.as_secs()));
        }
        if let Some(age) = self.oldest_transaction.filter(|age| *age > LONG_TRANSACTION) {
            found.push(format!("a transaction of another session has been open for {} s", age.as_secs()));
        }
        found
    }
}

impl Lock {
    fn warning(&self) -> String {
        let Self { table, mode, pid, .. } = self;
        let work = match mode.as_str() {
            _ if self.backend.starts_with("autovacuum") => "autovacuum works on it",
            "AccessExclusiveLock" => {
                "DDL, TRUNCATE, VACUUM FULL or REFRESH MATERIALIZED VIEW; a run waits for it to end"
            }
            "ExclusiveLock" => "REFRESH MATERIALIZED VIEW CONCURRENTLY or LOCK TABLE",
            "ShareUpdateExclusiveLock" => "VACUUM, ANALYZE or an index built concurrently",
            _ => "an index being built, or DDL",
        };
        let verb = if self.granted { "holds" } else { "waits for" };
        format!("{table}: session {pid} {verb} {mode} ({work})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_server_is_nothing_to_warn_of_and_each_strain_is_named() {
        let quiet = Others { seen: true, connections: 3, most_connections: 97, ..Others::default() };
        assert_eq!(quiet.warnings(6), Vec::<String>::new());
        let busy = Others {
            seen: false,
            active: 40,
            waiting: 2,
            longest_query: Some(Duration::from_secs(61)),
            oldest_transaction: Some(Duration::from_secs(7200)),
            connections: 93,
            most_connections: 97,
        };
        let found = busy.warnings(6).join("\n");
        for wanted in ["93 of 97 connections", "hidden", "40 other sessions", "2 other", "for 61 s", "for 7200 s"] {
            assert!(found.contains(wanted), "{wanted}: {found}");
        }
        let enough = Others { connections: 92, ..quiet };
        assert_eq!(enough.warnings(6), Vec::<String>::new(), "five are free, and one is there already");
    }

    #[test]
    fn a_standby_says_what_may_end_a_read() {
        let good = Standby { lag: Some(Duration::from_secs(3)), feedback: true, delay: "30s".into() };
        assert_eq!(good.warnings().len(), 1);
        let bad = Standby { lag: Some(Duration::from_secs(90)), feedback: false, ..good };
        let found = bad.warnings().join("\n");
        assert!(found.contains("90 s behind") && found.contains("(30s)"), "{found}");
    }
}
