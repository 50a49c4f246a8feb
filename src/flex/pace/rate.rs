//! How many requests a second: no bound until the target has asked for less, then the rate at which it granted requests,
//! evenly spaced, and gently upward from there.
//!
//! A limit of requests a second is a bucket of tokens that the target fills. It cannot be seen, but when it is empty the
//! requests granted are the tokens that came in; so the rate granted before a refusal tells the limit. From a little below
//! it the rate rises along a cubic curve, flat near the known limit and steeper beyond (as in CUBIC, RFC 9438).

use std::collections::VecDeque;
use std::time::Duration;

/// Share of the limit found that is used at first. The bucket fills a little meanwhile.
const FACTOR: f64 = 0.95;
/// One refusal takes the rate no lower than this share of what it was.
const LEAST: f64 = 0.6;
/// Seconds until a limit found is reached again, or the time of so many requests where that is longer: a refusal each
/// time must stay well below one in a hundred.
const CLIMB: f64 = 4.0;
const CLIMB_REQUESTS: f64 = 200.0;
/// Nor are they fewer than so many times the pause that the last refusal cost.
const CLIMB_PAUSES: f64 = 15.0;
/// A limit so far below the one before is taken for a passing spell.
const SPELL: f64 = 0.7;
/// Seconds in a spell until more is tried.
const HOLD: f64 = 1.0;
/// What a failed try leaves of the hope for the former limit.
const HOPE: f64 = 0.93;
/// Seconds without a refusal that prove a limit; until then the search goes on, each time so much slower, up to a doubling
/// in so many seconds.
const PROVEN: f64 = 2.0;
const SLOWER: f64 = 3.0;
const SLOWEST: f64 = 1.0;
/// What is left of a rate that is refused within a second; and where it is near a limit that was proven, or none was yet.
const SOON: f64 = 0.8;
const NEAR: f64 = 0.9;
/// Requests may catch up on so much time: timers of a millisecond and a busy machine make them late.
const SLACK: f64 = 0.01;
/// The time over which the rate granted is measured, in slots.
const SLOT: Duration = Duration::from_millis(50);
const SLOTS: usize = 20;
/// Refusals in a row, long before the limit found was reached, that show that they do not come of the rate; so many times
/// the pause must lie between them, else it may be the pause that had filled the bucket. And the seconds for which none is
/// then learned.
const EARLY: u32 = 6;
const SURE: f64 = 10.0;
const DEAF: f64 = 30.0;
/// With headroom, the limit is found anew so often.
const ANEW: f64 = 120.0;
/// No limit found is lower (requests a second): what is refused at random, or with everything else, is no limit, and must
/// not bring a load to a halt.
const LOWEST: f64 = 5.0;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// The first refusal tells little: doubling until the second.
    Search,
    /// Around the limit.
    Climb,
    /// Far below a former limit: back to it as soon as it is granted.
    Spell,
}

#[derive(Debug)]
struct Learned {
    phase: Phase,
    /// The limit found, and the highest one that is still hoped for.
    limit: f64,
    best: f64,
    /// The rate that growth starts from.
    base: f64,
    /// When growth starts, in seconds: the end of the pause.
    from: f64,
    /// Granted since then.
    granted: f64,
    /// Seconds of the pause after the last refusal.
    pause: f64,
    /// Seconds in which the rate doubles where it searches.
    doubling: f64,
    /// Refusals in a row that came too early for the limit found.
    early: u32,
}

#[derive(Debug)]
pub(super) struct Rate {
    cap: Option<f64>,
    headroom: f64,
    learned: Option<Learned>,
    /// When the next request is due, in seconds (the virtual scheduling of the generic cell rate algorithm).
    due: f64,
    window: Window,
    /// Granted since the start.
    total: f64,
    /// No rate is learned before, in seconds.
    deaf_until: f64,
}

impl Rate {
    pub(super) fn new(cap: Option<f64>, headroom: f64) -> Self {
        Self { cap, headroom, learned: None, due: 0.0, window: Window::default(), total: 0.0, deaf_until: 0.0 }
    }

    /// Requests a second now; `None` where nothing bounds them.
    pub(super) fn now(&self, now: Duration) -> Option<f64> {
        let learned = self.learned.as_ref().map(|learned| learned.at(now.as_secs_f64(), self.headroom));
        match (learned, self.cap) {
            (Some(learned), Some(cap)) => Some(learned.min(cap)),
            (learned, cap) => learned.or(cap),
        }
    }

    /// The moment from which the next request may go.
    pub(super) fn due(&self) -> Duration {
        Duration::from_secs_f64((self.due - SLACK).max(0.0))
    }

    /// A request goes.
    pub(super) fn sent(&mut self, now: Duration) {
        let seconds = now.as_secs_f64();
        let Some(rate) = self.now(now) else {
            self.due = 0.0;
            return;
        };
        let unused = seconds - SLACK - self.due;
        if unused > 0.0 {
            // A rate that is not used proves nothing, so it does not grow meanwhile.
            if let Some(learned) = self.learned.as_mut().filter(|learned| learned.from < seconds) {
                learned.from = (learned.from + unused).min(seconds);
            }
            self.due = seconds - SLACK;
        }
        self.due += 1.0 / rate;
    }

    /// A request was granted.
    pub(super) fn granted(&mut self, now: Duration) {
        self.window.count(now);
        self.total += 1.0;
        if let Some(learned) = &mut self.learned {
            learned.granted += 1.0;
        }
    }

    /// A request of the present round, sent at `sent`, was refused for there were too many; nothing is sent until `resume`.
    pub(super) fn refused(&mut self, sent: Duration, now: Duration, resume: Duration) {
        let (sent, seconds, from) = (sent.as_secs_f64(), now.as_secs_f64(), resume.as_secs_f64());
        let recent = |active: f64, over: f64| self.window.rate(now, active, over);
        match &mut self.learned {
            None if seconds < self.deaf_until => {}
            None => {
                let limit = recent(sent, 1.0).max(LOWEST);
                let doubling = (1.5 * (seconds - sent)).max(0.1);
                let mut learned = Learned {
                    phase: Phase::Search,
                    limit,
                    best: 0.0,
                    base: limit,
                    from,
                    granted: 0.0,
                    pause: 0.0,
                    doubling,
                    early: 0,
                };
                learned.settle(limit, from);
                self.learned = Some(learned);
            }
            // Nothing at all was granted: that is no rate but a target that is away.
            Some(learned) if learned.granted == 0.0 && learned.best > 0.0 => learned.from = learned.from.max(from),
            Some(learned) => {
                let rate = learned.at(sent, self.headroom);
                let active = (sent - learned.from).max(0.001);
                let mut limit = learned.found(rate, active, || recent(active, (10.0 / rate).max(0.15)));
                if learned.phase == Phase::Search && active < 1.0 {
                    // The first bucket was full: the mean since the start is nearer than what it granted at once.
                    limit = limit.min((rate * (self.total + 1.0) / seconds).sqrt()).max(LOWEST);
                }
                learned.refused(limit, active);
                learned.settle(limit, from);
            }
        }
        if self.learned.as_ref().is_some_and(|learned| learned.early >= EARLY) {
            self.learned = None;
            self.deaf_until = seconds + DEAF;
        }
        if let Some(learned) = &mut self.learned {
            learned.pause = from - seconds;
        }
        self.window.clear();
        self.due = self.due.max(from + SLACK);
    }
}

impl Learned {
    fn settle(&mut self, limit: f64, from: f64) {
        (self.limit, self.base, self.from, self.granted) = (limit, limit * FACTOR, from, 0.0);
    }

    /// The limit as it shows in a refusal at `rate` after `active` seconds. The bucket was empty at the last refusal and
    /// is now: what was granted in between came in, pause included or, where the bucket is small, not.
    fn found(&self, rate: f64, active: f64, recent: impl Fn() -> f64) -> f64 {
        let flat = match self.phase {
            Phase::Search => 0.0,
            Phase::Spell => HOLD,
            Phase::Climb => 1.5 * self.span(),
        };
        let soon = match active {
            1.0.. => FACTOR * rate,
            _ if self.limit > NEAR * self.best => NEAR * rate,
            _ => SOON * rate,
        };
        let found = if active < 0.1 || self.granted < 10.0 {
            soon
        } else if active > flat {
            recent().min(soon)
        } else if active > 3.0 * self.pause {
            self.granted / active
        } else {
            let middle = self.granted / (active * (active + self.pause)).sqrt();
            if self.granted / active < SPELL * rate { middle } else { middle.max(soon) }
        };
        found.clamp(LEAST * rate, rate).max(LOWEST)
    }

    fn refused(&mut self, limit: f64, active: f64) {
        let proven = active > PROVEN;
        if active > 0.5 * self.span() {
            self.early = 0;
        } else if self.phase == Phase::Climb && active > SURE * self.pause {
            self.early += 1;
        }
        match self.phase {
            Phase::Spell if active > HOLD => self.best *= HOPE,
            Phase::Spell => {}
            Phase::Climb | Phase::Search if proven => self.best = self.limit.max(limit),
            Phase::Climb if active > HOLD => self.best = limit.max(self.best * HOPE),
            Phase::Climb | Phase::Search => {}
        }
        if limit < SPELL * self.best {
            self.phase = Phase::Spell;
        } else if proven || self.phase != Phase::Search || self.doubling >= SLOWEST {
            self.phase = Phase::Climb;
        } else {
            self.doubling = (self.doubling * SLOWER).min(SLOWEST);
        }
    }

    /// Seconds until the limit is reached again.
    fn span(&self) -> f64 {
        CLIMB.max(CLIMB_REQUESTS / self.limit).max(CLIMB_PAUSES * self.pause)
    }

    /// The rate at a moment.
    fn at(&self, seconds: f64, headroom: f64) -> f64 {
        let age = (seconds - self.from).max(0.0);
        if headroom > 0.0 && self.phase == Phase::Climb && age < ANEW {
            return self.limit * (1.0 - headroom);
        }
        let age = if headroom > 0.0 && self.phase == Phase::Climb { age - ANEW } else { age };
        match self.phase {
            Phase::Search => self.base * (age / self.doubling).min(30.0).exp2(),
            Phase::Spell => self.base * (age - HOLD).clamp(0.0, 30.0).exp2(),
            Phase::Climb => {
                let span = self.span();
                let reach = age / span - 1.0;
                let beyond = ((age - 1.5 * span) / 4.0).clamp(0.0, 30.0);
                let aim = self.limit.max(FACTOR * self.best);
                (aim + (aim - self.base) * reach.min(0.5).powi(3)) * beyond.exp2()
            }
        }
    }
}

/// What was granted lately.
#[derive(Debug, Default)]
struct Window {
    /// Number of the slot since the start, and its count; the newest last.
    slots: VecDeque<(u128, u32)>,
}

impl Window {
    fn slot(now: Duration) -> u128 {
        now.as_millis() / SLOT.as_millis()
    }

    fn count(&mut self, now: Duration) {
        let slot = Self::slot(now);
        match self.slots.back_mut() {
            Some((last, count)) if *last == slot => *count += 1,
            _ => self.slots.push_back((slot, 1)),
        }
        if self.slots.len() > SLOTS {
            self.slots.pop_front();
        }
    }

    /// Requests a second over the last `over` seconds, or over the `active` ones where those were fewer. A time shorter than
    /// a tenth of a second says more of how full the bucket was than of how it fills.
    fn rate(&self, now: Duration, active: f64, over: f64) -> f64 {
        let slots = (over / SLOT.as_secs_f64()).clamp(1.0, SLOTS as f64 - 1.0) as u128;
        let oldest = Self::slot(now).saturating_sub(slots);
        let granted: u32 = self.slots.iter().filter(|(slot, _)| *slot >= oldest).map(|(_, count)| count).sum();
        let begun = oldest as f64 * SLOT.as_secs_f64();
        f64::from(granted) / (now.as_secs_f64() - begun).min(active.max(0.1))
    }

    fn clear(&mut self) {
        self.slots.clear();
    }
}
