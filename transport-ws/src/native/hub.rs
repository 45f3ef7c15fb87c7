//! What the tasks of one transport share with it and with one another.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::task::AtomicWaker;
use paxoskv_core::transport::{Closing, Event, LinkId};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsConnector;

use super::config::{SetupError, WsConfig};
use super::guard::Guard;
use super::outbox::Outbox;
use super::relay::Relay;
use crate::address::Address;
use crate::preface::Token;
use crate::relay::Name;

/// Events that wait for the core. Frames are bounded in bytes as well.
const MAX_EVENTS: usize = 256;
/// Local addresses that are remembered; a machine with more of them need not tell all.
const MAX_LOCAL_IPS: usize = 16;

/// An event on its way to the core, and its part of the bytes that may wait.
pub(super) struct Delivery {
    pub(super) event: Event,
    _bytes: Option<OwnedSemaphorePermit>,
}

/// The transport is gone, so nobody hears of events any more.
pub(super) struct Stopped;

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
    events: mpsc::Sender<Delivery>,
    waiting_bytes: Arc<Semaphore>,
    links: Mutex<HashMap<LinkId, Entry>>,
    last_link: AtomicU64,
    local_ips: Mutex<BTreeSet<IpAddr>>,
}

/// Whether the `n`th occurrence of something that can happen very often is still worth a line in the log.
pub(super) fn worth_saying(n: u64) -> bool {
    n < 4 || n.is_power_of_two()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is locked here is never left half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(config: WsConfig) -> Result<(Arc<Self>, mpsc::Receiver<Delivery>), SetupError> {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
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
            events,
            waiting_bytes: Arc::new(Semaphore::new(config.inbound_bytes)),
            links: Mutex::default(),
            last_link: AtomicU64::new(0),
            local_ips: Mutex::default(),
            config,
        };
        Ok((Arc::new(hub), receiver))
    }

    /// Tells the core, and waits until it has room.
    pub(super) async fn tell(&self, event: Event) -> Result<(), Stopped> {
        let bytes = match &event {
            Event::Frame { bytes, .. } => {
                let wanted = bytes.len().min(self.config.inbound_bytes);
                let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
                Some(Arc::clone(&self.waiting_bytes).acquire_many_owned(wanted).await.map_err(|_| Stopped)?)
            }
            _ => None,
        };
        self.events.send(Delivery { event, _bytes: bytes }).await.map_err(|_| Stopped)
    }

    /// Tells the core if it has room, for events that strangers can cause.
    pub(super) fn mention(&self, event: Event) {
        let _ = self.events.try_send(Delivery { event, _bytes: None });
    }

    /// Resolves when the transport is dropped.
    pub(super) async fn stopped(&self) {
        self.events.closed().await;
    }

    /// Whether new links make no sense any more.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || self.events.is_closed()
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
    pub(super) fn close(&self, link: LinkId, closing: Closing) {
        if closing == Closing::Leaving {
            self.leaving.store(true, Ordering::Relaxed);
        }
        if let Some(outbox) = self.outbox(link) {
            outbox.close(closing, self.outstanding.ticket());
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

/// Counts what has still to go out: frames that are not sent, links that are not closed.
#[derive(Default)]
pub(super) struct Outstanding {
    count: AtomicUsize,
    waker: AtomicWaker,
}

/// Something that has still to go out, until it is dropped.
pub(super) struct Ticket(Arc<Outstanding>);

impl Outstanding {
    pub(super) fn ticket(self: &Arc<Self>) -> Ticket {
        self.count.fetch_add(1, Ordering::AcqRel);
        Ticket(Arc::clone(self))
    }

    /// Whether nothing is left; if something is, wakes when nothing is.
    pub(super) fn poll_none(&self, cx: &std::task::Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.count.load(Ordering::Acquire) == 0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.waker.wake();
        }
    }
}
