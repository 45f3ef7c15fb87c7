//! What this node does on libp2p in a browser, and the swarm that does it.
//!
//! A browser dials WebSockets and cannot listen. Others reach it through a node that it is linked to.

use libp2p::swarm::NetworkBehaviour;
use libp2p::{Swarm, SwarmBuilder, Transport, identify, ping, relay, yamux};

use super::config::{Libp2pConfig, SetupError};
use super::events::DriverEvent;
use super::socket::WebSockets;
use crate::members::Members;
use crate::peers::Peers;
use crate::streams::Streams;

/// All of it. What comes first is asked first whether a connection may be.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) streams: Streams,
    pub(super) members: Members<Offers>,
}

/// What members are offered besides links.
#[derive(NetworkBehaviour)]
pub(super) struct Offers {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay_client: relay::client::Behaviour,
}

impl From<BehaviourEvent> for DriverEvent {
    fn from(event: BehaviourEvent) -> Self {
        match event {
            BehaviourEvent::Streams(event) => Self::Stream(event),
            BehaviourEvent::Members(OffersEvent::Ping(event)) => event.into(),
            BehaviourEvent::Members(_) => Self::Nothing,
        }
    }
}

/// The swarm. There is nothing that it could listen on.
pub(super) async fn swarm(config: &Libp2pConfig, peers: &Peers) -> Result<Swarm<Behaviour>, SetupError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| SetupError::System(format!("{what}: {error}"));
    let builder = SwarmBuilder::with_existing_identity(config.identity.key_pair().clone())
        .with_wasm_bindgen()
        .with_other_transport(|key| {
            Ok(WebSockets
                .upgrade(libp2p::core::upgrade::Version::V1Lazy)
                .authenticate(peers.guard()(key)?)
                .multiplex(yamux::Config::default()))
        })
        .map_err(|error| failed("WebSocket", &error))?
        .with_relay_client(peers.guard(), yamux::Config::default)
        .map_err(|error| failed("relays", &error))?
        .with_behaviour(|key, relay_client| Behaviour {
            streams: Streams::new(config.link.max_handshakes, peers),
            members: Members::new(
                Offers {
                    identify: identify::Behaviour::new(
                        identify::Config::new("/paxoskv/1".into(), key.public())
                            .with_agent_version(concat!("paxoskv/", env!("CARGO_PKG_VERSION")).into()),
                    ),
                    ping: ping::Behaviour::new(
                        ping::Config::new()
                            .with_interval(config.ping_interval)
                            .with_timeout(config.ping_interval * 2),
                    ),
                    relay_client,
                },
                peers,
            ),
        })
        .map_err(|error| failed("libp2p", &error))?;
    let idle = config.link.handshake_timeout;
    Ok(builder
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(idle))
        .with_connection_timeout(config.link.handshake_timeout)
        .build())
}
