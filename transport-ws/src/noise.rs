//! Proving the secret, and encrypting with it.
//!
//! `Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s` (<https://noiseprotocol.org>): no static keys, since the nodes of a cluster
//! are equals that share one secret; fresh keys for each connection, so a secret that leaks later does not open what
//! was recorded.
//!
//! ```text
//! dialer → listener   psk, e      only a holder of the secret can make it
//! listener → dialer   e, ee       likewise
//! dialer → listener   (empty)     first message under the new keys: the dialer is no replay
//! ```
//!
//! A Noise message holds at most 65535 bytes, and a frame may be longer. So a frame is cut into pieces, each with a
//! first byte that says whether it is the last one, and the encrypted pieces are sent in one WebSocket message. All
//! pieces but the last one are of full length, so their borders need not be sent.

use std::sync::Arc;

use paxoskv_links::{Goodbye, Secret};
use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifier, HandshakeModifierList,
    HandshakePattern, HashChoice, NoiseParams,
};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, StatelessTransportState};

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE: &[u8] = b"paxoskv transport-ws";
/// What the pre-shared key is derived for.
const KEY: &[u8] = b"paxoskv transport-ws pre-shared key v1\0";

/// Longest Noise message.
const MAX_MESSAGE: usize = 65535;
/// The authentication tag of each.
const TAG: usize = 16;
/// What of the frame fits into one message, beside the tag and the byte that says whether it is the last one.
const MAX_PIECE: usize = MAX_MESSAGE - TAG - 1;

const MORE: u8 = 0;
const LAST: u8 = 1;

/// How long a message with a frame of so many bytes can get.
#[must_use]
pub fn sealed_len(frame: usize) -> usize {
    frame + frame.div_ceil(MAX_PIECE).max(1) * (TAG + 1)
}

/// Why a message could not be encrypted or decrypted. The connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It was not made by the holder of the secret at the other end, or not in this order.
    #[error("a message could not be decrypted: it was changed on the way, or is not of this connection")]
    Forged,
    /// The pieces of a frame do not fit together.
    #[error("a frame was cut wrongly")]
    Pieces,
    /// The keys were used as often as they may be.
    #[error("the connection's keys are used up; a new connection makes new ones")]
    UsedUp,
}

/// What [`PATTERN`] says, without the code that reads such names.
fn params() -> NoiseParams {
    let modifiers = HandshakeModifierList { list: vec![HandshakeModifier::Psk(0)] };
    NoiseParams::new(
        PATTERN.into(),
        BaseChoice::Noise,
        HandshakeChoice { pattern: HandshakePattern::NN, modifiers },
        DHChoice::Curve25519,
        CipherChoice::ChaChaPoly,
        HashChoice::Blake2s,
    )
}

/// The algorithms of [`PATTERN`], and no others: the download of a browser has all that a resolver could give.
struct Algorithms;

impl CryptoResolver for Algorithms {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(&DHChoice::Curve25519)
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(&HashChoice::Blake2s)
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(&CipherChoice::ChaChaPoly)
    }
}

/// The handshake, one side of it.
#[derive(Debug)]
pub struct Handshake(Box<HandshakeState>);

/// Without the texts of errors that cannot be, such as those about names of patterns: a browser would download them.
fn failed(error: &snow::Error) -> Goodbye {
    let why = match error {
        snow::Error::Rng => "there are no random numbers",
        snow::Error::State(_) => "a message came or went before its time",
        _ => "the other side sent what is no message of it",
    };
    Goodbye::faulty(format!("the encrypted handshake failed: {why}"))
}

impl Handshake {
    /// The side that dialed (`dialer`) or the other one, after both prefaces are known.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn new(secret: &Secret, dialer: bool, dialers: &[u8], listeners: &[u8]) -> Result<Self, Goodbye> {
        let mut prologue = PROLOGUE.to_vec();
        for preface in [dialers, listeners] {
            prologue.extend_from_slice(&(preface.len() as u32).to_be_bytes());
            prologue.extend_from_slice(preface);
        }
        let key = secret.key(KEY);
        let start = || {
            let builder =
                Builder::with_resolver(params(), Box::new(Algorithms)).prologue(&prologue)?.psk(0, &key)?;
            if dialer { builder.build_initiator() } else { builder.build_responder() }
        };
        start().map(|state| Self(Box::new(state))).map_err(|error: snow::Error| failed(&error))
    }

    /// This side's next message.
    ///
    /// # Errors
    ///
    /// If it is not this side's turn, or there is no randomness.
    pub fn write(&mut self) -> Result<Vec<u8>, Goodbye> {
        let mut message = vec![0; 128];
        let length = self.0.write_message(&[], &mut message).map_err(|error| failed(&error))?;
        message.truncate(length);
        Ok(message)
    }

    /// The other side's next message.
    ///
    /// # Errors
    ///
    /// [`CloseCode::WrongSecret`](paxoskv_links::CloseCode::WrongSecret) if it was made with another secret.
    pub fn read(&mut self, message: &[u8]) -> Result<(), Goodbye> {
        let mut payload = vec![0; message.len()];
        self.0.read_message(message, &mut payload).map(drop).map_err(|error| match error {
            snow::Error::Decrypt => Goodbye::wrong_secret(),
            other => failed(&other),
        })
    }

    /// The two directions, once all messages of the handshake are through.
    ///
    /// # Errors
    ///
    /// If they are not.
    pub fn finish(self) -> Result<(Sealer, Opener), Goodbye> {
        let state = self.0.into_stateless_transport_mode().map_err(|error| failed(&error))?;
        let state = Arc::new(state);
        Ok((Sealer { state: Arc::clone(&state), nonce: 0 }, Opener { state, nonce: 0 }))
    }
}

/// Encrypts what goes out.
#[derive(Debug)]
pub struct Sealer {
    state: Arc<StatelessTransportState>,
    nonce: u64,
}

/// Decrypts what comes in.
#[derive(Debug)]
pub struct Opener {
    state: Arc<StatelessTransportState>,
    nonce: u64,
}

/// The highest nonce is reserved (Noise §5.1); no connection gets there, and one that did must not wrap.
fn advance(nonce: &mut u64) -> Result<u64, Broken> {
    let now = *nonce;
    *nonce = now.checked_add(1).ok_or(Broken::UsedUp)?;
    Ok(now)
}

impl Sealer {
    /// Encrypts a frame.
    ///
    /// # Errors
    ///
    /// [`Broken::UsedUp`].
    pub fn seal(&mut self, frame: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut out = vec![0; sealed_len(frame.len())];
        let mut filled = 0;
        let mut piece = Vec::with_capacity(1 + frame.len().min(MAX_PIECE));
        let mut rest = frame;
        loop {
            let (now, later) = rest.split_at(rest.len().min(MAX_PIECE));
            piece.clear();
            piece.push(if later.is_empty() { LAST } else { MORE });
            piece.extend_from_slice(now);
            let nonce = advance(&mut self.nonce)?;
            filled +=
                self.state.write_message(nonce, &piece, &mut out[filled..]).map_err(|_| Broken::UsedUp)?;
            if later.is_empty() {
                out.truncate(filled);
                return Ok(out);
            }
            rest = later;
        }
    }
}

impl Opener {
    /// Decrypts a message to the frame in it.
    ///
    /// # Errors
    ///
    /// [`Broken`] if it is not the next message of the other side.
    pub fn open(&mut self, message: &[u8]) -> Result<Vec<u8>, Broken> {
        let mut frame = Vec::with_capacity(message.len());
        let mut piece = vec![0; message.len().min(MAX_MESSAGE)];
        let mut pieces = message.chunks(MAX_MESSAGE).peekable();
        while let Some(sealed) = pieces.next() {
            let nonce = advance(&mut self.nonce)?;
            let length = self.state.read_message(nonce, sealed, &mut piece).map_err(|_| Broken::Forged)?;
            let expected = if pieces.peek().is_none() { LAST } else { MORE };
            match piece[..length].split_first() {
                Some((mark, content)) if *mark == expected => frame.extend_from_slice(content),
                _ => return Err(Broken::Pieces),
            }
        }
        if message.is_empty() { Err(Broken::Pieces) } else { Ok(frame) }
    }
}

#[cfg(test)]
mod tests {
    use paxoskv_links::CloseCode;

    use super::*;

    #[test]
    fn what_the_name_says_is_what_is_done() {
        assert_eq!(PATTERN.parse(), Ok(params()));
    }

    fn sides(theirs: &[u8], dialers_preface: &[u8]) -> Result<[(Sealer, Opener); 2], Goodbye> {
        let ours = Secret::new(b"ours").unwrap();
        let mut dialer = Handshake::new(&ours, true, b"preface", b"other")?;
        let mut listener = Handshake::new(&Secret::new(theirs).unwrap(), false, dialers_preface, b"other")?;
        listener.read(&dialer.write()?)?;
        dialer.read(&listener.write()?)?;
        Ok([dialer.finish()?, listener.finish()?])
    }

    #[test]
    fn frames_of_all_lengths_come_through_both_ways() {
        let [mut dialer, mut listener] = sides(b"ours", b"preface").unwrap();
        for length in [0, 1, MAX_PIECE - 1, MAX_PIECE, MAX_PIECE + 1, 2 * MAX_PIECE, 3 << 20] {
            let frame: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let sealed = dialer.0.seal(&frame).unwrap();
            assert_eq!(sealed.len(), sealed_len(length));
            assert_eq!(listener.1.open(&sealed).unwrap(), frame);
            assert_eq!(dialer.1.open(&listener.0.seal(&frame).unwrap()).unwrap(), frame);
        }
    }

    #[test]
    fn another_secret_or_a_changed_preface_is_a_wrong_secret() {
        assert_eq!(sides(b"theirs", b"preface").unwrap_err().code, CloseCode::WrongSecret);
        assert_eq!(sides(b"ours", b"changed").unwrap_err().code, CloseCode::WrongSecret);
    }

    #[test]
    fn what_was_changed_cut_repeated_or_reordered_is_noticed() {
        let [mut dialer, mut listener] = sides(b"ours", b"preface").unwrap();
        let long = dialer.0.seal(&vec![1; 2 * MAX_PIECE]).unwrap();
        let mut changed = long.clone();
        changed[MAX_MESSAGE + 5] ^= 1;
        let fresh = |nonce| Opener { state: Arc::clone(&listener.1.state), nonce };
        assert_eq!(fresh(0).open(&changed), Err(Broken::Forged));
        assert_eq!(fresh(0).open(&long[..MAX_MESSAGE]), Err(Broken::Pieces), "the end is missing");
        assert_eq!(fresh(1).open(&long), Err(Broken::Forged));
        assert_eq!(fresh(0).open(b""), Err(Broken::Pieces));
        assert_eq!(fresh(0).open(&long[..5]), Err(Broken::Forged));
        listener.1.open(&long).unwrap();
        assert_eq!(listener.1.open(&long), Err(Broken::Forged), "the same again");
    }

    #[test]
    fn keys_that_are_used_up_are_an_error() {
        let [mut dialer, mut listener] = sides(b"ours", b"preface").unwrap();
        dialer.0.nonce = u64::MAX;
        listener.1.nonce = u64::MAX;
        assert_eq!(dialer.0.seal(b"x"), Err(Broken::UsedUp));
        assert_eq!(listener.1.open(&[0; 40]), Err(Broken::UsedUp));
    }
}
