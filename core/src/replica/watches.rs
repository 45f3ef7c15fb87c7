//! Who is notified of changes (`docs/protocol.md`, "Watching").
//!
//! A watcher asks with the state it knows, and is answered once this seat has learned of a later one. Then it asks again
//! with that. So a slow watcher skips states by itself, nothing queues up for it, and it can go on at any other seat.

use super::context::{Context, Event};
use super::names::{Origin, Slot};
use super::outbox::PAGE_BYTES;
use super::registers::Registers;
use crate::sorted::{Gather, Map, Set};
use crate::types::{Bootstrap, Bucket, ENDS, Incarnation, Key, KeyId, Lease};
use crate::wire::{Change, Cursor, Outcome, Version};

/// A page of changes has at most so many keys, and [`PAGE_BYTES`].
const PAGE: usize = 1_000;

/// See the [module](self). Watchers of one key are with that key, in [`Registers`].
#[derive(Clone, Default)]
pub(super) struct Watches {
    buckets: Map<Bucket, Map<Origin, Many>>,
    /// Sessions whose ends are waited for.
    monitored: Map<Incarnation, Set<Lease>>,
    /// Changes of keys, numbered in the order in which this seat learned of them; of each key only the last.
    log: Map<u64, Slot>,
    last: u64,
}

/// A watcher of many keys.
#[derive(Clone)]
struct Many {
    prefix: String,
    after: u64,
}

/// The session whose end register this is.
fn monitored(id: &KeyId) -> Option<(Incarnation, Lease)> {
    if id.bucket().name() != ENDS {
        return None;
    }
    let lease = Lease::of_end(id).ok()?;
    lease.session().map(|session| (session.incarnation, lease))
}

impl Watches {
    /// Nodes whose ends are waited for.
    pub(super) fn monitored_incarnations(&self) -> impl Iterator<Item = &Incarnation> {
        self.monitored.keys()
    }

    pub(super) fn is_monitored(&self, incarnation: &Incarnation) -> bool {
        self.monitored.contains_key(incarnation)
    }

    pub(super) fn monitored_sessions(&self, incarnation: &Incarnation) -> Vec<Lease> {
        self.monitored.get(incarnation).into_iter().flatten().cloned().gather()
    }

    /// A request waits for the first state of a key that comes after this one.
    pub(super) fn watch(
        &mut self,
        cx: &mut Context,
        registers: &mut Registers,
        origin: Origin,
        id: &KeyId,
        after: Version,
    ) {
        if let Some((incarnation, lease)) = monitored(id) {
            self.monitored.entry(incarnation).or_default().insert(lease);
        }
        let slot = registers.open(id);
        registers.watch(slot, origin, after);
        self.notify(cx, registers, slot);
    }

    /// A request waits for changes of a bucket's keys.
    pub(super) fn watch_many(
        &mut self,
        cx: &mut Context,
        registers: &Registers,
        origin: Origin,
        (bucket, prefix): (&Bucket, String),
        after: Option<Cursor>,
    ) {
        // What another seat, or an earlier start of this one, has counted says nothing here.
        let own = cx.me.incarnation();
        let after = after.filter(|cursor| cursor.incarnation == own && cursor.number <= self.last);
        let first = after.is_none();
        let many = Many { prefix, after: after.map_or(0, |cursor| cursor.number) };
        self.buckets.entry(bucket.clone()).or_default().insert(origin, many);
        self.notify_of_many(cx, registers, bucket, origin, first);
    }

    /// A request for a key does not wait any more.
    pub(super) fn forget(&mut self, registers: &Registers, id: &KeyId) {
        if let Some((incarnation, lease)) = monitored(id)
            && !registers.is_watched(id)
            && let Some(leases) = self.monitored.get_mut(&incarnation)
        {
            leases.remove(&lease);
            if leases.is_empty() {
                self.monitored.remove(&incarnation);
            }
        }
    }

    /// A request for a bucket's changes does not wait any more.
    pub(super) fn forget_many(&mut self, bucket: &Bucket, origin: Origin) {
        if let Some(watchers) = self.buckets.get_mut(bucket) {
            watchers.remove(&origin);
            if watchers.is_empty() {
                self.buckets.remove(bucket);
            }
        }
    }

    /// Notifies those that wait for changes of these keys.
    pub(super) fn notify_all(&mut self, cx: &mut Context, registers: &mut Registers, changed: &Set<Slot>) {
        let mut buckets = Vec::new();
        for slot in changed {
            let Some(id) = registers.id(*slot).cloned() else { continue };
            self.number(registers, *slot, &id);
            self.notify(cx, registers, *slot);
            if self.buckets.contains_key(id.bucket()) && !buckets.contains(id.bucket()) {
                buckets.push(id.bucket().clone());
            }
        }
        for bucket in buckets {
            let watchers = self.buckets.get(&bucket).into_iter().flat_map(Map::keys);
            for origin in watchers.copied().gather() {
                self.notify_of_many(cx, registers, &bucket, origin, false);
            }
        }
    }

    fn number(&mut self, registers: &mut Registers, slot: Slot, id: &KeyId) {
        // Of the cluster's own registers only the library's are watched in numbers.
        if id.bucket().name() == ENDS || Bootstrap::decides_seats(id) {
            return;
        }
        self.last += 1;
        let before = registers.number_change(slot, self.last);
        self.log.remove(&before);
        self.log.insert(self.last, slot);
    }

    /// Notifies those that wait for a later state of a key.
    fn notify(&mut self, cx: &mut Context, registers: &mut Registers, slot: Slot) {
        let due = registers.take_watchers(slot);
        if due.is_empty() {
            return;
        }
        let (Version { generation, .. }, entry) = registers.state(slot);
        let outcome = match entry.cloned() {
            Some(entry) => Outcome::Value { entry, generation, won: false },
            None => Outcome::Absent { generation },
        };
        for origin in due {
            cx.emit(Event::Answer(origin, outcome.clone()));
        }
        if let Some(id) = registers.id(slot).cloned() {
            self.forget(registers, &id);
        }
        registers.close(slot);
    }

    /// Answers a watcher of many keys with a page, if there is anything on it, or if it must be told where it is.
    fn notify_of_many(
        &mut self,
        cx: &mut Context,
        registers: &Registers,
        bucket: &Bucket,
        origin: Origin,
        first: bool,
    ) {
        let Some(many) = self.buckets.get(bucket).and_then(|watchers| watchers.get(&origin)) else { return };
        let (items, number, more) = self.page(registers, bucket, many);
        if items.is_empty() && !first {
            // So that what was looked at is not looked at again.
            if let Some(many) = self.buckets.get_mut(bucket).and_then(|watchers| watchers.get_mut(&origin)) {
                many.after = number;
            }
            return;
        }
        self.forget_many(bucket, origin);
        let cursor = Cursor { incarnation: cx.me.incarnation(), number };
        cx.emit(Event::Answer(origin, Outcome::Changes { cursor, items, more }));
    }

    /// Changes that a watcher of many keys has not seen, up to which number they go, and whether there are more.
    fn page(&self, registers: &Registers, bucket: &Bucket, many: &Many) -> (Vec<Change>, u64, bool) {
        let (mut items, mut bytes, mut upto) = (Vec::new(), 0, self.last);
        for (number, slot) in self.log.range(many.after.saturating_add(1)..) {
            let Some(id) = registers.id(*slot) else { continue };
            if id.bucket() != bucket || !has_prefix(id.key(), &many.prefix) {
                continue;
            }
            let (version, entry) = registers.state(*slot);
            if version == Version::default() {
                continue; // asked about, or accepted, and nothing more
            }
            bytes += id.key().cbor().len()
                + entry.map_or(0, |entry| entry.value.cbor().len() + 40 * entry.leases.len());
            if items.len() == PAGE || bytes > PAGE_BYTES && !items.is_empty() {
                return (items, upto, true);
            }
            upto = *number;
            let key = id.key().clone();
            items.push(Change { key, generation: version.generation, entry: entry.cloned() });
        }
        (items, self.last, false)
    }
}

/// Whether a key is a text that begins so.
pub(super) fn has_prefix(key: &Key, prefix: &str) -> bool {
    prefix.is_empty() || key.text().is_some_and(|text| text.starts_with(prefix))
}
