//! A seat's storage on disk.
//!
//! A seat answers only what it will still know after a crash. So a batch that was reported durable must *be* durable, and a
//! damaged store must be noticed before it votes. All records are in the core's memory, so the disk needs no index: a store is
//! a write-ahead log in segments, one `fdatasync` a batch, and a snapshot (a checkpoint) that takes the place of older segments.
//!
//! | file | what |
//! |---|---|
//! | `names` | the names of a store's files, and their order |
//! | `frame` | their bytes; how a batch that was cut is told from damage |
//! | `read` | reading them |
//! | `segment` | one file of the log while it is written |
//! | `snapshot` | rewriting |
//! | `log` | the whole of it: opening, batches, segments |
//! | `task` | work beside the batches |
//! | `worker` | the thread that does all this |
//! | `disk` | a folder, its lock, and what else is needed of a disk |
//! | `convert` | stores of earlier versions, which were redb files |

#[cfg(feature = "redb")]
mod convert;
mod disk;
mod frame;
mod log;
mod names;
mod read;
mod segment;
mod snapshot;
mod task;
#[cfg(test)]
mod tests;
mod worker;

use std::path::Path;

use futures::channel::oneshot;
use worker::{Job, Worker};

pub use paxoskv_core::storage::*;

use paxoskv_core::Opening;

/// A store in a folder of its own.
///
/// The folder has the log, `store-*.log`; a snapshot of what was in the log before, `store-*.snapshot`; and a lock,
/// `store.lock`. The log is rewritten when what came after the snapshot is longer than the snapshot, and 4 MiB at least. Its
/// files are reserved before they are written: 3 MiB at first, 32 MiB when much is written; a batch that is longer than these
/// waits for more.
///
/// Writing waits for the disk, so it is done on a thread that belongs to this store; dropping the store waits for
/// that thread and gives up the lock on the folder.
///
/// ```no_run
/// use paxoskv::storage::LogStorage;
/// # fn main() -> Result<(), paxoskv_core::storage::StorageError> {
/// let storage = LogStorage::open("/var/lib/paxoskv/seat-1".as_ref())?;
/// // give it to `Cluster::builder(…).storage(storage)`
/// # drop(storage); Ok(()) }
/// ```
#[derive(Debug)]
pub struct LogStorage {
    worker: Worker,
    /// Which opening this is, from when it is counted until the store fails.
    opening: Option<Opening>,
}

impl LogStorage {
    /// Takes a folder for a store; makes the folder (mode 0700 on Unix) if there is none. What is in it is read, or an empty
    /// store made, when the core opens it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Failed`] if another process has the store open, or if the folder cannot be made or locked, as on a file
    /// system without locks. When the core opens it: if a file is damaged, missing or not a store's. A store is never replaced by an empty one: a seat that
    /// forgets its votes can make a cluster disagree.
    pub fn open(dir: &Path) -> Result<Self, StorageError> {
        Ok(Self { worker: Worker::start(dir)?, opening: None })
    }

    /// Whether there is a store in this folder, or a folder that cannot be looked into.
    pub fn exists(dir: &Path) -> bool {
        let mut names = match std::fs::read_dir(dir) {
            Ok(entries) => entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()),
            Err(error) => return error.kind() != std::io::ErrorKind::NotFound,
        };
        names.any(|name| names::Name::parse(&name).is_some() || name == OLD)
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

/// The store of an earlier version.
const OLD: &str = "store.redb";

impl paxoskv_core::Storage for LogStorage {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        let loaded = self.run(Job::Open).await?;
        self.opening = Some(loaded.opening);
        Ok(loaded)
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        let is_empty = batch.puts.is_empty() && batch.removes.is_empty();
        // No other process can open the store while this one has the lock, so the thread need not be asked.
        if is_empty && self.opening == Some(batch.opening) {
            return Ok(());
        }
        let applied = self.run(|reply| Job::Apply(batch, reply)).await;
        if applied.is_err() {
            self.opening = None;
        }
        applied
    }
}
