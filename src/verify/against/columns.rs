//! The columns of two tables side by side, by name.

use super::report::{ColumnDifferences, Retyped, Sides};
use crate::source::{ShapeColumn, TableShape};
use crate::verify::exact::form;

/// What two tables have in common.
#[derive(Debug)]
pub(super) struct Paired {
    pub(super) columns: ColumnDifferences,
    /// The positions of the columns that are compared, those of a pair at the same index.
    pub(super) compared: Sides<Vec<usize>>,
    /// The positions of the key's columns, likewise; empty without a common key.
    pub(super) key: Sides<Vec<usize>>,
    /// Whether rows can be told by the order of that key.
    pub(super) ordered: bool,
    /// Why there is no common key, if each side has one of its own.
    pub(super) note: Option<String>,
}

/// Pairs the columns of the source with those of the other database.
pub(super) fn pair(source: &TableShape, against: &TableShape) -> Paired {
    let mut columns = ColumnDifferences::default();
    let mut compared = Sides::<Vec<usize>>::default();
    for (index, column) in source.columns.iter().enumerate() {
        let Some(twin) = against.columns.iter().position(|other| other.name == column.name) else {
            columns.missing.push(column.name.clone());
            continue;
        };
        let other = &against.columns[twin];
        let same_form = form(&column.wire) == form(&other.wire);
        if same_form {
            compared.source.push(index);
            compared.against.push(twin);
        }
        if column.type_name != other.type_name || !same_form {
            columns.retyped.push(Retyped {
                name: column.name.clone(),
                declared: Sides { source: column.type_name.clone(), against: other.type_name.clone() },
                compared: same_form,
            });
        }
    }
    let is_added = |column: &&ShapeColumn| !source.columns.iter().any(|mine| mine.name == column.name);
    columns.added = against.columns.iter().filter(is_added).map(|column| column.name.clone()).collect();
    let names =
        |shape: &TableShape| shape.key.iter().map(|index| shape.columns[*index].name.clone()).collect::<Vec<_>>();
    let (mine, theirs) = (names(source), names(against));
    let comparable = source.key.iter().all(|index| compared.source.contains(index));
    let common = !mine.is_empty() && mine == theirs && comparable;
    let shown = |names: &[String]| if names.is_empty() { "none".to_owned() } else { format!("({})", names.join(", ")) };
    let note = (!common && (!mine.is_empty() || !theirs.is_empty())).then(|| {
        format!(
            "no common primary key, so rows are compared as wholes: {} in the source, {} in the other database",
            shown(&mine),
            shown(&theirs)
        )
    });
    let key =
        if common { Sides { source: source.key.clone(), against: against.key.clone() } } else { Sides::default() };
    let ordered = common && source.order.is_some() && against.order.is_some();
    Paired { columns, compared, key, ordered, note }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Wire;

    fn shape(columns: &[(&str, &str, Wire)], key: &[usize]) -> TableShape {
        let column = |(name, type_name, wire): &(&str, &str, Wire)| ShapeColumn {
            name: (*name).into(),
            type_name: (*type_name).into(),
            wire: wire.clone(),
        };
        TableShape { columns: columns.iter().map(column).collect(), key: key.to_vec(), order: None }
    }

    #[test]
    fn columns_meet_by_name_and_are_compared_by_a_common_form() {
        let numeric = |precision, scale| Wire::Decimal { precision, scale };
        let source = shape(
            &[
                ("id", "integer", Wire::Int32),
                ("gone", "text", Wire::Text),
                ("price", "numeric(10,2)", numeric(10, 2)),
                ("doc", "json", Wire::Text),
            ],
            &[0],
        );
        let against = shape(
            &[
                ("price", "numeric(12,2)", numeric(12, 2)),
                ("doc", "jsonb", Wire::Jsonb),
                ("id", "bigint", Wire::Int64),
                ("new", "text", Wire::Text),
            ],
            &[2],
        );
        let paired = pair(&source, &against);
        assert_eq!((&paired.compared.source, &paired.compared.against), (&vec![0, 2], &vec![2, 0]));
        assert_eq!((&paired.key.source, &paired.key.against, &paired.note), (&vec![0], &vec![2], &None));
        assert_eq!((&paired.columns.missing, &paired.columns.added), (&vec!["gone".into()], &vec!["new".into()]));
        let retyped: Vec<_> = paired.columns.retyped.iter().map(|c| (c.name.as_str(), c.compared)).collect();
        assert_eq!(retyped, [("id", true), ("price", true), ("doc", false)]);
        let keyless = pair(&source, &shape(&[("id", "integer", Wire::Int32)], &[]));
        assert!(
            keyless.key.source.is_empty() && keyless.note.is_some_and(|note| note.contains("(id) in the source, none"))
        );
    }
}
