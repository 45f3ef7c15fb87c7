//! What can go wrong for a caller.

use crate::codec::wire_enum;

/// Why a call was not done. The text says what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The time given ran out while fewer than a quorum of seats were up.
    #[error(
        "no quorum: {connected} of {cluster_size} seats are up, {quorum} are needed; the call may still take effect"
    )]
    NoQuorum {
        /// Seats that were up, this one included.
        connected: u64,
        /// How many make a quorum.
        quorum: u64,
        /// Seats of the cluster.
        cluster_size: u64,
    },
    /// The time given ran out though a quorum was up.
    #[error("timed out: a put may or may not have happened; asking again is safe")]
    Timeout {},
    /// A lease of the entry has ended, so it is not in force; it may have been until then.
    #[error("a lease of this entry has ended, so it is not in force")]
    LeaseEnded {},
    /// Over a limit.
    #[error("{what} of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The node has left the cluster, or its driver was dropped.
    #[error("this node has left the cluster")]
    Closed {},
    /// The store failed; the seat votes no more until it is opened anew.
    #[error("storage failed: {why}")]
    Storage {
        /// What the storage said.
        why: String,
    },
    /// A peer will not have this node.
    #[error("refused: {why}")]
    Refused {
        /// The reason it gave.
        why: String,
    },
    /// The call makes no sense as it stands.
    #[error("{why}")]
    InvalidArgument {
        /// What is wrong with it.
        why: String,
    },
    /// More requests are in flight than the node takes.
    #[error("overloaded: {limit} requests are in flight already; try again when some are done")]
    Overloaded {
        /// The limit.
        limit: u64,
    },
}

wire_enum!(Error, "a kind of error" {
    0 => NoQuorum { connected, quorum, cluster_size },
    1 => Timeout {},
    2 => LeaseEnded {},
    3 => TooLarge { what, size, limit },
    4 => Closed {},
    5 => Storage { why },
    6 => Refused { why },
    7 => InvalidArgument { why },
    8 => Overloaded { limit },
});

impl Error {
    /// An [`Error::InvalidArgument`] for that reason.
    pub fn invalid(why: impl Into<String>) -> Self {
        Self::InvalidArgument { why: why.into() }
    }

    /// The name that programs tell errors by, the same in all languages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoQuorum { .. } => "NoQuorum",
            Self::Timeout { .. } => "Timeout",
            Self::LeaseEnded { .. } => "LeaseEnded",
            Self::TooLarge { .. } => "TooLarge",
            Self::Closed { .. } => "Closed",
            Self::Storage { .. } => "Storage",
            Self::Refused { .. } => "Refused",
            Self::InvalidArgument { .. } => "InvalidArgument",
            Self::Overloaded { .. } => "Overloaded",
        }
    }
}
