//! One seat: the real acceptors of the keys and of the lease's end, and what its one client is at.
//!
//! It follows the node, file by file and function by function, less what has to do with links, clocks and more than
//! one waiter. What is decided is decided by the node's own parts; what is followed is only when they are asked.
//!
//! | module | subject |
//! |---|---|
//! | [`said`] | messages, and which of them can still matter |
//! | `voting` | what a seat answers, and when it knows that something is chosen |
//! | `attempts` | reads and ballots |
//! | `settle` | who has their answer, and what to try next |

mod attempts;
pub(super) mod said;
mod settle;
mod voting;

use paxoskv_core::paxos::{Acceptor, Learner};
use paxoskv_core::{Entry, Generation, Round, Seat};

use super::plan::{Plan, Wish};
use super::{Turn, entry};
use crate::linear;
use attempts::{Attempt, Stage};
use said::{On, Register, Sent, What};

/// Above this are the numbers of what is put into the end register, one for each seat.
const ENDS: u8 = 100;

/// What there is of a key, or of the lease's end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Desk {
    acceptor: Acceptor,
    votes: Learner,
    attempt: Option<Attempt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    wish: Wish,
    joined: u64,
}

/// A seat and its client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) seat: Seat,
    /// How many operations were called.
    pub(super) called: usize,
    keys: Vec<Desk>,
    end: Desk,
    round: Round,
    question: u64,
    waiting: Option<Waiting>,
    /// Whether somebody here has waited for the end, and is to be told of it.
    awaits_end: bool,
}

impl Register {
    fn says(self, what: What) -> Sent {
        Sent { register: self, what }
    }
}

impl Place {
    pub(super) fn new(seat: Seat, plan: &Plan) -> Self {
        Self {
            seat,
            called: 0,
            keys: plan.keys().map(|_| Desk::default()).collect(),
            end: Desk::default(),
            round: Round(0),
            question: 0,
            waiting: None,
            awaits_end: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_none()
    }

    /// The newest generation of any key.
    pub(super) fn generation(&self) -> Generation {
        self.keys.iter().map(|desk| desk.acceptor.generation).max().unwrap_or_default()
    }

    fn desk(&self, on: On) -> &Desk {
        match on {
            On::Key(key) => &self.keys[usize::from(key)],
            On::End => &self.end,
        }
    }

    fn desk_mut(&mut self, on: On) -> &mut Desk {
        match on {
            On::Key(key) => &mut self.keys[usize::from(key)],
            On::End => &mut self.end,
        }
    }

    /// The client calls an operation.
    pub(super) fn call(&mut self, turn: &mut Turn<'_>, wish: Wish) {
        self.called += 1;
        self.waiting = Some(Waiting { wish, joined: self.question });
        let desk = self.desk_mut(wish.on());
        let generation = desk.acceptor.generation;
        // An end may be under way already, for a key's sake.
        desk.attempt.get_or_insert_with(|| Attempt::new(generation));
        self.advance(turn);
    }

    /// The client has its answer, or loses interest.
    pub(super) fn give_up(&mut self) {
        // An end that was begun for the key's sake goes on without whoever wanted it.
        if let Some(Waiting { wish, .. }) = self.waiting.take() {
            self.desk_mut(wish.on()).attempt = None;
        }
    }

    pub(super) fn may_be_late(&self, plan: &Plan, on: On) -> bool {
        self.desk(on).attempt.as_ref().is_some_and(|attempt| {
            attempt.tries < plan.tries && matches!(attempt.stage, Stage::Reading(_) | Stage::Proposing { .. })
        })
    }

    /// An attempt has waited long enough.
    pub(super) fn late(&mut self, turn: &mut Turn<'_>, on: On) {
        if let Some(attempt) = &mut self.desk_mut(on).attempt {
            if let Stage::Reading(reader) = &attempt.stage {
                attempt.unsure |= reader.answered() >= turn.quorum;
            }
            attempt.tries += 1;
            attempt.stage = Stage::Idle;
        }
        self.advance(turn);
    }

    /// Moves all attempts on as far as they go.
    fn advance(&mut self, turn: &mut Turn<'_>) {
        let stages = |place: &Self| {
            let attempts = place.keys.iter().chain([&place.end]).map(|desk| desk.attempt.clone());
            attempts.collect::<Vec<_>>()
        };
        loop {
            let before = stages(self);
            self.advance_end(turn);
            for on in turn.plan.keys() {
                self.advance_key(turn, on);
            }
            if before == stages(self) {
                return;
            }
        }
    }

    fn advance_end(&mut self, turn: &mut Turn<'_>) {
        let register = Register { on: On::End, generation: Generation(0) };
        let Some(attempt) = &self.end.attempt else { return };
        if self.end.acceptor.learned(register.generation).is_some() {
            self.end.attempt = None;
            if let Some(Waiting { wish: Wish::End, .. }) = self.waiting {
                self.over(turn, Some(linear::Answer::Ended));
            }
            for desk in &mut self.keys {
                if let Some(attempt) = &mut desk.attempt
                    && attempt.stage == Stage::Ending
                {
                    attempt.stage = Stage::Idle;
                }
            }
            return;
        }
        if attempt.stage == Stage::Idle {
            let own = entry(ENDS + self.seat.get(), false);
            if self.may_start_at_home(turn, register) {
                self.propose_at_home(turn, On::End, own);
            } else {
                self.propose_ballot(turn, On::End, Some(own));
            }
        }
    }

    fn told(&mut self, turn: &mut Turn<'_>, entry: &Entry, generation: Generation) {
        let number = u64::from(entry.request.0[0]);
        self.over(turn, Some(linear::Answer::Entry(number, generation.0)));
    }

    fn over(&mut self, turn: &mut Turn<'_>, answer: Option<linear::Answer>) {
        turn.returned = Some(answer);
        self.give_up();
    }
}
