//! A store in memory.

use std::sync::{Arc, Mutex, PoisonError};

use crate::sorted::{Gather, Map};
use crate::storage::{Batch, Loaded, Record, Storage, StorageError};
use crate::types::Opening;

/// A store that lives as long as its last clone. A seat that restarts with a new one does not remember what it
/// voted, so it comes back as another store, which the cluster refuses in that seat.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    opening: Opening,
    records: Map<Vec<u8>, Vec<u8>>,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Storage for MemoryStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.opening = state.opening.next();
        let records =
            state.records.iter().map(|(key, value)| Record { key: key.clone(), value: value.clone() });
        Ok(Loaded { opening: state.opening, records: records.gather() })
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.opening != batch.opening {
            return Err(StorageError::TakenOver { found: state.opening, expected: batch.opening });
        }
        state.records.extend(batch.puts.into_iter().map(|record| (record.key, record.value)));
        for key in batch.removes {
            state.records.remove(&key);
        }
        Ok(())
    }
}
