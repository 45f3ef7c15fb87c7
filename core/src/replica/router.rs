//! What comes in, handed to the machine that handles it; who may say what is checked here, once.

use std::time::Duration;

use super::context::Event;
use super::names::{Origin, Slot};
use super::peers::GreetedAs;
use super::registers::{Goal, Sender};
use super::{Replica, bootstrap, catch_up, client, failure_detector, peers, status};
use crate::transport::{CloseReason, LinkId};
use crate::types::{Bootstrap, Entry, Error, Lease, Register, Seat, Value};
use crate::wire::{Hello, Message, Messages, Op, Outcome, PROTOCOL, Version, protocol_of};

impl Replica {
    /// A frame came in. Its messages are read one by one, so that it takes no more memory than one of them.
    pub(super) fn handle_frame(&mut self, link: LinkId, bytes: &[u8]) {
        match self.peers.record_frame(&self.cx, link, bytes.len()) {
            None => return,
            Some(Ok(())) => {}
            Some(Err(why)) => return self.close(link, CloseReason::Faulty(why)),
        }
        let mut messages = Messages::new(bytes);
        loop {
            match messages.next() {
                None => return,
                Some(Ok(message)) => self.handle_message(link, message),
                Some(Err(malformed)) => {
                    let version = protocol_of(bytes).filter(|version| *version != u64::from(PROTOCOL));
                    return match version {
                        Some(version) => {
                            let reason = peers::versions_differ(version);
                            self.peers.refuse(&mut self.cx, &self.membership, link, reason);
                        }
                        None => self.close(link, CloseReason::Faulty(format!("sent {malformed}"))),
                    };
                }
            }
            self.settle();
            if !self.peers.has(link) {
                return;
            }
        }
    }

    fn close(&mut self, link: LinkId, reason: CloseReason) {
        self.peers.close(&mut self.cx, &self.membership, link, reason);
    }

    /// A peer's message.
    fn handle_message(&mut self, link: LinkId, message: Message) {
        match (message, self.peers.greeted_as(link)) {
            (Message::Hello { hello }, _) => {
                self.peers.greet(&mut self.cx, &mut self.membership, link, hello);
            }
            (Message::Refuse { reason }, peer) => {
                let by_cluster = peer.is_some_and(|peer| peer.is_in_cluster);
                self.close(link, CloseReason::Refused(reason.clone()));
                self.peers.refused_by(&self.cx, &self.membership, reason, by_cluster);
            }
            (message, Some(peer)) => self.handle_greeted(link, peer, message),
            // A peer that has not introduced itself says nothing.
            (_, None) => {}
        }
    }

    /// The message of a peer that has introduced itself.
    fn handle_greeted(&mut self, link: LinkId, peer: GreetedAs, message: Message) {
        let cx = &mut self.cx;
        match message {
            Message::Goodbye {} => {
                self.close(link, CloseReason::Faulty("the peer has left".into()));
                self.cx.emit(Event::Left(peer.incarnation));
            }
            Message::Heartbeat { number, relay } => {
                let from = (link, peer.incarnation);
                self.detector.handle_heartbeat(cx, self.peers.electorate(), from, number, &relay);
            }
            Message::HeartbeatAck { number, seat, suspend_after } => {
                if self.peers.counts(cx, &self.membership, link) {
                    self.sessions.handle_ack(cx, self.peers.electorate(), number, seat, suspend_after);
                }
            }
            Message::Ping { number, learned } => {
                cx.outbox.send(&[link], &Message::Pong { number });
                if let Some(claim) = peer.claim
                    && self.peers.electorate().may_vote()
                    && self.peers.seated(cx, &self.membership, link).is_some()
                {
                    self.catch_up.consider(cx, &self.store, link, claim, learned);
                }
            }
            Message::Addresses { claim, revision, addresses } => {
                let version = (claim, revision);
                self.peers.record_addresses(cx, &self.membership, link, version, addresses);
            }
            Message::Request { number, op, patience } => {
                let patience = patience.map(Duration::from_millis);
                self.handle_request(Origin::Observer(link, number), op, patience);
            }
            Message::Cancel { number } => {
                let (origin, watches) = (Origin::Observer(link, number), &mut self.watches);
                self.requests.cancel(cx, &mut self.registers, watches, origin);
            }
            Message::Response { number, outcome } => {
                let from = (link, self.peers.counts(cx, &self.membership, link));
                self.remote.handle_response(cx, self.peers.electorate(), from, number, outcome);
            }
            Message::Hello { .. } | Message::Refuse { .. } | Message::Pong { .. } => {}
            message => match message.register() {
                Some(register) => {
                    let seat = self.peers.speaks_for(cx, &self.membership, link, &register.id);
                    if let Some(seat) = seat {
                        self.handle_paxos(Sender { seat, link: Some(link) }, message);
                    }
                }
                None => {
                    if let Some(seat) = self.peers.seated(cx, &self.membership, link) {
                        self.handle_seat(link, seat, message);
                    }
                }
            },
        }
    }

    /// What only a peer that holds a seat may say, and is about no one register.
    fn handle_seat(&mut self, link: LinkId, seat: Seat, message: Message) {
        let (cx, electorate, registers) = (&mut self.cx, self.peers.electorate(), &mut self.registers);
        match message {
            Message::Left { incarnation } => {
                self.detector.record_left(cx, electorate, registers, &self.watches, incarnation);
            }
            Message::RelayedHeartbeat { incarnation, number } => {
                self.detector.handle_relayed(cx, electorate, link, incarnation, number);
            }
            Message::RelayedHeartbeatAck { incarnation, number, suspend_after } => {
                let ack = (number, suspend_after);
                failure_detector::handle_relayed_ack(cx, &self.peers, seat, incarnation, ack);
            }
            Message::SuspicionQuery { query, incarnation } => {
                self.detector.handle_query(cx, electorate, link, query, incarnation);
            }
            Message::SuspicionReply { query, lost_for } => {
                self.detector.handle_reply(cx, electorate, registers, seat, (query, lost_for));
            }
            Message::ClockQuery { query } if electorate.may_vote() => {
                let unix_ms = cx.unix_ms();
                cx.outbox.send(&[link], &Message::ClockReply { query, unix_ms });
            }
            Message::ClockReply { query, unix_ms } => {
                self.detector.handle_clock_reply(cx, electorate, registers, seat, (query, unix_ms));
            }
            Message::Pull { after } if electorate.may_vote() => {
                catch_up::handle_pull(cx, registers, link, after);
            }
            Message::LearnedPage { after, upto, more, items } => {
                let known = (&mut self.store, &self.registers);
                self.catch_up.handle_page(cx, known, (link, seat), (after, upto, more), items);
            }
            Message::Fetch { registers: wanted } if electorate.may_vote() => {
                catch_up::handle_fetch(cx, registers, link, wanted);
            }
            _ => {}
        }
    }

    /// A message about a register, from a seat or from this one. The key is looked up once.
    fn handle_paxos(&mut self, from: Sender, message: Message) {
        if self.cx.me.seat.is_none() {
            return; // It has no acceptor, and learns nothing.
        }
        let Some(register) = message.register().cloned() else { return };
        let slot = self.registers.open(&register.id);
        // Facts and refusals need no vote of this store.
        let is_fact =
            matches!(message, Message::Chosen { .. } | Message::Stale { .. } | Message::Rejected { .. });
        if is_fact || self.peers.electorate().votes_on(&register.id) {
            self.handle_register(slot, from, message);
        }
        self.registers.close(slot);
    }

    fn handle_register(&mut self, slot: Slot, from: Sender, message: Message) {
        let (cx, electorate, registers) = (&mut self.cx, self.peers.electorate(), &mut self.registers);
        match message {
            Message::Prepare { register, ballot, asked } if ballot.seat == from.seat => {
                registers.handle_prepare(cx, slot, from, (register, ballot), &asked);
            }
            Message::Promise { register, ballot, state, ended } => {
                let promise = (state, ended);
                registers.handle_promise(cx, electorate, slot, from.seat, (register, ballot), promise);
            }
            Message::Accept { register, ballot, entry } if ballot.seat == from.seat => {
                registers.handle_accept(cx, electorate, slot, from, (register, ballot), &entry);
            }
            Message::Accepted { register, ballot, ended } => {
                let (at, flagged) = ((register.generation, ballot), !ended.is_empty());
                registers.handle_accepted(cx, electorate, slot, from.seat, at, flagged);
            }
            Message::Rejected { register, ballot, promised } => {
                registers.handle_rejected(cx, slot, register.generation, ballot, promised);
            }
            Message::Stale { register, generation } => {
                registers.handle_stale(cx, slot, register.generation, generation);
                self.catch_up.record_known(cx, &mut self.store, &register);
            }
            Message::Read { register, query, asked } => {
                registers.handle_read(cx, slot, from, (register, query), &asked);
            }
            Message::ReadReply { register, query, state, ended } => {
                let reply = (state, ended);
                registers.handle_read_reply(cx, electorate, slot, from.seat, (register, query), reply);
            }
            Message::Chosen { register, entry } => {
                registers.learn(cx, slot, register.generation, &entry);
                self.catch_up.record_known(cx, &mut self.store, &register);
            }
            Message::Forward { register, entry } => {
                registers.handle_forward(cx, slot, from, register, entry);
            }
            _ => {}
        }
    }

    /// A call of the own handle, or a request of an observer.
    pub(super) fn handle_request(&mut self, origin: Origin, op: Op, timeout: Option<Duration>) {
        let cx = &mut self.cx;
        let caller = match origin {
            Origin::Own(_) => Some(cx.me.incarnation()),
            Origin::Observer(link, _) => self.peers.hello(link).map(Hello::incarnation),
            Origin::Cluster => None,
        };
        if matches!(op, Op::Status {}) && cx.me.seat.is_some() {
            let status = status::current(cx, &self.membership, &self.peers);
            return client::respond(cx, origin, Outcome::Status { status });
        }
        let known = (&mut self.registers, &mut self.watches);
        self.requests.request(cx, self.peers.electorate(), known, (origin, caller), op, timeout);
    }

    /// What one machine wants of another.
    pub(super) fn handle_event(&mut self, event: Event) {
        match event {
            Event::ToSelf(message) => {
                if let Some(seat) = self.cx.me.seat {
                    self.handle_paxos(Sender { seat, link: None }, message);
                }
            }
            Event::Answer(origin, outcome) => self.requests.answer(&mut self.cx, origin, outcome),
            Event::Learned(register, entry) => self.handle_learned(&register, &entry),
            Event::Accepted(entry) => {
                let (electorate, registers) = (self.peers.electorate(), &mut self.registers);
                self.detector.check_owners(&mut self.cx, electorate, registers, &self.watches, &entry);
            }
            Event::Linked(link, hello) => self.handle_linked(link, &hello),
            Event::LinkLost(link, hello) => self.handle_link_lost(link, hello.as_ref()),
            Event::TeachRoster(link) => bootstrap::teach(&mut self.cx, &self.registers, link),
            Event::Left(incarnation) => {
                if self.cx.me.seat.is_some() {
                    // The other seats are told, which may have had no link to it, and before they are asked whether they
                    // suspect it.
                    let electorate = self.peers.electorate();
                    self.cx.outbox.send(electorate.claimant_links(), &Message::Left { incarnation });
                    let (cx, registers) = (&mut self.cx, &mut self.registers);
                    self.detector.record_left(cx, electorate, registers, &self.watches, incarnation);
                }
            }
            Event::Reviewed => self.consider_seats(),
            Event::Refused(why) => self.refused(&peers::refused(why)),
            Event::SessionOpened(session) => {
                // A seat learns of all ends; an observer asks to be notified.
                if self.cx.me.seat.is_none() {
                    let op = Op::Watch { id: session.lease().end(), after: Version::default() };
                    self.remote.call_for_itself(&mut self.cx, self.peers.electorate(), op);
                }
            }
            Event::SessionClosed(session) => self.end_session(session.lease()),
            Event::SessionEnded(n) => self.sessions.record_end(n),
        }
    }

    /// An entry was learned in a register.
    fn handle_learned(&mut self, register: &Register, entry: &Entry) {
        let cx = &mut self.cx;
        self.catch_up.record_known(cx, &mut self.store, register);
        if !Bootstrap::decides_seats(&register.id) {
            return;
        }
        let (membership, peers, registers) = (&mut self.membership, &mut self.peers, &mut self.registers);
        if bootstrap::learned(cx, membership, peers, registers, (register, entry)) {
            peers.review(cx, membership);
            registers.make_all_ready();
        }
    }

    /// A peer has introduced itself and is welcome.
    fn handle_linked(&mut self, link: LinkId, hello: &Hello) {
        let (cx, electorate) = (&mut self.cx, self.peers.electorate());
        self.detector.linked(cx, hello.incarnation());
        let Some(claim) = hello.claim else { return };
        bootstrap::teach(cx, &self.registers, link);
        if electorate.own() != Some(claim.seat) {
            self.registers.ask_again(cx, link);
        }
        self.remote.ask_seats(cx, electorate);
        self.sessions.seat_linked(cx, electorate);
    }

    /// A link is down: what depends on it ends with it.
    fn handle_link_lost(&mut self, link: LinkId, hello: Option<&Hello>) {
        let (cx, electorate) = (&mut self.cx, self.peers.electorate());
        if let Some(hello) = hello {
            self.detector.unlinked(cx, hello.incarnation());
        }
        self.requests.drop_observer(cx, &mut self.registers, &mut self.watches, link);
        self.remote.ask_elsewhere(cx, electorate, link);
        let Some(hello) = hello else { return };
        let Some(claim) = hello.claim else { return };
        // The same start of that node may have another link. A later start knows nothing of what was asked of this one.
        let now = electorate.voter(claim.seat).and_then(|link| self.peers.hello(link));
        if now.is_none_or(|now| now.incarnation() != hello.incarnation()) {
            self.catch_up.seat_lost(claim.seat, link);
            self.registers.home_lost(claim.seat);
        }
    }

    /// Proposes what is missing of the roster.
    pub(super) fn consider_seats(&mut self) {
        let (cx, membership, peers) = (&mut self.cx, &self.membership, &self.peers);
        if peers.electorate().may_vote() {
            bootstrap::fill_seats(cx, membership, peers, &mut self.registers);
        } else {
            self.gathering.consider(cx, membership, peers, &mut self.registers);
        }
    }

    /// Every seat that could be reached has refused this node.
    fn refused(&mut self, error: &Error) {
        self.fail_all(error);
        self.cx.outbox.output(super::Output::Refused(error.clone()));
    }

    /// Ends a session of this node, on nobody's behalf.
    fn end_session(&mut self, lease: Lease) {
        let cx = &mut self.cx;
        if cx.me.seat.is_none() {
            return self.remote.call_for_itself(cx, self.peers.electorate(), Op::End { lease });
        }
        let entry = cx.entry(Value::yes());
        self.registers.want(cx, &lease.end(), Origin::Cluster, Goal::End(entry));
    }
}
