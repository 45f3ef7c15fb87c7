//! The cluster's secret, and what follows from it.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A cluster's secret: what all its members know, and no other node. It is never shown.
///
/// The secret is not stretched: use a random one, such as 32 bytes from the system, not a password.
///
/// ```
/// use paxoskv_links::Secret;
/// let secret = Secret::new(b"0123456789abcdef\n")?;
/// assert_eq!(secret, Secret::new(b"0123456789abcdef")?);
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert!(Secret::new(b"\n").is_err());
/// # Ok::<(), paxoskv_links::BadSecret>(())
/// ```
#[derive(Clone)]
pub struct Secret(Arc<[u8]>);

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
        Ok(Self(contents[..=end].into()))
    }

    /// The secret itself, for a ticket: a process that has it can be a member.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The key for one purpose. Purposes that differ have keys that say nothing about one another, and no purpose may
    /// be the beginning of another one: a zero byte at its end sees to that.
    #[must_use]
    pub fn key(&self, purpose: &'static [u8]) -> [u8; 32] {
        debug_assert!(purpose.ends_with(b"\0"), "a purpose ends with a zero byte");
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update(&self.0);
        hash.finalize().into()
    }
}

/// Takes the same time for all secrets of one length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Bytes that only a holder of the secret can make, shown to prove that one is.
///
/// They are compared in constant time. A comparison that ends at the first wrong byte shows, by how long it takes,
/// how many bytes of a guess were right; an attacker then guesses one byte after the other. So a proof has no
/// `==`, no order and no hash, and is the key of no map:
///
/// ```
/// # use paxoskv_links::secret::Proof;
/// let (proof, other) = (Proof::new([7; 16]), Proof::new([8; 16]));
/// assert!(proof.matches(&[7; 16]) && !proof.matches(other.as_bytes()));
/// ```
///
/// ```compile_fail,E0369
/// # use paxoskv_links::secret::Proof;
/// let (proof, other) = (Proof::new([7; 16]), Proof::new([8; 16]));
/// assert!(proof != other);
/// ```
#[derive(Clone, Copy)]
pub struct Proof<const N: usize>([u8; N]);

impl<const N: usize> Proof<N> {
    /// A proof of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Whether this is what was shown. The time that this takes depends on the length of what was shown, and on nothing
    /// else.
    #[must_use]
    pub fn matches(&self, shown: &[u8]) -> bool {
        self.0.as_slice().ct_eq(shown).into()
    }

    /// What to show.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Proof<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> Secret {
        Secret::new(bytes).unwrap()
    }

    #[test]
    fn line_ends_at_the_end_do_not_count_and_all_else_does() {
        assert_eq!(secret(b"abc"), secret(b"abc\r\n\n"));
        assert_ne!(secret(b"abc"), secret(b"abc "));
        assert_ne!(secret(b"abc"), secret(b"\nabc"));
        assert_ne!(secret(b"abc"), secret(b"abd"));
        assert_eq!(secret(b"abc\n").reveal(), b"abc");
    }

    #[test]
    fn an_empty_secret_is_rejected() {
        assert_eq!(Secret::new(b""), Err(BadSecret));
        assert_eq!(Secret::new(b"\r\n\n"), Err(BadSecret));
    }

    #[test]
    fn neither_a_secret_nor_a_proof_is_shown() {
        assert_eq!(format!("{:?} {:?}", secret(b"hunter2"), Proof::new([7; 2])), "Secret(…) Proof(…)");
    }

    #[test]
    fn each_purpose_and_each_secret_has_a_key_of_its_own() {
        let key = secret(b"a").key(b"one\0");
        assert_eq!(key, secret(b"a\n").key(b"one\0"));
        assert_ne!(key, secret(b"a").key(b"two\0"));
        assert_ne!(key, secret(b"b").key(b"one\0"));
    }

    /// That the time says nothing cannot be tested; that every bit counts can.
    #[test]
    fn a_proof_that_is_wrong_in_any_bit_or_of_another_length_does_not_match() {
        let bytes: [u8; 16] = *b"0123456789abcdef";
        let proof = Proof::new(bytes);
        assert!(proof.matches(&bytes));
        for bit in 0..8 * bytes.len() {
            let mut wrong = bytes;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!proof.matches(&wrong), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(!proof.matches(&bytes[..length]), "{length} bytes");
        }
        assert!(!proof.matches(&[bytes.as_slice(), b"g"].concat()));
    }
}
