//! The acceptor's and the learner's side: what a seat replies, and when it knows that an entry is chosen.

use super::super::context::{Context, Event};
use super::super::names::{Origin, Slot};
use super::super::peers::Electorate;
use super::{Goal, Registers};
use crate::paxos::{AcceptorState, Answer, QueryId, Tally};
use crate::transport::LinkId;
use crate::types::{Ballot, Bootstrap, ENDS, Entry, Generation, Lease, Register, Seat};
use crate::wire::Message;

/// How many keys are finished in the background at a time.
const FINISHING: usize = 64;

/// The seat that a message came from, and how to reply: by a link, or to this seat itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::replica) struct Sender {
    pub(in crate::replica) seat: Seat,
    /// `None` is this seat.
    pub(in crate::replica) link: Option<LinkId>,
}

impl Sender {
    fn reply(self, cx: &mut Context, message: Message) {
        match self.link {
            Some(link) => cx.outbox.send(&[link], &message),
            None => cx.emit(Event::ToSelf(message)),
        }
    }

    /// Replies to what an acceptor cannot take.
    fn turn_down(self, cx: &mut Context, register: Register, ballot: Option<Ballot>, answer: Answer) {
        match (answer, ballot) {
            (Answer::Rejected(promised), Some(ballot)) => {
                self.reply(cx, Message::Rejected { register, ballot, promised });
            }
            (Answer::Known(entry), _) => self.reply(cx, Message::Chosen { register, entry }),
            (Answer::Stale(generation), _) => self.reply(cx, Message::Stale { register, generation }),
            _ => {}
        }
    }
}

impl Registers {
    /// Which of the leases that were asked for, and of those of the entry held, have ended here.
    fn ended_of(&self, cx: &Context, asked: &[Lease], state: &AcceptorState) -> Vec<Lease> {
        let own = state.entry().map_or(&[][..], |entry| &entry.leases);
        let unasked = own.iter().filter(|lease| !asked.contains(lease));
        let mut ended = self.ended(cx.rules, asked.iter().chain(unasked));
        ended.dedup();
        ended
    }

    /// Phase 1b.
    pub(in crate::replica) fn handle_prepare(
        &mut self,
        cx: &mut Context,
        slot: Slot,
        from: Sender,
        (register, ballot): (Register, Ballot),
        asked: &[Lease],
    ) {
        let rules = cx.rules;
        let generation = register.generation;
        match self.vote(rules, slot, |acceptor| acceptor.prepare(rules, generation, ballot)) {
            Some(Answer::Promise(state)) => {
                let ended = self.ended_of(cx, asked, &state);
                from.reply(cx, Message::Promise { register, ballot, state, ended });
            }
            Some(answer) => from.turn_down(cx, register, Some(ballot), answer),
            None => {}
        }
    }

    /// Phase 2b. A vote is sent to every seat, since all are learners.
    pub(in crate::replica) fn handle_accept(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        from: Sender,
        (register, ballot): (Register, Ballot),
        entry: &Entry,
    ) {
        let rules = cx.rules;
        let Some(record) = self.record(slot) else { return };
        if !Bootstrap::permits(&self.cluster.0, self.cluster.1, &register.id, &entry.value) {
            return;
        }
        let from_home = !Bootstrap::decides(&register.id) && record.home == ballot.seat;
        let generation = register.generation;
        let answer =
            self.vote(rules, slot, |acceptor| acceptor.accept(rules, generation, ballot, entry, from_home));
        match answer {
            Some(Answer::Accepted) => {
                self.unlearned.push_back((cx.after(cx.settings.finish_after), slot));
                let others = electorate.others(&register.id);
                let ended = self.ended(rules, &entry.leases);
                let vote = Message::Accepted { register, ballot, ended };
                cx.outbox.send(others, &vote);
                cx.emit(Event::ToSelf(vote));
                if !entry.is_permanent() {
                    cx.emit(Event::Accepted(entry.clone()));
                }
            }
            Some(answer) => from.turn_down(cx, register, Some(ballot), answer),
            None => {}
        }
    }

    pub(in crate::replica) fn handle_read(
        &mut self,
        cx: &mut Context,
        slot: Slot,
        from: Sender,
        (register, query): (Register, QueryId),
        asked: &[Lease],
    ) {
        let rules = cx.rules;
        match self.vote(rules, slot, |acceptor| acceptor.read(rules, register.generation)) {
            Some(Ok(state)) => {
                let ended = self.ended_of(cx, asked, &state);
                from.reply(cx, Message::ReadReply { register, query, state, ended });
            }
            Some(Err(answer)) => from.turn_down(cx, register, None, answer),
            None => {}
        }
    }

    /// A seat asks this one, the key's home, to propose an entry.
    pub(in crate::replica) fn handle_forward(
        &mut self,
        cx: &mut Context,
        slot: Slot,
        from: Sender,
        register: Register,
        entry: Entry,
    ) {
        if !Bootstrap::permits(&self.cluster.0, self.cluster.1, &register.id, &entry.value) {
            return; // No acceptor would take it, so it would be proposed for ever.
        }
        let generation = self.generation(slot);
        if generation > register.generation {
            return from.reply(cx, Message::Stale { register, generation });
        }
        if let Some(entry) = self.learned(slot, register.generation).cloned() {
            return from.reply(cx, Message::Chosen { register, entry });
        }
        if self.attempts() < cx.settings.max_requests {
            // In this generation only: the seat that asked may have its answer by the time there is another.
            let within = cx.rules.bind_to_generation().then_some(register.generation);
            let goal = Goal::Put { entry, within, wait: false };
            self.want_in(cx, slot, register.generation, Origin::Cluster, goal);
        }
    }

    /// Counts a vote. `flagged` is whether the voter saw a lease of the entry ended.
    pub(in crate::replica) fn handle_accepted(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        slot: Slot,
        seat: Seat,
        (generation, ballot): (Generation, Ballot),
        flagged: bool,
    ) {
        let Some(record) = self.record_mut(slot) else { return };
        let acceptor = &record.acceptor;
        if acceptor.generation > generation || acceptor.learned(generation).is_some() {
            return;
        }
        let learner = record.learner.get_or_insert_default();
        let tally = learner.vote(cx.rules, electorate.quorum(), generation, ballot, seat, flagged);
        if tally == Tally::Open {
            return;
        }
        match self.entry_at(cx, slot, generation, ballot) {
            Some(entry) => {
                if tally == Tally::ChosenInForce {
                    self.record_in_force(slot, generation, &entry);
                }
                self.learn(cx, slot, generation, &entry);
            }
            // The votes overtook the proposal, or it was lost.
            None => self.unlearned.push_back((cx.after(cx.settings.finish_after), slot)),
        }
    }

    /// The entry of a ballot, if this node has seen it: a ballot has one entry only.
    fn entry_at(&self, cx: &Context, slot: Slot, generation: Generation, ballot: Ballot) -> Option<Entry> {
        let acceptor = &self.record(slot)?.acceptor;
        match &acceptor.state {
            AcceptorState::Accepted { ballot: at, entry }
                if acceptor.generation == generation && (*at == ballot || !cx.rules.count_by_ballot()) =>
            {
                Some(entry.clone())
            }
            _ => self.proposed_at(slot, generation, ballot),
        }
    }

    /// Takes in that an entry was chosen.
    pub(in crate::replica) fn learn(
        &mut self,
        cx: &mut Context,
        slot: Slot,
        generation: Generation,
        entry: &Entry,
    ) {
        if !self.record_chosen(cx.rules, cx.now, slot, generation, entry) {
            return;
        }
        let Some(record) = self.record_mut(slot) else { return };
        record.learner = None;
        let (attempted, id) = (record.attempt.is_some(), record.id.clone());
        if attempted {
            self.ready.push_back(slot);
        }
        if id.bucket().name() == ENDS
            && let Ok(lease) = Lease::of_end(&id)
        {
            self.end_learned(cx, slot, &lease);
        }
        cx.emit(Event::Learned(Register { id, generation }, entry.clone()));
    }

    /// Finishes, in the background, what was accepted here or voted on a while ago and is still not learned.
    pub(in crate::replica) fn finish_unlearned(&mut self, cx: &Context, electorate: &Electorate) {
        let mut finishing = None;
        for _ in 0..self.unlearned.len() {
            let Some((_, slot)) = self.unlearned.pop_front_if(|(at, _)| *at <= cx.now) else { return };
            let Some(record) = self.record(slot) else { continue };
            let generation = record.acceptor.generation;
            let open = record.acceptor.learned(generation).is_none();
            if !open || !(record.acceptor.is_unlearned() || record.learner.is_some()) {
                continue;
            }
            // An attempt that is at it already may be given up and leave it unfinished.
            let tried = record.attempt.is_some();
            let mut full = || *finishing.get_or_insert_with(|| self.finishing()) >= FINISHING;
            if tried || !electorate.has_quorum() || full() {
                self.unlearned.push_back((cx.after(cx.settings.finish_after), slot));
                continue;
            }
            finishing = finishing.map(|count| count + 1);
            self.want_in(cx, slot, generation, Origin::Cluster, Goal::Finish(generation));
        }
    }

    /// When something that is unlearned is to be finished.
    pub(in crate::replica) fn finish_at(&self) -> Option<std::time::Duration> {
        self.unlearned.front().map(|(at, _)| *at)
    }
}
