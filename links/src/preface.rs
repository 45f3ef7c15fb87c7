//! What both sides of a connection send first.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `PXKV` |
//! | 1 | the version of the protocol, [`VERSION`] |
//! | 1 | flags; bit 0: this side has a cluster secret; bit 1: it has a cluster's name to prove |
//! | 32 | a random number of this side's, its nonce; the dialer's names the connection |
//! | rest | for later versions; ignored |
//!
//! Proofs of the secret cover both prefaces, byte by byte, so they cannot be changed unnoticed on the way.

use crate::goodbye::{CloseCode, Goodbye};
use crate::random::Nonce;

/// The version of the protocol that this code speaks.
pub const VERSION: u8 = 1;

/// The longest preface that is read.
pub const MAX_LEN: usize = 128;

const MAGIC: &[u8; 4] = b"PXKV";
const SECRET: u8 = 1;
const NAMED: u8 = 2;

/// What one side sends first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preface {
    /// The version of the protocol.
    pub version: u8,
    /// Whether that side has a cluster secret.
    pub secret: bool,
    /// Whether that side has a cluster's name, and proves it.
    pub named: bool,
    /// A random number of that side's.
    pub nonce: Nonce,
    /// As it went over the wire, what is ignored included, so that proofs cover that.
    wire: Vec<u8>,
}

impl Preface {
    /// What this side sends.
    #[must_use]
    pub fn new(secret: bool, named: bool, nonce: Nonce) -> Self {
        let flags = if secret { SECRET } else { 0 } | if named { NAMED } else { 0 };
        let wire = [MAGIC, [VERSION, flags].as_slice(), &nonce].concat();
        Self { version: VERSION, secret, named, nonce, wire }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> &[u8] {
        &self.wire
    }

    /// From bytes.
    ///
    /// # Errors
    ///
    /// The goodbye for the other side, if this is no preface of any version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Goodbye> {
        Self::parse(bytes)
            .ok_or_else(|| Goodbye::faulty("the other side is no PaxosKV node: its first message is unknown"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let [version, flags, rest @ ..] = bytes.strip_prefix(MAGIC)? else { return None };
        let nonce = *rest.first_chunk()?;
        (bytes.len() <= MAX_LEN).then(|| Self {
            version: *version,
            secret: flags & SECRET != 0,
            named: flags & NAMED != 0,
            nonce,
            wire: bytes.to_vec(),
        })
    }

    /// Whether this side can talk to one that sent `theirs`.
    ///
    /// # Errors
    ///
    /// Why it cannot; the other side finds the same, mirrored.
    pub fn agree(&self, theirs: &Self) -> Result<(), Goodbye> {
        if self.version != theirs.version {
            let reason = format!(
                "protocol version: this node speaks {}, the other side {}; run one release on all nodes",
                self.version, theirs.version
            );
            return Err(Goodbye::new(CloseCode::Version, reason));
        }
        match (self.secret, theirs.secret) {
            (true, false) => Err(Goodbye::new(
                CloseCode::SecretMissing,
                "the other side has no secret, this cluster has one: give every node the same secret file",
            )),
            (false, true) => Err(Goodbye::new(
                CloseCode::SecretMissing,
                "the other side's cluster has a secret, this node has none: give it that cluster's secret file",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_writes_and_keeps_what_later_versions_append() {
        for (secret, named) in [(false, false), (true, false), (false, true), (true, true)] {
            let preface = Preface::new(secret, named, *b"0123456789abcdef0123456789abcdef");
            assert_eq!(Preface::decode(preface.encode()), Ok(preface.clone()));
            let bytes = [preface.encode(), b"more"].concat();
            let longer = Preface::decode(&bytes).unwrap();
            assert_eq!((longer.nonce, longer.encode()), (preface.nonce, &bytes[..]));
        }
    }

    #[test]
    fn what_is_no_preface_is_rejected() {
        let bytes = Preface::new(true, true, [0; 32]).encode().to_vec();
        let long = [bytes.as_slice(), &[0; MAX_LEN]].concat();
        let short = &bytes[..bytes.len() - 1];
        for other in [short, b"GET / HTTP/1.1\r\nHost: somewhere far away\r\n", &long, b""] {
            assert_eq!(Preface::decode(other).unwrap_err().code, CloseCode::Faulty);
        }
    }

    #[test]
    fn versions_and_secrets_must_match() {
        let plain = Preface::new(false, true, [0; 32]);
        let secret = Preface::new(true, true, [1; 32]);
        assert!(plain.agree(&plain).is_ok() && secret.agree(&secret).is_ok());
        assert_eq!(plain.agree(&secret).unwrap_err().code, CloseCode::SecretMissing);
        assert_eq!(secret.agree(&plain).unwrap_err().code, CloseCode::SecretMissing);
        let later = Preface { version: VERSION + 1, ..plain.clone() };
        assert!(plain.agree(&later).unwrap_err().reason.contains("speaks 1, the other side 2"));
    }
}
