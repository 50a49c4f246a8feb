//! Rows of any shape on stdout, as they come: one JSON document or comma-separated values for programs, a table of the
//! first thousand for people.

use arrow::array::RecordBatch;
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
        Output::Json => document(rows).await,
        Output::Csv => lines(rows).await,
        Output::Table if is_explanation(&rows) => explanation(rows).await,
        Output::Table => table(rows).await,
    }
}

/// Comma-separated values under their names: texts as they are, what is nested as JSON, NULL as nothing.
async fn lines(mut rows: SendableRecordBatchStream) -> Result<()> {
    let failed = |cause: csv::Error| Error::staging("stdout", "no CSV", cause);
    let schema = rows.schema();
    let mut head = Some(schema.fields().iter().map(|field| field.name().as_str()));
    loop {
        let mut writer = csv::Writer::from_writer(Vec::new());
        if let Some(names) = head.take() {
            writer.write_record(names).map_err(failed)?;
        }
        let batch = rows.try_next().await.map_err(Error::from_datafusion)?;
        for index in 0..batch.as_ref().map_or(0, RecordBatch::num_rows) {
            let cells = batch.iter().flat_map(RecordBatch::columns).map(|column| cell(column, index));
            writer.write_record(cells).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|cause| Error::staging("stdout", "no CSV", cause.to_string()))?;
        if !bytes.is_empty() {
            output::text(&String::from_utf8_lossy(&bytes))?;
        }
        if batch.is_none() {
            return Ok(());
        }
    }
}

fn cell(column: &arrow::array::ArrayRef, index: usize) -> String {
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

/// `{"schema_version", "rows": [{…}, …]}`, a line a row.
async fn document(mut rows: SendableRecordBatchStream) -> Result<()> {
    output::text(&format!("{{\"schema_version\":{SCHEMA_VERSION},\"rows\":["))?;
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

fn object(batch: &RecordBatch, index: usize) -> Map<String, Value> {
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

fn shown(column: &arrow::array::ArrayRef, index: usize) -> String {
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
    output::note(&format!("{} rows{cut}", thousands(count as u64)));
    Ok(())
}
