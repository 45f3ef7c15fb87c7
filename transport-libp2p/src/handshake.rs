//! From a stream to a link: prefaces and, with a secret, proofs.
//!
//! 1. Both send a [`Preface`].
//! 2. With a secret, the dialer proves that it has it; only then does the listener.
//! 3. Both say with an empty message that they are ready: from then on a side answers all that it has for members.
//!
//! Whoever fails is told so, in words that are the same for every wrong proof, and cut off.

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;

use crate::frame::{Item, ReadError, read, write_frame, write_goodbye};
use crate::preface::Preface;
use crate::refusal::{Code, Refusal};
use crate::secret::{Claim, PROOF_LEN, Role, Secret, Transcript};

/// The longest message of a handshake, in bytes.
const MAX_MESSAGE: usize = 1024;

/// What both say last.
const READY: &[u8] = &[];

/// What one side brings into the handshake.
pub(crate) struct Side<'a> {
    pub(crate) secret: Option<&'a Secret>,
    /// The cluster's name; none where it is left open.
    pub(crate) cluster: Option<&'a str>,
    /// This side's peer id, and that of the other side, for which the connection's encryption vouches.
    pub(crate) peers: (PeerId, PeerId),
    /// Whether this side opened the stream.
    pub(crate) dialed: bool,
    /// Random, and never used before.
    pub(crate) nonce: [u8; 32],
}

/// Why there is no link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// One side will not have the other.
    Refused(String),
    /// Nobody is there who talks like a node.
    Broken(String),
}

/// How a step can fail.
enum Fault {
    /// This side refuses, and says so.
    Ours(Refusal),
    /// The other side is gone, or has said why it goes.
    Theirs(Failure),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Ours(refusal)
    }
}

/// Does the handshake. The caller bounds its time. `proven` is called when the other side has proven that it belongs
/// here, before it is told so.
pub(crate) async fn establish(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    side: &Side<'_>,
    proven: impl FnOnce(),
) -> Result<(), Failure> {
    match shake_hands(stream, side, proven).await {
        Ok(()) => Ok(()),
        Err(Fault::Ours(refusal)) => {
            // Whether or not it can still be told.
            let _ = write_goodbye(stream, &refusal).await;
            let reason = refusal.reason;
            Err(if refusal.code.is_refusal() { Failure::Refused(reason) } else { Failure::Broken(reason) })
        }
        Err(Fault::Theirs(failure)) => Err(failure),
    }
}

async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    side: &Side<'_>,
    proven: impl FnOnce(),
) -> Result<(), Fault> {
    let mine = Preface::new(side.secret.is_some(), side.cluster.is_some(), side.nonce);
    say(stream, mine.encode()).await;
    let theirs = hear(stream).await?;
    let theirs = Preface::decode(&theirs).ok_or_else(|| {
        Refusal::new(Code::Faulty, "the other side is no PaxosKV node: its first message is unknown")
    })?;
    mine.agree(&theirs)?;
    if let Some(secret) = side.secret {
        prove(stream, side, secret, &mine, &theirs).await?;
    }
    proven();
    say(stream, READY).await;
    match hear(stream).await?.as_slice() {
        READY => Ok(()),
        _ => Err(Refusal::new(Code::Faulty, "expected the end of the handshake").into()),
    }
}

async fn prove(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    side: &Side<'_>,
    secret: &Secret,
    mine: &Preface,
    theirs: &Preface,
) -> Result<(), Fault> {
    if mine.nonce == theirs.nonce {
        return Err(wrong_secret().into());
    }
    let (me, them) = ((side.peers.0, mine), (side.peers.1, theirs));
    let ends = if side.dialed { (me, them) } else { (them, me) };
    let parties = Parties {
        transcript: Transcript { dialer: ends.0, listener: ends.1 },
        secret,
        cluster: side.cluster,
    };
    if side.dialed {
        say(stream, &parties.proofs(Role::Dialer)).await;
        parties.check(Role::Listener, &hear(stream).await?)?;
    } else {
        parties.check(Role::Dialer, &hear(stream).await?)?;
        say(stream, &parties.proofs(Role::Listener)).await;
    }
    Ok(())
}

struct Parties<'a> {
    transcript: Transcript<'a>,
    secret: &'a Secret,
    cluster: Option<&'a str>,
}

impl Parties<'_> {
    fn proofs(&self, role: Role) -> Vec<u8> {
        let prove = |claim| self.transcript.prove(self.secret, role, claim, self.cluster);
        [prove(Claim::Secret), prove(Claim::Cluster)].concat()
    }

    fn check(&self, role: Role, shown: &[u8]) -> Result<(), Refusal> {
        let (of_secret, of_cluster) = shown.split_at(PROOF_LEN.min(shown.len()));
        let holds =
            |claim, shown: &[u8]| self.transcript.is_proof(self.secret, role, claim, self.cluster, shown);
        if !holds(Claim::Secret, of_secret) {
            return Err(wrong_secret());
        }
        if !holds(Claim::Cluster, of_cluster) {
            // Only said to who has the secret.
            let name = self.cluster.unwrap_or_default();
            let reason = format!("cluster names differ: the other side's is not {name:?}");
            return Err(Refusal::new(Code::Cluster, reason));
        }
        Ok(())
    }
}

fn wrong_secret() -> Refusal {
    Refusal::new(Code::WrongSecret, "wrong secret: the two sides have not the same secret file")
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) {
    // If it cannot be sent, the other side may have said why before it went: that comes out in `hear`.
    if write_frame(stream, message).await.is_ok() {
        let _ = stream.flush().await;
    }
}

async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Fault> {
    match read(stream, MAX_MESSAGE).await {
        Ok(Item::Frame(message)) => Ok(message),
        Ok(Item::Goodbye(Some(code), reason)) if code.is_refusal() => {
            Err(Fault::Theirs(Failure::Refused(format!("turned away by the other side: {reason}"))))
        }
        Ok(Item::Goodbye(_, reason)) => {
            Err(Fault::Theirs(Failure::Broken(format!("the other side ended the handshake: {reason}"))))
        }
        Err(ReadError::Faulty(reason)) => Err(Refusal::new(Code::Faulty, reason).into()),
        Err(error) => Err(Fault::Theirs(Failure::Broken(format!("lost in the handshake: {error}")))),
    }
}
