//! The acceptor's and the learner's side: what a seat answers, and when it knows that something is chosen. It follows
//! the node's `voting`.

use paxoskv_core::message::Held;
use paxoskv_core::paxos::{Answer, Learner, Tally};
use paxoskv_core::{Ballot, Entry, Lease, Seat};

use super::super::{Turn, lease};
use super::Place;
use super::attempts::Stage;
use super::said::{On, Register, Sent, What};

impl Place {
    pub(in super::super) fn hear(&mut self, turn: &mut Turn<'_>, from: Seat, sent: Sent) {
        self.handle(turn, from, sent);
        self.advance(turn);
    }

    pub(super) fn handle(&mut self, turn: &mut Turn<'_>, from: Seat, sent: Sent) {
        let rules = turn.rules;
        let Sent { register, what } = sent;
        let Register { on, generation } = register;
        match what {
            What::Prepare { ballot, asked } => {
                match self.desk_mut(on).acceptor.prepare(&rules, generation, ballot) {
                    Answer::Promise(held) => {
                        let ended = self.ended(turn, &asked, &held);
                        self.answer(turn, from, register.says(What::Promise { ballot, held, ended }));
                    }
                    answer => self.turn_down(turn, from, register, Some(ballot), answer),
                }
            }
            What::Accept { ballot, entry } => self.accept(turn, from, register, ballot, entry),
            What::Read { question, asked } => match self.desk_mut(on).acceptor.read(&rules, generation) {
                Ok(held) => {
                    let ended = self.ended(turn, &asked, &held);
                    self.answer(turn, from, register.says(What::Holding { question, held, ended }));
                }
                Err(answer) => self.turn_down(turn, from, register, None, answer),
            },
            What::Promise { ballot, held, ended } => {
                self.on_promise(turn, from, register, ballot, held, ended);
            }
            What::Accepted { ballot, flagged } => self.on_accepted(turn, from, register, ballot, flagged),
            What::Rejected { ballot, promised } => self.on_rejected(turn, register, ballot, promised),
            What::Stale { newer } => self.on_stale(on, newer),
            What::Holding { question, held, ended } => {
                self.on_holding(turn, from, register, question, held, ended);
            }
            What::Chosen { entry } => self.learn(turn, register, &entry),
        }
    }

    fn ended(&self, turn: &Turn<'_>, asked: &[Lease], held: &Held) -> Vec<Lease> {
        let flagged = match &self.desk(On::End).acceptor.held {
            Held::Nothing {} => false,
            Held::Accepted { .. } => turn.rules.flag_when_accepted,
            Held::Learned { .. } => true,
        };
        let own = held.entry().map_or(&[][..], |entry| &entry.leases);
        let lease = lease();
        if flagged && (asked.contains(&lease) || own.contains(&lease)) { vec![lease] } else { Vec::new() }
    }

    fn accept(&mut self, turn: &mut Turn<'_>, from: Seat, register: Register, ballot: Ballot, entry: Entry) {
        let Register { on, generation } = register;
        let from_home = turn.plan.home_of(on) == Some(ballot.seat.get());
        match self.desk_mut(on).acceptor.accept(&turn.rules, generation, ballot, &entry, from_home) {
            Answer::Accepted => {
                let flagged = !self.ended(turn, &[], &Held::Accepted { ballot, entry }).is_empty();
                let vote = register.says(What::Accepted { ballot, flagged });
                let own = self.seat;
                if turn.plan.votes_to_all {
                    return self.ask_all(turn, &vote);
                }
                if from != own {
                    self.handle(turn, own, vote.clone());
                }
                self.answer(turn, from, vote);
            }
            answer => self.turn_down(turn, from, register, Some(ballot), answer),
        }
    }

    fn turn_down(
        &mut self,
        turn: &mut Turn<'_>,
        to: Seat,
        register: Register,
        ballot: Option<Ballot>,
        answer: Answer,
    ) {
        let what = match (answer, ballot) {
            (Answer::Rejected(promised), Some(ballot)) => What::Rejected { ballot, promised },
            (Answer::Known(entry), _) => What::Chosen { entry },
            (Answer::Stale(newer), _) => What::Stale { newer },
            _ => return,
        };
        self.answer(turn, to, register.says(what));
    }

    /// Counts a vote.
    fn on_accepted(
        &mut self,
        turn: &mut Turn<'_>,
        from: Seat,
        register: Register,
        ballot: Ballot,
        flagged: bool,
    ) {
        let Register { on, generation } = register;
        let desk = self.desk_mut(on);
        if desk.acceptor.generation > generation || desk.acceptor.learned(generation).is_some() {
            return;
        }
        let tally = desk.votes.vote(&turn.rules, turn.quorum, generation, ballot, from, flagged);
        if tally == Tally::Open {
            return;
        }
        let Some(entry) = self.entry_at(turn, register, ballot) else { return };
        if tally == Tally::Stood {
            let own = self.waiting.as_ref().and_then(|waiting| waiting.wish.entry());
            if let Some(attempt) = &mut self.desk_mut(on).attempt
                && attempt.generation == generation
            {
                attempt.stood = own.is_some_and(|own| own.request == entry.request);
            }
        }
        self.learn(turn, register, &entry);
    }

    /// The entry of a ballot, if this seat has seen it: a ballot has one entry only.
    fn entry_at(&self, turn: &Turn<'_>, register: Register, ballot: Ballot) -> Option<Entry> {
        let Register { on, generation } = register;
        let desk = self.desk(on);
        match &desk.acceptor.held {
            Held::Accepted { ballot: at, entry }
                if desk.acceptor.generation == generation
                    && (*at == ballot || !turn.rules.count_by_ballot) =>
            {
                Some(entry.clone())
            }
            _ => match &desk.attempt.as_ref().filter(|attempt| attempt.generation == generation)?.stage {
                Stage::Proposing { proposer, .. } if proposer.ballot() == ballot => {
                    proposer.proposed().cloned()
                }
                _ => None,
            },
        }
    }

    /// Takes in that an entry was chosen.
    pub(super) fn learn(&mut self, turn: &mut Turn<'_>, register: Register, entry: &Entry) {
        let Register { on, generation } = register;
        turn.chosen.push((register, entry.request));
        let desk = self.desk_mut(on);
        if !desk.acceptor.learn(&turn.rules, generation, entry) {
            return;
        }
        desk.votes = Learner::default();
        if on == On::End {
            self.end_learned(turn);
        }
    }
}
