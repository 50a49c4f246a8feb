//! What a failure of the source means: repeat it, or stop and tell whom to ask.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::FromSql;
use tracing::warn;

use crate::error::{Error, Result};

/// Tries to read something whose read broke off for a passing reason.
const TRIES: u32 = 3;

/// Counts the tries of a read.
#[derive(Debug, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// After a try that failed: waits, if it failed for a passing reason and another one may be made. Whatever the
    /// abandoned try has made is the caller's to drop.
    ///
    /// # Errors
    /// The try's error, if it was the last one.
    pub(crate) async fn after(&mut self, table: impl Display, error: Error) -> Result<()> {
        self.0 += 1;
        if !error.is_transient() || self.0 >= TRIES {
            return Err(error);
        }
        warn!(%table, %error, "reading again");
        pause(self.0).await;
        Ok(())
    }
}

/// Waits before a read that failed for a passing reason is tried again: 1, 2, 4 … 30 s by the number of tries made, with
/// up to half as much again at random, so that many readers do not come back at once.
pub(crate) async fn pause(tries: u32) {
    let wait = Duration::from_secs(1 << tries.saturating_sub(1).min(5)).min(Duration::from_secs(30));
    tokio::time::sleep(wait.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
}

/// An error of the source while reading `table` (or another named part of it).
///
/// Transient by SQLSTATE: class 08 (connection), 40 (serialisation, deadlock), 53300 (too many connections), 57P01 to
/// 57P03 (shutdown), 55P03 (lock not to be had in time); and every failure below the protocol. What is read here is
/// read only and in one snapshot, so that 40001 is never a serialisation failure but a standby's conflict with recovery.
/// Source: PostgreSQL's documentation, appendix A.
pub(super) fn failure(table: &str, doing: &str, cause: tokio_postgres::Error) -> Error {
    let code = cause.code().map(SqlState::code);
    let transient = match code {
        None => true,
        Some(code) => {
            code.starts_with("08")
                || code.starts_with("40")
                || matches!(code, "53300" | "57P01" | "57P02" | "57P03" | "55P03")
        }
    };
    let message = format!("{doing}{}", reason(&cause, doing));
    Error::Source { table: table.into(), message, transient, cause: Some(cause.into()) }
}

/// What the server said, and what mends it; begins with a separator. `doing` is what was being done.
pub(super) fn reason(cause: &tokio_postgres::Error, doing: &str) -> String {
    let code = cause.code().map(SqlState::code);
    let advice = match code {
        None => "; the connection broke: run the same command again",
        Some("42501") => "; grant SELECT on it to this user, or use a user that row-level security does not apply to",
        Some("28P01" | "28000") => "; check user and password (PGPASSWORD, PGPASSFILE) and the server's pg_hba.conf",
        Some("3D000") => "; check the database's name in the URL",
        Some("40001") => {
            "; the standby has replayed a change that this snapshot still needed: set hot_standby_feedback = on there, or \
             raise max_standby_streaming_delay (and max_standby_archive_delay) above the time that the extraction takes"
        }
        Some("53300") => "; the server has no connection left: lower source.connections",
        Some("55P03") => "; another session holds or waits for an exclusive lock on it: wait for it to end",
        Some("57P01" | "57P02" | "57P03") => "; the server closed the session: run the same command again",
        Some("22023" | "42704") if doing.contains("snapshot") => "; the snapshot's holder has gone: run again",
        Some(_) => "",
    };
    let said = cause.as_db_error().map(|error| format!(": {}", error.message())).unwrap_or_default();
    format!("{said}{advice}")
}

/// The longest that an answer may take; then the server is taken for gone without a word (a half-open connection). Well
/// above what a statement of ours may rightly take: a hundred locks, each waited for as long as `lock_timeout` allows.
const ANSWER: Duration = Duration::from_secs(20 * 60);

/// Waits for the answer to a statement; see [`failure`].
pub(super) async fn answer<T>(
    table: &str,
    doing: &str,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T> {
    answer_within(ANSWER, table, doing, asked).await
}

/// Waits for the answer to a statement for so long; see [`failure`].
pub(super) async fn answer_within<T>(
    limit: Duration,
    table: &str,
    doing: &str,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T> {
    match timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|cause| failure(table, doing, cause)),
        Err(_) => Err(Error::Source {
            table: table.into(),
            message: format!("{doing}: the server has not answered within {limit:?}; run the same command again"),
            transient: true,
            cause: None,
        }),
    }
}

/// The code that the server gave for an error, if it gave one.
pub(super) fn sql_state(error: &Error) -> Option<&SqlState> {
    let cause = std::error::Error::source(error)?.downcast_ref::<tokio_postgres::Error>()?;
    cause.code()
}

/// A value of an answer's row. One that cannot be read (a name that is not UTF-8 in a database of encoding SQL_ASCII, a
/// NULL where the catalog has none) is an error.
pub(super) fn value<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|cause| {
        let column = row.columns().get(index).map_or("?", |column| column.name());
        let message = format!(
            "the catalog holds a value of {column} that cannot be read: {}; a name that is not UTF-8 must be renamed in \
             the source",
            std::error::Error::source(&cause).map_or_else(|| cause.to_string(), ToString::to_string)
        );
        Error::Preflight { message, cause: Some(cause.into()) }
    })
}

/// Bytes on the wire that are not what the catalog promised: never repeated, always a defect on one of the two sides.
pub(super) fn malformed(table: &str, what: impl Into<String>) -> Error {
    Error::Source { table: table.into(), message: what.into(), transient: false, cause: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_waited_for_so_long() {
        let never = std::future::pending::<Result<(), tokio_postgres::Error>>();
        let error = answer_within(Duration::from_millis(10), "public.t", "reading", never).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("public.t: reading: the server has not answered"));
    }
}
