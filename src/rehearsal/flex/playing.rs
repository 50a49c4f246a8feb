//! The faults in force: their counters and draws, and what they make of a request.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::Semaphore;

use super::behaviour::{Behaviour, Switch};
use super::fault::{Action, Fault};
use super::lossy::Loss;
use super::rate::Bucket;
use super::strike::Strike;

/// What the faults do to one request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The queues that the request stands in first, one after the other, and how long it is served in each. Its place
    /// in them is free again once it is answered.
    pub queues: Vec<(Arc<Semaphore>, Duration)>,
    /// How long the request waits before it is handled.
    pub before: Duration,
    /// How long the answer waits once the request is handled and stored.
    pub after: Duration,
    /// What happens to it, if anything.
    pub strike: Option<Strike>,
    /// What is lost of what it stores.
    pub losses: Vec<Loss>,
}

/// One server's faults, which can be exchanged while it runs.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    playing: RwLock<Arc<Playing>>,
    lists: AtomicUsize,
}

/// Faults with their counters.
#[derive(Debug)]
pub struct Playing {
    /// What the switches make of the server.
    pub behaviour: Behaviour,
    running: Vec<Running>,
    seed: u64,
    since: Instant,
}

#[derive(Debug)]
struct Running {
    fault: Fault,
    count: AtomicU64,
    bucket: Bucket,
    queue: Arc<Semaphore>,
}

impl Faults {
    /// Faults with their counters at zero. `seed` decides the draws.
    pub fn new(faults: Vec<Fault>, seed: u64) -> Self {
        Self { seed, playing: RwLock::new(Arc::new(Playing::new(faults, seed))), lists: AtomicUsize::new(0) }
    }

    /// Other faults, from the next request on; counters and spells begin anew.
    pub fn set(&self, faults: Vec<Fault>) {
        let playing = Arc::new(Playing::new(faults, self.seed));
        *self.playing.write().unwrap_or_else(PoisonError::into_inner) = playing;
    }

    /// The faults in force now.
    pub fn playing(&self) -> Arc<Playing> {
        Arc::clone(&self.playing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the server was told to behave in this way.
    pub fn has(&self, switch: Switch) -> bool {
        self.playing.read().unwrap_or_else(PoisonError::into_inner).behaviour.has(switch)
    }

    /// By how much the next total is too great.
    pub fn wobble(&self) -> usize {
        if self.has(Switch::MovingTotals) { self.lists.fetch_add(1, Ordering::Relaxed) % 3 } else { 0 }
    }
}

impl Playing {
    fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let mut behaviour = Behaviour::default();
        for fault in &faults {
            if let Action::Behave { word, keys } = &fault.action {
                // Both were tried when the fault was read.
                let _ = behaviour.set(word);
                for (key, value) in keys {
                    let _ = behaviour.set_key(word, key, value);
                }
            }
        }
        let running =
            faults.into_iter().filter(|fault| !matches!(fault.action, Action::Behave { .. })).map(Running::new);
        Self { behaviour, running: running.collect(), seed, since: Instant::now() }
    }

    /// Counts the request in every fault whose route matches; delays add up, of strikes the first that fires wins.
    pub fn judge(&self, method: &str, segments: &[&str]) -> Verdict {
        let mut verdict = Verdict::default();
        if self.running.is_empty() {
            return verdict;
        }
        let now = Instant::now();
        let age = now.duration_since(self.since).as_secs_f64();
        let mut factor = 1.0;
        for (place, running) in self.running.iter().enumerate() {
            let when = &running.fault.when;
            if !when.matches(method, segments) {
                continue;
            }
            let count = running.count.fetch_add(1, Ordering::Relaxed) + 1;
            let mut random = Rng::with_seed(mixed(self.seed, place, count));
            if !when.fires(count, age) || when.share.is_some_and(|share| random.f64() >= share) {
                continue;
            }
            match &running.fault.action {
                Action::Wait { latency, commit: true } => verdict.after += latency.draw(&mut random),
                Action::Wait { latency, commit: false } => verdict.before += latency.draw(&mut random),
                Action::Slow(times) => factor *= times,
                Action::Capacity { service, .. } => {
                    verdict.queues.push((Arc::clone(&running.queue), service.draw(&mut random)));
                }
                Action::Rate(rate) => {
                    if let Some(refusal) = running.bucket.refuse(rate, now) {
                        return Verdict { strike: Some(refusal), ..Verdict::default() };
                    }
                }
                Action::Strike(strike) => verdict.strike = verdict.strike.or_else(|| Some(strike.clone())),
                Action::Loss(loss) => verdict.losses.push(loss.clone()),
                Action::Behave { .. } => {}
            }
        }
        let queued = verdict.queues.iter_mut().map(|(_, service)| service);
        for wait in queued.chain([&mut verdict.before, &mut verdict.after]) {
            *wait = wait.mul_f64(factor);
        }
        verdict
    }
}

impl Running {
    fn new(fault: Fault) -> Self {
        let places = if let Action::Capacity { places, .. } = fault.action { places } else { 0 };
        Self { fault, count: AtomicU64::new(0), bucket: Bucket::default(), queue: Arc::new(Semaphore::new(places)) }
    }
}

/// A seed for the draws of one fault and one request: neighbours have nothing in common (splitmix64).
fn mixed(seed: u64, place: usize, count: u64) -> u64 {
    let mut state = seed ^ (place as u64).rotate_left(48) ^ count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for multiplier in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        state = (state ^ (state >> 30)).wrapping_mul(multiplier);
    }
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::Faults;
    use crate::rehearsal::flex::strike::Harm;

    fn faults(specs: &[&str], seed: u64) -> Faults {
        Faults::new(specs.iter().map(|spec| spec.parse().unwrap()).collect(), seed)
    }

    fn struck(spec: &str, seed: u64, requests: u64) -> Vec<u64> {
        let faults = faults(&[spec], seed);
        (1..=requests).filter(|_| faults.playing().judge("POST", &["assets"]).strike.is_some()).collect()
    }

    #[test]
    fn every_first_and_after_count_matching_requests() {
        assert_eq!(struck("drop-after-commit:POST /assets:every=3", 0, 10), [3, 6, 9]);
        assert_eq!(struck("status=503:POST /assets:first=2:retry-after=1", 0, 10), [1, 2]);
        assert_eq!(struck("reset:* /assets:after=4:first=2", 0, 10), [5, 6]);
        assert!(struck("reset:GET /assets", 0, 10).is_empty());
        assert!(struck("reset:POST /assets/*/annotations", 0, 10).is_empty());
        assert!(struck("reset:*:from=3600", 0, 10).is_empty());
    }

    #[test]
    fn a_share_is_drawn_from_the_seed_alone() {
        let first = struck("reset:*:p=0.1", 1, 10_000);
        assert!((900..1_100).contains(&first.len()), "{}", first.len());
        assert_eq!(first, struck("reset:*:p=0.1", 1, 10_000));
        assert_ne!(first, struck("reset:*:p=0.1", 2, 10_000));
    }

    #[test]
    fn delays_add_up_a_spell_stretches_them_and_the_first_strike_wins() {
        let specs = ["delay-ms=20:*", "latency=5ms", "delay-ms=7:*:commit=true", "status=429", "reset"];
        let verdict = faults(&specs, 0).playing().judge("GET", &["assets", "7"]);
        assert_eq!((verdict.before.as_millis(), verdict.after.as_millis()), (25, 7));
        assert!(matches!(verdict.strike.unwrap().harm, Harm::Status { status, .. } if status == 429));
        let specs = ["slow-spell=0..3600:x10", "latency=5ms", "capacity=2:*:service=3ms", "slow-spell=0..9:2ms"];
        let verdict = faults(&specs, 0).playing().judge("GET", &["assets"]);
        assert_eq!((verdict.before.as_millis(), verdict.queues[0].1.as_millis()), (70, 30));
    }

    #[test]
    fn what_a_rate_refuses_is_not_counted_further() {
        let faults = faults(&["latency=5ms", "rate=0.001:*:burst=2", "reset:*:first=3"], 0);
        let names: Vec<_> = (0..4).map(|_| faults.playing().judge("GET", &["assets"]).strike.unwrap().name).collect();
        assert_eq!(names, ["reset", "reset", "rate", "rate"]);
        faults.set(Vec::new());
        assert!(faults.playing().judge("GET", &["assets"]).strike.is_none());
    }
}
