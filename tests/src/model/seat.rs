//! One seat: the real acceptors of two registers, and what its one client is at.
//!
//! It follows the node: `call`, `settle`, `conclude`, `try_next` and the rest are its functions of the same names,
//! less what has to do with links, clocks and more than one waiter.

use std::fmt;

use paxoskv_core::message::{Held, Question};
use paxoskv_core::paxos::{Acceptor, Answer, Learner, Proposer, Reader, Standing, Step, Tally, Verdict};
use paxoskv_core::{Ballot, Entry, Epoch, Generation, Lease, Opening, Round, Seat};

use super::plan::{Plan, Wish};
use super::{Doings, SEATS, Small, entry, lease};

pub(super) const ENTRY: u8 = 0;
pub(super) const ABSENT: u8 = 1;
pub(super) const ENDED: u8 = 2;

/// Above this are the numbers of what is put into the end register, one for each seat.
const ENDS: u8 = 100;

/// What seats say to each other, about the end register or a generation of the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    end: bool,
    generation: Generation,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
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

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = |held: &Held| match held {
            Held::Nothing {} => "nothing".to_owned(),
            Held::Accepted { ballot, entry } => format!("{} at {ballot}", entry.request.0[0]),
            Held::Learned { entry } => format!("{} learned", entry.request.0[0]),
        };
        match self.end {
            true => write!(f, "end: ")?,
            false => write!(f, "generation {}: ", self.generation)?,
        }
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
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
struct Attempt {
    generation: Generation,
    stage: Stage,
    seen: Round,
    unsure: bool,
    stood: bool,
    tries: u8,
}

impl Attempt {
    fn new(generation: Generation) -> Self {
        Self { generation, stage: Stage::Idle, seen: Round(0), unsure: false, stood: false, tries: 0 }
    }

    fn move_to(&mut self, generation: Generation) {
        self.generation = generation;
        self.stage = Stage::Idle;
        self.unsure = false;
        self.stood = false;
    }
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
    key: Acceptor,
    end: Acceptor,
    key_votes: Learner,
    end_votes: Learner,
    round: Round,
    question: u64,
    waiting: Option<Waiting>,
    at_key: Option<Attempt>,
    at_end: Option<Attempt>,
    /// Whether somebody here has waited for the end, and is to be told of it.
    awaits_end: bool,
}

impl Place {
    pub(super) fn new(seat: Seat) -> Self {
        Self {
            seat,
            called: 0,
            key: Acceptor::default(),
            end: Acceptor::default(),
            key_votes: Learner::default(),
            end_votes: Learner::default(),
            round: Round(0),
            question: 0,
            waiting: None,
            at_key: None,
            at_end: None,
            awaits_end: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_none()
    }

    pub(super) fn generation(&self) -> Generation {
        self.key.generation
    }

    fn attempt(&self, end: bool) -> Option<&Attempt> {
        if end { self.at_end.as_ref() } else { self.at_key.as_ref() }
    }

    fn acceptor(&self, end: bool) -> &Acceptor {
        if end { &self.end } else { &self.key }
    }

    fn acceptor_mut(&mut self, end: bool) -> &mut Acceptor {
        if end { &mut self.end } else { &mut self.key }
    }

    pub(super) fn call(&mut self, model: &Small, wish: Wish, doings: &mut Doings) {
        self.called += 1;
        self.waiting = Some(Waiting { wish, joined: self.question });
        if let Wish::End(_) = wish {
            self.at_end.get_or_insert_with(|| Attempt::new(Generation(0)));
        } else {
            self.at_key = Some(Attempt::new(self.key.generation));
        }
        self.advance(model, doings);
    }

    pub(super) fn give_up(&mut self) {
        let waiting = self.waiting.take();
        self.at_key = None;
        // An end that was begun for the key's sake goes on without whoever wanted it.
        if waiting.is_some_and(|waiting| matches!(waiting.wish, Wish::End(_))) {
            self.at_end = None;
        }
    }

    pub(super) fn may_be_late(&self, plan: &Plan, end: bool) -> bool {
        self.attempt(end).is_some_and(|attempt| {
            attempt.tries < plan.tries && matches!(attempt.stage, Stage::Reading(_) | Stage::Proposing { .. })
        })
    }

    pub(super) fn late(&mut self, model: &Small, end: bool, doings: &mut Doings) {
        let attempt = if end { &mut self.at_end } else { &mut self.at_key };
        if let Some(attempt) = attempt {
            if let Stage::Reading(reader) = &attempt.stage {
                attempt.unsure |= reader.answered() >= model.quorum();
            }
            attempt.tries += 1;
            attempt.stage = Stage::Idle;
        }
        self.advance(model, doings);
    }

    /// Whether a message on its way to this seat can still change anything.
    pub(super) fn cares(&self, model: &Small, sent: &Sent) -> bool {
        let acceptor = self.acceptor(sent.end);
        let attempt = self
            .attempt(sent.end)
            .filter(|attempt| attempt.generation == sent.generation || !model.rules.match_questions);
        let current = |ballot: Ballot| {
            attempt.is_some_and(|attempt| match &attempt.stage {
                Stage::Proposing { proposer, .. } => {
                    proposer.ballot() == ballot || !model.rules.match_questions
                }
                _ => false,
            })
        };
        match &sent.what {
            What::Prepare { ballot, .. } => {
                acceptor.generation < sent.generation
                    || acceptor.promised < Some(*ballot)
                        && acceptor.generation == sent.generation
                        && acceptor.learned(sent.generation).is_none()
            }
            What::Accept { ballot, .. } => {
                !model.rules.keep_promises
                    || !model.rules.stale_generations
                    || acceptor.generation < sent.generation
                    || acceptor.promised <= Some(*ballot)
                        && acceptor.generation == sent.generation
                        && acceptor.learned(sent.generation).is_none()
            }
            What::Read { .. } => acceptor.generation < sent.generation,
            What::Promise { ballot, .. } | What::Rejected { ballot, .. } => current(*ballot),
            What::Holding { question, .. } => attempt.is_some_and(|attempt| match &attempt.stage {
                Stage::Reading(reader) => reader.question() == *question || !model.rules.match_questions,
                _ => !model.rules.match_questions,
            }),
            What::Accepted { .. } => {
                (attempt.is_some() || model.plan.votes_to_all)
                    && acceptor.generation <= sent.generation
                    && acceptor.learned(sent.generation).is_none()
            }
            What::Stale { newer } => attempt.is_some_and(|attempt| attempt.generation < *newer),
            What::Chosen { .. } => acceptor.learned(sent.generation).is_none(),
        }
    }

    /// Whether the one who sent this waits for what is answered to it.
    pub(super) fn waits_for(&self, model: &Small, sent: &Sent) -> bool {
        if !model.rules.match_questions {
            return true;
        }
        let attempt = self.attempt(sent.end).filter(|attempt| attempt.generation == sent.generation);
        attempt.is_some_and(|attempt| match (&attempt.stage, &sent.what) {
            (Stage::Reading(reader), What::Read { question, .. }) => reader.question() == *question,
            (
                Stage::Proposing { proposer, .. },
                What::Prepare { ballot, .. } | What::Accept { ballot, .. },
            ) => proposer.ballot() == *ballot,
            _ => false,
        })
    }

    pub(super) fn hear(&mut self, model: &Small, from: Seat, sent: Sent, doings: &mut Doings) {
        self.handle(model, from, sent, doings);
        self.advance(model, doings);
    }

    /// Sends to all others, and hears it at once itself.
    fn ask_all(&mut self, model: &Small, sent: &Sent, doings: &mut Doings) {
        let own = self.seat;
        doings.sent.extend(Seat::all(SEATS).filter(|seat| *seat != own).map(|seat| (seat, sent.clone())));
        self.handle(model, own, sent.clone(), doings);
    }

    fn answer(&mut self, model: &Small, to: Seat, sent: Sent, doings: &mut Doings) {
        if to == self.seat {
            return self.handle(model, to, sent, doings);
        }
        doings.sent.push((to, sent));
    }

    fn ended(&self, model: &Small, asked: &[Lease], held: &Held) -> Vec<Lease> {
        let flagged = match &self.end.held {
            Held::Nothing {} => false,
            Held::Accepted { .. } => model.rules.flag_when_accepted,
            Held::Learned { .. } => true,
        };
        let own = held.entry().map_or(&[][..], |entry| &entry.leases);
        let lease = lease();
        if flagged && (asked.contains(&lease) || own.contains(&lease)) { vec![lease] } else { Vec::new() }
    }

    fn handle(&mut self, model: &Small, from: Seat, sent: Sent, doings: &mut Doings) {
        let rules = model.rules;
        let Sent { end, generation, what } = sent;
        let reply = |what| Sent { end, generation, what };
        match what {
            What::Prepare { ballot, asked } => {
                match self.acceptor_mut(end).prepare(&rules, generation, ballot) {
                    Answer::Promise(held) => {
                        let ended = self.ended(model, &asked, &held);
                        self.answer(model, from, reply(What::Promise { ballot, held, ended }), doings);
                    }
                    answer => self.turn_down(model, from, end, generation, Some(ballot), answer, doings),
                }
            }
            What::Accept { ballot, entry } => {
                let home = if end { model.plan.home_of_end } else { model.plan.home };
                let from_home = home == Some(ballot.seat.get());
                match self.acceptor_mut(end).accept(&rules, generation, ballot, &entry, from_home) {
                    Answer::Accepted => {
                        let flagged = !self.ended(model, &[], &Held::Accepted { ballot, entry }).is_empty();
                        let vote = reply(What::Accepted { ballot, flagged });
                        let own = self.seat;
                        if model.plan.votes_to_all {
                            self.ask_all(model, &vote, doings);
                        } else {
                            if from != own {
                                self.handle(model, own, vote.clone(), doings);
                            }
                            self.answer(model, from, vote, doings);
                        }
                    }
                    answer => self.turn_down(model, from, end, generation, Some(ballot), answer, doings),
                }
            }
            What::Read { question, asked } => match self.acceptor_mut(end).read(&rules, generation) {
                Ok(held) => {
                    let ended = self.ended(model, &asked, &held);
                    self.answer(model, from, reply(What::Holding { question, held, ended }), doings);
                }
                Err(answer) => self.turn_down(model, from, end, generation, None, answer, doings),
            },
            What::Promise { ballot, held, ended } => {
                self.on_promise(model, from, end, generation, ballot, held, ended, doings);
            }
            What::Accepted { ballot, flagged } => {
                self.on_accepted(model, from, end, generation, ballot, flagged, doings);
            }
            What::Rejected { ballot, promised } => {
                let at = if end { &mut self.at_end } else { &mut self.at_key };
                if let Some(attempt) = at
                    && attempt.generation == generation
                    && let Stage::Proposing { proposer, .. } = &attempt.stage
                    && proposer.ballot() == ballot
                {
                    attempt.seen = attempt.seen.max(promised.round);
                    let more = attempt.tries < model.plan.tries;
                    attempt.tries += u8::from(more);
                    attempt.stage = if more { Stage::Idle } else { Stage::Stuck };
                }
            }
            What::Stale { newer } => {
                let at = if end { &mut self.at_end } else { &mut self.at_key };
                if let Some(attempt) = at.as_mut().filter(|attempt| attempt.generation < newer) {
                    attempt.move_to(newer);
                }
            }
            What::Holding { question, held, ended } => {
                self.on_holding(model, from, generation, question, held, ended, doings);
            }
            What::Chosen { entry } => self.learn(model, end, generation, &entry, doings),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn turn_down(
        &mut self,
        model: &Small,
        to: Seat,
        end: bool,
        generation: Generation,
        ballot: Option<Ballot>,
        answer: Answer,
        doings: &mut Doings,
    ) {
        let what = match (answer, ballot) {
            (Answer::Rejected(promised), Some(ballot)) => What::Rejected { ballot, promised },
            (Answer::Known(entry), _) => What::Chosen { entry },
            (Answer::Stale(newer), _) => What::Stale { newer },
            _ => return,
        };
        self.answer(model, to, Sent { end, generation, what }, doings);
    }

    fn take_attempt(&mut self, model: &Small, end: bool, generation: Generation) -> Option<Attempt> {
        let at = if end { &mut self.at_end } else { &mut self.at_key };
        at.take_if(|attempt| attempt.generation == generation || !model.rules.match_questions)
    }

    fn put_back(&mut self, end: bool, attempt: Attempt) {
        // There is nobody to work for once the operation has returned.
        if end {
            self.at_end = Some(attempt);
        } else if self.waiting.is_some() {
            self.at_key = Some(attempt);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn on_promise(
        &mut self,
        model: &Small,
        from: Seat,
        end: bool,
        generation: Generation,
        ballot: Ballot,
        held: Held,
        ended: Vec<Lease>,
        doings: &mut Doings,
    ) {
        let Some(mut attempt) = self.take_attempt(model, end, generation) else { return };
        let (step, ballot, started) = match &mut attempt.stage {
            Stage::Proposing { proposer, started } => {
                let step = proposer.promise(&model.rules, from, ballot, held, ended);
                (step, proposer.ballot(), *started)
            }
            _ => (Step::Wait, ballot, 0),
        };
        match step {
            Step::Wait => {}
            Step::Accept(entry) => {
                self.put_back(end, attempt);
                let accept = Sent { end, generation, what: What::Accept { ballot, entry } };
                return self.ask_all(model, &accept, doings);
            }
            Step::Chosen(entry) => {
                self.put_back(end, attempt);
                return self.learn(model, end, generation, &entry, doings);
            }
            Step::Nothing => {
                self.answer_absent(model, started, doings);
                attempt.stage = Stage::Idle;
                attempt.unsure = false;
            }
            Step::OwnEnded(_) => self.end_lease(&mut attempt),
        }
        self.put_back(end, attempt);
    }

    #[allow(clippy::too_many_arguments)]
    fn on_accepted(
        &mut self,
        model: &Small,
        from: Seat,
        end: bool,
        generation: Generation,
        ballot: Ballot,
        flagged: bool,
        doings: &mut Doings,
    ) {
        let acceptor = self.acceptor(end);
        if acceptor.generation > generation || acceptor.learned(generation).is_some() {
            return;
        }
        let votes = if end { &mut self.end_votes } else { &mut self.key_votes };
        let tally = votes.vote(&model.rules, model.quorum(), generation, ballot, from, flagged);
        if tally == Tally::Open {
            return;
        }
        let Some(entry) = self.entry_at(model, end, generation, ballot) else { return };
        if tally == Tally::Stood
            && let Some(attempt) = if end { &mut self.at_end } else { &mut self.at_key }
            && attempt.generation == generation
            && let Some(waiting) = &self.waiting
        {
            attempt.stood = waiting.wish.entry().is_some_and(|own| own.request == entry.request);
        }
        self.learn(model, end, generation, &entry, doings);
    }

    fn entry_at(&self, model: &Small, end: bool, generation: Generation, ballot: Ballot) -> Option<Entry> {
        let acceptor = self.acceptor(end);
        match &acceptor.held {
            Held::Accepted { ballot: at, entry }
                if acceptor.generation == generation && (*at == ballot || !model.rules.count_by_ballot) =>
            {
                Some(entry.clone())
            }
            _ => match &self.attempt(end).filter(|attempt| attempt.generation == generation)?.stage {
                Stage::Proposing { proposer, .. } if proposer.ballot() == ballot => {
                    proposer.proposed().cloned()
                }
                _ => None,
            },
        }
    }

    fn learn(
        &mut self,
        model: &Small,
        end: bool,
        generation: Generation,
        entry: &Entry,
        doings: &mut Doings,
    ) {
        doings.chosen.push(((!end).then_some(generation), entry.request));
        if !self.acceptor_mut(end).learn(&model.rules, generation, entry) {
            return;
        }
        if !end {
            self.key_votes = Learner::default();
            return;
        }
        self.end_votes = Learner::default();
        // All who waited for the end go on.
        let awaited = std::mem::take(&mut self.awaits_end);
        if let Some(mut attempt) = self.at_key.take() {
            if attempt.stage == Stage::Ending {
                attempt.stage = Stage::Idle;
            }
            if awaited && !model.rules.read_after_end {
                self.answer_absent(model, u64::MAX, doings);
            }
            self.put_back(false, attempt);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn on_holding(
        &mut self,
        model: &Small,
        from: Seat,
        generation: Generation,
        question: Question,
        held: Held,
        ended: Vec<Lease>,
        doings: &mut Doings,
    ) {
        let Some(mut attempt) = self.take_attempt(model, false, generation) else { return };
        if let Stage::Reading(reader) = &mut attempt.stage {
            let verdict = reader.answer(&model.rules, from, question, held, ended);
            let asked = reader.question().number;
            match verdict {
                Verdict::Wait => {}
                Verdict::Chosen(entry) => {
                    let reader = reader.clone();
                    self.learn(model, false, generation, &entry, doings);
                    self.conclude(model, &mut attempt, &reader, &entry, doings);
                }
                Verdict::Absent => {
                    self.answer_absent(model, asked, doings);
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
        self.put_back(false, attempt);
    }

    fn conclude(
        &mut self,
        model: &Small,
        attempt: &mut Attempt,
        reader: &Reader,
        entry: &Entry,
        doings: &mut Doings,
    ) {
        let rules = model.rules;
        attempt.stage = Stage::Idle;
        let standing = if entry.is_permanent() { Standing::Stands } else { reader.standing(&rules, entry) };
        let Some(waiting) = self.waiting.clone() else { return };
        let mut end = false;
        if waiting.joined < reader.question().number {
            let own = waiting.wish.entry();
            let won = own.as_ref().is_some_and(|own| own.request == entry.request);
            let own_ended = !won
                && attempt.generation.0 > 0
                && rules.own_leases_first
                && own.is_some_and(|own| !reader.flagged(&own.leases).is_empty());
            let careless = match waiting.wish {
                Wish::Get => !rules.get_checks_flags,
                Wish::Put(_) | Wish::PutLeased(_) => !rules.put_checks_flags,
                Wish::End(_) => false,
            };
            if !own_ended && (standing == Standing::Stands || careless) {
                return self.told(entry, attempt.generation, doings);
            }
            end = own_ended;
        }
        match standing {
            Standing::Flagged(_) if rules.finish_ends => end = true,
            Standing::Flagged(_) => attempt.move_to(attempt.generation.next()),
            Standing::Stands | Standing::Unknown => {}
        }
        if end {
            self.end_lease(attempt);
        }
    }

    fn end_lease(&mut self, attempt: &mut Attempt) {
        attempt.stage = Stage::Ending;
        self.awaits_end = true;
        self.at_end.get_or_insert_with(|| Attempt::new(Generation(0)));
    }

    fn answer_absent(&mut self, model: &Small, asked: u64, doings: &mut Doings) {
        let Some(waiting) = &self.waiting else { return };
        if waiting.wish == Wish::Get && (waiting.joined < asked || !model.rules.match_questions) {
            self.over(Some((ABSENT, 0, 0)), doings);
        }
    }

    fn told(&mut self, entry: &Entry, generation: Generation, doings: &mut Doings) {
        self.over(Some((ENTRY, generation.0, entry.request.0[0])), doings);
    }

    fn over(&mut self, answer: Option<(u8, u64, u8)>, doings: &mut Doings) {
        doings.over = true;
        doings.returned = answer;
        self.give_up();
    }

    /// Moves both attempts on as far as they go.
    fn advance(&mut self, model: &Small, doings: &mut Doings) {
        loop {
            let before = (self.at_key.clone(), self.at_end.clone());
            self.advance_end(model, doings);
            self.advance_key(model, doings);
            if before == (self.at_key.clone(), self.at_end.clone()) {
                return;
            }
        }
    }

    fn advance_end(&mut self, model: &Small, doings: &mut Doings) {
        if self.at_end.is_none() {
            return;
        }
        if self.end.learned(Generation(0)).is_some() {
            self.at_end = None;
            if let Some(Waiting { wish: Wish::End(_), .. }) = self.waiting {
                self.over(Some((ENDED, 0, 0)), doings);
            } else if let Some(attempt) = &mut self.at_key
                && attempt.stage == Stage::Ending
            {
                attempt.stage = Stage::Idle;
            }
            return;
        }
        if self.at_end.as_ref().is_some_and(|attempt| attempt.stage == Stage::Idle) {
            let own = entry(ENDS + self.seat.get(), false);
            if self.is_home(model, model.plan.home_of_end)
                && self.end.is_untouched(&model.rules, Generation(0))
            {
                self.propose_at_home(model, true, own, doings);
            } else {
                self.propose_ballot(model, true, Some(own), doings);
            }
        }
    }

    fn is_home(&self, model: &Small, home: Option<u8>) -> bool {
        home.is_some_and(|home| home == self.seat.get() || !model.rules.home_only)
    }

    fn advance_key(&mut self, model: &Small, doings: &mut Doings) {
        let Some(mut attempt) = self.at_key.take() else { return };
        let learned = self.settle(model, &mut attempt, doings);
        if self.waiting.is_none() {
            return;
        }
        let idle = attempt.stage == Stage::Idle;
        let generation = attempt.generation;
        let unsure = attempt.unsure;
        self.at_key = Some(attempt);
        if idle {
            self.try_next(model, generation, unsure, learned, doings);
        }
    }

    fn settle(&mut self, model: &Small, attempt: &mut Attempt, doings: &mut Doings) -> Option<Entry> {
        loop {
            if self.key.generation > attempt.generation {
                attempt.move_to(self.key.generation);
            }
            let learned = self.key.learned(attempt.generation).cloned();
            if self.settle_one(model, attempt, learned.as_ref(), doings) {
                return learned;
            }
            let entry = learned?;
            if matches!(attempt.stage, Stage::Stuck | Stage::Proposing { .. }) {
                attempt.stage = Stage::Idle;
            }
            if entry.is_permanent() || self.end.learned(Generation(0)).is_none() {
                return Some(entry);
            }
            attempt.move_to(attempt.generation.next());
        }
    }

    /// Answers the client if that can be done; true where it was.
    fn settle_one(
        &mut self,
        model: &Small,
        attempt: &Attempt,
        learned: Option<&Entry>,
        doings: &mut Doings,
    ) -> bool {
        let Some(waiting) = &self.waiting else { return true };
        let own = waiting.wish.entry();
        let generation = attempt.generation;
        if let (Some(own), Some(entry)) = (&own, learned)
            && own.request == entry.request
            && (entry.is_permanent() || attempt.stood || !model.rules.win_must_stand)
        {
            self.told(entry, generation, doings);
            return true;
        }
        let leased = own.as_ref().is_some_and(|own| !own.is_permanent());
        if model.rules.own_leases_first && leased && self.end.learned(Generation(0)).is_some() {
            self.over(None, doings);
            return true;
        }
        let Some(entry) = learned else { return false };
        let sure = !leased || generation.0 == 0 || !model.rules.own_leases_first;
        if entry.is_permanent() && sure {
            self.told(entry, generation, doings);
            return true;
        }
        false
    }

    fn try_next(
        &mut self,
        model: &Small,
        generation: Generation,
        unsure: bool,
        learned: Option<Entry>,
        doings: &mut Doings,
    ) {
        if learned.is_some() {
            return self.read(model, generation, learned, doings);
        }
        let Some(own) = self.waiting.as_ref().and_then(|waiting| waiting.wish.entry()) else {
            return if unsure {
                self.propose_ballot(model, false, None, doings);
            } else {
                self.read(model, generation, None, doings);
            };
        };
        let fresh = generation.0 == 0 || own.is_permanent() || !model.rules.own_leases_first;
        if fresh && self.is_home(model, model.plan.home) && self.key.is_untouched(&model.rules, generation) {
            return self.propose_at_home(model, false, own, doings);
        }
        self.propose_ballot(model, false, Some(own), doings);
    }

    fn own_leases(&self) -> Vec<Lease> {
        let own = self.waiting.as_ref().and_then(|waiting| waiting.wish.entry());
        own.map(|own| own.leases).unwrap_or_default()
    }

    fn read(&mut self, model: &Small, generation: Generation, known: Option<Entry>, doings: &mut Doings) {
        let mut asked = self.own_leases();
        asked.extend(known.iter().flat_map(|entry| entry.leases.iter().cloned()));
        asked.sort();
        asked.dedup();
        self.question += 1;
        let question = Question { opening: Opening(1), number: self.question };
        let reader = Reader::new(question, model.quorum(), Epoch(0), known);
        if let Some(attempt) = &mut self.at_key {
            attempt.stage = Stage::Reading(reader);
        }
        let read = Sent { end: false, generation, what: What::Read { question, asked } };
        self.ask_all(model, &read, doings);
    }

    fn propose_ballot(&mut self, model: &Small, end: bool, own: Option<Entry>, doings: &mut Doings) {
        let asked = if end { Vec::new() } else { self.own_leases() };
        let attempt = if end { &mut self.at_end } else { &mut self.at_key };
        let Some(attempt) = attempt else { return };
        self.round = self.round.max(attempt.seen).next();
        let ballot = Ballot { epoch: Epoch(0), round: self.round, seat: self.seat, opening: Opening(1) };
        let generation = attempt.generation;
        let proposer = Proposer::new(ballot, model.quorum(), own);
        attempt.stage = Stage::Proposing { proposer, started: self.question };
        let prepare = Sent { end, generation, what: What::Prepare { ballot, asked } };
        self.ask_all(model, &prepare, doings);
    }

    fn propose_at_home(&mut self, model: &Small, end: bool, entry: Entry, doings: &mut Doings) {
        let ballot = Ballot { epoch: Epoch(0), round: Round(0), seat: self.seat, opening: Opening(1) };
        let attempt = if end { &mut self.at_end } else { &mut self.at_key };
        let Some(attempt) = attempt else { return };
        let generation = attempt.generation;
        let proposer = Proposer::home(ballot, model.quorum(), entry.clone());
        attempt.stage = Stage::Proposing { proposer, started: self.question };
        let accept = Sent { end, generation, what: What::Accept { ballot, entry } };
        self.ask_all(model, &accept, doings);
    }
}

impl Wish {
    /// What it wants to put into the key.
    fn entry(self) -> Option<Entry> {
        match self {
            Self::Put(n) => Some(entry(n, false)),
            Self::PutLeased(n) => Some(entry(n, true)),
            Self::Get | Self::End(_) => None,
        }
    }
}
