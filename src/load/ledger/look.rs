//! Looking at a ledger without a load: whether there is one, what it holds of one asset, and putting it aside.

use std::path::{Path, PathBuf};

use chrono::Utc;
use serde::Serialize;

use super::Ledger;
use super::entry::RequestRecord;
use super::lock::Lock;
use crate::error::Result;

/// What SQLite keeps beside a database: its log and the log's index.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// How many assets a ledger knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Those that the target gave an id.
    pub assets: u64,
    /// The same by the run that created them.
    pub runs: Vec<(String, u64)>,
}

impl Ledger {
    /// As [`Ledger::open`], on a thread that may wait.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_apart(path: PathBuf, target: String, server: String) -> Result<Self> {
        let name = path.display().to_string();
        let opened = tokio::task::spawn_blocking(move || Self::open(&path, &target, &server)).await;
        opened.map_err(|cause| Self::error(name, "opening it was broken off", Some(Box::new(cause))))?
    }

    /// Renames a ledger and what SQLite keeps beside it, so that another can be begun; gives the new name. Nothing is
    /// deleted. `None` where there is no ledger.
    ///
    /// # Errors
    /// When another process has it open, or a file cannot be renamed.
    pub fn set_aside(path: &Path) -> Result<Option<PathBuf>> {
        if !path.exists() {
            return Ok(None);
        }
        let _lock = Lock::take(path)?;
        let with = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let aside = format!(".aside-{}", Utc::now().format("%Y%m%dT%H%M%S%6f"));
        // The log first: a database without its log has lost what was committed last, one that is not there yet has not.
        for suffix in BESIDE.into_iter().rev() {
            let (from, to) = (with(suffix), with(&format!("{aside}{suffix}")));
            if from.exists() {
                std::fs::rename(&from, &to).map_err(|cause| {
                    Self::error(from.display(), format!("cannot be renamed to {}", to.display()), Some(Box::new(cause)))
                })?;
            }
        }
        Ok(Some(with(&aside)))
    }

    /// How many assets it knows, and of which runs.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn tally(&self) -> Result<Tally> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "select run, count(*) from asset where flex_id is not null group by run order by run",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
            let runs = rows.collect::<rusqlite::Result<Vec<(String, u64)>>>()?;
            Ok(Tally { assets: runs.iter().map(|(_, assets)| assets).sum(), runs })
        })
        .await
    }

    /// The target's ids with their source keys, ordered by source key, in portions after the given one; an empty portion is
    /// the end.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn ids_after(&self, key: String, most: usize) -> Result<Vec<(i64, String)>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select flex_id, source_key from asset where source_key > ?1 and flex_id is not null
                 order by source_key limit ?2",
            )?;
            statement.query_map((&key, most as i64), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }

    /// The last requests of each kind for one asset, in the order of their names.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn requests_of(&self, source_key: &str) -> Result<Vec<RequestRecord>> {
        let key = source_key.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select source_key, step, lower(hex(blake3)), status from request where source_key = ?1 order by step",
            )?;
            let rows = statement.query_map([key], |row| {
                let [source_key, step, blake3] = [row.get(0)?, row.get(1)?, row.get(2)?];
                Ok(RequestRecord { source_key, step, blake3, status: row.get(3)? })
            })?;
            rows.collect()
        })
        .await
    }
}
