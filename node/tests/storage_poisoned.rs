//! After the medium has failed once, nothing is written any more, even if the medium recovers.

mod storage_help;
use storage_help::*;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use paxoskv::storage::{RedbStorage, StorageBackend};
use paxoskv_core::Opening;
use redb::backends::InMemoryBackend;

/// Memory that can be told to fail.
#[derive(Debug, Default, Clone)]
struct Faulty {
    memory: Arc<InMemoryBackend>,
    broken: Arc<AtomicBool>,
    touched: Arc<AtomicUsize>,
}

impl Faulty {
    fn works(&self) -> Result<(), io::Error> {
        self.touched.fetch_add(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on the test"));
        }
        Ok(())
    }
}

impl StorageBackend for Faulty {
    fn len(&self) -> Result<u64, io::Error> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.works().and_then(|()| self.memory.set_len(len))
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        self.works().and_then(|()| self.memory.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.works().and_then(|()| self.memory.write(offset, data))
    }
}

#[test]
fn after_a_failed_write_every_later_one_fails_with_the_first_error() {
    let medium = Faulty::default();
    let mut storage = RedbStorage::on_backend("the test's memory", medium.clone()).unwrap();
    apply(&mut storage, batch(0, &[record(b"a", b"1")], &[])).unwrap();

    medium.broken.store(true, Ordering::SeqCst);
    let first = apply(&mut storage, batch(0, &[record(b"b", b"2")], &[])).unwrap_err();
    let text = first.to_string();
    assert!(text.contains("no space left on the test") && text.contains("the test's memory"), "{text}");

    medium.broken.store(false, Ordering::SeqCst);
    let touched = medium.touched.load(Ordering::SeqCst);
    assert_eq!(apply(&mut storage, batch(0, &[record(b"c", b"3")], &[])).unwrap_err(), first);
    assert_eq!(load(&mut storage).unwrap_err(), first);
    assert_eq!(medium.touched.load(Ordering::SeqCst), touched, "the medium was left alone");
}

#[test]
fn a_batch_is_durable_before_it_is_reported() {
    let medium = Faulty::default();
    let mut storage = RedbStorage::on_backend("the test's memory", medium.clone()).unwrap();
    apply(&mut storage, batch(0, &[record(b"a", b"1")], &[])).unwrap();
    // The medium fails for good: not even closing reaches it. What was reported is there all the same.
    medium.broken.store(true, Ordering::SeqCst);
    drop(storage);
    medium.broken.store(false, Ordering::SeqCst);
    let loaded = load(&mut RedbStorage::on_backend("the test's memory", medium).unwrap()).unwrap();
    assert_eq!((loaded.opening, loaded.records), (Opening(1), vec![record(b"a", b"1")]));
}
