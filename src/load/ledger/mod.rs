//! The ledger: what a target holds of us, and what was about to happen when the process ended. An intent is durable
//! before its POST is sent, and the answer is durable before anything relies on it. SQLite in WAL mode with
//! `synchronous = FULL`; one thread writes, in group commits; constraints in the schema hold the invariants.

mod entry;
mod lock;
mod look;
mod read;
mod writer;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, oneshot};

pub use self::entry::{AssetRecord, Entry, Found, Intent, Reason, RequestRecord, Sent, State, Trouble};
use self::lock::Lock;
pub use self::look::Tally;
use self::writer::{Change, Order, Written};
use super::reference::Resolved;
use super::row::FieldPrints;
use crate::error::{Cause, Error, Result};

/// Version of the schema; a ledger of another version is refused.
const SCHEMA_VERSION: i64 = 3;
/// Marks the file as ours ("tele").
const APPLICATION_ID: i64 = 0x7465_6c65;
/// Memory of the writer for pages of the file.
const CACHE_KIB: i64 = 64 << 10;
/// Pages of 4 KiB in the log before they are written to the file itself, which takes fsyncs of its own.
const WAL_PAGES: i64 = 16_000;
/// Statements kept prepared: each change with each kind of request.
const STATEMENTS: usize = 64;
/// Changes that may wait for the writer.
const QUEUE: usize = 1_024;

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
            use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
            if matches!(cause.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)) {
                let message = "is locked by another program; close what has it open, then run the same command again";
                return Self::error(path.display(), message, Some(Box::new(cause)));
            }
            let message = "cannot be opened or is damaged; restore the copy from the staging area's ledger/ folder (and \
                           remove the files -wal and -shm beside it, which belong to the old one), or move the file away \
                           and run `telecine ledger rebuild`";
            Self::error(path.display(), message, Some(Box::new(cause)))
        };
        // Beside a file that was broken off while it was made lies the journal that takes it back to nothing.
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0)
            || PathBuf::from(format!("{}-journal", path.display())).exists();
        let connection = Connection::open(path).map_err(wrap)?;
        prepare(&connection, path, is_new, target, server, &wrap)?;
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

    /// Assets are about to be created; all of them or, where one contradicts what is written, none.
    ///
    /// # Errors
    /// When one has an id already, or nothing can be written. So for all changes: durable when they return.
    pub async fn intend(&self, intents: Vec<Intent>) -> Result<()> {
        if intents.is_empty() {
            return Ok(());
        }
        self.change_all(intents.into_iter().map(Change::Intend).collect()).await
    }

    /// A row is not sent because the definition forbids it; an asset that exists keeps its id.
    ///
    /// # Errors
    /// As [`Ledger::intend`].
    pub async fn refuse(&self, intent: Intent, reason: Reason) -> Result<()> {
        self.change(Change::Refuse { intent, reason }).await
    }

    /// The target gave the asset its id; `sent` where it was by a request of ours that was answered.
    ///
    /// # Errors
    /// When it has one already, or another asset has this one.
    pub async fn created(&self, source_key: &str, flex_id: i64, sent: Option<Sent>) -> Result<()> {
        self.change(Change::Created { source_key: source_key.to_owned(), flex_id, sent }).await
    }

    /// The asset was found in the target, under this name, and is about to be written anew; `rename` is the hash of the
    /// request that is to give it the row's name.
    ///
    /// # Errors
    /// As [`Ledger::created`].
    pub async fn adopted(
        &self,
        source_key: &str,
        flex_id: i64,
        name: Option<String>,
        rename: Option<[u8; 32]>,
    ) -> Result<()> {
        self.change(Change::Adopted { source_key: source_key.to_owned(), flex_id, name, rename }).await
    }

    /// An asset that exists is about to be written again, from a row of this query with this hash; `rename` is the hash of
    /// the request that is to give it the row's name.
    ///
    /// # Errors
    /// When it has no id.
    pub async fn revise(
        &self,
        source_key: &str,
        query: &str,
        payload: [u8; 32],
        rename: Option<[u8; 32]>,
    ) -> Result<()> {
        let (source_key, query) = (source_key.to_owned(), query.to_owned());
        self.change(Change::Revise { source_key, query, payload, rename }).await
    }

    /// The references of assets that are complete are about to be written again; all of them or none.
    ///
    /// # Errors
    /// When one is not complete.
    pub async fn relink(&self, source_keys: Vec<String>) -> Result<()> {
        if source_keys.is_empty() {
            return Ok(());
        }
        self.change_all(source_keys.into_iter().map(|source_key| Change::Relink { source_key }).collect()).await
    }

    /// The target holds the new name.
    ///
    /// # Errors
    /// When the asset is not being written.
    pub async fn renamed(&self, source_key: &str, name: &str, sent: Sent) -> Result<()> {
        self.change(Change::Renamed { source_key: source_key.to_owned(), name: name.to_owned(), sent }).await
    }

    /// The target holds these field values, and those of the references that are `linked`; others are still to come.
    ///
    /// # Errors
    /// When the asset is not being written.
    pub async fn described(
        &self,
        source_key: &str,
        fields: FieldPrints,
        linked: Option<&Resolved>,
        sent: Option<Sent>,
    ) -> Result<()> {
        let linked = linked.map(Resolved::hash);
        self.change(Change::Described { source_key: source_key.to_owned(), fields, linked, sent }).await
    }

    /// The target holds all of an asset without references.
    ///
    /// # Errors
    /// When the asset has no id.
    pub async fn complete(&self, source_key: &str, fields: FieldPrints, sent: Option<Sent>) -> Result<()> {
        let written = Written { fields: Some(fields), linked: None, unresolved: 0 };
        self.change(Change::Complete { source_key: source_key.to_owned(), written, sent }).await
    }

    /// The target holds all of an asset with references, but for those of them that have nothing to point to; `fields`
    /// where field values were written with them.
    ///
    /// # Errors
    /// When the asset has no id.
    pub async fn linked(
        &self,
        source_key: &str,
        fields: Option<FieldPrints>,
        resolved: &Resolved,
        sent: Option<Sent>,
    ) -> Result<()> {
        let written = Written { fields, linked: Some(resolved.hash()), unresolved: resolved.unresolved };
        self.change(Change::Complete { source_key: source_key.to_owned(), written, sent }).await
    }

    /// The target refused the asset or its field values; `links` where it refused the references of the second pass.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn failed(&self, source_key: &str, reason: Reason, links: bool, sent: Option<Sent>) -> Result<()> {
        self.change(Change::Failed { source_key: source_key.to_owned(), reason, links, sent }).await
    }

    /// Nobody can tell whether the asset exists.
    ///
    /// # Errors
    /// When it has an id.
    pub async fn unknown(&self, source_key: &str, message: &str, sent: Option<Sent>) -> Result<()> {
        self.change(Change::Unknown { source_key: source_key.to_owned(), message: message.to_owned(), sent }).await
    }

    /// The asset is no longer in the target, by our own doing.
    ///
    /// # Errors
    /// When it has no id.
    pub async fn removed(&self, source_key: &str, sent: Sent) -> Result<()> {
        self.change(Change::Removed { source_key: source_key.to_owned(), sent }).await
    }

    /// Enters assets that were found in the target; all of them or none.
    ///
    /// # Errors
    /// When one has an entry already, or another asset has its id.
    pub async fn restore(&self, found: Vec<Found>) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        self.change_all(found.into_iter().map(Change::Restore).collect()).await
    }

    /// The numbers of these fields; those without one get it.
    ///
    /// # Errors
    /// When nothing can be read or written.
    pub async fn number_fields(&self, names: &BTreeSet<String>) -> Result<HashMap<String, u16>> {
        let known = self.field_numbers().await?;
        let new: Vec<Change> = names
            .iter()
            .filter(|name| !known.contains_key(*name))
            .map(|name| Change::Number { name: name.clone() })
            .collect();
        if new.is_empty() {
            return Ok(known);
        }
        self.change_all(new).await?;
        self.field_numbers().await
    }

    /// Keeps a fact about the target, replacing an earlier one.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn remember(&self, key: &str, value: &str) -> Result<()> {
        self.change(Change::Remember { key: key.to_owned(), value: value.to_owned() }).await
    }

    async fn change(&self, change: Change) -> Result<()> {
        self.change_all(vec![change]).await
    }

    async fn change_all(&self, changes: Vec<Change>) -> Result<()> {
        let gone = || Self::error(self.0.path.display(), "its writer has ended; run the same command again", None);
        let (waiter, committed) = oneshot::channel();
        let orders = self.0.orders.as_ref().ok_or_else(gone)?;
        orders.send((changes, waiter)).await.map_err(|_| gone())?;
        committed.await.map_err(|_| gone())?
    }

    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
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

    /// As [`Ledger::read`], on a connection of its own, for what takes long.
    async fn read_apart<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let path = self.0.path.clone();
        let opened = path.clone();
        let read = move || work(&Connection::open_with_flags(&opened, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(cause)) => Err(Self::error(path.display(), "cannot be read", Some(Box::new(cause)))),
            Err(cause) => Err(Self::error(path.display(), "reading it was broken off", Some(Box::new(cause)))),
        }
    }

    fn error(path: impl ToString, message: impl Into<String>, cause: Option<Cause>) -> Error {
        Error::Ledger { path: path.to_string(), message: message.into(), cause }
    }
}

/// The moment as it stands in the ledger.
fn now() -> String {
    text_of(Utc::now())
}

/// A moment as it stands in the ledger; such texts are ordered as the moments are.
fn text_of(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Sets the connection up.
fn prepare(
    connection: &Connection,
    path: &Path,
    is_new: bool,
    target: &str,
    server: &str,
    wrap: &dyn Fn(rusqlite::Error) -> Error,
) -> Result<()> {
    connection.pragma_update(None, "synchronous", "full").map_err(wrap)?;
    // A new ledger is whole or an empty file, however its making ends: in a log it could be a file that holds nothing.
    prepare_tables(connection, path, is_new, target, server, wrap)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(wrap)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(wrap)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES).map_err(wrap)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Creates the schema or checks the one that is there.
fn prepare_tables(
    connection: &Connection,
    path: &Path,
    is_new: bool,
    target: &str,
    server: &str,
    wrap: &dyn Fn(rusqlite::Error) -> Error,
) -> Result<()> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(wrap);
    let refuse = |message: String| Err(Ledger::error(path.display(), message, None));
    let tables: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0)).map_err(wrap)?;
    if tables == 0 && !is_new {
        let message = "it holds nothing, though it is there: if the file beside it that ends in -wal was lost, restore the \
                       copy from the staging area's ledger/ folder, or run `telecine ledger rebuild`";
        return refuse(message.to_owned());
    }
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
            "its schema has version {version}, this program writes {SCHEMA_VERSION}; use the program that wrote it, or move \
             the file away and run `telecine ledger rebuild`"
        ));
    }
    let sound: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).map_err(wrap)?;
    if sound != "ok" {
        return refuse(format!(
            "it is damaged ({sound}); restore the copy from the staging area's ledger/ folder, and remove the files -wal and -shm \
             beside it, which belong to the old one"
        ));
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

#[cfg(test)]
mod tests;
