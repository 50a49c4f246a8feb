//! Ids of runs: new ones by the clock, old ones by the time at which they were begun.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::report::{FILE_NAME, RunReport};
use crate::staging::{RunFolder, StagingArea};

/// The file of a run that says when it was begun.
const BEGUN_FILE: &str = "run.json";

#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    run: String,
    /// RFC 3339, to the microsecond, in UTC: sorts in order of time.
    begun: String,
    /// The time set for the queries when the run was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<String>,
}

/// The run `id`, begun now unless it was begun before; without an id a new one, named by the time in UTC. A run that is
/// begun remembers `fixed_now`, the time set for its queries.
///
/// # Errors
/// When the id cannot name a folder, or the area cannot be read or written.
pub async fn begin_run(area: &StagingArea, id: Option<&str>, fixed_now: Option<&str>) -> Result<RunFolder> {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    let run = match id {
        Some(id) => named_run(area, id)?,
        None => area.run(&free_id(&area.runs().await?, now)),
    };
    if run.get_json::<Begun>(BEGUN_FILE).await?.is_none() {
        let begun = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let now = fixed_now.map(str::to_owned);
        run.put_json(BEGUN_FILE, &Begun { run: run.id().to_owned(), begun, now }).await?;
    }
    Ok(run)
}

/// The time that was set for the queries when the run was begun, RFC 3339; none where it was the snapshot's.
///
/// # Errors
/// When the run's file cannot be read.
pub(super) async fn fixed_now(run: &RunFolder) -> Result<Option<String>> {
    Ok(run.get_json::<Begun>(BEGUN_FILE).await?.and_then(|begun| begun.now))
}

/// The run `id`, which must exist.
///
/// # Errors
/// When the id cannot name a folder or there is no such run; the last ones are named.
pub async fn existing_run(area: &StagingArea, id: &str) -> Result<RunFolder> {
    let run = named_run(area, id)?;
    let known = area.runs().await?;
    if known.iter().any(|known| known == id) {
        return Ok(run);
    }
    let last: Vec<&str> = known.iter().rev().take(5).map(String::as_str).collect();
    Err(Error::preflight(format!("there is no run {id} in {}; the last are: {}", area.url(), last.join(", "))))
}

/// The run `id`, whether or not it exists.
///
/// # Errors
/// When the id cannot name a folder: letters, digits, `_` and `-` can, 100 of them at most.
pub fn named_run(area: &StagingArea, id: &str) -> Result<RunFolder> {
    require_id("--run", id)?;
    Ok(area.run(id))
}

/// Refuses an id that cannot name a folder.
pub(super) fn require_id(flag: &str, id: &str) -> Result<()> {
    let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.is_empty() || id.len() > 100 || !id.chars().all(usable) {
        return Err(Error::config(format!("{flag} {id:?}: an id is made of letters, digits, `_` and `-`")));
    }
    Ok(())
}

/// An id that is not taken, by the time in UTC.
pub(super) fn free_id(taken: &[String], now: DateTime<Utc>) -> String {
    let stamp = now.format("%Y%m%dT%H%M%S").to_string();
    let mut serials = (2..).map(|serial| format!("{stamp}-{serial}"));
    let free = std::iter::once(stamp.clone()).chain(serials.by_ref()).find(|id| !taken.contains(id));
    free.unwrap_or(stamp)
}

/// The run that was begun last.
///
/// # Errors
/// When there is none.
pub async fn latest_run(area: &StagingArea) -> Result<RunFolder> {
    let mut runs = Vec::new();
    for id in area.runs().await? {
        if let Some(begun) = area.run(&id).get_json::<Begun>(BEGUN_FILE).await? {
            runs.push((begun.begun, id));
        }
    }
    let last = runs.into_iter().max();
    last.map(|(_, id)| area.run(&id)).ok_or_else(|| {
        Error::preflight(format!("there is no run in {}; `telecine extract` or `telecine run` starts one", area.url()))
    })
}

/// The run that was begun last, if it did not come to its end.
///
/// # Errors
/// When the area cannot be read.
pub async fn unfinished_run(area: &StagingArea) -> Result<Option<RunFolder>> {
    if area.runs().await?.is_empty() {
        return Ok(None);
    }
    let run = latest_run(area).await?;
    let finished = run.get_json::<RunReport>(FILE_NAME).await?.is_some_and(|report| report.finished);
    Ok((!finished).then_some(run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::StagingConfig;

    #[tokio::test]
    async fn the_last_run_is_the_one_begun_last_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&StagingConfig::at(format!("file:{}", folder.path().display()))).unwrap();
        assert_eq!(latest_run(&area).await.unwrap_err().exit_code(), 2);
        assert!(unfinished_run(&area).await.unwrap().is_none());
        begin_run(&area, Some("smoke"), None).await.unwrap();
        let by_time = begin_run(&area, None, None).await.unwrap();
        assert_eq!(latest_run(&area).await.unwrap().id(), by_time.id());
        // Going on with a run does not make it a later one.
        begin_run(&area, Some("smoke"), None).await.unwrap();
        assert_eq!(latest_run(&area).await.unwrap().id(), by_time.id());
        assert_ne!(begin_run(&area, None, None).await.unwrap().id(), by_time.id());
    }

    #[tokio::test]
    async fn a_run_keeps_the_time_it_was_begun_with() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
        let run = begin_run(&area, Some("fixed"), Some("2025-03-01T00:00:00Z")).await.unwrap();
        begin_run(&area, Some("fixed"), Some("2026-01-01T00:00:00Z")).await.unwrap();
        assert_eq!(fixed_now(&run).await.unwrap().as_deref(), Some("2025-03-01T00:00:00Z"));
        let other = begin_run(&area, Some("other"), None).await.unwrap();
        assert_eq!(fixed_now(&other).await.unwrap(), None);
        assert_eq!(fixed_now(&area.run("never")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_finished_run_is_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
        let run = begin_run(&area, None, None).await.unwrap();
        assert_eq!(unfinished_run(&area).await.unwrap().unwrap().id(), run.id());
        run.put_json(FILE_NAME, &RunReport { finished: true, ..RunReport::default() }).await.unwrap();
        assert!(unfinished_run(&area).await.unwrap().is_none());
    }

    #[test]
    fn an_id_must_be_able_to_name_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let area = StagingArea::open(&StagingConfig::at(folder.path().display().to_string())).unwrap();
        for wrong in ["", "..", "../x", "a/b", "x#1", "a b", &"x".repeat(101)] {
            assert_eq!(named_run(&area, wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
        assert_eq!(named_run(&area, "20260301T000000-2").unwrap().id(), "20260301T000000-2");
    }
}
