//! A seat's storage on disk.
//!
//! A seat may only answer what it will still know after a crash (`DESIGN.md` §3), so all that matters here is that a
//! batch which was reported durable *is* durable, and that a damaged store is noticed instead of being voted with:
//! one fsynced redb transaction per batch, a checksum per record, a lock against a second process, and an error for
//! ever after the first failure.
//!
//! | file | what |
//! |---|---|
//! | `file` | creating, locking and opening the file of a store |
//! | `format` | what is in it |
//! | `worker` | the thread that reads and writes it |

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
    /// the medium fails. `name` is for errors.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`] if it holds something else, or fails.
    pub fn on_backend(name: &str, backend: impl StorageBackend) -> Result<Self, StorageError> {
        let place = name.to_owned();
        Worker::start(name.to_owned(), move || file::open_backend(&place, backend))
            .map(|worker| Self { worker, opening: None })
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StorageError>>) -> Job,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.worker.give(job(reply));
        answer.await.unwrap_or_else(|_| {
            Err(StorageError::Failed(
                "the storage thread is gone; restart the node to open the store anew".into(),
            ))
        })
    }
}

impl paxoskv_core::Storage for RedbStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        let loaded = self.ask(Job::Open).await?;
        self.opening = Some(loaded.opening);
        Ok(loaded)
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        // Nobody else can open the store while this process has the lock on it, so there is nothing to look up.
        let writes = !batch.puts.is_empty() || !batch.removes.is_empty();
        if !writes && self.opening == Some(batch.opening) {
            return Ok(());
        }
        self.ask(|reply| Job::Apply(batch, reply)).await
    }
}
