//! A seat's storage on disk.
//!
//! A seat answers only what it will still know after a crash. So a batch that was reported durable must *be* durable, and a
//! damaged store must be noticed before it votes. Each batch is one redb transaction with an fsync; each record has a
//! checksum; a lock keeps a second process out; and after the first failure every later call fails.
//!
//! | file | what |
//! |---|---|
//! | `file` | creating, locking and opening the file of a store |
//! | `fence` | noticing a second process where there are no locks |
//! | `format` | what is in it |
//! | `worker` | the thread that reads and writes it |

mod fence;
mod file;
mod format;
mod worker;

use std::path::Path;

use futures::channel::oneshot;
use worker::{Job, Worker};

pub use paxoskv_core::storage::*;
pub use redb::StorageBackend;

use paxoskv_core::Opening;

/// A store in one file, `store.redb` in a folder of its own.
///
/// Writing waits for the disk, so it is done on a thread that belongs to this store; dropping the store waits for
/// that thread and gives up the lock on the folder.
///
/// ```no_run
/// use paxoskv::storage::RedbStorage;
/// # fn main() -> Result<(), paxoskv_core::storage::StorageError> {
/// let storage = RedbStorage::open("/var/lib/paxoskv/seat-1".as_ref())?;
/// // give it to `Cluster::builder(…).storage(storage)`
/// # drop(storage); Ok(()) }
/// ```
#[derive(Debug)]
pub struct RedbStorage {
    worker: Worker,
    /// Which opening this is, once it is counted.
    opening: Option<Opening>,
}

impl RedbStorage {
    /// Opens the store in a folder; makes the folder (mode 0700 on Unix) and an empty store if there is none.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`] if another process has it open, or if the file is damaged or not a store. A store is
    /// never replaced by an empty one: a seat that forgets its votes can make a cluster disagree.
    pub fn open(dir: &Path) -> Result<Self, StorageError> {
        let dir = dir.to_path_buf();
        let name = dir.display().to_string();
        Worker::start(name, move || file::open(&dir)).map(|worker| Self { worker, opening: None })
    }

    /// Opens the store on a medium of the caller's, or makes one if that is empty: for tests of what happens when
    /// the medium fails. `name` is for errors. The medium is not locked: a store that is opened on it a second time is
    /// taken over from the first, whose batches then fail.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`] if the medium holds something else, or fails.
    pub fn on_backend(name: &str, backend: impl StorageBackend) -> Result<Self, StorageError> {
        let place = name.to_owned();
        Worker::start(name.to_owned(), move || file::open_backend(&place, backend))
            .map(|worker| Self { worker, opening: None })
    }

    async fn run<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StorageError>>) -> Job,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.worker.submit(job(reply));
        answer.await.unwrap_or_else(|_| {
            Err(StorageError::Failed(
                "the storage thread has ended; restart the node to open the store again".into(),
            ))
        })
    }
}

impl paxoskv_core::Storage for RedbStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        let loaded = self.run(Job::Open).await?;
        self.opening = Some(loaded.opening);
        Ok(loaded)
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        let is_empty = batch.puts.is_empty() && batch.removes.is_empty();
        // No other process can open the store while this one has the lock, so there is nothing to check.
        if is_empty && self.worker.is_exclusive() && self.opening == Some(batch.opening) {
            return Ok(());
        }
        self.run(|reply| Job::Apply(batch, reply)).await
    }
}
