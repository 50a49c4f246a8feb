//! The rows of the core tables in memory, found by an id in a column: what the answer key looks values up in.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value as Json;

use super::super::{Library, TableSpec, Value, core};

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    spec: &'a TableSpec,
    values: &'a [Value],
}

impl<'a> Row<'a> {
    /// A cell by its column's unquoted name; NULL for a column that the table does not have (a test sees to it that
    /// none is asked for).
    pub fn cell(&self, column: &str) -> &'a Value {
        let mut stored = self.spec.columns.iter().filter(|column| !column.generated);
        let place = stored.position(|found| found.name == column);
        debug_assert!(place.is_some(), "{} has no column {column}", self.spec.name);
        place.and_then(|place| self.values.get(place)).unwrap_or(&Value::Null)
    }

    /// What a cell means.
    pub fn means(&self, column: &str) -> Json {
        self.cell(column).means()
    }

    /// A cell's raw integer.
    pub fn id(&self, column: &str) -> Option<i64> {
        self.cell(column).number()
    }

    /// The table's name.
    pub fn table(&self) -> &'static str {
        self.spec.name
    }
}

type Index = HashMap<i64, Vec<usize>>;
type TextIndex = HashMap<String, Vec<usize>>;

/// The rows of tables, each made once, when first asked for.
#[derive(Debug)]
pub struct Tables<'a> {
    /// The library they are of.
    pub library: &'a Library,
    rows: HashMap<&'static str, Vec<Vec<Value>>>,
    indexes: RefCell<HashMap<(&'static str, &'static str), Rc<Index>>>,
    text_indexes: RefCell<HashMap<(&'static str, &'static str), Rc<TextIndex>>>,
}

impl<'a> Tables<'a> {
    /// All rows of the named tables, fixtures first; of the table of property values only the rows that `keep` wants
    /// (`metadata_id`, `property_id`).
    pub fn load(library: &'a Library, names: &[&'static str]) -> Self {
        let rows = names.iter().map(|name| (*name, all_rows(library, name, |_| true))).collect();
        Self { library, rows, indexes: RefCell::default(), text_indexes: RefCell::default() }
    }

    /// Adds a table, of which only the rows that `keep` wants.
    pub fn add(&mut self, name: &'static str, keep: impl Fn(&[Value]) -> bool) {
        self.rows.insert(name, all_rows(self.library, name, keep));
    }

    /// All rows of a table, fixtures first, then by row number.
    pub fn all(&self, table: &'static str) -> impl Iterator<Item = Row<'_>> {
        let spec = self.library.table(table);
        let rows = self.rows.get(table).map_or(&[][..], Vec::as_slice);
        debug_assert!(self.rows.contains_key(table), "{table} was not loaded");
        spec.into_iter().flat_map(move |spec| rows.iter().map(move |values| Row { spec, values }))
    }

    /// The rows of a table whose column holds an id, in the table's order.
    pub fn by(&self, table: &'static str, column: &'static str, id: i64) -> Vec<Row<'_>> {
        let index = self.index(table, column);
        let Some(spec) = self.library.table(table) else { return Vec::new() };
        let rows = self.rows.get(table).map_or(&[][..], Vec::as_slice);
        let found = index.get(&id).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|place| rows.get(*place)).map(|values| Row { spec, values }).collect()
    }

    /// The first row of a table whose column holds an id.
    pub fn one(&self, table: &'static str, column: &'static str, id: Option<i64>) -> Option<Row<'_>> {
        self.by(table, column, id?).into_iter().next()
    }

    /// The rows of a table whose column means a text, in the table's order.
    pub fn meaning(&self, table: &'static str, column: &'static str, text: &str) -> Vec<Row<'_>> {
        let index = self.text_index(table, column);
        let Some(spec) = self.library.table(table) else { return Vec::new() };
        let rows = self.rows.get(table).map_or(&[][..], Vec::as_slice);
        let found = index.get(text).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|place| rows.get(*place)).map(|values| Row { spec, values }).collect()
    }

    fn text_index(&self, table: &'static str, column: &'static str) -> Rc<TextIndex> {
        if let Some(index) = self.text_indexes.borrow().get(&(table, column)) {
            return index.clone();
        }
        let mut index = TextIndex::new();
        for (place, row) in self.all(table).enumerate() {
            if let Json::String(text) = row.means(column) {
                index.entry(text).or_default().push(place);
            }
        }
        let index = Rc::new(index);
        self.text_indexes.borrow_mut().insert((table, column), index.clone());
        index
    }

    fn index(&self, table: &'static str, column: &'static str) -> Rc<Index> {
        if let Some(index) = self.indexes.borrow().get(&(table, column)) {
            return index.clone();
        }
        let mut index = Index::new();
        for (place, row) in self.all(table).enumerate() {
            if let Some(id) = row.id(column) {
                index.entry(id).or_default().push(place);
            }
        }
        let index = Rc::new(index);
        self.indexes.borrow_mut().insert((table, column), index.clone());
        index
    }

    /// The raw integers of a column, each once.
    pub fn ids(&self, table: &'static str, column: &str) -> HashSet<i64> {
        self.all(table).filter_map(|row| row.id(column)).collect()
    }
}

fn all_rows(library: &Library, name: &str, keep: impl Fn(&[Value]) -> bool) -> Vec<Vec<Value>> {
    let Some(spec) = library.table(name) else { return Vec::new() };
    let fixtures = core::fixtures(library, name);
    let generated = (0..library.rows(name)).map(|row| {
        let mut values = Vec::with_capacity(spec.columns.len());
        core::row(library, spec, row, &mut values);
        values
    });
    fixtures.into_iter().chain(generated).filter(|values| keep(values)).collect()
}
