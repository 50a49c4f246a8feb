//! `telecine deliver`: JSON documents between buckets.

use super::args::{DeliverArgs, StepName};
use super::output::Printed;
use super::verbs::Session;
use crate::delivery::DeliveryReport;
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
            for problem in &step.problems {
                text.push_str(&format!("{}: {}: {}\n", step.step, visible(&problem.key), visible(&problem.reason)));
            }
            let more = step.problems_in_all.saturating_sub(step.problems.len() as u64);
            if more > 0 {
                text.push_str(&format!(
                    "{}: {} more; see {}\n",
                    step.step,
                    thousands(more),
                    step.record.as_deref().unwrap_or("")
                ));
            }
        }
        format!("{text}delivery {}: {} to {}", self.delivery, self.source, self.area)
    }
}
