//! What happened, for people and machines: the balance sheet, the steps, progress while it runs.

mod memory;
mod progress;
mod table;

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use self::memory::PeakMemory;
pub use self::progress::Display;
pub use self::table::{Align, Table, visible};
use crate::error::{Error, Result};
use crate::staging::Requests;

/// Version of the report's JSON.
pub const SCHEMA_VERSION: u32 = 1;
/// The file of a run that holds its report.
pub const FILE_NAME: &str = "report.json";

/// The report of a run: what each step did and the balance sheet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this form.
    pub schema_version: u32,
    /// The run's id.
    pub run: String,
    /// How the source was reached, without credentials.
    pub source: String,
    /// The target's name.
    pub target: String,
    /// The steps in the order in which they ran.
    pub steps: Vec<StepReport>,
    /// Rows that might be migrated.
    pub candidates: u64,
    /// Rows that Flex holds after the run.
    pub loaded: u64,
    /// Rows rejected, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Rows out of scope, by reason.
    pub out_of_scope: BTreeMap<String, u64>,
    /// Rows merged into another.
    pub merged: u64,
    /// Warnings on rows, by code.
    pub warnings: BTreeMap<String, u64>,
    /// Whether every candidate is accounted for: candidates = loaded + rejected + out of scope + merged.
    pub balanced: bool,
    /// Whether the balance closes and nothing was found that is not as it should be.
    pub clean: bool,
    /// Whether every step was done.
    pub finished: bool,
    /// Everything that is not clean, a line each.
    pub problems: Vec<String>,
    /// What people are to know and nothing is wrong for: tables of several moments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// What the load did.
    pub load: BTreeMap<String, u64>,
    /// Content checksums (`rows:sum`) of all tables and queries, by dataset.
    pub checksums: BTreeMap<String, String>,
    /// Where the run's files are.
    pub staging: String,
    /// The base URL of the target.
    pub flex: String,
}

/// What one step did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's verb.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    /// Rows it read.
    pub rows_in: u64,
    /// Rows it gave.
    pub rows_out: u64,
    /// Bytes it wrote (or sent).
    pub bytes: u64,
    /// The largest resident memory while it ran, where the system tells.
    pub peak_memory: Option<u64>,
    /// What it sent to the staging area's bucket, where that is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
}

/// A step while it runs.
#[derive(Debug)]
pub struct RunningStep {
    name: &'static str,
    started: Instant,
    memory: PeakMemory,
}

impl RunningStep {
    /// Starts the clock.
    pub fn start(name: &'static str) -> Self {
        Self { name, started: Instant::now(), memory: PeakMemory::start() }
    }

    /// Stops the clock.
    pub fn finish(self, rows_in: u64, rows_out: u64, bytes: u64) -> StepReport {
        StepReport {
            name: self.name.to_owned(),
            seconds: (self.started.elapsed().as_secs_f64() * 1e3).round() / 1e3,
            rows_in,
            rows_out,
            bytes,
            peak_memory: self.memory.bytes(),
            requests: None,
        }
    }
}

impl RunReport {
    /// Closes the report: the balance is `candidates = loaded + rejected + out of scope + merged`, without problems. The
    /// run is finished when its last step was done, whatever it found.
    #[must_use]
    pub fn close(mut self, last_step: &str) -> Self {
        let apart = self.rejected.values().sum::<u64>() + self.out_of_scope.values().sum::<u64>() + self.merged;
        self.balanced = self.candidates == self.loaded + apart;
        if !self.balanced {
            self.problems.push(format!(
                "the balance does not close: {} candidates, {} loaded, {apart} rejected, out of scope or merged",
                self.candidates, self.loaded
            ));
        }
        self.clean = self.problems.is_empty();
        self.finished = self.steps.iter().any(|step| step.name == last_step);
        self
    }

    /// Whether the run is clean.
    ///
    /// # Errors
    /// [`Error::Mismatch`] with all problems.
    pub fn verdict(&self) -> Result<()> {
        if self.clean {
            return Ok(());
        }
        Err(Error::Mismatch { what: format!("run {}", self.run), message: self.problems.join("\n  ") })
    }

    /// The report for people: steps, then the balance sheet.
    pub fn to_text(&self) -> String {
        let mut steps = Table::new(&["step", "rows in", "rows out", "MiB", "seconds", "peak MiB"]);
        for step in &self.steps {
            let peak = step.peak_memory.map(|bytes| format!("{:.0}", mebibytes(bytes))).unwrap_or_default();
            steps.row([
                step.name.clone(),
                thousands(step.rows_in),
                thousands(step.rows_out),
                format!("{:.1}", mebibytes(step.bytes)),
                format!("{:.1}", step.seconds),
                peak,
            ]);
        }
        format!("{steps}\n\n{}\n{}", self.balance_sheet(), self.places())
    }

    fn balance_sheet(&self) -> Table {
        let mut sheet = Table::new(&["balance sheet", "rows"]);
        sheet.row(["candidates".to_owned(), thousands(self.candidates)]);
        sheet.row(["loaded".to_owned(), thousands(self.loaded)]);
        for (reason, rows) in &self.rejected {
            sheet.row([format!("rejected: {reason}"), thousands(*rows)]);
        }
        for (reason, rows) in &self.out_of_scope {
            sheet.row([format!("out of scope: {reason}"), thousands(*rows)]);
        }
        sheet.row(["merged".to_owned(), thousands(self.merged)]);
        for (code, rows) in &self.warnings {
            sheet.row([format!("warning: {code}"), thousands(*rows)]);
        }
        let verdict = match (self.balanced, self.clean) {
            (true, true) => "balanced",
            (true, false) => "balanced, NOT CLEAN",
            (false, _) => "NOT BALANCED",
        };
        sheet.row([verdict.to_owned(), String::new()]);
        sheet
    }

    fn places(&self) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&format!("problem: {problem}\n"));
        }
        for remark in &self.remarks {
            text.push_str(&format!("warning: {remark}\n"));
        }
        let load: Vec<String> = self.load.iter().map(|(what, count)| format!("{what} {}", thousands(*count))).collect();
        text.push_str(&format!("load       {}\n", load.join(", ")));
        for step in &self.steps {
            if let Some(requests) = &step.requests {
                text.push_str(&format!("bucket     {}: {}\n", step.name, requests_text(requests)));
            }
        }
        text.push_str(&format!("parquet    {}/{{raw/*,*}}/part-*.parquet\n", self.staging));
        text.push_str(&format!("documents  {}/documents\n", self.staging));
        text.push_str(&format!("report     {}/{FILE_NAME}\n", self.staging));
        text.push_str(&format!("flex       {}\n", self.flex));
        text
    }
}

/// Requests to a bucket, for people.
pub fn requests_text(requests: &Requests) -> String {
    let counts = [
        (requests.read, "read"),
        (requests.written, "written"),
        (requests.listed, "listed"),
        (requests.deleted, "deleted"),
        (requests.failed, "failed and repeated"),
    ];
    let counts = counts.into_iter().filter(|(count, what)| *count > 0 || *what != "failed and repeated");
    let counts: Vec<String> = counts.map(|(count, what)| format!("{} {what}", thousands(count))).collect();
    let (sent, received) = (mebibytes(requests.bytes_sent), mebibytes(requests.bytes_received));
    format!("{}; {sent:.1} MiB sent, {received:.1} MiB received", counts.join(", "))
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A count with thin groups of three: `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_row_is_a_problem() {
        let mut report = RunReport { candidates: 10, loaded: 7, merged: 1, ..RunReport::default() };
        report.rejected.insert("MISSING_TITLE".into(), 2);
        assert!(report.clone().close("reconcile").clean);
        report.loaded = 6;
        let closed = report.close("reconcile");
        assert!(!closed.balanced);
        assert_eq!(closed.verdict().unwrap_err().exit_code(), 3);
    }

    #[test]
    fn groups_of_three() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
