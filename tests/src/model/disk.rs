//! Disks, some of which take their time.

use std::collections::BTreeMap;
use std::sync::Arc;

use paxoskv_core::storage::{Loaded, Record};
use paxoskv_core::{Opening, Rules};

/// Records by their keys.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is on a disk, and what is about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    opening: u64,
    records: Arc<Records>,
    writing: Option<Records>,
}

impl Disk {
    /// Whether a batch is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Begins to write a batch, which is lost if its node crashes.
    pub(super) fn start_write(&mut self, written: Vec<Record>) {
        self.writing = Some(pairs(written).collect());
    }

    /// The batch that is being written becomes durable.
    pub(super) fn finish_write(&mut self) {
        if let Some(writing) = self.writing.take() {
            Arc::make_mut(&mut self.records).extend(writing);
        }
    }

    /// Writes a batch at once.
    pub(super) fn write(&mut self, written: Vec<Record>) {
        Arc::make_mut(&mut self.records).extend(pairs(written));
    }

    /// What a node that starts now finds.
    pub(super) fn open(&mut self, rules: Rules) -> Loaded {
        self.opening = if rules.count_openings() { self.opening + 1 } else { 1 };
        self.writing = None;
        let record = |(key, value): (&Vec<u8>, &Vec<u8>)| Record { key: key.clone(), value: value.clone() };
        Loaded { opening: Opening(self.opening), records: self.records.iter().map(record).collect() }
    }
}

fn pairs(records: Vec<Record>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    records.into_iter().map(|record| (record.key, record.value))
}
