//! How many requests may be under way: more while answers come as quickly as ever and the limit is in use, fewer when
//! the target asks for less or its answers take long. After TCP Vegas (Brakmo and Peterson 1995) and the gradient limit of
//! Netflix's concurrency-limits: latency is judged against the least seen lately, with tolerance.

use std::time::Duration;

/// Latency is judged at most so often.
const WINDOW: Duration = Duration::from_millis(200);
/// Answers of which the median is taken, so that a single slow one says nothing: at least, and at most.
const SAMPLES: (usize, usize) = (3, 256);
/// The least latency is of the last one to two of these; what was quicker before counts no more.
const MEMORY: Duration = Duration::from_secs(15);
/// Above this multiple of the least latency the target is slow, below that one it is idle; the milliseconds are the
/// jitter that nobody can do anything about.
const SLOW: (f64, f64) = (2.0, 0.010);
const IDLE: (f64, f64) = (1.25, 0.003);
/// What remains of the limit when the target is slow, and when it asks for less.
const ON_SLOW: f64 = 0.8;
const ON_THROTTLE: f64 = 0.7;
/// Latency alone takes the limit no lower than this share of the configured number: many slow targets do not queue.
const FLOOR: f64 = 0.125;

/// What each answer adds at the start: doubling each round. It is the rate that rises so gently that few are refused.
const START: f64 = 1.0;

#[derive(Debug)]
pub(super) struct Limit {
    most: f64,
    headroom: f64,
    limit: f64,
    under_way: usize,
    /// Growing with every answer, from one on, until the first sign of a bound.
    starting: bool,
    /// Whether the limit held a request back since the last judgement.
    in_use: bool,
    window_began: Duration,
    latencies: Vec<f64>,
    least: [f64; 2],
    memory_began: Duration,
}

impl Limit {
    pub(super) fn new(most: usize, headroom: f64) -> Self {
        Self {
            most: most.max(1) as f64,
            headroom,
            limit: 1.0,
            under_way: 0,
            starting: true,
            in_use: false,
            window_began: Duration::ZERO,
            latencies: Vec::with_capacity(SAMPLES.1),
            least: [f64::INFINITY; 2],
            memory_began: Duration::ZERO,
        }
    }

    /// Requests that may be under way, at least one.
    pub(super) fn now(&self) -> usize {
        ((self.limit * (1.0 - self.headroom)) as usize).max(1)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether one more may go.
    pub(super) fn has_room(&self) -> bool {
        self.under_way < self.now()
    }

    pub(super) fn enter(&mut self) {
        self.under_way += 1;
        self.in_use |= !self.has_room();
    }

    pub(super) fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A good answer that took so long.
    pub(super) fn good(&mut self, now: Duration, latency: Duration) {
        if self.starting && self.in_use {
            self.limit = (self.limit + START).min(self.most);
        }
        if self.latencies.len() < SAMPLES.1 {
            self.latencies.push(latency.as_secs_f64());
        }
        // One round at least: what is judged was sent under the limit it is judged for.
        let enough = self.latencies.len() >= (self.limit as usize).clamp(SAMPLES.0, SAMPLES.1);
        if enough && now.saturating_sub(self.window_began) >= WINDOW {
            self.judge(now);
        }
    }

    /// The target asked for less, or a request was lost on the way.
    pub(super) fn throttled(&mut self) {
        self.starting = false;
        self.limit = (self.limit * ON_THROTTLE).max(1.0);
    }

    fn judge(&mut self, now: Duration) {
        let middle = self.latencies.len() / 2;
        let median = *self.latencies.select_nth_unstable_by(middle, f64::total_cmp).1;
        if now.saturating_sub(self.memory_began) >= MEMORY {
            self.least = [f64::INFINITY, self.least[0]];
            self.memory_began = now;
        }
        self.least[0] = self.least[0].min(median);
        let least = self.least[0].min(self.least[1]);
        let above = |(times, more): (f64, f64)| median > least * times + more;
        if above(SLOW) {
            self.starting = false;
            let floor = (self.most * FLOOR).max(1.0).min(self.limit);
            self.limit = (self.limit * ON_SLOW).max(floor);
        } else if self.in_use {
            let more = if above(IDLE) { self.limit.sqrt() } else { (self.limit / 2.0).max(1.0) };
            self.limit = (self.limit + more).min(self.most);
        }
        self.in_use = !self.has_room();
        self.latencies.clear();
        self.window_began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of the given latency at full use for so many seconds.
    fn run(limit: &mut Limit, from: f64, seconds: f64, latency: f64) -> f64 {
        let mut now = from;
        while now < from + seconds {
            while limit.has_room() {
                limit.enter();
            }
            now += latency;
            for _ in 0..limit.under_way() {
                limit.leave();
                limit.good(Duration::from_secs_f64(now), Duration::from_secs_f64(latency));
            }
        }
        now
    }

    #[test]
    fn it_fills_falls_when_answers_slow_down_and_comes_back() {
        let mut limit = Limit::new(64, 0.0);
        let now = run(&mut limit, 0.0, 1.0, 0.02);
        assert_eq!(limit.now(), 64);
        let now = run(&mut limit, now, 10.0, 0.2);
        assert_eq!(limit.now(), 8, "no lower for latency alone");
        run(&mut limit, now, 3.0, 0.02);
        assert_eq!(limit.now(), 64);
    }

    #[test]
    fn a_target_that_stays_slow_becomes_the_measure() {
        let mut limit = Limit::new(64, 0.0);
        let now = run(&mut limit, 0.0, 1.0, 0.02);
        run(&mut limit, now, 40.0, 0.2);
        assert_eq!(limit.now(), 64);
    }

    #[test]
    fn single_slow_answers_and_jitter_of_nothing_change_nothing() {
        let mut limit = Limit::new(32, 0.0);
        let mut now = Duration::ZERO;
        for n in 0..20_000_u64 {
            while limit.has_room() {
                limit.enter();
            }
            let latency = if n % 50 == 0 { 3_000_000 } else { (n * 7919) % 300 };
            now += Duration::from_millis(1);
            limit.leave();
            limit.good(now, Duration::from_micros(latency));
        }
        assert_eq!(limit.now(), 32);
    }

    #[test]
    fn it_never_ends_and_leaves_headroom() {
        let mut limit = Limit::new(40, 0.25);
        run(&mut limit, 0.0, 2.0, 0.01);
        assert_eq!(limit.now(), 30);
        (0..100).for_each(|_| limit.throttled());
        assert_eq!(limit.now(), 1);
    }
}
