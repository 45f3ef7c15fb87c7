//! The proposer's side: a request joins the key's attempt, and the attempt queries, proposes, forwards or waits.
//!
//! Every reply, every timer and everything that is learned makes the attempt ready; `settle` then decides which requests
//! have their answer, and what to try next.

use std::time::Duration;

use super::super::context::{Context, Event};
use super::super::names::Origin;
use super::super::names::Slot;
use super::super::peers::Electorate;
use super::super::timers::Timer;
use super::attempt::{Attempt, Goal, Pending, Stage, patience, retain};
use super::{Registers, Sender};
use crate::paxos::{AcceptorState, Proposer, QueryId, Reader, Step, Verdict};
use crate::sorted::{Gather, Map};
use crate::transport::LinkId;
use crate::types::{Ballot, Entry, Generation, KeyId, Lease, Register, Round, Seat, Value};
use crate::wire::{Message, Outcome};

/// How long those that wait for an entry's end leave it at what they know.
const CHECK_AGAIN: Duration = Duration::from_secs(10);

impl Registers {
    /// A request joins a key's attempt, in the newest generation that is known.
    pub(in crate::replica) fn want(&mut self, cx: &Context, id: &KeyId, origin: Origin, goal: Goal) {
        let slot = self.open(id);
        self.want_in(cx, slot, self.generation(slot), origin, goal);
    }

    pub(super) fn want_in(
        &mut self,
        cx: &Context,
        slot: Slot,
        generation: Generation,
        origin: Origin,
        goal: Goal,
    ) {
        let Some(record) = self.record_mut(slot) else { return };
        let attempt = record.attempt.get_or_insert_with(|| Box::new(Attempt::new(generation)));
        if generation > attempt.generation {
            attempt.move_to(generation);
        }
        if matches!(attempt.stage, Stage::Waiting) {
            attempt.stage = Stage::Idle;
        }
        let pending = Pending { origin, goal, joined: cx.query };
        if pending.repeats(&attempt.pending) {
            return self.ready.push_back(slot);
        }
        let ends: Vec<KeyId> =
            pending.entry().into_iter().flat_map(|own| &own.leases).map(Lease::end).gather();
        attempt.pending.push(pending);
        let id = record.id.clone();
        self.attempting.insert(id, slot);
        self.ready.push_back(slot);
        for end in ends {
            self.await_end(slot, &end);
        }
    }

    /// Puts something for the cluster's own sake.
    pub(in crate::replica) fn propose(&mut self, cx: &mut Context, id: &KeyId, value: Value) {
        let entry = cx.entry(value);
        self.want(cx, id, Origin::Cluster, Goal::Put { entry, within: None, wait: false });
    }

    /// Has the end of a lease decided, unless that is known or under way.
    pub(in crate::replica) fn propose_end(&mut self, cx: &mut Context, lease: &Lease) {
        let end = lease.end();
        if self.learned_in(&end, Generation(0)).is_none() && !self.has_attempt(&end) {
            self.propose(cx, &end, Value::yes());
        }
    }

    /// Every request of an attempt has its answer.
    pub(super) fn drop_attempt(&mut self, cx: &mut Context, slot: Slot) {
        self.forget_ends(slot);
        if let Some(record) = self.record_mut(slot) {
            record.attempt = None;
            let id = record.id.clone();
            self.attempting.remove(&id);
            cx.timers.cancel(Timer::Attempt(id));
        }
        self.close(slot);
    }

    /// The attempt does not wait for ends any more.
    pub(super) fn forget_ends(&mut self, slot: Slot) {
        let ends = self.attempt_mut(slot).map(|attempt| std::mem::take(&mut attempt.ends));
        for end in ends.unwrap_or_default() {
            if let Some(record) = self.record_mut(end) {
                record.dependents.retain(|dependent| *dependent != slot);
            }
            self.close(end);
        }
    }

    /// Starts a stage, and sets when to try again should it come to nothing.
    fn start(&mut self, cx: &mut Context, slot: Slot, stage: Stage, after: Duration) {
        let Some(record) = self.record_mut(slot) else { return };
        let Some(attempt) = &mut record.attempt else { return };
        attempt.stage = stage;
        cx.timers.set(cx.after(after), Timer::Attempt(record.id.clone()));
    }

    fn patience(&self, cx: &mut Context, slot: Slot) -> Duration {
        let tries = self.record(slot).and_then(|record| record.attempt.as_ref()).map_or(0, |at| at.tries);
        let after = patience(cx.settings.retry_after, tries);
        after + cx.jitter(after / 4)
    }

    /// The register of a key's attempt, the highest round seen there, and the leases that a query has to name.
    fn asked(&self, slot: Slot, with: Option<&Entry>) -> Option<(Register, Round, Vec<Lease>)> {
        let record = self.record(slot)?;
        let attempt = record.attempt.as_ref()?;
        let register = Register { id: record.id.clone(), generation: attempt.generation };
        Some((register, attempt.seen, attempt.leases_with(with)))
    }

    /// Asks all seats what they have accepted.
    pub(super) fn read(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        known: Option<Entry>,
    ) {
        let Some((register, _, asked)) = self.asked(slot, known.as_ref()) else { return };
        let query = cx.next_query();
        let reader = Reader::new(query, electorate.quorum(), electorate.epoch(), known);
        ask_all(cx, electorate, Message::Read { register, query, asked: asked.clone() });
        let patience = self.patience(cx, slot);
        self.start(cx, slot, Stage::Reading { reader, asked }, patience);
    }

    /// Starts a ballot at phase 1. With nothing of its own to propose, it finishes what others have begun.
    pub(super) fn propose_ballot(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        own: Option<Entry>,
    ) {
        let Some(seat) = electorate.own() else { return };
        let Some((register, seen, asked)) = self.asked(slot, own.as_ref()) else { return };
        let (epoch, round) = (electorate.epoch(), cx.next_round(seen));
        let ballot = Ballot { epoch, round, seat, opening: cx.me.opening };
        ask_all(cx, electorate, Message::Prepare { register, ballot, asked: asked.clone() });
        let proposer = Proposer::new(ballot, electorate.quorum(), own);
        let (started, patience) = (cx.query, self.patience(cx, slot));
        self.start(cx, slot, Stage::Proposing { proposer, asked, started }, patience);
    }

    /// The fast path of the home seat: round 0, straight to phase 2. Its own acceptor accepts first; the outbox keeps the
    /// Accept for the others back until that is durable.
    pub(super) fn propose_at_home(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        entry: Entry,
    ) {
        let Some(seat) = electorate.own() else { return };
        let Some((register, ..)) = self.asked(slot, None) else { return };
        let (epoch, round) = (electorate.epoch(), Round(0));
        let ballot = Ballot { epoch, round, seat, opening: cx.me.opening };
        let own = Sender { seat, link: None };
        self.handle_accept(cx, electorate, slot, own, (register.clone(), ballot), &entry);
        let others = electorate.others(&register.id);
        cx.outbox.send(others, &Message::Accept { register, ballot, entry: entry.clone() });
        let proposer = Proposer::home(ballot, electorate.quorum(), entry);
        let (started, patience) = (cx.query, self.patience(cx, slot));
        self.start(cx, slot, Stage::Proposing { proposer, asked: Vec::new(), started }, patience);
    }

    /// Asks the key's home seat to propose.
    pub(super) fn forward(&mut self, cx: &mut Context, slot: Slot, home: LinkId, entry: Entry) {
        let Some((register, ..)) = self.asked(slot, None) else { return };
        cx.outbox.send(&[home], &Message::Forward { register, entry });
        if let Some(attempt) = self.attempt_mut(slot) {
            attempt.forwarded = true;
        }
        let patience = cx.settings.forward_timeout;
        self.start(cx, slot, Stage::Forwarded, patience);
    }

    /// The entry that this node proposes at a ballot.
    pub(super) fn proposed_at(&self, slot: Slot, generation: Generation, at: Ballot) -> Option<Entry> {
        let attempt = self.record(slot)?.attempt.as_ref()?;
        match &attempt.stage {
            Stage::Proposing { proposer, .. }
                if attempt.generation == generation && proposer.ballot() == at =>
            {
                proposer.proposed().cloned()
            }
            _ => None,
        }
    }

    /// The attempt at a key, if it is in that generation.
    fn attempt_in(&mut self, cx: &Context, slot: Slot, generation: Generation) -> Option<&mut Attempt> {
        let any = !cx.rules.match_queries();
        self.attempt_mut(slot).filter(|attempt| attempt.generation == generation || any)
    }

    pub(in crate::replica) fn handle_promise(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        seat: Seat,
        (register, ballot): (Register, Ballot),
        (state, ended): (AcceptorState, Vec<Lease>),
    ) {
        let rules = cx.rules;
        if self.attempt_in(cx, slot, register.generation).is_none() {
            return;
        }
        self.ready.push_back(slot);
        let Some(Stage::Proposing { proposer, started, .. }) = self.attempt_mut(slot).map(|at| &mut at.stage)
        else {
            return;
        };
        let (step, ballot, started) =
            (proposer.promise(rules, seat, ballot, state, ended), proposer.ballot(), *started);
        match step {
            Step::Wait => {}
            Step::Accept(entry) => ask_all(cx, electorate, Message::Accept { register, ballot, entry }),
            Step::Chosen(entry) => self.learn(cx, slot, register.generation, &entry),
            Step::Nothing => {
                self.answer_absent(cx, slot, started);
                if let Some(attempt) = self.attempt_mut(slot) {
                    // There is nothing to finish either: what one seat accepted here cannot have been chosen.
                    retain(&mut attempt.pending, &mut |pending| !pending.finishes());
                    attempt.stage = Stage::Idle;
                    attempt.unsure = 0;
                }
            }
            Step::OwnEnded(leases) => self.end_leases(cx, slot, leases),
        }
    }

    pub(in crate::replica) fn handle_rejected(
        &mut self,
        cx: &mut Context,
        slot: Slot,
        generation: Generation,
        ballot: Ballot,
        promised: Ballot,
    ) {
        let Some(attempt) = self.attempt_in(cx, slot, generation) else { return };
        if matches!(&attempt.stage, Stage::Proposing { proposer, .. } if proposer.ballot() == ballot) {
            attempt.seen = attempt.seen.max(promised.round);
            self.back_off(cx, slot);
        }
        self.ready.push_back(slot);
    }

    /// Keeps still for a random time that grows, so that duelling proposers part.
    fn back_off(&mut self, cx: &mut Context, slot: Slot) {
        let Some(attempt) = self.attempt_mut(slot) else { return };
        let most = cx.settings.backoff.saturating_mul(2u32.pow(attempt.tries.min(6)));
        attempt.tries += 1;
        let pause = cx.jitter(most);
        self.start(cx, slot, Stage::BackingOff, pause);
    }

    pub(in crate::replica) fn handle_stale(
        &mut self,
        cx: &Context,
        slot: Slot,
        named: Generation,
        newest: Generation,
    ) {
        let Some(attempt) = self.attempt_in(cx, slot, named) else { return };
        if newest > attempt.generation {
            attempt.move_to(newest);
        }
        self.ready.push_back(slot);
    }

    pub(in crate::replica) fn handle_read_reply(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        seat: Seat,
        (register, query): (Register, QueryId),
        (state, ended): (AcceptorState, Vec<Lease>),
    ) {
        let rules = cx.rules;
        if self.attempt_in(cx, slot, register.generation).is_none() {
            return;
        }
        self.ready.push_back(slot);
        let Some(Stage::Reading { reader, .. }) = self.attempt_mut(slot).map(|at| &mut at.stage) else {
            return;
        };
        let verdict = reader.answer(rules, seat, query, state, ended);
        let (asked, replies) = (reader.query().number, reader.answered());
        match verdict {
            Verdict::Wait => {}
            Verdict::Chosen(entry) => {
                let reader = reader.clone();
                self.learn(cx, slot, register.generation, &entry);
                self.conclude(cx, slot, &reader, &entry);
            }
            Verdict::Absent => {
                self.answer_absent(cx, slot, asked);
                if let Some(attempt) = self.attempt_mut(slot) {
                    attempt.stage = Stage::Idle;
                    // A request that finishes something here has seen that there is something.
                    attempt.unsure = if attempt.pending.iter().any(Pending::finishes) { 2 } else { 0 };
                }
            }
            Verdict::Unsure if replies > electorate.others(&register.id).len() => self.unsure(cx, slot),
            Verdict::Unsure => {}
        }
    }

    /// A put that is under way looks like this. So the attempt waits a moment before it takes the round from whoever is
    /// at it.
    fn unsure(&mut self, cx: &mut Context, slot: Slot) {
        let Some(attempt) = self.attempt_mut(slot) else { return };
        attempt.unsure += 1;
        if attempt.unsure > 1 {
            attempt.stage = Stage::Idle;
        } else {
            self.back_off(cx, slot);
        }
    }

    /// Answers the gets that came before the query that found nothing.
    fn answer_absent(&mut self, cx: &mut Context, slot: Slot, asked: u64) {
        let rules = cx.rules;
        let Some(attempt) = self.attempt_mut(slot) else { return };
        let generation = attempt.generation;
        retain(&mut attempt.pending, &mut |pending| {
            let outcome = match &pending.goal {
                Goal::Get if pending.joined < asked || !rules.match_queries() => {
                    Outcome::Absent { generation }
                }
                // A put for a generation that never began: no node can have been told of it.
                Goal::Put { within: Some(within), .. } if *within > generation && pending.joined < asked => {
                    let error =
                        crate::types::Error::invalid("this put names a generation that has not begun");
                    Outcome::Failed { error }
                }
                _ => return true,
            };
            cx.events.push_back(Event::Answer(pending.origin, outcome));
            false
        });
    }

    /// Has the end registers of these leases decided; until then the attempt waits.
    pub(super) fn end_leases(&mut self, cx: &mut Context, slot: Slot, leases: Vec<Lease>) {
        let patience = self.patience(cx, slot);
        self.start(cx, slot, Stage::Ending, patience);
        for lease in leases {
            let end = lease.end();
            self.await_end(slot, &end);
            if !self.has_attempt(&end) {
                self.propose(cx, &end, Value::yes());
            }
        }
    }

    fn await_end(&mut self, slot: Slot, end: &KeyId) {
        let end = self.open(end);
        let Some(attempt) = self.attempt_mut(slot).filter(|attempt| !attempt.ends.contains(&end)) else {
            return self.close(end);
        };
        attempt.ends.push(end);
        if let Some(record) = self.record_mut(end) {
            record.dependents.push(slot);
        }
    }

    /// Waits until the entry in force has ended, and checks again from time to time, should that be missed.
    pub(super) fn wait_for_end(&mut self, cx: &mut Context, slot: Slot, entry: &Entry) {
        let Some((_, _, leases)) = self.asked(slot, Some(entry)) else { return };
        self.start(cx, slot, Stage::Waiting, CHECK_AGAIN);
        for lease in leases {
            if !self.has_ended(&lease) {
                self.await_end(slot, &lease.end());
            }
        }
    }

    /// The votes for an entry tell that it was in force: the request that put it has won, whatever comes after.
    pub(super) fn record_in_force(&mut self, slot: Slot, generation: Generation, entry: &Entry) {
        if let Some(attempt) = self.attempt_mut(slot).filter(|attempt| attempt.generation == generation) {
            attempt.won_in_force = Some(entry.request);
        }
    }

    /// A lease has ended for good: the attempts that it makes a difference to go on. These are attempts that waited for it,
    /// or have it in an entry that they want to put; and those at keys that are bound to it.
    pub(super) fn end_learned(&mut self, cx: &mut Context, end: Slot, lease: &Lease) {
        let dependents = self.record_mut(end).map(|record| std::mem::take(&mut record.dependents));
        // In the order of keys, whichever came first.
        let mut slots = Map::new();
        for slot in dependents.unwrap_or_default().into_iter().chain(self.leases.keys(lease)) {
            if let Some(id) = self.id(slot) {
                slots.insert(id.clone(), slot);
            }
        }
        for slot in slots.into_values() {
            let Some(attempt) = self.attempt_mut(slot) else { continue };
            attempt.ends.retain(|other| *other != end);
            if matches!(attempt.stage, Stage::Ending | Stage::Waiting) {
                attempt.stage = Stage::Idle;
            }
            if !cx.rules.read_after_end() {
                self.answer_absent(cx, slot, u64::MAX);
            }
            self.ready.push_back(slot);
        }
    }

    /// An attempt has waited long enough.
    pub(in crate::replica) fn handle_timer(&mut self, quorum: usize, id: &KeyId) {
        let Some(slot) = self.find(id) else { return };
        let Some(attempt) = self.attempt_mut(slot) else { return };
        match &attempt.stage {
            Stage::Idle | Stage::BackingOff | Stage::Forwarded | Stage::Ending | Stage::Waiting => {
                attempt.in_force = 0;
            }
            Stage::Reading { reader, .. } => {
                attempt.unsure += u32::from(reader.answered() >= quorum);
                attempt.tries += 1;
            }
            Stage::Proposing { .. } => attempt.tries += 1,
        }
        attempt.stage = Stage::Idle;
        self.ready.push_back(slot);
    }

    /// The home seat that was asked is down: nobody waits for it.
    pub(in crate::replica) fn home_lost(&mut self, seat: Seat) {
        for slot in self.attempting.values().copied().gather() {
            let Some(record) = self.record_mut(slot).filter(|record| record.home == seat) else { continue };
            if let Some(attempt) = &mut record.attempt
                && matches!(attempt.stage, Stage::Forwarded)
            {
                attempt.stage = Stage::Idle;
                self.ready.push_back(slot);
            }
        }
    }

    /// A seat has come: it is asked what the others are being asked.
    pub(in crate::replica) fn ask_again(&self, cx: &mut Context, link: LinkId) {
        for record in self.attempting.values().filter_map(|slot| self.record(*slot)) {
            let Some(attempt) = &record.attempt else { continue };
            let register = Register { id: record.id.clone(), generation: attempt.generation };
            let message = match &attempt.stage {
                Stage::Reading { reader, asked } => {
                    Message::Read { register, query: reader.query(), asked: asked.clone() }
                }
                Stage::Proposing { proposer, asked, .. } => {
                    let ballot = proposer.ballot();
                    match proposer.proposed() {
                        Some(entry) => Message::Accept { register, ballot, entry: entry.clone() },
                        None => Message::Prepare { register, ballot, asked: asked.clone() },
                    }
                }
                _ => continue,
            };
            cx.outbox.send(&[link], &message);
        }
    }

    /// How many keys are being finished in the background.
    pub(super) fn finishing(&self) -> usize {
        let attempts = self.attempting.values().filter_map(|slot| self.record(*slot)?.attempt.as_ref());
        attempts.filter(|attempt| attempt.pending.iter().any(Pending::finishes)).count()
    }
}

/// Asks every seat, this one included.
fn ask_all(cx: &mut Context, electorate: &Electorate, message: Message) {
    if let Some(register) = message.register() {
        cx.outbox.send(electorate.others(&register.id), &message);
        cx.emit(Event::ToSelf(message));
    }
}
