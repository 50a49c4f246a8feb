//! What the engine asks of the columns a query gives: every query's names, a 4_map query's first columns, a declared key.

use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};

use super::nearest::did_you_mean;
use super::query::{Level, Materialise, Query};

/// The query that names every candidate once, in a column `source_key`. The balance is drawn against it.
pub const CANDIDATES: &str = "candidates";

/// The columns with which every 4_map query begins, in order. Those that follow are the instance's fields.
pub const COLUMNS: [&str; 6] = ["source_key", "disposition", "reason", "details", "warnings", "name"];

/// One line for each way in which the columns of `query` are not what the engine needs.
pub(super) fn problems(query: &Query, schema: &Schema) -> Vec<String> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut found = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for name in names.iter().filter(|name| !seen.insert(**name)) {
        found.push(format!("gives two columns `{name}`; name one of them with `as`"));
    }
    for column in query.key.iter().flatten().filter(|column| !names.contains(&column.as_str())) {
        let near = did_you_mean(column, names.iter().copied());
        found.push(format!("its key names `{column}`, which is no column of it{near}"));
    }
    if query.is_kept() && query.level != Level::Check {
        found.extend(schema.fields().iter().filter(|field| !can_be_kept(field.data_type())).map(|field| {
            let (name, kind) = (field.name(), field.data_type());
            format!("its column `{name}` is {kind}, which no dataset can hold: cast({name} as varchar)")
        }));
    }
    let as_documents = query.materialise.contains(&Materialise::Json);
    if query.name == CANDIDATES || (as_documents && query.level != Level::Map) {
        found.extend(text_problem(schema, "source_key"));
    }
    if query.level == Level::Map {
        found.extend(map_problems(schema, &names));
    }
    found.into_iter().map(|problem| format!("{}: {problem}", query.path.display())).collect()
}

/// Whether checksum and JSON have a form for values of this type. It is one that datasets have (see `shape`).
fn can_be_kept(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => can_be_kept(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| can_be_kept(field.data_type())),
        DataType::Time64(unit) => *unit == TimeUnit::Microsecond,
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Decimal256(..)
        | DataType::Utf8
        | DataType::Binary
        | DataType::FixedSizeBinary(_)
        | DataType::Date32
        | DataType::Timestamp(..) => true,
        _ => false,
    }
}

fn map_problems(schema: &Schema, names: &[&str]) -> Vec<String> {
    let begins = names.get(..COLUMNS.len()).is_some_and(|first| first == COLUMNS);
    if !begins {
        let first = names.get(..COLUMNS.len().min(names.len())).unwrap_or_default();
        return vec![format!(
            "must begin with the columns {}; it begins with {}",
            COLUMNS.join(", "),
            first.join(", ")
        )];
    }
    let texts = COLUMNS.into_iter().filter(|name| *name != "warnings");
    let mut found: Vec<String> = texts.filter_map(|name| text_problem(schema, name)).collect();
    found.extend(warnings_problem(schema));
    found
}

fn text_problem(schema: &Schema, name: &str) -> Option<String> {
    match schema.field_with_name(name) {
        Ok(field) if *field.data_type() == DataType::Utf8 => None,
        Ok(field) => {
            Some(format!("its column `{name}` is {}; it must be text: cast({name} as varchar)", field.data_type()))
        }
        Err(_) => Some(format!("gives no column `{name}`")),
    }
}

fn warnings_problem(schema: &Schema) -> Option<String> {
    let found = schema.field_with_name("warnings").ok()?.data_type();
    if let DataType::List(item) = found
        && let DataType::Struct(fields) = item.data_type()
        && fields.iter().map(|field| field.name().as_str()).eq(["code", "field", "raw"])
        && fields.iter().all(|field| *field.data_type() == DataType::Utf8)
    {
        return None;
    }
    Some(format!("its column `warnings` is {found}; it must be a list of structs of the texts code, field, raw"))
}
