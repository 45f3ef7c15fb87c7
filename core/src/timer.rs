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
///
/// ```
/// use std::future::Future;
/// use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
/// use paxoskv_core::Timer;
///
/// struct Clock(Instant);
///
/// impl Timer for Clock {
///     fn now(&self) -> Duration {
///         self.0.elapsed()
///     }
///     fn unix(&self) -> Duration {
///         SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
///     }
///     fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
///         let start = self.0;
///         move || start.elapsed()
///     }
///     async fn sleep_until(&self, at: Duration) {
///         // Far-off moments are slept towards in steps.
///         while let Some(left) = at.checked_sub(self.now()).filter(|left| !left.is_zero()) {
///             futures_timer::Delay::new(left.min(Duration::from_secs(3600))).await;
///         }
///     }
/// }
/// ```
pub trait Timer {
    /// Time since some fixed moment. Never goes back; whether it goes on while a machine sleeps is up to the clock.
    /// Safety never depends on it.
    fn now(&self) -> Duration;

    /// Time since 1970 by the machine's clock, which somebody may set, forward or back. Deadlines of keys go by it; no
    /// safety depends on it.
    fn unix(&self) -> Duration;

    /// A function that gives the same time as [`now`](Self::now), wherever it is called: the handles of a node call it on
    /// their own, on any thread, when a call begins and when somebody asks whether a lock is still held. The timer itself
    /// belongs to the driver and need not be `Send`.
    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static;

    /// Resolves once [`now`](Self::now) is past that moment, which may be further off than the machine's own timers
    /// reach: up to [`Duration::MAX`].
    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()>;
}
