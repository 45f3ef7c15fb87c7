//! Settings.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use paxoskv_transport_queues::Limits;
use paxoskv_transport_queues::pause::backoff;

use crate::address::is_loopback;
use crate::identity::Identity;
use crate::secret::Secret;

/// How a [`Libp2pTransport`](super::Libp2pTransport) is to behave. The defaults are fit for use.
#[derive(Clone, Debug)]
pub struct Libp2pConfig {
    /// Who this node is. A new identity, unless set.
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
    /// Longest frame, in bytes; a peer that sends a longer one loses its link. 4 MiB.
    pub max_frame: usize,
    /// How many bytes may wait to be sent on a link before frames are dropped. 16 MiB.
    pub queue_bytes: usize,
    /// How many frames may wait, likewise. 4096.
    pub queue_frames: usize,
    /// How many bytes may wait to be sent on all links together. One link may have as much waiting as is left of it.
    /// 128 MiB.
    pub total_queue_bytes: usize,
    /// How many bytes of received frames may wait for the core, over all links, before links are read no further.
    /// 32 MiB.
    pub inbound_bytes: usize,
    /// How many links there may be. The core keeps some of its own for seats, and to be told of one it has to be linked:
    /// so 64 more than its `max_links`. 1088.
    pub max_links: usize,
    /// How many connections that others opened may be there at a time without having proven that they belong here.
    /// 64.
    pub max_handshakes: usize,
    /// How many nodes are dialed; those found on the local network count as well. 256.
    pub max_addresses: usize,
    /// How long it may take from dialing, or from an incoming connection, to the link. 5 s.
    pub handshake_timeout: Duration,
    /// How long a link that is being closed may take to send what is queued. 1 s.
    pub flush_timeout: Duration,
    /// How often it is looked whether whoever is at the other end of a connection is still there; a connection on which
    /// there is no answer for twice as long is closed. 10 s. The core looks after links by itself.
    pub ping_interval: Duration,
    /// The pause before a node is dialed again; doubled with each failure, and shortened by chance by up to a half.
    /// 100 ms.
    pub backoff_start: Duration,
    /// What the pause grows to. 3 s.
    pub backoff_cap: Duration,
    /// The pause after a refusal, by either side. 5 s.
    pub refused_pause: Duration,
    /// The pause after strangers that the local network brought have turned out not to belong here. 60 s.
    pub stranger_pause: Duration,
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
            max_frame: 4 << 20,
            queue_bytes: 16 << 20,
            queue_frames: 4096,
            total_queue_bytes: 128 << 20,
            inbound_bytes: 32 << 20,
            max_links: 1024 + 64,
            max_handshakes: 64,
            max_addresses: 256,
            handshake_timeout: Duration::from_secs(5),
            flush_timeout: Duration::from_secs(1),
            ping_interval: Duration::from_secs(10),
            backoff_start: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(3),
            refused_pause: Duration::from_secs(5),
            stranger_pause: Duration::from_secs(60),
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
    /// Somebody listens there already.
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

    /// Whether nobody listens there. The swarm's own sockets would share the port with somebody else's.
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

    /// What may wait to be sent on a link.
    pub(super) fn queue_limits(&self) -> Limits {
        Limits { bytes: self.queue_bytes, frames: self.queue_frames, all_bytes: self.total_queue_bytes }
    }

    /// The pause after so many failures in a row before this one.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        backoff(self.backoff_start, self.backoff_cap, failures)
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
