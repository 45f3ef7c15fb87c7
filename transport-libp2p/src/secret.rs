//! The cluster's secret, and proving that one has it without telling it.
//!
//! A proof is HMAC-SHA256, keyed with the secret, over all that both sides said and who they are:
//!
//! * a random number of *each* side is in it, so a proof that was recorded is worth nothing later (no replay);
//! * the role of its maker is in it, so it cannot be sent back as the other side's own (no reflection);
//! * both peer ids are in it, which the connection's encryption vouches for, so nobody in the middle can pass on the
//!   proofs of two who are each linked to him;
//! * the listener shows its proof only to who has shown one, and says the same few words to whoever has not.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use libp2p::PeerId;
use sha2::{Digest, Sha256};

use crate::preface::Preface;

/// Separates this use of the secret from any other that may be made of the same bytes.
const DOMAIN: &[u8] = b"paxoskv transport-libp2p key v1\0";

/// A cluster's secret, ready for use. It is never shown.
///
/// The secret is not stretched: use a random one, such as 32 bytes from the system, not a password.
///
/// ```
/// use paxoskv_transport_libp2p::Secret;
/// let secret = Secret::new(b"0123456789abcdef\n")?;
/// assert_eq!(secret, Secret::new(b"0123456789abcdef")?);
/// assert!(Secret::new(b"\n").is_err());
/// # Ok::<(), paxoskv_transport_libp2p::BadSecret>(())
/// ```
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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Its maker has the secret.
    Secret,
    /// Its maker is of the cluster of this name; nothing is claimed where one of the two has not said that it has one.
    Cluster,
}

/// Which side makes a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Dialer,
    Listener,
}

/// All that proofs on one link are made over.
pub(crate) struct Transcript<'a> {
    pub(crate) dialer: (PeerId, &'a Preface),
    pub(crate) listener: (PeerId, &'a Preface),
}

/// How long a proof is, in bytes.
pub(crate) const PROOF_LEN: usize = 32;

impl Transcript<'_> {
    fn mac(&self, secret: &Secret, role: Role, claim: Claim, cluster: Option<&str>) -> Hmac<Sha256> {
        // Shorter keys are filled with zeros (RFC 2104).
        let mut key = [0; 64];
        key[..32].copy_from_slice(&secret.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&key.into());
        let mut add = |part: &[u8]| {
            mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(part);
        };
        add(match role {
            Role::Dialer => b"dialer",
            Role::Listener => b"listener",
        });
        for (peer, preface) in [self.dialer, self.listener] {
            add(&peer.to_bytes());
            add(preface.encode());
        }
        match claim {
            Claim::Secret => add(b"secret"),
            Claim::Cluster => {
                add(b"cluster");
                // Which of the two say that they have a name is in the prefaces.
                let both = self.dialer.1.named && self.listener.1.named;
                add(cluster.filter(|_| both).unwrap_or_default().as_bytes());
            }
        }
        mac
    }

    /// What the side of that role shows.
    pub(crate) fn prove(
        &self,
        secret: &Secret,
        role: Role,
        claim: Claim,
        cluster: Option<&str>,
    ) -> [u8; PROOF_LEN] {
        self.mac(secret, role, claim, cluster).finalize().into_bytes().into()
    }

    /// Whether that is what the side of that role shows, in the same time whatever it is.
    pub(crate) fn is_proof(
        &self,
        secret: &Secret,
        role: Role,
        claim: Claim,
        cluster: Option<&str>,
        shown: &[u8],
    ) -> bool {
        self.mac(secret, role, claim, cluster).verify_slice(shown).is_ok()
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
        assert_eq!(Secret::new(b"\r\n\n"), Err(BadSecret));
    }

    #[test]
    fn it_is_not_shown() {
        assert_eq!(format!("{:?}", secret(b"hunter2")), "Secret(…)");
    }

    #[test]
    fn a_proof_holds_for_one_link_one_role_and_one_claim() {
        let (anna, bert) = (PeerId::random(), PeerId::random());
        let (a, b) = (Preface::new(true, true, [1; 32]), Preface::new(true, true, [2; 32]));
        let (c, nameless) = (Preface::new(true, true, [3; 32]), Preface::new(true, false, [2; 32]));
        let here = Transcript { dialer: (anna, &a), listener: (bert, &b) };
        let key = secret(b"k");
        let proof = here.prove(&key, Role::Dialer, Claim::Cluster, Some("demo"));
        let holds = |at: &Transcript<'_>, key: &Secret, role, claim, name| {
            at.is_proof(key, role, claim, name, &proof)
        };
        let (dialer, listener, cluster) = (Role::Dialer, Role::Listener, Claim::Cluster);
        assert!(holds(&here, &key, dialer, cluster, Some("demo")));
        assert!(!holds(&here, &key, dialer, cluster, Some("other")));
        assert!(!holds(&here, &key, listener, cluster, Some("demo")), "sent back to where it came from");
        assert!(!holds(&here, &key, dialer, Claim::Secret, Some("demo")));
        assert!(!holds(&here, &secret(b"l"), dialer, cluster, Some("demo")));
        let elsewhere = [
            Transcript { dialer: (bert, &a), listener: (anna, &b) },
            Transcript { dialer: (anna, &b), listener: (bert, &a) },
            Transcript { dialer: (anna, &a), listener: (bert, &c) },
            Transcript { dialer: (anna, &c), listener: (bert, &b) },
            Transcript { dialer: (anna, &a), listener: (PeerId::random(), &b) },
            Transcript { dialer: (anna, &a), listener: (bert, &nameless) },
        ];
        for other in &elsewhere {
            assert!(!holds(other, &key, dialer, cluster, Some("demo")));
        }
        for length in [0, 31] {
            assert!(!here.is_proof(&key, dialer, cluster, Some("demo"), &proof[..length]));
        }
    }

    #[test]
    fn who_has_left_the_name_open_is_of_any_cluster() {
        let (a, b) = (Preface::new(true, false, [1; 32]), Preface::new(true, true, [2; 32]));
        let here = Transcript { dialer: (PeerId::random(), &a), listener: (PeerId::random(), &b) };
        let key = secret(b"k");
        let proof = here.prove(&key, Role::Dialer, Claim::Cluster, None);
        assert!(here.is_proof(&key, Role::Dialer, Claim::Cluster, Some("demo"), &proof));
    }
}
