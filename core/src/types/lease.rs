//! What an entry's life hangs on.

use std::fmt;
use std::str::FromStr;

use super::{Bucket, Error, Incarnation, Key, KeyId, NodeId, RequestId};
use crate::codec::{Hex, Malformed, decode, encode, wire_enum};
use crate::sorted::{Gather, Set};

/// A lease ends exactly when its end register has a chosen value; with it ends every entry that names it.
///
/// A latch can be opened by anyone who knows it ([`Cluster::erase`] does it); a session ends when its node is lost to
/// a quorum of seats, or closes it; a deadline when a quorum's clocks are past it (`docs/protocol.md`, "Leases").
///
/// [`Cluster::erase`]: crate::Cluster::erase
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// The `n`th session that a node opened in one boot.
    Session {
        /// Whose session it is.
        node: NodeId,
        /// The node's boot, which a later one ends.
        boot: u64,
        /// Counted by the node.
        n: u64,
    },
    /// A moment in Unix time.
    Deadline {
        /// Milliseconds since 1970.
        unix_ms: u64,
        /// Tells apart deadlines of the same moment.
        nonce: [u8; 16],
    },
    /// Ends when anyone says so.
    Latch {
        /// Tells apart latches. An entry's own latch bears the entry's request id.
        nonce: [u8; 16],
    },
}

wire_enum!(Lease, "a kind of lease" {
    0 => Session { node, boot, n },
    1 => Deadline { unix_ms, nonce },
    2 => Latch { nonce },
});

/// The bucket of the registers that say which leases have ended.
pub(crate) const ENDS: &str = "$end";

impl Lease {
    /// The key of this lease's end register, which decides whether the lease has ended: (`$end`, the lease), in
    /// generation 0.
    pub fn end(&self) -> KeyId {
        KeyId::new(Bucket::system(ENDS), Key::from_canonical(encode(self)))
    }

    /// The lease that an end register is about.
    pub(crate) fn of_end(id: &KeyId) -> Result<Self, Malformed> {
        decode(id.key().cbor())
    }

    /// The latch that belongs to one entry alone: who has that entry may end it.
    pub fn own_latch(request: RequestId) -> Self {
        Self::Latch { nonce: request.0 }
    }

    /// The session, if it is one.
    pub fn session(&self) -> Option<SessionId> {
        match *self {
            Self::Session { node, boot, n } => Some(SessionId { incarnation: Incarnation { node, boot }, n }),
            _ => None,
        }
    }
}

/// Leases without those that are there already, in their order.
pub(crate) fn each_once(leases: Vec<Lease>) -> Vec<Lease> {
    leases.into_iter().collect::<Set<_>>().into_iter().gather()
}

/// Names a session, anywhere in the cluster: a peer's id, to bind keys to the peer's life and to monitor it.
///
/// As text it is the node's id, its boot and the session's number:
///
/// ```
/// use paxoskv_core::SessionId;
/// let id: SessionId = "000102030405060708090a0b0c0d0e0f.7.0".parse()?;
/// assert_eq!((id.incarnation.boot, id.n), (7, 0));
/// assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f.7.0");
/// # Ok::<(), paxoskv_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// The start of a node with which the session ends at the latest.
    pub incarnation: Incarnation,
    /// Counted by the node.
    pub n: u64,
}

impl SessionId {
    /// The lease that ends with this session.
    pub fn lease(self) -> Lease {
        Lease::Session { node: self.incarnation.node, boot: self.incarnation.boot, n: self.n }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", Hex(&self.incarnation.node.0), self.incarnation.boot, self.n)
    }
}

impl FromStr for SessionId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let (node, rest) = text.split_once('.')?;
            let (boot, n) = rest.split_once('.')?;
            let node = NodeId(Hex::decode(node)?.try_into().ok()?);
            Some(Self { incarnation: Incarnation { node, boot: boot.parse().ok()? }, n: n.parse().ok()? })
        };
        read().ok_or_else(|| {
            Error::invalid(format!("{text:?} is no session: expected 32 hexadecimal digits, a boot and a number, with points between"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_session_is_said_to_be_none() {
        for text in
            ["", "00.1.2", "000102030405060708090a0b0c0d0e0f.7", "000102030405060708090a0b0c0d0eXX.7.0"]
        {
            assert_eq!(text.parse::<SessionId>().unwrap_err().code(), "InvalidArgument", "{text}");
        }
    }

    #[test]
    fn an_end_register_names_its_lease() {
        let lease = Lease::Deadline { unix_ms: 5, nonce: [1; 16] };
        assert_eq!(Lease::of_end(&lease.end()).unwrap(), lease);
    }
}
