//! Where to cut a big table so that its slices bring about the same number of bytes: a bounded sample of its pages, whose
//! rows are weighed without being read whole. Nothing is asked of the planner's statistics, which may be missing.
//!
//! The sample is taken under the snapshot, by one of its readers: it then sees the rows that will be read and counts
//! against the same connections. For what is read it makes no difference: slices are right wherever they are cut.

use std::fmt::Write;

use tokio_postgres::{Client, Row};

use super::catalog::{CatalogColumn, CatalogTable, quote, quote_table};
use super::failure::{answer, value};
use super::types::Wire;
use crate::error::Result;

/// Pages sampled of a table, at least; fewer only if it has no more.
const FEWEST: u64 = 1_000;
/// Pages sampled, at most: 64 MiB and a second or two. Where values lie apart (TOAST) a few pages may stand for most of
/// the bytes, so that as many are looked at as may be.
const MOST: u64 = 8_192;
/// Pages sampled for each slice between those bounds.
const PER_SLICE: u64 = 16;
/// How long a sample may take on a busy server; after that the table is cut without one.
const PATIENCE: &str = "20s";
/// The bytes of a row beside its values: header, line pointer, and what `COPY` adds.
const ROW: u64 = 32;

/// What is asked of a sample: a share of a table's pages, and into how many slices to cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    percent: f64,
    count: u64,
}

/// Cuts by a column, and what reading the slices costs.
#[derive(Debug)]
pub(super) struct Cuts {
    /// Ascending values as SQL literals: each begins a slice.
    pub(super) at: Vec<String>,
    /// How often a page is read by all slices together, on average: 1 where rows lie in the order of the cuts, and as
    /// much as the rows of a page where they do not.
    pub(super) readings: f64,
}

/// Rows that follow one another in a page, [`RUN`] places of them at most, with their bytes.
#[derive(Debug, Clone, Copy)]
struct Run {
    page: f64,
    first: f64,
    weight: f64,
}

/// Places of a page that are weighed together.
const RUN: f64 = 16.0;

impl Sample {
    /// A sample of a table of so many pages, in which to find the cuts between `count` slices.
    pub(super) fn of(table: &CatalogTable, pages: u64, count: u64) -> Self {
        let apart = table.bytes.saturating_sub(table.main_bytes) > table.main_bytes / 8;
        let wanted = if apart { MOST } else { (count * PER_SLICE).clamp(FEWEST, MOST) };
        let percent = if pages <= wanted { 100.0 } else { 100.0 * wanted as f64 / pages as f64 };
        Self { percent, count }
    }

    /// Cuts by rows' addresses (ctid), as SQL literals.
    ///
    /// # Errors
    /// When the sample cannot be taken or takes too long; the session's transaction is then of no more use.
    pub(super) async fn addresses(self, client: &Client, table: &CatalogTable) -> Result<Vec<String>> {
        let query = format!(
            "with sampled as ({})
             select page, pg_catalog.floor(place / {RUN}) * {RUN} as first, pg_catalog.sum(weight)
             from sampled group by page, first order by page, first",
            self.rows(table, "ctid")
        );
        let mut runs = Vec::new();
        for row in limited(client, table, &query).await? {
            runs.push(Run { page: value(&row, 0)?, first: value(&row, 1)?, weight: value(&row, 2)? });
        }
        let cuts = self.cut(&runs);
        Ok(cuts.into_iter().map(|(page, place)| format!("'({page},{place})'")).collect())
    }

    /// Cuts by a column's values.
    ///
    /// # Errors
    /// As [`Sample::addresses`].
    pub(super) async fn values(self, client: &Client, table: &CatalogTable, column: &str) -> Result<Cuts> {
        let Self { count, .. } = self;
        let query = format!(
            "with sampled as ({}), pages as (
                 select page, least(pg_catalog.lead(page) over (order by page) - page, {:.3}) as stretch
                 from (select distinct page from sampled) every
             ), weighed as (
                 select cut, page, weight * stretch as weight from sampled join pages using (page)
             ), placed as (
                 select cut, page, pg_catalog.floor((pg_catalog.sum(weight) over (order by cut rows unbounded preceding)
                                                     - weight) * {count} / pg_catalog.sum(weight) over ()) as slice
                 from weighed
             ), cuts as (
                 select distinct on (slice) slice, cut from placed order by slice, cut
             )
             select pg_catalog.quote_literal(cut::text),
                    (select pg_catalog.count(distinct (page, slice))::float8 / pg_catalog.count(distinct page)
                     from placed)
             from cuts where slice > 0 order by slice",
            self.rows(table, &quote(column)),
            self.longest()
        );
        let mut cuts = Cuts { at: Vec::new(), readings: 1.0 };
        for row in limited(client, table, &query).await? {
            cuts.at.push(value(&row, 0)?);
            cuts.readings = value(&row, 1)?;
        }
        cuts.at.dedup();
        Ok(cuts)
    }

    /// The sampled rows: what to cut by, page and place of each, and its weight. `repeatable` makes two plans of an
    /// unchanged table the same.
    fn rows(self, table: &CatalogTable, cut: &str) -> String {
        format!(
            "select {cut} as cut, (ctid::text::pg_catalog.point)[0] as page, (ctid::text::pg_catalog.point)[1] as place,
                    {} as weight
             from only {} tablesample system ({:.7}) repeatable (0) where {cut} is not null",
            weight(&table.columns),
            quote_table(&table.table),
            self.percent
        )
    }

    /// The pages that a sampled one may stand for: itself, and those up to the next one that was sampled. A longer way to
    /// the next one than chance makes it is a stretch of sampled pages without rows.
    fn longest(self) -> f64 {
        1.0 + 5.0 * (100.0 / self.percent - 1.0)
    }

    /// Pages and places at which slices of equal weight begin. A sampled page stands for those up to the next one, too.
    fn cut(self, runs: &[Run]) -> Vec<(u64, u64)> {
        let pages: Vec<_> = runs.chunk_by(|a, b| a.page == b.page).collect();
        let next = pages.iter().skip(1).map(|page| page[0].page).chain([f64::INFINITY]);
        let mut steps = Vec::new();
        for (page, next) in pages.iter().zip(next) {
            let step =
                |run: &Run| Step { page: run.page, pages: 0.0, first: run.first, places: RUN, weight: run.weight };
            steps.extend(page.iter().map(step));
            let Run { page: number, first, .. } = page[page.len() - 1];
            let pages = (next - number).min(self.longest()) - 1.0;
            let weight = page.iter().map(|run| run.weight).sum::<f64>() * pages;
            steps.push(Step { page: number + 1.0, pages, first: 0.0, places: first + RUN, weight });
        }
        let total: f64 = steps.iter().map(|step| step.weight).sum();
        let (mut cuts, mut passed, mut slice) = (Vec::new(), 0.0, 1);
        for step in steps {
            while slice < self.count && passed + step.weight > total * slice as f64 / self.count as f64 {
                let left = total * slice as f64 / self.count as f64 - passed;
                cuts.push(step.after((left / step.weight).max(0.0)));
                slice += 1;
            }
            passed += step.weight;
        }
        cuts.dedup();
        cuts
    }
}

/// A part of the way through a table: places of one page, or whole pages that were not sampled.
struct Step {
    page: f64,
    pages: f64,
    first: f64,
    places: f64,
    weight: f64,
}

impl Step {
    /// Page and place after a part of the step, from 0 to 1.
    fn after(&self, part: f64) -> (u64, u64) {
        let page = self.page + part * self.pages;
        let within = if self.pages > 0.0 { page.fract() } else { part };
        (page as u64, (self.first + within * self.places).max(1.0) as u64)
    }
}

/// The answer to a sample's query, within the time that it may take.
async fn limited(client: &Client, table: &CatalogTable, query: &str) -> Result<Vec<Row>> {
    let name = table.table.to_string();
    let limit = format!("set local statement_timeout = '{PATIENCE}'");
    answer(&name, "the sample's time cannot be limited", client.batch_execute(&limit)).await?;
    let rows = answer(&name, "no sample can be taken", client.query(query, &[])).await?;
    let unlimited = client.batch_execute("set local statement_timeout = 0");
    answer(&name, "the sample's time limit cannot be lifted", unlimited).await?;
    Ok(rows)
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
    use proptest::prelude::*;

    use super::*;

    fn run(page: u32, weight: u32) -> Run {
        Run { page: f64::from(page), first: 0.0, weight: f64::from(weight) }
    }

    #[test]
    fn pages_between_those_sampled_count_and_pages_without_rows_do_not() {
        // Every second page or so: the cut lies where nothing was sampled.
        let half = Sample { percent: 50.0, count: 2 };
        assert_eq!(half.cut(&[run(0, 100), run(2, 100), run(3, 100), run(8, 100)]), [(7, 1)]);
        // All pages: those that are not among them hold nothing, and a heavy one is cut within.
        let all = Sample { percent: 100.0, count: 4 };
        assert_eq!(all.cut(&[run(500, 100), run(501, 100)]), [(500, 8), (501, 1), (501, 8)]);
        let later = Run { first: 16.0, ..run(900, 400) };
        assert_eq!(all.cut(&[run(900, 0), later]), [(900, 20), (900, 24), (900, 28)]);
        assert_eq!(all.cut(&[]), []);
    }

    proptest! {
        #[test]
        fn cuts_ascend_whatever_the_pages(
            sampled in prop::collection::btree_map(0_u32..10_000, 1_u32..1_000_000, 0..200),
            percent in 0.01_f64..=100.0,
            count in 1_u64..500,
        ) {
            let runs: Vec<_> = sampled.into_iter().map(|(page, weight)| run(page, weight)).collect();
            let cuts = Sample { percent, count }.cut(&runs);
            prop_assert!(cuts.windows(2).all(|pair| pair[0] < pair[1]), "{cuts:?}");
            prop_assert!((cuts.len() as u64) < count);
        }
    }
}
