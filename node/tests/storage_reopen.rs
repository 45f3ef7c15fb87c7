//! What was applied is there when the store is opened again, and only that.

mod storage_help;
use storage_help::*;

use paxoskv::storage::LogStorage;
use paxoskv_core::Opening;
use paxoskv_core::storage::Loaded;

#[test]
fn each_opening_of_a_store_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    for opening in 1..=3 {
        let loaded = open_and_load(&dir.path().join("made/on/the/way")).unwrap();
        assert_eq!(loaded, Loaded { opening: Opening(opening), records: vec![] });
    }
}

#[test]
fn puts_overwrites_and_removes_survive_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = LogStorage::open(dir.path()).unwrap();
    load(&mut storage).unwrap();
    let big = vec![7; 4 << 20];
    let first = [record(b"a", b"1"), record(b"b", b"2"), record(b"c", b""), record(b"", b"empty key")];
    apply(&mut storage, batch(1, &first, &[])).unwrap();
    apply(&mut storage, batch(1, &[record(b"b", b"22"), record(b"d", &big)], &[b"a", b"never there"]))
        .unwrap();
    drop(storage);
    let expected = Loaded {
        opening: Opening(2),
        records: vec![record(b"", b"empty key"), record(b"b", b"22"), record(b"c", b""), record(b"d", &big)],
    };
    assert_eq!(open_and_load(dir.path()).unwrap(), expected);
}

#[test]
fn a_key_that_is_removed_and_put_in_one_batch_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut storage = LogStorage::open(dir.path()).unwrap();
    load(&mut storage).unwrap();
    apply(&mut storage, batch(1, &[record(b"a", b"1")], &[])).unwrap();
    apply(&mut storage, batch(1, &[record(b"a", b"2")], &[b"a"])).unwrap();
    drop(storage);
    assert_eq!(open_and_load(dir.path()).unwrap().records, [record(b"a", b"2")]);
}

#[test]
fn what_was_applied_survives_a_process_that_is_killed_right_after() {
    const DIR: &str = "PAXOSKV_TEST_KILLED_DIR";
    if let Some(dir) = std::env::var_os(DIR) {
        let mut storage = LogStorage::open(dir.as_ref()).unwrap();
        load(&mut storage).unwrap();
        apply(&mut storage, batch(1, &[record(b"kept", b"yes")], &[])).unwrap();
        std::process::abort(); // Neither the store nor its thread gets to clean up.
    }
    let dir = tempfile::tempdir().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_applied_survives_a_process_that_is_killed_right_after"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    assert!(!child.status.success(), "the child was to abort");
    let loaded = open_and_load(dir.path()).unwrap();
    assert_eq!(loaded, Loaded { opening: Opening(2), records: vec![record(b"kept", b"yes")] });
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_look_into_a_folder_that_was_made() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("seat");
    open_and_load(&made).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&made), 0o700);
    assert_eq!(mode(&made.join("store-000001-000001.log")), 0o600);
}
