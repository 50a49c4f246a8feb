//! One cell of the library: where it stands and the random numbers that belong to it.

use super::random::{self, Draws};
use super::schema::TableSpec;
use super::{ColumnSpec, Library};

/// The highest rate that dirt may reach in a column, whatever the dirt level.
const DIRTIEST: f64 = 0.30;

/// A cell that is to be made: a table, a row (0-based, fixtures not counted) and a column.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The library the cell belongs to.
    pub library: &'a Library,
    /// The table.
    pub table: &'a TableSpec,
    /// The row, 0-based.
    pub row: u64,
    /// The column's index in [`TableSpec::columns`].
    pub column: usize,
    state: u64,
}

impl<'a> Cell<'a> {
    /// The cell of a table at a row and a column.
    pub fn new(library: &'a Library, table: &'a TableSpec, row: u64, column: usize) -> Self {
        Self { library, table, row, column, state: random::row_state(library.seed, table.number, row) }
    }

    /// Another column of the same row (without hashing the row again).
    pub fn at(self, column: usize) -> Self {
        Self { column, ..self }
    }

    /// The column this cell stands in.
    pub fn spec(&self) -> &'a ColumnSpec {
        &self.table.columns[self.column]
    }

    /// The column's name, unquoted.
    pub fn name(&self) -> &'a str {
        self.spec().name
    }

    /// Draw `k` (0..8) of this cell.
    pub fn draw(&self, k: u64) -> u64 {
        self.draw_of(self.column, k)
    }

    /// Draw `k` (0..8) of another column of the same row.
    pub fn draw_of(&self, column: usize, k: u64) -> u64 {
        random::draw(self.state, column as u64 * 8 + k)
    }

    /// A number below `n` from draw `k` (0 when `n` is 0).
    pub fn below(&self, k: u64, n: u64) -> u64 {
        random::below(self.draw(k), n)
    }

    /// Whether draw `k` falls under `rate` (0..=1).
    pub fn chance(&self, k: u64, rate: f64) -> bool {
        random::chance(self.draw(k), rate)
    }

    /// Whether draw `k` falls under `rate` times the library's dirt level, at most 30 %.
    pub fn dirt(&self, k: u64, rate: f64) -> bool {
        self.library.dirt > 0.0 && self.chance(k, (rate * self.library.dirt).min(DIRTIEST))
    }

    /// One of `choices` by draw `k`; the default when there are none.
    pub fn pick<T: Copy + Default>(&self, k: u64, choices: &[T]) -> T {
        let index = usize::try_from(self.below(k, choices.len() as u64)).unwrap_or(0);
        choices.get(index).copied().unwrap_or_default()
    }

    /// A rank below `n` by draw `k`, low ranks more often (about 1/(rank+1)).
    pub fn zipf(&self, k: u64, n: u64) -> u64 {
        random::zipf(self.draw(k), n)
    }

    /// A sequence of random numbers started from draw `k`, for values that need many.
    pub fn draws(&self, k: u64) -> Draws {
        Draws::new(self.draw(k))
    }
}
