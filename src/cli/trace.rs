//! One asset's way, for people: what became of it, a line a field, the rows of the source behind it, its document.

use serde_json::{Map, Value};

use super::output::{Printed, plain};
use crate::pipeline::{LedgerTrace, WholeTrace};
use crate::report::{Table, visible};
use crate::transform::{FieldTrace, SourceTrace, TableTrace, Trace};

/// Characters of a field's value that a line shows; the JSON has all of it.
const OF_VALUE: usize = 40;

/// Characters of a raw value that a line shows.
const OF_RAW: usize = 40;

/// Characters of a row of the source that a line shows.
const OF_ROW: usize = 160;

/// Characters of one value in a row of the source.
const OF_CELL: usize = 30;

impl Printed for Trace {
    fn to_text(&self) -> String {
        let name = if self.name.is_null() { String::new() } else { format!(" `{}`", short(&self.name, OF_VALUE)) };
        let mut text = format!("{}{name} of {} in run {}\n", self.source_key, self.query, self.run);
        for (title, value) in [("disposition", &self.disposition), ("reason", &self.reason), ("details", &self.details)]
        {
            if !value.is_null() {
                text.push_str(&format!("{title}: {}\n", plain(value.clone())));
            }
        }
        let mut text = text.lines().map(visible).collect::<Vec<_>>().join("\n");
        let mut fields = Table::aligned(&["field", "value", "from", "warnings"], &[]);
        let (told, empty): (Vec<&FieldTrace>, Vec<&FieldTrace>) =
            self.fields.iter().partition(|field| !field.value.is_null() || !field.warnings.is_empty());
        told.into_iter().for_each(|field| rows_of(field, &mut fields));
        text.push_str(&format!("\n\n{fields}\n"));
        for other in &self.warnings {
            text.push_str(&format!("warning: {}\n", visible(&warning(other))));
        }
        if !empty.is_empty() {
            let names: Vec<&str> = empty.iter().map(|field| field.field.as_str()).collect();
            text.push_str(&format!("without a value: {}\n", names.join(", ")));
        }
        text.push_str("\nrows of the source\n");
        for table in self.tables.iter().filter(|table| table.kind == "raw") {
            text.push_str(&rows(table));
        }
        text.push_str(&format!("\ndocument: {}\n", self.document_url.as_deref().map_or("none".to_owned(), visible)));
        text
    }
}

impl Printed for WholeTrace {
    fn to_text(&self) -> String {
        let text = self.trace.to_text();
        match &self.ledger {
            Some(ledger) => format!("{text}\n{}", ledger_text(ledger)),
            None => text,
        }
    }
}

/// What the ledger and the target say of the asset.
fn ledger_text(ledger: &LedgerTrace) -> String {
    let Some(asset) = &ledger.asset else { return format!("ledger of {}: nothing is known of it\n", ledger.target) };
    let id = asset.flex_id.map_or("none".to_owned(), |id| id.to_string());
    let mut text = format!(
        "ledger of {}: {} (asset {id}, references {}), created by run {}, changed {}\n",
        ledger.target, asset.state, asset.links, asset.run, asset.changed_at
    );
    if let (Some(reason), Some(message)) = (&asset.reason, &asset.message) {
        let request = asset.request_id.as_ref().map_or(String::new(), |id| format!(" (request {id})"));
        text.push_str(&visible(&format!("reason: {reason}: {message}{request}")));
        text.push('\n');
    }
    for request in &ledger.requests {
        let status = request.status.map_or("no answer".to_owned(), |status| status.to_string());
        text.push_str(&format!("  {:<10} {status:<9} {}\n", request.step, request.blake3));
    }
    if let Some(flex) = &ledger.flex {
        let verdict = match (flex.found, flex.differences.is_empty()) {
            (false, _) => "is not there",
            (true, true) => "holds what was mapped",
            (true, false) => "differs",
        };
        text.push_str(&format!("{} {verdict}\n", flex.url));
        for difference in &flex.differences {
            let side =
                |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), |value| short(value, OF_VALUE));
            let (mapped, found) = (side(&difference.expected), side(&difference.found));
            text.push_str(&visible(&format!("  {}: {found} where {mapped} was mapped", difference.field)));
            text.push('\n');
        }
    }
    text
}

/// A line of a field; more where it came from several cells.
fn rows_of(field: &FieldTrace, table: &mut Table) {
    let warnings: Vec<String> = field.warnings.iter().map(warning).collect();
    let is_raw = field.from.iter().any(|source| !source.is_mapping);
    let from = field.from.iter().filter(|source| source.is_mapping != is_raw);
    let mut from = from.flat_map(cells);
    let value = if field.value.is_null() { String::new() } else { short(&field.value, OF_VALUE) };
    table.row([field.field.clone(), value, from.next().unwrap_or_default(), warnings.join("; ")]);
    from.for_each(|from| table.row([String::new(), String::new(), from, String::new()]));
}

fn cells(source: &SourceTrace) -> impl Iterator<Item = String> {
    source.cells.iter().map(|cell| {
        let key: Vec<String> =
            cell.row.iter().map(|(name, value)| format!("{name} {}", plain(value.clone()))).collect();
        let key = if key.is_empty() { String::new() } else { format!(" of {}", key.join(", ")) };
        format!("{}.{}{key}: {}", source.table, source.column, short(&cell.raw, OF_RAW))
    })
}

fn rows(table: &TableTrace) -> String {
    let more = if table.more { " and more" } else { "" };
    let mut text = format!("  {}{more}\n", visible(&table.table));
    for row in &table.rows {
        let line = row.as_object().map_or_else(|| plain(row.clone()), line);
        text.push_str(&format!("    {}\n", cut(&line, OF_ROW)));
    }
    text
}

fn line(row: &Map<String, Value>) -> String {
    let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name}={}", short(value, OF_CELL))).collect();
    visible(&cells.join(" "))
}

fn warning(warning: &Value) -> String {
    let part = |name: &str| warning.get(name).cloned().unwrap_or_default();
    let raw = part("raw");
    let raw = if raw.is_null() { String::new() } else { format!(" ({})", short(&raw, OF_RAW)) };
    format!("{} {}{raw}", plain(part("code")), plain(part("field")))
}

fn short(value: &Value, longest: usize) -> String {
    cut(&plain(value.clone()), longest)
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}
