//! The port to the clock.

use std::future::Future;
use std::time::Duration;

/// Tells the time, and when some time has passed.
pub trait Timer {
    /// Time since some fixed moment. Never goes back; how far it stands still while a machine sleeps is its own
    /// affair. Safety never depends on it.
    fn now(&self) -> Duration;

    /// Resolves once [`now`](Self::now) is past that moment.
    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()>;
}
