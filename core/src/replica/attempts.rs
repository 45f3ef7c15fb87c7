//! The proposer's side: what is done for a key until all who wait for it have their answer.
//!
//! There is one attempt a key at a time, which all who want something of that key join. It asks, proposes, forwards
//! or waits; every answer, every alarm and everything that is learned brings it back to `settle`, which looks who
//! can be answered and what to try next.

use std::time::Duration;

use super::Replica;
use super::alarms::Alarm;
use super::requests::{Asker, Waiter, Want};
use super::voting::Peer;
use crate::paxos::{AcceptorState, Proposer, QueryId, Reader, Step, Verdict};
use crate::transport::LinkId;
use crate::types::{
    Ballot, Entry, Generation, KeyId, Lease, Register, RequestId, Round, Seat, Value, each_once,
};
use crate::wire::Message;

/// How long those who wait for an entry's end leave it at what they know.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) generation: Generation,
    pub(super) stage: Stage,
    pub(super) waiters: Vec<Waiter>,
    /// How often something was tried in vain.
    pub(super) tries: u32,
    /// The highest round that stood against this attempt.
    pub(super) seen: Round,
    /// When to look again; alarms for other times are of the past.
    pub(super) due: Duration,
    /// Whether home was asked and did not come back in time.
    pub(super) forwarded: bool,
    /// How many reads were unsure.
    pub(super) unsure: u32,
    /// Whose entry was in force when the votes for it were cast.
    pub(super) stood: Option<RequestId>,
    /// The number of the last question by which a quorum said that the entry stands.
    pub(super) stands: u64,
}

/// What an attempt is at.
#[derive(Clone, Hash)]
pub(super) enum Stage {
    /// Nothing: to be tried as soon as there is a quorum.
    Idle,
    /// Outbid; keeps still for a random time.
    Resting,
    /// The key's home was asked to propose.
    Forwarded,
    /// A quorum is asked what it holds.
    Reading { reader: Reader, asked: Vec<Lease> },
    /// A ballot is under way; `started` is the number of the last question asked before it.
    Proposing { proposer: Proposer, asked: Vec<Lease>, started: u64 },
    /// The end of some lease is being decided.
    Ending,
    /// Those who are left wait until the entry that stands has ended.
    Waiting,
}

impl Attempt {
    fn new(generation: Generation) -> Self {
        let (stage, waiters, seen) = (Stage::Idle, Vec::new(), Round(0));
        Self {
            generation,
            stage,
            waiters,
            tries: 0,
            seen,
            due: Duration::ZERO,
            forwarded: false,
            unsure: 0,
            stood: None,
            stands: 0,
        }
    }

    /// Goes on in a newer generation.
    pub(super) fn move_to(&mut self, generation: Generation) {
        self.generation = generation;
        self.stage = Stage::Idle;
        self.forwarded = false;
        self.unsure = 0;
        self.stood = None;
        self.stands = 0;
    }

    pub(super) fn register(&self, id: &KeyId) -> Register {
        Register { id: id.clone(), generation: self.generation }
    }

    /// Whether it has told others what it proposes.
    pub(super) fn has_proposed(&self) -> bool {
        matches!(&self.stage, Stage::Proposing { proposer, .. } if proposer.proposed().is_some())
    }

    /// Has another entry proposed from the next ballot on. One in its first phase is given up for that; one in its second
    /// has told others what it proposes, and a ballot proposes one thing only.
    pub(super) fn propose_instead(&mut self, other: &Entry) {
        for waiter in &mut self.waiters {
            if let Want::Put { entry, .. } = &mut waiter.want {
                *entry = other.clone();
            }
        }
        if matches!(self.stage, Stage::Proposing { .. }) && !self.has_proposed() {
            self.stage = Stage::Idle;
        }
    }

    /// The leases of those who want to put, and of an entry: questions name them.
    fn leases_with(&self, entry: Option<&Entry>) -> Vec<Lease> {
        let entries = self.waiters.iter().filter_map(Waiter::entry).chain(entry);
        each_once(entries.flat_map(|entry| entry.leases.iter().cloned()).collect())
    }
}

impl Replica {
    /// Somebody wants something of a key.
    pub(super) fn want(&mut self, id: KeyId, asker: Asker, want: Want) {
        let generation = self.store.generation(&id);
        self.want_in(Register { id, generation }, asker, want);
    }

    pub(super) fn want_in(&mut self, register: Register, asker: Asker, want: Want) {
        let Register { id, generation } = register;
        let attempt = self.attempts.entry(id.clone()).or_insert_with(|| Attempt::new(generation));
        if generation > attempt.generation {
            attempt.move_to(generation);
        }
        if matches!(attempt.stage, Stage::Waiting) {
            attempt.stage = Stage::Idle;
        }
        let waiter = Waiter { asker, want, joined: self.query };
        if !waiter.repeats(&attempt.waiters) {
            attempt.waiters.push(waiter);
        }
        self.ready.push_back(id);
    }

    fn set_due(&mut self, id: &KeyId, attempt: &mut Attempt, after: Duration) {
        attempt.due = self.now + after;
        self.alarms.set(attempt.due, Alarm::Attempt(id.clone()));
    }

    fn patience(&mut self, attempt: &Attempt) -> Duration {
        let after = self.settings.retry_after * 2u32.pow(attempt.tries.min(3));
        after + self.jitter(after / 4)
    }

    /// Asks all seats what they hold.
    pub(super) fn read(&mut self, id: &KeyId, attempt: &mut Attempt, known: Option<Entry>) {
        let asked = attempt.leases_with(known.as_ref());
        let query = self.next_query();
        let reader = Reader::new(query, self.quorum(), self.epoch(), known);
        let message = Message::Read { register: attempt.register(id), query, asked: asked.clone() };
        self.ask_all(id, message);
        attempt.stage = Stage::Reading { reader, asked };
        let patience = self.patience(attempt);
        self.set_due(id, attempt, patience);
    }

    /// Starts a ballot at phase 1. With nothing of its own to propose, it finishes what others have begun.
    pub(super) fn propose_ballot(&mut self, id: &KeyId, attempt: &mut Attempt, own: Option<Entry>) {
        let Some(ballot) = self.next_ballot(attempt.seen) else { return };
        let asked = attempt.leases_with(own.as_ref());
        let message = Message::Prepare { register: attempt.register(id), ballot, asked: asked.clone() };
        self.ask_all(id, message);
        let proposer = Proposer::new(ballot, self.quorum(), own);
        attempt.stage = Stage::Proposing { proposer, asked, started: self.query };
        let patience = self.patience(attempt);
        self.set_due(id, attempt, patience);
    }

    fn next_ballot(&mut self, seen: Round) -> Option<Ballot> {
        let round = self.next_round(seen);
        Some(Ballot { epoch: self.epoch(), round, seat: self.seat?, opening: self.store.opening })
    }

    /// The fast path of the home seat: round 0, straight to phase 2. Its own acceptor accepts first; the outbox
    /// keeps the Accept for the others back until that is durable.
    pub(super) fn propose_at_home(&mut self, id: &KeyId, attempt: &mut Attempt, entry: Entry) {
        let Some(seat) = self.seat else { return };
        let ballot = Ballot { epoch: self.epoch(), round: Round(0), seat, opening: self.store.opening };
        let register = attempt.register(id);
        self.accept(Peer { seat, link: None }, register.clone(), ballot, &entry);
        let others = self.others(id);
        self.outbox.send(&others, &Message::Accept { register, ballot, entry: entry.clone() });
        let proposer = Proposer::home(ballot, self.quorum(), entry);
        attempt.stage = Stage::Proposing { proposer, asked: Vec::new(), started: self.query };
        let patience = self.patience(attempt);
        self.set_due(id, attempt, patience);
    }

    /// Asks the key's home to propose.
    pub(super) fn forward(&mut self, id: &KeyId, attempt: &mut Attempt, home: LinkId, entry: Entry) {
        self.outbox.send(&[home], &Message::Forward { register: attempt.register(id), entry });
        attempt.forwarded = true;
        attempt.stage = Stage::Forwarded;
        let patience = self.settings.forward_timeout;
        self.set_due(id, attempt, patience);
    }

    fn ask_all(&mut self, id: &KeyId, message: Message) {
        let others = self.others(id);
        self.outbox.send(&others, &message);
        self.inbox.push_back(message);
    }

    /// The ballot's entry, where this node is proposing it.
    pub(super) fn proposed_at(&self, register: &Register, at: Ballot) -> Option<Entry> {
        let attempt =
            self.attempts.get(&register.id).filter(|attempt| attempt.generation == register.generation)?;
        match &attempt.stage {
            Stage::Proposing { proposer, .. } if proposer.ballot() == at => proposer.proposed().cloned(),
            _ => None,
        }
    }

    /// Takes an attempt out of the table to work on it, if it is at that register.
    fn take_attempt(&mut self, register: &Register) -> Option<Attempt> {
        let same = self
            .attempts
            .get(&register.id)
            .is_some_and(|attempt| attempt.generation == register.generation || !self.rules.match_questions);
        if same { self.attempts.remove(&register.id) } else { None }
    }

    fn put_back(&mut self, id: &KeyId, attempt: Attempt) {
        self.attempts.insert(id.clone(), attempt);
        self.ready.push_back(id.clone());
    }

    pub(super) fn on_promise(
        &mut self,
        seat: Seat,
        register: &Register,
        ballot: Ballot,
        held: AcceptorState,
        ended: Vec<Lease>,
    ) {
        let rules = self.rules;
        let Some(mut attempt) = self.take_attempt(register) else { return };
        let (step, ballot, started) = match &mut attempt.stage {
            Stage::Proposing { proposer, started, .. } => {
                (proposer.promise(&rules, seat, ballot, held, ended), proposer.ballot(), *started)
            }
            _ => (Step::Wait, ballot, 0),
        };
        match step {
            Step::Wait => {}
            Step::Accept(entry) => {
                let message = Message::Accept { register: register.clone(), ballot, entry };
                self.ask_all(&register.id, message);
            }
            Step::Chosen(entry) => self.learn(register, &entry),
            Step::Nothing => {
                self.answer_absent(&mut attempt, started);
                // There is nothing to finish either: what one seat holds here cannot have been chosen.
                attempt.waiters.retain(|waiter| !waiter.finishes());
                attempt.stage = Stage::Idle;
                attempt.unsure = 0;
            }
            Step::OwnEnded(leases) => self.end_leases(&register.id, &mut attempt, leases),
        }
        self.put_back(&register.id, attempt);
    }

    pub(super) fn on_rejected(&mut self, register: &Register, ballot: Ballot, promised: Ballot) {
        let Some(mut attempt) = self.take_attempt(register) else { return };
        if let Stage::Proposing { proposer, .. } = &attempt.stage
            && proposer.ballot() == ballot
        {
            attempt.seen = attempt.seen.max(promised.round);
            self.rest(&register.id, &mut attempt);
        }
        self.put_back(&register.id, attempt);
    }

    /// Keeps still for a random time that grows, so that duelling proposers part.
    pub(super) fn rest(&mut self, id: &KeyId, attempt: &mut Attempt) {
        let most = self.settings.backoff * 2u32.pow(attempt.tries.min(6));
        let pause = self.jitter(most);
        attempt.tries += 1;
        attempt.stage = Stage::Resting;
        self.set_due(id, attempt, pause);
    }

    pub(super) fn on_stale(&mut self, register: &Register, generation: Generation) {
        self.fetched(register);
        let Some(mut attempt) = self.take_attempt(register) else { return };
        if generation > attempt.generation {
            attempt.move_to(generation);
        }
        self.put_back(&register.id, attempt);
    }

    pub(super) fn on_holding(
        &mut self,
        seat: Seat,
        register: &Register,
        query: QueryId,
        held: AcceptorState,
        ended: Vec<Lease>,
    ) {
        let rules = self.rules;
        let Some(mut attempt) = self.take_attempt(register) else { return };
        let Stage::Reading { reader, .. } = &mut attempt.stage else {
            return self.put_back(&register.id, attempt);
        };
        let verdict = reader.answer(&rules, seat, query, held, ended);
        let asked = reader.query().number;
        match verdict {
            Verdict::Wait => {}
            Verdict::Chosen(entry) => {
                let reader = reader.clone();
                self.learn(register, &entry);
                self.conclude(&register.id, &mut attempt, &reader, &entry);
            }
            Verdict::Absent => {
                self.answer_absent(&mut attempt, asked);
                attempt.stage = Stage::Idle;
                // Whoever finishes something here has seen that there is something.
                attempt.unsure = if attempt.waiters.iter().any(Waiter::finishes) { 2 } else { 0 };
            }
            Verdict::Unsure => {
                if reader.answered() > self.others(&register.id).len() {
                    self.unsure(&register.id, &mut attempt);
                }
            }
        }
        self.put_back(&register.id, attempt);
    }

    /// A put that is under way looks like this: so wait a moment before taking the round from whoever is at it.
    fn unsure(&mut self, id: &KeyId, attempt: &mut Attempt) {
        attempt.unsure += 1;
        if attempt.unsure > 1 {
            attempt.stage = Stage::Idle;
        } else {
            self.rest(id, attempt);
        }
    }

    /// Those whose question was asked after they came are told that nothing is there.
    fn answer_absent(&mut self, attempt: &mut Attempt, asked: u64) {
        let (rules, generation) = (self.rules, attempt.generation);
        let (done, wait) = std::mem::take(&mut attempt.waiters).into_iter().partition(|waiter| {
            matches!(waiter.want, Want::Get) && (waiter.joined < asked || !rules.match_questions)
        });
        attempt.waiters = wait;
        self.all_absent(done, generation);
        // A put for a generation that never began: nobody can have told of it.
        let lost = |waiter: &Waiter| matches!(waiter.want, Want::Put { within: Some(within), .. } if within > generation && waiter.joined < asked);
        let (lost, wait) = std::mem::take(&mut attempt.waiters).into_iter().partition(lost);
        attempt.waiters = wait;
        self.all_ahead(lost);
    }

    /// Has the end registers of these leases decided; until then the attempt waits.
    pub(super) fn end_leases(&mut self, id: &KeyId, attempt: &mut Attempt, leases: Vec<Lease>) {
        attempt.stage = Stage::Ending;
        let patience = self.patience(attempt);
        self.set_due(id, attempt, patience);
        for lease in leases {
            self.await_end(id, &lease);
            let end = lease.end();
            if !self.attempts.contains_key(&end) {
                self.propose(end, Value::yes());
            }
        }
    }

    fn await_end(&mut self, id: &KeyId, lease: &Lease) {
        let waiting = self.ending.entry(lease.end()).or_default();
        if !waiting.contains(id) {
            waiting.push(id.clone());
        }
    }

    /// Waits until the entry that stands has ended; looks again from time to time, should that be missed.
    pub(super) fn wait_for_end(&mut self, id: &KeyId, attempt: &mut Attempt, entry: &Entry) {
        attempt.stage = Stage::Waiting;
        self.set_due(id, attempt, LOOK_AGAIN);
        for lease in attempt.leases_with(Some(entry)) {
            if !self.store.has_ended(&lease) {
                self.await_end(id, &lease);
            }
        }
    }

    /// The votes for an entry tell that it was in force: whoever put it has won, whatever comes after.
    pub(super) fn has_stood(&mut self, register: &Register, entry: &Entry) {
        if let Some(attempt) = self.attempts.get_mut(&register.id)
            && attempt.generation == register.generation
        {
            attempt.stood = Some(entry.request);
        }
    }

    /// A lease has ended for good: those who waited for that go on.
    pub(super) fn end_learned(&mut self, end: &KeyId) {
        for id in self.ending.remove(end).unwrap_or_default() {
            let Some(mut attempt) = self.attempts.remove(&id) else { continue };
            if matches!(attempt.stage, Stage::Ending | Stage::Waiting) {
                attempt.stage = Stage::Idle;
            }
            if !self.rules.read_after_end {
                self.answer_absent(&mut attempt, u64::MAX);
            }
            self.put_back(&id, attempt);
        }
    }

    /// An attempt has waited long enough.
    pub(super) fn attempt_due(&mut self, id: &KeyId) {
        let Some(mut attempt) = self.attempts.remove(id) else { return };
        if self.now >= attempt.due {
            match &attempt.stage {
                Stage::Idle | Stage::Resting | Stage::Forwarded | Stage::Ending | Stage::Waiting => {
                    attempt.stage = Stage::Idle;
                    attempt.stands = 0;
                }
                Stage::Reading { reader, .. } => {
                    attempt.unsure += u32::from(reader.answered() >= self.quorum());
                    attempt.tries += 1;
                    attempt.stage = Stage::Idle;
                }
                Stage::Proposing { .. } => {
                    attempt.tries += 1;
                    attempt.stage = Stage::Idle;
                }
            }
        }
        self.put_back(id, attempt);
    }

    /// The home that was asked is gone: do not wait for it.
    pub(super) fn home_lost(&mut self, seat: Seat) {
        for (id, attempt) in &mut self.attempts {
            if matches!(attempt.stage, Stage::Forwarded) && self.roster.home(id) == seat {
                attempt.stage = Stage::Idle;
                self.ready.push_back(id.clone());
            }
        }
    }

    /// A seat has come: it is asked what the others are being asked.
    pub(super) fn ask_again(&mut self, seat: Seat) {
        let Some(link) = self.link_to(seat) else { return };
        let mut questions = Vec::new();
        for (id, attempt) in &self.attempts {
            let register = attempt.register(id);
            match &attempt.stage {
                Stage::Reading { reader, asked } => {
                    questions.push(Message::Read { register, query: reader.query(), asked: asked.clone() });
                }
                Stage::Proposing { proposer, asked, .. } => {
                    let ballot = proposer.ballot();
                    questions.push(match proposer.proposed() {
                        Some(entry) => Message::Accept { register, ballot, entry: entry.clone() },
                        None => Message::Prepare { register, ballot, asked: asked.clone() },
                    });
                }
                _ => {}
            }
        }
        for query in questions {
            self.outbox.send(&[link], &query);
        }
    }

    /// How many keys are being finished in the background.
    pub(super) fn finishing(&self) -> usize {
        self.attempts.values().filter(|attempt| attempt.waiters.iter().any(Waiter::finishes)).count()
    }
}
