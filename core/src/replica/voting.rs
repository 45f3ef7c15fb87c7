//! The acceptor's and the learner's side: what a seat answers, and when it knows that something is chosen.

use std::time::Duration;

use super::Replica;
use super::requests::{Asker, Want};
use crate::paxos::{AcceptorState, Answer, Tally};
use crate::transport::{CloseReason, LinkId};
use crate::types::{Ballot, Entry, KeyId, Lease, Register, Seat};
use crate::wire::{Hello, Message};

/// How many keys are finished in the background at a time.
const FINISHING: usize = 64;

/// Who is spoken to: a peer, or this seat itself.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    pub(super) seat: Seat,
    /// `None` is this seat.
    pub(super) link: Option<LinkId>,
}

impl Replica {
    /// Takes in what a peer says that was greeted.
    pub(super) fn hear(&mut self, link: LinkId, message: Message) {
        match message {
            Message::Hello { .. } | Message::Refuse { .. } => {}
            Message::Goodbye {} => {
                let incarnation = self.links.hello(link).map(Hello::incarnation);
                self.close(link, CloseReason::Faulty("the peer has left".into()));
                if let Some(incarnation) = incarnation {
                    self.life_gone(incarnation);
                }
            }
            Message::Heartbeat { number, relay } => self.on_beat(link, number, &relay),
            Message::HeartbeatAck { number, seat, suspend_after } => {
                self.on_beaten(link, number, seat, suspend_after);
            }
            Message::RelayedHeartbeat { incarnation, number } => self.on_vouch(link, incarnation, number),
            Message::RelayedHeartbeatAck { incarnation, number, suspend_after } => {
                self.on_vouched(link, incarnation, number, suspend_after);
            }
            Message::Left { incarnation } => {
                if self.seated(link).is_some() {
                    self.take_for_gone(incarnation);
                }
            }
            Message::SuspicionQuery { query, incarnation } => self.on_ask(link, query, incarnation),
            Message::SuspicionReply { query, lost_for } => self.on_testify(link, query, lost_for),
            Message::ClockQuery { query } => self.on_ask_time(link, query),
            Message::ClockReply { query, unix_ms } => self.on_time(link, query, unix_ms),
            Message::Ping { number, learned } => {
                self.outbox.send(&[link], &Message::Pong { number });
                self.consider_pull(link, learned);
            }
            Message::Pong { .. } => {}
            Message::Addresses { claim, revision, addresses } => {
                self.learn_addresses(link, claim, revision, addresses);
            }
            Message::Request { number, op, patience } => {
                self.observed(link, number, op, patience.map(Duration::from_millis));
            }
            Message::Cancel { number } => self.drop_observed(link, number),
            Message::Response { number, outcome } => self.answered(link, number, outcome),
            Message::Pull { after } => self.tell_learned(link, after),
            Message::LearnedPage { after, upto, more, items } => {
                self.compare_learned(link, after, upto, more, items)
            }
            Message::Fetch { registers } => self.tell_chosen(link, registers),
            paxos => self.hear_seat(Some(link), paxos),
        }
    }

    /// Takes in what this seat said to itself.
    pub(super) fn hear_self(&mut self, message: Message) {
        self.hear_seat(None, message);
    }

    fn hear_seat(&mut self, link: Option<LinkId>, message: Message) {
        let Some(own) = self.seat else { return };
        let Some(id) = spoken_of(&message).cloned() else { return };
        let peer = match link {
            None => Some(own),
            Some(link) => self.speaks_for(link, &id),
        };
        let entitled = Self::is_founding(&id) && self.roster.cluster_id.is_none() || self.may_vote();
        let Some(peer) = peer.map(|seat| Peer { seat, link }) else { return };
        match message {
            // Facts and refusals need no vote.
            Message::Chosen { register, entry } => self.learn(&register, &entry),
            Message::Stale { register, generation } => self.on_stale(&register, generation),
            Message::Rejected { register, ballot, promised } => self.on_rejected(&register, ballot, promised),
            _ if !entitled => {}
            Message::Prepare { register, ballot, asked } if ballot.seat == peer.seat => {
                self.prepare(peer, register, ballot, &asked);
            }
            Message::Accept { register, ballot, entry } if ballot.seat == peer.seat => {
                self.accept(peer, register, ballot, &entry);
            }
            Message::Read { register, query, asked } => {
                let rules = self.rules;
                match self.store.vote(&register.id, |acceptor| acceptor.read(&rules, register.generation)) {
                    Ok(held) => {
                        let ended = self.ended(&asked, &held);
                        self.answer(peer, Message::ReadReply { register, query, held, ended });
                    }
                    Err(answer) => self.turn_down(peer, register, None, answer),
                }
            }
            Message::Forward { register, entry } => self.forwarded(peer, register, entry),
            Message::Promise { register, ballot, held, ended } => {
                self.on_promise(peer.seat, &register, ballot, held, ended);
            }
            Message::ReadReply { register, query, held, ended } => {
                self.on_holding(peer.seat, &register, query, held, ended);
            }
            Message::Accepted { register, ballot, ended } => {
                self.on_accepted(peer.seat, &register, ballot, !ended.is_empty());
            }
            _ => {}
        }
    }

    pub(super) fn answer(&mut self, peer: Peer, message: Message) {
        match peer.link {
            Some(link) => self.outbox.send(&[link], &message),
            None => self.inbox.push_back(message),
        }
    }

    fn ended(&self, asked: &[Lease], held: &AcceptorState) -> Vec<Lease> {
        let own = held.entry().map_or(&[][..], |entry| &entry.leases);
        let mut ended =
            self.store.ended(asked.iter().chain(own.iter().filter(|lease| !asked.contains(lease))));
        ended.dedup();
        ended
    }

    fn prepare(&mut self, peer: Peer, register: Register, ballot: Ballot, asked: &[Lease]) {
        let rules = self.rules;
        match self.store.vote(&register.id, |acceptor| acceptor.prepare(&rules, register.generation, ballot))
        {
            Answer::Promise(held) => {
                let ended = self.ended(asked, &held);
                self.answer(peer, Message::Promise { register, ballot, held, ended });
            }
            answer => self.turn_down(peer, register, Some(ballot), answer),
        }
    }

    /// Phase 2b. A vote is said to every seat, since all are learners.
    pub(super) fn accept(&mut self, peer: Peer, register: Register, ballot: Ballot, entry: &Entry) {
        let rules = self.rules;
        let from_home = !Self::is_founding(&register.id) && self.roster.home(&register.id) == ballot.seat;
        let answer = self.store.vote(&register.id, |acceptor| {
            acceptor.accept(&rules, register.generation, ballot, entry, from_home)
        });
        match answer {
            Answer::Accepted => {
                let others = self.others(&register.id);
                self.unlearned.push_back((self.now + self.settings.finish_after, register.id.clone()));
                let ended = self.store.ended(&entry.leases);
                let vote = Message::Accepted { register, ballot, ended };
                self.outbox.send(&others, &vote);
                self.inbox.push_back(vote);
                self.look_at_accepted(entry);
            }
            answer => self.turn_down(peer, register, Some(ballot), answer),
        }
    }

    fn turn_down(&mut self, peer: Peer, register: Register, ballot: Option<Ballot>, answer: Answer) {
        match (answer, ballot) {
            (Answer::Rejected(promised), Some(ballot)) => {
                self.answer(peer, Message::Rejected { register, ballot, promised });
            }
            (Answer::Known(entry), _) => self.answer(peer, Message::Chosen { register, entry }),
            (Answer::Stale(generation), _) => self.answer(peer, Message::Stale { register, generation }),
            _ => {}
        }
    }

    /// A seat asks this one, the key's home, to propose something.
    fn forwarded(&mut self, peer: Peer, register: Register, entry: Entry) {
        let generation = self.store.generation(&register.id);
        if generation > register.generation {
            return self.answer(peer, Message::Stale { register, generation });
        }
        if let Some(entry) = self.store.learned(&register.id, register.generation).cloned() {
            return self.answer(peer, Message::Chosen { register, entry });
        }
        if self.attempts.len() < self.settings.max_requests {
            // In this generation only: whoever asked may have its answer by the time there is another.
            let within = self.rules.bind_to_generation.then_some(register.generation);
            let want = Want::Put { entry, within, wait: false };
            self.want_in(register, Asker::Cluster, want);
        }
    }

    /// Counts a vote.
    fn on_accepted(&mut self, seat: Seat, register: &Register, ballot: Ballot, flagged: bool) {
        let row = self.store.row(&register.id).map(|row| &row.acceptor);
        let over = row.is_some_and(|acceptor| {
            acceptor.generation > register.generation || acceptor.learned(register.generation).is_some()
        });
        if over {
            return;
        }
        let quorum = self.quorum();
        let learner = self.learners.entry(register.id.clone()).or_default();
        let tally = learner.vote(&self.rules, quorum, register.generation, ballot, seat, flagged);
        if tally == Tally::Open {
            return;
        }
        match self.entry_at(register, ballot) {
            Some(entry) => {
                if tally == Tally::Stood {
                    self.has_stood(register, &entry);
                }
                self.learn(register, &entry);
            }
            // The votes overtook the proposal, or it was lost.
            None => self.unlearned.push_back((self.now + self.settings.finish_after, register.id.clone())),
        }
    }

    /// The entry of a ballot, if this node has seen it: a ballot has one entry only.
    fn entry_at(&self, register: &Register, ballot: Ballot) -> Option<Entry> {
        let acceptor = &self.store.row(&register.id)?.acceptor;
        match &acceptor.held {
            AcceptorState::Accepted { ballot: at, entry }
                if acceptor.generation == register.generation
                    && (*at == ballot || !self.rules.count_by_ballot) =>
            {
                Some(entry.clone())
            }
            _ => self.proposed_at(register, ballot),
        }
    }

    /// Takes in that an entry was chosen.
    pub(super) fn learn(&mut self, register: &Register, entry: &Entry) {
        self.fetched(register);
        if !self.store.learn(self.now, register, entry) {
            return;
        }
        self.learners.remove(&register.id);
        if self.attempts.contains_key(&register.id) {
            self.ready.push_back(register.id.clone());
        }
        match register.id.bucket.name() {
            "$founding" | "$seat" => self.roster_learned(register, entry),
            "$end" => self.end_learned(&register.id),
            _ => {}
        }
    }

    /// Finishes, in the background, what was accepted here or voted on a while ago and is still not learned.
    pub(super) fn finish_unlearned(&mut self) {
        let mut finishing = None;
        for _ in 0..self.unlearned.len() {
            let Some((_, id)) = self.unlearned.pop_front_if(|(at, _)| *at <= self.now) else { return };
            let acceptor = self.store.row(&id).map(|row| &row.acceptor);
            let generation = acceptor.map_or_else(Default::default, |acceptor| acceptor.generation);
            let open = acceptor.is_none_or(|acceptor| acceptor.learned(generation).is_none());
            let wanted =
                acceptor.is_some_and(|acceptor| acceptor.is_unlearned()) || self.learners.contains_key(&id);
            if !open || !wanted {
                continue;
            }
            // Who is at it already may give up and leave it unfinished.
            let tried = self.attempts.contains_key(&id);
            let mut full = || *finishing.get_or_insert_with(|| self.finishing()) >= FINISHING;
            if tried || !self.has_quorum() || full() {
                self.unlearned.push_back((self.now + self.settings.finish_after, id));
                continue;
            }
            finishing = finishing.map(|count| count + 1);
            self.want(id, Asker::Cluster, Want::Finish(generation));
        }
    }
}

/// The key that a message between seats is about.
fn spoken_of(message: &Message) -> Option<&KeyId> {
    match message {
        Message::Prepare { register, .. }
        | Message::Promise { register, .. }
        | Message::Accept { register, .. }
        | Message::Accepted { register, .. }
        | Message::Rejected { register, .. }
        | Message::Stale { register, .. }
        | Message::Read { register, .. }
        | Message::ReadReply { register, .. }
        | Message::Chosen { register, .. }
        | Message::Forward { register, .. } => Some(&register.id),
        _ => None,
    }
}
