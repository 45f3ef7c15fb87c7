//! Names of things that are made once: nodes, stores, requests, foundings.

use std::fmt;

use crate::codec::{Hex, Malformed, Reader, Wire, Writer, wire_struct};

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            /// The first four bytes in hexadecimal: enough to tell things apart in a log.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Hex(&self.0[..4]).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Wire for $name {
            fn write(&self, w: &mut Writer) {
                self.0.write(w);
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                Wire::read(r).map(Self)
            }
        }
    };
}

identity! {
    /// One process or one browser tab. A native node keeps it in its data folder.
    NodeId
}
identity! {
    /// A seat's storage, and so the identity of the acceptor, whichever process opens it.
    StoreId
}
identity! {
    /// A caller's request: made once, kept through all retries, so that a put knows its own entry again.
    RequestId
}
identity! {
    /// What a cluster is: the hash of its name and of the stores that founded it.
    ClusterId
}

/// One start of a node. What it owns ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// Which node.
    pub node: NodeId,
    /// Its boot: one higher at each start.
    pub boot: u64,
}

wire_struct!(Incarnation { node, boot });
