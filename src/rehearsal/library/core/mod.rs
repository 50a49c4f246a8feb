//! The core tables: those whose values a migration reads, with the dirt found in real libraries.

use super::{Cell, Library, Value};

/// What the core tables keep between cells (prefix sums of fan-outs and the like), built on first use.
/// One is kept in [`Library::core`]; fill it through `OnceLock`s.
#[derive(Debug, Default)]
pub struct State {}

/// Whether [`value`] is to be asked for the cells of this table (asked once a slice, not once a cell).
pub fn covers(_table: &str) -> bool {
    false
}

/// The value of a cell; `None` leaves the cell to the generic generator.
pub fn value(_cell: &Cell<'_>) -> Option<Value> {
    None
}

/// The number of generated rows of a table (without fixtures); `None` leaves it to the table's size class.
pub fn rows(_library: &Library, _table: &str) -> Option<u64> {
    None
}

/// Rows added to a table at every scale, with ids 1..199, in column order without generated columns.
pub fn fixtures(_library: &Library, _table: &str) -> Vec<Vec<Value>> {
    Vec::new()
}
