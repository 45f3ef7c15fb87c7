//! A batch that expects another opening than the store's changes nothing, and ends this store's use.

mod storage_help;
use storage_help::*;

use paxoskv::storage::RedbStorage;
use paxoskv_core::Opening;
use paxoskv_core::storage::StorageError;

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
