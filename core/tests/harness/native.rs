//! What tests need of their host: the native one.

use std::time::{Duration, SystemTime};

pub use paxoskv_core::memory::SystemTimer as Clock;
/// The attribute of a test.
pub use tokio::test;

/// What can be run beside a test. Native ports make drivers that can go to another thread, which this asks for.
pub trait Spawn: Send + 'static {}
impl<F: Send + 'static> Spawn for F {}

/// Runs it on the test's thread.
pub fn spawn(future: impl Future<Output = ()> + Spawn) {
    drop(tokio::spawn(future));
}

/// The time of day.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Lets nothing else run for so long.
pub fn block(time: Duration) {
    std::thread::sleep(time);
}
