//! One asset's way, for people.

use serde_json::Value;

use super::output::{Printed, plain};
use crate::report::{Table, visible};
use crate::transform::{SourceTrace, TableTrace, Trace};

/// Characters of a value that a line of a table shows; the JSON has all of it.
const LONGEST: usize = 60;

impl Printed for Trace {
    fn to_text(&self) -> String {
        let mut text =
            format!("{} of {} in run {}: {}", self.source_key, self.query, self.run, short(&self.disposition));
        for more in [&self.reason, &self.details] {
            if !more.is_null() {
                text.push_str(&format!(", {}", short(more)));
            }
        }
        let mut fields = Table::aligned(&["field", "value", "from", "warnings"], &[]);
        for field in &self.fields {
            let warnings: Vec<String> = field.warnings.iter().map(warning).collect();
            let mut from = field.from.iter().filter(|source| !source.values.is_empty()).map(source);
            let cell = |from: Option<String>| from.unwrap_or_default();
            let value = if field.value.is_null() { String::new() } else { short(&field.value) };
            fields.row([field.field.clone(), value, cell(from.next()), warnings.join("; ")]);
            from.for_each(|from| fields.row([String::new(), String::new(), from, String::new()]));
        }
        text.push_str(&format!("\n\n{fields}\n"));
        for other in &self.warnings {
            text.push_str(&format!("warning: {}\n", visible(&warning(other))));
        }
        for table in self.tables.iter().filter(|table| table.kind == "raw") {
            text.push_str(&rows(table));
        }
        let others = self.tables.iter().filter(|table| table.kind != "raw");
        let others: Vec<String> = others.map(|table| format!("{} ({})", table.table, count(table))).collect();
        text.push_str(&format!("\non its way through: {}\n", others.join(", ")));
        let document = self.document.as_ref().and_then(|document| serde_json::to_string_pretty(document).ok());
        let document = document.unwrap_or_else(|| "none".to_owned());
        let lines: Vec<String> = document.lines().map(visible).collect();
        text.push_str(&format!("\ndocument: {}\n", lines.join("\n")));
        text
    }
}

fn rows(table: &TableTrace) -> String {
    let mut text = format!("\n{} ({})\n", visible(&table.table), count(table));
    for row in &table.rows {
        text.push_str(&format!("  {}\n", visible(&row.to_string())));
    }
    text
}

fn count(table: &TableTrace) -> String {
    let more = if table.more { " or more" } else { "" };
    match table.rows.len() {
        1 => "1 row".to_owned(),
        n => format!("{n} rows{more}"),
    }
}

fn source(source: &SourceTrace) -> String {
    let values: Vec<String> = source.values.iter().take(3).map(short).collect();
    let more = if source.values.len() > values.len() { " …" } else { "" };
    format!("{}.{} = {}{more}", source.table, source.column, values.join(" | "))
}

fn warning(warning: &Value) -> String {
    let part = |name: &str| warning.get(name).cloned().map(plain).unwrap_or_default();
    format!("{} {} ({})", part("code"), part("field"), part("raw"))
}

fn short(value: &Value) -> String {
    let text = plain(value.clone());
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
