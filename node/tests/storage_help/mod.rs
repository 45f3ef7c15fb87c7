//! What the tests of the storage have in common.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::Path;

use futures::executor::block_on;
use paxoskv::storage::LogStorage;
use paxoskv_core::storage::{Batch, Loaded, Record, StorageError};
use paxoskv_core::{Opening, Storage};

pub fn record(key: &[u8], value: &[u8]) -> Record {
    Record { key: key.to_vec(), value: value.to_vec() }
}

pub fn batch(opening: u64, puts: &[Record], removes: &[&[u8]]) -> Batch {
    Batch {
        opening: Opening(opening),
        puts: puts.to_vec(),
        removes: removes.iter().map(|key| key.to_vec()).collect(),
    }
}

pub fn load(storage: &mut LogStorage) -> Result<Loaded, StorageError> {
    block_on(storage.open()).map(|mut loaded| {
        loaded.records.sort_by(|a, b| a.key.cmp(&b.key));
        loaded
    })
}

pub fn apply(storage: &mut LogStorage, batch: Batch) -> Result<(), StorageError> {
    block_on(storage.apply(batch))
}

/// Opens and loads, as a seat does.
pub fn open_and_load(dir: &Path) -> Result<Loaded, StorageError> {
    load(&mut LogStorage::open(dir)?)
}

/// A folder with a store of 100 records, and what opening it again gives.
pub fn filled() -> (tempfile::TempDir, Loaded) {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = LogStorage::open(dir.path()).unwrap();
    let records: Vec<_> = (0..100u32)
        .map(|n| record(format!("key {n:03}").as_bytes(), format!("the value {n:03}").repeat(9).as_bytes()))
        .collect();
    load(&mut storage).unwrap();
    apply(&mut storage, batch(1, &records, &[])).unwrap();
    drop(storage);
    (dir, Loaded { opening: Opening(2), records })
}
