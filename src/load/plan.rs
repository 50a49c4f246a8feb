//! The difference between the mapped rows and the ledger: what a load would do. Sends nothing that changes the target.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ledger::{Entry, State};
use super::{Attributes, Bound, Load, Row};
use crate::error::{Error, Result};

/// Names of gone assets that a report lists.
const MOST_GONE: usize = 100;
/// Keys of the ledger read at a time.
const PORTION: usize = 10_000;

/// What a load would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The target's name.
    pub target: String,
    /// All queries together.
    #[serde(flatten)]
    pub counts: PlanCounts,
    /// Assets of the ledger that no row of the run stands for. They are reported, never removed.
    pub gone: u64,
    /// The first hundred of them, by source key.
    pub gone_keys: Vec<String>,
    /// The counts by query.
    pub queries: BTreeMap<String, PlanCounts>,
}

/// Rows by what a load would do with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanCounts {
    /// Not in the target, or not complete there yet.
    pub create: u64,
    /// In the target with other values.
    pub update: u64,
    /// In the target as it should be.
    pub unchanged: u64,
    /// Unknown whether they are in the target.
    pub held: u64,
    /// Forbidden by the definition; they would fail without a request.
    pub invalid: u64,
}

enum Action {
    Create,
    Update,
    Unchanged,
    Held,
}

/// The source keys of the run, in a database of its own that disappears with it.
struct Seen(Arc<Mutex<Connection>>);

impl Load {
    /// What a load would do. With `requests`, the exact requests are written there as NDJSON, one a line; ids that only
    /// the target can give stand as `{id}` in paths and as `{"source_key": …}` in references.
    ///
    /// # Errors
    /// When the datasets or the ledger cannot be read, two rows have the same key, or `requests` cannot be written.
    pub async fn plan(&self, mut requests: Option<&mut (dyn Write + Send)>) -> Result<PlanReport> {
        let seen = Seen::new()?;
        let mut report = PlanReport { target: self.config.target.clone(), ..PlanReport::default() };
        for bound in &self.bound {
            let mut batches = bound.batches().await?;
            while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
                let rows = bound.shape.rows(&batch)?;
                let keys: Vec<String> = rows.iter().map(|row| row.source_key.clone()).collect();
                let entries = self.ledger.entries(keys.clone()).await?;
                seen.add(keys)?;
                let mut lines = Vec::new();
                for row in &rows {
                    let entry = entries.get(&row.source_key);
                    let counts = report.queries.entry(bound.binding.query.clone()).or_default();
                    let action = self.count(bound, row, entry, counts);
                    if requests.is_some() {
                        self.requests_of(bound, row, entry, &action, &mut lines);
                    }
                }
                if let Some(out) = &mut requests {
                    write_lines(*out, &lines)?;
                }
            }
        }
        for counts in report.queries.values() {
            report.counts.add(counts);
        }
        self.find_gone(&seen, &mut report).await?;
        Ok(report)
    }

    fn count(&self, bound: &Bound, row: &Row, entry: Option<&Entry>, counts: &mut PlanCounts) -> Action {
        let action = decide(row, entry);
        let needs_work = matches!(action, Action::Create | Action::Update);
        if needs_work && !bound.definition.faults(&row.instance).is_empty() {
            counts.invalid += 1;
            return Action::Unchanged;
        }
        match action {
            Action::Create => counts.create += 1,
            Action::Update => counts.update += 1,
            Action::Unchanged => counts.unchanged += 1,
            Action::Held => counts.held += 1,
        }
        action
    }

    async fn find_gone(&self, seen: &Seen, report: &mut PlanReport) -> Result<()> {
        let mut after = String::new();
        loop {
            let keys = self.ledger.source_keys_after(after, PORTION).await?;
            let Some(last) = keys.last().cloned() else { return Ok(()) };
            for key in keys {
                if !seen.has(&key)? {
                    report.gone += 1;
                    if report.gone_keys.len() < MOST_GONE {
                        report.gone_keys.push(key);
                    }
                }
            }
            after = last;
        }
    }

    /// The requests for one row, in the order in which they would be sent.
    fn requests_of(&self, bound: &Bound, row: &Row, entry: Option<&Entry>, action: &Action, lines: &mut Vec<Value>) {
        let mut line = |pass: u8, method: &str, path: String, body: Value| {
            lines.push(json!({
                "source_key": row.source_key, "query": bound.binding.query, "pass": pass,
                "method": method, "path": path, "body": body,
            }));
        };
        let id = entry.and_then(|entry| entry.flex_id).map_or_else(|| "{id}".to_owned(), |id| id.to_string());
        let attributes = match self.config.attributes {
            Attributes::Metadata => ("PUT", "metadata"),
            Attributes::Annotations | Attributes::Auto => ("POST", "annotations"),
        };
        let wrap = |(_, part): (&str, &str), fields: Value| {
            if part == "metadata" { fields } else { json!({ "metadata": fields }) }
        };
        let path = |(_, part): (&str, &str)| format!("/assets/{id}/{part}");
        match (action, entry.and_then(|entry| entry.flex_id)) {
            (Action::Unchanged | Action::Held, _) => return,
            (_, None) => {
                let body = self.client.create_body(&self.config.new_asset(bound, row));
                line(1, "POST", "/assets".to_owned(), body);
                let fields = row.without_references();
                if !fields.is_empty() {
                    line(1, attributes.0, path(attributes), wrap(attributes, Value::Object(fields)));
                }
            }
            (_, Some(_)) => {
                if entry.is_some_and(|entry| entry.name != row.name) {
                    line(1, "PUT", format!("/assets/{id}"), json!({ "name": row.name }));
                }
                line(1, "PUT", path(("PUT", "metadata")), Value::Object(row.instance.clone()));
                return;
            }
        }
        if !row.references.is_empty() {
            line(2, attributes.0, path(attributes), wrap(attributes, Value::Object(row.instance.clone())));
        }
    }
}

impl PlanReport {
    /// Rows to be loaded.
    pub fn total(&self) -> u64 {
        let PlanCounts { create, update, unchanged, held, invalid } = self.counts;
        create + update + unchanged + held + invalid
    }

    /// Rows that need requests.
    pub fn to_send(&self) -> u64 {
        self.counts.create + self.counts.update
    }
}

impl PlanCounts {
    fn add(&mut self, other: &Self) {
        self.create += other.create;
        self.update += other.update;
        self.unchanged += other.unchanged;
        self.held += other.held;
        self.invalid += other.invalid;
    }
}

fn decide(row: &Row, entry: Option<&Entry>) -> Action {
    match entry {
        None => Action::Create,
        Some(entry) => match entry.state {
            State::Unknown => Action::Held,
            State::Complete if entry.payload == row.payload => Action::Unchanged,
            _ if entry.completions == 0 => Action::Create,
            _ => Action::Update,
        },
    }
}

fn write_lines(out: &mut (dyn Write + Send), lines: &[Value]) -> Result<()> {
    for line in lines {
        writeln!(out, "{line}").map_err(|cause| Error::Preflight {
            message: "the requests cannot be written".to_owned(),
            cause: Some(Box::new(cause)),
        })?;
    }
    Ok(())
}

impl Seen {
    fn new() -> Result<Self> {
        // An empty name is a temporary file that SQLite removes, with a bounded cache in memory.
        let connection = Connection::open("").map_err(unusable)?;
        connection
            .execute_batch("create table seen (source_key text primary key) strict, without rowid;")
            .map_err(unusable)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    fn add(&self, keys: Vec<String>) -> Result<()> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction().map_err(unusable)?;
        {
            let mut insert = transaction.prepare_cached("insert or ignore into seen values (?1)").map_err(unusable)?;
            for key in keys {
                if insert.execute([&key]).map_err(unusable)? == 0 {
                    return Err(Error::Mismatch {
                        what: "plan".to_owned(),
                        message: format!("two rows to be loaded have the source key {key}; settle it in 3_normalise"),
                    });
                }
            }
        }
        transaction.commit().map_err(unusable)
    }

    fn has(&self, key: &str) -> Result<bool> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut find = connection.prepare_cached("select 1 from seen where source_key = ?1").map_err(unusable)?;
        Ok(find.query_row([key], |_| Ok(())).optional().map_err(unusable)?.is_some())
    }
}

fn unusable(cause: rusqlite::Error) -> Error {
    Error::Ledger {
        path: "temporary database of the plan".to_owned(),
        message: "cannot be written; is there room in TMPDIR?".to_owned(),
        cause: Some(Box::new(cause)),
    }
}
