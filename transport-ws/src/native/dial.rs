//! Keeping a link to whoever is at an address: one task per address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use paxoskv_core::transport::{CloseReason, Event};
use paxoskv_transport_queues::pause::jittered;
use paxoskv_transport_queues::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::Instant;

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
    pub(super) since: Instant,
    /// Failures in a row.
    failures: Arc<AtomicU32>,
    /// Dropped, it ends the task at its next pause.
    _keep: watch::Sender<()>,
}

impl Dialed {
    /// Starts to dial.
    pub(super) fn start(hub: &Arc<Hub>, runtime: &Runtime, address: Address) -> Self {
        let (keep, kept) = watch::channel(());
        let failures = Arc::new(AtomicU32::new(0));
        if hub.config.wait_at_relays && !is_relayed(&address) {
            runtime.spawn(wait(Arc::clone(hub), address.clone(), kept.clone()));
        }
        let dialer = Dialer { hub: Arc::clone(hub), address, failures: Arc::clone(&failures), kept };
        runtime.spawn(dialer.run());
        Self { since: Instant::now(), failures, _keep: keep }
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
    /// Dial after the long pause that follows a refusal, or a name that led back here.
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
                        tokio::time::sleep(hub.config.backoff(failures)).await;
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
        let ready = match connect(&self.hub, &self.address, self.failures()).await {
            Ok(ready) => ready,
            Err(failure) => return self.unreachable(failure).await,
        };
        let up = Instant::now();
        // Who is linked makes no room for others.
        let failures = self.failures.swap(0, Ordering::Relaxed);
        let ended = run(&self.hub, ready).await;
        if up.elapsed() < self.hub.config.backoff_cap {
            self.failures.store(failures, Ordering::Relaxed);
        }
        match &ended {
            Ended::Here(CloseReason::Itself) | Ended::There(Some(Code::Itself), _) => {
                if self.address.may_vary() { Next::Refused } else { Next::Forget }
            }
            Ended::Here(CloseReason::Duplicate { kept }) => self.after(*kept),
            Ended::There(Some(Code::Duplicate), _) => {
                let kept = ended.kept_there().and_then(|token| self.hub.by_token(&token));
                kept.map_or(Next::Refused, |kept| self.after(kept))
            }
            Ended::Here(CloseReason::Refused(_)) | Ended::There(Some(Code::Refused), _) | Ended::TooMany => {
                Next::Refused
            }
            Ended::Here(_) | Ended::There(..) | Ended::Broken(_) => Next::Backoff,
        }
    }

    fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
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
        if refused && self.failures() == 0 {
            tracing::warn!(address, reason, "refused");
        } else {
            tracing::debug!(address, reason, refused, "unreachable");
        }
        let _ = self.hub.tell(Event::Unreachable { address, reason, refused }).await;
        if refused { Next::Refused } else { Next::Backoff }
    }
}
