//! What the tasks of one transport share with it and with one another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use paxoskv_core::transport::CloseReason;
use paxoskv_links::inbox::Events;
use tokio::sync::mpsc;

use super::config::Libp2pConfig;
use super::report::Report;
use crate::peers::Peers;

/// What this transport knows of a link besides.
#[derive(Debug)]
pub(super) struct About {
    pub(super) peer: PeerId,
    /// Whether it goes through another node.
    pub(super) relayed: bool,
}

/// All links of this transport, as the tasks of [`paxoskv_links`] know them.
pub(super) type Links = paxoskv_links::Hub<About>;

pub(super) struct Hub {
    pub(super) config: Libp2pConfig,
    pub(super) peers: Peers,
    pub(super) links: Arc<Links>,
    /// As many reports wait as there are connections, and their number is bounded.
    reports: mpsc::UnboundedSender<Report>,
    /// Where others reach this node.
    addresses: Mutex<Vec<String>>,
}

impl Hub {
    pub(super) fn new(
        config: Libp2pConfig,
        peers: Peers,
    ) -> (Arc<Self>, Events, mpsc::UnboundedReceiver<Report>) {
        let (links, events) = Links::new(config.link.clone());
        let (reports, reported) = mpsc::unbounded_channel();
        let hub = Self { config, peers, links: Arc::new(links), reports, addresses: Mutex::default() };
        (Arc::new(hub), events, reported)
    }

    pub(super) fn report(&self, report: Report) {
        // If the swarm is gone, so is the transport.
        let _ = self.reports.send(report);
    }

    /// Closes the links to a peer that go through another node, since a direct one is there, and waits until they are
    /// down: the core would keep one of two by other rules.
    pub(super) async fn replace_relayed(&self, peer: PeerId) {
        for link in self.links.find(|about| about.peer == peer && about.relayed) {
            tracing::debug!(%peer, link = link.0, "a direct link takes the place of a relayed one");
            self.links.close(link, CloseReason::Duplicate { kept: link });
            self.links.until_down(link).await;
        }
    }

    fn own_addresses(&self) -> MutexGuard<'_, Vec<String>> {
        // What is locked here is never left half-changed.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.own_addresses().clone()
    }

    /// Others reach this node through that one, as soon as there is a place for it.
    pub(super) fn reached_through(&self, relay: PeerId, way: &str) {
        let address = format!("{way}/p2p/{relay}/p2p-circuit/p2p/{}", self.config.identity.peer_id());
        let mut addresses = self.own_addresses();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    pub(super) fn set_addresses(&self, addresses: Vec<String>) {
        *self.own_addresses() = addresses;
    }
}
