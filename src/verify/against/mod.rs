//! Are two databases one and the same, as an original and its restored copy should be? Tables, columns, row counts,
//! content checksums; and of what differs, the rows and their columns.
//!
//! # How
//! Each database is read under one snapshot of its own. A table is read **once** on each side, in the slices that are
//! fastest to read, and every row is added to the checksum of the part of the table that its key lies in. Parts whose
//! checksums agree are done with. Rows of the others are read again, and only they, then compared by key.
//!
//! - *Key ranges.* If both sides have the same primary key, of types whose order is known here (see `source::ranges`),
//!   its keys are cut into ranges of about 4,096 rows by a sample taken beforehand from the source. The bounds need
//!   not be good ones, only the same on both sides. A range that differs is asked for by its bounds, which an index
//!   serves; one that holds more rows than are compared at once is cut anew, by all of its keys.
//! - *Hashes.* Where the order of the key is not known (floats, enums in a database that is not UTF-8 …), or there is no
//!   key in common, parts are made by a hash of the key, or of the whole row. No server can pick rows by that: if a part
//!   differs, the whole table is read a second time, and the rows of the other parts are dropped as they come.
//!
//! Without a common key rows have no identity: they are missing or extra as often as they are, never different.
//!
//! Values are compared by their binary form (see `verify::exact`), columns by name, in whatever order they stand. A
//! column with another type is compared if the two types have a form in common; that it is retyped is a difference
//! anyway. Values are as different as PostgreSQL prints them: 0 and -0, 1.0 and 1.00 in a `numeric`, `'a'` and `'a '` in a
//! `char(n)` that became a `text`.
//!
//! # Memory
//! A checksum of each part (32 bytes, 2 MiB at most) in each reader that has a connection, and for each side of each table
//! at work. Then the rows that are read again, by key and digest: of key ranges at most 100,000 of a side in each of the
//! comparisons at work, of parts by hash at most 1,000,000 of a side in each table at work. Values are held of the rows that
//! are listed, 100 a table, and cut.

mod columns;
mod listing;
mod narrow;
mod report;
mod side;

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use self::columns::{Paired, pair};
use self::narrow::Pair;
pub use self::report::{
    AgainstReport, ColumnDifferences, ComparedTable, Pass, Retyped, RowDifference, RowKind, Sides, SkippedTable,
    ValueDifference,
};
use self::side::{Parts, Side};
use crate::dataflow::{ContentChecksum, Progress, Source, TableMeta, TableName};
use crate::error::{Error, Result};
use crate::source::{Bound, PostgresSource, TableShape};
use crate::staging::SnapshotNote;

/// Rows that a part should hold.
const PART_ROWS: u64 = 4096;
/// Parts by key at most.
const MOST_RANGES: u64 = 16_384;
/// Parts by hash of a table of more than one part's rows: more, as all of their rows are kept that are read again.
const HASH_PARTS: u64 = 65_536;
/// Bytes of a row if nothing is known of their number; fewer than most rows have.
const ROW_BYTES: u64 = 64;
/// Bytes of a row beyond which an estimate of their number is not believed; more than most rows have.
const WIDE_ROW_BYTES: u64 = 1024;
/// Rows of one side that are compared one by one at once.
const ROWS_AT_ONCE: u64 = 100_000;
/// The same where a table is read a second time in any case, so that it need not be read a third time.
const HASHED_ROWS: u64 = 1_000_000;
/// Rows of a table that are listed.
const LISTED: usize = 100;

/// Compares two databases, as many tables at once as there are connections to a side.
///
/// # Errors
/// When one of them cannot be read, or `cancel` stops the work. Differences are in the report.
pub async fn against(
    source: &PostgresSource,
    other: &PostgresSource,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<AgainstReport> {
    let work = compare_all(source, other, progress);
    tokio::select! {
        compared = work => compared,
        () = cancel.cancelled() => Err(Error::Interrupted { signal: 2 }),
    }
}

async fn compare_all(source: &PostgresSource, other: &PostgresSource, progress: &Progress) -> Result<AgainstReport> {
    let begun = Instant::now();
    let (mine, theirs) = tokio::try_join!(source.identity(), other.identity())?;
    if mine.is_same(&theirs) {
        return Err(Error::preflight(
            "both sides are the same database, which is equal to itself whatever it holds: correct source.url or \
             against.url (--against), or the variables (PGHOST, PGDATABASE, PGSERVICE …) that complete them",
        ));
    }
    // What keeps a side from being read is said before anything is read on the other.
    let (here, there) = tokio::try_join!(source.tables(), other.tables())?;
    let moments = tokio::try_join!(source.snapshot(), other.snapshot())?;
    let mut tables: Vec<(Option<TableMeta>, Option<TableMeta>)> = Vec::new();
    let mut elsewhere: std::collections::BTreeMap<TableName, TableMeta> =
        there.into_iter().map(|meta| (meta.table.clone(), meta)).collect();
    for meta in here {
        let twin = elsewhere.remove(&meta.table);
        progress.expect(twin.as_ref().map_or(0, |twin| meta.rows + twin.rows));
        tables.push((Some(meta), twin));
    }
    tables.extend(elsewhere.into_values().map(|meta| (None, Some(meta))));
    // The largest first: they take the longest.
    tables.sort_by_key(|(here, there)| std::cmp::Reverse(size(here).max(size(there))));
    let compared = tables.into_iter().map(|(here, there)| async {
        match (here, there) {
            (Some(here), Some(there)) => compare((source, here), (other, there), progress).await.map(Some),
            (Some(only), None) => Ok(Some(alone(only.table, "it is not in the other database"))),
            (None, Some(only)) => Ok(Some(alone(only.table, "it is only in the other database"))),
            (None, None) => Ok(None),
        }
    });
    let at_once = source.connections().min(other.connections());
    let compared: Vec<_> = stream::iter(compared).buffer_unordered(at_once).try_collect().await?;
    let mut tables: Vec<ComparedTable> = compared.into_iter().flatten().collect();
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    let (mut first_pass, mut narrowing) = (Pass::default(), Pass::default());
    for table in &tables {
        first_pass.add(&table.first_pass);
        narrowing.add(&table.narrowing);
    }
    let named = |name: &SnapshotNote| format!("{} at {}", name.id, name.at);
    Ok(AgainstReport {
        tables,
        skipped: skipped(source, other).await?,
        first_pass,
        narrowing,
        source_snapshot: named(&moments.0),
        against_snapshot: named(&moments.1),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

fn size(meta: &Option<TableMeta>) -> u64 {
    meta.as_ref().map_or(0, |meta| meta.bytes)
}

fn alone(table: TableName, problem: &str) -> ComparedTable {
    ComparedTable { problems: vec![problem.into()], ..ComparedTable::new(table) }
}

async fn skipped(source: &PostgresSource, other: &PostgresSource) -> Result<Vec<SkippedTable>> {
    let (here, there) = tokio::try_join!(source.skipped(), other.skipped())?;
    let of = |side: &'static str| move |(table, reason): (TableName, String)| SkippedTable { table, side, reason };
    Ok(here.into_iter().map(of("source")).chain(there.into_iter().map(of("against"))).collect())
}

/// Compares a table that both sides have.
async fn compare(
    (source, here): (&PostgresSource, TableMeta),
    (other, there): (&PostgresSource, TableMeta),
    progress: &Progress,
) -> Result<ComparedTable> {
    let begun = Instant::now();
    let (mine, theirs) = tokio::try_join!(source.shape(&here.table), other.shape(&there.table))?;
    let Paired { columns, compared, key, ordered, note } = pair(&mine, &theirs);
    let rows = about(&here).max(about(&there));
    let side = async |database: &PostgresSource, meta: &TableMeta, shape: &TableShape, compared, key| {
        let slices = database.partitions(meta).await?.into_iter().map(|partition| partition.slice).collect();
        Ok::<_, Error>(Arc::new(Side {
            database: database.clone(),
            table: meta.table.clone(),
            names: shape.columns.iter().map(|column| column.name.clone()).collect(),
            wires: shape.columns.iter().map(|column| column.wire.clone()).collect(),
            compared,
            key,
            order: shape.order.clone().filter(|_| ordered),
            slices,
        }))
    };
    let (source, against) = tokio::try_join!(
        side(source, &here, &mine, compared.source, key.source),
        side(other, &there, &theirs, compared.against, key.against)
    )?;
    let (parts, bounds) = parts(&source, rows).await?;
    let parts = Arc::new(parts);
    let (sums, other_sums) = tokio::try_join!(
        source.checksums(&source.slices, &parts, progress),
        against.checksums(&against.slices, &parts, progress)
    )?;
    let (all, other_all) = (merged(&sums), merged(&other_sums));
    let rows_read = Sides { source: all.rows, against: other_all.rows };
    let mut first_pass = Pass { rows_read, ..Pass::default() };
    first_pass.end(begun);
    let pair = Pair { source, against, bounds, parts };
    let mut found = ComparedTable {
        rows: Sides { source: Some(all.rows), against: Some(other_all.rows) },
        checksums: Sides { source: Some(all.to_string()), against: Some(other_all.to_string()) },
        problems: columns.lines(),
        method: pair.method(),
        parts: sums.len() as u64,
        differing_parts: sums.iter().zip(&other_sums).filter(|(a, b)| a != b).count() as u64,
        first_pass,
        columns,
        ..ComparedTable::new(here.table)
    };
    if found.differing_parts > 0 {
        found.problems.push(if all.rows == other_all.rows {
            format!("the contents of its {} rows differ", all.rows)
        } else {
            format!("{} rows in the source, {} in the other database", all.rows, other_all.rows)
        });
        pair.narrow(&sums, &other_sums, &mut found).await?;
        found.problems.extend(note);
    }
    found.equal = found.problems.is_empty();
    Ok(found)
}

/// A table's rows, not too few: an estimate may be of a time when there were next to none.
fn about(meta: &TableMeta) -> u64 {
    if meta.rows > 0 { meta.rows.max(meta.bytes / WIDE_ROW_BYTES) } else { meta.bytes / ROW_BYTES }
}

fn merged(sums: &[ContentChecksum]) -> ContentChecksum {
    let mut all = ContentChecksum::default();
    sums.iter().for_each(|sum| all.merge(sum));
    all
}

/// The parts of a table of about so many rows, and the bounds between them where they are ranges of the key.
async fn parts(source: &Side, rows: u64) -> Result<(Parts, Vec<Bound>)> {
    let Some(order) = &source.order else {
        return Ok((Parts::Hashes(if rows > PART_ROWS { HASH_PARTS } else { 1 }), Vec::new()));
    };
    let count = rows.div_ceil(PART_ROWS).clamp(1, MOST_RANGES);
    let bounds =
        if count == 1 { Vec::new() } else { source.database.bounds(&source.table, order, None, count).await? };
    Ok((Parts::Ranges(bounds.iter().map(|bound| bound.order.clone()).collect()), bounds))
}
