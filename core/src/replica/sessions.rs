//! A node's own sessions: opened, kept alive, suspended, closed (`docs/protocol.md`, "Leases").
//!
//! While any session is open the node sends a heartbeat to all seats, several times in the time that a session may go
//! unanswered, and counts which seats have acknowledged it. A session is *suspended* while no heartbeat that was sent
//! within that time has been acknowledged by a quorum: from then on the seats may come to agree that it is over, and not
//! before. So a holder that stops at that moment has stopped before any other node can start, as long as clocks run at
//! about one rate.

use std::time::Duration;

use super::Output;
use super::context::{Context, Event, own_session};
use super::peers::Electorate;
use super::registers::Registers;
use super::timers::Timer;
use crate::sorted::{Gather, Map};
use crate::types::{CallId, ENDS, Error, KeyId, Lease, Seat, Seats, SessionId, SessionState};
use crate::wire::Message;

/// How many heartbeats there are in the time after which a session is suspended.
const HEARTBEATS: u32 = 3;

/// Only where a rule is taken out: how long heartbeats are kept whose acknowledgements come too late to count.
const REMEMBERED: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Sessions {
    open: Map<u64, Open>,
    next: u64,
    /// The number of the last heartbeat.
    number: u64,
    heartbeats: Vec<(u64, Heartbeat)>,
    /// When the last heartbeat was sent that a quorum has acknowledged.
    acknowledged: Option<Duration>,
    suspend_after: Duration,
    suspended: bool,
    suspensions: u64,
    /// Heartbeats that the node's own seat has still to acknowledge.
    unanswered: Vec<u64>,
    /// Heartbeats for which the batch under way asserts that the store is still this node's.
    in_flight: Vec<u64>,
}

#[derive(Clone)]
struct Open {
    call: CallId,
    /// The call that waits for a quorum to have heard of this node.
    opener: Option<CallId>,
    published: Option<SessionState>,
    ended: bool,
}

#[derive(Clone)]
struct Heartbeat {
    sent: Duration,
    seats: Seats,
}

impl Sessions {
    pub(super) fn new(suspend_after: Duration) -> Self {
        Self {
            open: Map::new(),
            next: 0,
            number: 0,
            heartbeats: Vec::new(),
            acknowledged: None,
            suspend_after,
            suspended: true,
            suspensions: 0,
            unanswered: Vec::new(),
            in_flight: Vec::new(),
        }
    }

    /// Whether the node's own seat has to be sure that its store is still its own.
    pub(super) fn want_assertion(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// A batch has begun, which asserts that.
    pub(super) fn persisting(&mut self) {
        self.in_flight.append(&mut self.unanswered);
    }

    /// The batch is durable: the store was still this node's.
    pub(super) fn persisted(&mut self, cx: &mut Context, electorate: &Electorate) {
        let Some(seat) = electorate.own() else { return };
        for number in std::mem::take(&mut self.in_flight) {
            self.count(cx, electorate, number, seat);
        }
    }

    /// Opens a session; the call is answered once a quorum of seats has heard of this node.
    pub(super) fn open(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        registers: &Registers,
        call: CallId,
        timeout: Option<Duration>,
    ) {
        if self.open.len() >= cx.settings.max_requests {
            let error = Error::Overloaded { limit: cx.settings.max_requests as u64 };
            return cx.outbox.output(Output::Opened { call, result: Err(error) });
        }
        let incarnation = cx.me.incarnation();
        while registers.has_ended(&SessionId { incarnation, n: self.next }.lease()) {
            self.next += 1;
        }
        let n = self.next;
        self.next += 1;
        if let Some(timeout) = timeout {
            cx.timers.set(cx.after(timeout), Timer::OpenSession(n));
        }
        let first = self.open.is_empty();
        self.open.insert(n, Open { call, opener: Some(call), published: None, ended: false });
        if first {
            self.send_heartbeat(cx, electorate);
        }
        self.answer_openers(cx);
    }

    /// Openings that waited for a quorum to hear of this node are answered, unless the sessions are suspended.
    fn answer_openers(&mut self, cx: &mut Context) {
        if self.suspended {
            return;
        }
        let mut opened = Vec::new();
        for (n, open) in &mut self.open {
            if let Some(call) = open.opener.take() {
                cx.timers.cancel(Timer::OpenSession(*n));
                opened.push((*n, call));
            }
        }
        // The state comes first, so that nobody takes it for what it is not.
        self.publish(cx);
        let incarnation = cx.me.incarnation();
        for (n, call) in opened {
            let session = SessionId { incarnation, n };
            cx.outbox.output(Output::Opened { call, result: Ok(session) });
            cx.emit(Event::SessionOpened(session));
        }
    }

    /// Whatever is held by virtue of a session of this node is lost: the node has stopped.
    pub(super) fn end_all(&mut self, cx: &mut Context) {
        for open in self.open.values_mut() {
            open.ended = true;
        }
        self.publish(cx);
        for open in std::mem::take(&mut self.open).into_values() {
            if let Some(call) = open.opener {
                cx.outbox.output(Output::Opened { call, result: Err(Error::Closed) });
            }
        }
    }

    /// A session is of no use any more: its end is decided, whatever becomes of its node.
    pub(super) fn close(&mut self, cx: &mut Context, n: u64) {
        if let Some(open) = self.open.remove(&n) {
            cx.timers.cancel(Timer::OpenSession(n));
            if let Some(call) = open.opener {
                cx.outbox.output(Output::Opened { call, result: Err(Error::Closed) });
            }
            cx.emit(Event::SessionClosed(SessionId { incarnation: cx.me.incarnation(), n }));
        }
        if self.open.is_empty() {
            self.heartbeats.clear();
            self.acknowledged = None;
            self.suspended = true;
            cx.timers.cancel(Timer::Heartbeat);
            cx.timers.cancel(Timer::Suspend);
        }
    }

    /// The opening of a session has run out of time.
    pub(super) fn time_out(&mut self, cx: &mut Context, electorate: &Electorate, n: u64) {
        let Some(call) = self.open.get_mut(&n).and_then(|open| open.opener.take()) else { return };
        let error = electorate.timed_out();
        cx.outbox.output(Output::Opened { call, result: Err(error) });
        self.close(cx, n);
    }

    /// The opening of a session is not wanted any more.
    pub(super) fn cancel(&mut self, cx: &mut Context, call: CallId) {
        if let Some(n) = self.open.iter().find(|(_, open)| open.call == call).map(|(n, _)| *n) {
            self.close(cx, n);
        }
    }

    /// Tells all seats that this node's sessions live.
    fn send_heartbeat(&mut self, cx: &mut Context, electorate: &Electorate) {
        self.number += 1;
        let number = self.number;
        let oldest = cx.now.saturating_sub(self.suspend_after);
        let kept = match cx.rules.heartbeats_from_sending() {
            true => oldest,
            false => oldest.saturating_sub(REMEMBERED),
        };
        self.heartbeats.retain(|(_, heartbeat)| heartbeat.sent >= kept);
        self.heartbeats.push((number, Heartbeat { sent: cx.now, seats: Seats::default() }));
        // Seats without a link, or with one that is dead and does not say so, are told by the others.
        let before =
            self.heartbeats.iter().find(|(of, _)| *of == number - 1).map(|(_, heartbeat)| heartbeat.seats);
        let silent = |seat: &Seat| {
            electorate.claimant(*seat).is_none() || before.is_some_and(|heard| !heard.contains(*seat))
        };
        let relay =
            electorate.seats().filter(|seat| electorate.own() != Some(*seat) && silent(seat)).gather();
        cx.outbox.send(electorate.claimant_links(), &Message::Heartbeat { number, relay });
        if electorate.may_vote() {
            self.unanswered.push(number);
        }
        // A node that waits to be heard of does not leave it at that: there may have been no seat that could reply.
        let every = self.suspend_after / HEARTBEATS;
        let every = if self.suspended { every.min(cx.settings.heartbeat) } else { every };
        cx.timers.set(cx.after(every), Timer::Heartbeat);
    }

    /// The next heartbeat is due.
    pub(super) fn heartbeat_due(&mut self, cx: &mut Context, electorate: &Electorate) {
        if !self.open.is_empty() {
            self.send_heartbeat(cx, electorate);
        }
    }

    /// A seat has come: it hears at once of a node that waits to be heard of.
    pub(super) fn seat_linked(&mut self, cx: &mut Context, electorate: &Electorate) {
        if !self.open.is_empty() && self.suspended {
            self.send_heartbeat(cx, electorate);
        }
    }

    /// A seat acknowledges a heartbeat.
    pub(super) fn handle_ack(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        number: u64,
        seat: Seat,
        suspend_after: u64,
    ) {
        // A seat that ends sessions sooner than this node thinks has to be heeded.
        let theirs = Duration::from_millis(suspend_after.max(10));
        self.suspend_after = self.suspend_after.min(theirs);
        self.count(cx, electorate, number, seat);
    }

    fn count(&mut self, cx: &mut Context, electorate: &Electorate, number: u64, seat: Seat) {
        let Some((_, heartbeat)) = self.heartbeats.iter_mut().find(|(of, _)| *of == number) else { return };
        heartbeat.seats.insert(seat);
        if heartbeat.seats.count() < electorate.quorum() {
            return;
        }
        let since = if cx.rules.heartbeats_from_sending() { heartbeat.sent } else { cx.now };
        self.acknowledged = self.acknowledged.max(Some(since));
        if self.is_answered(cx) {
            self.suspended = false;
            self.answer_openers(cx);
        }
        if let Some(until) = self.answered_until() {
            cx.timers.set(until, Timer::Suspend);
        }
    }

    /// Until when the sessions are not suspended, if nothing more is heard: a quorum has acknowledged a heartbeat lately.
    pub(super) fn answered_until(&self) -> Option<Duration> {
        self.acknowledged.map(|sent| sent.saturating_add(self.suspend_after))
    }

    fn is_answered(&self, cx: &Context) -> bool {
        self.answered_until().is_some_and(|until| cx.now < until)
    }

    /// Suspends the sessions, if it is time to. Comes before all else that a node does at a moment.
    pub(super) fn check_suspension(&mut self, cx: &mut Context) {
        if !self.suspended && !self.is_answered(cx) {
            self.suspended = true;
            if cx.rules.suspended_is_final() {
                self.suspensions += 1;
            }
            self.publish(cx);
        }
    }

    /// A key has changed: it may be the end of a session of this node.
    pub(super) fn check_end(&mut self, cx: &Context, id: &KeyId, has_value: bool) {
        if id.bucket().name() != ENDS || self.open.is_empty() || !has_value {
            return;
        }
        if let Some(n) = Lease::of_end(id).ok().and_then(|lease| own_session(&cx.me, &lease)) {
            self.record_end(n);
        }
    }

    /// A session of this node has ended.
    pub(super) fn record_end(&mut self, n: u64) {
        if let Some(open) = self.open.get_mut(&n) {
            open.ended = true;
        }
    }

    /// Tells the owners of sessions of changes of their states.
    pub(super) fn publish(&mut self, cx: &mut Context) {
        let (suspended, suspensions) = (self.suspended, self.suspensions);
        self.open.retain(|n, open| {
            if open.opener.is_some() {
                return true;
            }
            let state = SessionState { suspended, suspensions, ended: open.ended };
            if open.published != Some(state) {
                open.published = Some(state);
                cx.outbox.output(Output::Session { n: *n, state });
            }
            !open.ended
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(n: u8) -> Seat {
        Seat::new(n).unwrap()
    }

    fn states(cx: &mut Context) -> Vec<SessionState> {
        let outputs = std::iter::from_fn(|| cx.outbox.next());
        outputs
            .filter_map(|output| match output {
                Output::Session { state, .. } => Some(state),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_session_is_open_once_a_quorum_has_heard_and_suspended_from_the_time_of_sending() {
        let (mut cx, electorate) = (Context::for_tests(), Electorate::of_three());
        let registers = Registers::new("test".into(), 3);
        let mut sessions = Sessions::new(cx.settings.suspend_after);
        sessions.open(&mut cx, &electorate, &registers, CallId(1), None);
        let sent = cx.now;
        sessions.handle_ack(&mut cx, &electorate, 1, seat(2), 500);
        assert_eq!(states(&mut cx), [], "one seat is no quorum");
        cx.now += Duration::from_millis(100);
        sessions.handle_ack(&mut cx, &electorate, 1, seat(3), 500);
        assert!(matches!(states(&mut cx)[..], [SessionState { suspended: false, .. }]));

        cx.now = sent + Duration::from_millis(499);
        sessions.check_suspension(&mut cx);
        assert_eq!(states(&mut cx), []);
        cx.now = sent + Duration::from_millis(500);
        sessions.check_suspension(&mut cx);
        assert!(matches!(states(&mut cx)[..], [SessionState { suspended: true, suspensions: 1, .. }]));
    }

    #[test]
    fn a_closed_session_leaves_no_timer_behind() {
        let (mut cx, electorate) = (Context::for_tests(), Electorate::of_three());
        let registers = Registers::new("test".into(), 3);
        let mut sessions = Sessions::new(cx.settings.suspend_after);
        sessions.open(&mut cx, &electorate, &registers, CallId(1), Some(Duration::MAX));
        assert!(cx.timers.next().is_some());
        sessions.cancel(&mut cx, CallId(1));
        assert_eq!(cx.timers.next(), None);
        assert!(cx.events.iter().any(|event| matches!(event, Event::SessionClosed(_))));
    }
}
