//! A node's identity on libp2p: a key pair, whose public half makes its peer id.

use std::fmt;

use libp2p::PeerId;
use libp2p::identity::Keypair;

/// A node's key pair. It is never shown.
///
/// ```
/// use paxoskv_transport_libp2p::Identity;
/// let identity = Identity::generate();
/// let kept = identity.to_bytes();
/// assert_eq!(Identity::from_bytes(&kept)?.peer_id(), identity.peer_id());
/// # Ok::<(), paxoskv_transport_libp2p::BadIdentity>(())
/// ```
#[derive(Clone)]
pub struct Identity(Keypair);

/// Why bytes are no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds no key pair: restore it, or remove it, and the node gets a new peer id")]
pub struct BadIdentity;

impl Identity {
    /// A new one, for a node that keeps none, or that starts for the first time.
    #[must_use]
    pub fn generate() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// One that was kept as [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// [`BadIdentity`] if it is not what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadIdentity> {
        Keypair::from_protobuf_encoding(bytes).map(Self).map_err(|_| BadIdentity)
    }

    /// The key pair in libp2p's own form. A process that has it can pass for this node wherever the cluster's secret is
    /// not asked for: keep it where only the node can read it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Only for key types that are not compiled in is there an error.
        self.0.to_protobuf_encoding().unwrap_or_default()
    }

    /// The node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn key_pair(&self) -> &Keypair {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id())
    }
}
