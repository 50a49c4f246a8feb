//! Columns that are never read: the statements of a read do not name them, and nothing behind the catalog knows them.

use tracing::warn;

use super::catalog::CatalogTable;
use crate::dataflow::TableName;
use crate::error::{Error, Result};

/// The columns to leave out, by table. Those of a partitioned table are left out of its partitions, too.
#[derive(Debug)]
pub(super) struct Omitted(Vec<(TableName, String)>);

impl Omitted {
    /// From `schema.table.column`, each name as the catalog has it.
    ///
    /// # Errors
    /// [`Error::Config`] when a name has not three parts.
    pub(super) fn new(stated: &[String]) -> Result<Self> {
        let column = |stated: &String| {
            let mut parts = stated.splitn(3, '.');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(schema), Some(table), Some(column)) if ![schema, table, column].contains(&"") => {
                    Ok((TableName::new(schema, table), column.to_owned()))
                }
                _ => Err(Error::config(format!("source.exclude_columns: `{stated}` is not schema.table.column"))),
            }
        };
        stated.iter().map(column).collect::<Result<_>>().map(Self)
    }

    /// Takes the columns out of the catalog; each table says which.
    pub(super) fn apply(&self, tables: &mut [CatalogTable]) {
        for table in tables {
            let own = |(name, _): &&(TableName, String)| *name == table.table || Some(name) == table.parent.as_ref();
            let names: Vec<&String> = self.0.iter().filter(own).map(|(_, column)| column).collect();
            let (left_out, columns) = std::mem::take(&mut table.columns)
                .into_iter()
                .partition::<Vec<_>, _>(|column| names.contains(&&column.name));
            table.columns = columns;
            table.left_out = left_out.into_iter().map(|column| column.name).collect();
        }
    }

    /// Looks for every column in a catalog that they have been taken out of. A secret must not be read because its name is
    /// misspelt; a table that does not exist has none.
    ///
    /// # Errors
    /// [`Error::Preflight`] when a table has no such column, or it is part of the key.
    pub(super) fn require_found(&self, tables: &[CatalogTable]) -> Result<()> {
        let mut problems = Vec::new();
        for (name, column) in &self.0 {
            let Some(table) = tables.iter().find(|table| table.table == *name) else {
                warn!(table = %name, column, "source.exclude_columns: there is no such table");
                continue;
            };
            if table.key.contains(column) {
                problems.push(format!("{name}.{column} is part of the primary key, which must be read"));
            } else if !table.left_out.contains(column) {
                problems.push(format!("{name} has no column {column}"));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::preflight(format!("source.exclude_columns: {}", problems.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_three_names() {
        for stated in ["password_hash", "security_user.password_hash", "public..x", ".t.x", "public.t."] {
            assert!(Omitted::new(&[stated.to_owned()]).is_err(), "{stated}");
        }
        let omitted = Omitted::new(&["public.t.a column. of that name".to_owned()]).unwrap();
        assert_eq!(omitted.0, [(TableName::new("public", "t"), "a column. of that name".to_owned())]);
    }
}
