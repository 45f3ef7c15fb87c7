//! A seat's store in IndexedDB.
//!
//! One database a seat, `paxoskv/<cluster>/<seat>`, shared by all tabs of the origin; who has the seat's lock has it
//! open. Should two have it open all the same (a browser that gave a lock away while its holder stood still), the
//! opening tells them apart: each transaction asserts it.
//!
//! | object store | key | value |
//! |---|---|---|
//! | `meta` | `"opening"` | the store's opening, 8 bytes little-endian |
//! | `records` | a record's key, as bytes | its value |
//!
//! Each value follows a checksum: 8 bytes of SHA-256 over key and value. The version of the database is that of this
//! format. Transactions are strictly durable: complete only once they are on the disk.
//!
//! A site's data may be deleted at any time. While the store is open, that closes it, and it fails from then on; a
//! store that is gone when it is opened is a new one, with an id of its own, which the cluster does not take for the
//! old one.
//!
//! On web-sys itself, rather than on a wrapper with futures: a batch is one pipeline of requests whose verdict falls in
//! the callback of the first, so that it does not depend on when a future is polled.

mod database;
mod format;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use paxoskv_core::Opening;
use paxoskv_core::storage::{Batch, Loaded, Record, Storage, StorageError};
use wasm_bindgen::JsValue;
use web_sys::IdbObjectStore;

use database::{Database, Mode, explain, failed};
use format::{OPENING, read_opening, seal, sealed_opening, unseal};

const META: &str = "meta";
const RECORDS: &str = "records";
/// The version of what this code writes and reads.
const VERSION: u32 = 1;
/// How many records are read at a time.
const CHUNK: u32 = 256;

/// The store of one seat; not there before it is opened.
pub(crate) struct IndexedDb {
    name: String,
    state: State,
}

enum State {
    Closed,
    Open(Database),
    /// Something has failed: what is on the disk is not known any more.
    Poisoned(StorageError),
}

impl IndexedDb {
    /// The store of that seat of that cluster, on this origin.
    pub(crate) fn new(cluster: &str, seat: u8) -> Self {
        Self { name: format!("paxoskv/{cluster}/{seat}"), state: State::Closed }
    }

    async fn try_open(&self) -> Result<(Database, Loaded), StorageError> {
        let database = Database::open(&self.name, VERSION, &[META, RECORDS]).await?;
        let transaction = database.begin(Mode::Write)?;
        let meta = transaction.store(META)?;
        let before = read_opening(transaction.result(meta.get(&OPENING.into())).await?)?;
        let opening = before.map_or(Opening(1), Opening::next);
        meta.put_with_key(&sealed_opening(opening), &OPENING.into()).map_err(|error| failed(&error))?;
        let store = transaction.store(RECORDS)?;
        let mut records = Vec::new();
        while let Some(chunk) = transaction.chunk(&store, last_key(&records), CHUNK).await? {
            for (key, sealed) in chunk {
                let value = unseal(&key, &sealed)?.to_vec();
                records.push(Record { key, value });
            }
        }
        if before.is_none() && !records.is_empty() {
            return Err(format::damaged("it has records, but has lost the number of its opening"));
        }
        transaction.done().await?;
        Ok((database, Loaded { opening, records }))
    }
}

fn last_key(records: &[Record]) -> Option<&[u8]> {
    records.last().map(|record| record.key.as_slice())
}

impl Storage for IndexedDb {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        self.state = State::Closed;
        let (database, loaded) = self.try_open().await?;
        self.state = State::Open(database);
        Ok(loaded)
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        let result = match &self.state {
            State::Open(database) => write(database, batch).await,
            State::Poisoned(why) => Err(why.clone()),
            State::Closed => Err(StorageError::Failed("the store is not open".into())),
        };
        if let Err(why) = &result {
            self.state = State::Poisoned(why.clone());
        }
        result
    }
}

/// All requests go out at once. The first one's answer says whether the store is still ours; if not, it takes the
/// others back before anything is durable.
async fn write(database: &Database, batch: Batch) -> Result<(), StorageError> {
    let expected = batch.opening;
    let asserts_only = batch.puts.is_empty() && batch.removes.is_empty();
    let transaction = database.begin(if asserts_only { Mode::Read } else { Mode::Write })?;
    let verdict = Rc::new(RefCell::new(None));
    let judge = {
        let (transaction, verdict) = (transaction.inner().clone(), Rc::clone(&verdict));
        move |found: Result<Option<Opening>, StorageError>| {
            let wrong = match found {
                Ok(Some(found)) if found == expected => return,
                Ok(Some(found)) => StorageError::TakenOver { found, expected },
                Ok(None) => format::damaged("its opening is gone"),
                Err(damaged) => damaged,
            };
            *verdict.borrow_mut() = Some(wrong);
            let _ = transaction.abort();
        }
    };
    let question = transaction.store(META)?.get(&OPENING.into()).map_err(|error| failed(&error))?;
    let _judging = database::on_result(&question, move |result| judge(read_opening(result)));
    if !asserts_only && let Err(error) = change(&transaction.store(RECORDS)?, &batch) {
        let _ = transaction.inner().abort();
        return Err(StorageError::Failed(format!("the browser does not take a record: {}", explain(&error))));
    }
    let done = transaction.done().await;
    let verdict = verdict.borrow_mut().take();
    verdict.map_or(done, Err)
}

fn change(records: &IdbObjectStore, batch: &Batch) -> Result<(), JsValue> {
    for Record { key, value } in &batch.puts {
        records.put_with_key(&seal(key, value), &format::bytes(key))?;
    }
    for key in &batch.removes {
        records.delete(&format::bytes(key))?;
    }
    Ok(())
}
