//! What the driver handles of what the swarm's behaviours notify it of, whichever of them there are.

use libp2p::ping;
use libp2p::swarm::ConnectionId;
#[cfg(not(target_family = "wasm"))]
use libp2p::{Multiaddr, PeerId};

use crate::streams;

#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is handled at once")]
pub(super) enum DriverEvent {
    /// Something with a link's stream.
    Stream(streams::Event),
    /// Nodes were found on the local network.
    #[cfg(not(target_family = "wasm"))]
    Found(Vec<(PeerId, Multiaddr)>),
    /// These are no longer found there.
    #[cfg(not(target_family = "wasm"))]
    Expired(Vec<(PeerId, Multiaddr)>),
    /// The peer at the other end of a connection does not answer.
    Silent(ConnectionId),
    /// Others cannot reach this node at one of its addresses.
    #[cfg(not(target_family = "wasm"))]
    Unreachable,
    /// Nothing that concerns the driver.
    Nothing,
}

impl From<ping::Event> for DriverEvent {
    fn from(event: ping::Event) -> Self {
        match event.result {
            Ok(_) | Err(ping::Failure::Unsupported) => Self::Nothing,
            Err(error) => {
                tracing::debug!(peer = %event.peer, %error, "no answer to a ping");
                Self::Silent(event.connection)
            }
        }
    }
}
