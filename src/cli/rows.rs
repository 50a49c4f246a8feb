//! Rows of any shape on stdout, as they come: one JSON document or comma-separated values for programs, a table of the
//! first thousand for people.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use serde_json::{Map, Value};

use super::{Output, output};
use crate::error::{Error, Result};
use crate::report::{SCHEMA_VERSION, Table, thousands, visible};
use crate::staging::json;

/// Rows that a table for people shows at most.
const SHOWN: usize = 1_000;

/// Prints all rows. A look shows what is there: values outside of the JSON rule (NaN, infinity) are given as text.
pub(super) async fn print(rows: SendableRecordBatchStream, form: Output) -> Result<()> {
    match form {
        Output::Json => document(Map::new(), rows).await,
        Output::Csv => lines(rows).await,
        Output::Table if is_explanation(&rows) => explanation(rows).await,
        Output::Table => table(rows).await,
    }
}

/// Comma-separated values under their names: texts as they are, what is nested as JSON, NULL as nothing, and the empty
/// text in quotes, so that the two differ (as psql and DuckDB write them).
async fn lines(mut rows: SendableRecordBatchStream) -> Result<()> {
    let schema = rows.schema();
    output::exact(&line(schema.fields().iter().map(|field| quoted(field.name()))))?;
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        let mut lines = String::new();
        for index in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| (!column.is_null(index)).then(|| cell(column, index)));
            lines.push_str(&line(cells.map(|cell| cell.map_or(String::new(), |cell| quoted(&cell)))));
        }
        if !lines.is_empty() {
            output::exact(&lines)?;
        }
    }
    Ok(())
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

/// A value as CSV has it (RFC 4180), quoted where it must be or is empty.
fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

fn cell(column: &ArrayRef, index: usize) -> String {
    match json::value(column.as_ref(), index) {
        Ok(value) => value.map_or(String::new(), output::plain),
        Err(_) => shown(column, index),
    }
}

/// Whether the rows are those of `explain`: plans of many lines, which no table should squeeze.
fn is_explanation(rows: &SendableRecordBatchStream) -> bool {
    let schema = rows.schema();
    schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
}

async fn explanation(mut rows: SendableRecordBatchStream) -> Result<()> {
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        for index in 0..batch.num_rows() {
            let mut cells = batch.columns().iter().map(|column| cell(column, index));
            let (kind, plan) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            let lines: Vec<String> = plan.lines().map(|line| format!("  {}", visible(line))).collect();
            output::text(&format!("{kind}\n{}\n", lines.join("\n")))?;
        }
    }
    Ok(())
}

/// `{"schema_version", …, "rows": [{…}, …]}`, a line a row; what `head` holds comes before the rows.
pub(super) async fn document(head: Map<String, Value>, mut rows: SendableRecordBatchStream) -> Result<()> {
    let head: String = head.into_iter().map(|(name, value)| format!("{}:{value},", Value::from(name))).collect();
    output::text(&format!("{{\"schema_version\":{SCHEMA_VERSION},{head}\"rows\":["))?;
    let mut comma = "";
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        let mut lines = String::new();
        for index in 0..batch.num_rows() {
            lines.push_str(comma);
            lines.push_str(&Value::Object(object(&batch, index)).to_string());
            comma = ",\n";
        }
        output::text(&lines)?;
    }
    output::text("]}")
}

/// A row as a JSON object, without values that are NULL.
pub(super) fn object(batch: &RecordBatch, index: usize) -> Map<String, Value> {
    let mut object = Map::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let value = json::value(column.as_ref(), index);
        let value = value.unwrap_or_else(|_| Some(Value::from(shown(column, index))));
        if let Some(value) = value {
            object.insert(field.name().clone(), value);
        }
    }
    object
}

fn shown(column: &ArrayRef, index: usize) -> String {
    match ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default()) {
        Ok(formatter) => formatter.value(index).to_string(),
        Err(cause) => format!("({cause})"),
    }
}

async fn table(mut rows: SendableRecordBatchStream) -> Result<()> {
    let schema = rows.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut table = Table::aligned(&names, &[]);
    let mut count = 0;
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        for index in 0..batch.num_rows().min(SHOWN.saturating_sub(count)) {
            let mut row = object(&batch, index);
            table.row(names.iter().map(|name| row.shift_remove(*name).map_or(String::new(), output::plain)));
        }
        count += batch.num_rows();
    }
    output::text(&table.to_string())?;
    let cut = if count > SHOWN { format!(", the first {} shown", thousands(SHOWN as u64)) } else { String::new() };
    let unit = if count == 1 { "row" } else { "rows" };
    output::note(&format!("{} {unit}{cut}", thousands(count as u64)));
    Ok(())
}
