//! `telecine deliver`: JSON documents between buckets.

use super::args::{DeliverArgs, StepName};
use super::output::Printed;
use super::verbs::Session;
use crate::delivery::{DeliveryReport, Problem, StepReport};
use crate::error::{Error, Result};
use crate::pipeline::{DeliverOptions, deliver};
use crate::report::{Align, Table, requests_text, thousands, visible};

impl Session {
    pub(super) async fn deliver(&self, args: DeliverArgs) -> Result<()> {
        let config = self.load_config(self.flags())?;
        if (args.restore || args.delete) && args.steps != [StepName::Purge] {
            return Err(Error::config("--restore and --delete belong to one step: telecine deliver purge"));
        }
        let options = DeliverOptions {
            steps: args.steps(),
            delivery: args.delivery.clone(),
            wish: args.wish(),
            quiet: self.global.quiet,
        };
        let report = deliver(&config, &options, &self.surroundings.cancel).await?;
        self.print(&report)?;
        self.verdict(report.verdict())
    }
}

impl Printed for DeliveryReport {
    fn to_text(&self) -> String {
        let mut table = Table::aligned(
            &["step", "objects", "came to", "seconds"],
            &[Align::Left, Align::Right, Align::Left, Align::Right],
        );
        for step in &self.steps {
            let counts: Vec<String> =
                step.counts.iter().map(|(what, count)| format!("{what} {}", thousands(*count))).collect();
            let seconds = match (step.dry_run, step.kept) {
                (true, _) => "planned".to_owned(),
                (_, true) => "kept".to_owned(),
                _ => format!("{:.2}", step.seconds),
            };
            table.row([step.step.clone(), thousands(step.objects), counts.join(", "), seconds]);
        }
        let mut text = format!("{table}\n");
        for (step, requests) in self.steps.iter().filter_map(|step| Some((&step.step, step.requests.as_ref()?))) {
            text.push_str(&format!("bucket     {step}: {}\n", requests_text(requests)));
        }
        for step in &self.steps {
            if step.conflicts.is_empty() {
                text.push_str(&problems(step));
            } else {
                text.push_str(&conflicts(step));
            }
        }
        format!("{text}delivery {}: {} to {}", self.delivery, self.source, self.area)
    }
}

/// The first objects that need a look, one a line.
fn problems(step: &StepReport) -> String {
    let line = |problem: &Problem| format!("{}: {}: {}\n", step.step, visible(&problem.key), visible(&problem.reason));
    let mut text: String = step.problems.iter().map(line).collect();
    let more = step.problems_in_all.saturating_sub(step.problems.len() as u64);
    if more > 0 {
        let record = step.record.as_deref().unwrap_or("");
        text.push_str(&format!("{}: {} more; see {record}\n", step.step, thousands(more)));
    }
    text
}

/// The first conflicts, those that block before others, and where all of them and their proposals are.
fn conflicts(step: &StepReport) -> String {
    let mut table = Table::aligned(
        &["conflict", "in", "against", "wanted → found", "values", "first"],
        &[Align::Left, Align::Left, Align::Left, Align::Left, Align::Right, Align::Left],
    );
    for conflict in &step.conflicts {
        table.row([
            format!("{} {}", conflict.severity.word(), conflict.kind.word()),
            visible(&format!("{} {}", conflict.group, conflict.path)),
            visible(&conflict.against),
            visible(&conflict.what()),
            thousands(conflict.count),
            visible(&conflict.place().unwrap_or_default()),
        ]);
    }
    let word = |name: &String| ["blocking ", "accepted ", "warning "].iter().any(|severity| name.starts_with(severity));
    let all: u64 = step.counts.iter().filter(|(name, _)| word(name)).map(|(_, count)| count).sum();
    let more = all.saturating_sub(step.conflicts.len() as u64);
    let more = if more > 0 { format!("{} more; ", thousands(more)) } else { String::new() };
    let record = step.record.as_deref().unwrap_or("");
    format!("\n{table}\n{more}all of them: {record}; SQL that would settle them: proposals.sql beside it\n\n")
}
