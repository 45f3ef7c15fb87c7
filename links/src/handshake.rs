//! From a connection to a link, without I/O: what one side sends, and what comes of what the other side sends.
//!
//! Both sides send a [`Preface`]. If they agree, proofs of the secret follow, which are each transport's own: see
//! [`Proofs`]. A side that fails gets a [`Goodbye`], and its connection is closed.

use crate::goodbye::{CloseCode, Goodbye};
use crate::preface::Preface;
use crate::random::{NoRandomness, Nonce, random};

/// The longest message of a handshake, in bytes.
pub const MAX_MESSAGE: usize = 1024;

/// How two sides prove to each other that they belong together, after their prefaces.
pub trait Proofs: Sized {
    /// What the link goes on with, such as keys.
    type Outcome;

    /// Both prefaces are known, and agree.
    ///
    /// # Errors
    ///
    /// Why this side turns the connection away.
    fn begin(self, prefaces: &Prefaces) -> Result<Step<Self, Self::Outcome>, Goodbye>;

    /// The other side's next message.
    ///
    /// # Errors
    ///
    /// Why this side turns the connection away.
    fn handle(self, message: &[u8]) -> Result<Step<Self, Self::Outcome>, Goodbye>;
}

/// The prefaces of both sides.
#[derive(Debug)]
pub struct Prefaces {
    /// That of the side that opened the connection.
    pub dialer: Preface,
    /// That of the other side.
    pub listener: Preface,
    /// Whether this side is the dialer.
    pub dialed: bool,
}

/// What a side does after a message.
#[derive(Debug)]
pub struct Step<H, O> {
    /// Messages to send, in order.
    pub send: Vec<Vec<u8>>,
    /// What comes after that.
    pub next: Next<H, O>,
}

/// What comes after a step.
#[derive(Debug)]
pub enum Next<H, O> {
    /// The other side's next message.
    Wait(H),
    /// The link: the other side has proven that it belongs here.
    Done(O),
}

impl<H, O> Step<H, O> {
    /// Sends these, and waits for the other side's next message.
    pub fn wait(send: Vec<Vec<u8>>, next: H) -> Self {
        Self { send, next: Next::Wait(next) }
    }

    /// Sends these, and the handshake is over.
    pub fn done(send: Vec<Vec<u8>>, outcome: O) -> Self {
        Self { send, next: Next::Done(outcome) }
    }
}

/// A connection whose other side belongs here.
#[derive(Debug)]
pub struct Established<O> {
    /// Names the connection, on both of its sides.
    pub connection: Nonce,
    /// Whether this side opened it.
    pub dialed: bool,
    /// What the proofs left.
    pub outcome: O,
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// One side will not have the other.
    Refused(String),
    /// No node is there, or none that can be talked to.
    Broken(String),
}

impl Failure {
    /// For people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(reason) | Self::Broken(reason) => reason,
        }
    }

    /// Whether one side will not have the other.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// The other side has closed the connection during the handshake.
    #[must_use]
    pub fn closed_there(code: Option<CloseCode>, reason: &str) -> Self {
        match code {
            Some(code) if code.is_refusal() => {
                Self::Refused(format!("turned away by the other side: {reason}"))
            }
            _ => Self::Broken(format!("the other side ended the handshake: {reason}")),
        }
    }
}

/// This side turns the connection away.
impl From<Goodbye> for Failure {
    fn from(Goodbye { code, reason }: Goodbye) -> Self {
        if code.is_refusal() { Self::Refused(reason) } else { Self::Broken(reason) }
    }
}

/// One side of a handshake.
#[derive(Debug)]
pub struct Handshake<P> {
    dialed: bool,
    mine: Preface,
    connection: Nonce,
    proofs: P,
    /// Whether the other side's preface has come.
    agreed: bool,
}

impl<P: Proofs> Handshake<P> {
    /// The side that opened the connection (`dialed`), or the other one; whether it has a secret, and a cluster's name to
    /// prove (`named`).
    ///
    /// # Errors
    ///
    /// [`NoRandomness`]
    pub fn new(dialed: bool, secret: bool, named: bool, proofs: P) -> Result<Self, NoRandomness> {
        let nonce = random()?;
        let mine = Preface::new(secret, named, nonce);
        Ok(Self { dialed, mine, connection: nonce, proofs, agreed: false })
    }

    /// What this side sends first.
    #[must_use]
    pub fn first(&self) -> &[u8] {
        self.mine.encode()
    }

    /// The other side's next message.
    ///
    /// # Errors
    ///
    /// Why this side turns the connection away.
    pub fn handle(mut self, message: &[u8]) -> Result<Step<Self, Established<P::Outcome>>, Goodbye> {
        if message.len() > MAX_MESSAGE {
            return Err(Goodbye::faulty("too much was sent before the handshake was over"));
        }
        if self.agreed {
            let Self { dialed, mine, connection, proofs, agreed } = self;
            let step = proofs.handle(message)?;
            let rest = |proofs| Self { dialed, mine, connection, proofs, agreed };
            return Ok(step.map(rest, |outcome| Established { connection, dialed, outcome }));
        }
        let theirs = Preface::decode(message)?;
        self.mine.agree(&theirs)?;
        if self.mine.secret && self.mine.nonce == theirs.nonce {
            // This side's own preface, sent back: so would its proofs be.
            return Err(Goodbye::wrong_secret());
        }
        if !self.dialed {
            self.connection = theirs.nonce;
        }
        let Self { dialed, mine, connection, proofs, .. } = self;
        let (dialer, listener) = if dialed { (mine.clone(), theirs) } else { (theirs, mine.clone()) };
        let step = proofs.begin(&Prefaces { dialer, listener, dialed })?;
        let rest = |proofs| Self { dialed, mine, connection, proofs, agreed: true };
        Ok(step.map(rest, |outcome| Established { connection, dialed, outcome }))
    }
}

impl<H, O> Step<H, O> {
    fn map<I, R>(self, wait: impl FnOnce(H) -> I, done: impl FnOnce(O) -> R) -> Step<I, R> {
        let Self { send, next } = self;
        let next = match next {
            Next::Wait(handshake) => Next::Wait(wait(handshake)),
            Next::Done(outcome) => Next::Done(done(outcome)),
        };
        Step { send, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves nothing: the dialer says a word, and the listener takes it.
    #[derive(Debug)]
    struct Word;

    impl Proofs for Word {
        type Outcome = Vec<u8>;

        fn begin(self, prefaces: &Prefaces) -> Result<Step<Self, Vec<u8>>, Goodbye> {
            let word = b"word".to_vec();
            Ok(if prefaces.dialed { Step::done(vec![word.clone()], word) } else { Step::wait(vec![], self) })
        }

        fn handle(self, message: &[u8]) -> Result<Step<Self, Vec<u8>>, Goodbye> {
            Ok(Step::done(vec![], message.to_vec()))
        }
    }

    fn sides(secret: bool) -> [Handshake<Word>; 2] {
        [true, false].map(|dialed| Handshake::new(dialed, secret, false, Word).unwrap())
    }

    fn done<H: std::fmt::Debug, O: std::fmt::Debug>(step: Step<H, O>) -> O {
        match step.next {
            Next::Done(outcome) => outcome,
            Next::Wait(_) => panic!("{step:?}"),
        }
    }

    #[test]
    fn both_sides_know_the_connection_by_one_name() {
        let [dialer, listener] = sides(true);
        let (to_listener, to_dialer) = (dialer.first().to_vec(), listener.first().to_vec());
        let Step { next: Next::Wait(listener), .. } = listener.handle(&to_listener).unwrap() else {
            panic!("the listener waits for the word")
        };
        let mut step = dialer.handle(&to_dialer).unwrap();
        let word = step.send.remove(0);
        let (dialer, listener) = (done(step), done(listener.handle(&word).unwrap()));
        assert_eq!((dialer.connection, &dialer.outcome), (listener.connection, &listener.outcome));
        assert!(dialer.dialed && !listener.dialed);
    }

    #[test]
    fn what_is_no_preface_or_too_long_or_sent_back_is_turned_away() {
        let code = |secret: bool, message: &dyn Fn(&[u8]) -> Vec<u8>| {
            let [dialer, _] = sides(secret);
            let message = message(dialer.first());
            dialer.handle(&message).err().map(|goodbye| goodbye.code)
        };
        assert_eq!(code(false, &|_| b"hello there".to_vec()), Some(CloseCode::Faulty));
        assert_eq!(code(false, &|first| [first, &[0; MAX_MESSAGE]].concat()), Some(CloseCode::Faulty));
        assert_eq!(code(true, &<[u8]>::to_vec), Some(CloseCode::WrongSecret));
        assert_eq!(code(false, &<[u8]>::to_vec), None);
        let [_, other] = sides(true);
        assert_eq!(code(false, &|_| other.first().to_vec()), Some(CloseCode::SecretMissing));
    }

    #[test]
    fn only_a_refusal_is_a_refusal() {
        let refused = Failure::closed_there(Some(CloseCode::WrongSecret), "no");
        assert_eq!(refused, Failure::Refused("turned away by the other side: no".into()));
        assert!(matches!(Failure::closed_there(Some(CloseCode::Leaving), "no"), Failure::Broken(_)));
        assert!(matches!(Failure::closed_there(None, "no"), Failure::Broken(_)));
        assert!(matches!(Failure::from(Goodbye::faulty("no")), Failure::Broken(_)));
    }
}
