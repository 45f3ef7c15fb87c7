//! The words that acceptors, proposers and readers share.

use crate::codec::{wire_enum, wire_struct};
use crate::types::{Ballot, Entry, Opening};

/// Which query a reply belongs to, so that late replies count for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId {
    /// The opening of the store that asks.
    pub opening: Opening,
    /// Counted by the seat that asks.
    pub number: u64,
}

wire_struct!(QueryId { opening, number });

/// What an acceptor holds in a register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AcceptorState {
    /// Nothing was accepted.
    Empty {},
    /// An entry was accepted, and is not known to be chosen.
    Accepted {
        /// The ballot at which it was accepted.
        ballot: Ballot,
        /// What was accepted.
        entry: Entry,
    },
    /// An entry is known to be chosen.
    Learned {
        /// What was chosen.
        entry: Entry,
    },
}

wire_enum!(AcceptorState, "what an acceptor holds" {
    0 => Empty {},
    1 => Accepted { ballot, entry },
    2 => Learned { entry },
});

impl AcceptorState {
    /// The entry, if there is one.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Empty {} => None,
            Self::Accepted { entry, .. } | Self::Learned { entry } => Some(entry),
        }
    }
}
