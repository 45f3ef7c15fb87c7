//! Settings.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use paxoskv_links::{LinkSettings, Secret};

use crate::address::is_loopback;
use crate::identity::Identity;

/// How a [`Libp2pTransport`](super::Libp2pTransport) is to behave. The defaults are fit for use.
#[derive(Clone, Debug)]
pub struct Libp2pConfig {
    /// This node's identity. A new one, unless set.
    pub identity: Identity,
    /// The cluster's name; none where it is left open. Members of other clusters are turned away, where there is a
    /// secret to prove it with.
    pub cluster: Option<String>,
    /// Where to listen, as multiaddrs: `/ip4/0.0.0.0/tcp/0`, `/ip4/0.0.0.0/udp/7411/quic-v1`,
    /// `/ip4/127.0.0.1/tcp/0/ws`. Nowhere unless set.
    pub listen: Vec<String>,
    /// The cluster's secret. Without it, this node listens on loopback only.
    pub secret: Option<Secret>,
    /// Whether to look for nodes on the local network, and to be found there (mDNS). Only where this node listens
    /// beyond loopback.
    pub mdns: bool,
    /// Whether to carry the traffic of members that cannot reach one another; they cannot be read here.
    pub relay: bool,
    /// Whether to be reached through the nodes that this one dials, which asks each of a few of them for a place: for a
    /// node with a seat that cannot listen, as in a browser, where others have to link to it.
    pub wait_at_relays: bool,
    /// Limits and times of links.
    pub link: LinkSettings,
    /// How often to check whether the peer at the other end of a connection is still there; a connection on which there is
    /// no answer for twice as long is closed. 10 s. The core checks its links by itself.
    pub ping_interval: Duration,
    /// The pause after a peer that the local network brought has turned out not to belong here. 60 s.
    pub unauthenticated_pause: Duration,
}

impl Default for Libp2pConfig {
    fn default() -> Self {
        Self {
            identity: Identity::generate(),
            cluster: None,
            listen: Vec::new(),
            secret: None,
            mdns: true,
            relay: true,
            wait_at_relays: false,
            link: LinkSettings::default(),
            ping_interval: Duration::from_secs(10),
            unauthenticated_pause: Duration::from_secs(60),
        }
    }
}

/// Why a transport could not be set up. The text says what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no runtime to run on.
    #[error("the libp2p transport needs a tokio runtime: create it inside of one")]
    NoRuntime,
    /// An address to listen on is none.
    #[error(
        "{0:?} is nothing to listen on: write a multiaddr with an IP address, like /ip4/127.0.0.1/tcp/0, \
         /ip4/127.0.0.1/udp/0/quic-v1 or /ip4/127.0.0.1/tcp/0/ws"
    )]
    Address(String),
    /// The node would be open to everyone.
    #[error(
        "{0} can be reached from other machines: that needs a cluster secret; without one, listen on /ip4/127.0.0.1/…"
    )]
    NeedsSecret(Multiaddr),
    /// Any page that a browser of this machine shows could come in.
    #[error(
        "pages of any site may dial {0}, since libp2p does not ask where they come from: that needs a cluster secret; \
         without one, pages come in by --listen and --allow-origin"
    )]
    PagesNeedSecret(Multiaddr),
    /// Another process listens there already.
    #[error("{address} is in use, perhaps by a node in the same seat: stop that, or listen elsewhere")]
    InUse {
        /// The address.
        address: Multiaddr,
    },
    /// The system does not let this node listen there.
    #[error("cannot listen on {address}: {reason}; expected a free port at an address of this machine")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// The system lacks something.
    #[error("libp2p cannot start: {0}")]
    System(String),
}

impl Libp2pConfig {
    /// The addresses to listen on, if all of them may be.
    pub(super) fn listeners(&self) -> Result<Vec<Multiaddr>, SetupError> {
        self.listen.iter().map(|text| self.listener(text)).collect()
    }

    /// Checks that no process listens there. The swarm's own sockets would share the port with another process.
    pub(super) fn check_free(address: &Multiaddr) -> Result<(), SetupError> {
        let mut parts = address.iter();
        let ip = match parts.next() {
            Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
            Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
            _ => return Ok(()),
        };
        let bound = match parts.next() {
            Some(Protocol::Tcp(port)) => TcpListener::bind((ip, port)).map(drop),
            Some(Protocol::Udp(port)) => UdpSocket::bind((ip, port)).map(drop),
            _ => Ok(()),
        };
        bound.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => SetupError::InUse { address: address.clone() },
            _ => SetupError::Listen { address: address.clone(), reason: error.to_string() },
        })
    }

    fn listener(&self, text: &str) -> Result<Multiaddr, SetupError> {
        let wrong = || SetupError::Address(text.to_owned());
        let address: Multiaddr = text.trim().parse().map_err(|_| wrong())?;
        let parts: Vec<Protocol<'_>> = address.iter().collect();
        match parts.as_slice() {
            [Protocol::Ip4(_) | Protocol::Ip6(_), rest @ ..] => match rest {
                [Protocol::Tcp(_)]
                | [Protocol::Tcp(_), Protocol::Ws(_)]
                | [Protocol::Udp(_), Protocol::QuicV1] => {}
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        }
        if self.secret.is_none() && !is_loopback(&address) {
            return Err(SetupError::NeedsSecret(address));
        }
        if self.secret.is_none() && parts.iter().any(|part| matches!(part, Protocol::Ws(_))) {
            return Err(SetupError::PagesNeedSecret(address));
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str, secret: bool) -> Result<Multiaddr, SetupError> {
        let secret = secret.then(|| Secret::new(b"secret").unwrap());
        Libp2pConfig { secret, ..Libp2pConfig::default() }.listener(text)
    }

    #[test]
    fn it_listens_on_tcp_quic_and_websocket() {
        for way in ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/7/ws"] {
            assert!(listen(way, true).is_ok(), "{way}");
        }
        for way in ["127.0.0.1:0", "/dns/localhost/tcp/0", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/0", ""] {
            assert!(matches!(listen(way, true), Err(SetupError::Address(_))), "{way}");
        }
    }

    #[test]
    fn listening_to_pages_takes_a_secret() {
        let way = "/ip4/127.0.0.1/tcp/0/ws";
        assert!(matches!(listen(way, false), Err(SetupError::PagesNeedSecret(_))));
    }

    #[test]
    fn listening_to_the_world_takes_a_secret() {
        for way in ["/ip4/0.0.0.0/tcp/0", "/ip4/10.0.0.1/tcp/0/ws", "/ip6/::/udp/0/quic-v1"] {
            assert!(matches!(listen(way, false), Err(SetupError::NeedsSecret(_))), "{way}");
            assert!(listen(way, true).is_ok(), "{way}");
        }
    }
}
