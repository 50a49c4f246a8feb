//! Counters a step moves while it works; whoever shows progress reads them. Cheap to clone, safe to share.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The counters of one step.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    total: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    rejects: AtomicU64,
    in_flight: AtomicI64,
    sending: OnceLock<Sender>,
}

struct Sender(Box<dyn Fn() -> Sending + Send + Sync>);

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)().fmt(f)
    }
}

/// How a step sends requests at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sending {
    /// Requests sent since the step began, repeats among them.
    pub requests: u64,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that may be under way.
    pub limit: usize,
    /// How long nothing will be sent because the target asked for a pause or is away.
    pub paused: Duration,
}

/// What the counters of a step show at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Rows (or requests) expected; 0 while unknown.
    pub total: u64,
    /// Rows (or requests) done.
    pub rows: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Rows set aside with a reason.
    pub rejects: u64,
    /// Rows or reads under way.
    pub in_flight: i64,
    /// How requests are sent, by a step that sends some.
    pub sending: Option<Sending>,
}

impl Progress {
    /// Adds to the number of rows expected.
    pub fn expect(&self, rows: u64) {
        self.0.total.fetch_add(rows, Ordering::Relaxed);
    }

    /// Counts rows and bytes as done.
    pub fn advance(&self, rows: u64, bytes: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts rows set aside.
    pub fn reject(&self, rows: u64) {
        self.0.rejects.fetch_add(rows, Ordering::Relaxed);
    }

    /// One more read or request is under way.
    pub fn begin(&self) {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// One read or request has ended.
    pub fn end(&self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whoever shows progress asks this for how requests are sent. Only the first of a step counts.
    pub fn sends(&self, sending: impl Fn() -> Sending + Send + Sync + 'static) {
        let _ = self.0.sending.set(Sender(Box::new(sending)));
    }

    /// The counters now.
    pub fn reading(&self) -> Reading {
        Reading {
            total: self.0.total.load(Ordering::Relaxed),
            rows: self.0.rows.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
            rejects: self.0.rejects.load(Ordering::Relaxed),
            in_flight: self.0.in_flight.load(Ordering::Relaxed),
            sending: self.0.sending.get().map(|sender| (sender.0)()),
        }
    }
}
