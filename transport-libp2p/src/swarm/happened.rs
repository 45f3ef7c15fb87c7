//! What the swarm's behaviours tell its driver, whichever of them there are.

use libp2p::ping;
use libp2p::swarm::ConnectionId;
#[cfg(not(target_family = "wasm"))]
use libp2p::{Multiaddr, PeerId};

use crate::streams;

#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is looked at at once")]
pub(super) enum Happened {
    /// Something with a link's stream.
    Stream(streams::Event),
    /// Nodes were found on the local network.
    #[cfg(not(target_family = "wasm"))]
    Found(Vec<(PeerId, Multiaddr)>),
    /// The local network no longer tells of these.
    #[cfg(not(target_family = "wasm"))]
    Expired(Vec<(PeerId, Multiaddr)>),
    /// Who is at the other end of a connection does not answer.
    Silent(ConnectionId),
    /// This node cannot be reached at one of its addresses.
    #[cfg(not(target_family = "wasm"))]
    Hidden,
    /// Nothing that the driver has to do with.
    Nothing,
}

impl From<ping::Event> for Happened {
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
