//! When a request may go: a pure state machine that is told the time and what became of requests. Three things decide
//! together: how many are under way ([`limit`]), how many go a second ([`rate`]), and whether the target is there at all
//! ([`Breaker`]). All times are durations since the start of the client.

mod bucket;
mod limit;
mod rate;
#[cfg(test)]
mod simulated;

use std::time::Duration;

use self::limit::Limit;
use self::rate::Rate;
use super::breaker::{Breaker, BreakerState, Passage};

/// What a [`Pace`] is set to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Requests under way at most, from one on.
    pub(super) max_in_flight: usize,
    /// Requests a second at most.
    pub(super) max_requests_per_second: Option<f64>,
    /// The share of the limit or rate found that is left free, 0 to 0.9.
    pub(super) headroom: f64,
    /// Failures in a row after which the breaker opens.
    pub(super) open_after: u32,
    /// How long the target may be away.
    pub(super) patience: Duration,
}

/// The pace of a client at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceSnapshot {
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that may be under way.
    pub limit: usize,
    /// Requests a second; `None` while nothing bounds them.
    pub rate: Option<f64>,
    /// How long nothing will be sent because the target asked for a pause or the breaker waits; zero when neither.
    pub paused: Duration,
    /// The circuit breaker.
    pub breaker: BreakerState,
    /// Answers so far by which the target asked for less (429, 503), and pauses made for a spent budget.
    pub throttled: u64,
    /// How often the breaker has opened, failed probes not counted.
    pub opened: u64,
}

/// Whether a request may go.
#[derive(Debug, PartialEq)]
pub(super) enum Leave {
    /// Now.
    Go(Ticket),
    /// Not before this moment; sooner where an answer changes it.
    Wait(Duration),
    /// When an answer has come.
    Full,
    /// The target has been away for so long, longer than the patience lasts.
    Away(Duration),
    /// Never: the credentials were refused.
    Closed,
}

/// A request under way. Handed back with [`Pace::answer`] or [`Pace::abandon`].
#[derive(Debug, PartialEq)]
pub(super) struct Ticket {
    number: u64,
    sent: Duration,
    probe: bool,
}

/// What an answer says about the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    /// It works, whether or not it did what was asked.
    Good,
    /// It asked for less (429), and all are to pause so long; `asked` where it said for how long.
    Throttled { pause: Duration, asked: bool },
    /// It is out of order for the moment (503), and all are to pause so long; `asked` where it said for how long, as one
    /// that asks for less does.
    Unavailable { pause: Duration, asked: bool },
    /// It failed, or the way to it did.
    Failed,
    /// It refuses the credentials: nothing is sent any more.
    Unauthorised,
}

#[derive(Debug)]
pub(super) struct Pace {
    limit: Limit,
    rate: Rate,
    breaker: Breaker,
    patience: Duration,
    paused_until: Duration,
    next: u64,
    /// Requests below this number were sent before the last decrease and bring no other.
    fence: u64,
    throttled: u64,
    closed: bool,
}

impl Pace {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            limit: Limit::new(bounds.max_in_flight, bounds.headroom),
            rate: Rate::new(bounds.max_requests_per_second, bounds.headroom),
            breaker: Breaker::new(bounds.open_after),
            patience: bounds.patience,
            paused_until: Duration::ZERO,
            next: 0,
            fence: 0,
            throttled: 0,
            closed: false,
        }
    }

    /// Asks for leave to send a request now.
    pub(super) fn ask(&mut self, now: Duration) -> Leave {
        if self.closed {
            return Leave::Closed;
        }
        let passage = self.breaker.passage(now);
        let waits = matches!(passage, Passage::Wait(_) | Passage::Probing);
        if waits && self.breaker.away(now) > self.patience {
            return Leave::Away(self.breaker.away(now));
        }
        let free_from = self.paused_until.max(self.rate.due());
        match passage {
            Passage::Probing => return Leave::Full,
            Passage::Wait(until) => return Leave::Wait(until.max(free_from)),
            Passage::Free | Passage::Probe if free_from > now => return Leave::Wait(free_from),
            Passage::Free if !self.limit.has_room() => return Leave::Full,
            Passage::Free => {}
            Passage::Probe => self.breaker.probe(),
        }
        self.limit.enter();
        self.rate.sent(now);
        self.next += 1;
        Leave::Go(Ticket { number: self.next - 1, sent: now, probe: passage == Passage::Probe })
    }

    /// The answer to a request has come, or will not.
    pub(super) fn answer(&mut self, now: Duration, ticket: Ticket, verdict: Verdict) {
        self.limit.leave();
        let latency = now.saturating_sub(ticket.sent);
        match verdict {
            Verdict::Good => {
                self.breaker.answered();
                self.rate.granted(ticket.sent, now);
                self.limit.good(now, latency);
            }
            Verdict::Throttled { pause, asked } => {
                self.breaker.answered();
                if self.rate.minds(now) {
                    self.less(now, &ticket, Some(pause), true);
                } else if asked {
                    self.pause(now.saturating_add(pause));
                } else {
                    self.throttled += 1;
                }
            }
            Verdict::Unavailable { pause, asked } => {
                self.breaker.failed(now, ticket.probe);
                self.less(now, &ticket, Some(pause), asked);
            }
            Verdict::Failed => {
                self.breaker.failed(now, ticket.probe);
                self.less(now, &ticket, None, false);
            }
            Verdict::Unauthorised => self.closed = true,
        }
    }

    /// A request was dropped before its answer came.
    pub(super) fn abandon(&mut self, ticket: &Ticket) {
        self.limit.leave();
        if ticket.probe {
            self.breaker.abandon();
        }
    }

    /// Nothing is sent before `until`.
    pub(super) fn pause(&mut self, until: Duration) {
        self.throttled += 1;
        self.paused_until = self.paused_until.max(until);
    }

    /// How long nothing but failures has come back.
    pub(super) fn away(&self, now: Duration) -> Duration {
        self.breaker.away(now)
    }

    pub(super) fn snapshot(&self, now: Duration) -> PaceSnapshot {
        let until = match self.breaker.passage(now) {
            Passage::Wait(until) => until.max(self.paused_until),
            _ => self.paused_until,
        };
        PaceSnapshot {
            in_flight: self.limit.under_way(),
            limit: self.limit.now(),
            rate: self.rate.known(now),
            paused: until.saturating_sub(now),
            breaker: self.breaker.state(),
            throttled: self.throttled,
            opened: self.breaker.opened(),
        }
    }

    /// Less from here on, once for all that was sent together; a pause holds in any case. Only who says that there are
    /// `too_many` tells a rate by it.
    fn less(&mut self, now: Duration, ticket: &Ticket, pause: Option<Duration>, too_many: bool) {
        if let Some(pause) = pause {
            self.pause(now.saturating_add(pause));
        }
        if too_many {
            self.rate.refused(ticket.sent, now, self.paused_until);
        }
        if ticket.number < self.fence {
            return;
        }
        self.fence = self.next;
        if !too_many {
            self.limit.throttled();
        }
    }
}
