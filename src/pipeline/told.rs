//! What the report of a run says once a transform has changed what it speaks of.

use std::collections::BTreeMap;

use super::steps::Outcome;
use super::{Pipeline, Step};
use crate::error::{Error, Result};
use crate::report::{FILE_NAME, RunReport, SCHEMA_VERSION};
use crate::transform::{Outlook, REPORT_FILE, TransformReport};

/// The steps before a transform, whose part of a report stays true.
const BEFORE: [&str; 4] = ["library", "discover", "extract", "verify"];
/// Queries that a warning names for each reason.
const MOST_NAMED: usize = 5;

impl Pipeline {
    /// The report of the run.
    ///
    /// # Errors
    /// [`Error::Preflight`] when there is none, or when a transform that has changed datasets since has not come to its
    /// end: the report would speak of another state.
    pub async fn report(&self) -> Result<RunReport> {
        let id = self.run.id();
        let report: Option<RunReport> = self.run.get_json(FILE_NAME).await?;
        let report = report.ok_or_else(|| {
            Error::preflight(format!("the run {id} has no report; `telecine run` or `telecine transform` makes one"))
        })?;
        let tells = report.steps.iter().any(|step| step.name == "transform");
        if tells && self.run.get_json::<TransformReport>(REPORT_FILE).await?.is_none() {
            return Err(Error::preflight(format!(
                "run {id}: a transform has begun after its report was written and has not come to its end, so that the \
                 report is of a state that is gone; run `telecine transform --run {id}`"
            )));
        }
        Ok(report)
    }

    /// Makes the report of the run tell of a transform that ran by itself, where it tells of other rows or there is none:
    /// what a load did with those rows is no longer in it. A run that was finished stays so: `telecine run` begins another.
    ///
    /// # Errors
    /// When the report cannot be read or written.
    pub async fn keep_transform(&self, step: &Step<TransformReport>) -> Result<()> {
        let transformed = &step.outcome;
        let before: Option<RunReport> = self.run.get_json(FILE_NAME).await?;
        let told = |report: &RunReport| {
            let same = |name: &str, sum: &str| report.checksums.get(name).is_some_and(|told| told == sum);
            transformed.queries.iter().all(|query| same(&query.name, &query.checksum))
        };
        if before.as_ref().is_some_and(told) {
            return Ok(());
        }
        let before = before.unwrap_or_default();
        let mut report = RunReport {
            schema_version: SCHEMA_VERSION,
            run: self.run.id().to_owned(),
            staging: self.run.url(),
            steps: before.steps.into_iter().filter(|step| BEFORE.contains(&step.name.as_str())).collect(),
            loaded: 0,
            load: BTreeMap::new(),
            problems: Vec::new(),
            remarks: vec!["the report ends with `telecine transform`; what came after it is not in it".to_owned()],
            balanced: false,
            clean: false,
            ..before
        };
        report.steps.push(step.cost.clone());
        if let Err(Error::Mismatch { what, message }) = transformed.enter(&mut report) {
            report.problems.push(format!("{what}: {message}"));
        }
        self.run.put_json(FILE_NAME, &report).await
    }

    /// Warns of queries whose datasets are not what they would make now, as they are before the next transform.
    pub async fn warn_of_stale_datasets(&self) {
        let id = self.run.id();
        match self.transform_outlook(&[], false).await {
            Ok(outlook) => {
                let mut stale: BTreeMap<String, Vec<&str>> = BTreeMap::new();
                for query in outlook.queries.iter().filter(|query| query.outlook == Outlook::Stale) {
                    stale.entry(query.reasons.join("; ")).or_default().push(&query.name);
                }
                if !stale.is_empty() {
                    let stale: Vec<String> =
                        stale.into_iter().map(|(why, queries)| format!("{} ({why})", few(&queries))).collect();
                    tracing::warn!(
                        "run {id}: the datasets are those of the last transform, and a transform now would make others: {}; \
                         run `telecine transform --run {id}` first",
                        stale.join(", ")
                    );
                }
            }
            Err(error) => {
                let why = error.to_string();
                let (why, more) = why.split_once('\n').unwrap_or((&why, ""));
                let more = if more.is_empty() { "" } else { "; `telecine transform --dry-run` names them" };
                tracing::warn!("run {id}: nobody can tell whether its datasets are those of the queries: {why}{more}");
            }
        }
    }
}

/// The first few names, and how many more there are.
fn few(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
