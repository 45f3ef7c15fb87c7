//! The port that the core polls.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use axum::Router;
use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};
use paxoskv_transport_queues::outstanding::Flush;
use paxoskv_transport_queues::runtime::Runtime;
use paxoskv_transport_queues::{Deliveries, worth_saying};

use super::config::{SetupError, WsConfig};
use super::dial::Dialed;
use super::guard::Guard;
use super::hub::Hub;
use super::route::route;
use crate::address::Address;
use crate::relay::is_relayed;

/// After so many failures in a row an address makes room for a new one, where there are as many as there may be.
const HOPELESS: u32 = 8;

/// Addresses through other nodes that are told; more of them are no more help.
const MAX_RELAYED: usize = 8;

/// Links over WebSocket, to nodes that this one dials and to those that dial it.
///
/// Dropping it takes all links down without a goodbye; [`close`](Transport::close) them first where there is time.
pub struct WsTransport {
    hub: Arc<Hub>,
    events: Deliveries,
    runtime: Runtime,
    dialed: HashMap<Address, Dialed>,
    flush: Flush,
}

impl fmt::Debug for WsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsTransport").field("listen", &self.hub.config.listen).finish_non_exhaustive()
    }
}

impl WsTransport {
    /// A transport, and the route `GET /ws` on which others reach it: serve that on the listener whose address the
    /// settings hold, with [`serve`](super::serve) or with axum's own.
    ///
    /// # Errors
    ///
    /// Outside of a tokio runtime, and where settings make no sense.
    pub fn new(config: WsConfig) -> Result<(Self, Router), SetupError> {
        let runtime = Runtime::current().ok_or(SetupError::NoRuntime)?;
        let (hub, events) = Hub::new(config)?;
        let route = route(Arc::clone(&hub));
        Ok((Self { hub, events, runtime, dialed: HashMap::new(), flush: Flush::default() }, route))
    }

    /// Checks `Host` and `Origin` by this transport's settings, for the routes that the application adds.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.hub.guard.clone()
    }

    /// How many frames were dropped so far because their link's queue was full or they were over the limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.hub.dropped.load(Ordering::Relaxed)
    }

    fn count_dropped(&self, link: LinkId, why: &str) {
        let count = self.hub.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if worth_saying(count) {
            tracing::warn!(link = link.0, count, "a frame was dropped: {why}");
        }
    }

    /// Whether there is room for one more address; one that never answers makes some. The latest of these: members
    /// that are somewhere else each time they start leave addresses behind, and those from before are of others.
    fn make_room(&mut self) -> bool {
        if self.dialed.len() < self.hub.config.max_addresses {
            return true;
        }
        let hopeless = self.dialed.iter().filter(|(_, dialed)| dialed.failures() >= HOPELESS);
        let latest = hopeless.max_by_key(|(_, dialed)| dialed.since).map(|(address, _)| address.clone());
        latest.is_some_and(|address| self.dialed.remove(&address).is_some())
    }
}

impl Transport for WsTransport {
    fn addresses(&self) -> Vec<String> {
        let mut all = self.hub.addresses();
        if self.hub.config.wait_at_relays {
            let nodes = self.dialed.keys().filter(|address| !is_relayed(address)).take(MAX_RELAYED);
            all.extend(nodes.map(|node| self.hub.name.at(node)));
        }
        all.iter().map(ToString::to_string).collect()
    }

    fn dial(&mut self, addresses: &[String]) {
        for address in addresses.iter().filter_map(|text| text.parse::<Address>().ok()) {
            if self.dialed.contains_key(&address) || self.hub.is_own(&address) || self.hub.is_leaving() {
                continue;
            }
            if !self.make_room() {
                tracing::debug!(%address, "not dialed: there are as many addresses as there may be");
                continue;
            }
            let dialed = Dialed::start(&self.hub, &self.runtime, address.clone());
            self.dialed.insert(address, dialed);
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let Some(outbox) = self.hub.outbox(link) else { return };
        if frame.len() > self.hub.config.max_frame {
            self.count_dropped(link, "it is over the limit");
        } else if !outbox.push(frame) {
            self.count_dropped(link, "the other side is too slow, its queue is full");
        }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.hub.close(link, closing);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.events.poll(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let allowed = self.hub.config.flush_timeout;
        self.flush.poll(&self.hub.outstanding, &self.runtime, allowed, cx)
    }
}
