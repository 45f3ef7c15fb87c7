//! What tests need of their host: the JavaScript one.

use std::time::{Duration, SystemTime};

use gloo_timers::future::TimeoutFuture;
use paxoskv_core::Timer;
/// The attribute of a test.
pub use wasm_bindgen_test::wasm_bindgen_test as test;
use web_time::Instant;
use web_time::web::SystemTimeExt;

/// What can be run beside a test. There is one thread.
pub trait Spawn: 'static {}
impl<F: 'static> Spawn for F {}

/// Runs it in the same event loop.
pub fn spawn(future: impl Future<Output = ()> + Spawn) {
    wasm_bindgen_futures::spawn_local(future);
}

/// The time of day.
pub fn now() -> SystemTime {
    web_time::SystemTime::now().to_std()
}

/// Lets nothing else run for so long.
pub fn block(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {}
}

/// The host's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts at zero.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Timer for Clock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn unix(&self) -> Duration {
        now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let start = self.0;
        move || start.elapsed()
    }

    async fn sleep_until(&self, at: Duration) {
        // A timeout of JavaScript may be early by a part of a millisecond, and has 31 bits.
        let left = at.saturating_sub(self.now()).as_millis().saturating_add(1);
        TimeoutFuture::new(u32::try_from(left).unwrap_or(u32::MAX).min(u32::MAX >> 1)).await;
    }
}
