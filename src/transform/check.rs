//! Rows that must not exist: those of `checks/`, and those of one key.

use std::time::Instant;

use super::opened::OpenRun;
use super::query::Query;
use super::report::{CheckReport, Making};
use super::reuse;
use super::rows::{caught, first_rows, lines, quoted, sample, stream};
use crate::error::Result;

/// The note of a manifest that counts the values of the key that more than one row has.
pub(super) const DOUBLED: &str = "values of the key that occur more than once";

/// How many values of the declared key more than one row of the query's table has.
pub(super) async fn doubled(open: &OpenRun<'_>, query: &Query) -> Result<u64> {
    match statement(query) {
        Some(sql) => Ok(sample(&open.context, &query.name, &sql).await?.0),
        None => Ok(0),
    }
}

/// The first of the `doubled` values of the declared key.
pub(super) async fn key_problem(open: &OpenRun<'_>, query: &Query, doubled: u64) -> Result<Option<String>> {
    let (Some(key), Some(sql), 1..) = (&query.key, statement(query), doubled) else { return Ok(None) };
    let (_, first) = sample(&open.context, &query.name, &sql).await?;
    Ok(Some(format!(
        "{}: its key ({}) is not unique: {doubled} values occur more than once: {}",
        query.name,
        key.join(", "),
        lines(&first)
    )))
}

fn statement(query: &Query) -> Option<String> {
    let columns = query.key.as_ref()?.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
    let name = quoted(&query.name);
    Some(format!(
        "select {columns}, count(*) as rows from {name} group by {columns} having count(*) > 1 order by {columns}"
    ))
}

/// What the check finds; what it found before, where it would read the same.
pub(super) async fn run_unless_run(open: &OpenRun<'_>, query: &Query, before: &[CheckReport]) -> Result<CheckReport> {
    let started = Instant::now();
    let made_from = reuse::fold(&open.inputs(query));
    let is_it = |found: &&CheckReport| found.name == query.name && found.made_from == made_from;
    if let Some(found) = before.iter().find(is_it)
        && !open.transform.again
    {
        let purpose = query.purpose.clone();
        return Ok(CheckReport { making: Making::Kept, purpose, seconds: 0.0, ..found.clone() });
    }
    let rows = stream(&query.name, open.frame(query).await?).await?;
    let (count, first) = caught(&query.name, first_rows(rows)).await?;
    Ok(CheckReport {
        name: query.name.clone(),
        making: Making::Made,
        made_from,
        purpose: query.purpose.clone(),
        rows: count,
        first,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// What is wrong where a check gives rows.
pub(super) fn problem(query: &Query, found: &CheckReport) -> Option<String> {
    let rows = if found.rows == 1 { "row" } else { "rows" };
    let name = query.path.display();
    (found.rows > 0).then(|| format!("{name}: {} {rows} that must not exist: {}", found.rows, lines(&found.first)))
}
