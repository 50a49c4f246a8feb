//! The delivery: its steps in order, over the configured places.

use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::definitions;
use crate::config::Config;
use crate::dataflow::{Progress, SendableRecordBatchStream};
use crate::delivery::{self, Bound, Delivery, DeliveryReport, REPORT_FILE, Step, Wish};
use crate::error::{Error, Result};
use crate::flex::pulled;
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
    let (sql, bound) = (config.transform.clone(), bound(config)?);
    let delivery = Delivery::open(settings, sql, bound, folder.clone(), &options.wish, cancel.clone())?;
    delivery::begin(&folder, SystemTime::now().into()).await?;
    let lease = folder.lease("deliver").await?;
    let report = work(&delivery, options).await;
    lease.release().await;
    report
}

/// The rows of a look at a delivery; see [`delivery::look`].
///
/// # Errors
/// [`Error::Preflight`] when there is no such delivery; as [`delivery::look`].
pub async fn look(config: &Config, id: &str, statement: &str) -> Result<SendableRecordBatchStream> {
    let area = StagingArea::open_existing(&config.staging)?;
    let all = delivery::deliveries(&area).await?;
    let Some(folder) = all.iter().find(|folder| folder.id() == id) else {
        let known: Vec<&str> = all.iter().map(RunFolder::id).collect();
        return Err(Error::preflight(format!(
            "there is no delivery {id} in {}; known: {}",
            area.url(),
            known.join(", ")
        )));
    };
    delivery::look(&config.transform, folder, statement).await
}

async fn work(delivery: &Delivery, options: &DeliverOptions) -> Result<DeliveryReport> {
    if !options.wish.dry_run {
        delivery.end_uploads().await?;
    }
    let mut report = delivery.report().await?;
    let whole = options.steps.is_empty();
    let mut ends = whole;
    let steps = if whole { delivery.steps() } else { options.steps.clone() };
    'steps: for step in steps {
        let progress = Progress::default();
        let _display = Display::start(step.name(), &progress, options.quiet);
        for done in delivery.step(step, &options.wish, &progress).await? {
            // What is not clean is not published.
            let blocks = matches!(step, Step::Conflicts | Step::Transform) && done.problems_in_all > 0;
            delivery.note(&mut report, done).await?;
            if blocks {
                ends = false;
                break 'steps;
            }
        }
    }
    report.finished |= ends && !options.wish.dry_run;
    delivery.keep(&report).await?;
    Ok(report)
}

/// What queries over documents feed: as those over tables of the same names. Rows are held to the definitions in files, where
/// there are any.
fn bound(config: &Config) -> Result<Bound> {
    let folder = &config.definitions;
    let place = format!("the folder {}", folder.display());
    let known = definitions::bound(&config.bindings, |name| pulled::read(folder, name), &place)?;
    let definitions = config.bindings.iter().map(|bound| (bound.query.clone(), bound.definition.clone())).collect();
    Ok(Bound { definitions, known })
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
