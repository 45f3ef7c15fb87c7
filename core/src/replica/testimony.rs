//! How sessions and deadlines end (`DESIGN.md`, "Leases").
//!
//! A seat that holds something on which a lost node's session hangs asks the others whether they have lost it as
//! well. When a quorum, itself included, testifies to one ask within a short time, the session's end is proposed in
//! its end register, and from there on it is plain Paxos. It asks again until the session has ended or the node is
//! back, so no end gets lost; and one bad link or one isolated seat ends nothing.

use std::time::Duration;

use super::alarms::Alarm;
use super::{Output, Replica};
use crate::paxos::QueryId;
use crate::sorted::{Map, Set};
use crate::transport::LinkId;
use crate::types::{Entry, Incarnation, Lease, Seat, Seats, Value};
use crate::wire::Message;

#[derive(Clone, Default)]
pub(super) struct Testimony {
    pub(super) asks: Map<Incarnation, Ask>,
    by_number: Map<u64, Incarnation>,
    clock: Option<Clocks>,
    /// Only where a rule is taken out: lives that are not looked after.
    overlooked: Set<Incarnation>,
}

/// An ask and who has testified.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) number: u64,
    at: Duration,
    /// What was seen to hang on the node then: its owner was suspended by that time. What it opens later, when it is
    /// back, is another matter.
    pub(super) leases: Vec<Lease>,
    /// Until when each testimony counts: for longer than that the owner may have been back.
    pub(super) testimonies: Map<Seat, Duration>,
}

/// What time it is, by several clocks.
#[derive(Clone)]
struct Clocks {
    number: u64,
    at: Duration,
    seats: Seats,
    unix_ms: Vec<u64>,
}

impl Replica {
    fn unix_ms(&self) -> u64 {
        u64::try_from(self.unix.as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks whether something hangs here on a node that is lost, or on a moment that has passed.
    pub(super) fn look(&mut self) {
        self.alarms.set(self.now + self.settings.look_every(), Alarm::Look);
        if !self.may_vote() || !self.has_quorum() {
            return;
        }
        self.forget_lives();
        let mut lives: Set<Incarnation> = self.store.lives().copied().collect();
        lives.extend(self.watches.lives());
        // Who is back is lost anew next time; and where nothing hangs on a life any more, an ask of another seat was
        // answered first, and this one may never be.
        let asked = self.testimony.asks.keys();
        let over = asked.filter(|incarnation| !lives.contains(incarnation) || !self.testifies(incarnation));
        let over: Vec<Incarnation> = over.copied().collect();
        if self.rules.testimony_is_fresh {
            over.iter().for_each(|incarnation| drop(self.drop_ask(incarnation)));
        }
        for incarnation in lives {
            self.consider(incarnation);
        }
        self.look_at_deadlines();
    }

    /// Asks the others whether they have lost a node as well, if this seat has, and something hangs on it here.
    pub(super) fn consider(&mut self, incarnation: Incarnation) {
        let hangs = self.store.hangs_on(&incarnation) || self.watches.monitors(&incarnation);
        if !hangs
            || !self.testifies(&incarnation)
            || !self.may_vote()
            || self.testimony.overlooked.contains(&incarnation)
        {
            return;
        }
        let patience = self.settings.session_grace.max(self.settings.retry_after);
        if self.testimony.asks.get(&incarnation).is_some_and(|ask| self.now < ask.at.saturating_add(patience))
        {
            return;
        }
        let old = self.drop_ask(&incarnation).filter(|_| !self.rules.testimony_is_fresh);
        let testimonies = old.map_or_else(Map::new, |old| old.testimonies);
        let query = self.next_query();
        let mut leases = self.store.sessions_of(&incarnation);
        leases.extend(self.watches.monitored(&incarnation));
        let ask = Ask { number: query.number, at: self.now, leases, testimonies };
        self.testimony.asks.insert(incarnation, ask);
        self.testimony.by_number.insert(query.number, incarnation);
        let others = self.voters();
        self.outbox.send(&others, &Message::SuspicionQuery { query, incarnation });
        self.tally(incarnation);
    }

    fn voters(&self) -> Vec<LinkId> {
        Seat::all(self.roster.cluster_size).filter_map(|seat| self.voter_link(seat)).collect()
    }

    fn drop_ask(&mut self, incarnation: &Incarnation) -> Option<Ask> {
        let ask = self.testimony.asks.remove(incarnation)?;
        if self.rules.testimony_is_fresh {
            self.testimony.by_number.remove(&ask.number);
        }
        Some(ask)
    }

    /// An entry was accepted here: its owner may have been lost long ago.
    pub(super) fn look_at_accepted(&mut self, entry: &Entry) {
        for session in entry.leases.iter().filter_map(Lease::session) {
            if self.rules.look_at_accepted {
                self.consider(session.incarnation);
            } else if self.testifies(&session.incarnation) {
                self.testimony.overlooked.insert(session.incarnation);
            }
        }
    }

    pub(super) fn on_ask(&mut self, link: LinkId, query: QueryId, incarnation: Incarnation) {
        let lost_for =
            self.lost_for(&incarnation).filter(|lost_for| *lost_for >= self.settings.session_grace);
        if let Some(lost_for) = lost_for
            && self.seated(link).is_some()
            && self.may_vote()
            && self.has_quorum()
        {
            let lost_for = u64::try_from(lost_for.as_millis()).unwrap_or(u64::MAX);
            self.outbox.send(&[link], &Message::SuspicionReply { query, lost_for });
        }
    }

    pub(super) fn on_testify(&mut self, link: LinkId, query: QueryId, lost_for: u64) {
        let Some(seat) = self.seated(link).filter(|_| query.opening == self.store.opening) else { return };
        let Some(incarnation) = self.testimony.by_number.get(&query.number).copied() else { return };
        if let Some(ask) = self.testimony.asks.get_mut(&incarnation) {
            // When it was heard of last, which was before it was suspended for the ask.
            let silent = Duration::from_millis(lost_for).saturating_sub(self.settings.suspend_after);
            // Without a grace nothing is known beforehand, and only the fencing token protects.
            let counts = self.rules.testimony_is_fresh && !self.settings.session_grace.is_zero();
            let until = if counts { ask.at.saturating_add(silent) } else { Duration::MAX };
            ask.testimonies.insert(seat, until);
            self.tally(incarnation);
        }
    }

    /// Ends a node's sessions, if a quorum testifies that it is lost, and this seat still does.
    fn tally(&mut self, incarnation: Incarnation) {
        let Some(ask) = self.testimony.asks.get(&incarnation) else { return };
        let needed = if self.rules.testimony_of_quorum { self.quorum() } else { 1 };
        // Its own, and those of others that still count.
        let testify = 1 + ask.testimonies.values().filter(|until| self.now <= **until).count();
        if testify < needed || !self.testifies(&incarnation) && self.rules.testimony_is_fresh {
            return;
        }
        let leases = ask.leases.clone();
        self.drop_ask(&incarnation);
        for lease in leases {
            if let Some(session) = lease.session() {
                self.outbox.output(Output::Lost { session });
            }
            self.propose_end(&lease);
        }
    }

    fn propose_end(&mut self, lease: &Lease) {
        let end = lease.end();
        if !self.store.has_ended(lease) && !self.attempts.contains_key(&end) {
            self.propose(end, Value::yes());
        }
    }

    /// Asks what the time is, if by this seat's own clock a deadline has passed.
    fn look_at_deadlines(&mut self) {
        let unix_ms = self.unix_ms();
        if self.store.next_deadline().is_none_or(|next| next > unix_ms) {
            return;
        }
        let patience = self.settings.retry_after;
        if self.testimony.clock.as_ref().is_some_and(|asked| self.now < asked.at + patience) {
            return;
        }
        let query = self.next_query();
        let seats = self.seat.into_iter().collect();
        self.testimony.clock =
            Some(Clocks { number: query.number, at: self.now, seats, unix_ms: vec![unix_ms] });
        let others = self.voters();
        self.outbox.send(&others, &Message::ClockQuery { query });
        self.end_deadlines();
    }

    pub(super) fn on_ask_time(&mut self, link: LinkId, query: QueryId) {
        if self.seated(link).is_some() && self.may_vote() {
            let unix_ms = self.unix_ms();
            self.outbox.send(&[link], &Message::ClockReply { query, unix_ms });
        }
    }

    pub(super) fn on_time(&mut self, link: LinkId, query: QueryId, unix_ms: u64) {
        let Some(seat) = self.seated(link).filter(|_| query.opening == self.store.opening) else { return };
        if let Some(clock) = &mut self.testimony.clock
            && clock.number == query.number
            && clock.seats.insert(seat)
        {
            clock.unix_ms.push(unix_ms);
            self.end_deadlines();
        }
    }

    /// Ends the deadlines that the clocks of a quorum are past: nobody's clock decides alone.
    fn end_deadlines(&mut self) {
        let needed = if self.rules.testimony_of_quorum { self.quorum() } else { 1 };
        let Some(clock) = &mut self.testimony.clock else { return };
        let times = clock.unix_ms.iter();
        let is_past = |time: &&u64| times.clone().filter(|other| other >= time).count() >= needed;
        let Some(agreed) = times.clone().filter(is_past).max().copied() else { return };
        for lease in self.store.deadlines_until(agreed) {
            self.propose_end(&lease);
        }
    }
}
