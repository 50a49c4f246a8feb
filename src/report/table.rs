//! Plain tables for people: the first column to the left, figures to the right.

use std::fmt;

use comfy_table::{CellAlignment, Table as Grid, TableComponent, presets};

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Figures.
    Right,
}

/// A table of texts.
#[derive(Debug)]
pub struct Table(Grid);

impl Table {
    /// A table with these headings: the first column left, the others right.
    pub fn new(headings: &[&str]) -> Self {
        let others = headings.iter().skip(1).map(|_| Align::Right);
        Self::aligned(headings, &std::iter::once(Align::Left).chain(others).collect::<Vec<_>>())
    }

    /// A table with these headings and alignments.
    pub fn aligned(headings: &[&str], alignments: &[Align]) -> Self {
        let mut grid = Grid::new();
        grid.load_preset(presets::UTF8_HORIZONTAL_ONLY);
        // A rule under the headings is enough.
        for rule in [TableComponent::HorizontalLines, TableComponent::MiddleIntersections] {
            grid.remove_style(rule);
        }
        grid.set_header(headings.iter().map(|heading| visible(heading)));
        for (column, align) in grid.column_iter_mut().zip(alignments) {
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
        Self(grid)
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(cells.into_iter().map(|cell| visible(&cell)));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names from a source may hold anything: control characters and bidi controls are shown, not obeyed by the terminal.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_terminal_is_not_steered_by_names() {
        assert_eq!(super::visible("a\u{1b}[2Jb\u{202E}"), "a\\u{1b}[2Jb\\u{202e}");
    }
}
