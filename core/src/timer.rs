//! The port to the clock.

use std::future::Future;
use std::time::Duration;

/// A moment, as both of a machine's clocks have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// By the clock that never goes back: [`Timer::now`].
    pub steady: Duration,
    /// Since 1970: [`Timer::unix`].
    pub unix: Duration,
}

/// Tells the time, and when some time has passed.
pub trait Timer {
    /// Time since some fixed moment. Never goes back; how far it stands still while a machine sleeps is its own
    /// affair. Safety never depends on it.
    fn now(&self) -> Duration;

    /// Time since 1970 by the machine's clock, which somebody may set, forward or back. Deadlines go by it; no safety
    /// depends on it.
    fn unix(&self) -> Duration;

    /// Resolves once [`now`](Self::now) is past that moment.
    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()>;
}
