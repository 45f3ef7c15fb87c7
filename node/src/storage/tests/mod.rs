//! The log on a disk that fails, forgets and is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bytes;
mod faulty;
mod folder;
mod power;

use std::collections::BTreeMap;
use std::sync::Arc;

use paxoskv_core::Opening;
use paxoskv_core::storage::{Batch, Loaded, Record, StorageError};

use super::log::Plan;
use super::worker::Store;
use faulty::Faulty;

/// Records by key.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Small files, so that there are many of them after a few batches.
const SMALL: Plan =
    Plan { first_segment: 2048, largest_segment: 4096, rewrite_at: 3000, most_segments: 4, inline: true };

fn store(disk: &Faulty) -> Store {
    Store::new(Arc::new(disk.clone()), SMALL)
}

fn records(loaded: &Loaded) -> Records {
    loaded.records.iter().map(|record| (record.key.clone(), record.value.clone())).collect()
}

fn batch(opening: Opening, puts: &[(&[u8], &[u8])], removes: &[&[u8]]) -> Batch {
    let record = |(key, value): &(&[u8], &[u8])| Record { key: key.to_vec(), value: value.to_vec() };
    Batch {
        opening,
        puts: puts.iter().map(record).collect(),
        removes: removes.iter().map(|key| key.to_vec()).collect(),
    }
}

/// What a batch makes of records.
fn after(records: &Records, batch: &Batch) -> Records {
    let mut records = records.clone();
    batch.removes.iter().for_each(|key| drop(records.remove(key)));
    records.extend(batch.puts.iter().map(|record| (record.key.clone(), record.value.clone())));
    records
}

/// Opens the store on a disk once, and gives what it holds.
fn content(disk: &Faulty) -> Result<Records, StorageError> {
    store(disk).open().map(|loaded| records(&loaded))
}
