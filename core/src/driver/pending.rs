//! Calls that wait for their answers, and when their time is over.
//!
//! The replica keeps to a call's timeout, too, and knows best what it came to. But an answer that it has made waits for
//! the disk, which may be slow, or hang: so the driver sees to it that no call waits longer than its timeout.

use std::time::Duration;

use futures::channel::oneshot;

use super::command::Deadline;
use crate::sorted::{Map, Set};
use crate::types::{CallId, Error, SessionId};
use crate::wire::Outcome;

/// Where an answer goes.
pub(super) enum Reply {
    Outcome(oneshot::Sender<Outcome>),
    Session(oneshot::Sender<Result<SessionId, Error>>),
}

impl Reply {
    /// Fails the call; a caller that has stopped waiting does not want to know.
    pub(super) fn fail(self, error: Error) {
        match self {
            Self::Outcome(reply) => drop(reply.send(Outcome::Failed { error })),
            Self::Session(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// The calls that wait.
#[derive(Default)]
pub(super) struct Pending {
    replies: Map<CallId, (Deadline, Reply)>,
    /// Those whose time ends, in the order in which it does.
    due: Set<(Duration, CallId)>,
}

impl Pending {
    pub(super) fn insert(&mut self, call: CallId, due: Deadline, reply: Reply) {
        if let Some(at) = due.at() {
            self.due.insert((at, call));
        }
        self.replies.insert(call, (due, reply));
    }

    pub(super) fn remove(&mut self, call: CallId) -> Option<Reply> {
        let (due, reply) = self.replies.remove(&call)?;
        if let Some(at) = due.at() {
            self.due.remove(&(at, call));
        }
        Some(reply)
    }

    /// When the first call's time is over.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out a call whose time is over.
    pub(super) fn take_overdue(&mut self, now: Duration) -> Option<(CallId, Reply)> {
        let (_, call) = *self.due.first().filter(|(at, _)| *at <= now)?;
        Some((call, self.remove(call)?))
    }
}
