//! What is to be looked at when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::transport::LinkId;
use crate::types::{CallId, KeyId};

/// A thing to look at. It may have been dealt with meanwhile: whoever is woken checks that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// Ping everybody.
    Heartbeat,
    /// An attempt may have waited long enough.
    Attempt(KeyId),
    /// A call may have run out of time.
    Call(CallId),
    /// An observer's request may have run out of time.
    Observed(LinkId, u64),
    /// A seat that was asked may have had long enough.
    Asked(CallId),
    /// See whether leases are over.
    Look,
    /// Say that this node lives.
    Beat,
    /// The sessions may have gone unanswered for too long.
    Suspend,
    /// Whoever opens a session may have run out of time.
    Opening(u64),
    /// One of the node's own calls was not done, and is made again.
    Again(CallId),
}

/// Alarms in the order of their times.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms(BinaryHeap<Reverse<(Duration, Alarm)>>);

impl Alarms {
    pub(super) fn set(&mut self, at: Duration, alarm: Alarm) {
        self.0.push(Reverse((at, alarm)));
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// The next alarm whose time has come.
    pub(super) fn due(&mut self, now: Duration) -> Option<Alarm> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, alarm))| alarm)
    }
}
