//! What the tasks of one transport share with it and with one another.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_transport_queues::{Deliveries, Inbox, Outbox, Outstanding, Stopped};
use tokio::sync::{OnceCell, Semaphore, watch};
use tokio_rustls::TlsConnector;

use super::config::{SetupError, WsConfig};
use super::guard::Guard;
use super::relay::Relay;
use crate::address::Address;
use crate::preface::Token;
use crate::relay::Name;

/// Local addresses that are remembered; a machine with more of them need not tell all.
const MAX_LOCAL_IPS: usize = 16;

struct Entry {
    outbox: Arc<Outbox>,
    token: Token,
    /// Its sender is dropped when the link is down.
    alive: watch::Receiver<()>,
}

pub(super) struct Hub {
    pub(super) config: WsConfig,
    pub(super) guard: Guard,
    /// For incoming connections that are not links yet.
    pub(super) handshakes: Arc<Semaphore>,
    /// Made when it is first needed.
    pub(super) tls: OnceCell<TlsConnector>,
    pub(super) outstanding: Arc<Outstanding>,
    pub(super) relay: Relay,
    /// By what this node is known where it waits.
    pub(super) name: Name,
    /// Frames that were not sent because their link's queue was full.
    pub(super) dropped: AtomicU64,
    /// Connections of others that were turned away.
    pub(super) turned_away: AtomicU64,
    leaving: AtomicBool,
    inbox: Inbox,
    links: Mutex<HashMap<LinkId, Entry>>,
    last_link: AtomicU64,
    local_ips: Mutex<BTreeSet<IpAddr>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is never left half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(config: WsConfig) -> Result<(Arc<Self>, Deliveries), SetupError> {
        let (inbox, deliveries) = Inbox::new(config.inbound_bytes);
        let hub = Self {
            guard: Guard::new(&config.allow_origins, &config.allow_hosts)?,
            handshakes: Arc::new(Semaphore::new(config.max_handshakes)),
            tls: OnceCell::new(),
            outstanding: Arc::default(),
            relay: Relay::new(config.max_relays),
            name: Name::new(fastrand::u128(..).to_be_bytes(), config.secret.as_ref()),
            dropped: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            inbox,
            links: Mutex::default(),
            last_link: AtomicU64::new(0),
            local_ips: Mutex::default(),
            config,
        };
        Ok((Arc::new(hub), deliveries))
    }

    /// Tells the core, and waits until it has room.
    pub(super) async fn tell(&self, event: Event) -> Result<(), Stopped> {
        self.inbox.tell(event).await
    }

    /// Tells the core if it has room, for events that strangers can cause.
    pub(super) fn mention(&self, event: Event) {
        self.inbox.mention(event);
    }

    /// Resolves when the transport is dropped.
    pub(super) async fn stopped(&self) {
        self.inbox.stopped().await;
    }

    /// Whether new links make no sense any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || self.inbox.is_stopped()
    }

    /// Enters a link; none if there are too many.
    pub(super) fn enter(
        &self,
        outbox: &Arc<Outbox>,
        token: Token,
        alive: watch::Receiver<()>,
    ) -> Option<LinkId> {
        let mut links = locked(&self.links);
        if links.len() >= self.config.max_links {
            return None;
        }
        let link = LinkId(self.last_link.fetch_add(1, Ordering::Relaxed) + 1);
        links.insert(link, Entry { outbox: Arc::clone(outbox), token, alive });
        Some(link)
    }

    pub(super) fn is_full(&self) -> bool {
        locked(&self.links).len() >= self.config.max_links
    }

    pub(super) fn leave(&self, link: LinkId) {
        locked(&self.links).remove(&link);
    }

    pub(super) fn outbox(&self, link: LinkId) -> Option<Arc<Outbox>> {
        locked(&self.links).get(&link).map(|entry| Arc::clone(&entry.outbox))
    }

    pub(super) fn token(&self, link: LinkId) -> Option<Token> {
        locked(&self.links).get(&link).map(|entry| entry.token)
    }

    pub(super) fn by_token(&self, token: &Token) -> Option<LinkId> {
        locked(&self.links).iter().find(|(_, entry)| entry.token == *token).map(|(link, _)| *link)
    }

    /// Resolves when a link is down.
    pub(super) async fn until_down(&self, link: LinkId) {
        let alive = locked(&self.links).get(&link).map(|entry| entry.alive.clone());
        if let Some(mut alive) = alive {
            while alive.changed().await.is_ok() {}
        }
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

    /// Takes note of an address that this machine has.
    pub(super) fn saw_local(&self, local: SocketAddr) {
        let ip = local.ip().to_canonical();
        let scoped = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()); // Means nothing to others.
        let mut ips = locked(&self.local_ips);
        if !scoped && !ip.is_unspecified() && ips.len() < MAX_LOCAL_IPS {
            ips.insert(ip);
        }
    }

    /// Where others reach this node; those that only this machine can use come last.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let Some(listen) = self.config.listen else { return Vec::new() };
        if !listen.ip().is_unspecified() {
            return vec![listen.into()];
        }
        let mut ips: Vec<IpAddr> =
            locked(&self.local_ips).iter().copied().filter(|ip| ip.is_ipv4() || listen.is_ipv6()).collect();
        ips.sort_by_key(IpAddr::is_loopback);
        ips.into_iter().map(|ip| SocketAddr::new(ip, listen.port()).into()).collect()
    }

    /// Whether who dials this address reaches this node.
    pub(super) fn is_own(&self, address: &Address) -> bool {
        let Some(listen) = self.config.listen else { return false };
        if address.tls || address.port != listen.port() {
            return false;
        }
        let everywhere = listen.ip().is_unspecified();
        match address.ip() {
            Some(ip) if ip == listen.ip().to_canonical() => true,
            Some(ip) => everywhere && (ip.is_loopback() || locked(&self.local_ips).contains(&ip)),
            None => address.host == "localhost" && (everywhere || listen.ip().is_loopback()),
        }
    }
}
