//! Slices of a big table that are disjoint and together are the table.

use tokio_postgres::Client;

use super::catalog::{CatalogTable, quote};
use crate::dataflow::{Partition, Slice, TableName};

/// PostgreSQL's page size as it is built everywhere; a server built otherwise gets slices of another size, no others.
const PAGE: u64 = 8192;
/// More slices than this only make more files.
const MOST: u64 = 4096;
/// `server_version_num` from which a ctid range is a range scan; before, it reads the whole table each time.
const CTID_RANGES: i32 = 140_000;

/// Numbered partitions of these slices.
fn numbered(table: &TableName, slices: Vec<Slice>) -> Vec<Partition> {
    let partition = |(number, slice)| Partition { table: table.clone(), number, slice };
    slices.into_iter().enumerate().map(partition).collect()
}

/// Ranges of pages, each about `slice_bytes` of the table's size with TOAST; the last is open, for pages that came since.
pub fn page_slices(main_bytes: u64, bytes: u64, slice_bytes: u64) -> Vec<Slice> {
    let pages = main_bytes.div_ceil(PAGE);
    let count = bytes.div_ceil(slice_bytes.max(1)).clamp(1, MOST).min(pages.max(1));
    if count == 1 {
        return vec![Slice::Whole];
    }
    let start = |index: u64| pages * index / count;
    let slice = |index: u64| match (index, index + 1 == count) {
        (0, _) => format!("ctid < '({},0)'::tid", start(1)),
        (_, false) => format!("ctid >= '({},0)'::tid and ctid < '({},0)'::tid", start(index), start(index + 1)),
        (_, true) => format!("ctid >= '({},0)'::tid", start(index)),
    };
    (0..count).map(|index| Slice::Where(slice(index))).collect()
}

/// Ranges of an integer column between ascending bounds: one open below, one open above, and NULL in the last.
pub fn key_slices(column: &str, bounds: &[i64]) -> Vec<Slice> {
    let mut bounds = bounds.to_vec();
    bounds.sort_unstable();
    bounds.dedup();
    let column = quote(column);
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return vec![Slice::Whole] };
    let mut slices = vec![format!("{column} < {first}")];
    slices.extend(bounds.windows(2).map(|pair| format!("{column} >= {} and {column} < {}", pair[0], pair[1])));
    slices.push(format!("{column} >= {last} or {column} is null"));
    slices.into_iter().map(Slice::Where).collect()
}

/// The partitions of a table on a server of this version.
pub(super) async fn plan(client: &Client, version: i32, table: &CatalogTable, slice_bytes: u64) -> Vec<Partition> {
    let whole = table.relkind != 'r' || table.columns.is_empty() || table.bytes <= slice_bytes;
    let slices = if whole {
        vec![Slice::Whole]
    } else if version >= CTID_RANGES && table.heap {
        page_slices(table.main_bytes, table.bytes, slice_bytes)
    } else {
        by_key(client, table, slice_bytes).await
    };
    numbered(&table.table, slices)
}

/// Slices by the quantiles of an integer key that the planner's statistics hold; whole where there are none.
async fn by_key(client: &Client, table: &CatalogTable, slice_bytes: u64) -> Vec<Slice> {
    let first = table.key.first().and_then(|key| table.columns.iter().find(|column| column.name == *key));
    let Some(column) = first.filter(|c| matches!(c.type_name.as_str(), "bigint" | "integer" | "smallint")) else {
        return vec![Slice::Whole];
    };
    let query = "select histogram_bounds::text::bigint[] from pg_catalog.pg_stats
                 where schemaname = $1 and tablename = $2 and attname = $3 and not inherited";
    let name = &table.table;
    let bounds = match client.query_opt(query, &[&name.schema, &name.name, &column.name]).await {
        Ok(Some(row)) => row.try_get::<_, Option<Vec<i64>>>(0).ok().flatten().unwrap_or_default(),
        // No statistics, or none that this user may see: one read of the whole table is always right.
        _ => return vec![Slice::Whole],
    };
    let count = usize::try_from(table.bytes.div_ceil(slice_bytes.max(1)).min(MOST)).unwrap_or(1);
    let cut = |index: usize| bounds.get(index * bounds.len() / count).copied();
    key_slices(&column.name, &(1..count).filter_map(cut).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_ranges_follow_one_another_and_the_last_is_open() {
        assert_eq!(page_slices(PAGE * 10, 1, 100), vec![Slice::Whole]);
        let slices = page_slices(PAGE * 10, 1000, 400);
        let text = |index: usize| match &slices[index] {
            Slice::Where(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(slices.len(), 3);
        assert_eq!(text(0), "ctid < '(3,0)'::tid");
        assert_eq!(text(1), "ctid >= '(3,0)'::tid and ctid < '(6,0)'::tid");
        assert_eq!(text(2), "ctid >= '(6,0)'::tid");
    }

    #[test]
    fn key_ranges_take_every_integer_and_null_once() {
        let slices = key_slices("a\"b", &[10, -5, 10]);
        let wanted =
            ["\"a\"\"b\" < -5", "\"a\"\"b\" >= -5 and \"a\"\"b\" < 10", "\"a\"\"b\" >= 10 or \"a\"\"b\" is null"];
        assert_eq!(slices, wanted.map(|text| Slice::Where(text.into())));
        assert_eq!(key_slices("k", &[]), vec![Slice::Whole]);
    }
}
