//! What both sides say first, in the clear.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `PXKV` |
//! | 1 | the version of the protocol, [`VERSION`] |
//! | 1 | flags; bit 0: this side has a cluster secret |
//! | 16 | a random number of this side's; the dialer's names the connection |
//! | rest | for later versions; ignored |
//!
//! Both prefaces go into the Noise handshake as its prologue, so nobody on the way can change them unnoticed.

use crate::refusal::{Code, Refusal};

/// The version of the protocol that this code speaks.
pub const VERSION: u8 = 1;

/// The longest preface that is read.
pub const MAX_LEN: usize = 64;

const MAGIC: &[u8; 4] = b"PXKV";
const SECRET: u8 = 1;
const LEN: usize = 4 + 1 + 1 + 16;

/// Names a connection, the same on both of its sides: the random number in the dialer's preface.
pub type Token = [u8; 16];

/// What one side says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preface {
    /// The version of the protocol.
    pub version: u8,
    /// Whether that side has a cluster secret.
    pub secret: bool,
    /// A random number of that side's.
    pub token: Token,
}

impl Preface {
    /// What this side says.
    #[must_use]
    pub fn new(secret: bool, token: Token) -> Self {
        Self { version: VERSION, secret, token }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.push(self.version);
        bytes.push(if self.secret { SECRET } else { 0 });
        bytes.extend_from_slice(&self.token);
        bytes
    }

    /// From bytes; nothing if this is no preface of any version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let [version, flags, rest @ ..] = bytes.strip_prefix(MAGIC)? else { return None };
        let token = *rest.first_chunk::<16>()?;
        (bytes.len() <= MAX_LEN).then_some(Self { version: *version, secret: flags & SECRET != 0, token })
    }

    /// Whether this side can talk to one that says `theirs`.
    ///
    /// # Errors
    ///
    /// Why it cannot; the other side finds the same, mirrored.
    pub fn agree(&self, theirs: &Self) -> Result<(), Refusal> {
        if self.version != theirs.version {
            let reason = format!(
                "protocol version: this node speaks {}, the other side {}; run one release on all nodes",
                self.version, theirs.version
            );
            return Err(Refusal::new(Code::Version, reason));
        }
        match (self.secret, theirs.secret) {
            (true, false) => Err(Refusal::new(
                Code::SecretMissing,
                "the other side has no secret, this cluster has one: give every node the same secret file",
            )),
            (false, true) => Err(Refusal::new(
                Code::SecretMissing,
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
    fn it_reads_what_it_writes_and_ignores_what_later_versions_append() {
        let preface = Preface { version: 9, secret: true, token: *b"0123456789abcdef" };
        let mut bytes = preface.encode();
        assert_eq!(Preface::decode(&bytes), Some(preface));
        bytes.extend_from_slice(b"more");
        assert_eq!(Preface::decode(&bytes), Some(preface));
        bytes.resize(MAX_LEN + 1, 0);
        assert_eq!(Preface::decode(&bytes), None);
        assert_eq!(Preface::decode(&preface.encode()[..LEN - 1]), None);
        assert_eq!(Preface::decode(b"GET / HTTP/1.1\r\n\r\n and so on"), None);
    }

    #[test]
    fn versions_and_secrets_must_match() {
        let plain = Preface::new(false, [0; 16]);
        let secret = Preface::new(true, [1; 16]);
        assert!(plain.agree(&plain).is_ok() && secret.agree(&secret).is_ok());
        assert_eq!(plain.agree(&secret).unwrap_err().code, Code::SecretMissing);
        assert_eq!(secret.agree(&plain).unwrap_err().code, Code::SecretMissing);
        let later = Preface { version: VERSION + 1, ..plain };
        assert!(plain.agree(&later).unwrap_err().reason.contains("speaks 1, the other side 2"));
    }
}
