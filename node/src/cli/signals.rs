//! What the system tells the process: Ctrl-C, and the wish that it end.

use super::failure::Failure;

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Told {
    /// The status of whoever ends by it.
    pub(crate) fn status(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

#[cfg(unix)]
mod system {
    use super::Told;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    pub(crate) struct Signals {
        interrupt: Signal,
        terminate: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> std::io::Result<Self> {
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
        }

        /// The next signal.
        pub(crate) async fn next(&mut self) -> Told {
            tokio::select! {
                _ = self.interrupt.recv() => Told::Interrupt,
                _ = self.terminate.recv() => Told::Terminate,
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::Told;

    pub(crate) struct Signals;

    impl Signals {
        pub(super) fn listen() -> std::io::Result<Self> {
            Ok(Self)
        }

        /// The next Ctrl-C, which is all there is here.
        pub(crate) async fn next(&mut self) -> Told {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Told::Interrupt
        }
    }
}

pub(crate) use system::Signals;

/// Takes signals from now on, which end the process no more.
pub(crate) fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|e| Failure::error(format!("cannot listen for Ctrl-C: {e}")))
}
