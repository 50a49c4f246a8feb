//! Results on stdout: tables for people, one JSON document for programs.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::config::Setting;
use crate::error::{Error, Result};
use crate::extract::ExtractReport;
use crate::flex::Pulled;
use crate::load::{LoadReport, PlanCounts, PlanReport};
use crate::reconcile::ReconcileReport;
use crate::rehearsal::library::{LoadSummary, answers::Comparison};
use crate::report::{Align, RunReport, SCHEMA_VERSION, Table, mebibytes, thousands, visible};
use crate::source::{Discovery, Use};
use crate::transform::{Making, Outlook, TransformOutlook, TransformReport};
use crate::verify::VerifyReport;
use crate::verify::against::{AgainstReport, ComparedTable, Pass, RowDifference, RowKind};

/// Differences that are shown to people; the JSON has more.
const SHOWN: usize = 20;

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
    exact(&format!("{}\n", text.trim_end()))
}

/// Prints on stdout to the letter: lines of which some may be empty.
pub(super) fn exact(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
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

/// A value without the quotes of a text.
pub(super) fn plain(value: Value) -> String {
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

impl Printed for Comparison {
    fn to_text(&self) -> String {
        let mut text = format!("{} rows, {} cells, {} differences\n", self.rows, self.cells, self.differences);
        for (field, count) in &self.by_field {
            text.push_str(&format!("  {count:>7}  {field}\n"));
        }
        for (dirt, count) in &self.by_dirt {
            text.push_str(&format!("  {count:>7}  with {dirt}\n"));
        }
        for found in &self.samples {
            text.push_str(&format!(
                "{} {}: expected {}, found {} ({})\n",
                found.source_key,
                found.field,
                found.expected,
                found.found,
                if found.dirt.is_empty() { "clean".to_owned() } else { found.dirt.join(" ") }
            ));
        }
        text
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

/// What `telecine config` prints: every setting, then the secrets that cannot be had here.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) settings: Vec<Setting>,
    pub(super) absent: Vec<String>,
}

impl Printed for Settings {
    fn to_text(&self) -> String {
        let mut table = Table::aligned(&["setting", "value", "origin"], &[]);
        for setting in &self.settings {
            table.row([setting.key.clone(), setting.value.clone(), setting.origin.to_string()]);
        }
        let absent: String = self.absent.iter().map(|problem| format!("absent: {problem}\n")).collect();
        format!("{table}\n{absent}")
    }
}

/// What `telecine flex pull` prints.
#[derive(Debug, Serialize)]
pub(super) struct PulledDefinitions {
    pub(super) target: String,
    pub(super) folder: PathBuf,
    pub(super) definitions: Vec<Pulled>,
}

impl Printed for PulledDefinitions {
    fn to_text(&self) -> String {
        let mut table = Table::aligned(&["definition", "fields", "enabled", "file"], &[]);
        for pulled in &self.definitions {
            let enabled = if pulled.enabled { "yes" } else { "no" };
            let file = pulled.file.display().to_string();
            table.row([pulled.name.clone(), pulled.fields.to_string(), enabled.to_owned(), file]);
        }
        format!("{table}\n{} definitions of {} in {}", self.definitions.len(), self.target, self.folder.display())
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
                shortened(&found.findings.join("; ")),
            ]);
        }
        let Self { size_bytes, tables: count, server_version, connection, .. } = self;
        let warnings: String = self.warnings.iter().map(|warning| format!("warning     {warning}\n")).collect();
        format!(
            "size        {:.1} MiB\ntables      {count}\nserver      {server_version}\nreached     {} ({}, {}) as {} in {}\n{warnings}\n{tables}",
            mebibytes(*size_bytes),
            connection.place,
            connection.transport,
            connection.route,
            connection.user,
            connection.database,
        )
    }
}

/// A finding that fits a terminal; the JSON has all of it.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

impl Printed for ExtractReport {
    fn to_text(&self) -> String {
        let moment: &[&str] = if self.one_moment { &[] } else { &["read at"] };
        let columns = [&["table", "rows", "MiB", "files", "exceptions", "seconds"], moment].concat();
        let mut tables = Table::new(&columns);
        for table in &self.tables {
            let row = [
                table.table.to_string(),
                thousands(table.rows),
                format!("{:.2}", mebibytes(table.bytes)),
                table.files.to_string(),
                table.exceptions.to_string(),
                format!("{:.2}", table.seconds),
            ];
            tables.row(row.into_iter().chain(moment.iter().map(|_| table.at.clone())));
        }
        let mut skipped: BTreeMap<&str, u64> = BTreeMap::new();
        self.skipped.iter().for_each(|table| *skipped.entry(&table.reason).or_default() += 1);
        let skipped: String = skipped
            .into_iter()
            .map(|(reason, count)| {
                format!(
                    "{count} tables skipped: {reason}
"
                )
            })
            .collect();
        let warning = self.remark.as_ref().map(|remark| format!("\nwarning: {remark}")).unwrap_or_default();
        format!(
            "{tables}\n{skipped}run {}: {} tables, {} rows, {:.1} MiB of Parquet in {:.1} s, snapshot {} at {}{warning}",
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
        let moment = if self.same_snapshot { "at the moment of the extraction" } else { "in a new snapshot" };
        let warning = self.remark.as_ref().map(|remark| format!("\nwarning: {remark}")).unwrap_or_default();
        format!("{tables}\n{} tables, {different} differ; the source was read {moment}{warning}", self.tables.len())
    }
}

impl Printed for AgainstReport {
    fn to_text(&self) -> String {
        let mut tables = Table::aligned(&["table", "source rows", "other rows", "checksum", "problem"], &[]);
        for table in &self.tables {
            let rows = |rows: Option<u64>| rows.map_or("none".to_owned(), thousands);
            tables.row([
                table.table.to_string(),
                rows(table.rows.source),
                rows(table.rows.against),
                if table.equal { table.checksums.source.clone().unwrap_or_default() } else { "DIFFERENT".to_owned() },
                table.problems.join("; "),
            ]);
        }
        let mut text = format!("{tables}\n");
        self.differences().for_each(|table| text.push_str(&differing_rows(table)));
        for skipped in &self.skipped {
            text.push_str(&format!("not compared: {} ({}): {}\n", skipped.table, skipped.side, skipped.reason));
        }
        let pass = |what: &str, Pass { rows_read, seconds, .. }: &Pass| {
            let [source, against] = [rows_read.source, rows_read.against].map(thousands);
            format!("{what}: {source} rows of the source and {against} of the other database read in {seconds:.2} s\n")
        };
        text.push_str(&pass("first pass", &self.first_pass));
        text.push_str(&pass("narrowing", &self.narrowing));
        let different = self.differences().count();
        format!("{text}{} tables, {different} differ; {:.2} s", self.tables.len(), self.seconds)
    }
}

/// The rows of a table that differ, a line each.
fn differing_rows(table: &ComparedTable) -> String {
    let mut text = String::new();
    for row in table.differences.iter().take(SHOWN) {
        text.push_str(&format!("{} {}\n", table.table, visible(&differing_row(row))));
    }
    let more = table.differing_rows().saturating_sub(table.differences.iter().take(SHOWN).map(|row| row.times).sum());
    if more > 0 {
        text.push_str(&format!("{}: {} more rows differ (--output json lists more)\n", table.table, thousands(more)));
    }
    table.not_narrowed.iter().for_each(|why| text.push_str(&format!("{}: {why}\n", table.table)));
    text
}

fn differing_row(row: &RowDifference) -> String {
    let shown = |value: &Option<String>| value.as_ref().map_or("NULL".to_owned(), |text| format!("{text:?}"));
    let key: Vec<_> = row.key.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect();
    let times = if row.times > 1 { format!(" ({} times)", thousands(row.times)) } else { String::new() };
    let how = match row.kind {
        RowKind::Missing => "is only in the source".to_owned(),
        RowKind::Extra => "is only in the other database".to_owned(),
        RowKind::Different => {
            let value = |column: &crate::verify::against::ValueDifference| {
                let [source, against] = [&column.values.source, &column.values.against].map(shown);
                format!("{} is {source} in the source, {against} in the other database", column.name)
            };
            row.columns.iter().map(value).collect::<Vec<_>>().join("; ")
        }
    };
    format!("{}{times} {how}", key.join(", "))
}

impl Printed for TransformReport {
    fn to_text(&self) -> String {
        let columns = ["query", "rows", "MiB", "seconds", "why"];
        let mut queries =
            Table::aligned(&columns, &[Align::Left, Align::Right, Align::Right, Align::Right, Align::Left]);
        for query in &self.queries {
            let (seconds, why) = match query.making {
                Making::Made => (format!("{:.2}", query.seconds), query.reasons.join("; ")),
                Making::Kept => ("kept".to_owned(), "unchanged".to_owned()),
            };
            let size = format!("{:.2}", mebibytes(query.bytes));
            queries.row([query.name.clone(), thousands(query.rows), size, seconds, why]);
        }
        let kept = self.queries.iter().filter(|query| query.making == Making::Kept).count();
        let mut text = format!("{queries}\n{} queries ran, {kept} were kept\n\n", self.queries.len() - kept);
        if let Some(balance) = &self.balance {
            let mut sheet = Table::new(&["balance", "rows"]);
            sheet.row(["candidates".to_owned(), thousands(balance.candidates)]);
            sheet.row(["to load".to_owned(), thousands(balance.counts.loaded)]);
            let reasons = [("rejected", &balance.counts.rejected), ("out of scope", &balance.counts.out_of_scope)];
            for (what, (reason, rows)) in
                reasons.into_iter().flat_map(|(what, map)| map.iter().map(move |row| (what, row)))
            {
                sheet.row([format!("{what}: {reason}"), thousands(*rows)]);
            }
            sheet.row(["merged".to_owned(), thousands(balance.counts.merged)]);
            balance.warnings.iter().for_each(|(code, rows)| sheet.row([format!("warning: {code}"), thousands(*rows)]));
            text.push_str(&format!(
                "{sheet}
"
            ));
        }
        for problem in &self.problems {
            text.push_str(&format!("problem: {problem}\n"));
        }
        for remark in &self.remarks {
            text.push_str(&format!("warning: {remark}\n"));
        }
        text
    }
}

impl Printed for TransformOutlook {
    fn to_text(&self) -> String {
        let mut table = Table::aligned(&["query", "would", "why"], &[]);
        for query in &self.queries {
            let (would, why) = match query.outlook {
                Outlook::Unchanged => ("be kept", String::new()),
                Outlook::Stale => ("run", query.reasons.join("; ")),
                Outlook::Waits => ("run if what it reads changes", format!("by {}", query.reasons.join(", "))),
            };
            table.row([query.name.clone(), would.to_owned(), why]);
        }
        format!("{table}\nrun {}", self.run)
    }
}

impl Printed for PlanReport {
    fn to_text(&self) -> String {
        let mut table = Table::new(&["query", "create", "update", "(references only)", "unchanged", "held", "invalid"]);
        let all = ("all".to_owned(), &self.counts);
        for (query, counts) in self.queries.iter().map(|(query, plan)| (query.clone(), &plan.counts)).chain([all]) {
            let PlanCounts { create, update, relink, unchanged, held, invalid, .. } = *counts;
            let numbers = [create, update, relink, unchanged, held, invalid];
            table.row(std::iter::once(query).chain(numbers.map(thousands)));
        }
        let mut text = table.to_string();
        for (query, plan) in self.queries.iter().filter(|(_, plan)| !plan.fields.is_empty()) {
            let mut fields: Vec<(&String, &u64)> = plan.fields.iter().collect();
            fields.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let shown: Vec<String> =
                fields.iter().take(SHOWN).map(|(field, count)| format!("{field} {}", thousands(**count))).collect();
            let more = if fields.len() > SHOWN { ", …" } else { "" };
            text.push_str(&format!("\nchanged in {query}: {}{more}", shown.join(", ")));
        }
        if self.gone > 0 {
            let gone: Vec<&str> = self.gone_keys.iter().take(SHOWN).map(String::as_str).collect();
            let (count, gone) = (thousands(self.gone), gone.join(", "));
            text.push_str(&format!(
                "\n{count} assets are in the target and no longer in the run (see `telecine prune`): {gone}{}",
                if self.gone > SHOWN as u64 { ", …" } else { "" }
            ));
        }
        if self.counts.held > 0 {
            let held = thousands(self.counts.held);
            text.push_str(&format!(
                "\n{held} rows are held: `telecine rejects list --target {}` says why",
                self.target
            ));
        }
        if self.counts.invalid > 0 {
            let invalid = thousands(self.counts.invalid);
            text.push_str(&format!("\n{invalid} rows break their definition and would be refused without a request"));
        }
        text.push_str(&restated(self.counts.restated));
        format!("{text}\ntarget {} ({})", self.target, self.url)
    }
}

/// A line on assets that were created otherwise than their rows now say; nothing where there are none.
fn restated(count: u64) -> String {
    if count == 0 {
        return String::new();
    }
    format!(
        "\n{} assets were created with another asset type, definition or external id than their rows have now; a load cannot \
         change that: set it back, or undo them and load them anew",
        thousands(count)
    )
}

impl Printed for LoadReport {
    fn to_text(&self) -> String {
        let mut table = Table::new(&["load", "assets"]);
        let counts = [
            ("created", self.created),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("failed", self.failed),
            ("held", self.held),
            ("linked in the second pass", self.linked),
            ("references left out", self.unresolved),
        ];
        counts.into_iter().for_each(|(what, count)| table.row([what.to_owned(), thousands(count)]));
        self.failures.iter().for_each(|(reason, count)| table.row([format!("failed: {reason}"), thousands(*count)]));
        format!(
            "{table}{}\n{} requests ({} of them repeats) to {} in {:.1} s, {:.0}/s",
            restated(self.restated),
            thousands(self.requests),
            thousands(self.retries),
            self.target,
            self.seconds,
            self.requests_per_second
        )
    }
}

impl Printed for ReconcileReport {
    fn to_text(&self) -> String {
        let mut text = String::new();
        for field in self.fields.iter().take(SHOWN) {
            let differs = format!("{} where {} was mapped ({})", field.found, field.expected, field.kind);
            text.push_str(&format!("{} (asset {}): {} is {differs}\n", field.source_key, field.id, field.field));
        }
        for asset in self.missing_assets.iter().take(SHOWN) {
            text.push_str(&format!("{} (asset {}) is missing\n", asset.source_key, asset.id));
        }
        for asset in self.duplicate_assets.iter().take(SHOWN) {
            text.push_str(&format!("{} is there a second time as asset {}\n", asset.source_key, asset.id));
        }
        for key in self.not_loaded_rows.iter().take(SHOWN) {
            text.push_str(&format!("{key} was not loaded\n"));
        }
        for asset in self.extra_assets.iter().take(SHOWN) {
            let whose =
                if asset.source_key.is_empty() { "nothing of the run or the ledger" } else { &asset.source_key };
            text.push_str(&format!("asset {} is extra: {whose}\n", asset.id));
        }
        let Self { target, checked, equal, different, missing, duplicates, .. } = self;
        let Self { not_loaded, extra, others, findings, .. } = self;
        let [checked, equal] = [*checked, *equal].map(thousands);
        format!(
            "{text}{checked} assets of {target} compared: {equal} equal, {different} different, {missing} missing, {duplicates} there twice\n\
             {not_loaded} rows not loaded, {extra} assets extra, {others} of others; all findings: {findings}"
        )
    }
}
