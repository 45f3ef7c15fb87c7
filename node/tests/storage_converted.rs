//! The store of an earlier version, a redb file, is read once and goes on as a log.

#![allow(clippy::unwrap_used)] // also in helpers: a test that cannot go on has failed

mod storage_help;
use storage_help::*;

use std::path::Path;

use paxoskv::storage::LogStorage;
use paxoskv_core::Opening;
use paxoskv_core::storage::Loaded;
use redb::{Database, TableDefinition};

const META: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("paxoskv.meta");
const RECORDS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("paxoskv.records");

fn sealed(key: &[u8], value: &[u8]) -> Vec<u8> {
    let checked = [&(key.len() as u64).to_le_bytes(), key, value].concat();
    [&crc32fast::hash(&checked).to_le_bytes(), value].concat()
}

/// A store as earlier versions made it.
fn old_store(dir: &Path, opening: u64, record: (&[u8], &[u8])) {
    let db = Database::create(dir.join("store.redb")).unwrap();
    let transaction = db.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        for (key, value) in [(b"format".as_slice(), 1_u64), (b"opening", opening)] {
            meta.insert(key, sealed(key, &value.to_le_bytes()).as_slice()).unwrap();
        }
        transaction.open_table(RECORDS).unwrap().insert(record.0, record.1).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_redb_store_becomes_a_log() {
    let dir = tempfile::tempdir().unwrap();
    old_store(dir.path(), 41, (b"key", &sealed(b"key", b"value")));
    assert!(LogStorage::exists(dir.path()));
    for opening in [42, 43] {
        let expected = Loaded { opening: Opening(opening), records: vec![record(b"key", b"value")] };
        assert_eq!(open_and_load(dir.path()).unwrap(), expected);
        assert!(!dir.path().join("store.redb").exists());
    }
}

#[test]
fn a_redb_store_that_is_damaged_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    old_store(dir.path(), 41, (b"key", &sealed(b"key", b"another value")[..10]));
    let error = LogStorage::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("store.redb is damaged") && error.contains("checksum"), "{error}");
    assert!(dir.path().join("store.redb").exists());
    std::fs::write(dir.path().join("store.redb"), "no store").unwrap();
    assert!(LogStorage::open(dir.path()).unwrap_err().to_string().contains("store.redb is damaged"));
}

/// As after a crash or an error between the two steps of a conversion.
fn converted_and_still_there(opening_of_old: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    old_store(dir.path(), 41, (b"key", &sealed(b"key", b"value")));
    drop(LogStorage::open(dir.path()).unwrap());
    assert!(dir.path().join("store-000041-000000.snapshot").exists());
    old_store(dir.path(), opening_of_old, (b"key", &sealed(b"key", b"new value")));
    dir
}

#[test]
fn a_redb_store_that_was_used_again_after_its_conversion_is_converted_again() {
    let dir = converted_and_still_there(42);
    let expected = Loaded { opening: Opening(43), records: vec![record(b"key", b"new value")] };
    assert_eq!(open_and_load(dir.path()).unwrap(), expected);
}

#[test]
fn a_redb_store_that_an_older_program_has_made_anew_is_refused() {
    let dir = converted_and_still_there(1);
    let error = LogStorage::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("later snapshot beside it"), "{error}");
    assert!(dir.path().join("store.redb").exists());
    // Also where the log has gone on.
    let dir = tempfile::tempdir().unwrap();
    open_and_load(dir.path()).unwrap();
    old_store(dir.path(), 1, (b"key", &sealed(b"key", b"value")));
    assert!(LogStorage::open(dir.path()).unwrap_err().to_string().contains("there is a log beside it"));
}
