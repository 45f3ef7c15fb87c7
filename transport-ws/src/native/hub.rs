//! What the tasks of one transport share with it and with one another.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use paxoskv_links::inbox::Events;
use paxoskv_links::{LinkSettings, random};
use tokio::sync::{OnceCell, Semaphore};
use tokio_rustls::TlsConnector;

use super::config::{SetupError, WsConfig};
use super::guard::Guard;
use super::waiting::Waiting;
use crate::address::Address;
use crate::relay::Name;

/// Local addresses that are remembered; of a machine with more of them, the rest are left out.
const MAX_LOCAL_IPS: usize = 16;

/// All links of this transport, as the tasks of [`paxoskv_links`] know them.
pub(super) type Links = paxoskv_links::Hub<()>;

pub(super) struct Hub {
    pub(super) config: WsConfig,
    pub(super) links: Arc<Links>,
    pub(super) guard: Guard,
    /// For incoming connections that are not links yet.
    pub(super) handshakes: Arc<Semaphore>,
    /// Made when it is first needed.
    pub(super) tls: OnceCell<TlsConnector>,
    /// Nodes that wait here to be reached.
    pub(super) waiting: Waiting,
    /// What this node is called where it waits.
    pub(super) name: Name,
    local_ips: Mutex<BTreeSet<IpAddr>>,
}

impl Hub {
    pub(super) fn new(config: WsConfig) -> Result<(Arc<Self>, Events), SetupError> {
        let (links, events) = Links::new(config.link.clone());
        let hub = Self {
            guard: Guard::new(&config.allow_origins, &config.allow_hosts)?,
            handshakes: Arc::new(Semaphore::new(config.link.max_handshakes)),
            tls: OnceCell::new(),
            waiting: Waiting::new(config.max_relays),
            name: Name::new(random()?, config.secret.as_ref()),
            local_ips: Mutex::default(),
            links: Arc::new(links),
            config,
        };
        Ok((Arc::new(hub), events))
    }

    /// Limits and times of links.
    pub(super) fn settings(&self) -> &LinkSettings {
        &self.links.settings
    }

    fn local_ips(&self) -> MutexGuard<'_, BTreeSet<IpAddr>> {
        // What is locked here is never left half-changed.
        self.local_ips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an address that this machine has.
    pub(super) fn record_local(&self, local: SocketAddr) {
        let ip = local.ip().to_canonical();
        let scoped = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()); // Means nothing to others.
        let mut ips = self.local_ips();
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
            self.local_ips().iter().copied().filter(|ip| ip.is_ipv4() || listen.is_ipv6()).collect();
        ips.sort_by_key(IpAddr::is_loopback);
        ips.into_iter().map(|ip| SocketAddr::new(ip, listen.port()).into()).collect()
    }

    /// Whether this address leads to this node.
    pub(super) fn is_own(&self, address: &Address) -> bool {
        let Some(listen) = self.config.listen else { return false };
        if address.tls || address.port != listen.port() {
            return false;
        }
        let everywhere = listen.ip().is_unspecified();
        match address.ip() {
            Some(ip) if ip == listen.ip().to_canonical() => true,
            Some(ip) => everywhere && (ip.is_loopback() || self.local_ips().contains(&ip)),
            None => address.host == "localhost" && (everywhere || listen.ip().is_loopback()),
        }
    }
}
