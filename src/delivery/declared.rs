//! What queries expect of documents: `deliver/documents.sql`, a `create table` a group. Names in double quotes keep their case.
//!
//! ```sql
//! create table promo (id varchar, "durationMs" bigint, file struct<container varchar, bytes bigint>, keywords varchar[]);
//! ```
//! Types are those that JSON has: `boolean`, `bigint` (64 bits), `double` (numbers that a float of 64 bits holds exactly),
//! `decimal` (any number, as the text that stands in the document), `varchar`, `struct<…>` and `…[]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::DFParser;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};

use crate::error::{Error, Result};
use crate::source::json;

/// The file, below the project.
pub(super) const FILE: &str = "deliver/documents.sql";

/// Reads the declarations of a project, by group, and their text; none where there is no such file.
///
/// # Errors
/// [`Error::Config`] with the file and what is wrong in it.
pub(super) async fn read(project: &Path) -> Result<(BTreeMap<String, Fields>, String)> {
    let path = project.join(FILE);
    let wrong = |what: String| Error::config(format!("{}: {what}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        read => read.map_err(|cause| wrong(cause.to_string()))?,
    };
    let state = SessionContext::new().state();
    let mut groups = BTreeMap::new();
    for statement in DFParser::parse_sql(&text).map_err(|cause| wrong(cause.to_string()))? {
        let plan = state.statement_to_plan(statement).await.map_err(|cause| wrong(cause.to_string()))?;
        let LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(table)) = plan else {
            return Err(wrong("only `create table GROUP (COLUMN TYPE, …)` is wanted here".to_owned()));
        };
        let name = table.name.table().to_owned();
        let fields: Result<Fields> = table.input.schema().fields().iter().map(|field| of_json(field, &wrong)).collect();
        if groups.insert(name.clone(), fields?).is_some() {
            return Err(wrong(format!("declares {name} twice")));
        }
    }
    Ok((groups, text))
}

/// The field with the type that the reader of documents gives.
fn of_json(field: &FieldRef, wrong: &impl Fn(String) -> Error) -> Result<FieldRef> {
    let name = field.name();
    let of = |data_type| Field::new(name, data_type, true);
    Ok(Arc::new(match field.data_type() {
        DataType::Boolean => of(DataType::Boolean),
        DataType::Int64 => of(DataType::Int64),
        DataType::Float64 => of(DataType::Float64),
        DataType::Decimal128(..) | DataType::Decimal256(..) => json::number_field(name),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => of(DataType::Utf8),
        DataType::List(item) => of(DataType::List(of_json(item, wrong)?)),
        DataType::Struct(fields) => {
            let fields: Result<Fields> = fields.iter().map(|field| of_json(field, wrong)).collect();
            of(DataType::Struct(fields?))
        }
        other => {
            return Err(wrong(format!(
                "column {name} is {other}, which no JSON is; use boolean, bigint, double, decimal, varchar, struct<…> or …[]"
            )));
        }
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn groups_are_declared_in_sql() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).await.unwrap().0, BTreeMap::new());
        std::fs::create_dir(folder.path().join("deliver")).unwrap();
        let declare = |text: &str| std::fs::write(folder.path().join(FILE), text).unwrap();
        declare(
            "-- what promos hold\ncreate table promo (id varchar, \"durationMs\" bigint, amount decimal(38, 2), \
             file struct<\"containerName\" varchar, bytes bigint>, \"airDates\" struct<at text>[], locked boolean);\n\
             create table image (width double);",
        );
        let (groups, _) = read(folder.path()).await.unwrap();
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["image", "promo"]);
        let promo = &groups["promo"];
        let types: Vec<String> = promo.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        assert_eq!(types[1], "durationMs Int64");
        assert_eq!(promo[2].metadata()["json"], "number");
        let DataType::Struct(file) = promo[3].data_type() else { panic!("{types:?}") };
        assert_eq!((file[0].name().as_str(), file[0].data_type()), ("containerName", &DataType::Utf8));
        let DataType::List(item) = promo[4].data_type() else { panic!("{types:?}") };
        assert!(matches!(item.data_type(), DataType::Struct(fields) if fields.len() == 1));
        for (wrong, said) in [
            ("create table a (b timestamp)", "column b is Timestamp"),
            ("select 1", "only `create table"),
            ("create table a (b text); create table a (b text)", "declares a twice"),
            ("create tabel", "documents.sql: "),
        ] {
            declare(wrong);
            let error = read(folder.path()).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
