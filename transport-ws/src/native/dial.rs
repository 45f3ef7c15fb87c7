//! Keeping a link to the node at an address: one task per address.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use paxoskv_core::transport::{Event, LinkId};
use paxoskv_links::dialing::jittered;
use paxoskv_links::runtime::Runtime;
use paxoskv_links::{Failure, LinkEnd, Redial};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::connect;
use super::hub::Hub;
use super::link::run;
use super::wait::wait;
use crate::address::Address;
use crate::relay::{is_relayed, may_vary};

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

/// When to dial again.
enum Next {
    /// After a pause that grows with each failure.
    Backoff,
    /// After the long pause that follows a refusal, or a host name that led back here.
    Refused,
    /// As soon as this link is down.
    After(LinkId),
    /// Never.
    Never,
}

impl Dialer {
    async fn run(mut self) {
        loop {
            if self.hub.links.is_leaving() || self.hub.is_own(&self.address) {
                return;
            }
            let next = self.once().await;
            let hub = Arc::clone(&self.hub);
            let pause = async {
                match next {
                    Next::Backoff => {
                        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(hub.settings().backoff(failures)).await;
                    }
                    Next::Refused => {
                        self.failures.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(jittered(hub.settings().refused_pause)).await;
                    }
                    Next::After(link) => hub.links.until_down(link).await,
                    Next::Never => std::future::pending().await,
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
        // An address that is linked makes no room for others.
        let failures = self.failures.swap(0, Ordering::Relaxed);
        let end = run(&self.hub, ready).await;
        if up.elapsed() < self.hub.settings().backoff_cap {
            self.failures.store(failures, Ordering::Relaxed);
        }
        self.next(end.redial(), &end)
    }

    fn next(&self, redial: Redial, end: &LinkEnd) -> Next {
        match redial {
            Redial::Itself if may_vary(&self.address) => Next::Refused,
            Redial::Itself => Next::Never,
            Redial::Duplicate => match self.hub.links.kept_instead(end) {
                Some(kept) => {
                    self.failures.store(0, Ordering::Relaxed);
                    Next::After(kept)
                }
                None => Next::Refused,
            },
            Redial::Refused => Next::Refused,
            Redial::Backoff => Next::Backoff,
        }
    }

    fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    async fn unreachable(&self, failure: Failure) -> Next {
        let (refused, reason) = (failure.is_refusal(), failure.reason().to_owned());
        let address = self.address.to_string();
        if refused && self.failures() == 0 {
            tracing::warn!(address, reason, "refused");
        } else {
            tracing::debug!(address, reason, refused, "unreachable");
        }
        let _ = self.hub.links.notify(Event::Unreachable { address, reason, refused }).await;
        if refused { Next::Refused } else { Next::Backoff }
    }
}
