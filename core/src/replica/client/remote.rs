//! What a node without a seat does with a call: it asks a seat, and another one if that does not answer.
//!
//! A request may be done twice. So its entry, leases and request id are fixed before the first try, and a put names the
//! generation that it is for: a seat that was given up on may still be at it when the caller has long been told of
//! another's entry, and must not then put the entry into a later generation.

use std::time::Duration;

use super::super::Output;
use super::super::context::{Context, Event, own_session};
use super::super::peers::Electorate;
use super::super::timers::Timer;
use crate::settings::millis;
use crate::sorted::{Gather, Map};
use crate::transport::LinkId;
use crate::types::{CallId, Error, Generation, Lease};
use crate::wire::{Message, Op, Outcome};

/// How long the first seat has before another is asked. Each further one has twice as long, up to the second time: what
/// is on its way from a seat that was given up on is lost, and on a slow link it may take longer than that each time.
const ASK_ANOTHER: Duration = Duration::from_secs(2);
const AT_MOST: Duration = Duration::from_secs(30);

/// And how long where the answer may be long in coming: not for ever, since the seat may be cut off from the others.
const WATCH_ELSEWHERE: Duration = Duration::from_secs(10);
const WAIT_ELSEWHERE: Duration = Duration::from_secs(30);

/// Calls from here on are the node's own.
const INTERNAL: u64 = 1 << 63;

/// How long a seat has, after so many had not long enough.
fn patience(op: &Op, late: u32) -> Duration {
    match op {
        Op::Watch { .. } | Op::Changes { .. } => WATCH_ELSEWHERE,
        Op::Put { wait: true, .. } => WAIT_ELSEWHERE,
        _ => ASK_ANOTHER.saturating_mul(2u32.saturating_pow(late)).min(AT_MOST),
    }
}

/// Whether a seat answers it with what it knows itself, and asks nobody.
fn is_local(op: &Op) -> bool {
    matches!(op, Op::Status {} | Op::Peek { .. } | Op::Keys { .. })
}

/// The calls that seats are asked to do.
#[derive(Clone)]
pub(in crate::replica) struct Remote {
    calls: Map<CallId, Call>,
    by_number: Map<u64, CallId>,
    /// The node's own calls: what each asks for, until it is done.
    internal: Map<CallId, Op>,
    next_internal: u64,
}

/// A call that a seat is asked to do.
#[derive(Clone)]
struct Call {
    op: Op,
    deadline: Option<Duration>,
    link: Option<LinkId>,
    /// The number of the request that was sent last. Responses to earlier ones are of no use any more.
    number: u64,
    tries: usize,
    /// How many seats had not long enough.
    late: u32,
}

impl Call {
    /// Whether an outcome says how it is in a cluster, and not at a seat alone, which may be in none yet.
    fn is_of_cluster(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Failed { .. } | Outcome::Status { .. } => false,
            Outcome::Keys { items, .. } => !items.is_empty(),
            Outcome::Absent { .. } => !matches!(self.op, Op::Peek { .. }),
            _ => true,
        }
    }
}

impl Default for Remote {
    fn default() -> Self {
        Self { calls: Map::new(), by_number: Map::new(), internal: Map::new(), next_internal: INTERNAL }
    }
}

impl Remote {
    /// Has a seat do something.
    pub(in crate::replica) fn call(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        call: CallId,
        op: Op,
        timeout: Option<Duration>,
    ) {
        if self.calls.len() >= cx.settings.max_requests && call.0 < INTERNAL {
            let error = Error::Overloaded { limit: cx.settings.max_requests as u64 };
            return cx.outbox.reply(Output::Reply { call, outcome: Outcome::Failed { error } });
        }
        let deadline = timeout.map(|timeout| cx.after(timeout));
        if let Some(at) = deadline {
            cx.timers.set(at, Timer::Call(call));
        }
        let op = match op {
            // A put that waits is never told of another's entry, and may go on in any generation.
            Op::Put { id, entry, within: None, wait: false } if cx.rules.bind_to_generation() => {
                Op::Put { id, entry, within: Some(Generation(0)), wait: false }
            }
            op => op,
        };
        // Calls are spread over the seats. But what is one seat's own view is asked of the seat that was found first: a
        // user that names one address wants to hear that seat, even when it has named the others meanwhile.
        let spread = usize::try_from(call.0 % 1_000_003).unwrap_or(0);
        let tries = if is_local(&op) { 0 } else { spread };
        self.calls.insert(call, Call { op, deadline, link: None, number: 0, tries, late: 0 });
        self.ask(cx, electorate, call);
    }

    /// Has a seat do something for the node itself, until it is done.
    pub(in crate::replica) fn call_for_itself(&mut self, cx: &mut Context, electorate: &Electorate, op: Op) {
        self.next_internal += 1;
        let call = CallId(self.next_internal);
        self.internal.insert(call, op.clone());
        self.call(cx, electorate, call, op, None);
    }

    /// A call that the node makes for itself failed a moment ago.
    pub(in crate::replica) fn call_again(&mut self, cx: &mut Context, electorate: &Electorate, call: CallId) {
        if let Some(op) = self.internal.get(&call).cloned() {
            self.call(cx, electorate, call, op, None);
        }
    }

    fn ask(&mut self, cx: &mut Context, electorate: &Electorate, id: CallId) {
        let seats = electorate.claimants();
        let number = if cx.rules.match_requests() { cx.next_query().number } else { id.0 };
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.by_number.remove(&call.number);
        if let Some(link) = call.link.take() {
            cx.outbox.send(&[link], &Message::Cancel { number: call.number });
        }
        call.number = number;
        self.by_number.insert(number, id);
        cx.timers.cancel(Timer::AskAnother(id));
        let Some(first) = seats.iter().map(|(_, link)| *link).min() else { return };
        let asks_first = call.tries == 0 && is_local(&call.op);
        let link = if asks_first { first } else { seats[call.tries % seats.len()].1 };
        call.tries = call.tries.wrapping_add(1);
        call.link = Some(link);
        cx.timers.set(cx.after(patience(&call.op, call.late)), Timer::AskAnother(id));
        // The seat gives up a little before this node does, and can then say why.
        let left = call.deadline.map(|at| at.saturating_sub(cx.now));
        let patience = left.map(|left| left.saturating_sub((left / 10).min(Duration::from_millis(200))));
        let patience = patience.map(millis);
        cx.outbox.send(&[link], &Message::Request { number, op: call.op.clone(), patience });
    }

    /// A seat has been linked: calls that found none ask it.
    pub(in crate::replica) fn ask_seats(&mut self, cx: &mut Context, electorate: &Electorate) {
        let waiting: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| call.link.is_none()).map(|(id, _)| *id).gather();
        for call in waiting {
            self.ask(cx, electorate, call);
        }
    }

    /// A link is down: what was asked there is asked elsewhere.
    pub(in crate::replica) fn ask_elsewhere(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        lost: LinkId,
    ) {
        let mut waiting = Vec::new();
        for (id, call) in &mut self.calls {
            if call.link == Some(lost) {
                call.link = None;
                waiting.push(*id);
            }
        }
        for call in waiting {
            self.ask(cx, electorate, call);
        }
    }

    /// A seat has had a call for long enough.
    pub(in crate::replica) fn ask_another(&mut self, cx: &mut Context, electorate: &Electorate, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.late = call.late.saturating_add(1);
            self.ask(cx, electorate, id);
        }
    }

    /// A seat has answered. `counts` is whether what it says of its cluster counts here.
    pub(in crate::replica) fn handle_response(
        &mut self,
        cx: &mut Context,
        electorate: &Electorate,
        (link, counts): (LinkId, bool),
        number: u64,
        outcome: Outcome,
    ) {
        let Some(id) = self.by_number.get(&number).copied() else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.is_of_cluster(&outcome) && !counts {
            return; // This is how it is in another cluster, perhaps.
        }
        if let Outcome::Moved { generation } = &outcome {
            if let (true, Op::Put { within: Some(within), .. }) = (call.link == Some(link), &mut call.op) {
                *within = (*within).max(*generation);
                // The same seat knows best.
                call.tries = call.tries.wrapping_sub(1);
                self.ask(cx, electorate, id);
            }
            return;
        }
        if call.link == Some(link) {
            self.forget(cx, id);
            self.finish(cx, id, outcome);
        }
    }

    /// A call has its outcome.
    fn finish(&mut self, cx: &mut Context, call: CallId, outcome: Outcome) {
        if call.0 < INTERNAL {
            return cx.outbox.reply(Output::Reply { call, outcome });
        }
        if let Outcome::Failed { .. } = outcome {
            return cx.timers.set(cx.after(cx.settings.retry_after), Timer::Again(call));
        }
        if let Some(Op::Watch { id, .. }) = self.internal.remove(&call)
            && let Some(n) = Lease::of_end(&id).ok().and_then(|lease| own_session(&cx.me, &lease))
        {
            cx.emit(Event::SessionEnded(n));
        }
    }

    fn forget(&mut self, cx: &mut Context, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        self.by_number.remove(&call.number);
        cx.timers.cancel(Timer::AskAnother(id));
        cx.timers.cancel(Timer::Call(id));
        Some(call)
    }

    /// A call has run out of time.
    pub(in crate::replica) fn time_out(&mut self, cx: &mut Context, electorate: &Electorate, call: CallId) {
        if self.cancel(cx, call) {
            let error = electorate.timed_out();
            cx.outbox.reply(Output::Reply { call, outcome: Outcome::Failed { error } });
        }
    }

    /// A call is not wanted any more; true if it was under way.
    pub(in crate::replica) fn cancel(&mut self, cx: &mut Context, id: CallId) -> bool {
        let Some(call) = self.forget(cx, id) else { return false };
        if let Some(link) = call.link {
            cx.outbox.send(&[link], &Message::Cancel { number: call.number });
        }
        true
    }

    /// All calls fail.
    pub(in crate::replica) fn fail_all(&mut self, cx: &mut Context, error: &Error) {
        let calls: Vec<CallId> = self.calls.keys().copied().gather();
        for call in calls {
            self.forget(cx, call);
            self.finish(cx, call, Outcome::Failed { error: error.clone() });
        }
    }
}
