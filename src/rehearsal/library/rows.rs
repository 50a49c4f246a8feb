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
        for fixture in &fixtures {
            for (index, value) in fixture.iter().enumerate() {
                if index > 0 {
                    out.push(b'\t');
                }
                value.write_copy(out);
            }
            out.push(b'\n');
        }
        fixtures.len() as u64
    }

    pub(super) fn write_cells(&self, table: &TableSpec, row: u64, covered: bool, out: &mut Vec<u8>) {
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
            let cell = start.at(index);
            let value: Option<Value> = if covered { core::value(&cell) } else { None };
            value.unwrap_or_else(|| super::generic::value(&cell)).write_copy(out);
        }
        out.push(b'\n');
    }
}
