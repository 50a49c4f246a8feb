//! What the staging area holds and what was sent to it.

use serde::Serialize;

use super::args::{OrphansArgs, Output};
use super::output::{self, Printed, plain};
use super::verbs::Session;
use crate::delivery;
use crate::error::Result;
use crate::pipeline::Step;
use crate::report::{Table, requests_text, thousands, visible};
use crate::staging::{OrphanKind, Orphans, Requests, StagingArea};

/// What a step did, and what it sent to a bucket for it.
#[derive(Serialize)]
struct WithRequests<'a, T> {
    #[serde(flatten)]
    outcome: &'a T,
    bucket: &'a Requests,
}

impl Session {
    /// What a step did, with the requests it sent to the staging area's bucket, where that is in one.
    pub(super) fn print_step<T: Printed>(&self, step: &Step<T>) -> Result<()> {
        let Some(requests) = &step.cost.requests else { return self.print(&step.outcome) };
        match self.global.output {
            Output::Json | Output::Csv => output::json(&WithRequests { outcome: &step.outcome, bucket: requests }),
            Output::Table => {
                output::text(&format!("{}\nbucket: {}", step.outcome.to_text().trim_end(), requests_text(requests)))
            }
        }
    }

    pub(super) async fn orphans(&self, args: OrphansArgs) -> Result<()> {
        let config = self.load_config(self.flags())?;
        let area = StagingArea::open_existing(&config.staging)?;
        let mut found = area.orphans(args.sweep).await?;
        delivery::orphans(&area, &config.staging.s3, args.sweep, &mut found).await?;
        self.print(&found)
    }
}

impl Printed for Orphans {
    fn to_text(&self) -> String {
        let mut table = Table::new(&["kind", "of", "since", "bytes", "where"]);
        for orphan in &self.orphans {
            let kind = serde_json::to_value(orphan.kind).map(plain).unwrap_or_default();
            let run = orphan.run.as_ref().or(orphan.delivery.as_ref()).map(|id| visible(id)).unwrap_or_default();
            let bytes = orphan.bytes.map(thousands).unwrap_or_default();
            table.row([kind, run, visible(&orphan.since), bytes, visible(&orphan.url)]);
        }
        let mut text = format!("{table}\n\n{} found", self.orphans.len());
        let ours = self.orphans.iter().filter(|orphan| orphan.kind != OrphanKind::Foreign).count();
        match (ours, self.swept) {
            (0, _) => {}
            (ours, true) => text.push_str(&format!(", {ours} removed")),
            (_, false) => text.push_str("; --sweep removes all but the foreign ones"),
        }
        for (run, holder) in &self.busy {
            text.push_str(&format!("\nrun {run} is being written by {} and was not looked at", visible(holder)));
        }
        for (delivery, holder) in &self.busy_deliveries {
            text.push_str(&format!("\ndelivery {delivery} is being made by {} and was not looked at", visible(holder)));
        }
        if !self.uploads_told {
            text.push_str("\nthe store does not tell its open uploads; a lifecycle rule of the bucket removes them");
        }
        text
    }
}
