//! What tasks run on, and by what they wait: tokio, or in a browser its event loop.

#[cfg(not(target_family = "wasm"))]
pub use native::{Instant, Runtime, Sleep, interval, sleep_until, spawn, timeout, timeout_at};
#[cfg(target_family = "wasm")]
pub use web::{Instant, Runtime, Sleep, interval, sleep_until, spawn, timeout, timeout_at};

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::future::Future;
    use std::time::Duration;

    use tokio::runtime::Handle;
    pub use tokio::time::{Instant, Sleep, interval, sleep_until, timeout, timeout_at};

    /// The runtime, for what is polled outside of it.
    #[derive(Clone, Debug)]
    pub struct Runtime(Handle);

    impl Runtime {
        /// The one that this is called in, if it is.
        #[must_use]
        pub fn current() -> Option<Self> {
            Handle::try_current().map(Self).ok()
        }

        /// Starts a task.
        pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            self.0.spawn(task);
        }

        /// Ready after so long.
        pub fn sleep(&self, pause: Duration) -> Sleep {
            let _entered = self.0.enter();
            tokio::time::sleep(pause)
        }
    }

    /// Starts a task beside the one that calls this.
    pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

#[cfg(target_family = "wasm")]
mod web {
    use std::future::Future;
    use std::time::Duration;

    pub use n0_future::time::{Instant, Sleep, interval, sleep_until, timeout};
    use wasm_bindgen_futures::spawn_local;

    /// The event loop.
    #[derive(Clone, Debug)]
    pub struct Runtime;

    impl Runtime {
        /// There always is one.
        #[must_use]
        pub fn current() -> Option<Self> {
            Some(Self)
        }

        /// Starts a task.
        pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
            spawn_local(task);
        }

        /// Ready after so long.
        pub fn sleep(&self, pause: Duration) -> Sleep {
            n0_future::time::sleep(pause)
        }
    }

    /// Starts a task beside the one that calls this.
    pub fn spawn(task: impl Future<Output = ()> + 'static) {
        spawn_local(task);
    }

    /// What comes of a future, unless it takes until then.
    ///
    /// # Errors
    ///
    /// That it does.
    pub async fn timeout_at<F: Future>(
        at: Instant,
        future: F,
    ) -> Result<F::Output, n0_future::time::Elapsed> {
        timeout(at.saturating_duration_since(Instant::now()), future).await
    }
}
