//! The system's clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::timer::Timer;

/// The longest sleep in one piece: the system has no name for moments that are very far off.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells the time by [`Instant`], on any native executor.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimer {
    start: Instant,
}

impl SystemTimer {
    /// A clock that starts at zero.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemTimer {
    fn default() -> Self {
        Self::new()
    }
}

impl Timer for SystemTimer {
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

    async fn sleep_until(&self, at: Duration) {
        while let Some(left) = at.checked_sub(self.now()).filter(|left| !left.is_zero()) {
            futures_timer::Delay::new(left.min(LONGEST)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_moment_that_is_never_reached_is_waited_for() {
        let timer = SystemTimer::new();
        assert!(timer.sleep_until(Duration::MAX).now_or_never().is_none());
        assert!(timer.sleep_until(Duration::ZERO).now_or_never().is_some());
    }
}
