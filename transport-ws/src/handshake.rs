//! The proofs of a handshake: with a secret, Noise; see the module `noise`.

use paxoskv_links::handshake::{Prefaces, Proofs, Step};
use paxoskv_links::{Goodbye, Handshake, NoRandomness, Secret};

use crate::noise::{self, Opener, Sealer};

/// With a secret, what encrypts and decrypts.
pub type Keys = Option<(Sealer, Opener)>;

/// A side's proofs, as far as they have come.
#[derive(Debug)]
pub enum Proving {
    /// Nothing is proven. Without a secret, nothing has to be.
    Prefaces(Option<Secret>),
    /// A message of Noise comes next.
    Noise {
        /// This side's handshake.
        noise: noise::Handshake,
        /// Whether this side opened the connection.
        dialed: bool,
    },
    /// The dialer's first message may have been recorded elsewhere. Its last one, which comes next, cannot have been.
    Last(Sealer, Opener),
}

/// One side of a handshake: of the side that opened the connection (`dialed`), or of the other.
///
/// # Errors
///
/// [`NoRandomness`]
pub fn handshake(dialed: bool, secret: Option<&Secret>) -> Result<Handshake<Proving>, NoRandomness> {
    Handshake::new(dialed, secret.is_some(), false, Proving::Prefaces(secret.cloned()))
}

impl Proofs for Proving {
    type Outcome = Keys;

    fn begin(self, prefaces: &Prefaces) -> Result<Step<Self, Keys>, Goodbye> {
        let Self::Prefaces(Some(secret)) = self else { return Ok(Step::done(vec![], None)) };
        let Prefaces { dialer, listener, dialed } = prefaces;
        let mut noise = noise::Handshake::new(&secret, *dialed, dialer.encode(), listener.encode())?;
        let send = if *dialed { vec![noise.write()?] } else { vec![] };
        Ok(Step::wait(send, Self::Noise { noise, dialed: *dialed }))
    }

    fn handle(self, message: &[u8]) -> Result<Step<Self, Keys>, Goodbye> {
        match self {
            Self::Noise { mut noise, dialed: true } => {
                noise.read(message)?;
                let (mut sealer, opener) = noise.finish()?;
                let last = sealer.seal(&[]).map_err(|broken| Goodbye::faulty(broken.to_string()))?;
                Ok(Step::done(vec![last], Some((sealer, opener))))
            }
            Self::Noise { mut noise, dialed: false } => {
                noise.read(message)?;
                let answer = noise.write()?;
                let (sealer, opener) = noise.finish()?;
                Ok(Step::wait(vec![answer], Self::Last(sealer, opener)))
            }
            Self::Last(sealer, mut opener) => match opener.open(message) {
                Ok(last) if last.is_empty() => Ok(Step::done(vec![], Some((sealer, opener)))),
                _ => Err(Goodbye::wrong_secret()),
            },
            Self::Prefaces(_) => Err(Goodbye::faulty("a message came before its time")),
        }
    }
}
