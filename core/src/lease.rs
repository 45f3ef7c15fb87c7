//! What an entry's life hangs on.

use crate::codec::{encode, wire_enum};
use crate::identity::NodeId;
use crate::key::{Bucket, Key, KeyId};

/// A lease ends exactly when its end register has a chosen value; with it ends every entry that names it.
///
/// Three kinds have their place in the formats. A latch can be opened by anyone ([`Cluster::erase`] does it); ends
/// of sessions and deadlines need the testimony of a quorum (`DESIGN.md`, "Leases").
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
        /// Tells apart latches.
        nonce: [u8; 16],
    },
}

wire_enum!(Lease, "a kind of lease" {
    0 => Session { node, boot, n },
    1 => Deadline { unix_ms, nonce },
    2 => Latch { nonce },
});

impl Lease {
    /// The key of this lease's end register: (`$end`, the lease, generation 0).
    pub(crate) fn end(&self) -> KeyId {
        KeyId { bucket: Bucket::system("$end"), key: Key::from_canonical(encode(self)) }
    }
}
