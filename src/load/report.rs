//! What a load did, counted while it works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::flex::Traffic;

/// What a load did. Each row to be loaded is counted in exactly one of created, updated, unchanged, failed and held,
/// unless the load was interrupted or limited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// The target's name.
    pub target: String,
    /// Assets that the target holds complete for the first time.
    pub created: u64,
    /// Assets that were written again.
    pub updated: u64,
    /// Assets that needed nothing.
    pub unchanged: u64,
    /// Rows refused, by the definition or by the target.
    pub failed: u64,
    /// Rows of which nobody can tell whether their asset exists.
    pub held: u64,
    /// Assets that were found in the target after a request of unclear outcome (part of created).
    #[serde(default)]
    pub adopted: u64,
    /// Assets that were created with another type, definition or external id than their rows have now (part of all above).
    #[serde(default)]
    pub restated: u64,
    /// Rows whose references were set in the second pass (part of created or updated).
    pub linked: u64,
    /// References left out because what they point to is not loaded.
    pub unresolved: u64,
    /// Bytes of the requests' bodies.
    pub bytes: u64,
    /// Requests, repeats included.
    pub requests: u64,
    /// Repeats.
    pub retries: u64,
    /// Seconds.
    pub seconds: f64,
    /// Requests a second.
    pub requests_per_second: f64,
    /// By which request field values were set: `annotations` or `metadata`; absent where `auto` has not
    /// decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attributes: Option<String>,
    /// Failed rows by the class of their reason.
    pub failures: BTreeMap<String, u64>,
    /// Stopped before the end because it was asked to.
    pub interrupted: bool,
}

/// The counts of a load under way.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    before: Traffic,
    pub(super) created: AtomicU64,
    pub(super) updated: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) adopted: AtomicU64,
    pub(super) restated: AtomicU64,
    pub(super) linked: AtomicU64,
    pub(super) unresolved: AtomicU64,
    failures: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    pub(super) fn new(before: Traffic) -> Self {
        Self {
            started: Instant::now(),
            before,
            created: AtomicU64::new(0),
            updated: AtomicU64::new(0),
            unchanged: AtomicU64::new(0),
            held: AtomicU64::new(0),
            adopted: AtomicU64::new(0),
            restated: AtomicU64::new(0),
            linked: AtomicU64::new(0),
            unresolved: AtomicU64::new(0),
            failures: Mutex::new(BTreeMap::new()),
        }
    }

    /// One more of something.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The target holds all of a row; `completions` times it did before.
    pub(super) fn complete(&self, completions: u32) {
        Self::add(if completions == 0 { &self.created } else { &self.updated });
    }

    pub(super) fn failed(&self, reason: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(reason.to_owned()).or_default() += 1;
    }

    /// Rows that came to an end in this load, whatever it was.
    pub(super) fn sent(&self) -> u64 {
        let ended = [&self.created, &self.updated, &self.held];
        ended.iter().map(|counter| counter.load(Ordering::Relaxed)).sum::<u64>() + self.failures()
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    pub(super) fn report(
        &self,
        target: &str,
        now: Traffic,
        attributes: Option<String>,
        interrupted: bool,
    ) -> LoadReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = self.started.elapsed().as_secs_f64();
        let requests = now.requests - self.before.requests;
        LoadReport {
            target: target.to_owned(),
            created: read(&self.created),
            updated: read(&self.updated),
            unchanged: read(&self.unchanged),
            failed: self.failures(),
            held: read(&self.held),
            adopted: read(&self.adopted),
            restated: read(&self.restated),
            linked: read(&self.linked),
            unresolved: read(&self.unresolved),
            bytes: now.bytes - self.before.bytes,
            requests,
            retries: now.retries - self.before.retries,
            seconds,
            requests_per_second: if seconds > 0.0 { requests as f64 / seconds } else { 0.0 },
            attributes,
            failures: self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            interrupted,
        }
    }
}
