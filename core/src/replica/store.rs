//! Whose store this is, and the batches that make durable what it remembers.
//!
//! All of a store's rows are in memory, in [`Registers`]; what changed in a turn goes to disk in one batch.

use std::time::Duration;

use super::context::{Context, Identity};
use super::registers::{Registers, Row};
use crate::codec::{Malformed, Reader, decode, encode, wire_struct};
use crate::random::Random;
use crate::sorted::Map;
use crate::storage::{Batch, Loaded, Record};
use crate::types::{Error, KeyId, NodeId, Opening, Seat, StoreId};

/// The version of the disk format.
const FORMAT: u32 = 1;

/// The head of an array of two: a key id begins with it.
const KEY_ID: u8 = 0x82;

/// The head of a string of 16 bytes: a store id begins with it.
const STORE_ID: u8 = 0x50;

/// Whose store this is: the record under the key `"meta"`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meta {
    format: u32,
    cluster: String,
    cluster_size: u32,
    seat: Option<Seat>,
    store: StoreId,
    node: NodeId,
    boot: u64,
}

wire_struct!(Meta { format, cluster, cluster_size, seat, store, node, boot });

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Store {
    meta: Meta,
    opening: Opening,
    meta_is_dirty: bool,
    /// Up to which number this store knows what others have learned.
    seen: Map<StoreId, u64>,
    dirty_seen: Vec<StoreId>,
    /// Since when something of that waits for a batch to go with.
    lazy_since: Option<Duration>,
}

impl Store {
    /// What a node without a seat has: a name, and nothing to remember.
    pub(super) fn observer(random: &mut Random) -> Self {
        let name = random.name();
        let (format, cluster, cluster_size, seat, boot) = (FORMAT, String::new(), 0, None, 1);
        let (store, node) = (StoreId(name), NodeId(name));
        let meta = Meta { format, cluster, cluster_size, seat, store, node, boot };
        Self::new(meta, Opening(0))
    }

    fn new(meta: Meta, opening: Opening) -> Self {
        let (seen, dirty_seen) = (Map::new(), Vec::new());
        Self { meta, opening, meta_is_dirty: false, seen, dirty_seen, lazy_since: None }
    }

    /// A seat's store and its rows, from what is on disk; a new one where there is nothing.
    ///
    /// # Errors
    /// [`Error::Storage`] where a record is damaged, or the store is another one's.
    pub(super) fn load(
        (cluster, cluster_size, seat): (&str, u8, Seat),
        loaded: Loaded,
        random: &mut Random,
    ) -> Result<(Self, Registers), Error> {
        let size = u32::from(cluster_size);
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
                Meta { format: FORMAT, cluster, cluster_size: size, seat: Some(seat), store, node, boot: 0 }
            }
        };
        meta.check(cluster, size, seat)?;
        meta.boot = meta.boot.saturating_add(1);
        let mut store = Self::new(meta, loaded.opening);
        store.meta_is_dirty = true;
        let mut registers = Registers::new(cluster.to_owned(), cluster_size);
        for record in loaded.records {
            match record.key.first() {
                Some(&KEY_ID) => {
                    let id: KeyId = decode(&record.key).map_err(damaged)?;
                    registers.load(&id, decode(&record.value).map_err(damaged)?);
                }
                Some(&STORE_ID) => {
                    let id = decode(&record.key).map_err(damaged)?;
                    store.seen.insert(id, decode(&record.value).map_err(damaged)?);
                }
                _ => {}
            }
        }
        registers.loaded();
        Ok((store, registers))
    }

    /// Which node this is, by this store.
    pub(super) fn identity(&self, seat: Option<Seat>) -> Identity {
        let Meta { node, boot, store, .. } = self.meta;
        Identity { seat, node, boot, store, opening: self.opening }
    }

    /// Up to which number this store knows what another has learned.
    pub(super) fn seen(&self, store: StoreId) -> u64 {
        self.seen.get(&store).copied().unwrap_or(0)
    }

    /// This store knows what another has learned up to that number.
    pub(super) fn see(&mut self, now: Duration, store: StoreId, upto: u64) {
        self.seen.insert(store, upto);
        if !self.dirty_seen.contains(&store) {
            self.dirty_seen.push(store);
        }
        self.lazy_since.get_or_insert(now);
    }

    /// Since when something waits for a batch to go with.
    pub(super) fn lazy_since(&self, registers: &Registers) -> Option<Duration> {
        [self.lazy_since, registers.lazy_since()].into_iter().flatten().min()
    }

    /// Whether all is in a batch.
    pub(super) fn is_clean(&self, registers: &Registers) -> bool {
        registers.is_clean() && self.dirty_seen.is_empty() && !self.meta_is_dirty
    }

    /// What has to become durable now, if anything; all of it where the node stops. With `assert`, a batch is made also
    /// where there is nothing to write: it asserts that the store is still this opening's, without which an answer from
    /// memory could be an answer of the past.
    pub(super) fn batch(
        &mut self,
        cx: &Context,
        registers: &mut Registers,
        all: bool,
        assert: bool,
    ) -> Option<Batch> {
        let overdue = |since: Duration| cx.now >= since.saturating_add(cx.settings.lazy_write) || all;
        let waited = self.lazy_since(registers).is_some_and(overdue);
        let write = waited || registers.is_urgent() || self.meta_is_dirty;
        if !write && !assert {
            return None;
        }
        let mut puts = Vec::new();
        if write {
            if std::mem::take(&mut self.meta_is_dirty) {
                puts.push(Record { key: meta_key(), value: encode(&self.meta) });
            }
            puts.extend(registers.take_dirty());
            for store in std::mem::take(&mut self.dirty_seen) {
                puts.push(Record { key: encode(&store), value: encode(&self.seen(store)) });
            }
            self.lazy_since = None;
        }
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

/// What a record says of a key, if it is about one: for tools and tests that look at a store from outside.
pub fn stored_acceptor(record: &Record) -> Option<(KeyId, crate::paxos::Acceptor)> {
    let row: Row = decode(&record.value).ok()?;
    Some((decode(&record.key).ok()?, row.acceptor))
}
