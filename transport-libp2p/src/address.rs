//! Addresses of this transport, and telling them from those of others.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// Longest address that is parsed, in bytes of text.
const MAX_LEN: usize = 512;

/// The text is no address of this transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a multiaddr that can be reached: write /ip4/10.0.0.1/tcp/7411, /dns/example.org/udp/7411/quic-v1 or the like, \
     if need be with /p2p/ and the node's peer id at its end"
)]
pub struct NotOurs;

/// Where a node is: its peer id, if that is known, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The peer id of the node there.
    pub peer: Option<PeerId>,
    /// The way, without the peer's id at its end.
    pub way: Multiaddr,
}

impl Address {
    /// The whole multiaddr.
    #[must_use]
    pub fn whole(&self) -> Multiaddr {
        match self.peer {
            Some(peer) => self.way.clone().with(Protocol::P2p(peer)),
            None => self.way.clone(),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.whole().fmt(f)
    }
}

impl std::str::FromStr for Address {
    type Err = NotOurs;

    /// Takes TCP, QUIC and WebSocket, directly or through a relay.
    ///
    /// ```
    /// use paxoskv_transport_libp2p::address::Address;
    /// let address: Address = "/ip4/10.0.0.1/tcp/7411".parse()?;
    /// assert_eq!(address.peer, None);
    /// assert!("10.0.0.1:7401".parse::<Address>().is_err(), "that one is for WebSocket");
    /// # Ok::<(), paxoskv_transport_libp2p::address::NotOurs>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let text = text.trim();
        if text.len() > MAX_LEN || !text.starts_with('/') {
            return Err(NotOurs);
        }
        let mut way: Multiaddr = text.parse().map_err(|_| NotOurs)?;
        let peer = match way.iter().last() {
            Some(Protocol::P2p(peer)) => {
                way.pop();
                Some(peer)
            }
            _ => None,
        };
        // A relay must know which peer to reach.
        if is_way(&way) && (peer.is_some() || !is_relayed(&way)) {
            Ok(Self { peer, way })
        } else {
            Err(NotOurs)
        }
    }
}

/// Whether it goes through another node.
#[must_use]
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether it is of this machine only.
#[must_use]
pub fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => name == "localhost",
        _ => false,
    }
}

/// Whether it means something on one network interface only, and so nothing to other nodes.
#[must_use]
pub fn is_scoped(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Ip6(ip)) if ip.is_unicast_link_local())
}

fn is_way(way: &Multiaddr) -> bool {
    let mut parts = way.iter();
    let host = matches!(
        parts.next(),
        Some(
            Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_)
                | Protocol::Dnsaddr(_)
        )
    );
    let rest: Vec<Protocol<'_>> = parts.collect();
    let (near, far) = match rest.as_slice() {
        [near @ .., Protocol::P2p(_), Protocol::P2pCircuit] => (near, true),
        near => (near, false),
    };
    let is_dialed = match near {
        [Protocol::Tcp(_)] | [Protocol::Udp(_), Protocol::QuicV1] => true,
        [Protocol::Tcp(_), Protocol::Ws(_) | Protocol::Wss(_)] => true,
        [Protocol::Tcp(_), Protocol::Tls, Protocol::Ws(_)] => true,
        [] => matches!(way.iter().next(), Some(Protocol::Dnsaddr(_))) && !far,
        _ => false,
    };
    host && is_dialed
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn what_can_be_dialed_is_taken_and_reads_back() {
        for way in [
            "/ip4/10.0.0.1/tcp/1",
            "/ip6/::1/udp/2/quic-v1",
            "/dns4/example.org/tcp/443/wss",
            "/dns/example.org/tcp/443/tls/ws",
            "/ip4/10.0.0.1/tcp/80/ws",
        ] {
            let plain: Address = way.parse().unwrap();
            assert_eq!((plain.peer, plain.to_string()), (None, way.to_owned()));
            let named: Address = format!("{way}/p2p/{PEER}").parse().unwrap();
            assert_eq!(named.peer, Some(PEER.parse().unwrap()));
            assert_eq!(named.way, plain.way);
            let relayed: Address = format!("{way}/p2p/{PEER}/p2p-circuit/p2p/{PEER}").parse().unwrap();
            assert!(is_relayed(&relayed.way) && !is_relayed(&plain.way));
            assert_eq!(relayed.to_string().parse(), Ok(relayed));
        }
    }

    #[test]
    fn all_else_is_not() {
        let long = format!("/dns/{}/tcp/1", "a".repeat(600));
        let no_peer = format!("/ip4/10.0.0.1/tcp/1/p2p/{PEER}/p2p-circuit");
        let no_way = format!("/p2p/{PEER}");
        for text in [
            "",
            "/",
            "10.0.0.1:7401",
            "ws://10.0.0.1",
            "/ip4/10.0.0.1",
            "/ip4/10.0.0.1/udp/1",
            "/ip4/10.0.0.1/tcp/99999",
            "/ip4/300.0.0.1/tcp/1",
            "/tcp/1",
            "/unix/tmp",
            "/memory/1",
            "/ip4/10.0.0.1/tcp/1/p2p/nobody",
            "/ip4/10.0.0.1/udp/1/webrtc-direct",
            &long,
            &no_peer,
            &no_way,
        ] {
            assert_eq!(text.parse::<Address>(), Err(NotOurs), "{text}");
        }
    }

    #[test]
    fn addresses_of_one_machine_or_one_interface_are_known() {
        let parse = |text: &str| text.parse::<Multiaddr>().unwrap();
        assert!(is_loopback(&parse("/ip4/127.0.0.2/tcp/1")) && is_loopback(&parse("/ip6/::1/tcp/1")));
        assert!(!is_loopback(&parse("/ip4/10.0.0.1/tcp/1")) && !is_loopback(&parse("/ip4/0.0.0.0/tcp/1")));
        assert!(is_scoped(&parse("/ip6/fe80::1/tcp/1")) && !is_scoped(&parse("/ip6/fd00::1/tcp/1")));
    }
}
