//! Commands of handles to the driver.

use std::time::Duration;

use futures::channel::oneshot;

use crate::types::{CallId, Error, SessionId};
use crate::wire::{Op, Outcome};

/// When a call's time is over, by the clock of the node's timer. It is computed once, when the call begins, and holds
/// for all steps of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Duration>);

impl Deadline {
    /// The call may take as long as it takes.
    pub(crate) const NEVER: Self = Self(None);

    /// The call may take this long from now on. A moment that no clock can show is never.
    pub(crate) fn after(now: Duration, timeout: Duration) -> Self {
        Self(now.checked_add(timeout))
    }

    /// The moment; `None` where the time never ends.
    pub(super) fn at(self) -> Option<Duration> {
        self.0
    }

    /// How much of the time is left; `None` where it never ends.
    pub(super) fn left(self, now: Duration) -> Option<Duration> {
        self.0.map(|at| at.saturating_sub(now))
    }
}

/// A command of a handle to the driver.
pub(crate) enum Command {
    Call { call: CallId, op: Op, due: Deadline, reply: oneshot::Sender<Outcome> },
    Cancel { call: CallId },
    OpenSession { call: CallId, due: Deadline, reply: oneshot::Sender<Result<SessionId, Error>> },
    CloseSession { n: u64 },
    Leave { done: oneshot::Sender<()> },
}
