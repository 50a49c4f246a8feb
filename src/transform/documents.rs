//! The JSON documents of a query: the instances of its rows to load, or all its rows.

use datafusion::arrow::datatypes::Schema;

use super::contract::COLUMNS;
use super::opened::OpenRun;
use super::query::{Level, Materialise, Query};
use super::report::{DocumentsReport, Making};
use super::rows::{quoted, stream};
use super::{diagnose, reuse};
use crate::error::Result;

/// Writes the documents of a query that feeds a definition or is materialised as JSON, unless they are there and were
/// written from these rows; its dataset is registered. They are named by `definition`, else by the query, and ordered by
/// source key. A query materialised as NDJSON alone gives one line a row, in the order of its dataset.
pub(super) async fn write_unless_written(
    open: &OpenRun<'_>,
    query: &Query,
    definition: Option<&String>,
) -> Result<Option<DocumentsReport>> {
    let as_documents = definition.is_some() || query.materialise.contains(&Materialise::Json);
    if !as_documents && !query.materialise.contains(&Materialise::Ndjson) {
        return Ok(None);
    }
    let definition = definition.unwrap_or(&query.name);
    let documents = open.run.documents(definition);
    let content = open.known(&query.name).map(|known| (query.name.as_str(), known.content.as_str()));
    let inputs = reuse::derived(content);
    let report =
        |rows, making| DocumentsReport { query: query.name.clone(), definition: definition.clone(), making, rows };
    if !open.transform.again
        && let Some(rows) = documents.rows_made_from(&inputs, !as_documents).await?
    {
        return Ok(Some(report(rows, Making::Kept)));
    }
    let failed = |cause| diagnose::run_error(&query.name, cause);
    let table = open.context.table(query.name.as_str()).await.map_err(failed)?;
    let sql = if as_documents {
        statement(query, table.schema().as_arrow())
    } else {
        format!("select * from {}", quoted(&query.name))
    };
    let frame = open.context.sql(&sql).await.map_err(failed)?;
    let rows = stream(&query.name, frame).await?;
    let written = if as_documents { documents.write(rows).await? } else { documents.write_lines(rows).await? };
    documents.commit(&written, inputs).await?;
    Ok(Some(report(written.rows, Making::Made)))
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
