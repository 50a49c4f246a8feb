//! Where to cut a big table so that its slices bring about the same number of bytes: a bounded sample of its pages, whose
//! rows are weighed without being read whole. Nothing is asked of the planner's statistics, which may be missing.
//!
//! The sample is taken under the snapshot, by one of its readers: it then sees the rows that will be read and counts
//! against the same connections. For what is read it makes no difference: slices are right wherever they are cut.

use std::fmt::Write;

use tokio_postgres::Client;

use super::catalog::{CatalogColumn, CatalogTable, quote, quote_table};
use super::failure::{answer, value};
use super::types::Wire;
use crate::error::Result;

/// Pages sampled of a table, at least; fewer only if it has no more.
const FEWEST: u64 = 1_000;
/// Pages sampled, at most: 64 MiB and a second or two.
const MOST: u64 = 8_192;
/// Pages sampled for each slice between those bounds.
const PER_SLICE: u64 = 16;
/// How long a sample may take on a busy server; after that the table is cut without one.
const PATIENCE: &str = "20s";
/// The bytes of a row beside its values: header, line pointer, and what `COPY` adds.
const ROW: u64 = 32;

/// Cuts between slices, and what reading the slices costs.
#[derive(Debug)]
pub(super) struct Cuts {
    /// Ascending values as SQL literals: each begins a slice.
    pub(super) at: Vec<String>,
    /// How often a page is read by all slices together, on average: 1 where rows lie in the order of the cuts, and as
    /// much as the rows of a page where they do not.
    pub(super) readings: f64,
}

/// Cuts a table into about `count` slices of equal weight, in the order of `expression` (a column's name, or `ctid`).
///
/// # Errors
/// When the sample cannot be taken or takes too long; the session's transaction is then of no more use.
pub(super) async fn cuts(
    client: &Client,
    table: &CatalogTable,
    expression: &str,
    pages: u64,
    count: u64,
) -> Result<Cuts> {
    let name = table.table.to_string();
    let run = |statement: String| async move { client.batch_execute(&statement).await };
    let limit = |limit: &str| format!("set local statement_timeout = '{limit}'");
    answer(&name, "the sample's time cannot be limited", run(limit(PATIENCE))).await?;
    let query = query(table, expression, percent(pages, count), count);
    let rows = answer(&name, "no sample can be taken", client.query(&query, &[])).await?;
    answer(&name, "the sample's time limit cannot be lifted", run(limit("0"))).await?;
    let mut cuts = Cuts { at: Vec::with_capacity(rows.len()), readings: 1.0 };
    for row in rows {
        cuts.at.push(value(&row, 0)?);
        cuts.readings = value(&row, 1)?;
    }
    cuts.at.dedup();
    Ok(cuts)
}

/// The share of the pages that `TABLESAMPLE SYSTEM` is to choose.
fn percent(pages: u64, count: u64) -> f64 {
    let wanted = (count * PER_SLICE).clamp(FEWEST, MOST);
    if pages <= wanted { 100.0 } else { 100.0 * wanted as f64 / pages as f64 }
}

/// `repeatable` makes two plans of an unchanged table the same.
fn query(table: &CatalogTable, expression: &str, percent: f64, count: u64) -> String {
    let (name, weight) = (quote_table(&table.table), weight(&table.columns));
    format!(
        "with sampled as (
             select {expression} as cut, (ctid::text::pg_catalog.point)[0] as page, {weight} as weight
             from only {name} tablesample system ({percent:.7}) repeatable (0) where {expression} is not null
         ), placed as (
             select cut, page, pg_catalog.floor((pg_catalog.sum(weight) over (order by cut rows unbounded preceding)
                                                 - weight) * {count} / pg_catalog.sum(weight) over ()) as slice
             from sampled
         ), cuts as (
             select distinct on (slice) slice, cut from placed order by slice, cut
         )
         select pg_catalog.quote_literal(cut::text),
                (select pg_catalog.count(distinct (page, slice))::float8 / pg_catalog.count(distinct page) from placed)
         from cuts where slice > 0 order by slice"
    )
}

/// The bytes that a row brings. Neither function fetches a value that lies apart (TOAST): `octet_length` of texts and
/// `bytea` knows the length unpacked, `pg_column_size` of anything the length as stored.
fn weight(columns: &[CatalogColumn]) -> String {
    let mut fixed = ROW;
    let mut weight = String::new();
    for column in columns {
        let size = match column.reading.wire {
            Wire::Bool => 1,
            Wire::Int16 => 2,
            Wire::Int32 | Wire::Oid | Wire::Float32 | Wire::Date => 4,
            Wire::Int64 | Wire::Float64 | Wire::Timestamp { .. } | Wire::Time => 8,
            Wire::Uuid => 16,
            _ => 0,
        };
        fixed += 4 + size;
        if size == 0 {
            let text = column.type_name == "text" || column.type_name.starts_with("character varying");
            let length = if text || column.type_name == "bytea" { "octet_length" } else { "pg_column_size" };
            let _ = write!(weight, " + coalesce(pg_catalog.{length}({}), 0)", quote(&column.name));
        }
    }
    format!("{fixed}::float8{weight}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_bounded_whatever_the_table() {
        for (pages, count) in [(1, 1), (999, 50), (100_000, 2), (100_000, 4096), (4_000_000_000, 4096)] {
            let sampled = percent(pages, count) / 100.0 * pages as f64;
            assert!(sampled <= MOST as f64 * 1.01 && sampled >= (FEWEST.min(pages)) as f64 * 0.99, "{pages} {sampled}");
        }
    }
}
