//! A seat's store in IndexedDB.
//!
//! Each seat has a database, `paxoskv/<cluster>/<seat>`, shared by all tabs of the origin. The tab with the seat's lock has
//! it open. If two tabs have it open all the same (a browser gave the lock away while its holder stood still), the opening
//! tells them apart: each transaction asserts it.
//!
//! | object store | key | value |
//! |---|---|---|
//! | `meta` | `"opening"` | the store's opening, 8 bytes little-endian |
//! | `log` | 1, 2, 3 … | changes of records, each on top of those before: see [`format`] |
//!
//! A batch is one entry of the log, since a browser's database takes long for records, not for bytes. A log that is much
//! longer than its records is rewritten, while the store is open and when it is opened.
//!
//! Before each value is a checksum: 8 bytes of SHA-256 over key and value. The database's version is this format's.
//! Transactions are strictly durable: they are complete only once they are on the disk.
//!
//! A site's data may be deleted at any time. Deletion closes a store that is open, which fails from then on. A store that is
//! opened after its deletion is a new one, with a new id, and the cluster refuses it in that seat.
//!
//! This is built on web-sys itself, not on a wrapper with futures. A batch is one pipeline of requests, which is judged in
//! the callback of the first request, so that it does not depend on when a future is polled. And a future that is dropped
//! aborts its transaction.

mod database;
mod format;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use paxoskv_core::Opening;
use paxoskv_core::storage::{Batch, Loaded, Record, Storage, StorageError};
use paxoskv_sorted::Map;
use wasm_bindgen::JsValue;
use web_sys::IdbObjectStore;

use database::{Database, Mode, Transaction, explain, failed};
use format::{Change, OPENING, read_opening, sealed_opening};

const META: &str = "meta";
const LOG: &str = "log";
/// The version of what this code writes and reads.
const VERSION: u32 = 1;
/// How many entries are read at a time.
const CHUNK: u32 = 16;
/// An open log is rewritten once it has grown by so many times its length after the last rewrite, and by so many bytes.
const GROWTH: usize = 4;
const LEAST: usize = 8 << 20;
/// When it is opened, a log is rewritten where it is twice as long as its records, and longer by this.
const LEAST_AT_OPENING: usize = 64 << 10;

/// The store of one seat.
pub(crate) struct IndexedDb {
    name: String,
    state: State,
}

enum State {
    Closed,
    Open(Log),
    /// An operation has failed, so it is not known what is on the disk.
    Poisoned(StorageError),
}

/// An open store.
struct Log {
    database: Database,
    opening: Opening,
    /// The number of the next entry.
    next: u64,
    /// Its length after the last rewrite, and its growth since then, in bytes.
    dense: usize,
    grown: usize,
}

impl IndexedDb {
    /// The store of a seat, on this origin.
    pub(crate) fn new(cluster: &str, seat: u8) -> Self {
        Self { name: format!("paxoskv/{cluster}/{seat}"), state: State::Closed }
    }

    async fn try_open(&self) -> Result<(Log, Loaded), StorageError> {
        let database = Database::open(&self.name, VERSION, &[META, LOG]).await?;
        let transaction = database.begin(Mode::Write)?;
        let meta = transaction.store(META)?;
        let before = read_opening(transaction.result(meta.get(&OPENING.into())).await?)?;
        let opening = before.map_or(Opening(1), Opening::next);
        meta.put_with_key(&sealed_opening(opening), &OPENING.into()).map_err(|error| failed(&error))?;
        let store = transaction.store(LOG)?;
        let Read { records, mut next, length } = read(&transaction, &store).await?;
        if before.is_none() && !records.is_empty() {
            return Err(format::damaged("it has records, but has lost the number of its opening"));
        }
        let mut dense = records.iter().map(format::length).sum();
        if length > 2 * dense + LEAST_AT_OPENING {
            next = rewrite(&store, next, &records).map_err(|error| failed(&error))?;
        } else {
            dense = length;
        }
        transaction.done().await?;
        Ok((Log { database, opening, next, dense, grown: 0 }, Loaded { opening, records }))
    }
}

/// The contents of a log.
struct Read {
    records: Vec<Record>,
    /// The number of the next entry.
    next: u64,
    length: usize,
}

async fn read(transaction: &Transaction, log: &IdbObjectStore) -> Result<Read, StorageError> {
    let (mut changes, mut next, mut length) = (Vec::new(), 1, 0);
    while let Some(chunk) = transaction.chunk(log, next, CHUNK).await? {
        for (number, sealed) in chunk {
            length += sealed.len();
            format::read_entry(number, &sealed, &mut changes)?;
            next = number + 1;
        }
    }
    Ok(Read { records: merged(changes), next, length })
}

/// The records after all changes.
fn merged(changes: Vec<Change>) -> Vec<Record> {
    let mut last = Map::new();
    last.extend(changes.into_iter().map(|Change { key, value }| (key, value)));
    last.into_iter().filter_map(|(key, value)| Some(Record { key, value: value? })).collect()
}

/// Replaces the log by its records; gives the number of the next entry.
fn rewrite(log: &IdbObjectStore, next: u64, records: &[Record]) -> Result<u64, JsValue> {
    log.clear()?;
    append(log, next, records, &[])
}

/// Adds entries; gives the number of the next one.
fn append(log: &IdbObjectStore, mut next: u64, puts: &[Record], removes: &[Vec<u8>]) -> Result<u64, JsValue> {
    for entry in format::entries(puts, removes) {
        log.put_with_key(&format::seal_entry(next, &entry), &format::number(next))?;
        next += 1;
    }
    Ok(next)
}

impl Storage for IndexedDb {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        self.state = State::Closed;
        let (log, loaded) = self.try_open().await?;
        self.state = State::Open(log);
        Ok(loaded)
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        let result = match &mut self.state {
            State::Open(log) => log.apply(batch).await,
            State::Poisoned(why) => Err(why.clone()),
            State::Closed => Err(StorageError::Failed("the store is not open".into())),
        };
        if let Err(why) = &result {
            self.state = State::Poisoned(why.clone());
        }
        result
    }
}

impl Log {
    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.write(&batch).await?;
        if self.grown > (GROWTH * self.dense).max(LEAST) {
            // A log that stays long does no harm, unless it belongs to a later opening. It is tried again later.
            self.grown = 0;
            if let Err(taken @ StorageError::TakenOver { .. }) = self.rewrite().await {
                return Err(taken);
            }
        }
        Ok(())
    }

    /// All requests are made at once. The first one's answer shows whether the store is still ours. If not, the transaction
    /// is aborted before anything is durable.
    async fn write(&mut self, batch: &Batch) -> Result<(), StorageError> {
        let expected = batch.opening;
        let asserts_only = batch.puts.is_empty() && batch.removes.is_empty();
        let transaction = self.database.begin(if asserts_only { Mode::Read } else { Mode::Write })?;
        let verdict = Rc::new(RefCell::new(None));
        let judge = {
            let (transaction, verdict) = (transaction.inner().clone(), Rc::clone(&verdict));
            move |found: Result<Option<Opening>, StorageError>| {
                let Err(wrong) = is_ours(found, expected) else { return };
                *verdict.borrow_mut() = Some(wrong);
                let _ = transaction.abort();
            }
        };
        let question = transaction.store(META)?.get(&OPENING.into()).map_err(|error| failed(&error))?;
        let _judging = database::on_result(&question, move |result| judge(read_opening(result)));
        if !asserts_only {
            let store = transaction.store(LOG)?;
            match append(&store, self.next, &batch.puts, &batch.removes) {
                Ok(next) => self.next = next,
                Err(error) => {
                    return Err(StorageError::Failed(format!(
                        "the browser does not take a record: {}",
                        explain(&error)
                    )));
                }
            }
            self.grown += batch.puts.iter().map(format::length).sum::<usize>();
            self.grown += batch.removes.iter().map(Vec::len).sum::<usize>();
        }
        let done = transaction.done().await;
        let verdict = verdict.borrow_mut().take();
        verdict.map_or(done, Err)
    }

    /// Rewrites the log.
    async fn rewrite(&mut self) -> Result<(), StorageError> {
        let transaction = self.database.begin(Mode::Write)?;
        let found = transaction.result(transaction.store(META)?.get(&OPENING.into())).await?;
        is_ours(read_opening(found), self.opening)?;
        let store = transaction.store(LOG)?;
        let Read { records, next, .. } = read(&transaction, &store).await?;
        let next = rewrite(&store, next, &records).map_err(|error| failed(&error))?;
        transaction.done().await?;
        self.next = next;
        self.dense = records.iter().map(format::length).sum();
        Ok(())
    }
}

fn is_ours(found: Result<Option<Opening>, StorageError>, expected: Opening) -> Result<(), StorageError> {
    match found? {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(StorageError::TakenOver { found, expected }),
        None => Err(format::damaged("its opening is gone")),
    }
}
