//! What the acceptor remembers, and the batches that make it durable.
//!
//! All of a store's rows are in memory; what changed in a turn goes to disk in one batch. Learned marks alone are
//! *lazy*: they wait a little for a batch to go with. A crash may take them, which is harmless, since what was
//! chosen stays chosen and is learned again.

use std::time::Duration;

use crate::codec::{Malformed, Reader, decode, encode, wire_struct};
use crate::paxos::{Acceptor, AcceptorState};
use crate::random::Random;
use crate::rules::Rules;
use crate::sorted::{Map, Set};
use crate::storage::{Batch, Loaded, Record};
use crate::types::{
    ENDS, Entry, Error, Generation, Incarnation, KeyId, Lease, NodeId, Opening, Register, Seat, StoreId,
};
use crate::wire::{Digest, Version};

/// The version of the disk format.
const FORMAT: u32 = 1;

/// Whose store this is: the record under the key `"meta"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) format: u32,
    pub(super) cluster: String,
    pub(super) cluster_size: u32,
    pub(super) seat: Option<Seat>,
    pub(super) store: StoreId,
    pub(super) node: NodeId,
    pub(super) boot: u64,
}

wire_struct!(Meta { format, cluster, cluster_size, seat, store, node, boot });

/// What is held of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) acceptor: Acceptor,
    /// The number of what was learned last, in this generation or an earlier one, counted by this store; 0 where nothing
    /// was. It stays when the generation moves on, for no number is given out twice.
    learned: u64,
}

wire_struct!(Row { acceptor, learned });

#[derive(Clone)]
pub(super) struct Store {
    pub(super) meta: Meta,
    pub(super) opening: Opening,
    rules: Rules,
    pub(super) rows: Map<KeyId, Row>,
    /// What was learned, by number: for those who missed it.
    log: Map<u64, KeyId>,
    last_learned: u64,
    /// The number that the last batch made durable: later ones a crash may take and give to something else.
    batched_learned: u64,
    /// Up to which number this store knows what others have learned.
    seen: Map<StoreId, u64>,
    pub(super) urgent: Set<KeyId>,
    lazy: Set<KeyId>,
    lazy_seen: Set<StoreId>,
    lazy_since: Option<Duration>,
    meta_is_dirty: bool,
    /// Which keys hang on a lease: those whose entry, accepted or learned, names it.
    leased: Map<Lease, Set<KeyId>>,
    /// Sessions among these that are not known to have ended, by whose they are.
    lives: Map<Incarnation, Set<Lease>>,
    /// And deadlines, by their moments.
    deadlines: Set<(u64, Lease)>,
    /// Keys whose state has changed since somebody looked.
    changed: Vec<KeyId>,
}

impl Store {
    /// What a node without a seat has: a name, and nothing to remember.
    pub(super) fn observer(node: [u8; 16]) -> Self {
        let (format, cluster, cluster_size, seat, boot) = (FORMAT, String::new(), 0, None, 1);
        let meta =
            Meta { format, cluster, cluster_size, seat, store: StoreId(node), node: NodeId(node), boot };
        Self::new(meta, Opening(0), Rules::default())
    }

    fn new(meta: Meta, opening: Opening, rules: Rules) -> Self {
        Self {
            meta,
            opening,
            rules,
            rows: Map::new(),
            log: Map::new(),
            last_learned: 0,
            batched_learned: 0,
            seen: Map::new(),
            urgent: Set::new(),
            lazy: Set::new(),
            lazy_seen: Set::new(),
            lazy_since: None,
            meta_is_dirty: false,
            leased: Map::new(),
            lives: Map::new(),
            deadlines: Set::new(),
            changed: Vec::new(),
        }
    }

    /// A seat's store, from what is on disk; a new one where there is nothing.
    pub(super) fn load(
        cluster: &str,
        cluster_size: u8,
        seat: Seat,
        loaded: Loaded,
        random: &mut Random,
        rules: Rules,
    ) -> Result<Self, Error> {
        let cluster_size = u32::from(cluster_size);
        let found = loaded.records.iter().find(|record| record.key == meta_key());
        let mut meta = match found {
            Some(record) => Meta::read_known(&record.value)?,
            None if !loaded.records.is_empty() => {
                return Err(Error::Storage {
                    why: "the store has lost the record that says whose it is".into(),
                });
            }
            None => {
                let (store, node) = (StoreId(random.name()), NodeId(random.name()));
                let cluster = cluster.to_owned();
                Meta { format: FORMAT, cluster, cluster_size, seat: Some(seat), store, node, boot: 0 }
            }
        };
        meta.check(cluster, cluster_size, seat)?;
        meta.boot += 1;
        let mut store = Self::new(meta, loaded.opening, rules);
        store.meta_is_dirty = true;
        for record in loaded.records {
            match record.key.first() {
                Some(0x82) => {
                    let id: KeyId = decode(&record.key).map_err(damaged)?;
                    let row: Row = decode(&record.value).map_err(damaged)?;
                    store.last_learned = store.last_learned.max(row.learned);
                    store.batched_learned = store.last_learned;
                    if row.acceptor.learned(row.acceptor.generation).is_some() {
                        store.log.insert(row.learned, id.clone());
                    }
                    store.rows.insert(id, row);
                }
                Some(0x50) => {
                    let id = decode(&record.key).map_err(damaged)?;
                    store.seen.insert(id, decode(&record.value).map_err(damaged)?);
                }
                _ => {}
            }
        }
        let ids: Vec<KeyId> = store.rows.keys().cloned().collect();
        for id in &ids {
            store.index(id, Vec::new());
        }
        store.changed = ids;
        Ok(store)
    }

    /// The leases of what is held of a key.
    fn leases_of(&self, id: &KeyId) -> Vec<Lease> {
        let held = self.rows.get(id).and_then(|row| row.acceptor.held.entry());
        held.map(|entry| entry.leases.clone()).unwrap_or_default()
    }

    /// Notes on which leases a key hangs now, and no longer.
    fn index(&mut self, id: &KeyId, before: Vec<Lease>) {
        let now = self.leases_of(id);
        if before == now {
            return;
        }
        for lease in before.iter().filter(|lease| !now.contains(lease)) {
            let Some(keys) = self.leased.get_mut(lease) else { continue };
            keys.remove(id);
            if keys.is_empty() {
                self.leased.remove(lease);
                self.forget_lease(lease);
            }
        }
        for lease in now {
            if !self.has_ended(&lease) {
                match lease {
                    Lease::Session { node, boot, .. } => {
                        self.lives.entry(Incarnation { node, boot }).or_default().insert(lease.clone());
                    }
                    Lease::Deadline { unix_ms, .. } => {
                        self.deadlines.insert((unix_ms, lease.clone()));
                    }
                    Lease::Latch { .. } => {}
                }
            }
            self.leased.entry(lease).or_default().insert(id.clone());
        }
    }

    /// Nothing hangs on a lease any more, or it has ended: nobody need look whether it is over.
    fn forget_lease(&mut self, lease: &Lease) {
        match lease {
            Lease::Session { node, boot, .. } => {
                let incarnation = Incarnation { node: *node, boot: *boot };
                if let Some(sessions) = self.lives.get_mut(&incarnation) {
                    sessions.remove(lease);
                    if sessions.is_empty() {
                        self.lives.remove(&incarnation);
                    }
                }
            }
            Lease::Deadline { unix_ms, .. } => {
                self.deadlines.remove(&(*unix_ms, lease.clone()));
            }
            Lease::Latch { .. } => {}
        }
    }

    /// Nodes on whose lives something hangs here.
    pub(super) fn lives(&self) -> impl Iterator<Item = &Incarnation> {
        self.lives.keys()
    }

    /// Whether something hangs here on a node's life.
    pub(super) fn hangs_on(&self, incarnation: &Incarnation) -> bool {
        self.lives.contains_key(incarnation)
    }

    /// The sessions of a node on which something hangs here, and that are not known to have ended.
    pub(super) fn sessions_of(&self, incarnation: &Incarnation) -> Vec<Lease> {
        self.lives.get(incarnation).into_iter().flatten().cloned().collect()
    }

    /// Deadlines up to a moment, in milliseconds since 1970, that are not known to have ended.
    pub(super) fn deadlines_until(&self, unix_ms: u64) -> Vec<Lease> {
        let until = self.deadlines.iter().take_while(|(at, _)| *at <= unix_ms);
        until.map(|(_, lease)| lease.clone()).collect()
    }

    /// The next deadline, in milliseconds since 1970.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A key's state, as far as this store has learned.
    pub(super) fn state(&self, id: &KeyId) -> (Version, Option<&Entry>) {
        let Some(row) = self.rows.get(id) else { return (Version::default(), None) };
        let generation = row.acceptor.generation;
        match &row.acceptor.held {
            AcceptorState::Learned { entry } if entry.leases.iter().any(|lease| self.has_ended(lease)) => {
                (Version { generation: generation.next(), valued: false }, None)
            }
            AcceptorState::Learned { entry } => (Version { generation, valued: true }, Some(entry)),
            _ => (Version { generation, valued: false }, None),
        }
    }

    /// Keys whose state may have changed since this was asked last.
    pub(super) fn take_changed(&mut self) -> Vec<KeyId> {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn row(&self, id: &KeyId) -> Option<&Row> {
        self.rows.get(id)
    }

    /// The generation a key is in, as far as this store knows.
    pub(super) fn generation(&self, id: &KeyId) -> Generation {
        self.rows.get(id).map_or(Generation(0), |row| row.acceptor.generation)
    }

    /// The entry that is known to be chosen in a key's register.
    pub(super) fn learned(&self, id: &KeyId, generation: Generation) -> Option<&Entry> {
        self.rows.get(id)?.acceptor.learned(generation)
    }

    /// Lets the acceptor of a key do something, and remembers to make durable what that changed.
    pub(super) fn vote<R>(&mut self, id: &KeyId, act: impl FnOnce(&mut Acceptor) -> R) -> R {
        let Some(row) = self.rows.get_mut(id) else {
            let mut row = Row::default();
            let result = act(&mut row.acceptor);
            // To ask about a key must not make one.
            if row.acceptor != Acceptor::default() {
                self.rows.insert(id.clone(), row);
                self.urgent.insert(id.clone());
                self.index(id, Vec::new());
                self.changed.push(id.clone());
            }
            return result;
        };
        let leases = row.acceptor.held.entry().map(|entry| entry.leases.clone()).unwrap_or_default();
        let state = |acceptor: &Acceptor| {
            let at = match &acceptor.held {
                AcceptorState::Accepted { ballot, .. } => Some(*ballot),
                _ => None,
            };
            (acceptor.generation, at)
        };
        let (before, promised) = (state(&row.acceptor), row.acceptor.promised);
        let result = act(&mut row.acceptor);
        let after = state(&row.acceptor);
        if before.0 != after.0 {
            self.log.remove(&row.learned);
            self.changed.push(id.clone());
        }
        if before != after || promised != row.acceptor.promised && self.rules.persist_promises {
            self.urgent.insert(id.clone());
        }
        if before != after {
            self.index(id, leases);
        }
        result
    }

    /// Takes in that an entry was chosen; true where that was news.
    pub(super) fn learn(&mut self, now: Duration, register: &Register, entry: &Entry) -> bool {
        let Register { id, generation } = register;
        if !self.rows.contains_key(id) {
            self.rows.insert(id.clone(), Row::default());
        }
        let leases = self.leases_of(id);
        let Some(row) = self.rows.get_mut(id) else { return false };
        if !row.acceptor.learn(&self.rules, *generation, entry) {
            return false;
        }
        self.log.remove(&row.learned);
        self.last_learned += 1;
        row.learned = self.last_learned;
        self.log.insert(self.last_learned, id.clone());
        self.lazy.insert(id.clone());
        self.lazy_since.get_or_insert(now);
        self.index(id, leases);
        self.changed.push(id.clone());
        if id.bucket.name() == ENDS
            && let Ok(lease) = Lease::of_end(id)
        {
            self.forget_lease(&lease);
            self.changed.extend(self.leased.get(&lease).into_iter().flatten().cloned());
        }
        true
    }

    /// Makes the next batch urgent: what was learned last must not be forgotten.
    pub(super) fn insist(&mut self, id: &KeyId) {
        self.urgent.insert(id.clone());
    }

    /// Which of these leases have ended here. An end counts once it is accepted, not only when it is learned.
    pub(super) fn ended<'a>(&self, leases: impl IntoIterator<Item = &'a Lease>) -> Vec<Lease> {
        let ended = |lease: &&Lease| match self.rows.get(&lease.end()).map(|row| &row.acceptor.held) {
            None | Some(AcceptorState::Empty {}) => false,
            Some(AcceptorState::Accepted { .. }) => self.rules.flag_when_accepted,
            Some(AcceptorState::Learned { .. }) => true,
        };
        leases.into_iter().filter(ended).cloned().collect()
    }

    /// Whether a lease is known to have ended.
    pub(super) fn has_ended(&self, lease: &Lease) -> bool {
        self.learned(&lease.end(), Generation(0)).is_some()
    }

    /// Keys under which something is accepted that is not known to be chosen.
    pub(super) fn unlearned(&self) -> Vec<KeyId> {
        self.rows.iter().filter(|(_, row)| row.acceptor.is_unlearned()).map(|(id, _)| id.clone()).collect()
    }

    /// Rows from a key on, in order.
    pub(super) fn rows_from(&self, from: &KeyId) -> impl Iterator<Item = (&KeyId, &Row)> {
        self.rows.range(from.clone()..)
    }

    /// The number of what was learned last and will not be forgotten.
    pub(super) fn durably_learned(&self) -> u64 {
        self.batched_learned
    }

    /// What was learned after a number, at most `most` registers whose entries have so many bytes (or one that has more);
    /// up to which number that is, and whether there is more.
    pub(super) fn learned_after(
        &self,
        after: u64,
        most: usize,
        most_bytes: usize,
    ) -> (u64, bool, Vec<Digest>) {
        let (mut items, mut bytes) = (Vec::new(), 0);
        let mut upto = after;
        for (number, id) in self.log.range(after.saturating_add(1)..) {
            if *number > self.batched_learned {
                break;
            }
            let row = self.rows.get(id).map(|row| &row.acceptor);
            let held = row.and_then(|acceptor| Some((acceptor.generation, acceptor.held.entry()?)));
            bytes += held.map_or(0, |(_, entry)| id.key.cbor().len() + entry.value.cbor().len());
            if items.len() == most || bytes > most_bytes && !items.is_empty() {
                return (upto, true, items);
            }
            upto = *number;
            if let Some((generation, entry)) = held {
                let register = Register { id: id.clone(), generation };
                items.push(Digest { register, request: entry.request });
            }
        }
        (self.batched_learned.max(after), false, items)
    }

    pub(super) fn seen(&self, store: StoreId) -> u64 {
        self.seen.get(&store).copied().unwrap_or(0)
    }

    pub(super) fn see(&mut self, now: Duration, store: StoreId, upto: u64) {
        self.seen.insert(store, upto);
        self.lazy_seen.insert(store);
        self.lazy_since.get_or_insert(now);
    }

    /// Since when something lazy waits.
    pub(super) fn lazy_since(&self) -> Option<Duration> {
        self.lazy_since
    }

    pub(super) fn is_clean(&self) -> bool {
        self.urgent.is_empty() && self.lazy.is_empty() && self.lazy_seen.is_empty() && !self.meta_is_dirty
    }

    /// What has to become durable now, if anything. With `assert`, a batch is made also where there is nothing to
    /// write: it asserts that the store is still this opening's, without which an answer from memory could be an
    /// answer of the past.
    pub(super) fn batch(
        &mut self,
        now: Duration,
        patience: Duration,
        all: bool,
        assert: bool,
    ) -> Option<Batch> {
        let waited = self.lazy_since.is_some_and(|since| now >= since + patience || all);
        let write = waited || !self.urgent.is_empty() || self.meta_is_dirty;
        if !write && !assert {
            return None;
        }
        if !write {
            return Some(Batch { opening: self.opening, puts: Vec::new(), removes: Vec::new() });
        }
        let mut puts = Vec::new();
        if std::mem::take(&mut self.meta_is_dirty) {
            puts.push(Record { key: meta_key(), value: encode(&self.meta) });
        }
        self.lazy.append(&mut self.urgent);
        for id in std::mem::take(&mut self.lazy) {
            if let Some(row) = self.rows.get(&id) {
                puts.push(Record { key: encode(&id), value: encode(row) });
            }
        }
        for store in std::mem::take(&mut self.lazy_seen) {
            puts.push(Record { key: encode(&store), value: encode(&self.seen(store)) });
        }
        self.lazy_since = None;
        self.batched_learned = self.last_learned;
        Some(Batch { opening: self.opening, puts, removes: Vec::new() })
    }
}

impl Meta {
    /// Reads the record, if it is of the format that this program knows; another format may have other fields.
    fn read_known(bytes: &[u8]) -> Result<Self, Error> {
        let mut r = Reader::new(bytes);
        let format = r.array().and_then(|_| r.uint()).map_err(damaged)?;
        if format != u64::from(FORMAT) {
            let why = format!(
                "the store has format {format}, and this program knows format {FORMAT}: use the program that wrote it"
            );
            return Err(Error::Storage { why });
        }
        decode(bytes).map_err(damaged)
    }

    fn check(&self, cluster: &str, cluster_size: u32, seat: Seat) -> Result<(), Error> {
        let what = if self.cluster != cluster {
            format!("belongs to cluster {:?}, not {cluster:?}", self.cluster)
        } else if self.cluster_size != cluster_size {
            format!("belongs to a cluster of {} seats, not {cluster_size}", self.cluster_size)
        } else if self.seat != Some(seat) {
            let own = self.seat.map_or_else(|| "no seat".into(), |seat| seat.to_string());
            format!("belongs to {own}, not {seat}")
        } else {
            return Ok(());
        };
        Err(Error::Storage {
            why: format!("the store {what}: start it as what it is, or choose another data folder"),
        })
    }
}

fn meta_key() -> Vec<u8> {
    encode(&String::from("meta"))
}

fn damaged(malformed: Malformed) -> Error {
    let why = format!(
        "a record is damaged ({malformed}); the other seats go on without this one, whose store must not be used again"
    );
    Error::Storage { why }
}
