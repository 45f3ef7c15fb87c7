//! What can go wrong for a caller.

use std::fmt;

/// Whether a call that ran out of time may have changed something all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The call only read, or its change had not been asked for yet: nothing has changed and nothing will.
    None,
    /// The change was asked for. It may have happened, may happen later, or may never happen. Calls of this crate can
    /// be repeated safely.
    Unknown,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "a longer timeout waits longer",
            Self::Unknown => "the call may still take effect, and asking again is safe",
        })
    }
}

/// Why a call was not done. The text says what happened and what to do.
///
/// More kinds may be added; [`code`](Self::code) names each for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call's timeout ran out while fewer than a quorum of seats were up.
    #[error("no quorum: {connected} of {cluster_size} seats are up, {quorum} are needed; {effect}")]
    NoQuorum {
        /// Seats that were up, this one included.
        connected: u64,
        /// How many seats make a quorum.
        quorum: u64,
        /// Seats of the cluster.
        cluster_size: u64,
        /// Whether the call may have changed something.
        effect: Effect,
    },
    /// The call's timeout ran out although a quorum of seats was up.
    #[error("timed out: {effect}")]
    Timeout {
        /// Whether the call may have changed something.
        effect: Effect,
    },
    /// A lease that the entry is bound to has ended, so the entry is not in force; it may have been until then.
    #[error(
        "a lease of this entry has ended, so it is not in force: bind it to what is still in force, and put it anew"
    )]
    LeaseEnded,
    /// A key, a value or a name is over its limit.
    #[error("{what} of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The node has left the cluster, or its driver was dropped. Only a new node can go on.
    #[error("this node has left the cluster")]
    Closed,
    /// The store failed; the seat does not vote until a new node opens its store.
    #[error("storage failed: {why}")]
    Storage {
        /// What the storage said.
        why: String,
    },
    /// A peer refuses this node.
    #[error("refused: {why}")]
    Refused {
        /// The reason that the peer gave.
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

impl Error {
    /// An [`Error::InvalidArgument`] for that reason.
    pub fn invalid(why: impl Into<String>) -> Self {
        Self::InvalidArgument { why: why.into() }
    }

    /// What a call comes to whose time is over while so many seats are up: [`Error::NoQuorum`] only where they are
    /// fewer than a quorum. Whoever knows what the call was asked to do says so by [`with_effect`](Self::with_effect).
    pub(crate) fn timed_out(connected: u64, quorum: u64, cluster_size: u64) -> Self {
        let effect = Effect::Unknown;
        if connected >= quorum {
            return Self::Timeout { effect };
        }
        Self::NoQuorum { connected, quorum, cluster_size, effect }
    }

    /// The same error of a call that may, or cannot, have changed something. A seat that counted a quorum and called it
    /// none is corrected.
    pub(crate) fn with_effect(self, effect: Effect) -> Self {
        match self {
            Self::NoQuorum { connected, quorum, cluster_size, .. } if connected < quorum => {
                Self::NoQuorum { connected, quorum, cluster_size, effect }
            }
            Self::NoQuorum { .. } | Self::Timeout { .. } => Self::Timeout { effect },
            other => other,
        }
    }

    /// The name that programs tell errors by, the same in all languages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoQuorum { .. } => "NoQuorum",
            Self::Timeout { .. } => "Timeout",
            Self::LeaseEnded => "LeaseEnded",
            Self::TooLarge { .. } => "TooLarge",
            Self::Closed => "Closed",
            Self::Storage { .. } => "Storage",
            Self::Refused { .. } => "Refused",
            Self::InvalidArgument { .. } => "InvalidArgument",
            Self::Overloaded { .. } => "Overloaded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_never_called_none() {
        for size in 1..=31 {
            let quorum = size / 2 + 1;
            for connected in 0..=size {
                let error = Error::timed_out(connected, quorum, size);
                assert_eq!(error.code() == "NoQuorum", connected < quorum, "{error}");
                // A seat's own word on it is not taken either.
                let effect = Effect::Unknown;
                let reported = Error::NoQuorum { connected, quorum, cluster_size: size, effect };
                assert_eq!(reported.with_effect(effect), error);
            }
        }
    }

    #[test]
    fn a_timed_out_read_does_not_say_that_it_may_take_effect() {
        for connected in [1, 2] {
            let error = Error::timed_out(connected, 2, 3);
            assert!(error.clone().with_effect(Effect::Unknown).to_string().contains("take effect"));
            assert!(!error.with_effect(Effect::None).to_string().contains("take effect"));
        }
    }
}
