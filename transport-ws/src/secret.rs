//! The cluster's secret: who does not hold it does not come in.

use std::fmt;

use sha2::{Digest, Sha256};

/// Separates this use of the secret from any other that may be made of the same bytes.
const DOMAIN: &[u8] = b"paxoskv transport-ws pre-shared key v1\0";

const RELAY_DOMAIN: &[u8] = b"paxoskv transport-ws relay v1\0";

/// A cluster's secret, ready for use. It is never shown.
///
/// The secret is not stretched: use a random one, such as 32 bytes from the system, not a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// Why bytes are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster's secret is empty: put at least 16 random bytes into the secret file, or leave it out")]
pub struct BadSecret;

impl Secret {
    /// The secret in the contents of a file. Line ends at its end do not count, since editors add them.
    ///
    /// # Errors
    ///
    /// [`BadSecret`] if nothing is left.
    pub fn new(contents: &[u8]) -> Result<Self, BadSecret> {
        let end = contents.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).ok_or(BadSecret)?;
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(&contents[..=end]);
        Ok(Self(hash.finalize().into()))
    }

    /// The pre-shared key of the handshake.
    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Secret {
    /// What proves that whoever made a name for a relay holds the secret. Both parts are of fixed length, and so is
    /// what is kept of the hash, so nothing can be appended.
    pub(crate) fn relay_proof(&self, id: &[u8; 16]) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(RELAY_DOMAIN);
        hash.update(self.0);
        hash.update(id);
        let hash: [u8; 32] = hash.finalize().into();
        let mut proof = [0; 16];
        proof.copy_from_slice(&hash[..16]);
        proof
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_at_the_end_do_not_count_and_all_else_does() {
        let secret = |bytes: &[u8]| Secret::new(bytes).unwrap();
        assert_eq!(secret(b"abc"), secret(b"abc\r\n\n"));
        assert_ne!(secret(b"abc"), secret(b"abc "));
        assert_ne!(secret(b"abc"), secret(b"\nabc"));
    }

    #[test]
    fn an_empty_secret_is_rejected() {
        assert_eq!(Secret::new(b""), Err(BadSecret));
        assert_eq!(Secret::new(b"\r\n\n"), Err(BadSecret));
    }

    #[test]
    fn it_is_not_shown() {
        let shown = format!("{:?}", Secret::new(b"hunter2").unwrap());
        assert_eq!(shown, "Secret(…)");
    }
}
