//! A step of the pipeline: timed, shown while it runs, and entered into the run's report.

use super::Pipeline;
use crate::dataflow::Progress;
use crate::error::Result;
use crate::extract::ExtractReport;
use crate::load::{LoadReport, PlanReport};
use crate::reconcile::ReconcileReport;
use crate::report::{Display, FILE_NAME, RunReport, RunningStep, StepReport};
use crate::source::Discovery;
use crate::transform::{Making, TransformReport};
use crate::verify::VerifyReport;

/// What a step found or did, and what it cost.
#[derive(Debug, Clone)]
pub struct Step<T> {
    /// What the step found or did.
    pub outcome: T,
    /// What it cost.
    pub cost: StepReport,
}

impl Pipeline {
    /// Runs one step under a clock and a progress display.
    pub(super) async fn step<T: Outcome>(
        &self,
        name: &'static str,
        work: impl AsyncFnOnce(&Progress) -> Result<T>,
    ) -> Result<Step<T>> {
        let progress = Progress::default();
        let display = Display::start(name, &progress, self.quiet);
        let running = RunningStep::start(name);
        let before = self.run.area().requests();
        let outcome = work(&progress).await?;
        drop(display);
        let (rows_in, rows_out, bytes) = outcome.moved();
        let requests = self.run.area().requests().zip(before).map(|(now, before)| now.since(&before));
        Ok(Step { cost: StepReport { requests, ..running.finish(rows_in, rows_out, bytes) }, outcome })
    }

    /// Enters a step into the report and keeps the report.
    pub(super) async fn note<T: Outcome>(&self, report: &mut RunReport, step: Step<T>) -> Result<()> {
        report.steps.push(step.cost);
        let verdict = step.outcome.enter(report);
        self.run.put_json(FILE_NAME, report).await?;
        verdict
    }
}

/// What a step's outcome adds to the report of the run.
pub(super) trait Outcome {
    /// Rows in, rows out, bytes.
    fn moved(&self) -> (u64, u64, u64);

    /// Enters the outcome; an error stops the run.
    fn enter(&self, report: &mut RunReport) -> Result<()>;
}

impl Outcome for Discovery {
    fn moved(&self) -> (u64, u64, u64) {
        (0, self.tables, 0)
    }

    fn enter(&self, _: &mut RunReport) -> Result<()> {
        Ok(())
    }
}

impl Outcome for ExtractReport {
    fn moved(&self) -> (u64, u64, u64) {
        (self.rows, self.rows, self.bytes)
    }

    fn enter(&self, report: &mut RunReport) -> Result<()> {
        report.remarks.extend(self.remark.clone());
        Ok(())
    }
}

impl Outcome for VerifyReport {
    fn moved(&self) -> (u64, u64, u64) {
        let rows = |side: fn(&crate::verify::VerifiedTable) -> u64| self.tables.iter().map(side).sum();
        (rows(|table| table.source_rows), rows(|table| table.raw_rows), 0)
    }

    fn enter(&self, report: &mut RunReport) -> Result<()> {
        for table in &self.tables {
            let name = format!("raw/{}", table.table);
            report.checksums.insert(name, format!("{}:{}", table.raw_rows, table.raw_checksum));
        }
        self.require_equal()
    }
}

impl Outcome for TransformReport {
    fn moved(&self) -> (u64, u64, u64) {
        let made = || self.queries.iter().filter(|query| query.making == Making::Made);
        let read = made().flat_map(|query| query.inputs.values()).sum();
        (read, made().map(|query| query.rows).sum(), made().map(|query| query.bytes).sum())
    }

    fn enter(&self, report: &mut RunReport) -> Result<()> {
        if let Some(balance) = &self.balance {
            report.candidates = balance.candidates;
            report.rejected = balance.counts.rejected.clone();
            report.out_of_scope = balance.counts.out_of_scope.clone();
            report.merged = balance.counts.merged;
            report.warnings = balance.warnings.clone();
        }
        for query in &self.queries {
            report.checksums.insert(query.name.clone(), query.checksum.clone());
        }
        let new = self.remarks.iter().filter(|remark| !report.remarks.contains(remark)).cloned().collect::<Vec<_>>();
        report.remarks.extend(new);
        self.verdict()
    }
}

impl Outcome for PlanReport {
    fn moved(&self) -> (u64, u64, u64) {
        (self.total(), self.to_send(), 0)
    }

    fn enter(&self, _: &mut RunReport) -> Result<()> {
        Ok(())
    }
}

impl Outcome for LoadReport {
    fn moved(&self) -> (u64, u64, u64) {
        let held = self.created + self.updated + self.unchanged;
        (held + self.failed + self.held, held, self.bytes)
    }

    fn enter(&self, report: &mut RunReport) -> Result<()> {
        report.loaded = self.created + self.updated + self.unchanged;
        let counts = [
            ("created", self.created),
            ("updated", self.updated),
            ("unchanged", self.unchanged),
            ("failed", self.failed),
            ("held", self.held),
            ("adopted", self.adopted),
            ("linked", self.linked),
            ("unresolved", self.unresolved),
            ("requests", self.requests),
            ("retries", self.retries),
        ];
        report.load = counts.into_iter().map(|(what, count)| (what.to_owned(), count)).collect();
        for (reason, rows) in &self.failures {
            report.problems.push(format!("load: {rows} rows failed: {reason}"));
        }
        if self.held > 0 {
            report.problems.push(format!(
                "load: {} rows are held: nobody can tell whether their assets exist; look for the uuids that `telecine rejects \
                 list` names in the target, then load again",
                self.held
            ));
        }
        Ok(())
    }
}

impl Outcome for ReconcileReport {
    fn moved(&self) -> (u64, u64, u64) {
        (self.checked, self.equal, 0)
    }

    fn enter(&self, _: &mut RunReport) -> Result<()> {
        self.require_equal()
    }
}
