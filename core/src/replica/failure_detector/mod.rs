//! The failure detector: how sessions of nodes that are gone come to end, and deadlines (`docs/protocol.md`, "Leases").
//!
//! A seat that suspects a node to whose session a key is bound asks the other seats whether they suspect it as well. When
//! a quorum, itself included, suspects the node in reply to one query within a short time, the session's end is proposed
//! in its end register, and from there on it is plain Paxos. The seat asks again until the session has ended or the node
//! is back, so no end gets lost; and one bad link or one isolated seat ends nothing.

mod clocks;
mod incarnations;

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::Output;
use super::context::{Context, Event};
use super::peers::{Electorate, Peers};
use super::registers::Registers;
use super::timers::Timer;
use super::watches::Watches;
use crate::paxos::QueryId;
use crate::settings::millis;
use crate::sorted::{Gather, Map, Set};
use crate::transport::LinkId;
use crate::types::{Entry, Incarnation, Lease, Seat, Seats};
use crate::wire::Message;

use clocks::Clocks;
use incarnations::Incarnations;

/// See the [module](self).
#[derive(Clone, Default)]
pub(super) struct FailureDetector {
    incarnations: Incarnations,
    queries: Map<Incarnation, SuspicionQuery>,
    by_number: Map<u64, Incarnation>,
    clocks: Clocks,
    /// Only where a rule is taken out: nodes whose sessions nobody ends.
    overlooked: Set<Incarnation>,
}

/// A query about one node, and which seats suspect it.
#[derive(Clone)]
struct SuspicionQuery {
    number: u64,
    at: Duration,
    /// What was bound to the node when the query was sent: its owner was suspended by that time. What it opens later,
    /// when it is back, is another matter.
    leases: Vec<Lease>,
    /// Until when each reply counts: for longer than that the owner may have been back.
    replies: Vec<(Seat, Duration)>,
}

impl FailureDetector {
    /// From now on this seat counts how long others are silent.
    pub(super) fn restart_grace(&mut self, cx: &Context) {
        self.incarnations.restart_grace(cx);
    }

    /// The status says whether this seat has a quorum.
    pub(super) fn set_quorum(&mut self, has_quorum: bool) {
        self.incarnations.set_quorum(has_quorum);
    }

    /// A link to a node is up.
    pub(super) fn linked(&mut self, cx: &mut Context, incarnation: Incarnation) {
        for earlier in self.incarnations.linked(cx, incarnation) {
            cx.emit(Event::Left(earlier));
        }
    }

    /// A link to a node is down.
    pub(super) fn unlinked(&mut self, cx: &Context, incarnation: Incarnation) {
        self.incarnations.unlinked(cx, incarnation);
    }

    /// A node has left, for certain.
    pub(super) fn record_left(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        watches: &Watches,
        incarnation: Incarnation,
    ) {
        if incarnation != cx.me.incarnation() {
            self.incarnations.mark_left(cx, incarnation);
            self.check(cx, electorate, registers, watches, incarnation);
        }
    }

    /// Checks whether a key is bound here to a node that is suspected, or to a moment that has passed.
    pub(super) fn check_all(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        watches: &Watches,
    ) {
        cx.timers.set(cx.after(cx.settings.look_every()), Timer::CheckLeases);
        if !electorate.may_vote() || !electorate.has_quorum() {
            return;
        }
        self.incarnations.forget(cx, |incarnation| registers.is_owner(incarnation));
        let mut owners: Set<Incarnation> = registers.owners().copied().collect();
        owners.extend(watches.monitored_incarnations());
        // A node that is back is suspected anew next time. And if no key is bound to it any more, another seat's query was
        // answered first, and this one may never be.
        let over = |of: &&Incarnation| !owners.contains(of) || !self.incarnations.suspects(cx, of);
        let over: Vec<Incarnation> = self.queries.keys().filter(over).copied().gather();
        if cx.rules.suspicion_is_fresh() {
            over.iter().for_each(|of| drop(self.drop_query(cx, of)));
        }
        for owner in owners {
            self.check(cx, electorate, registers, watches, owner);
        }
        self.clocks.check(cx, electorate, registers);
    }

    /// Asks the other seats whether they suspect a node as well, if this seat does and a key is bound to the node here.
    fn check(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        watches: &Watches,
        incarnation: Incarnation,
    ) {
        let matters = registers.is_owner(&incarnation) || watches.is_monitored(&incarnation);
        if !matters || !self.incarnations.suspects(cx, &incarnation) || !electorate.may_vote() {
            return;
        }
        let patience = cx.settings.session_grace.max(cx.settings.retry_after);
        let recent = |query: &SuspicionQuery| cx.now < query.at.saturating_add(patience);
        if self.overlooked.contains(&incarnation) || self.queries.get(&incarnation).is_some_and(recent) {
            return;
        }
        let old = self.drop_query(cx, &incarnation).filter(|_| !cx.rules.suspicion_is_fresh());
        let replies = old.map_or_else(Vec::new, |old| old.replies);
        let query = cx.next_query();
        let mut leases = registers.sessions_of(&incarnation);
        leases.extend(watches.monitored_sessions(&incarnation));
        let asked = SuspicionQuery { number: query.number, at: cx.now, leases, replies };
        self.queries.insert(incarnation, asked);
        self.by_number.insert(query.number, incarnation);
        cx.outbox.send(electorate.voters(), &Message::SuspicionQuery { query, incarnation });
        self.tally(cx, electorate, registers, incarnation);
    }

    fn drop_query(&mut self, cx: &Context, incarnation: &Incarnation) -> Option<SuspicionQuery> {
        let query = self.queries.remove(incarnation)?;
        if cx.rules.suspicion_is_fresh() {
            self.by_number.remove(&query.number);
        }
        Some(query)
    }

    /// An entry was accepted here: its owner may have been gone for long.
    pub(super) fn check_owners(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        watches: &Watches,
        entry: &Entry,
    ) {
        for session in entry.leases.iter().filter_map(Lease::session) {
            if cx.rules.check_owner_of_accepted() {
                self.check(cx, electorate, registers, watches, session.incarnation);
            } else if self.incarnations.suspects(cx, &session.incarnation) {
                self.overlooked.insert(session.incarnation);
            }
        }
    }

    /// A seat asks whether this one suspects a node.
    pub(super) fn handle_query(
        &self,
        cx: &mut Context,
        electorate: &Electorate,
        link: LinkId,
        query: QueryId,
        incarnation: Incarnation,
    ) {
        let silent = self.incarnations.silent_for(cx, &incarnation);
        let silent = silent.filter(|silent| *silent >= cx.settings.session_grace);
        if let Some(silent) = silent
            && electorate.may_vote()
            && electorate.has_quorum()
        {
            let lost_for = millis(silent);
            cx.outbox.send(&[link], &Message::SuspicionReply { query, lost_for });
        }
    }

    /// A seat suspects a node as well, which it has not heard of for so many milliseconds.
    pub(super) fn handle_reply(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        seat: Seat,
        (query, silent_ms): (QueryId, u64),
    ) {
        if query.opening != cx.me.opening {
            return;
        }
        let Some(incarnation) = self.by_number.get(&query.number).copied() else { return };
        let Some(asked) = self.queries.get_mut(&incarnation) else { return };
        // When the node was heard of last, which was before it was suspended for the query.
        let silent = Duration::from_millis(silent_ms).saturating_sub(cx.settings.suspend_after);
        // Without a grace nothing is known beforehand, and only the fencing token protects.
        let counts = cx.rules.suspicion_is_fresh() && !cx.settings.session_grace.is_zero();
        let until = if counts { asked.at.saturating_add(silent) } else { Duration::MAX };
        asked.replies.retain(|(replied, _)| *replied != seat);
        asked.replies.push((seat, until));
        self.tally(cx, electorate, registers, incarnation);
    }

    /// Ends a node's sessions, if a quorum suspects it, and this seat still does.
    fn tally(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        incarnation: Incarnation,
    ) {
        let Some(query) = self.queries.get(&incarnation) else { return };
        let needed = if cx.rules.suspicion_of_quorum() { electorate.quorum() } else { 1 };
        // This seat itself, and those whose replies still count.
        let suspect = 1 + query.replies.iter().filter(|(_, until)| cx.now <= *until).count();
        let still = self.incarnations.suspects(cx, &incarnation) || !cx.rules.suspicion_is_fresh();
        if suspect < needed || !still {
            return;
        }
        let Some(query) = self.drop_query(cx, &incarnation) else { return };
        for lease in query.leases {
            if let Some(session) = lease.session() {
                cx.outbox.output(Output::Lost { session });
            }
            registers.propose_end(cx, &lease);
        }
    }

    /// A seat replied to a query about the time.
    pub(super) fn handle_clock_reply(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &mut Registers,
        seat: Seat,
        reply: (QueryId, u64),
    ) {
        self.clocks.handle_reply(cx, electorate, registers, seat, reply);
    }

    /// A node's sessions live, and it asks to have that relayed to seats that it has no link to.
    pub(super) fn handle_heartbeat(
        &self,
        cx: &mut Context,
        electorate: &Electorate,
        (link, incarnation): (LinkId, Incarnation),
        number: u64,
        relay: &[Seat],
    ) {
        let Some(seat) = electorate.own().filter(|_| electorate.may_vote()) else { return };
        if self.incarnations.has_left(cx, &incarnation) {
            return;
        }
        let suspend_after = suspend_after_ms(cx);
        cx.outbox.send(&[link], &Message::HeartbeatAck { number, seat, suspend_after });
        let relay: Seats = relay.iter().copied().collect();
        let seats = electorate.seats().filter(|seat| relay.contains(*seat));
        let links: Vec<LinkId> = seats.filter_map(|seat| electorate.voter(seat)).gather();
        cx.outbox.send(&links, &Message::RelayedHeartbeat { incarnation, number });
    }

    /// Another seat has heard a node to which this one has no link.
    pub(super) fn handle_relayed(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        link: LinkId,
        incarnation: Incarnation,
        number: u64,
    ) {
        let own = incarnation == cx.me.incarnation();
        if !electorate.may_vote() || self.incarnations.has_left(cx, &incarnation) || own {
            return;
        }
        self.incarnations.heard(cx, incarnation);
        let suspend_after = suspend_after_ms(cx);
        cx.outbox.send(&[link], &Message::RelayedHeartbeatAck { incarnation, number, suspend_after });
    }

    /// Takes in what makes a difference to this machine: see `digest`.
    pub(super) fn digest(&self, hasher: &mut impl Hasher) {
        for (incarnation, known) in self.incarnations.iter() {
            (incarnation, known.links, known.left).hash(hasher);
        }
        for (incarnation, query) in &self.queries {
            (incarnation, query.number, &query.leases).hash(hasher);
            query.replies.iter().for_each(|(seat, _)| seat.hash(hasher));
        }
    }
}

/// Another seat has heard of a node what this one told it: the node is told.
pub(super) fn handle_relayed_ack(
    cx: &mut Context,
    peers: &Peers,
    seat: Seat,
    incarnation: Incarnation,
    (number, suspend_after): (u64, u64),
) {
    if let Some(owner) = peers.link_of(incarnation) {
        cx.outbox.send(&[owner], &Message::HeartbeatAck { number, seat, suspend_after });
    }
}

fn suspend_after_ms(cx: &Context) -> u64 {
    millis(cx.settings.suspend_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Bucket, Generation, Key, KeyId, NodeId, RequestId, Value};

    /// A key is bound to a node that has been silent for longer than the grace; the electorate is three seats.
    fn suspected() -> (FailureDetector, Context, Electorate, Registers, Incarnation) {
        let (mut cx, electorate) = (Context::for_tests(), Electorate::of_three());
        let mut registers = Registers::new("test".into(), 3);
        let owner = Incarnation { node: NodeId([9; 16]), boot: 1 };
        let lease = Lease::Session { node: owner.node, boot: owner.boot, n: 0 };
        let entry =
            Entry { value: Value::new(&1).unwrap(), leases: vec![lease], request: RequestId([1; 16]) };
        let slot = registers.open(&KeyId::new(Bucket::default(), Key::new("key").unwrap()));
        registers.learn(&mut cx, slot, Generation(0), &entry);
        let mut detector = FailureDetector::default();
        detector.set_quorum(true);
        detector.restart_grace(&cx);
        cx.now += cx.settings.session_grace;
        (detector, cx, electorate, registers, owner)
    }

    fn query_of(cx: &mut Context) -> QueryId {
        let queries = cx.take_sent().into_iter().find_map(|(_, message)| match message {
            Message::SuspicionQuery { query, .. } => Some(query),
            _ => None,
        });
        queries.unwrap()
    }

    #[test]
    fn a_session_ends_once_a_quorum_suspects_its_node() {
        let (mut detector, mut cx, electorate, mut registers, owner) = suspected();
        let end = Lease::Session { node: owner.node, boot: owner.boot, n: 0 }.end();
        detector.check_all(&mut cx, &electorate, &mut registers, &Watches::default());
        let query = query_of(&mut cx);
        assert!(!registers.has_attempt(&end), "one seat alone ends nothing");
        let second = Seat::new(2).unwrap();
        detector.handle_reply(&mut cx, &electorate, &mut registers, second, (query, 1_000));
        assert!(registers.has_attempt(&end));
    }

    #[test]
    fn a_node_that_is_heard_of_is_not_suspected() {
        let (mut detector, mut cx, electorate, mut registers, owner) = suspected();
        let link = LinkId(2);
        detector.handle_relayed(&mut cx, &electorate, link, owner, 1);
        detector.check_all(&mut cx, &electorate, &mut registers, &Watches::default());
        let sent = cx.take_sent();
        assert!(matches!(sent[..], [(_, Message::RelayedHeartbeatAck { .. })]), "{sent:?}");
    }
}
