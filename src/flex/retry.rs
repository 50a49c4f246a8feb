//! When a request is repeated, and after how long: the policy as data, and the state that all workers share (the pause
//! that a throttled target asks for, and the budget that keeps repeats from becoming a storm).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep, sleep_until};

/// How often and how patiently a request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Repeats of one request before it is given up.
    pub repeats: u32,
    /// Upper bound of the first delay; doubled with each repeat. The delay is drawn evenly below the bound (full jitter).
    pub first: Duration,
    /// Upper bound of all delays, and the length of the pause when the budget is spent.
    pub longest: Duration,
    /// The longest `Retry-After` that is honoured.
    pub longest_retry_after: Duration,
    /// Repeats allowed for each hundred requests.
    pub budget_percent: u32,
    /// Repeats allowed before any request has succeeded.
    pub reserve: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            repeats: 10,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(20),
            longest_retry_after: Duration::from_secs(120),
            budget_percent: 10,
            reserve: 20,
        }
    }
}

impl RetryPolicy {
    /// Upper bound of the delay before the given repeat (from 1).
    fn bound(&self, repeat: u32) -> Duration {
        self.first.saturating_mul(1u32.checked_shl(repeat.saturating_sub(1)).unwrap_or(u32::MAX)).min(self.longest)
    }

    fn jittered(&self, repeat: u32) -> Duration {
        self.bound(repeat).mul_f64(fastrand::f64())
    }
}

/// One repeat costs this much of the budget; one request earns `budget_percent`.
const COST: i64 = 100;

/// The state of repeats shared by all workers of a client.
#[derive(Debug)]
pub struct Retry {
    policy: RetryPolicy,
    credit: AtomicI64,
    repeats: AtomicU64,
    throttled: AtomicU64,
    paused_until: Mutex<Instant>,
}

impl Retry {
    /// Nothing repeated yet, no pause.
    pub fn new(policy: RetryPolicy) -> Self {
        let credit = AtomicI64::new(i64::from(policy.reserve) * COST);
        Self {
            policy,
            credit,
            repeats: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            paused_until: Mutex::new(Instant::now()),
        }
    }

    /// Repeats so far.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Answers so far by which the target asked for less.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// A new request earns its share of the budget.
    pub fn earn(&self) {
        // More than a thousand repeats in reserve would be a storm of their own.
        if self.credit.load(Ordering::Relaxed) < 1_000 * COST {
            self.credit.fetch_add(i64::from(self.policy.budget_percent), Ordering::Relaxed);
        }
    }

    /// Waits until no pause is in force.
    pub async fn pass(&self) {
        loop {
            let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// The target asked for less (429, 503): all workers pause for the longer of what it asked (capped) and our own
    /// back-off.
    pub fn throttle(&self, repeat: u32, retry_after: Option<Duration>) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
        let asked = retry_after.unwrap_or_default().min(self.policy.longest_retry_after);
        self.pause(asked.max(self.policy.jittered(repeat)));
    }

    /// Whether the given repeat (from 1) may be made; waits the back-off before answering yes. With the budget spent,
    /// all workers pause for the longest delay first, so that what follows is a probe and not a storm.
    pub async fn again(&self, repeat: u32) -> bool {
        if repeat > self.policy.repeats {
            return false;
        }
        self.repeats.fetch_add(1, Ordering::Relaxed);
        if self.credit.load(Ordering::Relaxed) < COST {
            tracing::warn!(pause = ?self.policy.longest, "the retry budget is spent: all requests pause");
            self.throttled.fetch_add(1, Ordering::Relaxed);
            self.pause(self.policy.longest);
        } else {
            self.credit.fetch_sub(COST, Ordering::Relaxed);
            sleep(self.policy.jittered(repeat)).await;
        }
        self.pass().await;
        true
    }

    fn pause(&self, length: Duration) {
        let mut until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + length);
    }
}

/// The `Retry-After` header: seconds or an HTTP date (RFC 9110, section 10.2.3). What is neither, negative or past
/// counts as none.
pub fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(value.trim()).ok()?;
    (at.with_timezone(&Utc) - DateTime::<Utc>::from(SystemTime::now())).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Real time, in miniature.
    fn retry(reserve: u32) -> Retry {
        Retry::new(RetryPolicy {
            repeats: 10,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(30),
            longest_retry_after: Duration::from_millis(90),
            budget_percent: 10,
            reserve,
        })
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let bounds: Vec<u128> = (1..=9).map(|repeat| policy.bound(repeat).as_millis()).collect();
        assert_eq!(bounds, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000, 20_000]);
        assert_eq!(policy.bound(u32::MAX), policy.longest);
        let jittered: Vec<Duration> = (0..200).map(|_| policy.jittered(3)).collect();
        assert!(jittered.iter().all(|delay| *delay <= policy.bound(3)));
        assert!(jittered.iter().any(|delay| *delay < policy.bound(3) / 4), "full jitter reaches down");
        assert!(jittered.iter().any(|delay| *delay > policy.bound(3) / 4 * 3), "full jitter reaches up");
    }

    #[tokio::test]
    async fn repeats_end() {
        let retry = retry(100);
        for repeat in 1..=10 {
            assert!(retry.again(repeat).await);
        }
        assert!(!retry.again(11).await);
        assert_eq!(retry.repeats(), 10);
    }

    #[tokio::test]
    async fn a_throttled_answer_pauses_every_worker() {
        let retry = retry(100);
        let before = Instant::now();
        retry.throttle(1, Some(Duration::from_millis(60)));
        let waits = (0..8).map(|_| async {
            retry.pass().await;
            before.elapsed()
        });
        let waited = futures::future::join_all(waits).await;
        assert!(waited.iter().all(|wait| *wait >= Duration::from_millis(60)), "{waited:?}");
        let before = Instant::now();
        retry.pass().await;
        assert!(before.elapsed() < Duration::from_millis(30), "the pause is over");
    }

    #[tokio::test]
    async fn an_absurd_retry_after_is_capped() {
        let retry = retry(100);
        let before = Instant::now();
        retry.throttle(1, Some(Duration::from_secs(u64::from(u32::MAX))));
        retry.pass().await;
        assert!(before.elapsed() >= Duration::from_millis(90));
    }

    #[tokio::test]
    async fn a_spent_budget_pauses_all_and_requests_earn_it_back() {
        let retry = retry(1);
        assert!(retry.again(1).await);
        let before = Instant::now();
        assert!(retry.again(1).await);
        assert!(before.elapsed() >= Duration::from_millis(30));
        assert_eq!(retry.throttled(), 1);
        (0..10).for_each(|_| retry.earn());
        assert!(retry.again(1).await);
        assert_eq!(retry.throttled(), 1, "ten requests earned one repeat");
    }

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        assert_eq!(retry_after(" 3 "), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("-3"), None);
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        let far = retry_after("Tue, 31 Dec 2999 23:59:59 GMT");
        assert!(far.is_some_and(|wait| wait > Duration::from_secs(86_400)));
    }
}
