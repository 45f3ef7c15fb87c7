//! The log in a folder of this machine, with work done beside the batches.

use std::sync::Arc;

use paxoskv_core::storage::StorageError;

use super::super::disk::Folder;
use super::super::log::Plan;
use super::super::worker::Store;
use super::{Records, SMALL, after, batch, records};

fn open(dir: &tempfile::TempDir) -> Store {
    let folder = Folder::open(dir.path()).expect("a folder");
    Store::new(Arc::new(folder), Plan { inline: false, ..SMALL })
}

#[test]
fn segments_and_snapshots_are_made_beside_the_batches() -> Result<(), StorageError> {
    let dir = tempfile::tempdir().expect("a folder");
    let mut expected = Records::new();
    for run in 0..3_u8 {
        let mut store = open(&dir);
        let loaded = store.open()?;
        assert_eq!(records(&loaded), expected);
        for n in 0..150_u8 {
            let length = usize::from(n) * 13 % 900;
            let batch = batch(loaded.opening, &[(&[n % 11, run], &vec![n; length])], &[&[n % 5, run]]);
            store.apply(&batch)?;
            expected = after(&expected, &batch);
        }
    }
    let files = std::fs::read_dir(dir.path()).expect("the folder").count();
    assert!(files < 20, "{files} files");
    Ok(())
}

#[test]
fn what_is_not_whole_is_removed() -> Result<(), StorageError> {
    let dir = tempfile::tempdir().expect("a folder");
    open(&dir).open()?;
    let unfinished = dir.path().join("store-000001-000009.log.new");
    std::fs::write(&unfinished, "half a segm").expect("written");
    let note = dir.path().join("store-notes.new");
    std::fs::write(&note, "another program's").expect("written");
    open(&dir).open()?;
    assert!(!unfinished.exists() && note.exists());
    Ok(())
}
