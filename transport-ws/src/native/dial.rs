//! Keeping a link to whoever is at an address: one task per address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use paxoskv_core::transport::{Closing, Event};
use tokio::sync::watch;
use tokio::time::Instant;

use super::config::WsConfig;
use super::connect::connect;
use super::establish::Failure;
use super::hub::Hub;
use super::link::run;
use super::wait::wait;
use crate::address::Address;
use crate::ending::Ended;
use crate::refusal::Code;
use crate::relay::is_relayed;

/// An address that is dialed, as the transport sees it.
pub(super) struct Dialed {
    /// Failures in a row.
    failures: Arc<AtomicU32>,
    /// Dropped, it ends the task at its next pause.
    _keep: watch::Sender<()>,
}

impl Dialed {
    /// Starts to dial.
    pub(super) fn start(hub: &Arc<Hub>, runtime: &tokio::runtime::Handle, address: Address) -> Self {
        let (keep, kept) = watch::channel(());
        let failures = Arc::new(AtomicU32::new(0));
        if hub.config.wait_at_relays && !is_relayed(&address) {
            runtime.spawn(wait(Arc::clone(hub), address.clone(), kept.clone()));
        }
        let dialer = Dialer { hub: Arc::clone(hub), address, failures: Arc::clone(&failures), kept };
        runtime.spawn(dialer.run());
        Self { failures, _keep: keep }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }
}

struct Dialer {
    hub: Arc<Hub>,
    address: Address,
    failures: Arc<AtomicU32>,
    kept: watch::Receiver<()>,
}

/// What to do after an attempt, or after a link.
enum Next {
    /// Dial after a pause that grows with each failure.
    Backoff,
    /// Dial after the long pause that follows a refusal.
    Refused,
    /// Dial as soon as this is down.
    After(paxoskv_core::transport::LinkId),
    /// Never dial again.
    Forget,
}

impl Dialer {
    async fn run(mut self) {
        loop {
            if self.hub.is_leaving() || self.hub.is_own(&self.address) {
                return;
            }
            let next = self.once().await;
            let hub = Arc::clone(&self.hub);
            let pause = async {
                match next {
                    Next::Backoff => {
                        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(backoff(&hub.config, failures)).await;
                    }
                    Next::Refused => {
                        self.failures.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(jittered(hub.config.refused_pause)).await;
                    }
                    Next::After(link) => hub.until_down(link).await,
                    Next::Forget => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => {}
                // The address made room for another, or the transport is gone.
                _ = self.kept.changed() => return,
            }
        }
    }

    async fn once(&self) -> Next {
        let ready = match connect(&self.hub, &self.address).await {
            Ok(ready) => ready,
            Err(failure) => return self.unreachable(failure).await,
        };
        let up = Instant::now();
        let ended = run(&self.hub, ready).await;
        if up.elapsed() >= self.hub.config.backoff_cap {
            self.failures.store(0, Ordering::Relaxed);
        }
        match &ended {
            Ended::Here(Closing::Itself) | Ended::There(Some(Code::Itself), _) => Next::Forget,
            Ended::Here(Closing::Duplicate { kept }) => self.after(*kept),
            Ended::There(Some(Code::Duplicate), _) => {
                let kept = ended.kept_there().and_then(|token| self.hub.by_token(&token));
                kept.map_or(Next::Refused, |kept| self.after(kept))
            }
            Ended::Here(Closing::Refused(_)) | Ended::There(Some(Code::Refused), _) | Ended::TooMany => {
                Next::Refused
            }
            Ended::Here(_) | Ended::There(..) | Ended::Broken(_) => Next::Backoff,
        }
    }

    fn after(&self, kept: paxoskv_core::transport::LinkId) -> Next {
        self.failures.store(0, Ordering::Relaxed);
        Next::After(kept)
    }

    async fn unreachable(&self, failure: Failure) -> Next {
        let (reason, refused) = match failure {
            Failure::Refused(reason) => (reason, true),
            Failure::Broken(reason) => (reason, false),
        };
        let address = self.address.to_string();
        if refused && self.failures.load(Ordering::Relaxed) == 0 {
            tracing::warn!(address, reason, "refused");
        } else {
            tracing::debug!(address, reason, refused, "unreachable");
        }
        let _ = self.hub.tell(Event::Unreachable { address, reason, refused }).await;
        if refused { Next::Refused } else { Next::Backoff }
    }
}

/// The pause after so many failures in a row before this one.
pub(super) fn backoff(config: &WsConfig, failures: u32) -> Duration {
    let grown = config.backoff_start.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    jittered(grown.min(config.backoff_cap))
}

/// Shorter by chance, so that nodes that lost one another at the same time do not meet at the same time.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_cap() {
        let config = WsConfig::default();
        for (failures, longest) in
            [(0, 100), (1, 200), (4, 1600), (5, 3000), (31, 3000), (32, 3000), (u32::MAX, 3000)]
        {
            let pause = backoff(&config, failures);
            let longest = Duration::from_millis(longest);
            assert!(pause <= longest && pause >= longest / 2, "{failures}: {pause:?}");
        }
    }
}
