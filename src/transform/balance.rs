//! What became of every candidate, and whether that accounts for all of them.

use std::collections::BTreeMap;

use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::contract::CANDIDATES;
use super::diagnose;
use super::rows::{quoted, sample, stream};
use crate::error::{Error, Result};
use crate::staging::json;

/// The name under which the engine's own statements fail.
const NAME: &str = "balance";

/// What became of the rows of one query or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows to load.
    pub loaded: u64,
    /// Rows rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Rows out of scope, by reason.
    pub out_of_scope: BTreeMap<String, u64>,
    /// Rows that went into another.
    pub merged: u64,
}

/// What became of every candidate: `candidates = loaded + rejected + out of scope + merged`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Rows of the query `candidates`, counted on their own.
    pub candidates: u64,
    /// All queries of 4_map together.
    #[serde(flatten)]
    pub counts: Counts,
    /// Warnings on all rows whatever their disposition, by code.
    pub warnings: BTreeMap<String, u64>,
    /// Each query of 4_map.
    pub queries: BTreeMap<String, Counts>,
}

impl Counts {
    /// All rows.
    pub fn total(&self) -> u64 {
        self.loaded + self.merged + self.rejected.values().sum::<u64>() + self.out_of_scope.values().sum::<u64>()
    }

    fn add(&mut self, disposition: &str, reason: &str, rows: u64) {
        match disposition {
            "load" => self.loaded += rows,
            "merged" => self.merged += rows,
            "reject" => *self.rejected.entry(reason.to_owned()).or_default() += rows,
            "out_of_scope" => *self.out_of_scope.entry(reason.to_owned()).or_default() += rows,
            // Named by `disposition_problem`.
            _ => {}
        }
    }
}

impl Balance {
    /// Whether every candidate is accounted for, in number.
    pub fn closes(&self) -> bool {
        self.candidates == self.counts.total()
    }
}

/// The statement of `rejected/`: all rows of 4_map that are not loaded.
pub(super) fn rejected(maps: &[&str]) -> String {
    let all = union(maps, "source_key, disposition, reason, details, warnings");
    format!(
        "select source_key, disposition, reason, details, warnings from ({all}) \
         where disposition is distinct from 'load' order by source_key"
    )
}

/// Counts all rows of the queries `maps`, and compares their keys with those of the candidates: every candidate must be in
/// exactly one row. The second part is what does not agree.
pub(super) async fn draw(context: &SessionContext, maps: &[&str]) -> Result<(Balance, Vec<String>)> {
    let mut balance = Balance::default();
    for row in rows(context, &format!("select count(*) as n from {}", quoted(CANDIDATES))).await? {
        balance.candidates = number(&row);
    }
    let all = union(maps, "source_key, disposition, reason, warnings");
    let counts =
        format!("select query, disposition, reason, count(*) as n from ({all}) group by query, disposition, reason");
    for row in rows(context, &counts).await? {
        let (query, disposition, reason) = (text(&row, "query"), text(&row, "disposition"), text(&row, "reason"));
        balance.queries.entry(query.to_owned()).or_default().add(disposition, reason, number(&row));
        balance.counts.add(disposition, reason, number(&row));
    }
    for name in maps {
        balance.queries.entry((*name).to_owned()).or_default();
    }
    let codes = format!(
        "select warning['code'] as code, count(*) as n from (select unnest(warnings) as warning from ({all})) \
         group by warning['code']"
    );
    for row in rows(context, &codes).await? {
        *balance.warnings.entry(text(&row, "code").to_owned()).or_default() += number(&row);
    }
    let mut problems = disagreements(context, &all).await?;
    if problems.is_empty() && !balance.closes() {
        problems.push(format!(
            "the balance does not close: {} candidates, {} rows",
            balance.candidates,
            balance.counts.total()
        ));
    }
    Ok((balance, problems))
}

/// One line for each way in which rows and candidates do not agree, with the first keys.
async fn disagreements(context: &SessionContext, all: &str) -> Result<Vec<String>> {
    let candidates = quoted(CANDIDATES);
    let findings = [
        (
            "candidates are in no query of 4_map (lost)",
            format!(
                "select c.source_key from {candidates} c where not exists (select 1 from ({all}) a where a.source_key = c.source_key)"
            ),
        ),
        (
            "rows of 4_map have the key of no candidate",
            format!(
                "select a.query, a.source_key from ({all}) a where not exists (select 1 from {candidates} c where c.source_key = a.source_key)"
            ),
        ),
        (
            "keys are in more than one row of 4_map",
            format!(
                "select source_key, count(*) as rows, min(query) as first, max(query) as last from ({all}) group by source_key having count(*) > 1"
            ),
        ),
        (
            "keys are more than once among the candidates",
            format!("select source_key, count(*) as rows from {candidates} group by source_key having count(*) > 1"),
        ),
        (
            "rows of 4_map have no disposition of load, reject, out_of_scope, merged",
            format!(
                "select query, source_key, disposition from ({all}) where disposition is null or disposition not in ('load', 'reject', 'out_of_scope', 'merged')"
            ),
        ),
        (
            "rows of 4_map are rejected or out of scope without a reason",
            format!(
                "select query, source_key, disposition from ({all}) where disposition in ('reject', 'out_of_scope') and coalesce(reason, '') = ''"
            ),
        ),
    ];
    let mut problems = Vec::new();
    for (what, sql) in findings {
        let (count, first) = sample(context, NAME, &format!("{sql} order by source_key")).await?;
        if count > 0 {
            let first: Vec<String> = first.iter().map(|row| Value::Object(row.clone()).to_string()).collect();
            problems.push(format!("the balance does not close: {count} {what}: {}", first.join(", ")));
        }
    }
    Ok(problems)
}

fn union(maps: &[&str], columns: &str) -> String {
    let each: Vec<String> =
        maps.iter().map(|name| format!("select '{name}' as query, {columns} from {}", quoted(name))).collect();
    each.join(" union all ")
}

/// All rows of a small result.
async fn rows(context: &SessionContext, sql: &str) -> Result<Vec<Map<String, Value>>> {
    let frame = context.sql(sql).await.map_err(|cause| diagnose::run_error(NAME, cause))?;
    let mut batches = stream(NAME, frame).await?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(Error::from_datafusion)? {
        for index in 0..batch.num_rows() {
            rows.push(json::row(&batch, index)?);
        }
    }
    Ok(rows)
}

fn text<'a>(row: &'a Map<String, Value>, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Map<String, Value>) -> u64 {
    row.get("n").and_then(Value::as_u64).unwrap_or_default()
}
