//! Reaching a node that cannot listen: a browser tab, or a process behind a NAT.
//!
//! Such a node *waits* at a node that it can reach, with a WebSocket of its own beside its link. The address that it
//! gives to others is that node's, and its own name there. A node that dials that address is joined to it: the node in
//! the middle, the relay, passes messages on from one WebSocket to the other and back. The two do the usual handshake over
//! that, from the preface on; so with a secret the relay carries what it cannot read, though it holds the secret, too.
//!
//! | request | sent by |
//! |---|---|
//! | `GET …/ws/relay/NAME/wait` | the node that waits; an empty message says that another one has come |
//! | `GET …/ws/relay/NAME` | a node that dials it |
//!
//! A name is 16 random bytes and 16 more that prove that a member made it, in hexadecimal. A node that dials keeps
//! trying, so the other need not wait at the very moment.

use std::fmt;
use std::str::FromStr;

use paxoskv_core::codec::Hex;
use paxoskv_links::Secret;
use paxoskv_links::secret::Proof;
use sha2::{Digest, Sha256};

use crate::address::Address;

/// What the key of names is derived for.
const KEY: &[u8] = b"paxoskv transport-ws relay v1\0";

/// How long each half of a name is, in bytes.
const HALF: usize = 16;

/// What a node that waits is called at the relay where it waits.
///
/// Two names are compared by their ids alone, after [`is_of`](Self::is_of) has shown that a member made them.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    id: [u8; HALF],
    proof: Proof<HALF>,
}

impl Name {
    /// A name of these random bytes, for a cluster with this secret or without one.
    #[must_use]
    pub fn new(id: [u8; HALF], secret: Option<&Secret>) -> Self {
        let proof = secret.map_or([0; HALF], |secret| prove(&id, secret));
        Self { id, proof: Proof::new(proof) }
    }

    /// Whether a member of the cluster with this secret, or of one without, made it.
    #[must_use]
    pub fn is_of(&self, secret: Option<&Secret>) -> bool {
        Self::new(self.id, secret).proof.matches(self.proof.as_bytes())
    }

    /// The random half, which no other node has.
    #[must_use]
    pub fn id(&self) -> [u8; HALF] {
        self.id
    }

    /// Where others reach the node that waits by this name at a relay.
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

/// What proves that a member made a name. Both parts that are hashed are of fixed length, and only a half of the hash is
/// shown, so nothing can be appended.
fn prove(id: &[u8; HALF], secret: &Secret) -> [u8; HALF] {
    let hash: [u8; 2 * HALF] = Sha256::new().chain_update(secret.key(KEY)).chain_update(id).finalize().into();
    let mut proof = [0; HALF];
    proof.copy_from_slice(&hash[..HALF]);
    proof
}

/// The path of a node's route, without a query.
fn path_of(node: &Address) -> &str {
    node.path.split('?').next().unwrap_or_default().trim_end_matches('/')
}

/// By what name a node waits at this address, if it is one of those.
#[must_use]
pub fn name_in(address: &Address) -> Option<Name> {
    let (route, name) = address.path.rsplit_once('/')?;
    if route.ends_with("/relay") { name.parse().ok() } else { None }
}

/// Whether that is the address of a node that waits at a relay, rather than of one that listens.
#[must_use]
pub fn is_relayed(address: &Address) -> bool {
    name_in(address).is_some()
}

/// Whether an address may lead to another node another time: a host name can stand for several machines, an IP address
/// and a place at a relay cannot.
pub(crate) fn may_vary(address: &Address) -> bool {
    !address.is_ip() && !is_relayed(address)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Hex(&self.id), Hex(self.proof.as_bytes()))
    }
}

/// The text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a node that waits at a relay")]
pub struct NoName;

impl FromStr for Name {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let bytes = Hex::decode(text).ok_or(NoName)?;
        let (id, proof) = bytes.split_first_chunk().ok_or(NoName)?;
        Ok(Self { id: *id, proof: Proof::new(proof.try_into().map_err(|_| NoName)?) })
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
    fn a_name_that_is_wrong_in_any_bit_is_of_no_member() {
        let secret = Secret::new(b"ours").unwrap();
        let text = Name::new([7; 16], Some(&secret)).to_string();
        let name = Hex::decode(&text).unwrap();
        for bit in 0..8 * name.len() {
            let mut wrong = name.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let wrong: Name = Hex(&wrong).to_string().parse().unwrap();
            assert!(!wrong.is_of(Some(&secret)), "bit {bit}");
        }
    }

    #[test]
    fn addresses_hold_the_name_and_read_back() {
        let name = Name::new([7; 16], None);
        let node: Address = "ws://10.0.0.1:7401".parse().unwrap();
        let at = name.at(&node);
        assert!(at.url().starts_with("ws://10.0.0.1:7401/ws/relay/0707"), "{at}");
        assert_eq!(at.to_string().parse::<Address>(), Ok(at.clone()));
        assert_eq!(name_in(&at).map(|name| name.id()), Some([7; 16]));
        assert!(is_relayed(&at) && !is_relayed(&node) && !is_relayed(&name.waits_at(&node)));
        let queried: Address = "wss://example.org/x/ws?y".parse().unwrap();
        assert!(name.at(&queried).url().starts_with("wss://example.org:443/x/ws/relay/0707"));
        for text in ["", "07", &"g".repeat(64), &"é".repeat(32), &"0".repeat(66)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
