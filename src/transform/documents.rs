//! The JSON documents of a query: the instances of its rows to load, or all its rows.

use datafusion::arrow::datatypes::Schema;
use datafusion::prelude::SessionContext;

use super::contract::COLUMNS;
use super::diagnose;
use super::query::{Level, Materialise, Query};
use super::report::DocumentsReport;
use super::run::{quoted, stream};
use crate::error::Result;
use crate::staging::RunFolder;

/// Writes the documents of a query that feeds a definition or is materialised as JSON; its dataset is registered. They
/// are named by `definition`, else by the query, and ordered by source key. A query materialised as NDJSON gives one
/// line a row, in the order of its dataset.
pub(super) async fn write(
    context: &SessionContext,
    run: &RunFolder,
    query: &Query,
    definition: Option<&String>,
) -> Result<Option<DocumentsReport>> {
    let lines = query.materialise.contains(&Materialise::Ndjson);
    let documents = definition.is_some() || query.materialise.contains(&Materialise::Json);
    if !lines && !documents {
        return Ok(None);
    }
    let failed = |cause| diagnose::run_error(&query.name, cause);
    let table = context.table(query.name.as_str()).await.map_err(failed)?;
    let sql = if documents {
        statement(query, table.schema().as_arrow())
    } else {
        format!("select * from {}", quoted(&query.name))
    };
    let frame = context.sql(&sql).await.map_err(failed)?;
    let definition = definition.unwrap_or(&query.name);
    let folder = run.documents(definition);
    let rows = stream(&query.name, frame).await?;
    let written = if documents { folder.write(rows).await? } else { folder.write_lines(rows).await? };
    Ok(Some(DocumentsReport { query: query.name.clone(), definition: definition.clone(), rows: written.rows }))
}

fn statement(query: &Query, schema: &Schema) -> String {
    let name = quoted(&query.name);
    if query.level != Level::Map {
        return format!("select * from {name} order by source_key");
    }
    let fields = schema.fields().iter().map(|field| field.name().as_str()).filter(|name| !COLUMNS.contains(name));
    let columns: Vec<String> = ["source_key", "name"].into_iter().chain(fields).map(quoted).collect();
    format!("select {} from {name} where disposition = 'load' order by source_key", columns.join(", "))
}
