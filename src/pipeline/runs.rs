//! Ids of runs: new ones by the clock, old ones by looking.

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};
use crate::report::{FILE_NAME, RunReport};
use crate::staging::{RunFolder, StagingArea};

/// A run that does not exist yet, named by the time in UTC: ids sort in order of time.
///
/// # Errors
/// When the area cannot be listed.
pub async fn new_run(area: &StagingArea) -> Result<RunFolder> {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    let stamp = now.format("%Y%m%dT%H%M%S").to_string();
    let taken = area.runs().await?;
    let mut id = stamp.clone();
    let mut serial = 1;
    while taken.contains(&id) {
        serial += 1;
        id = format!("{stamp}-{serial}");
    }
    Ok(area.run(&id))
}

/// The last run.
///
/// # Errors
/// When there is none.
pub async fn latest_run(area: &StagingArea) -> Result<RunFolder> {
    let last = area.runs().await?.pop();
    last.map(|id| area.run(&id)).ok_or_else(|| {
        Error::preflight(format!("there is no run in {}; `telecine extract` or `telecine run` starts one", area.url()))
    })
}

/// The last run, if it did not come to its end.
///
/// # Errors
/// When the area cannot be read.
pub async fn unfinished_run(area: &StagingArea) -> Result<Option<RunFolder>> {
    let Some(id) = area.runs().await?.pop() else {
        return Ok(None);
    };
    let run = area.run(&id);
    let finished = run.get_json::<RunReport>(FILE_NAME).await?.is_some_and(|report| report.finished);
    Ok((!finished).then_some(run))
}
