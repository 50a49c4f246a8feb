//! Reading the ledger. What is read is committed.

use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row};

use super::Ledger;
use super::entry::{AssetRecord, Entry, RequestRecord, State, Trouble};
use crate::error::Result;
use crate::load::request::Step;
use crate::load::row::FieldPrints;

const RECORD: &str = "select source_key, query, uuid, state, links, flex_id, name, lower(hex(payload)), unresolved,
    completions, run, intended_at, created_at, changed_at, reason, message, request_id from asset";

impl Ledger {
    /// A fact kept by [`Ledger::remember`].
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recall(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.read(move |connection| {
            connection.query_row("select value from about where key = ?1", [key], |row| row.get(0)).optional()
        })
        .await
    }

    /// The numbers of all fields known, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn field_numbers(&self) -> Result<HashMap<String, u16>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("select name, number from field")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }

    /// Whether nothing was ever entered.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn is_blank(&self) -> Result<bool> {
        self.read(|connection| connection.query_row("select not exists (select 1 from asset)", [], |row| row.get(0)))
            .await
    }

    /// Whether the target ever came to hold all of a row of this query.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn has_complete(&self, query: &str) -> Result<bool> {
        let query = query.to_owned();
        self.read_apart(move |connection| {
            let sql = "select exists (select 1 from asset where query = ?1 and completions > 0)";
            connection.query_row(sql, [query], |row| row.get(0))
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
                "select state, flex_id, name, payload, fields, linked, unresolved, completions, intended_at, created_at, run,
                     revisions, changed_at, rename_blake3 is not null and rename_status is null, made,
                     flex_id is null and state = 'failed' and coalesce(create_status between 400 and 499, false)
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

    /// The target's ids of these source keys, those only that the ledger learned `before` a moment; keys without an id
    /// are left out.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn ids(&self, source_keys: Vec<String>, before: Option<DateTime<Utc>>) -> Result<HashMap<String, i64>> {
        if source_keys.is_empty() {
            return Ok(HashMap::new());
        }
        let before = before.map_or_else(|| "9".to_owned(), super::text_of);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select flex_id from asset where source_key = ?1 and flex_id is not null and created_at < ?2",
            )?;
            let mut ids = HashMap::with_capacity(source_keys.len());
            for key in source_keys {
                if let Some(id) = statement.query_row([&key, &before], |row| row.get(0)).optional()? {
                    ids.insert(key, id);
                }
            }
            Ok(ids)
        })
        .await
    }

    /// Entries ordered by source key, in portions after the given one; an empty portion is the end.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn assets_after(&self, key: String, most: usize) -> Result<Vec<AssetRecord>> {
        self.read(move |connection| {
            let sql = format!("{RECORD} where source_key > ?1 order by source_key limit ?2");
            connection.prepare_cached(&sql)?.query_map((&key, most as i64), record)?.collect()
        })
        .await
    }

    /// The whole entry of a source key.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn asset(&self, source_key: &str) -> Result<Option<AssetRecord>> {
        let key = source_key.to_owned();
        self.read(move |connection| {
            connection.prepare_cached(&format!("{RECORD} where source_key = ?1"))?.query_row([key], record).optional()
        })
        .await
    }

    /// The last requests of each kind, ordered by source key and step, of so many assets after the given source key; with
    /// the last of these keys, `None` at the end.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn requests_after(&self, key: String, most: usize) -> Result<(Vec<RequestRecord>, Option<String>)> {
        // Ordered by their words.
        const STEPS: [Step; 5] = [Step::Attributes, Step::Create, Step::References, Step::Remove, Step::Rename];
        self.read(move |connection| {
            let columns = STEPS.map(|step| format!("{0}_blake3, {0}_status", step.word())).join(", ");
            let sql =
                format!("select source_key, {columns} from asset where source_key > ?1 order by source_key limit ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query((&key, most as i64))?;
            let (mut requests, mut last) = (Vec::new(), None);
            while let Some(row) = rows.next()? {
                let source_key: String = row.get(0)?;
                for (place, step) in STEPS.into_iter().enumerate() {
                    let Some(hash) = row.get::<_, Option<[u8; 32]>>(1 + 2 * place)? else { continue };
                    requests.push(RequestRecord {
                        source_key: source_key.clone(),
                        step: step.word().to_owned(),
                        blake3: blake3::Hash::from_bytes(hash).to_hex().to_string(),
                        status: row.get(2 + 2 * place)?,
                    });
                }
                last = Some(source_key);
            }
            Ok((requests, last))
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
                "select source_key, query, state, reason, message, request_id, flex_id from asset
                 where state in ('failed', 'unknown') order by source_key limit ?1",
            )?;
            let trouble = |row: &Row<'_>| {
                Ok(Trouble {
                    source_key: row.get(0)?,
                    query: row.get(1)?,
                    state: row.get(2)?,
                    reason: row.get(3)?,
                    message: row.get(4)?,
                    request_id: row.get(5)?,
                    flex_id: row.get(6)?,
                })
            };
            statement.query_map([most as i64], trouble)?.collect()
        })
        .await
    }

    /// Writes a compact copy to `file`, which must not exist. Reads and writes go on meanwhile.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub async fn copy_to(&self, file: &Path) -> Result<()> {
        let file = file.display().to_string();
        self.read_apart(move |connection| connection.execute("vacuum into ?1", [file]).map(drop)).await
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<AssetRecord> {
    Ok(AssetRecord {
        source_key: row.get(0)?,
        query: row.get(1)?,
        uuid: row.get(2)?,
        state: row.get(3)?,
        links: row.get(4)?,
        flex_id: row.get(5)?,
        name: row.get(6)?,
        payload: row.get(7)?,
        unresolved: row.get(8)?,
        completions: row.get(9)?,
        run: row.get(10)?,
        intended_at: row.get(11)?,
        created_at: row.get(12)?,
        changed_at: row.get(13)?,
        reason: row.get(14)?,
        message: row.get(15)?,
        request_id: row.get(16)?,
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let word: String = row.get(0)?;
    let unreadable = |column| rusqlite::Error::InvalidColumnType(column, "unreadable".to_owned(), Type::Text);
    let moment = |column: usize, text: &str| {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| unreadable(column));
        parsed.map(|at| at.with_timezone(&Utc))
    };
    let created: Option<String> = row.get(9)?;
    Ok(Entry {
        state: State::parse(&word).ok_or_else(|| unreadable(0))?,
        flex_id: row.get(1)?,
        name: row.get(2)?,
        payload: row.get(3)?,
        fields: FieldPrints::from_bytes(row.get(4)?),
        linked: row.get(5)?,
        unresolved: row.get(6)?,
        completions: row.get(7)?,
        intended_at: moment(8, &row.get::<_, String>(8)?)?,
        created_at: created.map(|text| moment(9, &text)).transpose()?,
        run: row.get(10)?,
        revisions: row.get(11)?,
        changed_at: moment(12, &row.get::<_, String>(12)?)?,
        renaming: row.get(13)?,
        made: row.get(14)?,
        refused: row.get(15)?,
    })
}
