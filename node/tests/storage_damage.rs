//! A file that is damaged, cut short or another program's gives an error that names it: never a panic, and never an
//! empty or changed store.

#![allow(clippy::unwrap_used)]

mod storage_help;
use storage_help::*;

use std::path::{Path, PathBuf};

use paxoskv::storage::RedbStorage;
use paxoskv_core::storage::StorageError;
use redb::{ReadableTable, TableDefinition};

fn store_of(dir: &Path) -> PathBuf {
    dir.join("store.redb")
}

/// Opens what is not a store, and returns the error, which must name the file and say what to do.
fn refused(dir: &Path) -> String {
    let error = match open_and_load(dir) {
        Err(StorageError::Failed(error)) => error,
        other => panic!("expected a failure, got {other:?}"),
    };
    assert!(error.contains(&store_of(dir).display().to_string()), "does not name the file: {error}");
    assert!(error.contains("move the file away"), "does not say what to do: {error}");
    error
}

fn folder_with(content: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(store_of(dir.path()), content).unwrap();
    dir
}

#[test]
fn an_empty_file_is_damage_and_not_a_new_store() {
    let dir = folder_with(b"");
    assert!(refused(dir.path()).contains("empty"));
    assert_eq!(std::fs::read(store_of(dir.path())).unwrap(), b"", "it was not touched");
}

#[test]
fn garbage_and_files_of_other_programs_are_refused() {
    let mut sqlite = b"SQLite format 3\0".to_vec();
    sqlite.resize(8192, 0);
    let magic_only = b"redb\x1a\x0a\xa9\x0d\x0a".to_vec();
    let mut magic_and_garbage = magic_only.clone();
    magic_and_garbage.extend((0..1 << 16).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    let zeros = vec![0; 1 << 20];
    for content in [sqlite, magic_only, magic_and_garbage, zeros, b"x".to_vec()] {
        let dir = folder_with(&content);
        refused(dir.path());
    }
}

#[test]
fn a_redb_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = redb::Database::create(store_of(dir.path())).unwrap();
    let other: TableDefinition<'_, &str, u64> = TableDefinition::new("other");
    let transaction = db.begin_write().unwrap();
    transaction.open_table(other).unwrap().insert("a", 1).unwrap();
    transaction.commit().unwrap();
    drop(db);
    assert!(refused(dir.path()).contains("another program"));
}

#[test]
fn a_file_cut_short_is_refused_at_every_length() {
    let (dir, _) = filled();
    let whole = std::fs::read(store_of(dir.path())).unwrap();
    let lengths = (0..=64).chain((64..whole.len()).step_by(whole.len() / 100)).chain([whole.len() - 1]);
    for length in lengths {
        let cut = folder_with(&whole[..length]);
        refused(cut.path());
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_harmless_but_never_other_data() {
    let (dir, before) = filled();
    let whole = std::fs::read(store_of(dir.path())).unwrap();
    // Every place where a record's value is stored, and places all over the file.
    let needle = b"the value 042the value 042";
    let in_values: Vec<usize> =
        (0..whole.len() - needle.len()).filter(|&at| whole[at..].starts_with(needle)).collect();
    assert!(!in_values.is_empty());
    let everywhere = (0..whole.len()).step_by(whole.len() / 150);
    let mut noticed = 0;
    for at in in_values.iter().copied().chain(everywhere) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let copy = folder_with(&flipped);
        match open_and_load(copy.path()) {
            Err(_) => noticed += 1,
            // Unused pages, and what redb keeps twice.
            Ok(loaded) => assert_eq!(loaded, before, "a flipped bit at {at} went unnoticed"),
        }
    }
    assert!(noticed > 0);
}

#[test]
fn a_record_that_does_not_match_its_checksum_is_refused() {
    let (dir, _) = filled();
    let records: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("paxoskv.records");
    let db = redb::Database::open(store_of(dir.path())).unwrap();
    let transaction = db.begin_write().unwrap();
    {
        let mut table = transaction.open_table(records).unwrap();
        let mut sealed = table.get(b"key 042".as_slice()).unwrap().unwrap().value().to_vec();
        *sealed.last_mut().unwrap() ^= 1;
        table.insert(b"key 042".as_slice(), sealed.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(db);

    let mut storage = RedbStorage::open(dir.path()).unwrap();
    let error = load(&mut storage).unwrap_err();
    assert!(error.to_string().contains("checksum of record 6b657920303432"), "{error}");
    assert_eq!(
        apply(&mut storage, batch(1, 2, &[], &[])).unwrap_err(),
        error,
        "nothing is written over damage"
    );
}

#[test]
fn a_crash_while_a_store_is_made_leaves_none_and_the_next_start_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.redb.new"), b"half a sto").unwrap();
    assert!(open_and_load(dir.path()).unwrap().records.is_empty());
    assert!(!dir.path().join("store.redb.new").exists());
}
