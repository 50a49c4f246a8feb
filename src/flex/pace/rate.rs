//! How many requests a second. At first ever more, doubling within a few round trips, so that the first refusal comes
//! close to the target's limit; then the limit as the refusals tell it ([`Bucket`]): from a little below it the rate rises
//! along a cubic curve, flat near the limit and steeper beyond (as in CUBIC, RFC 9438). Requests are evenly spaced.

use std::time::Duration;

use super::bucket::{Bucket, Epoch};

/// Requests a second at first: so many under way, within these bounds.
const FIRST: f64 = 1.0;
const FIRST_BOUNDS: (f64, f64) = (20.0, 100.0);
/// Round trips in which the rate doubles at first, and bounds of the time in seconds: what is in flight when the bucket is
/// empty is refused.
const DOUBLING: f64 = 2.5;
const DOUBLING_BOUNDS: (f64, f64) = (0.01, 0.5);
/// Seconds in which it doubles after a first refusal, which tells little.
const SEARCH: f64 = 0.5;
/// Share by which the limit found may be wrong, at least and at most: so far beyond it the rate rises, and from so far
/// below, though no more than the last.
const DOUBT: (f64, f64) = (0.015, 0.5);
const BELOW: f64 = 0.08;
/// The doubt about a former limit after a spell.
const BEYOND: f64 = 0.3;
/// After a spell it is reached in so many seconds.
const AGAIN: f64 = 2.5;
/// Seconds until the limit found is reached again: at least, for so many requests, and so many times the pause that the
/// last refusal cost. With more doubt it is sooner.
const SPAN: f64 = 4.0;
const SPAN_REQUESTS: f64 = 200.0;
const SPAN_PAUSES: f64 = 15.0;
/// A refusal takes the rate no lower than this share of what it was.
const LEAST: f64 = 0.125;
/// A limit so far below the one before is taken for a passing spell.
const SPELL: f64 = 0.7;
/// Seconds until more is tried in a spell, at least and at most; in between a share of what it has lasted, or the time of so
/// many requests. And the seconds in which the rate then doubles.
const HOLD: (f64, f64) = (0.8, 15.0);
const HOLD_SHARE: f64 = 0.1;
const HOLD_REQUESTS: f64 = 12.0;
const BACK: f64 = 0.7;
/// Seconds of a spell in which the hope for the former limit falls to a third.
const HOPE: f64 = 400.0;
/// Seconds without a refusal that prove a rate.
const PROVEN: f64 = 2.0;
/// What each refusal leaves of the rate, where several in a row come long before the limit found is reached.
const EARLY: f64 = 0.9;
const EARLY_SHARE: f64 = 0.25;
/// A pause of fewer seconds is our own guess.
const GUESSED: f64 = 0.5;
/// Requests granted before a refusal from which on it tells the limit, where it came so early.
const TELLING: f64 = 3.0;
/// What is left of the hope for a former limit where the rate rose towards it in vain.
const FAILED: f64 = 0.93;
/// By how many more refusals come before so much of the way to the limit found than after it, to show that they do not come of the rate: for
/// so many seconds none is then learned, as long as no more than a share of the last answers, about so many, are refusals;
/// and when that was wrong, they are learned for so many seconds in any case. So does a share of hits among the last
/// answers, about so many, that no limit brings when it is kept to.
const STREAK: u32 = 10;
const STREAK_SHARE: f64 = 0.8;
const HITS_SHARE: f64 = 0.03;
const HITS_ANSWERS: f64 = 200.0;
const DEAF: f64 = 300.0;
const DEAF_SHARE: f64 = 0.25;
const DEAF_ANSWERS: f64 = 100.0;
/// Requests may catch up on so much time: timers of a millisecond and a busy machine make them late.
const SLACK: f64 = 0.01;
/// With headroom, the limit is found anew so often, in seconds.
const ANEW: f64 = 120.0;
/// After more than so many refusals near the limit found, the next epoch goes higher, by a share of the way to the rate
/// refused and of the limit at most.
const SETTLED: u32 = 3;
const BOLD: (f64, f64) = (0.5, 0.02);
/// No limit found is lower (requests a second).
const LOWEST: f64 = 0.2;

/// How the rate goes with time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// No refusal yet.
    Start,
    /// The first refusal tells little: up from there until the second.
    Search,
    /// Around the limit.
    Climb,
    /// Far below a former limit: back to it as soon as it is granted.
    Spell,
}

#[derive(Debug)]
pub(super) struct Rate {
    cap: Option<f64>,
    headroom: f64,
    phase: Phase,
    /// The limit that the curve is about, and the highest that is still hoped for.
    limit: f64,
    best: f64,
    /// The highest limit known before refusals were not learned.
    hope: f64,
    /// Share by which the limit may be wrong, when the curve begins, and seconds until it is back at the limit.
    doubt: f64,
    from: f64,
    span: f64,
    /// When the last spell began.
    spell: f64,
    /// Seconds from a request to its answer, about.
    latency: Option<f64>,
    /// When the next request is due, in seconds (the virtual scheduling of the generic cell rate algorithm).
    due: f64,
    epoch: Epoch,
    bucket: Bucket,
    /// Refusals in a row that came long before the limit found was reached.
    early: i32,
    /// Refusals in a row that came near the limit found.
    settled: u32,
    /// Refusals before the limit found was near, less those after, and the rate at the first of them.
    streak: u32,
    top: f64,
    /// Refusals are not learned until then, and learned in any case until then; the share of refusals lately.
    deaf_until: f64,
    awake_until: f64,
    share: f64,
    hits: f64,
    /// A refusal was met: when it came, and when requests go again.
    refused: Option<(f64, f64)>,
}

impl Rate {
    pub(super) fn new(cap: Option<f64>, headroom: f64) -> Self {
        Self {
            cap,
            headroom,
            phase: Phase::Start,
            limit: FIRST_BOUNDS.0,
            best: 0.0,
            hope: 0.0,
            doubt: 0.0,
            from: 0.0,
            span: DOUBLING_BOUNDS.0,
            spell: 0.0,
            latency: None,
            due: 0.0,
            epoch: Epoch::new(0.0, f64::INFINITY),
            bucket: Bucket::default(),
            early: 0,
            settled: 0,
            streak: 0,
            top: 0.0,
            deaf_until: 0.0,
            awake_until: 0.0,
            share: 0.0,
            hits: 0.0,
            refused: None,
        }
    }

    /// Requests a second now; `None` where nothing bounds them as far as is known.
    pub(super) fn known(&self, now: Duration) -> Option<f64> {
        (self.cap.is_some() || self.phase != Phase::Start).then(|| self.at(now.as_secs_f64()))
    }

    /// The moment from which the next request may go.
    pub(super) fn due(&self) -> Duration {
        Duration::from_secs_f64((self.due - SLACK).max(0.0))
    }

    /// A request goes.
    pub(super) fn sent(&mut self, now: Duration) {
        let seconds = now.as_secs_f64();
        if let Some((at, _)) = self.refused.take_if(|(_, resume)| *resume <= seconds) {
            self.learn(at, seconds);
        }
        let unused = seconds - SLACK - self.due;
        if unused > 0.0 {
            // A rate that is not used proves nothing, so it does not grow meanwhile.
            if self.from < seconds {
                self.from = (self.from + unused).min(seconds);
            }
            self.due = seconds - SLACK;
        }
        self.due += 1.0 / self.at(seconds);
    }

    /// A request sent at `sent` was granted.
    pub(super) fn granted(&mut self, sent: Duration, now: Duration) {
        let latency = now.saturating_sub(sent).as_secs_f64();
        if self.phase == Phase::Start && self.latency.is_none_or(|least| latency < 0.9 * least) {
            // The first answer waits for the connection too, so a quicker one tells the round trip better.
            let seconds = now.as_secs_f64();
            let first = (FIRST / latency.max(1e-6)).clamp(FIRST_BOUNDS.0, FIRST_BOUNDS.1);
            self.limit = if self.latency.is_none() { first } else { self.curve(seconds - self.from).max(first) };
            self.span = (DOUBLING * latency).clamp(DOUBLING_BOUNDS.0, DOUBLING_BOUNDS.1);
            self.from = seconds;
            self.latency = Some(latency);
        }
        let known = self.latency.get_or_insert(latency);
        *known += 0.1 * (latency - *known);
        self.epoch.grant(sent.as_secs_f64());
        self.share *= 1.0 - 1.0 / DEAF_ANSWERS;
        self.hits *= 1.0 - 1.0 / HITS_ANSWERS;
    }

    /// Whether a refusal is learned from; where it is not, they seem to come at random.
    pub(super) fn minds(&mut self, now: Duration) -> bool {
        let seconds = now.as_secs_f64();
        self.share += (1.0 - self.share) / DEAF_ANSWERS;
        if seconds < self.deaf_until && self.share > DEAF_SHARE {
            (self.deaf_until, self.awake_until) = (0.0, seconds + DEAF);
        }
        seconds >= self.deaf_until
    }

    /// A request sent at `sent` was refused for there were too many; nothing is sent until `resume`.
    pub(super) fn refused(&mut self, sent: Duration, now: Duration, resume: Duration) {
        let (sent, seconds, mut resume) = (sent.as_secs_f64(), now.as_secs_f64(), resume.as_secs_f64());
        if sent < self.epoch.from {
            // One of those before, which tells nothing new; but nothing goes meanwhile, so that counting begins again.
            if self.refused.is_none() && resume > seconds {
                self.epoch = Epoch::new(resume, self.epoch.gap + resume - self.epoch.from);
                self.from = self.from.max(resume);
                self.due = self.due.max(resume + SLACK);
            }
            return;
        }
        self.epoch.refuse(sent);
        if matches!(self.phase, Phase::Start | Phase::Search) && self.refused.is_none() {
            // What becomes of the requests under way tells the limit best.
            resume = resume.max(seconds + 1.2 * self.latency.unwrap_or(0.0));
        }
        let (at, later) = self.refused.unwrap_or((seconds, resume));
        self.refused = Some((at, later.max(resume)));
        self.due = self.due.max(later.max(resume) + SLACK);
    }

    /// Takes in what an epoch showed, whose first refusal came at `at`; requests go again.
    fn learn(&mut self, at: f64, seconds: f64) {
        let Some((first, last, _)) = self.epoch.refused else { return };
        let (rate, active) = (self.at(first), self.epoch.active());
        let epoch = std::mem::replace(&mut self.epoch, Epoch::new(seconds, seconds - last));
        if epoch.total() == 0.0 && self.phase != Phase::Start {
            // Nothing at all was granted. Who says when to come back is away, or will grant then; else it was too soon.
            self.limit = if seconds - at < GUESSED { (EARLY * self.limit).max(LOWEST) } else { self.limit };
            self.from = self.from.max(seconds);
            return;
        }
        let soon = match self.phase {
            Phase::Start | Phase::Search => false,
            Phase::Climb => active < EARLY_SHARE * self.span,
            Phase::Spell => active < 0.5 * self.hold(),
        };
        self.early = if soon { self.early + 1 } else { 0 };
        if self.come_at_random(rate, active) && seconds >= self.awake_until {
            (self.deaf_until, self.streak, self.hits, self.hope) = (seconds + DEAF, 0, 0.0, self.best);
            (self.phase, self.limit, self.from, self.span) = (Phase::Start, self.top, seconds, DOUBLING_BOUNDS.1);
            self.bucket = Bucket::default();
            return;
        }
        // Refused at once: that tells only that the bucket was still empty.
        if !soon || active * rate >= TELLING {
            self.bucket.learn(&epoch);
        } else {
            self.bucket.rate = rate;
        }
        let most = rate * EARLY.powi(self.early * (self.early + 1) / 2);
        // At the start the rate runs far ahead of what is sent and says nothing.
        let least = if self.phase == Phase::Start { 0.0 } else { LEAST * rate };
        let mut found = self.bucket.rate.min(most);
        self.settled = if self.phase == Phase::Climb && !soon { self.settled + 1 } else { 0 };
        if self.settled > SETTLED {
            // Epochs that are alike leave open how small the bucket is: one that goes another way tells.
            found += (BOLD.0 * (rate - found)).clamp(0.0, BOLD.1 * found);
        }
        self.turn(found.clamp(least, rate).max(LOWEST), &epoch, seconds);
        let span = SPAN.max(SPAN_REQUESTS / self.limit).max(SPAN_PAUSES * (seconds - at));
        self.doubt = self.bucket.doubt.max(self.best / self.limit - 1.0).clamp(DOUBT.0, DOUBT.1);
        self.span = span * (DOUBT.0 / self.doubt).sqrt();
    }

    /// Goes on around the limit found.
    fn turn(&mut self, limit: f64, epoch: &Epoch, seconds: f64) {
        let active = epoch.active();
        match self.phase {
            Phase::Start | Phase::Search if active > PROVEN => self.best = (epoch.total() / active).max(self.hope),
            Phase::Start | Phase::Search => self.best = self.hope,
            Phase::Spell => self.best *= (-(seconds - epoch.from) / HOPE).exp(),
            Phase::Climb if active > PROVEN => self.best = limit.max(self.best * FAILED),
            Phase::Climb => {}
        }
        if self.phase != Phase::Spell {
            self.spell = seconds;
        }
        self.phase = match self.phase {
            Phase::Start if self.bucket.doubt > DOUBT.1 => Phase::Search,
            Phase::Search if epoch.total() < TELLING => Phase::Search,
            _ if limit < SPELL * self.best => Phase::Spell,
            _ => Phase::Climb,
        };
        (self.limit, self.from) = (limit, seconds);
    }

    /// Whether refusals, of which this one came at `rate` after `active` seconds, do not come of the rate.
    fn come_at_random(&mut self, rate: f64, active: f64) -> bool {
        self.hits += 1.0 / HITS_ANSWERS;
        self.streak = if self.is_early(active) { self.streak + 1 } else { self.streak.saturating_sub(1) };
        if self.streak == 0 {
            self.top = rate;
        }
        self.streak >= STREAK || self.hits > HITS_SHARE
    }

    /// Whether a refusal after so many seconds is no sign of the limit found.
    fn is_early(&self, active: f64) -> bool {
        match self.phase {
            Phase::Start => false,
            Phase::Search => true,
            Phase::Climb => active < STREAK_SHARE * self.span,
            Phase::Spell => active < self.hold(),
        }
    }

    /// Seconds until more is tried in a spell.
    fn hold(&self) -> f64 {
        (HOLD_SHARE * (self.from - self.spell)).max(HOLD_REQUESTS / self.limit).clamp(HOLD.0, HOLD.1)
    }

    /// The rate at a moment.
    fn at(&self, seconds: f64) -> f64 {
        let rate = self.curve((seconds - self.from).max(0.0));
        self.cap.map_or(rate, |cap| rate.min(cap))
    }

    fn curve(&self, age: f64) -> f64 {
        let doubled = |times: f64| times.clamp(0.0, 30.0).exp2();
        match self.phase {
            Phase::Start => self.limit * doubled(age / self.span),
            Phase::Search => self.limit * doubled(age / SEARCH),
            Phase::Climb if self.headroom > 0.0 && age < ANEW => self.limit * (1.0 - self.headroom),
            Phase::Climb => {
                let age = if self.headroom > 0.0 { age - ANEW } else { age };
                climb(self.limit, self.doubt, age / self.span - 1.0)
            }
            Phase::Spell => {
                let base = self.limit * (1.0 - BELOW);
                let hold = self.hold();
                let reached = hold + BACK * (self.best / self.limit).log2().max(0.0);
                if age < reached {
                    base * doubled((age - hold) / BACK)
                } else {
                    climb(self.best, BEYOND, (age - reached) / AGAIN - 1.0)
                }
            }
        }
    }
}

/// The curve around a limit: at -1 a little below, at 0 there, beyond it ever steeper.
fn climb(limit: f64, doubt: f64, way: f64) -> f64 {
    let share = if way < 0.0 { doubt.min(BELOW) } else { doubt };
    limit * (1.0 + share * way.powi(3)) * (way - 1.2).clamp(0.0, 30.0).exp2()
}
