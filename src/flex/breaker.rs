//! The circuit breaker: after many failures in a row nothing is sent but one probe at a time. A pure state machine: the
//! caller gives it the time, as a duration since some start.

use std::time::Duration;

/// The wait before the first probe.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Each probe that fails doubles the wait, up to this: a target that is back is noticed within half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the breaker does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// All are sent.
    Closed,
    /// None is sent.
    Open,
    /// One is under way to see whether the target is back.
    HalfOpen,
}

/// Whether a request may go.
#[derive(Debug, PartialEq)]
pub(super) enum Passage {
    /// It may.
    Free,
    /// It may, as the one probe.
    Probe,
    /// Not before this moment.
    Wait(Duration),
    /// Not before the probe has been answered.
    Probing,
}

#[derive(Debug)]
pub(super) struct Breaker {
    most: u32,
    failures: u32,
    /// The first failure of the row that goes on.
    since: Option<Duration>,
    state: BreakerState,
    until: Duration,
    pause: Duration,
    opened: u64,
}

impl Breaker {
    /// Opens after `most` failures in a row, at least one.
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: most.max(1),
            failures: 0,
            since: None,
            state: BreakerState::Closed,
            until: Duration::ZERO,
            pause: FIRST_PAUSE,
            opened: 0,
        }
    }

    pub(super) fn state(&self) -> BreakerState {
        self.state
    }

    /// How often it has opened, failed probes not counted.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    /// How long nothing but failures has come back.
    pub(super) fn away(&self, now: Duration) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    pub(super) fn passage(&self, now: Duration) -> Passage {
        match self.state {
            BreakerState::Closed => Passage::Free,
            BreakerState::HalfOpen => Passage::Probing,
            BreakerState::Open if self.until <= now => Passage::Probe,
            BreakerState::Open => Passage::Wait(self.until),
        }
    }

    /// The probe has been sent.
    pub(super) fn probe(&mut self) {
        self.state = BreakerState::HalfOpen;
    }

    /// The probe was given up without an answer: the next request is one.
    pub(super) fn abandon(&mut self) {
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Open;
        }
    }

    /// The target has answered, to whichever request.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.since = None;
        self.state = BreakerState::Closed;
        self.pause = FIRST_PAUSE;
    }

    /// A request failed on the way. Requests that were sent before the breaker opened say nothing new.
    pub(super) fn failed(&mut self, now: Duration, probe: bool) {
        self.since.get_or_insert(now);
        match self.state {
            BreakerState::Closed => {
                self.failures += 1;
                if self.failures >= self.most {
                    self.opened += 1;
                    self.open(now);
                }
            }
            BreakerState::HalfOpen if probe => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.open(now);
            }
            BreakerState::HalfOpen | BreakerState::Open => {}
        }
    }

    fn open(&mut self, now: Duration) {
        self.state = BreakerState::Open;
        self.until = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_probes_ever_more_rarely_and_closes() {
        let at = Duration::from_secs;
        let mut breaker = Breaker::new(3);
        breaker.failed(at(0), false);
        breaker.failed(at(0), false);
        breaker.answered();
        (0..2).for_each(|_| breaker.failed(at(1), false));
        assert_eq!(breaker.passage(at(1)), Passage::Free, "the row was broken");
        breaker.failed(at(1), false);
        assert_eq!(breaker.passage(at(1)), Passage::Wait(at(2)));
        breaker.failed(at(1), false);
        let mut now = at(2);
        for pause in [2, 4, 8, 16, 30, 30] {
            assert_eq!(breaker.passage(now), Passage::Probe);
            breaker.probe();
            assert_eq!(breaker.passage(now), Passage::Probing);
            breaker.failed(now, false);
            assert_eq!(breaker.passage(now), Passage::Probing, "an old request is no probe");
            breaker.failed(now, true);
            assert_eq!(breaker.passage(now), Passage::Wait(now + at(pause)));
            now += at(pause);
        }
        assert_eq!(breaker.away(now), now - at(1));
        breaker.probe();
        breaker.abandon();
        assert_eq!(breaker.passage(now), Passage::Probe, "a probe given up is made up for");
        breaker.probe();
        breaker.answered();
        assert_eq!((breaker.passage(now), breaker.opened(), breaker.away(now)), (Passage::Free, 1, Duration::ZERO));
    }
}
