//! What this node does on libp2p, and the swarm that does it.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, Swarm, SwarmBuilder, autonat, dcutr, identify, mdns, ping, quic, relay, tcp, yamux};

use super::config::{Libp2pConfig, SetupError};
use super::events::DriverEvent;
use crate::address::is_loopback;
use crate::members::Members;
use crate::peers::Peers;
use crate::streams::Streams;

/// Streams that one connection may have at a time: a link's, and a few of what members are offered.
const MAX_STREAMS: u16 = 64;
/// Streams of one connection that may be on their way to a protocol.
const MAX_NEGOTIATING: usize = 8;
/// Connections to one peer: two that both dialed, one through a relay, those by which reachability is found out; and
/// old ones whose end is not known yet.
const MAX_PER_PEER: u32 = 16;

/// What is shared by a relay's users: reservations, and circuits, of which each link of theirs takes one.
const MAX_RELAYED: usize = 256;
const MAX_RELAYED_PER_PEER: usize = 32;

/// All of it. What comes first is asked first whether a connection may be.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(super) streams: Streams,
    pub(super) members: Members<Offers>,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

/// What members are offered besides links.
#[derive(NetworkBehaviour)]
pub(super) struct Offers {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay_server: Toggle<relay::Behaviour>,
    relay_client: relay::client::Behaviour,
    reachable: Toggle<autonat::v2::client::Behaviour>,
    tell_reachable: autonat::v2::server::Behaviour,
    hole_punching: dcutr::Behaviour,
}

impl From<BehaviourEvent> for DriverEvent {
    fn from(event: BehaviourEvent) -> Self {
        match event {
            BehaviourEvent::Streams(event) => Self::Stream(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => Self::Found(found),
            BehaviourEvent::Mdns(mdns::Event::Expired(expired)) => Self::Expired(expired),
            BehaviourEvent::Members(OffersEvent::Ping(event)) => event.into(),
            BehaviourEvent::Members(OffersEvent::Reachable(autonat::v2::client::Event {
                tested_addr,
                result,
                ..
            })) => {
                tracing::debug!(address = %tested_addr, reachable = result.is_ok(), "asked whether it can be reached");
                if result.is_err() { Self::Unreachable } else { Self::Nothing }
            }
            BehaviourEvent::Members(OffersEvent::HolePunching(event)) => {
                tracing::debug!(peer = %event.remote_peer_id, result = ?event.result, "tried to get around a relay");
                Self::Nothing
            }
            _ => Self::Nothing,
        }
    }
}

/// The swarm, which does not listen yet.
pub(super) async fn swarm(config: &Libp2pConfig, peers: &Peers) -> Result<Swarm<Behaviour>, SetupError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| SetupError::System(format!("{what}: {error}"));
    let builder = SwarmBuilder::with_existing_identity(config.identity.key_pair().clone())
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), peers.guard(), muxer)
        .map_err(|error| failed("TCP", &error))?
        .with_quic_config(bounded)
        .with_dns()
        .map_err(|error| failed("the system's name resolution", &error))?
        .with_websocket(peers.guard(), muxer)
        .await
        .map_err(|error| failed("WebSocket", &error))?
        .with_relay_client(peers.guard(), muxer)
        .map_err(|error| failed("relays", &error))?
        .with_behaviour(|_, relay_client| behaviour(config, peers, relay_client).map_err(Box::from))
        .map_err(|error| failed("multicast DNS", &error))?;
    // A link keeps its connection; what is idle was made in vain, or is one too many.
    let idle = config.link.handshake_timeout;
    Ok(builder
        .with_swarm_config(|swarm| {
            swarm.with_idle_connection_timeout(idle).with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
        })
        .with_connection_timeout(config.link.handshake_timeout)
        .build())
}

fn muxer() -> yamux::Config {
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(MAX_STREAMS.into());
    muxer
}

fn bounded(mut quic: quic::Config) -> quic::Config {
    quic.max_concurrent_stream_limit = MAX_STREAMS.into();
    // What one peer that is not read may make this node hold, an unauthenticated peer's connection included. It is also what may be
    // on its way at a time: over a round trip of 100 ms, 5 MiB a second on a link.
    quic.max_stream_data = 512 << 10;
    quic.max_connection_data = 1 << 20;
    quic
}

fn behaviour(
    config: &Libp2pConfig,
    peers: &Peers,
    relay_client: relay::client::Behaviour,
) -> Result<Behaviour, std::io::Error> {
    let me = config.identity.peer_id();
    let links = u32::try_from(config.link.max_links).unwrap_or(u32::MAX);
    let handshakes = u32::try_from(config.link.max_handshakes).unwrap_or(u32::MAX);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(handshakes))
        .with_max_established_per_peer(Some(MAX_PER_PEER))
        .with_max_established(Some(links.saturating_mul(2).saturating_add(handshakes)));
    let key = config.identity.key_pair().public();
    let identify = identify::Config::new("/paxoskv/1".into(), key)
        .with_agent_version(concat!("paxoskv/", env!("CARGO_PKG_VERSION")).into());
    let offers = Offers {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(config.ping_interval).with_timeout(config.ping_interval * 2),
        ),
        relay_server: config.relay.then(|| relay_server(me)).into(),
        relay_client,
        // A node that listens nowhere need not ask.
        reachable: (!config.listen.is_empty()).then(autonat::v2::client::Behaviour::default).into(),
        tell_reachable: autonat::v2::server::Behaviour::default(),
        hole_punching: dcutr::Behaviour::new(me),
    };
    let beyond = config.listen.iter().filter_map(|text| text.parse().ok()).any(|way| !is_loopback(&way));
    let mdns = (config.mdns && beyond).then(|| {
        let settings = mdns::Config {
            query_interval: Duration::from_secs(60),
            ttl: Duration::from_secs(180),
            ..mdns::Config::default()
        };
        mdns::tokio::Behaviour::new(settings, me)
    });
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        streams: Streams::new(config.link.max_handshakes, peers),
        members: Members::new(offers, peers),
        mdns: mdns.transpose()?.into(),
    })
}

/// Members ask for its help, wherever this node believes that it can be reached. It would notify all its connections of a
/// change of mind, and libp2p-relay 0.22 does not bear that where one of them is itself relayed.
fn relay_server(me: PeerId) -> relay::Behaviour {
    let mut relay = relay::Behaviour::new(me, relayed());
    relay.set_status(Some(relay::Status::Enable));
    relay
}

/// Links last: the usual limits, of two minutes and 128 KiB, would end them. The usual limits by address would be
/// shared by all peers behind one; here only members come, and how many is limited.
fn relayed() -> relay::Config {
    relay::Config {
        max_reservations: MAX_RELAYED,
        max_reservations_per_peer: 4,
        reservation_rate_limiters: Vec::new(),
        max_circuits: MAX_RELAYED,
        max_circuits_per_peer: MAX_RELAYED_PER_PEER,
        // A link that has lasted for a year is made anew.
        max_circuit_duration: Duration::from_secs(365 * 24 * 60 * 60),
        max_circuit_bytes: 0,
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    }
}
