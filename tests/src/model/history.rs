//! The answers of calls, for the checker of linearizability.

use super::plan::{Goal, On};
use crate::linear;

/// The lease, as the checker knows it.
const LEASE: u64 = 0;

/// An operation that was called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Called {
    pub(super) seat: u8,
    pub(super) goal: Goal,
    /// Which operations had returned before, by their index.
    pub(super) before: u32,
    pub(super) over: bool,
    pub(super) answer: Option<linear::Answer>,
}

pub(super) fn check(history: &[Called]) -> Result<(), String> {
    linear::check_leased(&operations(history), &leases(history))
}

/// The operations, at times that agree with which of them returned before which was called.
fn operations(history: &[Called]) -> Vec<linear::Operation> {
    let returned_at = |at: usize| {
        let later = history.iter().filter(|other| other.before & 1 << at != 0);
        later.map(|other| 2 * u64::from(other.before.count_ones()) - 1).min().unwrap_or(u64::MAX)
    };
    let mut operations = Vec::new();
    for (at, called) in history.iter().enumerate() {
        let kind = match called.goal {
            Goal::Put(_, n) | Goal::PutLeased(_, n) => linear::Kind::Put(u64::from(n)),
            Goal::Get(_) => linear::Kind::Get,
            Goal::End => linear::Kind::End(LEASE),
        };
        let key = match called.goal.on() {
            On::Key(key) => u64::from(key),
            On::End => 0,
        };
        let call = 2 * u64::from(called.before.count_ones());
        let mut returned = called.answer.map(|answer| (returned_at(at), answer));
        if let linear::Kind::Put(n) = kind
            && let Some((_, linear::Answer::Ended)) = returned
        {
            // It may have been in force, and its lease has ended by now.
            operations.push(linear::Operation { key, kind: linear::Kind::Over(n), call, returned });
            returned = None;
        }
        operations.push(linear::Operation { key, kind, call, returned });
    }
    operations
}

/// Which lease each entry is bound to.
fn leases(history: &[Called]) -> linear::Leases {
    let leased = |called: &Called| match called.goal {
        Goal::PutLeased(_, n) => Some((u64::from(n), vec![LEASE])),
        _ => None,
    };
    history.iter().filter_map(leased).collect()
}
