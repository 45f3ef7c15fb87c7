//! An attempt: what is done for a key until every pending request for it has its answer.
//!
//! There is one attempt a key at a time, which all requests for that key join. It queries the acceptors, proposes,
//! forwards to the home seat, or waits.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::names::{Origin, Slot};
use crate::paxos::{Proposer, Reader};
use crate::sorted::{Gather, Set};
use crate::types::{Entry, Generation, Lease, RequestId, Round, Value};

/// What a request wants of a key.
#[derive(Clone, Debug, Hash)]
pub(in crate::replica) enum Goal {
    /// To put an entry.
    Put {
        entry: Entry,
        /// The one generation to put it in. Requests of the own handle, and those that wait, put in whichever is newest.
        within: Option<Generation>,
        /// Whether not to be answered with another's entry, but to wait until that has ended.
        wait: bool,
    },
    /// To end a latch, by putting this into its end register.
    End(Entry),
    /// To know what is there.
    Get,
    /// To have it decided what was begun in this generation.
    Finish(Generation),
}

/// A request that waits for a key.
#[derive(Clone, Debug, Hash)]
pub(in crate::replica) struct Pending {
    pub(in crate::replica) origin: Origin,
    pub(in crate::replica) goal: Goal,
    /// The number of the last query that was sent before the request came: replies to it are too old for it.
    pub(super) joined: u64,
}

impl Pending {
    /// What it wants to put.
    pub(in crate::replica) fn entry(&self) -> Option<&Entry> {
        match &self.goal {
            Goal::Put { entry, .. } | Goal::End(entry) => Some(entry),
            Goal::Get | Goal::Finish(_) => None,
        }
    }

    /// Whether it wants nothing else than to have this put.
    pub(in crate::replica) fn wants(&self, value: &Value) -> bool {
        self.entry().is_none_or(|entry| entry.value == *value)
    }

    /// What it wants to put in this generation.
    pub(super) fn candidate(&self, generation: Generation) -> Option<&Entry> {
        match &self.goal {
            Goal::Put { entry, within, .. } => {
                within.is_none_or(|within| within == generation).then_some(entry)
            }
            Goal::End(entry) => Some(entry),
            Goal::Get | Goal::Finish(_) => None,
        }
    }

    /// Whether it waits for the end of another's entry.
    pub(super) fn waits(&self) -> bool {
        matches!(self.goal, Goal::Put { wait: true, .. })
    }

    pub(super) fn finishes(&self) -> bool {
        matches!(self.goal, Goal::Finish(_))
    }

    /// Whether the same is pending already, on nobody's behalf.
    pub(super) fn repeats(&self, others: &[Self]) -> bool {
        self.origin == Origin::Cluster
            && others.iter().any(|other| match (self.entry(), other.entry()) {
                (Some(own), Some(known)) => own.request == known.request,
                (None, None) => self.finishes() && other.finishes(),
                _ => false,
            })
    }
}

/// See the [module](self).
#[derive(Clone)]
pub(in crate::replica) struct Attempt {
    pub(super) generation: Generation,
    pub(super) stage: Stage,
    pub(in crate::replica) pending: Vec<Pending>,
    /// How often a try came to nothing.
    pub(super) tries: u32,
    /// The highest round that acceptors promised against this attempt.
    pub(super) seen: Round,
    /// Whether the home seat was asked and did not come back in time.
    pub(super) forwarded: bool,
    /// How many reads were unsure.
    pub(super) unsure: u32,
    /// The request whose entry was in force when a quorum accepted it.
    pub(super) won_in_force: Option<RequestId>,
    /// The number of the last query by which a quorum said that the entry is in force.
    pub(super) in_force: u64,
    /// The end registers that the attempt waits for.
    pub(super) ends: Vec<Slot>,
}

/// What an attempt is doing.
#[derive(Clone, Hash)]
pub(super) enum Stage {
    /// Nothing: the next try comes as soon as there is a quorum.
    Idle,
    /// It was outbid, and backs off for a random time.
    BackingOff,
    /// The key's home seat was asked to propose.
    Forwarded,
    /// A quorum is asked what it has accepted.
    Reading { reader: Reader, asked: Vec<Lease> },
    /// A ballot is under way; `started` is the number of the last query sent before it.
    Proposing { proposer: Proposer, asked: Vec<Lease>, started: u64 },
    /// The end of some lease is being decided.
    Ending,
    /// The pending requests wait until the entry in force has ended.
    Waiting,
}

impl Hash for Attempt {
    /// For the model check. The ends that it waits for are hashed with their keys, as dependents.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            generation,
            stage,
            pending,
            tries,
            seen,
            forwarded,
            unsure,
            won_in_force,
            in_force,
            ends: _,
        } = self;
        (generation, stage, pending, tries, seen).hash(hasher);
        (forwarded, unsure, won_in_force, in_force).hash(hasher);
    }
}

impl Attempt {
    pub(super) fn new(generation: Generation) -> Self {
        Self {
            generation,
            stage: Stage::Idle,
            pending: Vec::new(),
            tries: 0,
            seen: Round(0),
            forwarded: false,
            unsure: 0,
            won_in_force: None,
            in_force: 0,
            ends: Vec::new(),
        }
    }

    /// Goes on in a newer generation.
    pub(super) fn move_to(&mut self, generation: Generation) {
        self.generation = generation;
        self.stage = Stage::Idle;
        self.forwarded = false;
        self.unsure = 0;
        self.won_in_force = None;
        self.in_force = 0;
    }

    /// Whether it has told the acceptors what it proposes.
    pub(in crate::replica) fn has_proposed(&self) -> bool {
        matches!(&self.stage, Stage::Proposing { proposer, .. } if proposer.proposed().is_some())
    }

    /// Has another entry proposed from the next ballot on. A ballot in phase 1 is given up for that. One in phase 2 has
    /// told the acceptors what it proposes, and a ballot proposes one thing only.
    pub(in crate::replica) fn propose_instead(&mut self, other: &Entry) {
        for pending in &mut self.pending {
            if let Goal::Put { entry, .. } = &mut pending.goal {
                *entry = other.clone();
            }
        }
        if matches!(self.stage, Stage::Proposing { .. }) && !self.has_proposed() {
            self.stage = Stage::Idle;
        }
    }

    /// The leases of the entries that are to be put, and of one more: queries name them.
    pub(super) fn leases_with(&self, entry: Option<&Entry>) -> Vec<Lease> {
        let mut leases = Set::new();
        for entry in self.pending.iter().filter_map(Pending::entry).chain(entry) {
            leases.extend(entry.leases.iter().cloned());
        }
        leases.into_iter().gather()
    }
}

/// Keeps those requests for which `keep` says so. The code is there once for all who ask.
pub(in crate::replica) fn retain(pending: &mut Vec<Pending>, keep: &mut dyn FnMut(&Pending) -> bool) {
    pending.retain(keep);
}

/// How long an attempt waits for the acceptors before it tries again, before jitter.
pub(super) fn patience(retry_after: Duration, tries: u32) -> Duration {
    retry_after.saturating_mul(2u32.pow(tries.min(3)))
}
