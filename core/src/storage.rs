//! The port to durable storage: a map from bytes to bytes that is read once and written in batches.
//!
//! A seat must remember through any crash what it has answered, so the contract is strict: when
//! [`apply`](Storage::apply) succeeds, the whole batch is on stable storage; when it fails, the seat votes on nothing
//! more with this store until it is opened anew.

use std::future::Future;

use crate::types::Opening;

/// One record: `key` is overwritten with `value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Compared as bytes; at most 8 KiB.
    pub key: Vec<u8>,
    /// At most the frame limit.
    pub value: Vec<u8>,
}

/// All that a store holds, when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Which opening this is: 1 for a new store.
    pub opening: Opening,
    /// Its records, in any order.
    pub records: Vec<Record>,
}

/// Changes that become durable together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The store's opening must be this when the batch is applied, else it fails with
    /// [`StorageError::TakenOver`] and changes nothing. Checked in the same transaction.
    pub opening: Opening,
    /// Records to write.
    pub puts: Vec<Record>,
    /// Keys of records to remove; those that are not there are ignored.
    pub removes: Vec<Vec<u8>>,
}

/// Why storage failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Another process has opened the store since.
    #[error(
        "another process has taken this store over (it is at opening {found}, this process opened it as {expected})"
    )]
    TakenOver {
        /// The store's opening.
        found: Opening,
        /// The opening of this process.
        expected: Opening,
    },
    /// The medium failed, is full, or holds what is not a store.
    #[error("{0}")]
    Failed(String),
}

/// Keeps a seat's records.
///
/// ```
/// use std::collections::BTreeMap;
/// use paxoskv_core::storage::{Batch, Loaded, Record, Storage, StorageError};
/// use paxoskv_core::Opening;
///
/// /// A store that lives as long as this value: right for trials. One that lasts writes to a disk, and waits for that.
/// #[derive(Default)]
/// struct Volatile {
///     opening: Opening,
///     records: BTreeMap<Vec<u8>, Vec<u8>>,
/// }
///
/// impl Storage for Volatile {
///     async fn open(&mut self) -> Result<Loaded, StorageError> {
///         self.opening = self.opening.next();
///         let record = |(key, value): (&Vec<u8>, &Vec<u8>)| Record { key: key.clone(), value: value.clone() };
///         Ok(Loaded { opening: self.opening, records: self.records.iter().map(record).collect() })
///     }
///
///     async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
///         if batch.opening != self.opening {
///             return Err(StorageError::TakenOver { found: self.opening, expected: batch.opening });
///         }
///         self.records.extend(batch.puts.into_iter().map(|record| (record.key, record.value)));
///         batch.removes.iter().for_each(|key| drop(self.records.remove(key)));
///         Ok(())
///     }
/// }
/// ```
///
/// `core/examples/own_storage.rs` has one that keeps its records in a file.
pub trait Storage {
    /// Opens the store: counts the opening up, durably, and reads everything, **in one transaction**. From then on no
    /// batch of an earlier opening succeeds, so what was read is what the store holds. Called once, first.
    fn open(&mut self) -> impl Future<Output = Result<Loaded, StorageError>>;

    /// Makes a batch durable: all of it or nothing. Batches come one at a time, in order.
    ///
    /// A batch with nothing to write only asserts the opening: it need not touch the disk, and where nobody else can
    /// open the store while this process has it, it is done at once.
    fn apply(&mut self, batch: Batch) -> impl Future<Output = Result<(), StorageError>>;
}

/// No storage: what an observer has.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStorage;

impl Storage for NoStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        Ok(Loaded::default())
    }
    async fn apply(&mut self, _: Batch) -> Result<(), StorageError> {
        Err(StorageError::Failed("a seat needs a storage: give the builder one".into()))
    }
}
