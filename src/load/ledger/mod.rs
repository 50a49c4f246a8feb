//! The ledger: what a target holds of us, and what was about to happen when the process ended. An intent is durable
//! before its POST is sent, and the answer is durable before anything relies on it. SQLite in WAL mode with
//! `synchronous = FULL`; one thread writes, in group commits; constraints in the schema hold the invariants.

mod lock;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use tokio::sync::{mpsc, oneshot};

use self::lock::Lock;
use self::writer::{Change, Order};
use crate::error::{Cause, Error, Result};

/// Version of the schema; a ledger of another version is refused.
const SCHEMA_VERSION: i64 = 1;
/// Marks the file as ours ("tele").
const APPLICATION_ID: i64 = 0x7465_6c65;
/// Changes that may wait for the writer.
const QUEUE: usize = 1_024;

/// How far an asset has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A POST was about to be sent; whether the asset exists has to be looked up.
    Intended,
    /// The target gave it an id; its field values are to be (re)written.
    Created,
    /// Its field values are written, its references are not.
    Described,
    /// The target holds all of it.
    Complete,
    /// Refused, with a reason; tried again by the next load.
    Failed,
    /// Whether the asset exists cannot be found out; held for a person to look at.
    Unknown,
}

impl State {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "intended" => Self::Intended,
            "created" => Self::Created,
            "described" => Self::Described,
            "complete" => Self::Complete,
            "failed" => Self::Failed,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

/// An asset that is about to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The key in the source.
    pub source_key: String,
    /// The query that gave the row.
    pub query: String,
    /// The uuid to be sent.
    pub uuid: String,
    /// The name to be sent.
    pub name: String,
    /// BLAKE3 of the row's canonical JSON.
    pub payload: [u8; 32],
    /// No entry is expected: one that is there means that two rows have the key.
    pub fresh: bool,
}

/// What the ledger says of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How far it has come.
    pub state: State,
    /// The target's id, once it has one.
    pub flex_id: Option<i64>,
    /// The name the target holds.
    pub name: String,
    /// BLAKE3 of the canonical JSON of the row that was sent.
    pub payload: [u8; 32],
    /// References that had no asset to point to when they were last written.
    pub unresolved: u32,
    /// How often the target came to hold all of it.
    pub completions: u32,
    /// When its creation was first intended.
    pub intended_at: DateTime<Utc>,
}

/// An asset that is failed or unknown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Trouble {
    /// The key in the source.
    pub source_key: String,
    /// The query that gave the row.
    pub query: String,
    /// `failed` or `unknown`.
    pub state: String,
    /// The class of the reason (`HTTP 400`, `INVALID`, `UNCLEAR`).
    pub reason: String,
    /// The server's words.
    pub message: String,
    /// The target's id, if it has one.
    pub flex_id: Option<i64>,
}

/// An open ledger. Cheap to clone; the last clone commits what is queued and frees the lock.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    reader: Mutex<Connection>,
    orders: Option<mpsc::Sender<Order>>,
    writer: Option<JoinHandle<()>>,
    _lock: Lock,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has committed what it acknowledged; there is nothing to add here.
            drop(writer.join());
        }
    }
}

impl Ledger {
    /// Opens the ledger of `target`, or starts one where no file is.
    ///
    /// # Errors
    /// When another process has it open; when the file is damaged, is no ledger, is of another version or belongs to
    /// another target or server. Nothing is ever overwritten.
    pub fn open(path: &Path, target: &str, server: &str) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|cause| Self::error(folder.display(), "the folder cannot be made", Some(Box::new(cause))))?;
        }
        let lock = Lock::take(path)?;
        let wrap = |cause: rusqlite::Error| {
            let message = "cannot be opened or is damaged; restore the copy from the staging area's ledger/ folder, \
                           or move the file away to start anew (assets already loaded will be looked up by uuid)";
            Self::error(path.display(), message, Some(Box::new(cause)))
        };
        let connection = Connection::open(path).map_err(wrap)?;
        prepare(&connection, path, target, server, &wrap)?;
        let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(wrap)?;
        let (orders, queue) = mpsc::channel(QUEUE);
        let name = path.display().to_string();
        let writer = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run(connection, &name, queue))
            .map_err(|cause| Self::error(path.display(), "no thread can be started", Some(Box::new(cause))))?;
        let (orders, writer) = (Some(orders), Some(writer));
        Ok(Self(Arc::new(Inner { path: path.to_owned(), reader: Mutex::new(reader), orders, writer, _lock: lock })))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// An asset is about to be created.
    ///
    /// # Errors
    /// When it has an id already, or nothing can be written. So for all changes: durable when they return.
    pub async fn intend(&self, intent: Intent) -> Result<()> {
        self.change(Change::Intend(intent)).await
    }

    /// A row is not sent because the definition forbids it; an asset that exists keeps its id.
    ///
    /// # Errors
    /// As [`Ledger::intend`].
    pub async fn refuse(&self, intent: Intent, reason: &str, message: &str) -> Result<()> {
        self.change(Change::Refuse { intent, reason: reason.to_owned(), message: message.to_owned() }).await
    }

    /// The target gave the asset its id.
    ///
    /// # Errors
    /// When it has one already, or another asset has this one.
    pub async fn created(&self, source_key: &str, flex_id: i64) -> Result<()> {
        self.change(Change::Created { source_key: source_key.to_owned(), flex_id }).await
    }

    /// An asset that exists is about to be written again, from a row with this hash.
    ///
    /// # Errors
    /// When it has no id.
    pub async fn revise(&self, source_key: &str, payload: [u8; 32]) -> Result<()> {
        self.change(Change::Revise { source_key: source_key.to_owned(), payload }).await
    }

    /// The target holds the new name.
    ///
    /// # Errors
    /// When the asset is not being written.
    pub async fn renamed(&self, source_key: &str, name: &str) -> Result<()> {
        self.change(Change::Renamed { source_key: source_key.to_owned(), name: name.to_owned() }).await
    }

    /// The target holds the field values, without references.
    ///
    /// # Errors
    /// When the asset is not being written.
    pub async fn attributes_done(&self, source_key: &str) -> Result<()> {
        self.change(Change::Described { source_key: source_key.to_owned() }).await
    }

    /// The target holds all of the asset, but for `unresolved` references that have nothing to point to.
    ///
    /// # Errors
    /// When the asset has no id.
    pub async fn linked(&self, source_key: &str, unresolved: u32) -> Result<()> {
        self.change(Change::Complete { source_key: source_key.to_owned(), unresolved }).await
    }

    /// The target refused the asset or its field values.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn failed(&self, source_key: &str, reason: &str, message: &str) -> Result<()> {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        self.change(Change::Failed { source_key: source_key.to_owned(), reason, message }).await
    }

    /// Nobody can tell whether the asset exists.
    ///
    /// # Errors
    /// When it has an id.
    pub async fn unknown(&self, source_key: &str, message: &str) -> Result<()> {
        self.change(Change::Unknown { source_key: source_key.to_owned(), message: message.to_owned() }).await
    }

    /// Keeps a fact about the target, replacing an earlier one.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn remember(&self, key: &'static str, value: &str) -> Result<()> {
        self.change(Change::Remember { key, value: value.to_owned() }).await
    }

    async fn change(&self, change: Change) -> Result<()> {
        let gone = || Self::error(self.0.path.display(), "its writer has ended; run the same command again", None);
        let (waiter, committed) = oneshot::channel();
        let orders = self.0.orders.as_ref().ok_or_else(gone)?;
        orders.send((change, waiter)).await.map_err(|_| gone())?;
        committed.await.map_err(|_| gone())?
    }

    /// A fact kept by [`Ledger::remember`].
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recall(&self, key: &'static str) -> Result<Option<String>> {
        self.read(move |connection| {
            connection.query_row("select value from about where key = ?1", [key], |row| row.get(0)).optional()
        })
        .await
    }

    /// The entries of these source keys; keys without an entry are left out.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn entries(&self, source_keys: Vec<String>) -> Result<HashMap<String, Entry>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select state, flex_id, name, payload, unresolved, completions, intended_at
                 from asset where source_key = ?1",
            )?;
            let mut entries = HashMap::with_capacity(source_keys.len());
            for key in source_keys {
                if let Some(entry) = statement.query_row([&key], entry).optional()? {
                    entries.insert(key, entry);
                }
            }
            Ok(entries)
        })
        .await
    }

    /// The target's ids of these source keys; keys without an id are left out.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn ids(&self, source_keys: Vec<String>) -> Result<HashMap<String, i64>> {
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("select flex_id from asset where source_key = ?1 and flex_id is not null")?;
            let mut ids = HashMap::with_capacity(source_keys.len());
            for key in source_keys {
                if let Some(id) = statement.query_row([&key], |row| row.get(0)).optional()? {
                    ids.insert(key, id);
                }
            }
            Ok(ids)
        })
        .await
    }

    /// All source keys, ordered, in portions after the given one; an empty portion is the end.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn source_keys_after(&self, key: String, most: usize) -> Result<Vec<String>> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("select source_key from asset where source_key > ?1 order by source_key limit ?2")?;
            statement.query_map((&key, most as i64), |row| row.get(0))?.collect()
        })
        .await
    }

    /// The assets that failed or are unknown, by source key, at most so many.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn troubles(&self, most: usize) -> Result<Vec<Trouble>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select source_key, query, state, reason, message, flex_id from asset
                 where state in ('failed', 'unknown') order by source_key limit ?1",
            )?;
            let trouble = |row: &Row<'_>| {
                Ok(Trouble {
                    source_key: row.get(0)?,
                    query: row.get(1)?,
                    state: row.get(2)?,
                    reason: row.get(3)?,
                    message: row.get(4)?,
                    flex_id: row.get(5)?,
                })
            };
            statement.query_map([most as i64], trouble)?.collect()
        })
        .await
    }

    /// Writes a compact copy to `file`, which must not exist.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub async fn copy_to(&self, file: &Path) -> Result<()> {
        let file = file.display().to_string();
        self.read(move |connection| connection.execute("vacuum into ?1", [file]).map(drop)).await
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let path = self.0.path.display().to_string();
        let read = move || work(&inner.reader.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(cause)) => Err(Self::error(path, "cannot be read", Some(Box::new(cause)))),
            Err(cause) => Err(Self::error(path, "reading it was broken off", Some(Box::new(cause)))),
        }
    }

    fn error(path: impl ToString, message: impl Into<String>, cause: Option<Cause>) -> Error {
        Error::Ledger { path: path.to_string(), message: message.into(), cause }
    }
}

/// The moment as it stands in the ledger.
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Sets the connection up, and creates the schema or checks the one that is there.
fn prepare(
    connection: &Connection,
    path: &Path,
    target: &str,
    server: &str,
    wrap: &dyn Fn(rusqlite::Error) -> Error,
) -> Result<()> {
    connection.pragma_update(None, "journal_mode", "wal").map_err(wrap)?;
    connection.pragma_update(None, "synchronous", "full").map_err(wrap)?;
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(wrap);
    let refuse = |message: String| Err(Ledger::error(path.display(), message, None));
    let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(wrap)?;
    if tables == 0 {
        let script = format!(
            "begin immediate; {} pragma application_id = {APPLICATION_ID}; pragma user_version = {SCHEMA_VERSION};",
            include_str!("schema.sql")
        );
        connection.execute_batch(&script).map_err(wrap)?;
        let about = [("target", target), ("server", server), ("started_at", &now())];
        for (key, value) in about {
            connection.execute("insert into about values (?1, ?2)", [key, value]).map_err(wrap)?;
        }
        return connection.execute_batch("commit").map_err(wrap);
    }
    if number("application_id")? != APPLICATION_ID {
        return refuse("the file is another program's database; name another file as ledger".to_owned());
    }
    let version = number("user_version")?;
    if version != SCHEMA_VERSION {
        return refuse(format!(
            "its schema has version {version}, this program writes {SCHEMA_VERSION}; use the program that wrote it"
        ));
    }
    let sound: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(wrap)?;
    if sound != "ok" {
        return refuse(format!("it is damaged ({sound}); restore the copy from the staging area's ledger/ folder"));
    }
    let about = |key: &str| {
        connection
            .query_row("select value from about where key = ?1", [key], |row| row.get::<_, String>(0))
            .map_err(wrap)
    };
    for (key, ours) in [("target", target), ("server", server)] {
        let theirs = about(key)?;
        if theirs != ours {
            return refuse(format!(
                "it belongs to the {key} {theirs:?}, not to {ours:?}; each target needs a ledger of its own"
            ));
        }
    }
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let word: String = row.get(0)?;
    let at: String = row.get(6)?;
    let unreadable =
        |column| rusqlite::Error::InvalidColumnType(column, "unreadable".to_owned(), rusqlite::types::Type::Text);
    Ok(Entry {
        state: State::parse(&word).ok_or_else(|| unreadable(0))?,
        flex_id: row.get(1)?,
        name: row.get(2)?,
        payload: row.get(3)?,
        unresolved: row.get(4)?,
        completions: row.get(5)?,
        intended_at: DateTime::parse_from_rfc3339(&at).map_err(|_| unreadable(6))?.with_timezone(&Utc),
    })
}

#[cfg(test)]
mod tests;
