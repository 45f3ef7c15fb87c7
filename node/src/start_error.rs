//! Why a node does not start.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "libp2p")]
use std::path::PathBuf;

use paxoskv_core::Error;
use paxoskv_core::storage::StorageError;
use paxoskv_transport_ws::SetupError;

/// Why a node did not start. The text says what happened and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address to listen on is taken.
    #[error(
        "{address} is in use, perhaps by a node in the same seat: stop that, take another seat, or listen elsewhere"
    )]
    InUse {
        /// The address.
        address: String,
    },
    /// The address to listen on cannot be used.
    #[error("cannot listen on {address}: {source}; expected an address of this machine, like 127.0.0.1:7401")]
    Listen {
        /// The address.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The node would be open to other machines without a secret.
    #[error(
        "{address} can be reached from other machines: that needs a cluster secret; without one, listen on 127.0.0.1"
    )]
    NeedsSecret {
        /// The address.
        address: SocketAddr,
    },
    /// There is no folder for the data.
    #[error(
        "there is no folder for the data, since there is no home directory: name a folder, or keep the data in memory"
    )]
    NoFolder,
    /// The store cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {reason}")]
    Entropy {
        /// The system's error.
        reason: String,
    },
    /// An address to join is not one.
    #[error("{address:?} cannot be joined: {reason}")]
    Join {
        /// The address.
        address: String,
        /// Why, and what is expected.
        reason: String,
    },
    /// The node's key pair cannot be used.
    #[cfg(feature = "libp2p")]
    #[error("the node's key pair in {} cannot be used: {reason}", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// The libp2p transport cannot be set up.
    #[cfg(feature = "libp2p")]
    #[error(transparent)]
    Libp2p(#[from] paxoskv_transport_libp2p::SetupError),
    /// The settings of the links are wrong.
    #[error(transparent)]
    Links(#[from] SetupError),
    /// The cluster's configuration is wrong.
    #[error(transparent)]
    Cluster(#[from] Error),
}
