//! Rows that were not loaded: with their reasons, and sent again.

use arrow::array::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use serde_json::{Map, Value};

use super::args::{Output, RejectsList, RejectsReplay, RejectsVerb};
use super::verbs::{Session, ask_for_production};
use super::{output, rows};
use crate::error::{Error, Result};
use crate::load::LoadReport;
use crate::pipeline::Sending;
use crate::report::thousands;

/// Rows that are listed unless all are asked for.
const LISTED: usize = 100;

impl Session {
    pub(super) async fn rejects(&self, verb: RejectsVerb) -> Result<()> {
        match verb {
            RejectsVerb::List(args) => self.list_rejects(args).await,
            RejectsVerb::Replay(args) => self.replay_rejects(args).await,
        }
    }

    async fn list_rejects(&self, args: RejectsList) -> Result<()> {
        let config = self.load_config(self.flags())?;
        let pipeline = self.over(config, args.target.target, &args.target.run).await?;
        let rejects = pipeline.rejects((!args.all).then_some(LISTED)).await?;
        let schema = rejects.counts.schema();
        // A line a reason: few.
        let counts: Vec<RecordBatch> = rejects.counts.try_collect().await.map_err(Error::from_datafusion)?;
        match self.global.output {
            Output::Csv => rows::print(rejects.rows, Output::Csv).await,
            Output::Table => {
                let counts = futures::stream::iter(counts.into_iter().map(Ok));
                rows::print(Box::pin(RecordBatchStreamAdapter::new(schema, counts)), Output::Table).await?;
                output::text("")?;
                rows::print(rejects.rows, Output::Table).await
            }
            Output::Json => {
                let lines =
                    counts.iter().flat_map(|batch| (0..batch.num_rows()).map(|index| rows::object(batch, index)));
                let mut head = Map::new();
                head.insert("run".to_owned(), pipeline.folder().id().into());
                head.insert("counts".to_owned(), lines.map(Value::Object).collect());
                rows::document(head, rejects.rows).await
            }
        }
    }

    async fn replay_rejects(&self, args: RejectsReplay) -> Result<()> {
        let pipeline = self.loading(&args.target).await?;
        ask_for_production(&pipeline, args.yes)?;
        self.send(&pipeline, &Sending { only_rejects: true, ..Sending::default() }).await
    }
}

/// Whether each row came to a good end, and what is to be done with those that did not.
///
/// # Errors
/// [`Error::Mismatch`] when rows failed or are held.
pub(super) fn verdict(report: &LoadReport) -> Result<()> {
    let LoadReport { target, failed, held, .. } = report;
    let mut parts = Vec::new();
    if *failed > 0 {
        parts.push(format!(
            "{} failed: mend what refused them, then `telecine rejects replay --target {target}`",
            rows_of(*failed)
        ));
    }
    if *held > 0 {
        parts.push(format!(
            "{} held, because nobody can tell whether their assets exist: look for each uuid in the target, then load \
             again (a load repeats nothing that may be there)",
            rows_of(*held)
        ));
    }
    if parts.is_empty() {
        return Ok(());
    }
    let message = format!("{}. `telecine rejects list --target {target}` names them", parts.join("; "));
    Err(Error::Mismatch { what: format!("load into {target}"), message })
}

fn rows_of(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{} rows", thousands(count)) }
}
