//! Slices of a big table that are disjoint, together are the table, and bring about the same number of bytes each.
//!
//! Since PostgreSQL 14 a slice is a range of row addresses (ctid). Before, such a range would read the whole table each
//! time: a slice is a range of the leading column of a btree index, and NULL one of its own, but only where rows lie in
//! the order of that column, more or less; else as much would be read again and again, and the table is read in one.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::catalog::{CatalogTable, quote};
use super::copy::{select_statement, wire_columns};
use super::failure::{answer, value};
use super::sample::Sample;
use crate::dataflow::{Partition, Slice, TableName};
use crate::error::Result;

/// PostgreSQL's page size as it is built everywhere; a server built otherwise gets slices of another size, no others.
const PAGE: u64 = 8192;
/// More slices than this only make more files.
const MOST: u64 = 4096;
/// `server_version_num` from which a ctid range is a range scan; before, it reads the whole table each time.
const CTID_RANGES: i32 = 140_000;
/// How much more than the table all slices together may read.
const READ_AGAIN: f64 = 1.5;

/// Numbered partitions of these slices.
pub(super) fn numbered(table: &TableName, slices: Vec<Slice>) -> Vec<Partition> {
    let partition = |(number, slice)| Partition { table: table.clone(), number, slice };
    slices.into_iter().enumerate().map(partition).collect()
}

/// Whether a table is read in one: it is small, or has nothing to be cut by.
pub(super) fn is_whole(table: &CatalogTable, slice_bytes: u64) -> bool {
    !matches!(table.relkind, 'r' | 'm') || table.columns.is_empty() || table.bytes <= slice_bytes
}

/// Whether a table's rows are cut by a key on a server of this version, not by their addresses.
pub(super) fn is_by_key(version: i32, table: &CatalogTable) -> bool {
    version < CTID_RANGES || !table.heap
}

/// Ranges of pages, each about `slice_bytes` of the table's size with TOAST; the last is open, for pages that came since.
/// Right where rows are alike, and what is left where no sample can be had.
pub fn page_slices(main_bytes: u64, bytes: u64, slice_bytes: u64) -> Vec<Slice> {
    let pages = main_bytes.div_ceil(PAGE);
    let count = bytes.div_ceil(slice_bytes.max(1)).clamp(1, MOST).min(pages.max(1));
    let start = |index: u64| format!("'({},0)'", pages * index / count);
    ranges("ctid", "::tid", &(1..count).map(start).collect::<Vec<_>>())
}

/// Ranges of a column between ascending cuts (SQL literals): one open below, one open above, and one of NULL where the
/// column may hold it. Literals take the column's own type and collation.
pub fn key_slices(column: &str, cuts: &[String], nullable: bool) -> Vec<Slice> {
    let column = quote(column);
    let mut slices = ranges(&column, "", cuts);
    if nullable && slices.len() > 1 {
        slices.push(Slice::Where(format!("{column} is null")));
    }
    slices
}

/// Ranges of `what` between ascending cuts; the first and the last are open.
fn ranges(what: &str, cast: &str, cuts: &[String]) -> Vec<Slice> {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else { return vec![Slice::Whole] };
    let mut slices = vec![format!("{what} < {first}{cast}")];
    let between = |pair: &[String]| format!("{what} >= {}{cast} and {what} < {}{cast}", pair[0], pair[1]);
    slices.extend(cuts.windows(2).map(between));
    slices.push(format!("{what} >= {last}{cast}"));
    slices.into_iter().map(Slice::Where).collect()
}

/// The slices of a table that is not read in one, on a server of this version.
///
/// # Errors
/// When the table cannot be sampled. The session's transaction is then of no more use; see [`without_sample`].
pub(super) async fn plan(client: &Client, version: i32, table: &CatalogTable, slice_bytes: u64) -> Result<Vec<Slice>> {
    let count = table.bytes.div_ceil(slice_bytes.max(1)).clamp(1, MOST);
    let pages = table.main_bytes.div_ceil(PAGE);
    if is_by_key(version, table) {
        return by_key(client, table, pages, count).await;
    }
    let cuts = Sample::of(table, pages, count).addresses(client, table).await?;
    Ok(ranges("ctid", "::tid", &cuts))
}

/// The slices of a table of which no sample can be had.
pub(super) fn without_sample(version: i32, table: &CatalogTable, slice_bytes: u64) -> Vec<Slice> {
    if is_by_key(version, table) {
        return vec![Slice::Whole];
    }
    page_slices(table.main_bytes, table.bytes, slice_bytes)
}

/// The leading column of the index that is best cut by: the primary key's, else a unique one's, else any. Only where the
/// index has the order that comparisons with the column have. Only operators of `pg_catalog` are found by their name: a
/// type that has its own in another schema (citext) would be compared as what it can be cast to.
const LEADING: &str = "
    select a.attname::text
    from pg_catalog.pg_index i
    join pg_catalog.pg_class x on x.oid = i.indexrelid
    join pg_catalog.pg_am m on m.oid = x.relam and m.amname = 'btree'
    join pg_catalog.pg_opclass o on o.oid = i.indclass[0] and o.opcdefault
      and o.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = $1 and i.indisvalid and i.indisready and i.indpred is null and i.indkey[0] > 0
      and i.indcollation[0] = a.attcollation
    order by i.indisprimary desc, i.indisunique desc, i.indnatts, x.oid
    limit 1";

async fn by_key(client: &Client, table: &CatalogTable, pages: u64, count: u64) -> Result<Vec<Slice>> {
    let name = table.table.to_string();
    let leading = answer(&name, "its indexes cannot be read", client.query_opt(LEADING, &[&table.oid])).await?;
    let leading: Option<String> = leading.map(|row| value(&row, 0)).transpose()?;
    let Some(column) = table.columns.iter().find(|column| leading.as_ref() == Some(&column.name)) else {
        return Ok(vec![Slice::Whole]);
    };
    let cuts = Sample::of(table, pages, count).values(client, table, &column.name).await?;
    let main = table.main_bytes as f64;
    let apart = table.bytes.saturating_sub(table.main_bytes) as f64;
    if main * cuts.readings + apart > READ_AGAIN * (main + apart) {
        return Ok(vec![Slice::Whole]);
    }
    let slices = key_slices(&column.name, &cuts.at, column.nullable);
    // A plan that reads the whole table for a slice would do so for every one.
    for slice in slices.iter().take(2).chain(slices.iter().rev().take(2)) {
        if reads_all(client, table, slice).await? {
            return Ok(vec![Slice::Whole]);
        }
    }
    Ok(slices)
}

/// Has the server read a key's slice by its index, however much of the table the slice is; a whole table as it likes.
pub(super) async fn prefer_index(client: &Client, table: &str, slice: &Slice) -> Result<()> {
    answer(table, "the way to read it cannot be set", client.batch_execute(way(slice))).await
}

/// The statement that does so.
pub(super) fn way(slice: &Slice) -> &'static str {
    match slice {
        Slice::Where(_) => "set local enable_seqscan = off",
        _ => "set local enable_seqscan = on",
    }
}

async fn reads_all(client: &Client, table: &CatalogTable, slice: &Slice) -> Result<bool> {
    if !matches!(slice, Slice::Where(_)) {
        return Ok(true);
    }
    let name = table.table.to_string();
    prefer_index(client, &name, slice).await?;
    // With the columns that are read: without them an index that holds the column somewhere would do, read whole.
    let columns = wire_columns(table).join(", ");
    let query = format!("explain (costs off) {}", select_statement(table, &columns, slice)?);
    let plan = answer(&name, "the way to read it cannot be seen", client.simple_query(&query)).await?;
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            row.get(0).is_some_and(|line| line.contains("Seq Scan") || line.trim_start().starts_with("Filter:"))
        }
        _ => false,
    };
    Ok(plan.iter().any(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(slices: &[Slice]) -> Vec<&str> {
        let mut texts = Vec::new();
        for slice in slices {
            let Slice::Where(text) = slice else { panic!("{slice:?}") };
            texts.push(text.as_str());
        }
        texts
    }

    #[test]
    fn page_ranges_follow_one_another_and_the_last_is_open() {
        assert_eq!(page_slices(PAGE * 10, 1, 100), vec![Slice::Whole]);
        let wanted = ["ctid < '(3,0)'::tid", "ctid >= '(3,0)'::tid and ctid < '(6,0)'::tid", "ctid >= '(6,0)'::tid"];
        assert_eq!(texts(&page_slices(PAGE * 10, 1000, 400)), wanted);
    }

    #[test]
    fn key_ranges_take_every_value_and_null_once() {
        let cuts = ["'-5'", "'10'"].map(str::to_owned);
        let wanted = ["\"a\"\"b\" < '-5'", "\"a\"\"b\" >= '-5' and \"a\"\"b\" < '10'", "\"a\"\"b\" >= '10'"];
        assert_eq!(texts(&key_slices("a\"b", &cuts, false)), wanted);
        assert_eq!(texts(&key_slices("a\"b", &cuts, true))[3], "\"a\"\"b\" is null");
        assert_eq!(key_slices("k", &[], true), vec![Slice::Whole]);
    }
}
