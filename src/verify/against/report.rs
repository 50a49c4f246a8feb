//! What a comparison of two databases found.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use crate::dataflow::TableName;
use crate::error::{Error, Result};

/// A comparison of the source with another database.
#[derive(Debug, Clone, Serialize)]
pub struct AgainstReport {
    /// Every table that is selected in one of them, ordered by name.
    pub tables: Vec<ComparedTable>,
    /// What is in one of them and is not compared.
    pub skipped: Vec<SkippedTable>,
    /// The first pass over all tables.
    pub first_pass: Pass,
    /// What was read again to find the rows that differ.
    pub narrowing: Pass,
    /// The snapshot of the source and its moment.
    pub source_snapshot: String,
    /// The snapshot of the other database and its moment.
    pub against_snapshot: String,
    /// Wall time of all.
    pub seconds: f64,
}

/// A figure for each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sides<T> {
    /// Of the source.
    pub source: T,
    /// Of the database it is compared with.
    pub against: T,
}

/// A pass over rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Pass {
    /// Rows read.
    pub rows_read: Sides<u64>,
    /// Wall time from its first row to its last, of all tables together if they are read at the same time.
    pub seconds: f64,
    /// When it began and ended.
    #[serde(skip)]
    pub(super) span: Option<(Instant, Instant)>,
}

/// A table that is not compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedTable {
    /// Its name.
    #[serde(flatten)]
    pub table: TableName,
    /// `source` or `against`: where it is.
    pub side: &'static str,
    /// Why it is not compared.
    pub reason: String,
}

/// A table of both sides, or of one.
#[derive(Debug, Clone, Serialize)]
pub struct ComparedTable {
    /// Its name.
    #[serde(flatten)]
    pub table: TableName,
    /// Rows; none where there is no such table.
    pub rows: Sides<Option<u64>>,
    /// Content checksums over the columns that are compared.
    pub checksums: Sides<Option<String>>,
    /// Whether columns, rows and contents are the same.
    pub equal: bool,
    /// What is not, a line each.
    pub problems: Vec<String>,
    /// Columns that are not the same.
    pub columns: ColumnDifferences,
    /// How the table was taken apart: `key ranges`, `hashes of the key`, `hashes of the row`.
    pub method: &'static str,
    /// The parts that it was taken apart into.
    pub parts: u64,
    /// Those of them that differ.
    pub differing_parts: u64,
    /// Rows that differ, by kind: all of them, except where `not_narrowed` says so.
    pub counts: BTreeMap<RowKind, u64>,
    /// The first of these rows, by key.
    pub differences: Vec<RowDifference>,
    /// Parts whose rows were not compared one by one, and why.
    pub not_narrowed: Vec<String>,
    /// The first pass over this table.
    pub first_pass: Pass,
    /// What was read again of it.
    pub narrowing: Pass,
}

/// Columns that are not the same on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ColumnDifferences {
    /// Only in the source.
    pub missing: Vec<String>,
    /// Only in the other database.
    pub added: Vec<String>,
    /// In both, with another type.
    pub retyped: Vec<Retyped>,
}

/// A column with another type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retyped {
    /// Its name.
    pub name: String,
    /// The two types as declared.
    #[serde(rename = "types")]
    pub declared: Sides<String>,
    /// Whether its values are compared: the two types have a form in common (`integer` and `bigint`, `varchar(10)` and
    /// `text`, `numeric(10,2)` and `numeric(12,2)`).
    pub compared: bool,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// In the source only.
    Missing,
    /// In the other database only.
    Extra,
    /// In both under one key, with other values.
    Different,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowDifference {
    /// How.
    pub kind: RowKind,
    /// The key's columns as PostgreSQL prints them; of a table without a common key, all columns. Long values are cut.
    pub key: BTreeMap<String, Option<String>>,
    /// How often, for rows of a table without a common key.
    pub times: u64,
    /// The columns that differ, of a row that is in both.
    pub columns: Vec<ValueDifference>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValueDifference {
    /// The column.
    pub name: String,
    /// Both values as PostgreSQL prints them, none for NULL; long ones are cut.
    #[serde(flatten)]
    pub values: Sides<Option<String>>,
}

impl ColumnDifferences {
    /// What differs, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let missing = self.missing.iter().map(|name| format!("the column {name} is only in the source"));
        let added = self.added.iter().map(|name| format!("the column {name} is only in the other database"));
        let retyped = self.retyped.iter().map(|column| {
            let Retyped { name, declared: Sides { source, against }, compared } = column;
            let note = if *compared { "" } else { "; its values cannot be compared" };
            format!("the column {name} is retyped: {source} in the source, {against} in the other database{note}")
        });
        missing.chain(added).chain(retyped).collect()
    }
}

impl ComparedTable {
    /// A table of which nothing is known yet.
    pub(super) fn new(table: TableName) -> Self {
        Self {
            table,
            rows: Sides::default(),
            checksums: Sides::default(),
            equal: false,
            problems: Vec::new(),
            columns: ColumnDifferences::default(),
            method: "",
            parts: 0,
            differing_parts: 0,
            counts: BTreeMap::new(),
            differences: Vec::new(),
            not_narrowed: Vec::new(),
            first_pass: Pass::default(),
            narrowing: Pass::default(),
        }
    }

    /// All rows that differ, as far as they were counted.
    pub fn differing_rows(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl Pass {
    /// Ends now what began then.
    pub(super) fn end(&mut self, begun: Instant) {
        self.span = Some((begun, Instant::now()));
        self.seconds = begun.elapsed().as_secs_f64();
    }

    /// Adds the pass over another table: its rows, and its time where it is not the same time.
    pub(super) fn add(&mut self, other: &Self) {
        self.rows_read.source += other.rows_read.source;
        self.rows_read.against += other.rows_read.against;
        self.span = match (self.span, other.span) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
        self.seconds = self.span.map_or(0.0, |(begun, ended)| (ended - begun).as_secs_f64());
    }
}

impl AgainstReport {
    /// The tables that differ.
    pub fn differences(&self) -> impl Iterator<Item = &ComparedTable> {
        self.tables.iter().filter(|table| !table.equal)
    }

    /// Nothing, if all tables are equal.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with every table that differs, and how.
    pub fn require_equal(&self) -> Result<()> {
        let lines: Vec<_> =
            self.differences().map(|table| format!("{}: {}", table.table, table.problems.join("; "))).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let message = format!("{} of {} tables differ:\n  {}", lines.len(), self.tables.len(), lines.join("\n  "));
        Err(Error::Mismatch { what: "the two databases".into(), message })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tables_read_at_the_same_time_take_that_time_once() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let pass = |from, to| Pass { span: Some((at(from), at(to))), ..Pass::default() };
        let mut all = Pass::default();
        [pass(1, 5), Pass::default(), pass(2, 8), pass(3, 4)].iter().for_each(|pass| all.add(pass));
        assert!((all.seconds - 7.0).abs() < 1e-9, "{all:?}");
    }
}
