//! A node's own sessions: opened, kept alive, suspended, closed (`DESIGN.md`, "Leases").
//!
//! While any is open the node tells all seats that it lives, several times in the time that a session may go
//! unanswered, and counts who has heard it. A session is *suspended* while no beat that was sent within that time has
//! been answered by a quorum: from then on the seats may come to agree that it is over, and not before. So whoever
//! stops at that moment has stopped before anybody else can start, clocks running at about one rate.

use std::time::Duration;

use super::alarms::Alarm;
use super::requests::{Asker, Want};
use super::{Output, Replica};
use crate::sorted::Map;
use crate::transport::LinkId;
use crate::types::{
    CallId, ENDS, Entry, Error, KeyId, Lease, RequestId, Seat, Seats, SessionId, SessionState, Value,
};
use crate::wire::{Message, Op, Outcome, Version};

/// How many beats there are in the time after which a session is suspended.
const BEATS: u32 = 3;

/// Only where a rule is taken out: how long beats are kept whose answers come too late to count.
const REMEMBERED: Duration = Duration::from_secs(5);

/// Calls from here on are the node's own.
const INTERNAL: u64 = 1 << 63;

#[derive(Clone)]
pub(super) struct Sessions {
    open: Map<u64, Open>,
    next: u64,
    next_call: u64,
    /// The node's own calls: what each asks for, until it is done.
    calls: Map<CallId, Op>,
    number: u64,
    beats: Map<u64, Beat>,
    /// When the last beat that a quorum answered was sent.
    good: Option<Duration>,
    suspend_after: Duration,
    suspended: bool,
    suspensions: u64,
    /// When the next beat is due; alarms for other times are of the past.
    due: Duration,
    /// Beats that the node's own seat has still to answer, and those whose answer is being made sure of.
    unanswered: Vec<u64>,
    in_flight: Vec<u64>,
}

#[derive(Clone)]
struct Open {
    call: CallId,
    /// Who waits for a quorum to have heard of this node, and until when.
    opener: Option<(CallId, Option<Duration>)>,
    told: Option<SessionState>,
    ended: bool,
}

#[derive(Clone)]
struct Beat {
    sent: Duration,
    seats: Seats,
}

impl Sessions {
    pub(super) fn new(suspend_after: Duration) -> Self {
        Self {
            open: Map::new(),
            next: 0,
            next_call: INTERNAL,
            calls: Map::new(),
            number: 0,
            beats: Map::new(),
            good: None,
            suspend_after,
            suspended: true,
            suspensions: 0,
            due: Duration::ZERO,
            unanswered: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Whether the node's own seat has to be sure that its store is still its own.
    pub(super) fn want_assertion(&self) -> bool {
        !self.unanswered.is_empty()
    }

    pub(super) fn persist(&mut self) {
        self.in_flight.append(&mut self.unanswered);
    }
}

impl Replica {
    /// Opens a session; the call is answered once a quorum of seats has heard of this node.
    pub(super) fn open_session(&mut self, call: CallId, timeout: Option<Duration>) {
        if self.sessions.open.len() >= self.settings.max_requests {
            let error = Error::Overloaded { limit: self.settings.max_requests as u64 };
            return self.outbox.output(Output::Opened { call, result: Err(error) });
        }
        let incarnation = self.incarnation();
        let is_over = |n| self.store.has_ended(&SessionId { incarnation, n }.lease());
        while is_over(self.sessions.next) {
            self.sessions.next += 1;
        }
        let n = self.sessions.next;
        self.sessions.next += 1;
        let deadline = timeout.map(|timeout| self.now.saturating_add(timeout));
        if let Some(at) = deadline {
            self.alarms.set(at, Alarm::Opening(n));
        }
        let first = self.sessions.open.is_empty();
        let opener = Some((call, deadline));
        self.sessions.open.insert(n, Open { call, opener, told: None, ended: false });
        if first {
            self.beat();
        }
        self.opened();
    }

    /// Those who waited for a quorum to hear of this node can go on.
    fn opened(&mut self) {
        if self.sessions.suspended {
            return;
        }
        let incarnation = self.incarnation();
        let mut opened = Vec::new();
        for (n, open) in &mut self.sessions.open {
            if let Some((call, _)) = open.opener.take() {
                opened.push((*n, call));
            }
        }
        // How it is comes first, so that nobody takes it for what it is not.
        self.tell_sessions();
        for (n, call) in &opened {
            self.outbox.output(Output::Opened { call: *call, result: Ok(SessionId { incarnation, n: *n }) });
        }
        // A seat learns of all ends; others ask to be told.
        if self.seat.is_some() {
            return;
        }
        for (n, _) in opened {
            let id = SessionId { incarnation, n }.lease().end();
            self.ask_for_itself(Op::Watch { id, after: Version::default() });
        }
    }

    /// Asks a seat for something, until it is done.
    fn ask_for_itself(&mut self, op: Op) {
        self.sessions.next_call += 1;
        let call = CallId(self.sessions.next_call);
        self.sessions.calls.insert(call, op.clone());
        self.ask_for(call, op, None);
    }

    pub(super) fn is_internal(call: CallId) -> bool {
        call.0 >= INTERNAL
    }

    /// What one of the node's own calls came to; true where it was one.
    pub(super) fn internal_answer(&mut self, call: CallId, outcome: &Outcome) -> bool {
        if !Self::is_internal(call) {
            return false;
        }
        if let Outcome::Failed { .. } = outcome {
            self.alarms.set(self.now + self.settings.retry_after, Alarm::Again(call));
            return true;
        }
        if let Some(Op::Watch { id, .. }) = self.sessions.calls.remove(&call)
            && let Some(session) = Lease::of_end(&id).ok().and_then(|lease| lease.session())
        {
            self.session_ended(session.n);
        }
        true
    }

    pub(super) fn ask_again_for(&mut self, call: CallId) {
        if let Some(op) = self.sessions.calls.get(&call).cloned() {
            self.ask_for(call, op, None);
        }
    }

    /// This node does no more: whatever is held by virtue of its sessions is lost.
    pub(super) fn end_sessions(&mut self) {
        for open in self.sessions.open.values_mut() {
            open.ended = true;
        }
        self.tell_sessions();
        for open in std::mem::take(&mut self.sessions.open).into_values() {
            if let Some((call, _)) = open.opener {
                self.outbox.output(Output::Opened { call, result: Err(Error::Closed {}) });
            }
        }
    }

    /// Nobody will use a session any more: its end is decided, whatever becomes of its owner.
    pub(super) fn close_session(&mut self, n: u64) {
        if let Some(open) = self.sessions.open.remove(&n) {
            if let Some((call, _)) = open.opener {
                self.outbox.output(Output::Opened { call, result: Err(Error::Closed {}) });
            }
            let lease = SessionId { incarnation: self.incarnation(), n }.lease();
            self.release(lease);
        }
        if self.sessions.open.is_empty() {
            self.sessions.beats.clear();
            self.sessions.good = None;
            self.sessions.suspended = true;
        }
    }

    /// Ends a session of this node, on nobody's behalf.
    fn release(&mut self, lease: Lease) {
        if self.seat.is_none() {
            return self.ask_for_itself(Op::End { lease });
        }
        let request = RequestId(self.random.name());
        let entry = Entry { value: Value::yes(), leases: Vec::new(), request };
        self.want(lease.end(), Asker::Cluster, Want::End(entry));
    }

    pub(super) fn opening_due(&mut self, n: u64) {
        let Some(Open { opener: Some((call, Some(at))), .. }) = self.sessions.open.get(&n) else { return };
        if *at <= self.now {
            let (call, error) = (*call, self.timed_out());
            self.outbox.output(Output::Opened { call, result: Err(error) });
            if let Some(open) = self.sessions.open.get_mut(&n) {
                open.opener = None;
            }
            self.close_session(n);
        }
    }

    /// Somebody does not wait for a session any more.
    pub(super) fn cancel_opening(&mut self, call: CallId) {
        if let Some(n) = self.sessions.open.iter().find(|(_, open)| open.call == call).map(|(n, _)| *n) {
            self.close_session(n);
        }
    }

    /// Tells all seats that this node lives.
    fn beat(&mut self) {
        self.sessions.number += 1;
        let number = self.sessions.number;
        let oldest = self.now.saturating_sub(self.sessions.suspend_after);
        let kept = if self.rules.beats_from_sending { oldest } else { oldest.saturating_sub(REMEMBERED) };
        self.sessions.beats.retain(|_, beat| beat.sent >= kept);
        self.sessions.beats.insert(number, Beat { sent: self.now, seats: Seats::default() });
        let seats = self.links.seats();
        // Where there is no link, or one that is dead and does not say so, the other seats vouch.
        let before = self.sessions.beats.get(&(number - 1)).map(|beat| beat.seats);
        let silent = |seat: &Seat| {
            seats.iter().all(|(linked, _)| linked != seat)
                || before.is_some_and(|heard| !heard.contains(*seat))
        };
        let relay = Seat::all(self.roster.cluster_size)
            .filter(|seat| self.seat != Some(*seat) && silent(seat))
            .collect();
        let links: Vec<LinkId> = seats.into_iter().map(|(_, link)| link).collect();
        self.outbox.send(&links, &Message::Heartbeat { number, relay });
        if self.may_vote() {
            self.sessions.unanswered.push(number);
        }
        // Who waits to be heard of does not leave it at that: there may have been nobody who could answer.
        let every = self.sessions.suspend_after / BEATS;
        let every = if self.sessions.suspended { every.min(self.settings.heartbeat) } else { every };
        self.sessions.due = self.now + every;
        self.alarms.set(self.sessions.due, Alarm::Beat);
    }

    pub(super) fn beat_due(&mut self) {
        if !self.sessions.open.is_empty() && self.now >= self.sessions.due {
            self.beat();
        }
    }

    /// A seat has come: it hears at once of a node that waits to be heard of.
    pub(super) fn beat_anew(&mut self) {
        if !self.sessions.open.is_empty() && self.sessions.suspended {
            self.beat();
        }
    }

    pub(super) fn on_beaten(&mut self, link: LinkId, number: u64, seat: Seat, suspend_after: u64) {
        if !self.counts(link) {
            return;
        }
        // Who ends sessions sooner than this node thinks has to be heeded.
        let theirs = Duration::from_millis(suspend_after.max(10));
        self.sessions.suspend_after = self.sessions.suspend_after.min(theirs);
        self.heard_by(number, seat);
    }

    /// The batch that was under way is durable: the store was still this node's.
    pub(super) fn own_seat_answers(&mut self) {
        let Some(seat) = self.seat else { return };
        for number in std::mem::take(&mut self.sessions.in_flight) {
            self.heard_by(number, seat);
        }
    }

    fn heard_by(&mut self, number: u64, seat: Seat) {
        let quorum = self.quorum();
        let now = self.now;
        let Some(beat) = self.sessions.beats.get_mut(&number) else { return };
        beat.seats.insert(seat);
        if beat.seats.count() < quorum {
            return;
        }
        let since = if self.rules.beats_from_sending { beat.sent } else { now };
        self.sessions.good = self.sessions.good.max(Some(since));
        if self.is_answered() {
            self.sessions.suspended = false;
            self.opened();
        }
        if let Some(until) = self.answered_until() {
            self.alarms.set(until, Alarm::Suspend);
        }
    }

    /// Until when this node's sessions are not suspended, if nothing more is heard: a quorum has answered so lately.
    pub fn answered_until(&self) -> Option<Duration> {
        self.sessions.good.map(|good| good + self.sessions.suspend_after)
    }

    fn is_answered(&self) -> bool {
        self.answered_until().is_some_and(|until| self.now < until)
    }

    /// Suspends the sessions, if it is time to. Comes before all else that a node does at a moment.
    pub(super) fn consider_suspension(&mut self) {
        if !self.sessions.suspended && !self.is_answered() {
            self.sessions.suspended = true;
            if self.rules.suspended_is_final {
                self.sessions.suspensions += 1;
            }
            self.tell_sessions();
        }
    }

    /// Keys have changed: one of them may be the end of a session of this node.
    pub(super) fn look_for_own_end(&mut self, id: &KeyId) {
        if id.bucket.name() != ENDS || self.sessions.open.is_empty() {
            return;
        }
        if let Some(session) = Lease::of_end(id).ok().and_then(|lease| lease.session())
            && session.incarnation == self.incarnation()
            && self.store.state(id).0.valued
        {
            self.session_ended(session.n);
        }
    }

    fn session_ended(&mut self, n: u64) {
        if let Some(open) = self.sessions.open.get_mut(&n) {
            open.ended = true;
        }
    }

    /// Tells the owners of sessions how they are, where that has changed.
    pub(super) fn tell_sessions(&mut self) {
        let (suspended, suspensions) = (self.sessions.suspended, self.sessions.suspensions);
        let mut over = Vec::new();
        for (n, open) in &mut self.sessions.open {
            if open.opener.is_some() {
                continue;
            }
            let state = SessionState { suspended, suspensions, ended: open.ended };
            if open.told != Some(state) {
                open.told = Some(state);
                self.outbox.output(Output::Session { n: *n, state });
            }
            if open.ended {
                over.push(*n);
            }
        }
        for n in over {
            self.sessions.open.remove(&n);
        }
    }
}
