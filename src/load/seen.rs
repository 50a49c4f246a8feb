//! The source keys of a run, in a database of its own that disappears with it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use crate::error::{Error, Result};

/// Source keys, each with whether a reference to it will find an asset.
#[derive(Debug, Clone)]
pub(super) struct Seen(Arc<Mutex<Connection>>);

impl Seen {
    pub(super) fn new() -> Result<Self> {
        // An empty name is a temporary file that SQLite removes, with a bounded cache in memory.
        let connection = Connection::open("").map_err(unusable)?;
        let schema = "create table seen (source_key text primary key, there integer not null) strict, without rowid;";
        connection.execute_batch(schema).map_err(unusable)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// # Errors
    /// [`Error::Mismatch`] when a key is there already: two rows have it.
    pub(super) fn add(&self, keys: impl IntoIterator<Item = (String, bool)>) -> Result<()> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction().map_err(unusable)?;
        {
            let mut insert =
                transaction.prepare_cached("insert or ignore into seen values (?1, ?2)").map_err(unusable)?;
            for (key, there) in keys {
                if insert.execute((&key, there)).map_err(unusable)? == 0 {
                    return Err(Error::Mismatch {
                        what: "plan".to_owned(),
                        message: format!("two rows to be loaded have the source key {key}; settle it in 3_normalise"),
                    });
                }
            }
        }
        transaction.commit().map_err(unusable)
    }

    /// A reference to the key will find an asset after all.
    pub(super) fn will_be_there(&self, key: &str) -> Result<()> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut update =
            connection.prepare_cached("update seen set there = 1 where source_key = ?1").map_err(unusable)?;
        update.execute([key]).map(drop).map_err(unusable)
    }

    /// Those of the keys to which a reference will find an asset.
    pub(super) fn those_there(&self, keys: Vec<String>) -> Result<HashSet<String>> {
        let mut there = HashSet::new();
        for key in keys {
            if self.get(&key)? == Some(true) {
                there.insert(key);
            }
        }
        Ok(there)
    }

    /// Whether a reference to the key will find an asset; `None` where no row of the run has it.
    pub(super) fn get(&self, key: &str) -> Result<Option<bool>> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut find = connection.prepare_cached("select there from seen where source_key = ?1").map_err(unusable)?;
        find.query_row([key], |row| row.get(0)).optional().map_err(unusable)
    }
}

pub(super) fn unusable(cause: rusqlite::Error) -> Error {
    Error::Ledger {
        path: "temporary database of the run's rows".to_owned(),
        message: "cannot be written; is there room in TMPDIR?".to_owned(),
        cause: Some(Box::new(cause)),
    }
}
