//! Proving that one has the cluster's secret without telling it.
//!
//! A proof is HMAC-SHA256, keyed with the secret, over all that both sides sent and their peer ids:
//!
//! * a random number of *each* side is in it, so a proof that was recorded is worth nothing later (no replay);
//! * the role of its maker is in it, so it cannot be sent back as the other side's own (no reflection);
//! * both peer ids are in it, which the connection's encryption vouches for, so a node in the middle cannot pass on the
//!   proofs of two nodes that are each linked to it;
//! * the listener shows its proof only to a dialer that has shown one, and says the same few words to any other.

use hmac::{Hmac, KeyInit, Mac};
use libp2p::PeerId;
use paxoskv_links::handshake::{Prefaces, Proofs, Step};
use paxoskv_links::secret::Proof;
use paxoskv_links::{CloseCode, Goodbye, Preface, Secret};
use sha2::Sha256;

/// What the key of proofs is derived for.
const KEY: &[u8] = b"paxoskv transport-libp2p key v1\0";

/// How long a proof is, in bytes.
const PROOF_LEN: usize = 32;

/// What both sides send last: from then on a side answers all that it has for members.
const READY: &[u8] = &[];

/// What one side brings into the handshake. `proven` is called when the other side has proven that it belongs here,
/// before it is notified of that.
pub(crate) struct Side<'a, F> {
    pub(crate) secret: Option<&'a Secret>,
    /// The cluster's name; none where it is left open.
    pub(crate) cluster: Option<&'a str>,
    /// This side's peer id, and that of the other side, for which the connection's encryption vouches.
    pub(crate) peers: (PeerId, PeerId),
    pub(crate) proven: F,
}

/// A side's proofs, as far as they have come.
pub(crate) enum Proving<'a, F> {
    /// The prefaces come first.
    Prefaces(Side<'a, F>),
    /// The other side's proofs come next.
    Proofs {
        side: Side<'a, F>,
        /// What the other side has to show.
        expected: Shown,
        /// What this side answers with, if it is the listener.
        answer: Option<Shown>,
    },
    /// The other side is about to answer all that it has for members.
    Ready,
}

/// The proofs of one side: of the secret, and of the cluster's name.
type Shown = [Proof<PROOF_LEN>; 2];

fn message(shown: &Shown) -> Vec<u8> {
    shown.map(|proof| *proof.as_bytes()).concat()
}

impl<F: FnOnce()> Side<'_, F> {
    /// Whether the other side has shown what it has to.
    fn check(&self, expected: &Shown, shown: &[u8]) -> Result<(), Goodbye> {
        let (of_secret, of_cluster) = shown.split_at(PROOF_LEN.min(shown.len()));
        if !expected[0].matches(of_secret) {
            return Err(Goodbye::wrong_secret());
        }
        if !expected[1].matches(of_cluster) {
            // Only a node that has the secret learns this.
            let name = self.cluster.unwrap_or_default();
            let reason = format!("cluster names differ: the other side's is not {name:?}");
            return Err(Goodbye::new(CloseCode::Cluster, reason));
        }
        Ok(())
    }
}

impl<F: FnOnce()> Proofs for Proving<'_, F> {
    type Outcome = ();

    fn begin(self, prefaces: &Prefaces) -> Result<Step<Self, ()>, Goodbye> {
        let Self::Prefaces(side) = self else { return Err(Goodbye::faulty("a second preface came")) };
        let Prefaces { dialer, listener, dialed } = prefaces;
        let Some(secret) = side.secret else {
            (side.proven)();
            return Ok(Step::wait(vec![READY.to_vec()], Self::Ready));
        };
        let (me, other) = side.peers;
        let (dialer_id, listener_id) = if *dialed { (me, other) } else { (other, me) };
        let transcript = Transcript { dialer: (dialer_id, dialer), listener: (listener_id, listener) };
        let shown = |role| {
            [Claim::Secret, Claim::Cluster].map(|claim| transcript.prove(secret, role, claim, side.cluster))
        };
        let (of_dialer, of_listener) = (shown(Role::Dialer), shown(Role::Listener));
        Ok(if *dialed {
            let next = Self::Proofs { side, expected: of_listener, answer: None };
            Step::wait(vec![message(&of_dialer)], next)
        } else {
            Step::wait(vec![], Self::Proofs { side, expected: of_dialer, answer: Some(of_listener) })
        })
    }

    fn handle(self, shown: &[u8]) -> Result<Step<Self, ()>, Goodbye> {
        match self {
            Self::Proofs { side, expected, answer } => {
                side.check(&expected, shown)?;
                (side.proven)();
                let mut send: Vec<Vec<u8>> = answer.iter().map(message).collect();
                send.push(READY.to_vec());
                Ok(Step::wait(send, Self::Ready))
            }
            Self::Ready if shown == READY => Ok(Step::done(vec![], ())),
            Self::Ready | Self::Prefaces(_) => Err(Goodbye::faulty("expected the end of the handshake")),
        }
    }
}

/// What a proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Its maker has the secret.
    Secret,
    /// Its maker is of the cluster of this name; nothing is claimed where one of the two has no name.
    Cluster,
}

/// Which side makes a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Dialer,
    Listener,
}

/// All that proofs on one link are made over.
struct Transcript<'a> {
    dialer: (PeerId, &'a Preface),
    listener: (PeerId, &'a Preface),
}

impl Transcript<'_> {
    /// What the side of that role shows.
    fn prove(&self, secret: &Secret, role: Role, claim: Claim, cluster: Option<&str>) -> Proof<PROOF_LEN> {
        // Shorter keys are filled with zeros (RFC 2104).
        let mut key = [0; 64];
        key[..32].copy_from_slice(&secret.key(KEY));
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
                // Which of the two have a name is in the prefaces.
                let both = self.dialer.1.named && self.listener.1.named;
                add(cluster.filter(|_| both).unwrap_or_default().as_bytes());
            }
        }
        Proof::new(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> Secret {
        Secret::new(bytes).unwrap()
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
            at.prove(key, role, claim, name).matches(proof.as_bytes())
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
    }

    #[test]
    fn a_node_that_leaves_the_name_open_is_of_any_cluster() {
        let (a, b) = (Preface::new(true, false, [1; 32]), Preface::new(true, true, [2; 32]));
        let here = Transcript { dialer: (PeerId::random(), &a), listener: (PeerId::random(), &b) };
        let key = secret(b"k");
        let proof = here.prove(&key, Role::Dialer, Claim::Cluster, None);
        let expected = here.prove(&key, Role::Dialer, Claim::Cluster, Some("demo"));
        assert!(expected.matches(proof.as_bytes()));
    }
}
