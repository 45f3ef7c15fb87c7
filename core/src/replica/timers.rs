//! What is due when.
//!
//! Each timer has one time at most: setting it again replaces the earlier time, and what is over is cancelled. So the
//! heap holds nothing that nobody waits for, however long the times are that callers choose.

use std::time::Duration;

use crate::sorted::{Map, Set};
use crate::transport::LinkId;
use crate::types::{CallId, KeyId};

/// A thing that falls due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// All links are pinged.
    Ping,
    /// A key's attempt has waited long enough.
    Attempt(KeyId),
    /// A call of the own handle has run out of time.
    Call(CallId),
    /// An observer's request has run out of time.
    Observed(LinkId, u64),
    /// A seat has had a call of this node for long enough: another seat is asked.
    AskAnother(CallId),
    /// Leases are checked.
    CheckLeases,
    /// The next heartbeat of this node's sessions.
    Heartbeat,
    /// The sessions have gone unanswered for too long.
    Suspend,
    /// The opening of a session has run out of time.
    OpenSession(u64),
    /// A call that the node makes for itself failed, and is made again.
    Again(CallId),
}

/// Timers, in the order of their times.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    by_time: Set<(Duration, Timer)>,
    times: Map<Timer, Duration>,
}

impl Timers {
    /// Sets a timer, in place of the time that it had.
    pub(super) fn set(&mut self, at: Duration, timer: Timer) {
        if let Some(before) = self.times.insert(timer.clone(), at) {
            self.by_time.remove(&(before, timer.clone()));
        }
        self.by_time.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.times.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// When a timer is due, if it is set.
    pub(super) fn time(&self, timer: &Timer) -> Option<Duration> {
        self.times.get(timer).copied()
    }

    /// The time of the next timer.
    pub(super) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the next timer out whose time has come.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Timer> {
        let (at, timer) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let timer = timer.clone();
        self.cancel(timer.clone());
        Some(timer)
    }

    /// How many timers are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_has_one_time_and_nothing_is_left_of_what_was_cancelled() {
        let mut timers = Timers::default();
        let secs = Duration::from_secs;
        for n in 0..1_000 {
            timers.set(Duration::MAX, Timer::Call(CallId(n)));
            timers.set(secs(n), Timer::Call(CallId(n)));
        }
        assert_eq!((timers.len(), timers.by_time.len()), (1_000, 1_000));
        timers.cancel(Timer::Call(CallId(0)));
        assert_eq!(timers.next(), Some(secs(1)));
        assert_eq!(timers.take_due(secs(0)), None);
        assert_eq!(timers.take_due(secs(2)), Some(Timer::Call(CallId(1))));
        (0..1_000).for_each(|n| timers.cancel(Timer::Call(CallId(n))));
        assert_eq!((timers.len(), timers.by_time.len()), (0, 0));
    }
}
