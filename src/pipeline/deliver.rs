//! The delivery: its steps in order, over the configured places.

use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::dataflow::Progress;
use crate::delivery::{self, Delivery, DeliveryReport, REPORT_FILE, Step, Wish};
use crate::error::{Error, Result};
use crate::report::Display;
use crate::staging::{RunFolder, StagingArea};

/// What is asked of a delivery.
#[derive(Debug, Clone, Default)]
pub struct DeliverOptions {
    /// The steps; all of them, in order, where none is named.
    pub steps: Vec<Step>,
    /// The delivery's id; the last unfinished one without it, else a new one.
    pub delivery: Option<String>,
    /// How the steps are done.
    pub wish: Wish,
    /// Show no progress.
    pub quiet: bool,
}

/// Does the steps, one after another. The report is kept after each.
///
/// # Errors
/// What a step could not do; the same command goes on. What was done and found unclean is in the report, which says so.
pub async fn deliver(config: &Config, options: &DeliverOptions, cancel: &CancellationToken) -> Result<DeliveryReport> {
    let settings = config.deliver()?.clone();
    let area = StagingArea::open(&config.staging)?;
    let folder = chosen(&area, options).await?;
    let delivery = Delivery::open(settings, config.transform.clone(), folder.clone(), &options.wish, cancel.clone())?;
    delivery::begin(&folder, SystemTime::now().into()).await?;
    let lease = folder.lease("deliver").await?;
    let report = work(&delivery, options).await;
    lease.release().await;
    report
}

async fn work(delivery: &Delivery, options: &DeliverOptions) -> Result<DeliveryReport> {
    if !options.wish.dry_run {
        delivery.end_uploads().await?;
    }
    let mut report = delivery.report().await?;
    let whole = options.steps.is_empty();
    let steps = if whole { Step::ALL.to_vec() } else { options.steps.clone() };
    for step in steps {
        let progress = Progress::default();
        let _display = Display::start(step.name(), &progress, options.quiet);
        for done in delivery.step(step, &options.wish, &progress).await? {
            delivery.note(&mut report, done).await?;
        }
    }
    report.finished |= whole && !options.wish.dry_run;
    delivery.keep(&report).await?;
    Ok(report)
}

/// The named delivery; else the last one, unless it is finished and begins again: with all steps, or with the first.
async fn chosen(area: &StagingArea, options: &DeliverOptions) -> Result<RunFolder> {
    if let Some(id) = &options.delivery {
        super::runs::require_id("--delivery", id)?;
        return Ok(area.delivery(id));
    }
    let begins = options.steps.is_empty() || options.steps.contains(&Step::Copy);
    if let Some(last) = delivery::deliveries(area).await?.pop() {
        let finished = last.get_json::<DeliveryReport>(REPORT_FILE).await?.is_some_and(|report| report.finished);
        if !(finished && begins) {
            return Ok(last);
        }
    } else if !begins {
        return Err(Error::preflight(format!(
            "there is no delivery in {}; `telecine deliver copy` begins one",
            area.url()
        )));
    }
    let id = super::runs::free_id(&area.deliveries().await?, SystemTime::now().into());
    Ok(area.delivery(&id))
}
