//! From a socket to a link, from the dialer's side: see [`preface`](crate::preface) and [`noise`](crate::noise).

use crate::noise::{Handshake, Opener, Sealer};
use crate::preface::{Preface, Token};
use crate::refusal::{Code, Refusal};
use crate::secret::Secret;

/// The longest message that is read before there is a link.
const LONGEST: usize = 1024;

/// A connection whose other side has not proved yet that it belongs here.
pub(super) struct Greeting {
    secret: Option<Secret>,
    token: Token,
    mine: Vec<u8>,
    noise: Option<Handshake>,
}

/// What comes of a message of the other side's.
pub(super) enum Step {
    /// Send this, and wait for the next one.
    Say(Greeting, Vec<u8>),
    /// The link is up, after this has been sent where there is something.
    Done(Keys, Option<Vec<u8>>),
}

/// With a secret, what encrypts and decrypts.
pub(super) type Keys = Option<(Sealer, Opener)>;

impl Greeting {
    /// # Errors
    /// If the browser has no randomness.
    pub(super) fn new(secret: Option<Secret>) -> Result<Self, String> {
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|_| "the browser has no random numbers".to_owned())?;
        let mine = Preface::new(secret.is_some(), token).encode();
        Ok(Self { secret, token, mine, noise: None })
    }

    /// What this side says first.
    pub(super) fn first(&self) -> &[u8] {
        &self.mine
    }

    /// Names the connection on both sides.
    pub(super) fn token(&self) -> Token {
        self.token
    }

    /// # Errors
    /// Why this side turns the connection away.
    pub(super) fn hear(mut self, message: &[u8]) -> Result<Step, Refusal> {
        if message.len() > LONGEST {
            return Err(Refusal::new(Code::Faulty, "too much was sent before the handshake was over"));
        }
        if let Some(mut noise) = self.noise.take() {
            noise.read(message)?;
            let mut keys = noise.finish()?;
            let proof = keys.0.seal(&[]).map_err(|broken| Refusal::new(Code::Faulty, broken.to_string()))?;
            return Ok(Step::Done(Some(keys), Some(proof)));
        }
        let theirs = Preface::decode(message).ok_or_else(|| {
            Refusal::new(Code::Faulty, "the other side is no PaxosKV node: its first message is unknown")
        })?;
        Preface::new(self.secret.is_some(), self.token).agree(&theirs)?;
        let Some(secret) = &self.secret else { return Ok(Step::Done(None, None)) };
        let mut noise = Handshake::new(secret, true, &self.mine, message)?;
        let first = noise.write()?;
        self.noise = Some(noise);
        Ok(Step::Say(self, first))
    }
}
