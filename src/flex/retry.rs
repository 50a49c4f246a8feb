//! When a request is repeated, and after how long: the policy as data, and the budget that keeps repeats from becoming a
//! storm.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

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

/// Whether a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After this long.
    After(Duration),
    /// After all requests have paused so long: the budget is spent, and what follows is to be a probe and not a storm.
    Spent(Duration),
    /// No: there were enough.
    Enough,
}

/// The budget of repeats, shared by all workers of a client.
#[derive(Debug)]
pub struct Retry {
    policy: RetryPolicy,
    credit: AtomicI64,
    repeats: AtomicU64,
}

impl Retry {
    /// Nothing repeated yet.
    pub fn new(policy: RetryPolicy) -> Self {
        let credit = AtomicI64::new(i64::from(policy.reserve) * COST);
        Self { policy, credit, repeats: AtomicU64::new(0) }
    }

    /// Repeats so far.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// A new request earns its share of the budget.
    pub fn earn(&self) {
        // More than a thousand repeats in reserve would be a storm of their own.
        if self.credit.load(Ordering::Relaxed) < 1_000 * COST {
            self.credit.fetch_add(i64::from(self.policy.budget_percent), Ordering::Relaxed);
        }
    }

    /// The pause for all after the given refusal (from 1) of a request for too much (429, 503): the longer of what the
    /// target asked, capped, and our own back-off.
    pub fn pause(&self, repeat: u32, retry_after: Option<Duration>) -> Duration {
        let asked = retry_after.unwrap_or_default().min(self.policy.longest_retry_after);
        asked.max(self.policy.jittered(repeat))
    }

    /// Whether and when the given repeat (from 1) may be made; `counted` are those that count against the policy's number,
    /// which repeats do not that only waited for a target that was away.
    pub fn again(&self, repeat: u32, counted: u32) -> Again {
        if counted > self.policy.repeats {
            return Again::Enough;
        }
        self.repeats.fetch_add(1, Ordering::Relaxed);
        if self.credit.load(Ordering::Relaxed) < COST {
            return Again::Spent(self.policy.longest);
        }
        self.credit.fetch_sub(COST, Ordering::Relaxed);
        Again::After(self.policy.jittered(repeat))
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

    fn retry(reserve: u32) -> Retry {
        let longest_retry_after = Duration::from_secs(90);
        Retry::new(RetryPolicy { repeats: 10, longest_retry_after, reserve, ..RetryPolicy::default() })
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

    #[test]
    fn repeats_end_unless_the_target_is_waited_for() {
        let retry = retry(100);
        assert!((1..=10).all(|repeat| matches!(retry.again(repeat, repeat), Again::After(_))));
        assert_eq!(retry.again(11, 11), Again::Enough);
        assert_eq!(retry.repeats(), 10);
        assert!(matches!(retry.again(11, 10), Again::After(_)));
    }

    #[test]
    fn retry_after_is_kept_to_and_an_absurd_one_capped() {
        let retry = retry(100);
        assert_eq!(retry.pause(1, Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(retry.pause(1, Some(Duration::from_secs(u64::MAX))), Duration::from_secs(90));
        assert!(retry.pause(1, None) <= Duration::from_millis(200));
    }

    #[test]
    fn a_spent_budget_says_so_and_requests_earn_it_back() {
        let retry = retry(1);
        assert!(matches!(retry.again(1, 1), Again::After(_)));
        assert_eq!(retry.again(1, 1), Again::Spent(Duration::from_secs(20)));
        (0..10).for_each(|_| retry.earn());
        assert!(matches!(retry.again(1, 1), Again::After(_)), "ten requests earned one repeat");
        assert_eq!(retry.again(1, 1), Again::Spent(Duration::from_secs(20)));
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
