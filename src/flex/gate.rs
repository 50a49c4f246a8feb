//! Where requests wait for leave: the [`Pace`] decides, this waits. First come, first served.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::FlexConfig;
use super::pace::{Bounds, Leave, Pace, PaceSnapshot, Ticket, Verdict};

/// Fewer failures in a row are no outage, however few requests are under way.
const FEWEST_FAILURES: usize = 10;

#[derive(Debug)]
pub(super) struct Gate {
    pace: Mutex<Pace>,
    max_in_flight: usize,
    patience: Duration,
    started: Instant,
    /// Held by the one that is next: tokio gives it in the order of asking.
    turn: tokio::sync::Mutex<()>,
    /// An answer has come that may let the next one go sooner.
    changed: Notify,
}

/// Why a request is not sent at all.
#[derive(Debug)]
pub(super) enum Closed {
    /// The credentials were refused before.
    Unauthorised,
    /// The target has been away for so long.
    Away(Duration),
}

/// A request under way; its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    gate: &'a Gate,
    ticket: Option<Ticket>,
}

impl Gate {
    pub(super) fn new(config: &FlexConfig) -> Self {
        let failures = config.max_in_flight.saturating_mul(2).max(FEWEST_FAILURES);
        let bounds = Bounds {
            max_in_flight: config.max_in_flight,
            max_requests_per_second: config.max_requests_per_second,
            headroom: config.headroom,
            open_after: config.open_after.unwrap_or(u32::try_from(failures).unwrap_or(u32::MAX)),
            patience: config.patience,
        };
        Self {
            pace: Mutex::new(Pace::new(bounds)),
            max_in_flight: config.max_in_flight.max(1),
            patience: config.patience,
            started: Instant::now(),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
        }
    }

    /// Waits until a request may be sent.
    pub(super) async fn enter(&self) -> Result<Slot<'_>, Closed> {
        let _turn = self.turn.lock().await;
        loop {
            let leave = self.pace().ask(self.now());
            match leave {
                Leave::Go(ticket) => return Ok(Slot { gate: self, ticket: Some(ticket) }),
                Leave::Closed => return Err(Closed::Unauthorised),
                Leave::Away(away) => return Err(Closed::Away(away)),
                Leave::Full => self.changed.notified().await,
                Leave::Wait(until) => {
                    let _ = tokio::time::timeout_at(self.started + until, self.changed.notified()).await;
                }
            }
        }
    }

    /// Nothing is sent for so long.
    pub(super) fn pause(&self, length: Duration) {
        self.pace().pause(self.now() + length);
    }

    /// Whether nothing but failures comes back, and not yet for longer than the patience lasts.
    pub(super) fn is_waiting(&self) -> bool {
        let away = self.pace().away(self.now());
        !away.is_zero() && away < self.patience
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.max_in_flight
    }

    pub(super) fn snapshot(&self) -> PaceSnapshot {
        self.pace().snapshot(self.now())
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot<'_> {
    /// The answer has come.
    pub(super) fn answered(mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.pace().answer(self.gate.now(), ticket, verdict);
            self.gate.changed.notify_one();
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.gate.pace().abandon(&ticket);
            self.gate.changed.notify_one();
        }
    }
}
