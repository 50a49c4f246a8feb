//! Rows in COPY text format, any slice of any table.

use super::{Cell, Library, TableSpec, Value, core};

impl Library {
    /// Appends one generated row in COPY text format, generated columns left out.
    pub fn write_row(&self, table: &TableSpec, row: u64, out: &mut Vec<u8>) {
        let covered = core::covers(table.name);
        self.write_cells(table, row, covered, out);
    }

    /// Appends the fixture rows of a table in COPY text format; gives their number.
    pub fn write_fixtures(&self, table: &TableSpec, out: &mut Vec<u8>) -> u64 {
        let fixtures = core::fixtures(self, table.name);
        fixtures.iter().for_each(|fixture| write_values(fixture, out));
        fixtures.len() as u64
    }

    pub(super) fn write_cells(&self, table: &TableSpec, row: u64, covered: bool, out: &mut Vec<u8>) {
        if covered {
            let mut values = Vec::with_capacity(table.columns.len());
            if core::row(self, table, row, &mut values) {
                write_values(&values, out);
                return;
            }
        }
        let start = Cell::new(self, table, row, 0);
        let mut first = true;
        for (index, column) in table.columns.iter().enumerate() {
            if column.generated {
                continue;
            }
            if !first {
                out.push(b'\t');
            }
            first = false;
            super::generic::value(&start.at(index)).write_copy(out);
        }
        out.push(b'\n');
    }
}

fn write_values(values: &[Value], out: &mut Vec<u8>) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        value.write_copy(out);
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::LibraryOptions;
    use super::*;

    fn library(scale: f64) -> Library {
        Library::new(LibraryOptions { scale, ..LibraryOptions::default() }).unwrap()
    }

    /// Section 2: 346 thousand rows at 0.001, 77 thousand at 0.0001 (fixtures not counted; the core tables' own
    /// counts may differ a little).
    #[test]
    fn rows_by_scale() {
        for (scale, thousands) in [(0.001, 346), (0.0001, 77)] {
            let library = library(scale);
            let rows: u64 = library.tables().iter().map(|table| library.rows_of(table)).sum();
            let off = rows.abs_diff(thousands * 1000);
            assert!(off * 50 < rows, "{rows} rows at {scale}");
        }
        // The full library's rows by size class alone: to place the core tables' rows takes half a minute here.
        let rows: u64 = library(0.0001).tables().iter().map(|table| table.class.rows(table.full_rows, 1.0)).sum();
        assert!(rows.abs_diff(290_436_000) * 50 < rows, "{rows} rows");
    }

    /// A row does not depend on the rows made before it, nor on which tables are filled.
    #[test]
    fn rows_are_the_same_in_any_order() {
        let all = library(0.0001);
        let some = Library::new(LibraryOptions {
            scale: 0.0001,
            tables: Some(vec!["wfe.transcode_job".to_owned()]),
            ..LibraryOptions::default()
        });
        let some = some.unwrap();
        for table in all.tables() {
            let rows = all.rows_of(table).min(40);
            let (mut forward, mut parts) = (Vec::new(), vec![Vec::new(); usize::try_from(rows).unwrap()]);
            (0..rows).for_each(|row| all.write_row(table, row, &mut forward));
            for row in (0..rows).rev() {
                some.write_row(table, row, &mut parts[usize::try_from(row).unwrap()]);
            }
            assert_eq!(forward, parts.concat(), "{}", table.name);
        }
    }

    /// Another seed gives other rows (the reproach "everything is constant" would pass the test above).
    #[test]
    fn the_seed_matters() {
        let other = Library::new(LibraryOptions { seed: 43, scale: 0.0001, ..LibraryOptions::default() }).unwrap();
        let library = library(0.0001);
        let row = |library: &Library| {
            let mut out = Vec::new();
            library.write_row(library.table("api_access_log").unwrap(), 5, &mut out);
            out
        };
        assert_ne!(row(&library), row(&other));
    }

    /// Primary keys of tables whose core does not cover them, without a server: no two rows alike, at a scale at
    /// which references have the fewest targets, and at a larger one.
    #[test]
    fn keys_are_unique() {
        for scale in [0.00002, 0.0001, 0.001] {
            let library = library(scale);
            for table in library.tables().iter().filter(|table| table.key().count() > 0) {
                let mut seen = HashSet::new();
                for row in 0..library.rows_of(table).min(20_000) {
                    let mut key = Vec::new();
                    for column in table.key() {
                        library.value(&Cell::new(&library, table, row, column)).write_copy(&mut key);
                        key.push(b'\t');
                    }
                    assert!(seen.insert(key.clone()), "{} row {row}: {}", table.name, String::from_utf8_lossy(&key));
                }
            }
        }
    }

    /// The heap width of tables.txt is met within a factor, summed over the tables: shares of size are plausible.
    #[test]
    fn rows_are_about_as_wide_as_they_should_be() {
        let library = library(0.0001);
        for name in ["workflow_execution_context_data", "api_access_log", "transcode_job_log", "email_log", "error_log"]
        {
            let table = library.table(name).unwrap();
            let mut out = Vec::new();
            (0..400).for_each(|row| library.write_row(table, row, &mut out));
            let width = out.len() as u64 / 400;
            assert!(width * 2 > table.row_bytes && width < table.row_bytes * 2, "{name}: {width}, {}", table.row_bytes);
        }
    }
}
