//! A cap on the bytes that all readers together take off the wire (`source.max_mbps`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Bytes that may come ahead of their time, as time: below this nobody is made to wait.
const AHEAD: Duration = Duration::from_millis(50);

/// Makes readers wait so that they stay below a rate together. Without a rate it never does. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace(Option<Arc<Account>>);

#[derive(Debug)]
struct Account {
    bytes_per_second: f64,
    /// The moment at which all bytes taken so far are paid for.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    /// A cap of so many million bytes a second, or none.
    pub(super) fn new(megabytes: Option<usize>) -> Self {
        let account = |megabytes: usize| {
            Arc::new(Account { bytes_per_second: megabytes.max(1) as f64 * 1e6, paid: Mutex::default() })
        };
        Self(megabytes.map(account))
    }

    /// Accounts for so many bytes that have come and waits until they may have.
    pub(super) async fn take(&self, bytes: usize) {
        if let Some(wait) = self.charge(bytes) {
            sleep(wait).await;
        }
    }

    /// Accounts for so many bytes that have come, and says how long to wait before more may.
    pub(super) fn charge(&self, bytes: usize) -> Option<Duration> {
        self.0.as_ref()?.charge(bytes, Instant::now())
    }
}

impl Account {
    /// How long to wait after taking so many bytes at this moment.
    fn charge(&self, bytes: usize, now: Instant) -> Option<Duration> {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let until =
            paid.map_or(now, |paid| paid.max(now)) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        *paid = Some(until);
        let wait = until.duration_since(now);
        (wait > AHEAD).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_over_all_readers_and_idle_time_is_not_saved_up() {
        let pace = Pace::new(Some(10));
        let account = pace.0.as_ref().unwrap();
        let begin = Instant::now();
        // Three readers, each as fast as it is let: time is what the waits make it.
        let mut clocks = [begin; 3];
        let mut taken = 0;
        while clocks.iter().min().unwrap().duration_since(begin) < Duration::from_secs(20) {
            let reader = (0..3).min_by_key(|reader| clocks[*reader]).unwrap();
            let bytes = 1 + (taken * 7919) % 3_000_000;
            taken += bytes;
            let wait = account.charge(bytes, clocks[reader]).unwrap_or_default();
            clocks[reader] += wait + Duration::from_nanos(1);
        }
        let seconds = clocks.iter().max().unwrap().duration_since(begin).as_secs_f64();
        let rate = taken as f64 / seconds / 1e6;
        assert!((9.9..=10.1).contains(&rate), "{rate} MB/s");

        let later = *clocks.iter().max().unwrap() + Duration::from_secs(3600);
        assert_eq!(account.charge(400_000, later), None, "a small step ahead is nothing to wait for");
        assert_eq!(account.charge(5_000_000, later), Some(Duration::from_millis(540)), "an idle hour buys nothing");
    }

    #[tokio::test]
    async fn without_a_rate_nobody_waits() {
        let pace = Pace::new(None);
        assert!(futures::FutureExt::now_or_never(pace.take(usize::MAX / 2)).is_some());
    }
}
