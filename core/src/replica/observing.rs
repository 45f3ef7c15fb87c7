//! What a node without a seat does: it asks a seat, and another one when that does not answer.
//!
//! A request may be done twice, so its entry, leases and request id are fixed before the first try, and a put names
//! the generation that it is for: a seat that was given up on may still be at it when the caller has long been told
//! of another's entry, and must not then put the entry into a later generation.

use std::time::Duration;

use super::alarms::Alarm;
use super::{Output, Replica};
use crate::transport::LinkId;
use crate::types::{CallId, Error, Generation};
use crate::wire::{Message, Op, Outcome};

/// How long the first seat has before another is asked. Each further one has twice as long, up to the second time: what is
/// on its way from a seat that was given up on is lost, and on a slow link it may take longer than that each time.
const ASK_ANOTHER: Duration = Duration::from_secs(2);
const AT_MOST: Duration = Duration::from_secs(30);

/// And where the answer may be long in coming: not for ever, since the seat may be cut off from the others.
const WATCH_ELSEWHERE: Duration = Duration::from_secs(10);
const WAIT_ELSEWHERE: Duration = Duration::from_secs(30);

/// How long a seat has, where so many have had not long enough.
fn patience(op: &Op, late: u32) -> Duration {
    match op {
        Op::Watch { .. } | Op::Changes { .. } => WATCH_ELSEWHERE,
        Op::Put { wait: true, .. } => WAIT_ELSEWHERE,
        _ => ASK_ANOTHER.saturating_mul(2u32.saturating_pow(late)).min(AT_MOST),
    }
}

/// Whether a seat answers it with what it knows itself, and asks nobody.
fn is_a_view(op: &Op) -> bool {
    matches!(op, Op::Status {} | Op::Peek { .. } | Op::Keys { .. })
}

/// A call that a seat is asked to do.
#[derive(Clone)]
pub(super) struct Asked {
    op: Op,
    deadline: Option<Duration>,
    link: Option<LinkId>,
    /// The number of the request that was made last; answers to earlier ones are answers to another question.
    number: u64,
    /// When another seat is to be asked.
    due: Duration,
    tries: usize,
    /// How many seats have had not long enough.
    late: u32,
}

impl Asked {
    /// Whether an answer says how it is in a cluster, and not at a seat alone, which may be of none yet.
    fn is_of_cluster(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Failed { .. } | Outcome::Status { .. } => false,
            Outcome::Keys { items, .. } => !items.is_empty(),
            Outcome::Absent { .. } => !matches!(self.op, Op::Peek { .. }),
            _ => true,
        }
    }
}

impl Replica {
    pub(super) fn ask_for(&mut self, call: CallId, op: Op, timeout: Option<Duration>) {
        if self.asked.len() >= self.settings.max_requests && !Self::is_internal(call) {
            let error = Error::Overloaded { limit: self.settings.max_requests as u64 };
            return self.outbox.reply(Output::Reply { call, outcome: Outcome::Failed { error } });
        }
        let deadline = timeout.map(|timeout| self.now.saturating_add(timeout));
        if let Some(at) = deadline {
            self.alarms.set(at, Alarm::Call(call));
        }
        let op = match op {
            // Who waits is never told of another's entry, and may go on in any generation.
            Op::Put { id, entry, within: None, wait: false } if self.rules.bind_to_generation => {
                Op::Put { id, entry, within: Some(Generation(0)), wait: false }
            }
            op => op,
        };
        // Calls are spread over the seats, but what is one seat's own view is asked of the seat that was found first:
        // who was told one address wants to hear that seat, even when it has named the others meanwhile.
        let spread = usize::try_from(call.0 % 1_000_003).unwrap_or(0);
        let tries = if is_a_view(&op) { 0 } else { spread };
        self.asked.insert(call, Asked { op, deadline, link: None, number: 0, due: self.now, tries, late: 0 });
        self.ask(call);
    }

    fn ask(&mut self, call: CallId) {
        let seats = self.links.seats();
        let number = if self.rules.match_requests { self.next_query().number } else { call.0 };
        let Some(asked) = self.asked.get_mut(&call) else { return };
        self.asked_by_number.remove(&asked.number);
        if let Some(link) = asked.link.take() {
            self.outbox.send(&[link], &Message::Cancel { number: asked.number });
        }
        asked.number = number;
        self.asked_by_number.insert(number, call);
        let Some(first) = seats.iter().map(|(_, link)| *link).min() else { return };
        let asks_first = asked.tries == 0 && is_a_view(&asked.op);
        let link = if asks_first { first } else { seats[asked.tries % seats.len()].1 };
        asked.tries = asked.tries.wrapping_add(1);
        asked.link = Some(link);
        asked.due = self.now + patience(&asked.op, asked.late);
        // The seat gives up a little before this node does, and can then say why.
        let left = asked.deadline.map(|at| at.saturating_sub(self.now));
        let patience = left.map(|left| left.saturating_sub((left / 10).min(Duration::from_millis(200))));
        let patience = patience.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let request = Message::Request { number, op: asked.op.clone(), patience };
        self.alarms.set(asked.due, Alarm::Asked(call));
        self.outbox.send(&[link], &request);
    }

    /// A seat has been linked: those who found none ask it.
    pub(super) fn ask_seats(&mut self) {
        let waiting: Vec<CallId> =
            self.asked.iter().filter(|(_, asked)| asked.link.is_none()).map(|(call, _)| *call).collect();
        for call in waiting {
            self.ask(call);
        }
    }

    /// A link is down: what was asked there is asked elsewhere.
    pub(super) fn ask_elsewhere(&mut self, gone: LinkId) {
        let mut waiting = Vec::new();
        for (call, asked) in &mut self.asked {
            if asked.link == Some(gone) {
                asked.link = None;
                waiting.push(*call);
            }
        }
        for call in waiting {
            self.ask(call);
        }
    }

    pub(super) fn asked_due(&mut self, call: CallId) {
        if let Some(asked) = self.asked.get_mut(&call)
            && self.now >= asked.due
        {
            asked.late = asked.late.saturating_add(1);
            self.ask(call);
        }
    }

    /// A seat has answered.
    pub(super) fn answered(&mut self, link: LinkId, number: u64, outcome: Outcome) {
        let Some(call) = self.asked_by_number.get(&number).copied() else { return };
        if self.asked.get(&call).is_some_and(|asked| asked.is_of_cluster(&outcome)) && !self.counts(link) {
            return; // This is how it is in another cluster, perhaps.
        }
        if let (Outcome::Moved { generation }, Some(asked)) = (&outcome, self.asked.get_mut(&call)) {
            if let (true, Op::Put { within: Some(within), .. }) = (asked.link == Some(link), &mut asked.op) {
                *within = (*within).max(*generation);
                // The same seat knows best.
                asked.tries = asked.tries.wrapping_sub(1);
                self.ask(call);
            }
            return;
        }
        if self.asked.get(&call).is_some_and(|asked| asked.link == Some(link)) {
            self.asked.remove(&call);
            self.asked_by_number.remove(&number);
            if !self.internal_answer(call, &outcome) {
                self.outbox.reply(Output::Reply { call, outcome });
            }
        }
    }

    pub(super) fn asked_is_over(&mut self, call: CallId) {
        let over = self.asked.get(&call).and_then(|asked| asked.deadline).is_some_and(|at| at <= self.now);
        if over {
            self.stop_asking(call);
            let error = self.timed_out();
            self.outbox.reply(Output::Reply { call, outcome: Outcome::Failed { error } });
        }
    }

    pub(super) fn stop_asking(&mut self, call: CallId) {
        let Some(asked) = self.asked.remove(&call) else { return };
        self.asked_by_number.remove(&asked.number);
        if let Some(link) = asked.link {
            self.outbox.send(&[link], &Message::Cancel { number: asked.number });
        }
    }

    pub(super) fn fail_all_asked(&mut self, error: &Error) {
        self.asked_by_number.clear();
        for call in std::mem::take(&mut self.asked).into_keys() {
            if self.internal_answer(call, &Outcome::Failed { error: error.clone() }) {
                continue;
            }
            self.outbox.reply(Output::Reply { call, outcome: Outcome::Failed { error: error.clone() } });
        }
    }
}
