//! What seats say to each other, and which of it can still matter.

use std::fmt;

use paxoskv_core::message::{Held, Question};
use paxoskv_core::{Ballot, Entry, Generation, Lease, Seat};

use super::super::Turn;
use super::Place;
use super::attempts::Stage;

/// What is decided here: keys, and the end of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    /// A key, by its number.
    Key(u8),
    /// The end of the lease.
    End,
}

/// A register: the end of the lease has the one of generation 0 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Register {
    pub(in super::super) on: On,
    pub(in super::super) generation: Generation,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Sent {
    pub(super) register: Register,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Prepare { ballot: Ballot, asked: Vec<Lease> },
    Promise { ballot: Ballot, held: Held, ended: Vec<Lease> },
    Accept { ballot: Ballot, entry: Entry },
    Accepted { ballot: Ballot, flagged: bool },
    Rejected { ballot: Ballot, promised: Ballot },
    Stale { newer: Generation },
    Read { question: Question, asked: Vec<Lease> },
    Holding { question: Question, held: Held, ended: Vec<Lease> },
    Chosen { entry: Entry },
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on {
            On::End => write!(f, "end"),
            On::Key(key) => write!(f, "key {key}, generation {}", self.generation),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = |held: &Held| match held {
            Held::Nothing {} => "nothing".to_owned(),
            Held::Accepted { ballot, entry } => format!("{} at {ballot}", entry.request.0[0]),
            Held::Learned { entry } => format!("{} learned", entry.request.0[0]),
        };
        write!(f, "{}: ", self.register)?;
        match &self.what {
            What::Prepare { ballot, .. } => write!(f, "prepare {ballot}"),
            What::Promise { ballot, held: of, ended } => {
                write!(f, "promise {ballot}, holding {}, {} ended", held(of), ended.len())
            }
            What::Accept { ballot, entry } => write!(f, "accept {} at {ballot}", entry.request.0[0]),
            What::Accepted { ballot, flagged } => write!(f, "accepted at {ballot}, flagged: {flagged}"),
            What::Rejected { ballot, promised } => write!(f, "rejected {ballot}, promised {promised}"),
            What::Stale { newer } => write!(f, "stale, now {newer}"),
            What::Read { question, .. } => write!(f, "read, question {}", question.number),
            What::Holding { question, held: of, ended } => {
                write!(f, "answer to question {}: {}, {} ended", question.number, held(of), ended.len())
            }
            What::Chosen { entry } => write!(f, "chosen: {}", entry.request.0[0]),
        }
    }
}

impl Place {
    /// Sends to all others, and hears it at once itself.
    pub(super) fn ask_all(&mut self, turn: &mut Turn<'_>, sent: &Sent) {
        let own = self.seat;
        turn.sent.extend(turn.others(own).map(|seat| (seat, sent.clone())));
        self.handle(turn, own, sent.clone());
    }

    pub(super) fn answer(&mut self, turn: &mut Turn<'_>, to: Seat, sent: Sent) {
        if to == self.seat {
            return self.handle(turn, to, sent);
        }
        turn.sent.push((to, sent));
    }

    /// Whether a message on its way to this seat can still change anything.
    pub(in super::super) fn cares(&self, turn: &Turn<'_>, sent: &Sent) -> bool {
        let rules = turn.rules;
        let Register { on, generation } = sent.register;
        let desk = self.desk(on);
        let acceptor = &desk.acceptor;
        let attempt = desk
            .attempt
            .as_ref()
            .filter(|attempt| attempt.generation == generation || !rules.match_questions);
        let current = |ballot: Ballot| {
            attempt.is_some_and(|attempt| match &attempt.stage {
                Stage::Proposing { proposer, .. } => proposer.ballot() == ballot || !rules.match_questions,
                _ => false,
            })
        };
        match &sent.what {
            What::Prepare { ballot, .. } => {
                acceptor.generation < generation
                    || acceptor.promised < Some(*ballot)
                        && acceptor.generation == generation
                        && acceptor.learned(generation).is_none()
            }
            What::Accept { ballot, .. } => {
                !rules.keep_promises
                    || !rules.stale_generations
                    || acceptor.generation < generation
                    || acceptor.promised <= Some(*ballot)
                        && acceptor.generation == generation
                        && acceptor.learned(generation).is_none()
            }
            What::Read { .. } => acceptor.generation < generation,
            What::Promise { ballot, .. } | What::Rejected { ballot, .. } => current(*ballot),
            What::Holding { question, .. } => attempt.is_some_and(|attempt| match &attempt.stage {
                Stage::Reading(reader) => reader.question() == *question || !rules.match_questions,
                _ => !rules.match_questions,
            }),
            What::Accepted { .. } => {
                (attempt.is_some() || turn.plan.votes_to_all)
                    && acceptor.generation <= generation
                    && acceptor.learned(generation).is_none()
            }
            What::Stale { newer } => attempt.is_some_and(|attempt| attempt.generation < *newer),
            What::Chosen { .. } => acceptor.learned(generation).is_none(),
        }
    }

    /// Whether the one who sent this waits for what is answered to it.
    pub(in super::super) fn waits_for(&self, turn: &Turn<'_>, sent: &Sent) -> bool {
        if !turn.rules.match_questions {
            return true;
        }
        let Register { on, generation } = sent.register;
        let attempt = self.desk(on).attempt.as_ref().filter(|attempt| attempt.generation == generation);
        attempt.is_some_and(|attempt| match (&attempt.stage, &sent.what) {
            (Stage::Reading(reader), What::Read { question, .. }) => reader.question() == *question,
            (
                Stage::Proposing { proposer, .. },
                What::Prepare { ballot, .. } | What::Accept { ballot, .. },
            ) => proposer.ballot() == *ballot,
            _ => false,
        })
    }
}
