//! A store that another process has taken over: no batch succeeds any more, an empty one neither.

#![allow(clippy::unwrap_used)] // also in helpers: a test that cannot go on has failed

mod storage_help;
use storage_help::*;

use std::io;
use std::sync::Arc;

use paxoskv::storage::{RedbStorage, StorageBackend};
use paxoskv_core::Opening;
use paxoskv_core::storage::StorageError;
use redb::backends::InMemoryBackend;

#[test]
fn a_batch_with_an_old_opening_is_refused_whole() {
    let (dir, before) = filled();
    let mut storage = RedbStorage::open(dir.path()).unwrap();
    assert_eq!(load(&mut storage).unwrap().opening, Opening(2));

    let late = apply(&mut storage, batch(1, &[record(b"late", b"!")], &[b"key 000"])).unwrap_err();
    assert_eq!(late, StorageError::TakenOver { found: Opening(2), expected: Opening(1) });
    let after = apply(&mut storage, batch(2, &[record(b"after", b"!")], &[])).unwrap_err();
    assert_eq!(after, late, "a store that was taken over is not written any more");

    drop(storage);
    let reopened = open_and_load(dir.path()).unwrap();
    assert_eq!((reopened.opening, reopened.records), (Opening(3), before.records));
}

/// A medium without locks, like a file on some network file systems.
#[derive(Clone, Debug, Default)]
struct Unlocked(Arc<InMemoryBackend>);

impl StorageBackend for Unlocked {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.write(offset, data)
    }
}

/// Opens a store, writes to it, and opens it a second time; gives both.
fn opened_twice(medium: &Unlocked) -> (RedbStorage, RedbStorage) {
    let mut first = RedbStorage::on_backend("unlocked memory", medium.clone()).unwrap();
    assert_eq!(load(&mut first).unwrap().opening, Opening(1));
    apply(&mut first, batch(1, &[record(b"a", b"1")], &[])).unwrap();
    apply(&mut first, batch(1, &[], &[])).unwrap();
    let mut second = RedbStorage::on_backend("unlocked memory", medium.clone()).unwrap();
    let loaded = load(&mut second).unwrap();
    assert_eq!((loaded.opening, loaded.records), (Opening(2), vec![record(b"a", b"1")]));
    (first, second)
}

const TAKEN_OVER: StorageError = StorageError::TakenOver { found: Opening(2), expected: Opening(1) };

#[test]
fn without_locks_an_empty_batch_notices_that_the_store_was_taken_over() {
    let (mut first, mut second) = opened_twice(&Unlocked::default());
    assert_eq!(apply(&mut first, batch(1, &[], &[])), Err(TAKEN_OVER));
    assert_eq!(apply(&mut first, batch(1, &[], &[])), Err(TAKEN_OVER), "and it stays so");
    apply(&mut second, batch(2, &[], &[])).unwrap();
}

#[test]
fn without_locks_a_late_write_changes_nothing() {
    let medium = Unlocked::default();
    let (mut first, mut second) = opened_twice(&medium);
    assert_eq!(apply(&mut first, batch(1, &[record(b"a", b"late")], &[])), Err(TAKEN_OVER));
    apply(&mut second, batch(2, &[record(b"b", b"2")], &[])).unwrap();
    // Its end must not write either. What the second store has answered is there after all that.
    drop(first);
    apply(&mut second, batch(2, &[record(b"c", b"3")], &[])).unwrap();
    drop(second);
    let loaded = load(&mut RedbStorage::on_backend("unlocked memory", medium).unwrap()).unwrap();
    let expected = [record(b"a", b"1"), record(b"b", b"2"), record(b"c", b"3")];
    assert_eq!((loaded.opening, &*loaded.records), (Opening(3), &expected[..]));
}
