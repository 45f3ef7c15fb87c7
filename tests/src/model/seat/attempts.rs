//! The proposer's and the reader's side: what is done for a key, or for the lease's end, until the client has its
//! answer. It follows the node's `attempts`.

use paxoskv_core::message::{Held, Question};
use paxoskv_core::paxos::{Proposer, Reader, Step, Verdict};
use paxoskv_core::{Ballot, Entry, Epoch, Generation, Lease, Opening, Round, Seat};

use super::super::plan::Wish;
use super::super::{SEATS, Turn};
use super::Place;
use super::said::{On, Register, What};
use crate::linear;

/// What an attempt is at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Idle,
    /// No tries are left: only what others do can help.
    Stuck,
    Reading(Reader),
    Proposing {
        proposer: Proposer,
        started: u64,
    },
    Ending,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) generation: Generation,
    pub(super) stage: Stage,
    seen: Round,
    pub(super) unsure: bool,
    pub(super) stood: bool,
    pub(super) tries: u8,
}

impl Attempt {
    pub(super) fn new(generation: Generation) -> Self {
        Self { generation, stage: Stage::Idle, seen: Round(0), unsure: false, stood: false, tries: 0 }
    }

    pub(super) fn move_to(&mut self, generation: Generation) {
        self.generation = generation;
        self.stage = Stage::Idle;
        self.unsure = false;
        self.stood = false;
    }
}

impl Place {
    fn take_attempt(&mut self, turn: &Turn<'_>, register: Register) -> Option<Attempt> {
        let at = &mut self.desk_mut(register.on).attempt;
        at.take_if(|attempt| attempt.generation == register.generation || !turn.rules.match_questions)
    }

    pub(super) fn put_back(&mut self, on: On, attempt: Attempt) {
        // There is nobody to work for at a key once the operation has returned.
        if on == On::End || self.waiting.is_some() {
            self.desk_mut(on).attempt = Some(attempt);
        }
    }

    pub(super) fn on_promise(
        &mut self,
        turn: &mut Turn<'_>,
        from: Seat,
        register: Register,
        ballot: Ballot,
        held: Held,
        ended: Vec<Lease>,
    ) {
        let Some(mut attempt) = self.take_attempt(turn, register) else { return };
        let (step, ballot, started) = match &mut attempt.stage {
            Stage::Proposing { proposer, started } => {
                let step = proposer.promise(&turn.rules, from, ballot, held, ended);
                (step, proposer.ballot(), *started)
            }
            _ => (Step::Wait, ballot, 0),
        };
        match step {
            Step::Wait => {}
            Step::Accept(entry) => {
                self.put_back(register.on, attempt);
                return self.ask_all(turn, &register.says(What::Accept { ballot, entry }));
            }
            Step::Chosen(entry) => {
                self.put_back(register.on, attempt);
                return self.learn(turn, register, &entry);
            }
            Step::Nothing => {
                self.answer_absent(turn, started);
                attempt.stage = Stage::Idle;
                attempt.unsure = false;
            }
            Step::OwnEnded(_) => self.end_lease(&mut attempt),
        }
        self.put_back(register.on, attempt);
    }

    pub(super) fn on_rejected(
        &mut self,
        turn: &Turn<'_>,
        register: Register,
        ballot: Ballot,
        promised: Ballot,
    ) {
        if let Some(attempt) = &mut self.desk_mut(register.on).attempt
            && attempt.generation == register.generation
            && let Stage::Proposing { proposer, .. } = &attempt.stage
            && proposer.ballot() == ballot
        {
            attempt.seen = attempt.seen.max(promised.round);
            let more = attempt.tries < turn.plan.tries;
            attempt.tries += u8::from(more);
            attempt.stage = if more { Stage::Idle } else { Stage::Stuck };
        }
    }

    pub(super) fn on_stale(&mut self, on: On, newer: Generation) {
        let attempt = self.desk_mut(on).attempt.as_mut();
        if let Some(attempt) = attempt.filter(|attempt| attempt.generation < newer) {
            attempt.move_to(newer);
        }
    }

    pub(super) fn on_holding(
        &mut self,
        turn: &mut Turn<'_>,
        from: Seat,
        register: Register,
        question: Question,
        held: Held,
        ended: Vec<Lease>,
    ) {
        let Some(mut attempt) = self.take_attempt(turn, register) else { return };
        if let Stage::Reading(reader) = &mut attempt.stage {
            let verdict = reader.answer(&turn.rules, from, question, held, ended);
            let asked = reader.question().number;
            match verdict {
                Verdict::Wait => {}
                Verdict::Chosen(entry) => {
                    let reader = reader.clone();
                    self.learn(turn, register, &entry);
                    self.conclude(turn, &mut attempt, &reader, &entry);
                }
                Verdict::Absent => {
                    self.answer_absent(turn, asked);
                    attempt.stage = Stage::Idle;
                    attempt.unsure = false;
                }
                Verdict::Unsure => {
                    if reader.answered() == usize::from(SEATS) {
                        attempt.unsure = true;
                        attempt.stage = Stage::Idle;
                    }
                }
            }
        }
        self.put_back(register.on, attempt);
    }

    fn answer_absent(&mut self, turn: &mut Turn<'_>, asked: u64) {
        let Some(waiting) = &self.waiting else { return };
        if matches!(waiting.wish, Wish::Get(_)) && (waiting.joined < asked || !turn.rules.match_questions) {
            self.over(turn, Some(linear::Answer::Absent));
        }
    }

    /// Has the end decided; until then the attempt waits.
    pub(super) fn end_lease(&mut self, attempt: &mut Attempt) {
        attempt.stage = Stage::Ending;
        self.awaits_end = true;
        self.desk_mut(On::End).attempt.get_or_insert_with(|| Attempt::new(Generation(0)));
    }

    /// The lease has ended for good: who waited for that goes on.
    pub(super) fn end_learned(&mut self, turn: &mut Turn<'_>) {
        let awaited = std::mem::take(&mut self.awaits_end);
        for on in turn.plan.keys() {
            let Some(mut attempt) = self.desk_mut(on).attempt.take() else { continue };
            if attempt.stage == Stage::Ending {
                attempt.stage = Stage::Idle;
            }
            if awaited && !turn.rules.read_after_end {
                self.answer_absent(turn, u64::MAX);
            }
            self.put_back(on, attempt);
        }
    }

    fn own_leases(&self) -> Vec<Lease> {
        let own = self.waiting.as_ref().and_then(|waiting| waiting.wish.entry());
        own.map(|own| own.leases).unwrap_or_default()
    }

    /// Asks all seats what they hold.
    pub(super) fn read(&mut self, turn: &mut Turn<'_>, register: Register, known: Option<Entry>) {
        let mut asked = self.own_leases();
        asked.extend(known.iter().flat_map(|entry| entry.leases.iter().cloned()));
        asked.sort();
        asked.dedup();
        self.question += 1;
        let question = Question { opening: Opening(1), number: self.question };
        let reader = Reader::new(question, turn.quorum, Epoch(0), known);
        if let Some(attempt) = &mut self.desk_mut(register.on).attempt {
            attempt.stage = Stage::Reading(reader);
        }
        self.ask_all(turn, &register.says(What::Read { question, asked }));
    }

    /// Starts a ballot at phase 1. With nothing of its own to propose, it finishes what others have begun.
    pub(super) fn propose_ballot(&mut self, turn: &mut Turn<'_>, on: On, own: Option<Entry>) {
        let asked = if on == On::End { Vec::new() } else { self.own_leases() };
        let Some(seen) = self.desk(on).attempt.as_ref().map(|attempt| attempt.seen) else { return };
        self.round = self.round.max(seen).next();
        let ballot = self.ballot(self.round);
        let Some(register) = self.begin(on, Proposer::new(ballot, turn.quorum, own)) else { return };
        self.ask_all(turn, &register.says(What::Prepare { ballot, asked }));
    }

    /// The fast path of the home seat: round 0, straight to phase 2.
    pub(super) fn propose_at_home(&mut self, turn: &mut Turn<'_>, on: On, entry: Entry) {
        let ballot = self.ballot(Round(0));
        let proposer = Proposer::home(ballot, turn.quorum, entry.clone());
        let Some(register) = self.begin(on, proposer) else { return };
        self.ask_all(turn, &register.says(What::Accept { ballot, entry }));
    }

    fn ballot(&self, round: Round) -> Ballot {
        Ballot { epoch: Epoch(0), round, seat: self.seat, opening: Opening(1) }
    }

    fn begin(&mut self, on: On, proposer: Proposer) -> Option<Register> {
        let started = self.question;
        let attempt = self.desk_mut(on).attempt.as_mut()?;
        attempt.stage = Stage::Proposing { proposer, started };
        Some(Register { on, generation: attempt.generation })
    }
}
