//! Reaching a node that cannot listen: a browser tab, or a process behind a NAT.
//!
//! It *waits* at a node that it can reach, with a WebSocket of its own beside its link, and tells the others, as its
//! address, that node's address and its name there. Whoever dials that address is joined to it: the node in the middle
//! passes messages on from one WebSocket to the other and back. The two do the usual handshake over that, from the
//! preface on; so with a secret the one in the middle carries what it cannot read, though it holds the secret, too.
//!
//! | request | who |
//! |---|---|
//! | `GET …/ws/relay/NAME/wait` | who waits; an empty message says that somebody has come |
//! | `GET …/ws/relay/NAME` | who dials |
//!
//! A name is 16 random bytes and 16 more that prove that a member made it, in hexadecimal. A node that dials keeps
//! trying, so nobody need wait at the very moment.

use std::fmt;
use std::str::FromStr;

use crate::address::Address;
use crate::secret::Secret;

/// What whoever waits is known by at the node where it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    id: [u8; 16],
    proof: [u8; 16],
}

impl Name {
    /// A name of these random bytes, for a cluster with this secret or without one.
    #[must_use]
    pub fn new(id: [u8; 16], secret: Option<&Secret>) -> Self {
        Self { id, proof: secret.map_or([0; 16], |secret| secret.relay_proof(&id)) }
    }

    /// Whether a member of the cluster with this secret, or of one without, made it.
    #[must_use]
    pub fn is_of(&self, secret: Option<&Secret>) -> bool {
        // An id is as good as random to whoever does not know the secret, so there is nothing to gain from how long
        // this takes.
        *self == Self::new(self.id, secret)
    }

    /// Where others reach whoever waits by this name at a node.
    #[must_use]
    pub fn at(&self, node: &Address) -> Address {
        Address { path: format!("{}/relay/{self}", path_of(node)), ..node.clone() }
    }

    /// Where it waits.
    #[must_use]
    pub fn waits_at(&self, node: &Address) -> Address {
        let Address { path, .. } = self.at(node);
        Address { path: path + "/wait", ..node.clone() }
    }
}

/// The path of a node's route, without a query.
fn path_of(node: &Address) -> &str {
    node.path.split('?').next().unwrap_or_default().trim_end_matches('/')
}

/// Whether that is the address of somebody who waits, rather than of a node that listens.
#[must_use]
pub fn is_relayed(address: &Address) -> bool {
    address.path.rsplit_once("/relay/").is_some_and(|(_, name)| name.parse::<Name>().is_ok())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.iter().chain(&self.proof).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of anybody who waits at a relay")]
pub struct NoName;

impl FromStr for Name {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoName);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoName)?;
        }
        let (id, proof) = bytes.split_at(16);
        Ok(Self { id: id.try_into().map_err(|_| NoName)?, proof: proof.try_into().map_err(|_| NoName)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_cluster() {
        let (ours, theirs) = (Secret::new(b"ours").unwrap(), Secret::new(b"theirs").unwrap());
        let name = Name::new([7; 16], Some(&ours));
        assert!(name.is_of(Some(&ours)) && !name.is_of(Some(&theirs)) && !name.is_of(None));
        assert!(Name::new([7; 16], None).is_of(None) && !Name::new([7; 16], None).is_of(Some(&ours)));
    }

    #[test]
    fn addresses_hold_the_name_and_read_back() {
        let name = Name::new([7; 16], None);
        let node: Address = "ws://10.0.0.1:7401".parse().unwrap();
        let at = name.at(&node);
        assert!(at.url().starts_with("ws://10.0.0.1:7401/ws/relay/0707"), "{at}");
        assert_eq!(at.to_string().parse::<Address>(), Ok(at.clone()));
        assert!(is_relayed(&at) && !is_relayed(&node) && !is_relayed(&name.waits_at(&node)));
        let queried: Address = "wss://example.org/x/ws?y".parse().unwrap();
        assert!(name.at(&queried).url().starts_with("wss://example.org:443/x/ws/relay/0707"));
        for text in ["", "07", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<Name>(), Err(NoName));
        }
    }
}
