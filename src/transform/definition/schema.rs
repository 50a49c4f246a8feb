//! The columns of a query against the fields of a definition.

use std::fmt;

use datafusion::arrow::datatypes::{DataType, Field as Column, Fields, Schema};

use crate::dataflow::definition::{Definition, Family, Field};
use crate::transform::contract::COLUMNS;
use crate::transform::nearest::did_you_mean;
use crate::transform::shape;

/// The only column of a struct that refers to another asset.
const KEY: &str = COLUMNS[0];

/// What a query gives a field that it has no column for.
pub(super) const NOTHING: &str = "nothing";

/// A field that a query does not feed as its definition wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The field; `parts.code` is one of a complex field.
    pub field: String,
    /// What the query gives, in words.
    pub gives: String,
    /// What the definition says, in words.
    pub wants: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field `{}`: the query gives {}; {}", self.field, self.gives, self.wants)
    }
}

/// All ways in which the columns that follow the engine's own are not what `definition` wants, in the order of columns;
/// then its required fields that nothing feeds. The columns may be in any layout of their types.
pub fn mismatches(columns: &Schema, definition: &Definition) -> Vec<Mismatch> {
    let kept = shape::kept_schema(columns);
    let columns: Vec<&Column> =
        kept.fields().iter().map(AsRef::as_ref).filter(|column| !COLUMNS.contains(&column.name().as_str())).collect();
    let mut found = Vec::new();
    compare(&columns, &definition.fields, "", &definition.name, &mut found);
    found
}

fn compare(columns: &[&Column], fields: &[Field], prefix: &str, definition: &str, found: &mut Vec<Mismatch>) {
    for column in columns {
        let path = format!("{prefix}{}", column.name());
        match fields.iter().find(|field| field.name == *column.name()) {
            Some(field) => compare_field(column.data_type(), field, path, definition, found),
            None => {
                let near = did_you_mean(column.name(), fields.iter().map(|field| field.name.as_str()));
                let wants = format!("{definition} has no such field{near}");
                found.push(Mismatch { field: path, gives: words(column.data_type()), wants });
            }
        }
    }
    let is_fed = |field: &&Field| columns.iter().any(|column| *column.name() == field.name);
    for field in fields.iter().filter(|field| field.is_required() && !is_fed(field)) {
        let field_path = format!("{prefix}{}", field.name);
        found.push(Mismatch { field: field_path, gives: NOTHING.into(), wants: wants(field, definition) });
    }
}

fn compare_field(given: &DataType, field: &Field, path: String, definition: &str, found: &mut Vec<Mismatch>) {
    let (item, is_list) = match given {
        DataType::List(item) => (item.data_type(), true),
        other => (other, false),
    };
    let family = field.family();
    if (is_list != field.is_multiple() && family != Family::Other) || !fits(family, item) {
        found.push(Mismatch { field: path, gives: words(given), wants: wants(field, definition) });
    } else if family == Family::Option && !field.open && field.options.as_ref().is_some_and(Vec::is_empty) {
        let wants = format!("{definition} has no option for it; add options there, or name the field under `open`");
        found.push(Mismatch { field: path, gives: words(given), wants });
    } else if let (Family::Complex, DataType::Struct(columns)) = (family, item) {
        let columns: Vec<&Column> = columns.iter().map(AsRef::as_ref).collect();
        compare(&columns, field.fields(), &format!("{path}."), definition, found);
    }
}

/// The table of the parent module.
fn fits(family: Family, item: &DataType) -> bool {
    match family {
        Family::Text | Family::Option => *item == DataType::Utf8,
        Family::Integer | Family::Long => item.is_integer(),
        Family::Number => item.is_numeric(),
        Family::Boolean => *item == DataType::Boolean,
        Family::Date => *item == DataType::Date32,
        Family::Time => matches!(item, DataType::Timestamp(_, Some(_))),
        Family::Reference => matches!(item, DataType::Struct(columns) if is_reference(columns)),
        Family::Complex => matches!(item, DataType::Struct(columns) if !is_reference(columns)),
        Family::Other => true,
    }
}

/// The fields at any depth whose type is none that values can be checked for, one line each.
pub(super) fn unchecked(definition: &Definition) -> Vec<String> {
    fn walk(fields: &[Field], prefix: &str, definition: &str, found: &mut Vec<String>) {
        for field in fields {
            let path = format!("{prefix}{}", field.name);
            if field.family() == Family::Other {
                let kind = &field.kind;
                found.push(format!(
                    "{definition}: field `{path}` has the unknown type `{kind}`; its values are not checked"
                ));
            }
            walk(field.fields(), &format!("{path}."), definition, found);
        }
    }
    let mut found = Vec::new();
    walk(&definition.fields, "", &definition.name, &mut found);
    found
}

fn is_reference(columns: &Fields) -> bool {
    matches!(columns.iter().as_slice(), [only] if only.name() == KEY && *only.data_type() == DataType::Utf8)
}

fn wants(field: &Field, definition: &str) -> String {
    let number = if field.is_multiple() { ", a list" } else { ", one value" };
    let required = if field.is_required() { ", required" } else { "" };
    format!("{definition} wants {}{number}{required}", field.kind)
}

fn words(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "text".into(),
        DataType::Boolean => "a boolean".into(),
        DataType::Date32 => "a date".into(),
        DataType::Null => "NULL without a type".into(),
        DataType::Timestamp(_, Some(_)) => "a timestamp with a zone".into(),
        DataType::Timestamp(_, None) => "a timestamp without a zone".into(),
        DataType::List(item) => format!("a list of {}", words(item.data_type())),
        DataType::Struct(columns) if is_reference(columns) => "a reference to an asset".into(),
        DataType::Struct(columns) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name().as_str()).collect();
            format!("a struct of {}", names.join(", "))
        }
        other if other.is_integer() => format!("a whole number ({other})"),
        other if other.is_numeric() => format!("a number ({other})"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::TimeUnit;
    use serde_json::json;

    use super::*;

    fn list(item: DataType) -> DataType {
        DataType::List(Arc::new(Column::new_list_field(item, true)))
    }

    fn structure(columns: &[(&str, DataType)]) -> DataType {
        DataType::Struct(columns.iter().map(|(name, kind)| Column::new(*name, kind.clone(), true)).collect())
    }

    fn at(zone: Option<&str>) -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
    }

    /// The lines for one column `x` against one field `x` of a type and multiplicity.
    fn lines(kind: &str, multiplicity: &str, given: DataType) -> Vec<String> {
        let children = json!([{"name": "code", "type": "string", "required": true}, {"name": "at", "type": "time"}]);
        let field = json!({"name": "x", "type": kind, "multiplicity": multiplicity, "children": children});
        let fields = vec![serde_json::from_value(field).unwrap()];
        let definition = Definition { id: 1, name: "D".into(), enabled: true, fields };
        let columns = vec![Column::new("name", DataType::Int8, false), Column::new("x", given, true)];
        mismatches(&Schema::new(columns), &definition).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_each_type_takes() {
        let reference = structure(&[("source_key", DataType::Utf8)]);
        let complex = structure(&[("code", DataType::Utf8)]);
        for (kind, multiplicity, given) in [
            ("string", "1", DataType::Utf8),
            ("text", "0..1", DataType::Utf8View),
            ("url", "0..*", list(DataType::LargeUtf8)),
            ("color", "1", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
            ("single-option", "1", DataType::Utf8),
            ("multi-option", "1", list(DataType::Utf8)),
            ("integer", "1", DataType::Int64),
            ("long", "1", DataType::UInt8),
            ("double", "1", DataType::Decimal128(38, 9)),
            ("double", "1", DataType::Float64),
            ("double", "1", DataType::Int32),
            ("boolean", "1", DataType::Boolean),
            ("date", "1", DataType::Date32),
            ("time", "1", at(Some("UTC"))),
            ("complex", "1", complex.clone()),
            ("complex", "1..*", list(complex)),
            ("asset", "1", reference.clone()),
            ("object", "0..*", list(reference)),
            ("drill-down-option", "1", list(DataType::Utf8)),
        ] {
            assert_eq!(lines(kind, multiplicity, given.clone()), Vec::<String>::new(), "{kind} of {given}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_in_words() {
        let reference = structure(&[("source_key", DataType::Utf8)]);
        for (kind, multiplicity, given, wanted) in [
            (
                "string",
                "1",
                DataType::Int32,
                "field `x`: the query gives a whole number (Int32); D wants string, one value",
            ),
            ("string", "1", list(DataType::Utf8), "gives a list of text; D wants string, one value"),
            ("string", "1..*", DataType::Utf8, "gives text; D wants string, a list, required"),
            ("multi-option", "1", DataType::Utf8, "gives text; D wants multi-option, a list"),
            ("integer", "1", DataType::Utf8, "gives text; D wants integer"),
            ("integer", "1", DataType::Decimal128(5, 0), "gives a number (Decimal128(5, 0)); D wants integer"),
            ("double", "1", DataType::Utf8, "gives text; D wants double"),
            ("boolean", "1", DataType::Int8, "gives a whole number (Int8); D wants boolean"),
            ("date", "1", at(Some("UTC")), "gives a timestamp with a zone; D wants date"),
            ("time", "1", at(None), "gives a timestamp without a zone; D wants time"),
            ("time", "1", DataType::Date32, "gives a date; D wants time"),
            ("asset", "1", DataType::Utf8, "gives text; D wants asset"),
            ("complex", "1", reference.clone(), "gives a reference to an asset; D wants complex"),
            ("string", "1", DataType::Null, "gives NULL without a type; D wants string"),
        ] {
            let found = lines(kind, multiplicity, given);
            assert!(found.len() == 1 && found[0].contains(wanted), "{wanted}: {found:?}");
        }
    }

    #[test]
    fn an_emptied_list_and_an_unknown_type_are_told() {
        let definition = |open: bool| {
            let fields = json!([
                {"name": "x", "type": "single-option", "options": []},
                {"name": "parts", "type": "complex", "children": [{"name": "y", "type": "single-optio"}]},
            ]);
            let mut fields: Vec<Field> = serde_json::from_value(fields).unwrap();
            fields[0].open = open;
            Definition { id: 1, name: "D".into(), enabled: true, fields }
        };
        let columns = Schema::new(vec![Column::new("x", DataType::Utf8, true)]);
        let found: Vec<String> = mismatches(&columns, &definition(false)).iter().map(ToString::to_string).collect();
        let line = "field `x`: the query gives text; D has no option for it; add options there, or name the field under `open`";
        assert_eq!(found, [line]);
        assert!(mismatches(&columns, &definition(true)).is_empty());
        let line = "D: field `parts.y` has the unknown type `single-optio`; its values are not checked";
        assert_eq!(unchecked(&definition(false)), [line]);
    }

    #[test]
    fn names_are_compared_at_every_depth() {
        let given = structure(&[("coed", DataType::Utf8), ("at", DataType::Boolean)]);
        assert_eq!(
            lines("complex", "1", given),
            [
                "field `x.coed`: the query gives text; D has no such field; did you mean code?",
                "field `x.at`: the query gives a boolean; D wants time, one value",
                "field `x.code`: the query gives nothing; D wants string, one value, required",
            ]
        );
    }
}
