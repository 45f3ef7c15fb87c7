//! What the tasks of one transport share with it and with one another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_transport_queues::{Deliveries, Inbox, Outbox, Outstanding, worth_saying};
use tokio::sync::{mpsc, watch};

use super::config::Libp2pConfig;
use super::link::Ended;
use crate::peers::Peers;

/// What tasks of links tell the swarm's.
#[derive(Debug)]
pub(super) enum Report {
    /// Who is at the other end has proven that it belongs here.
    Proven { peer: PeerId },
    /// The link is up.
    Up { peer: PeerId, relayed: bool },
    /// The stream has come to its end.
    Ended { peer: PeerId, connection: ConnectionId, relayed: bool, was_up: bool, ended: Ended },
}

struct Entry {
    outbox: Arc<Outbox>,
    peer: PeerId,
    relayed: bool,
    /// Its sender is dropped when the link is down.
    alive: watch::Receiver<()>,
}

pub(super) struct Hub {
    pub(super) config: Libp2pConfig,
    pub(super) peers: Peers,
    pub(super) inbox: Inbox,
    pub(super) outstanding: Arc<Outstanding>,
    /// As many reports wait as there are connections, and their number is bounded.
    pub(super) reports: mpsc::UnboundedSender<Report>,
    /// Frames that were not sent because their link's queue was full or they were over the limit.
    pub(super) dropped: AtomicU64,
    /// Connections of others that were turned away.
    pub(super) turned_away: AtomicU64,
    /// Where others reach this node.
    addresses: Mutex<Vec<String>>,
    leaving: AtomicBool,
    links: Mutex<HashMap<LinkId, Entry>>,
    last_link: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is never left half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(
        config: Libp2pConfig,
        peers: Peers,
    ) -> (Arc<Self>, Deliveries, mpsc::UnboundedReceiver<Report>) {
        let (inbox, deliveries) = Inbox::new(config.inbound_bytes);
        let (reports, reported) = mpsc::unbounded_channel();
        let hub = Self {
            inbox,
            outstanding: Arc::default(),
            reports,
            dropped: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            addresses: Mutex::default(),
            leaving: AtomicBool::new(false),
            links: Mutex::default(),
            last_link: AtomicU64::new(0),
            config,
            peers,
        };
        (Arc::new(hub), deliveries, reported)
    }

    pub(super) fn report(&self, report: Report) {
        // If the swarm is gone, so is the transport.
        let _ = self.reports.send(report);
    }

    /// Whether new links make no sense any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || self.inbox.is_stopped()
    }

    /// Enters a link; none if there are too many.
    pub(super) fn enter(
        &self,
        outbox: &Arc<Outbox>,
        (peer, relayed): (PeerId, bool),
        alive: watch::Receiver<()>,
    ) -> Option<LinkId> {
        let mut links = locked(&self.links);
        if links.len() >= self.config.max_links {
            return None;
        }
        let link = LinkId(self.last_link.fetch_add(1, Ordering::Relaxed) + 1);
        links.insert(link, Entry { outbox: Arc::clone(outbox), peer, relayed, alive });
        Some(link)
    }

    pub(super) fn leave(&self, link: LinkId) {
        locked(&self.links).remove(&link);
    }

    pub(super) fn outbox(&self, link: LinkId) -> Option<Arc<Outbox>> {
        locked(&self.links).get(&link).map(|entry| Arc::clone(&entry.outbox))
    }

    /// Begins to close a link.
    pub(super) fn close(&self, link: LinkId, closing: CloseReason) {
        if closing == CloseReason::Leaving {
            self.leaving.store(true, Ordering::Relaxed);
        }
        if let Some(outbox) = self.outbox(link) {
            outbox.close(closing);
        }
    }

    /// Closes the links to a peer that go through another node, since a straight one is there, and waits until they
    /// are down: the core would keep one of two by other rules.
    pub(super) async fn replace_relayed(&self, peer: PeerId) {
        let old: Vec<(LinkId, watch::Receiver<()>)> = locked(&self.links)
            .iter()
            .filter(|(_, entry)| entry.peer == peer && entry.relayed)
            .map(|(link, entry)| (*link, entry.alive.clone()))
            .collect();
        for (link, mut alive) in old {
            tracing::debug!(%peer, link = link.0, "a straight link takes the place of a relayed one");
            self.close(link, CloseReason::Duplicate { kept: link });
            while alive.changed().await.is_ok() {}
        }
    }

    pub(super) fn count_dropped(&self, link: LinkId, why: &str) {
        let count = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if worth_saying(count) {
            tracing::warn!(link = link.0, count, "a frame was dropped: {why}");
        }
    }

    /// Somebody who dialed this node was turned away.
    pub(super) fn turned_away(&self, from: &str, reason: &str) {
        let count = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        if worth_saying(count) {
            tracing::warn!(from, reason, "a node was turned away");
        }
        let reason = format!("{from}: {reason}");
        self.inbox.mention(Event::Unreachable { address: String::new(), reason, refused: true });
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        locked(&self.addresses).clone()
    }

    /// Others reach this node through that one, as soon as there is a place for it.
    pub(super) fn reached_through(&self, relay: PeerId, way: &str) {
        let address = format!("{way}/p2p/{relay}/p2p-circuit/p2p/{}", self.config.identity.peer_id());
        let mut addresses = locked(&self.addresses);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    pub(super) fn set_addresses(&self, addresses: Vec<String>) {
        *locked(&self.addresses) = addresses;
    }
}
