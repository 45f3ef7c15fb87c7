//! Who wants to be told of changes, and is told (`DESIGN.md`, "Watching").
//!
//! A watcher asks with the state it knows, and is answered once this seat has learned of a later one. It asks again
//! with that. So a slow one skips states by itself, nothing queues up for it, and it can go on at any other seat.

use super::Replica;
use super::outbox::PAGE_BYTES;
use super::requests::Asker;
use crate::sorted::{Map, Set};
use crate::types::{Bucket, ENDS, Incarnation, Key, KeyId, Lease};
use crate::wire::{Change, Cursor, Outcome, Version};

/// A page of changes: at most so many keys, and [`PAGE_BYTES`].
const PAGE: usize = 1_000;

#[derive(Clone, Default)]
pub(super) struct Watches {
    keys: Map<KeyId, Map<Asker, Version>>,
    buckets: Map<Bucket, Map<Asker, Many>>,
    /// Sessions whose ends somebody waits for.
    monitored: Map<Incarnation, Set<Lease>>,
    /// Changes of keys, numbered in the order in which this seat learned of them; of each key only the last.
    log: Map<u64, KeyId>,
    numbers: Map<KeyId, u64>,
    last: u64,
}

#[derive(Clone)]
struct Many {
    prefix: String,
    after: u64,
}

impl Watches {
    /// Nodes whose ends somebody waits for.
    pub(super) fn lives(&self) -> impl Iterator<Item = &Incarnation> {
        self.monitored.keys()
    }

    pub(super) fn monitors(&self, incarnation: &Incarnation) -> bool {
        self.monitored.contains_key(incarnation)
    }

    pub(super) fn monitored(&self, incarnation: &Incarnation) -> Vec<Lease> {
        self.monitored.get(incarnation).into_iter().flatten().cloned().collect()
    }

    fn number(&mut self, id: &KeyId) {
        // Of the cluster's own registers only the library's are watched in numbers.
        if matches!(id.bucket.name(), ENDS | "$founding" | "$seat") {
            return;
        }
        self.last += 1;
        if let Some(before) = self.numbers.insert(id.clone(), self.last) {
            self.log.remove(&before);
        }
        self.log.insert(self.last, id.clone());
    }

    fn forget(&mut self, id: &KeyId, asker: Asker) {
        let Some(askers) = self.keys.get_mut(id) else { return };
        askers.remove(&asker);
        if !askers.is_empty() {
            return;
        }
        self.keys.remove(id);
        if let Some(lease) = monitored(id)
            && let Some(session) = lease.session()
            && let Some(leases) = self.monitored.get_mut(&session.incarnation)
        {
            leases.remove(&lease);
            if leases.is_empty() {
                self.monitored.remove(&session.incarnation);
            }
        }
    }
}

/// The session whose end register this is.
fn monitored(id: &KeyId) -> Option<Lease> {
    if id.bucket.name() != ENDS {
        return None;
    }
    Lease::of_end(id).ok().filter(|lease| lease.session().is_some())
}

impl Replica {
    /// Somebody wants to know of the first state of a key that comes after this one.
    pub(super) fn watch(&mut self, asker: Asker, id: &KeyId, after: Version) {
        if let Some(lease) = monitored(id)
            && let Some(session) = lease.session()
        {
            self.watches.monitored.entry(session.incarnation).or_default().insert(lease);
        }
        self.watches.keys.entry(id.clone()).or_default().insert(asker, after);
        if self.store.state(id).0 > after {
            self.tell_watcher_of(id, asker);
        }
    }

    /// Somebody wants to know of changes of a bucket's keys.
    pub(super) fn watch_many(
        &mut self,
        asker: Asker,
        bucket: &Bucket,
        prefix: String,
        after: Option<Cursor>,
    ) {
        // What another seat, or an earlier start of this one, has counted says nothing here.
        let after = after
            .filter(|cursor| cursor.incarnation == self.incarnation() && cursor.number <= self.watches.last);
        let first = after.is_none();
        let many = Many { prefix, after: after.map_or(0, |cursor| cursor.number) };
        self.watches.buckets.entry(bucket.clone()).or_default().insert(asker, many);
        self.tell_watcher_of_many(bucket, asker, first);
    }

    /// Somebody does not wait any more.
    pub(super) fn stop_watching(&mut self, id: &KeyId, asker: Asker) {
        self.watches.forget(id, asker);
    }

    pub(super) fn stop_watching_many(&mut self, bucket: &Bucket, asker: Asker) {
        if let Some(askers) = self.watches.buckets.get_mut(bucket) {
            askers.remove(&asker);
            if askers.is_empty() {
                self.watches.buckets.remove(bucket);
            }
        }
    }

    /// Tells those who wait for it what has changed.
    pub(super) fn tell_watchers(&mut self) {
        let changed: Set<KeyId> = self.store.take_changed().into_iter().collect();
        let mut buckets = Set::new();
        for id in &changed {
            self.watches.number(id);
            self.look_for_own_end(id);
            if self.watches.keys.contains_key(id) {
                self.tell_watchers_of(id);
            }
            if self.watches.buckets.contains_key(&id.bucket) {
                buckets.insert(id.bucket.clone());
            }
        }
        for bucket in buckets {
            let askers: Vec<Asker> =
                self.watches.buckets.get(&bucket).into_iter().flat_map(Map::keys).copied().collect();
            for asker in askers {
                self.tell_watcher_of_many(&bucket, asker, false);
            }
        }
    }

    fn tell_watchers_of(&mut self, id: &KeyId) {
        let version = self.store.state(id).0;
        let Some(askers) = self.watches.keys.get(id) else { return };
        let due: Vec<Asker> =
            askers.iter().filter(|(_, after)| version > **after).map(|(asker, _)| *asker).collect();
        for asker in due {
            self.tell_watcher_of(id, asker);
        }
    }

    fn tell_watcher_of(&mut self, id: &KeyId, asker: Asker) {
        self.watches.forget(id, asker);
        let (Version { generation, .. }, entry) = self.store.state(id);
        let outcome = match entry.cloned() {
            Some(entry) => Outcome::Value { entry, generation, won: false },
            None => Outcome::Absent { generation },
        };
        self.answer_asker(asker, outcome);
    }

    /// Answers a watcher of many keys with a page, if there is anything on it, or if it must be told where it is.
    fn tell_watcher_of_many(&mut self, bucket: &Bucket, asker: Asker, first: bool) {
        let Some(many) = self.watches.buckets.get(bucket).and_then(|askers| askers.get(&asker)) else {
            return;
        };
        let (mut items, mut bytes, mut number, mut more) = (Vec::new(), 0, self.watches.last, false);
        for (at, id) in self.watches.log.range(many.after.saturating_add(1)..) {
            if id.bucket != *bucket || !has_prefix(&id.key, &many.prefix) {
                continue;
            }
            let (version, entry) = self.store.state(id);
            if version == Version::default() {
                continue; // asked about, or accepted, and nothing more
            }
            bytes += id.key.cbor().len()
                + entry.map_or(0, |entry| entry.value.cbor().len() + 40 * entry.leases.len());
            if items.len() == PAGE || bytes > PAGE_BYTES && !items.is_empty() {
                more = true;
                break;
            }
            number = *at;
            items.push(Change { key: id.key.clone(), generation: version.generation, entry: entry.cloned() });
        }
        if !more {
            number = self.watches.last;
        }
        if items.is_empty() && !first {
            // So that what was looked at is not looked at again.
            if let Some(many) = self.watches.buckets.get_mut(bucket).and_then(|askers| askers.get_mut(&asker))
            {
                many.after = number;
            }
            return;
        }
        self.stop_watching_many(bucket, asker);
        let cursor = Cursor { incarnation: self.incarnation(), number };
        self.answer_asker(asker, Outcome::Changes { cursor, items, more });
    }
}

/// Whether a key is a text that begins so.
pub(super) fn has_prefix(key: &Key, prefix: &str) -> bool {
    prefix.is_empty() || key.text().is_some_and(|text| text.starts_with(prefix))
}
