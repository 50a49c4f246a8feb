//! A rate limit: a token bucket that refuses what comes faster.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use chrono::{DateTime, Utc};

use super::strike::{Harm, Strike};

/// A limit as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// Requests a second.
    pub per_second: f64,
    /// Requests that may come at once; `None` is one second's worth.
    pub burst: Option<f64>,
    /// What a refused request is answered with.
    pub status: StatusCode,
    /// What `Retry-After` says then.
    pub retry_after: RetryAfter,
}

/// What `Retry-After` says.
#[derive(Debug, Clone, PartialEq)]
pub enum RetryAfter {
    /// Whole seconds until a token is there.
    Seconds,
    /// The HTTP date of that second.
    Date,
    /// The header is absent.
    None,
    /// This text.
    Text(String),
}

impl RetryAfter {
    /// Reads `seconds`, `date`, `none` or any other text, which is sent as it is.
    pub fn parse(text: &str) -> Self {
        match text {
            "seconds" => Self::Seconds,
            "date" => Self::Date,
            "none" => Self::None,
            other => Self::Text(other.to_owned()),
        }
    }

    fn header(&self, wait: Duration) -> Option<String> {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        match self {
            Self::Seconds => Some(seconds.to_string()),
            Self::Date => {
                let at = DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(seconds));
                Some(at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
            }
            Self::None => None,
            Self::Text(text) => Some(text.clone()),
        }
    }
}

/// The tokens left, and when they were counted; `None` before the first request, when the bucket is full.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<Option<(f64, Instant)>>);

impl Bucket {
    /// Takes a token, or gives the refusal of a request that comes `now` and finds none.
    pub fn refuse(&self, rate: &Rate, now: Instant) -> Option<Strike> {
        let burst = rate.burst.unwrap_or(rate.per_second).max(1.0);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, counted) = state.unwrap_or((burst, now));
        let tokens = (left + now.saturating_duration_since(counted).as_secs_f64() * rate.per_second).min(burst);
        let refused = tokens < 1.0;
        *state = Some((if refused { tokens } else { tokens - 1.0 }, now.max(counted)));
        drop(state);
        let wait = Duration::from_secs_f64((1.0 - tokens).max(0.0) / rate.per_second);
        refused.then(|| Strike {
            name: "rate",
            harm: Harm::Status { status: rate.status, retry_after: rate.retry_after.header(wait), html: false },
            commit: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use axum::http::StatusCode;

    use super::{Bucket, Rate, RetryAfter};
    use crate::rehearsal::flex::strike::Harm;

    #[test]
    fn a_bucket_lets_its_burst_pass_and_then_its_rate() {
        let rate = Rate {
            per_second: 10.0,
            burst: Some(5.0),
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: RetryAfter::Seconds,
        };
        let (bucket, start) = (Bucket::default(), Instant::now());
        // A request every 10 ms for two seconds: the burst, and ten a second.
        let passed = (0..200).filter(|n| bucket.refuse(&rate, start + Duration::from_millis(n * 10)).is_none());
        assert_eq!(passed.count(), 24);
        let slow = Rate { per_second: 0.4, burst: Some(1.0), ..rate };
        let bucket = Bucket::default();
        assert!(bucket.refuse(&slow, start).is_none());
        let Harm::Status { retry_after, .. } = bucket.refuse(&slow, start).unwrap().harm else { panic!("a status") };
        assert_eq!(retry_after.as_deref(), Some("3"));
    }
}
