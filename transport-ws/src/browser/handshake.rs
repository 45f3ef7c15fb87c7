//! From a socket to a link: see [`preface`](crate::preface) and [`noise`](crate::noise).

use crate::noise::{Handshake, Opener, Sealer};
use crate::preface::{Preface, Token};
use crate::refusal::{Code, Refusal};
use crate::secret::Secret;

/// The longest message that is read before there is a link.
const LONGEST: usize = 1024;

/// A connection whose other side has not proved yet that it belongs here.
pub(super) struct Greeting {
    secret: Option<Secret>,
    /// Whether this side dialed; if not, somebody came to it through a relay.
    dialed: bool,
    token: Token,
    mine: Vec<u8>,
    proving: Proving,
}

enum Proving {
    /// The prefaces come first.
    Prefaces,
    Noise(Handshake),
    /// The first message may have been recorded elsewhere; the dialer's last one cannot have been.
    Last(Sealer, Opener),
}

/// What comes of a message of the other side's.
pub(super) enum Step {
    /// Send this, if there is something, and wait for the next one.
    Wait(Greeting, Option<Vec<u8>>),
    /// The link is up, after this has been sent where there is something.
    Done(Link, Option<Vec<u8>>),
}

/// With a secret, what encrypts and decrypts.
pub(super) type Keys = Option<(Sealer, Opener)>;

/// A link that is ready for use.
pub(super) struct Link {
    /// Names the connection on both sides.
    pub(super) token: Token,
    pub(super) keys: Keys,
    pub(super) dialed: bool,
}

fn faulty(reason: impl Into<String>) -> Refusal {
    Refusal::new(Code::Faulty, reason)
}

impl Greeting {
    /// # Errors
    /// If the browser has no randomness.
    pub(super) fn new(secret: Option<Secret>, dialed: bool) -> Result<Self, String> {
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|_| "the browser has no random numbers".to_owned())?;
        let mine = Preface::new(secret.is_some(), token).encode();
        Ok(Self { secret, dialed, token, mine, proving: Proving::Prefaces })
    }

    /// What this side says first.
    pub(super) fn first(&self) -> &[u8] {
        &self.mine
    }

    fn done(&self, keys: Keys, last: Option<Vec<u8>>) -> Step {
        Step::Done(Link { token: self.token, keys, dialed: self.dialed }, last)
    }

    /// # Errors
    /// Why this side turns the connection away.
    pub(super) fn hear(mut self, message: &[u8]) -> Result<Step, Refusal> {
        if message.len() > LONGEST {
            return Err(faulty("too much was sent before the handshake was over"));
        }
        match std::mem::replace(&mut self.proving, Proving::Prefaces) {
            Proving::Prefaces => self.hear_preface(message),
            Proving::Noise(mut noise) if self.dialed => {
                noise.read(message)?;
                let mut keys = noise.finish()?;
                let proof = keys.0.seal(&[]).map_err(|broken| faulty(broken.to_string()))?;
                Ok(self.done(Some(keys), Some(proof)))
            }
            Proving::Noise(mut noise) => {
                noise.read(message)?;
                let answer = noise.write()?;
                let (sealer, opener) = noise.finish()?;
                self.proving = Proving::Last(sealer, opener);
                Ok(Step::Wait(self, Some(answer)))
            }
            Proving::Last(sealer, mut opener) => match opener.open(message) {
                Ok(proof) if proof.is_empty() => Ok(self.done(Some((sealer, opener)), None)),
                _ => Err(Refusal::new(Code::WrongSecret, "wrong secret: the handshake was not finished")),
            },
        }
    }

    fn hear_preface(mut self, message: &[u8]) -> Result<Step, Refusal> {
        let theirs = Preface::decode(message)
            .ok_or_else(|| faulty("the other side is no PaxosKV node: its first message is unknown"))?;
        Preface::new(self.secret.is_some(), self.token).agree(&theirs)?;
        if !self.dialed {
            self.token = theirs.token;
        }
        let Some(secret) = &self.secret else { return Ok(self.done(None, None)) };
        let (dialers, listeners) = if self.dialed { (&*self.mine, message) } else { (message, &*self.mine) };
        let mut noise = Handshake::new(secret, self.dialed, dialers, listeners)?;
        let first = self.dialed.then(|| noise.write()).transpose()?;
        self.proving = Proving::Noise(noise);
        Ok(Step::Wait(self, first))
    }
}
