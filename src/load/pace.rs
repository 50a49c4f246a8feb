//! How many requests are under way: up to the configured number, halved when the target asks for less, one more after
//! as many successes as the limit (additive increase, multiplicative decrease). Never less than one.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Gives leave to work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<Shape>,
    freed: Notify,
}

#[derive(Debug)]
struct Shape {
    most: usize,
    limit: usize,
    working: usize,
    successes: usize,
    throttled: u64,
}

/// Leave to work on one row; ends when dropped.
#[derive(Debug)]
pub struct Leave(Pace);

impl Pace {
    /// Begins with the full number.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = Mutex::new(Shape { most, limit: most, working: 0, successes: 0, throttled: 0 });
        Self(Arc::new(Inner { state, freed: Notify::new() }))
    }

    /// Waits until there is room for one more.
    pub async fn enter(&self) -> Leave {
        loop {
            let freed = self.0.freed.notified();
            {
                let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.working < state.limit {
                    state.working += 1;
                    return Leave(self.clone());
                }
            }
            freed.await;
        }
    }

    /// A row is done; `throttled` is how often the target has asked for less so far.
    pub fn observe(&self, throttled: u64) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if throttled > state.throttled {
            // One halving for all that came together: the workers in flight were all sent at the old limit.
            state.throttled = throttled;
            state.limit = (state.limit / 2).max(1);
            state.successes = 0;
        } else {
            state.successes += 1;
            if state.successes >= state.limit && state.limit < state.most {
                state.limit += 1;
                state.successes = 0;
            }
        }
        drop(state);
        self.0.freed.notify_one();
    }

    /// The limit now.
    #[cfg(test)]
    fn limit(&self) -> usize {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).limit
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.0.state.lock().unwrap_or_else(PoisonError::into_inner).working -= 1;
        self.0.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_limit_halves_and_recovers_and_never_ends() {
        let pace = Pace::new(8);
        pace.observe(3);
        assert_eq!(pace.limit(), 4);
        (4..20).for_each(|throttled| pace.observe(throttled));
        assert_eq!(pace.limit(), 1);
        (0..100).for_each(|_| pace.observe(19));
        assert_eq!(pace.limit(), 8);
        (0..100).for_each(|_| pace.observe(19));
        assert_eq!(pace.limit(), 8);
    }

    #[tokio::test]
    async fn no_more_than_the_limit_enter() {
        let pace = Pace::new(2);
        let first = pace.enter().await;
        let _second = pace.enter().await;
        let third = tokio::time::timeout(Duration::from_millis(30), pace.enter()).await;
        assert!(third.is_err());
        drop(first);
        tokio::time::timeout(Duration::from_secs(5), pace.enter()).await.unwrap();
    }
}
