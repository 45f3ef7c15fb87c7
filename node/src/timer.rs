//! The clock of a native node.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use paxoskv_core::Timer;
use tokio::time::{Instant, sleep_until};

/// Tokio's clock. A test that pauses it pauses the node, too.
#[derive(Clone, Copy, Debug)]
pub struct TokioTimer {
    start: Instant,
}

impl TokioTimer {
    /// A clock that starts at zero.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for TokioTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let start = self.start;
        move || start.elapsed()
    }

    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()> {
        // A moment that no clock can name is as good as never.
        let at = self.start.checked_add(at);
        async move {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_passes_while_it_sleeps() {
        let timer = TokioTimer::new();
        let until = timer.now() + Duration::from_millis(20);
        timer.sleep_until(until).await;
        assert!(timer.now() >= until);
    }

    #[test]
    fn it_knows_the_date() {
        let known = Duration::from_secs(1_750_000_000); // a day of 2025
        assert!(TokioTimer::new().unix() > known);
    }

    #[tokio::test]
    async fn a_moment_in_the_past_does_not_wait() {
        TokioTimer::new().sleep_until(Duration::ZERO).await;
    }
}
