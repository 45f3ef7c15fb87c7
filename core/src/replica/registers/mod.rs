//! All that is known of each key, in one place: what the acceptor holds, the votes that were counted, the attempt under
//! way with its pending requests, and who watches.
//!
//! A key is looked up once for each message. From there on it goes by its [`Slot`](super::names::Slot).
//!
//! | file | subject |
//! |---|---|
//! | `rows` | what the acceptor remembers, and which of it has to become durable |
//! | `leases` | which keys are bound to which lease |
//! | `vote` | the acceptor's and the learner's side of the protocol |
//! | `attempt`, `propose` | the proposer's side |
//! | `settle` | which pending requests have their answer, and what to try next |

mod attempt;
mod leases;
mod propose;
mod rows;
mod settle;
#[cfg(test)]
mod tests;
mod vote;

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::Duration;

use super::names::{Origin, Slot};
use crate::paxos::{Acceptor, Learner, Proposer, Reader};
use crate::sorted::{Map, Set};
use crate::types::{Generation, KeyId, Seat, home_of};
use crate::wire::Version;

use attempt::Stage;
pub(super) use attempt::{Attempt, Goal, retain};
use leases::Leases;
pub(super) use rows::Row;
pub(super) use vote::Sender;

/// All that is known of one key.
#[derive(Clone)]
struct KeyRecord {
    id: KeyId,
    /// The seat that may propose in round 0.
    home: Seat,
    acceptor: Acceptor,
    /// The number of what was learned last, in this generation or an earlier one, counted by this store; 0 where nothing
    /// was. It stays when the generation moves on, for no number is given out twice.
    learned: u64,
    dirty: Dirty,
    learner: Option<Box<Learner>>,
    attempt: Option<Box<Attempt>>,
    /// Keys whose attempts wait for the end that this register decides.
    dependents: Vec<Slot>,
    /// Who waits for a state later than this.
    watchers: Vec<(Origin, Version)>,
    /// The number of the last change that watchers of many keys were told of.
    change: u64,
}

/// Whether a record has changed since it was last in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Dirty {
    Clean,
    /// It may wait for a batch to go with: a crash takes a mark that is learned again.
    Lazy,
    Urgent,
}

impl KeyRecord {
    fn new(id: KeyId, seats: u8) -> Self {
        let home = home_of(&id, seats);
        Self {
            id,
            home,
            acceptor: Acceptor::default(),
            learned: 0,
            dirty: Dirty::Clean,
            learner: None,
            attempt: None,
            dependents: Vec::new(),
            watchers: Vec::new(),
            change: 0,
        }
    }

    /// Whether there is nothing to remember of the key.
    fn is_vacant(&self) -> bool {
        self.attempt.is_none()
            && self.learner.is_none()
            && self.dependents.is_empty()
            && self.watchers.is_empty()
            && self.dirty == Dirty::Clean
            && self.acceptor == Acceptor::default()
    }
}

/// A key in the order of its hash, which differs sooner than its bytes.
#[derive(Clone, PartialEq, Eq)]
struct ByHash(KeyId);

impl PartialOrd for ByHash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByHash {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.fnv().cmp(&other.0.fnv()).then_with(|| self.0.cmp(&other.0))
    }
}

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Registers {
    /// The cluster whose seats this store's own registers may decide on: its name and its size.
    cluster: (String, u8),
    records: Vec<Option<Box<KeyRecord>>>,
    free: Vec<Slot>,
    by_hash: Map<ByHash, Slot>,
    by_key: Map<KeyId, Slot>,
    /// Keys whose attempts have news to look at.
    ready: VecDeque<Slot>,
    /// Keys that have an attempt, in the order of listings: what is done for all of them is done in that order, whichever
    /// slots they have.
    attempting: Map<KeyId, Slot>,
    /// What was accepted and not yet learned, and when it is to be finished.
    unlearned: VecDeque<(Duration, Slot)>,
    /// What was learned, by number: for seats that missed it.
    log: Map<u64, Slot>,
    last_learned: u64,
    /// The number up to which what was learned is in a batch. A crash may take later numbers and give them to something
    /// else.
    batched_learned: u64,
    /// Records that are not clean.
    dirty: Vec<Slot>,
    is_urgent: bool,
    lazy_since: Option<Duration>,
    leases: Leases,
    /// Keys whose state has changed since watchers were told.
    changed: Vec<Slot>,
}

impl Registers {
    pub(super) fn new(cluster: String, seats: u8) -> Self {
        Self {
            cluster: (cluster, seats),
            records: Vec::new(),
            free: Vec::new(),
            by_hash: Map::new(),
            by_key: Map::new(),
            ready: VecDeque::new(),
            attempting: Map::new(),
            unlearned: VecDeque::new(),
            log: Map::new(),
            last_learned: 0,
            batched_learned: 0,
            dirty: Vec::new(),
            is_urgent: false,
            lazy_since: None,
            leases: Leases::default(),
            changed: Vec::new(),
        }
    }

    /// The slot of a key of which something is known.
    pub(super) fn find(&self, id: &KeyId) -> Option<Slot> {
        self.by_hash.get(&ByHash(id.clone())).copied()
    }

    /// The slot of a key, with a record of it where there was none. Must be [closed](Self::close) again.
    pub(super) fn open(&mut self, id: &KeyId) -> Slot {
        if let Some(slot) = self.find(id) {
            return slot;
        }
        let record = Some(Box::new(KeyRecord::new(id.clone(), self.cluster.1)));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.records[slot.place()] = record;
                slot
            }
            None => {
                self.records.push(record);
                Slot::new(self.records.len() - 1)
            }
        };
        self.by_hash.insert(ByHash(id.clone()), slot);
        self.by_key.insert(id.clone(), slot);
        slot
    }

    /// Forgets a key of which there is nothing to remember: to ask about a key must not make one.
    pub(super) fn close(&mut self, slot: Slot) {
        let Some(place) = self.records.get_mut(slot.place()) else { return };
        if let Some(record) = place.take_if(|record| record.is_vacant()) {
            self.by_hash.remove(&ByHash(record.id.clone()));
            self.by_key.remove(&record.id);
            self.free.push(slot);
        }
    }

    fn record(&self, slot: Slot) -> Option<&KeyRecord> {
        self.records.get(slot.place())?.as_deref()
    }

    fn record_mut(&mut self, slot: Slot) -> Option<&mut KeyRecord> {
        self.records.get_mut(slot.place())?.as_deref_mut()
    }

    fn by_id(&self, id: &KeyId) -> Option<&KeyRecord> {
        self.record(self.find(id)?)
    }

    fn attempt_mut(&mut self, slot: Slot) -> Option<&mut Attempt> {
        self.record_mut(slot)?.attempt.as_deref_mut()
    }

    /// The key in a slot.
    pub(super) fn id(&self, slot: Slot) -> Option<&KeyId> {
        self.record(slot).map(|record| &record.id)
    }

    /// Keys from one on, in the order of listings.
    pub(super) fn keys_from(&self, from: &KeyId) -> impl Iterator<Item = (&KeyId, Slot)> {
        self.by_key.range(from.clone()..).map(|(id, slot)| (id, *slot))
    }

    /// How many keys have an attempt under way.
    pub(super) fn attempts(&self) -> usize {
        self.attempting.len()
    }

    /// A key's attempt has news to look at.
    pub(super) fn make_ready(&mut self, slot: Slot) {
        self.ready.push_back(slot);
    }

    /// The next key whose attempt has news to look at.
    pub(super) fn take_ready(&mut self) -> Option<Slot> {
        self.ready.pop_front()
    }

    /// All attempts are looked at again.
    pub(super) fn make_all_ready(&mut self) {
        for slot in self.attempting.values() {
            self.ready.push_back(*slot);
        }
    }

    /// Gives up all attempts.
    pub(super) fn give_up_all(&mut self) {
        for slot in std::mem::take(&mut self.attempting).into_values() {
            if let Some(record) = self.record_mut(slot) {
                record.attempt = None;
            }
        }
    }

    /// The attempt at a key, for those that change what is proposed.
    pub(super) fn attempt_at(&mut self, id: &KeyId) -> Option<(Slot, &mut Attempt)> {
        let slot = self.find(id)?;
        self.attempt_mut(slot).map(|attempt| (slot, attempt))
    }

    pub(super) fn has_attempt(&self, id: &KeyId) -> bool {
        self.by_id(id).is_some_and(|record| record.attempt.is_some())
    }

    /// A request does not wait any more.
    pub(super) fn drop_pending(&mut self, id: &KeyId, origin: Origin) {
        let Some(slot) = self.find(id) else { return };
        if let Some(attempt) = self.attempt_mut(slot) {
            retain(&mut attempt.pending, &mut |pending| pending.origin != origin);
            self.ready.push_back(slot);
        }
        if let Some(record) = self.record_mut(slot) {
            record.watchers.retain(|(watcher, _)| *watcher != origin);
        }
        self.close(slot);
    }

    /// Has a request told once a key's state is later than this.
    pub(super) fn watch(&mut self, slot: Slot, origin: Origin, after: Version) {
        if let Some(record) = self.record_mut(slot) {
            record.watchers.push((origin, after));
        }
    }

    /// Takes the watchers of a key out that have waited for an earlier state than it is in.
    pub(super) fn take_watchers(&mut self, slot: Slot) -> Vec<Origin> {
        let version = self.state(slot).0;
        let Some(record) = self.record_mut(slot) else { return Vec::new() };
        if record.watchers.is_empty() {
            return Vec::new();
        }
        let mut due = Vec::new();
        record.watchers.retain(|(origin, after)| {
            if version > *after {
                due.push(*origin);
            }
            version <= *after
        });
        due
    }

    /// Whether anybody watches a key.
    pub(super) fn is_watched(&self, id: &KeyId) -> bool {
        self.by_id(id).is_some_and(|record| !record.watchers.is_empty())
    }

    /// Numbers a change of a key; returns the number of the one before, 0 where there was none.
    pub(super) fn number_change(&mut self, slot: Slot, number: u64) -> u64 {
        self.record_mut(slot).map_or(0, |record| std::mem::replace(&mut record.change, number))
    }

    /// Keys whose state may have changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> Set<Slot> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }
}

/// What a model check has to know of a key: see `digest`.
pub(super) struct KeyDigest<'a> {
    pub(super) id: &'a KeyId,
    pub(super) acceptor: &'a Acceptor,
    pub(super) is_urgent: bool,
    pub(super) learner: Option<&'a Learner>,
    pub(super) attempt: Option<&'a Attempt>,
    /// In order.
    pub(super) dependents: Vec<&'a KeyId>,
}

impl Registers {
    /// All keys, in the order of listings.
    pub(super) fn digests(&self) -> impl Iterator<Item = KeyDigest<'_>> {
        self.by_key.iter().filter_map(|(id, slot)| {
            let record = self.record(*slot)?;
            let mut dependents: Vec<_> = record.dependents.iter().filter_map(|slot| self.id(*slot)).collect();
            dependents.sort_unstable();
            Some(KeyDigest {
                id,
                acceptor: &record.acceptor,
                is_urgent: record.dirty == Dirty::Urgent,
                learner: record.learner.as_deref(),
                attempt: record.attempt.as_deref(),
                dependents,
            })
        })
    }

    /// In which generation of a key something is attempted, and with what.
    pub(super) fn under_way(&self, id: &KeyId) -> Option<(Generation, UnderWay<'_>)> {
        let attempt = self.by_id(id)?.attempt.as_deref()?;
        let under_way = match &attempt.stage {
            Stage::Reading { reader, .. } => UnderWay::Reading(reader),
            Stage::Proposing { proposer, .. } => UnderWay::Proposing(proposer),
            Stage::Forwarded => UnderWay::Forwarded,
            Stage::Idle | Stage::BackingOff | Stage::Ending | Stage::Waiting => UnderWay::Nothing,
        };
        Some((attempt.generation, under_way))
    }

    /// What this seat's acceptor holds of a key, if anything.
    pub(super) fn acceptor(&self, id: &KeyId) -> Option<&Acceptor> {
        self.by_id(id).map(|record| &record.acceptor).filter(|acceptor| **acceptor != Acceptor::default())
    }
}

/// What an attempt waits for.
pub(super) enum UnderWay<'a> {
    Nothing,
    Forwarded,
    Reading(&'a Reader),
    Proposing(&'a Proposer),
}
