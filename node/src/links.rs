//! The transports of a native node, as one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use paxoskv_core::Transport;
use paxoskv_core::transport::{CloseReason, Event, Joined, LinkId};
#[cfg(feature = "libp2p")]
pub(crate) use paxoskv_transport_libp2p::Libp2pTransport;
use paxoskv_transport_ws::WsTransport;

#[cfg(not(feature = "libp2p"))]
pub(crate) type Libp2pTransport = paxoskv_core::transport::NoTransport;

/// How many addresses are remembered. A new one replaces the oldest.
const MAX_KNOWN: usize = 256;

/// The known addresses of the cluster's members, shared with the node's handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<VecDeque<String>>>);

impl Known {
    pub(crate) fn all(&self) -> Vec<String> {
        let mut all = Vec::from(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.sort_unstable();
        all
    }

    fn add(&self, addresses: &[String]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            if !known.contains(address) {
                known.push_back(address.clone());
            }
        }
        let too_many = known.len().saturating_sub(MAX_KNOWN);
        known.drain(..too_many);
    }
}

/// Both transports. A node that is linked by both is recognised by its Hello, and one link is kept.
pub(crate) struct Links {
    joined: Joined<Part<WsTransport>, Part<Libp2pTransport>>,
    /// The addresses from the configuration that were not dialled yet.
    given: BTreeSet<String>,
    known: Known,
}

impl Links {
    /// Seats are linked by WebSocket if `by_ws`. Otherwise that transport only listens, for observers.
    pub(crate) fn new(
        ws: WsTransport,
        by_ws: bool,
        libp2p: Option<Libp2pTransport>,
        given: BTreeSet<String>,
        known: Known,
    ) -> Self {
        let ws = Part { transport: Some(ws), dials: by_ws };
        Self { joined: Joined::new(ws, Part { transport: libp2p, dials: true }), given, known }
    }
}

impl Transport for Links {
    fn addresses(&self) -> Vec<String> {
        self.joined.addresses()
    }

    fn dial(&mut self, addresses: &[String]) {
        // The configured addresses may be guesses. The core learns all other addresses from members.
        let announced: Vec<String> =
            addresses.iter().filter(|address| !self.given.remove(*address)).cloned().collect();
        self.known.add(&announced);
        self.joined.dial(addresses);
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.joined.send(link, frame);
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.joined.close(link, closing);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.joined.poll_event(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.joined.poll_flush(cx)
    }
}

/// A transport that may be missing, or may only listen.
struct Part<T> {
    transport: Option<T>,
    dials: bool,
}

impl<T: Transport> Transport for Part<T> {
    fn addresses(&self) -> Vec<String> {
        self.transport.as_ref().filter(|_| self.dials).map_or_else(Vec::new, Transport::addresses)
    }

    fn dial(&mut self, addresses: &[String]) {
        if let Some(transport) = self.transport.as_mut().filter(|_| self.dials) {
            transport.dial(addresses);
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        if let Some(transport) = &mut self.transport {
            transport.send(link, frame);
        }
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        if let Some(transport) = &mut self.transport {
            transport.close(link, closing);
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.transport.as_mut().map_or(Poll::Pending, |transport| transport.poll_event(cx))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.transport.as_mut().map_or(Poll::Ready(()), |transport| transport.poll_flush(cx))
    }
}
