//! Results on stdout: tables for people, one JSON document for programs.

use std::io::Write;

use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::Output;
use crate::config::Setting;
use crate::error::{Error, Result};
use crate::extract::ExtractReport;
use crate::load::{LoadReport, PlanReport};
use crate::reconcile::ReconcileReport;
use crate::rehearsal::library::LoadSummary;
use crate::report::{RunReport, SCHEMA_VERSION, Table, mebibytes, thousands};
use crate::source::{Discovery, Use};
use crate::staging::json;
use crate::transform::TransformReport;
use crate::verify::VerifyReport;

/// Rows that a table for people shows at most.
const SHOWN: usize = 1_000;

/// A result that people can read, too.
pub(super) trait Printed: Serialize {
    fn to_text(&self) -> String;
}

/// Prints one JSON document, with `schema_version` where it is an object.
pub(super) fn json<T: Serialize>(value: &T) -> Result<()> {
    let mut document = serde_json::to_value(value).map_err(|cause| Error::staging("stdout", "no JSON", cause))?;
    if let Value::Object(object) = &mut document {
        object.shift_insert(0, "schema_version".into(), SCHEMA_VERSION.into());
    }
    let document =
        serde_json::to_string_pretty(&document).map_err(|cause| Error::staging("stdout", "no JSON", cause))?;
    text(&document)
}

/// Prints text. A reader that has closed stdout has seen what it wanted.
pub(super) fn text(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::staging("stdout", "cannot be written", cause))
        }
        _ => Ok(()),
    }
}

/// Prints a remark on stderr.
pub(super) fn note(text: &str) {
    // A closed stderr must not change what was done.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints rows as they come: NDJSON for programs, a table of the first thousand for people.
pub(super) async fn rows(mut rows: SendableRecordBatchStream, output: Output) -> Result<()> {
    let schema = rows.schema();
    let mut shown = Vec::new();
    let mut count = 0;
    while let Some(batch) = rows.try_next().await.map_err(Error::from_datafusion)? {
        if output == Output::Json {
            for index in 0..batch.num_rows() {
                let row = json::row(&batch, index)?;
                text(&Value::Object(row).to_string())?;
            }
        } else if count < SHOWN {
            shown.push(batch.slice(0, batch.num_rows().min(SHOWN - count)));
        }
        count += batch.num_rows();
    }
    if output == Output::Table {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut table = Table::aligned(&names, &[]);
        for batch in &shown {
            for index in 0..batch.num_rows() {
                let mut row = json::row(batch, index)?;
                table.row(names.iter().map(|name| row.shift_remove(*name).map_or(String::new(), plain)));
            }
        }
        text(&table.to_string())?;
        note(&format!("{} rows", thousands(count as u64)));
    }
    Ok(())
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

impl Printed for RunReport {
    fn to_text(&self) -> String {
        self.to_text()
    }
}

impl Printed for LoadSummary {
    fn to_text(&self) -> String {
        format!(
            "{} tables, {} rows, {:.1} MiB in {:.1} s",
            self.tables,
            thousands(self.rows),
            mebibytes(self.bytes),
            self.seconds
        )
    }
}

impl Printed for Vec<Setting> {
    fn to_text(&self) -> String {
        let mut table = Table::aligned(&["setting", "value", "origin"], &[]);
        for setting in self {
            table.row([setting.key.clone(), setting.value.clone(), setting.origin.to_string()]);
        }
        table.to_string()
    }
}

impl Printed for Discovery {
    fn to_text(&self) -> String {
        let mut tables = Table::aligned(&["table", "rows", "MiB", "key", "use", "findings"], &[]);
        for found in &self.listing {
            let usage = match &found.usage {
                Use::Read => "read".to_owned(),
                Use::Skipped(reason) => format!("skipped: {reason}"),
            };
            tables.row([
                found.table.to_string(),
                thousands(found.rows),
                format!("{:.1}", mebibytes(found.bytes)),
                found.key.join(", "),
                usage,
                found.findings.join("; "),
            ]);
        }
        let Self { size_bytes, tables: count, server_version, connection, .. } = self;
        format!(
            "size        {:.1} MiB\ntables      {count}\nserver      {server_version}\nreached     {} ({}, {}) as {} in {}\n\n{tables}",
            mebibytes(*size_bytes),
            connection.place,
            connection.transport,
            connection.route,
            connection.user,
            connection.database,
        )
    }
}

impl Printed for ExtractReport {
    fn to_text(&self) -> String {
        let mut tables = Table::new(&["table", "rows", "MiB", "files", "exceptions", "seconds"]);
        for table in &self.tables {
            tables.row([
                table.table.to_string(),
                thousands(table.rows),
                format!("{:.2}", mebibytes(table.bytes)),
                table.files.to_string(),
                table.exceptions.to_string(),
                format!("{:.2}", table.seconds),
            ]);
        }
        let skipped: String =
            self.skipped.iter().map(|table| format!("skipped {}: {}\n", table.table, table.reason)).collect();
        format!(
            "{tables}\n{skipped}run {}: {} tables, {} rows, {:.1} MiB of Parquet in {:.1} s, snapshot {} at {}",
            self.run,
            self.tables.len(),
            thousands(self.rows),
            mebibytes(self.bytes),
            self.seconds,
            self.snapshot,
            self.lsn.as_deref().unwrap_or("an unknown position"),
        )
    }
}

impl Printed for VerifyReport {
    fn to_text(&self) -> String {
        let mut tables = Table::aligned(&["table", "source rows", "raw rows", "checksum", "problem"], &[]);
        for table in &self.tables {
            tables.row([
                table.table.to_string(),
                thousands(table.source_rows),
                thousands(table.raw_rows),
                if table.equal { table.raw_checksum.clone() } else { "DIFFERENT".to_owned() },
                table.problem.clone().unwrap_or_default(),
            ]);
        }
        let different = self.differences().count();
        let moment = if self.same_snapshot { "in the snapshot of the extraction" } else { "in a new snapshot" };
        format!("{tables}\n{} tables, {different} differ; the source was read {moment}", self.tables.len())
    }
}

impl Printed for TransformReport {
    fn to_text(&self) -> String {
        let mut queries = Table::new(&["query", "rows", "MiB", "seconds"]);
        for query in &self.queries {
            let seconds = format!("{:.2}", query.seconds);
            queries.row([query.name.clone(), thousands(query.rows), format!("{:.2}", mebibytes(query.bytes)), seconds]);
        }
        let mut text = format!("{queries}\n");
        if let Some(balance) = &self.balance {
            let counts = json!({"candidates": balance.candidates, "loaded": balance.counts.loaded,
                "rejected": balance.counts.rejected, "out_of_scope": balance.counts.out_of_scope,
                "merged": balance.counts.merged, "warnings": balance.warnings});
            text.push_str(&format!("balance {counts}\n"));
        }
        for problem in &self.problems {
            text.push_str(&format!("problem: {problem}\n"));
        }
        text
    }
}

/// The counts of a report, a line each.
fn counts<T: Serialize>(report: &T) -> String {
    let Ok(Value::Object(object)) = serde_json::to_value(report) else {
        return String::new();
    };
    let mut table = Table::new(&["", ""]);
    for (name, value) in object {
        table.row([name, plain(value)]);
    }
    table.to_string()
}

impl Printed for PlanReport {
    fn to_text(&self) -> String {
        counts(self)
    }
}

impl Printed for LoadReport {
    fn to_text(&self) -> String {
        counts(self)
    }
}

impl Printed for ReconcileReport {
    fn to_text(&self) -> String {
        counts(self)
    }
}
