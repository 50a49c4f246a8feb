//! The sample source database: 227 tables of an invented media library, shaped like the systems a migration reads,
//! with their dirt. Every cell is a function of seed, table, row and column, so the library is byte-identical
//! whatever the number of threads, the order of tables or the subset that is made.
//!
//! Layers inside: `random` (numbers without state), `schema` and `types` (the tables as data), `cell` and `value`
//! (the language generators speak), `core` (the tables a migration reads), `generic` (all others, by type and name),
//! `load` (COPY into PostgreSQL), `told` (what a cell means) and `answers` (what a right migration makes of the rows).

pub mod answers;
mod cell;
pub mod core;
mod generic;
mod load;
pub mod random;
mod rows;
mod schema;
mod time;
pub mod told;
mod types;
mod value;

use std::collections::HashMap;

use crate::{Error, Result};

pub use cell::Cell;
pub use load::{LoadSummary, create};
pub use schema::{ColumnSpec, PartitionSpec, SizeClass, TableSpec, quote};
pub use time::{NOW_MICROS, date_text, days_from_civil, timestamp_text};
pub use told::{Disposition, Told};
pub use types::ColumnType;
pub use value::Value;

/// The first generated id of most tables; fixtures stand below it.
pub const FIRST_ID: u64 = 200;

/// Small lookups whose ids count from 1 (section 1 of the specification).
const COUNT_FROM_ONE: [&str; 7] = [
    "metadata_property",
    "asset_type",
    "asset_status",
    "asset_content_use",
    "asset_relation_type",
    "marker_type",
    "asset_source",
];

/// What a library is made from.
#[derive(Debug, Clone)]
pub struct LibraryOptions {
    /// The seed of all random numbers.
    pub seed: u64,
    /// The size: 1 is the full system of 290 million rows, 0.001 the usual rehearsal.
    pub scale: f64,
    /// 0 for clean data, 1 for the rates found in real libraries, n for n times as many.
    pub dirt: f64,
    /// The names of the tables to fill (with or without schema); `None` for all. The rows of a table do not depend
    /// on which others are filled.
    pub tables: Option<Vec<String>>,
}

impl Default for LibraryOptions {
    fn default() -> Self {
        Self { seed: 42, scale: 0.001, dirt: 1.0, tables: None }
    }
}

/// The sample library: which tables, how many rows, and every cell on demand. Nothing is stored but plans.
#[derive(Debug)]
pub struct Library {
    /// The seed of all random numbers.
    pub seed: u64,
    /// The size, 1 being the full system.
    pub scale: f64,
    /// The dirt level.
    pub dirt: f64,
    /// What the core tables keep between cells.
    pub core: core::State,
    tables: Vec<TableSpec>,
    by_name: HashMap<&'static str, usize>,
    rows: Vec<u64>,
    plans: Vec<generic::TablePlan>,
    filled: Vec<bool>,
}

impl Library {
    /// A library of the given options. Cheap: no row is made yet.
    ///
    /// # Errors
    /// [`Error::Config`] when the scale or the dirt is out of range or a table is unknown.
    pub fn new(options: LibraryOptions) -> Result<Self> {
        if !(options.scale > 0.0 && options.scale <= 1.0) {
            return Err(Error::config(format!("library scale {}: must be over 0 and at most 1", options.scale)));
        }
        if !(0.0..=1000.0).contains(&options.dirt) {
            return Err(Error::config(format!("library dirt {}: must be between 0 and 1000", options.dirt)));
        }
        let tables = schema::tables()?;
        let by_name: HashMap<_, _> = tables.iter().enumerate().map(|(index, table)| (table.name, index)).collect();
        let rows = tables.iter().map(|table| table.class.rows(table.full_rows, options.scale)).collect();
        let filled = vec![options.tables.is_none(); tables.len()];
        let LibraryOptions { seed, scale, dirt, .. } = options;
        let mut library =
            Self { seed, scale, dirt, core: core::State::default(), tables, by_name, rows, plans: Vec::new(), filled };
        library.rows = library
            .tables
            .iter()
            .zip(&library.rows)
            .map(|(table, rows)| core::rows(&library, table.name).unwrap_or(*rows))
            .collect();
        library.plans = library.tables.iter().map(|table| generic::TablePlan::new(&library, table)).collect();
        for name in options.tables.iter().flatten() {
            let index =
                library.index(name).ok_or_else(|| Error::config(format!("library table {name:?} does not exist")))?;
            library.filled[index] = true;
        }
        Ok(library)
    }

    /// All 227 tables by number, whether they are filled or not.
    pub fn tables(&self) -> &[TableSpec] {
        &self.tables
    }

    /// A table by its unquoted name, with or without schema.
    pub fn table(&self, name: &str) -> Option<&TableSpec> {
        self.index(name).map(|index| &self.tables[index])
    }

    /// The generated rows of a table, without fixtures; 0 for a table that does not exist.
    pub fn rows(&self, name: &str) -> u64 {
        self.index(name).map_or(0, |index| self.rows[index])
    }

    /// The generated rows of a table by its number (as [`Library::rows`], without looking the name up).
    pub fn rows_of(&self, table: &TableSpec) -> u64 {
        self.rows.get(table.number as usize - 1).copied().unwrap_or(0)
    }

    /// The id of a row of a table whose key is a single integer that counts.
    pub fn id(&self, table: &TableSpec, row: u64) -> u64 {
        first_id(table.name) + row
    }

    /// Whether a table is to be filled.
    pub fn fills(&self, table: &TableSpec) -> bool {
        self.filled.get(table.number as usize - 1).copied().unwrap_or(false)
    }

    /// The value of one cell. Generated columns give NULL.
    pub fn value(&self, cell: &Cell<'_>) -> Value {
        if core::covers(cell.table.name) && !cell.spec().generated {
            let mut values = Vec::new();
            let before = cell.table.columns[..cell.column].iter().filter(|column| !column.generated).count();
            if core::row(self, cell.table, cell.row, &mut values) && before < values.len() {
                return values.swap_remove(before);
            }
        }
        generic::value(cell)
    }

    /// The rows that a table's size class gives it, which the core tables may have to depart from.
    pub fn class_rows(&self, name: &str) -> u64 {
        self.table(name).map_or(0, |table| table.class.rows(table.full_rows, self.scale))
    }

    fn plan(&self, table: &TableSpec) -> &generic::TablePlan {
        &self.plans[table.number as usize - 1]
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name.strip_prefix("public.").or(name.strip_prefix("wfe.")).unwrap_or(name)).copied()
    }
}

/// Where the ids of a table start.
pub fn first_id(table: &str) -> u64 {
    if COUNT_FROM_ONE.contains(&table) { 1 } else { FIRST_ID }
}
