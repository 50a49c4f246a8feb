//! What is expected, on disk and by id, until it is seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Named;
use crate::error::{Error, Result};
use crate::flex::{Asset, Expected};

const SCHEMA: &str = "
    create table expected (
        id integer primary key,
        source_key text not null,
        uuid text not null,
        external text,
        name text not null,
        instance text not null,
        seen integer not null default 0
    ) strict;
    create index by_uuid on expected (uuid);
    create index by_external on expected (external) where external is not null;";

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

    pub(super) async fn put(&self, assets: Vec<Expected>) -> Result<()> {
        self.work(move |connection| {
            let transaction = connection.transaction()?;
            {
                let mut insert =
                    transaction.prepare_cached("insert into expected values (?1, ?2, ?3, ?4, ?5, ?6, 0)")?;
                for asset in assets {
                    let external = asset.external_id.as_ref().map(|id| external(&id.key, &id.value));
                    // A map of JSON values always has a JSON text.
                    let instance = serde_json::to_string(&asset.instance).unwrap_or_default();
                    insert.execute(params![asset.id, asset.source_key, asset.uuid, external, asset.name, instance])?;
                }
            }
            transaction.commit()
        })
        .await
    }

    pub(super) async fn count(&self) -> Result<u64> {
        self.work(|connection| connection.query_row("select count(*) from expected", [], count)).await
    }

    /// What is expected of these ids; from now on they count as seen.
    pub(super) async fn take(&self, ids: Vec<i64>) -> Result<HashMap<i64, Expected>> {
        self.work(move |connection| {
            let transaction = connection.transaction()?;
            let mut found = HashMap::with_capacity(ids.len());
            {
                let mut update = transaction.prepare_cached(
                    "update expected set seen = 1 where id = ?1 returning source_key, uuid, name, instance",
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

    /// Which of these other assets have the uuid or an external id of one of ours.
    pub(super) async fn twins(&self, others: Vec<Asset>) -> Result<Vec<Named>> {
        self.work(move |connection| {
            let mut by_uuid = connection.prepare_cached("select source_key from expected where uuid = ?1 limit 1")?;
            let mut by_external =
                connection.prepare_cached("select source_key from expected where external = ?1 limit 1")?;
            let mut twins = Vec::new();
            for asset in others {
                let mut ours: Option<String> = None;
                if let Some(uuid) = &asset.uuid {
                    ours = by_uuid.query_row([uuid], |row| row.get(0)).optional()?;
                }
                for id in asset.external_ids.iter().flatten() {
                    if ours.is_none() {
                        ours = by_external.query_row([external(&id.key, &id.value)], |row| row.get(0)).optional()?;
                    }
                }
                twins.extend(ours.map(|source_key| Named { source_key, id: asset.id }));
            }
            Ok(twins)
        })
        .await
    }

    /// How many were not seen, and the first of them.
    pub(super) async fn left(&self, most: usize) -> Result<(u64, Vec<Named>)> {
        self.work(move |connection| {
            let all = connection.query_row("select count(*) from expected where seen = 0", [], count)?;
            let mut first =
                connection.prepare_cached("select source_key, id from expected where seen = 0 order by id limit ?1")?;
            let named = |row: &Row<'_>| Ok(Named { source_key: row.get(0)?, id: row.get(1)? });
            let first = first.query_map([most as i64], named)?.collect::<rusqlite::Result<_>>()?;
            Ok((all, first))
        })
        .await
    }

    /// So many ids, spread evenly; the same ones each time.
    pub(super) async fn sample(&self, most: u64) -> Result<Vec<i64>> {
        let all = self.count().await?;
        let step = i64::try_from(all.div_ceil(most.max(1))).unwrap_or(i64::MAX).max(1);
        self.work(move |connection| {
            let mut ids = connection.prepare_cached(
                "select id from (select id, row_number() over (order by id) as n from expected) where (n - 1) % ?1 = 0
                 limit ?2",
            )?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            ids.query_map([step, most], |row| row.get(0))?.collect()
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
    let instance: String = row.get(3)?;
    let unreadable = |cause| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(cause));
    Ok(Expected {
        source_key: row.get(0)?,
        id,
        uuid: row.get(1)?,
        external_id: None,
        name: row.get(2)?,
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
