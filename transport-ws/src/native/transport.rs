//! The port that the core polls.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};
use paxoskv_links::Port;
use paxoskv_links::dialing::to_evict;
use paxoskv_links::runtime::Runtime;

use super::config::{SetupError, WsConfig};
use super::dial::Dialed;
use super::guard::Guard;
use super::hub::Hub;
use super::route::route;
use crate::address::Address;
use crate::relay::is_relayed;

/// How many addresses through relays others get; more of them are no more help.
const MAX_RELAYED: usize = 8;

/// Links over WebSocket, to nodes that this one dials and to those that dial it.
///
/// Dropping it takes all links down without a goodbye; [`close`](Transport::close) them first where there is time.
pub struct WsTransport {
    hub: Arc<Hub>,
    port: Port<()>,
    dialed: HashMap<Address, Dialed>,
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
        let port = Port::new(Arc::clone(&hub.links), events, runtime);
        Ok((Self { hub, port, dialed: HashMap::new() }, route))
    }

    /// Checks `Host` and `Origin` by this transport's settings, for the routes that the application adds.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.hub.guard.clone()
    }

    /// How many frames were dropped so far because their link's queue was full or they were over the limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.port.dropped()
    }

    /// Whether there is room for one more address; the latest of those that never answer makes some.
    fn make_room(&mut self) -> bool {
        if self.dialed.len() < self.hub.settings().max_addresses {
            return true;
        }
        let known = self.dialed.iter().map(|(address, dialed)| (address, dialed.failures(), dialed.since));
        let evicted = to_evict(known).cloned();
        evicted.is_some_and(|address| self.dialed.remove(&address).is_some())
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
            if self.dialed.contains_key(&address) || self.hub.is_own(&address) || self.hub.links.is_leaving()
            {
                continue;
            }
            if !self.make_room() {
                tracing::debug!(%address, "not dialed: there are as many addresses as there may be");
                continue;
            }
            let dialed = Dialed::start(&self.hub, self.port.runtime(), address.clone());
            self.dialed.insert(address, dialed);
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.port.send(link, frame);
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.port.close(link, closing);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.port.poll_event(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.port.poll_flush(cx)
    }
}
