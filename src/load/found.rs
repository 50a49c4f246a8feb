//! What is looked for in a target and what was found there, in a database of its own that disappears with it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::seen::unusable;
use crate::error::{Error, Result};

/// Rows to be loaded, and the assets that stand for them.
#[derive(Debug)]
pub(super) struct Found(Connection);

/// An asset that was found.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) id: i64,
    pub(super) name: String,
    /// Its field values, as JSON.
    pub(super) instance: String,
}

const SCHEMA: &str = "
    create table wanted (source_key text primary key, uuid text not null unique, external text) strict, without rowid;
    create index wanted_by_external on wanted (external) where external is not null;
    create table found (id integer primary key, source_key text not null, name text not null, instance text not null)
        strict;
    create index found_by_key on found (source_key);";

impl Found {
    pub(super) fn new() -> Result<Self> {
        // An empty name is a temporary file that SQLite removes, with a bounded cache in memory.
        let connection = Connection::open("").map_err(unusable)?;
        connection.execute_batch(SCHEMA).map_err(unusable)?;
        Ok(Self(connection))
    }

    /// Rows that are looked for: source key, uuid, value of the external id.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when a key is there already: two rows have it.
    pub(super) fn want(&mut self, rows: impl IntoIterator<Item = (String, String, Option<String>)>) -> Result<()> {
        let transaction = self.0.transaction().map_err(unusable)?;
        {
            let mut insert =
                transaction.prepare_cached("insert or ignore into wanted values (?1, ?2, ?3)").map_err(unusable)?;
            for (key, uuid, external) in rows {
                if insert.execute(params![key, uuid, external]).map_err(unusable)? == 0 {
                    return Err(Error::Mismatch {
                        what: "ledger rebuild".to_owned(),
                        message: format!("two rows to be loaded have the source key {key}; settle it in 3_normalise"),
                    });
                }
            }
        }
        transaction.commit().map_err(unusable)
    }

    /// The source key of the row that an asset with this uuid, or one of these external ids, stands for. An external id that
    /// two rows have tells nothing.
    pub(super) fn key_of(&self, uuid: Option<&str>, externals: &[String]) -> Result<Option<String>> {
        let mut by_uuid = self.0.prepare_cached("select source_key from wanted where uuid = ?1").map_err(unusable)?;
        if let Some(key) = by_uuid.query_row([uuid], |row| row.get(0)).optional().map_err(unusable)? {
            return Ok(Some(key));
        }
        let mut by_external = self
            .0
            .prepare_cached("select min(source_key) from wanted where external = ?1 having count(*) = 1")
            .map_err(unusable)?;
        for external in externals {
            if let Some(key) = by_external.query_row([external], |row| row.get(0)).optional().map_err(unusable)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// Assets with the source keys of their rows.
    pub(super) fn put(&mut self, assets: Vec<(String, Asset)>) -> Result<()> {
        let transaction = self.0.transaction().map_err(unusable)?;
        {
            let mut insert =
                transaction.prepare_cached("insert or replace into found values (?1, ?2, ?3, ?4)").map_err(unusable)?;
            for (key, asset) in assets {
                insert.execute(params![asset.id, key, asset.name, asset.instance]).map_err(unusable)?;
            }
        }
        transaction.commit().map_err(unusable)
    }

    /// All assets that stand for a row.
    pub(super) fn of(&self, key: &str) -> Result<Vec<Asset>> {
        let mut find = self
            .0
            .prepare_cached("select id, name, instance from found where source_key = ?1 order by id")
            .map_err(unusable)?;
        let asset = |row: &rusqlite::Row<'_>| Ok(Asset { id: row.get(0)?, name: row.get(1)?, instance: row.get(2)? });
        find.query_map([key], asset).and_then(Iterator::collect).map_err(unusable)
    }

    /// The ids of the assets of these keys; of none of which two assets stand for the row.
    pub(super) fn ids(&self, keys: impl IntoIterator<Item = String>) -> Result<HashMap<String, i64>> {
        let mut find = self
            .0
            .prepare_cached("select min(id) from found where source_key = ?1 having count(*) = 1")
            .map_err(unusable)?;
        let mut ids = HashMap::new();
        for key in keys {
            if let Some(id) = find.query_row([&key], |row| row.get(0)).optional().map_err(unusable)? {
                ids.insert(key, id);
            }
        }
        Ok(ids)
    }
}
