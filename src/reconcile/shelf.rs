//! What is expected, on disk and by id, until it is seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::report::Named;
use crate::error::{Error, Result};
use crate::flex::{Asset, Expected, ExternalId};

const SCHEMA: &str = "
    create table expected (
        id integer unique,
        source_key text not null,
        uuid text not null,
        external text,
        name text not null,
        asset_type text not null,
        definition integer not null,
        instance text not null,
        seen integer not null default 0
    ) strict;
    create table gone (id integer primary key, source_key text not null) strict;
    create index by_uuid on expected (uuid);
    create index by_external on expected (external) where external is not null;";

/// What an asset that is not expected has to do with the rows.
#[derive(Debug)]
pub(super) enum Stray {
    /// It has the uuid or external id of an asset of ours.
    Duplicate(Named),
    /// It is of us, and no loaded row is its own; with its key where the ledger has it, or a row has its uuid or external id.
    Extra(Named),
    /// Somebody else's.
    Other,
}

/// A row whose asset was not seen.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) place: i64,
    pub(super) source_key: String,
    pub(super) id: Option<i64>,
    pub(super) definition: i64,
}

/// A temporary database that disappears with this.
#[derive(Debug, Clone)]
pub(super) struct Shelf(Arc<Mutex<Connection>>);

impl Shelf {
    pub(super) fn new() -> Result<Self> {
        // An empty name is a temporary file that SQLite removes, with a bounded cache in memory.
        let connection = Connection::open("").map_err(unusable)?;
        connection.execute_batch(SCHEMA).map_err(unusable)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// # Errors
    /// [`Error::Mismatch`] when two rows have the same asset.
    pub(super) async fn put(&self, assets: Vec<Expected>) -> Result<()> {
        let doubled = self.work(move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction
                    .prepare_cached("insert or ignore into expected values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)")?;
                for asset in assets {
                    let external = asset.external_id.as_ref().map(|id| external(&id.key, &id.value));
                    // A map of JSON values always has a JSON text.
                    let instance = serde_json::to_string(&asset.instance).unwrap_or_default();
                    let Expected { id, source_key, uuid, name, asset_type, definition, .. } = asset;
                    let values = params![id, source_key, uuid, external, name, asset_type, definition, instance];
                    if insert.execute(values)? == 0 {
                        return Ok(Some(source_key));
                    }
                }
            }
            transaction.commit()?;
            Ok(None)
        });
        match doubled.await? {
            None => Ok(()),
            Some(key) => Err(Error::Mismatch {
                what: "reconcile".to_owned(),
                message: format!("two rows to be loaded have the source key {key}; settle it in 3_normalise"),
            }),
        }
    }

    /// Assets that we made, after what is expected was put: those that are expected are not kept.
    pub(super) async fn put_known(&self, assets: Vec<(i64, String)>) -> Result<()> {
        self.work(move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "insert or ignore into gone select ?1, ?2 where not exists (select 1 from expected where id = ?1)",
                )?;
                for asset in assets {
                    insert.execute(params![asset.0, asset.1])?;
                }
            }
            transaction.commit()
        })
        .await
    }

    /// How many of which the ledger knows an asset.
    pub(super) async fn count(&self) -> Result<u64> {
        self.work(|connection| connection.query_row("select count(id) from expected", [], count)).await
    }

    /// What is expected of these ids; from now on they count as seen.
    pub(super) async fn take(&self, ids: Vec<i64>) -> Result<HashMap<i64, Expected>> {
        self.work(move |connection| {
            let transaction = connection.transaction()?;
            let mut found = HashMap::with_capacity(ids.len());
            {
                let mut update = transaction.prepare_cached(
                    "update expected set seen = 1 where id = ?1
                     returning source_key, uuid, name, instance, external, asset_type, definition",
                )?;
                for id in ids {
                    if let Some(asset) = update.query_row([id], |row| expected(id, row)).optional()? {
                        found.insert(id, asset);
                    }
                }
            }
            transaction.commit()?;
            Ok(found)
        })
        .await
    }

    /// What these assets, of which none is expected, have to do with the rows; `key` is that of our external ids.
    pub(super) async fn strays(&self, others: Vec<Asset>, key: Option<&str>) -> Result<Vec<Stray>> {
        let key = key.map(str::to_owned);
        self.work(move |connection| {
            let mut gone = connection.prepare_cached("select source_key from gone where id = ?1")?;
            let mut by_uuid =
                connection.prepare_cached("select source_key, id from expected where uuid = ?1 limit 1")?;
            let mut by_external =
                connection.prepare_cached("select source_key, id from expected where external = ?1 limit 1")?;
            let mut strays = Vec::with_capacity(others.len());
            for asset in others {
                if let Some(source_key) = gone.query_row([asset.id], |row| row.get(0)).optional()? {
                    strays.push(Stray::Extra(Named { source_key, id: asset.id }));
                    continue;
                }
                let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?));
                let mut ours = None;
                if let Some(uuid) = &asset.uuid {
                    ours = by_uuid.query_row([uuid.to_ascii_lowercase()], row).optional()?;
                }
                for id in asset.external_ids.iter().flatten() {
                    if ours.is_none() {
                        ours = by_external.query_row([external(&id.key, &id.value)], row).optional()?;
                    }
                }
                let carries = asset.external_ids.iter().flatten().any(|id| Some(&id.key) == key.as_ref());
                let id = asset.id;
                strays.push(match ours {
                    Some((source_key, Some(_))) => Stray::Duplicate(Named { source_key, id }),
                    Some((source_key, None)) => Stray::Extra(Named { source_key, id }),
                    None if carries => Stray::Extra(Named { source_key: String::new(), id }),
                    None => Stray::Other,
                });
            }
            Ok(strays)
        })
        .await
    }

    /// Rows not seen, in the order they were put, from after the given place: `most` of them, and only those without
    /// an asset if so asked.
    pub(super) async fn unseen(&self, after: i64, most: usize, only_without_asset: bool) -> Result<Vec<Unseen>> {
        self.work(move |connection| {
            let mut rows = connection.prepare_cached(
                "select rowid, source_key, id, definition from expected
                 where rowid > ?1 and seen = 0 and (id is null or not ?3) order by rowid limit ?2",
            )?;
            let unseen = |row: &Row<'_>| {
                Ok(Unseen { place: row.get(0)?, source_key: row.get(1)?, id: row.get(2)?, definition: row.get(3)? })
            };
            rows.query_map(params![after, most as i64, only_without_asset], unseen)?.collect()
        })
        .await
    }

    /// So many ids, the same ones each time: as many of each definition and type as there are, then of those that have
    /// more; within one, scattered over all its ids.
    pub(super) async fn sample(&self, most: u64) -> Result<Vec<i64>> {
        self.work(move |connection| {
            // Knuth's multiplicative hash scatters neighbours.
            let mut ids = connection.prepare_cached(
                "select id from (
                     select id, row_number() over (
                         partition by definition, asset_type order by (id % 4294967296 * 2654435761) % 4294967296, id
                     ) as n from expected where id is not null
                 ) order by n, id limit ?1",
            )?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            ids.query_map([most], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn work<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.0);
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done.map_err(unusable),
            Err(cause) => Err(failed("was broken off", cause)),
        }
    }
}

fn expected(id: i64, row: &Row<'_>) -> rusqlite::Result<Expected> {
    let (instance, external): (String, Option<String>) = (row.get(3)?, row.get(4)?);
    let unreadable = |cause| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(cause));
    let external = external.as_deref().and_then(|text| text.split_once('\0'));
    Ok(Expected {
        source_key: row.get(0)?,
        id: Some(id),
        uuid: row.get(1)?,
        external_id: external.map(|(key, value)| ExternalId { key: key.to_owned(), value: value.to_owned() }),
        name: row.get(2)?,
        asset_type: row.get(5)?,
        definition: row.get(6)?,
        instance: serde_json::from_str(&instance).map_err(unreadable)?,
    })
}

fn count(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|count| u64::try_from(count).unwrap_or(0))
}

/// One text for both parts; a key has no NUL.
fn external(key: &str, value: &str) -> String {
    format!("{key}\0{value}")
}

fn unusable(cause: rusqlite::Error) -> Error {
    failed("cannot be written or read; is there room in TMPDIR?", cause)
}

fn failed(message: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Ledger {
        path: "temporary database of reconcile".to_owned(),
        message: message.to_owned(),
        cause: Some(Box::new(cause)),
    }
}
