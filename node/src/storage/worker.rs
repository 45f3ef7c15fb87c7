//! The thread that reads and writes a store.
//!
//! The thread does one job after the other. It keeps the first failure, and answers all later jobs with it: after a failed
//! write nobody knows what is on the disk until the store is opened again. Some kinds of damage make redb panic, which
//! is a failure like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use futures::channel::oneshot;
use paxoskv_core::storage::{Batch, Loaded, StorageError};

use super::file::{self, Store};
use super::format;

type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// A job, and where its result goes. The job is done even where nobody waits for its result any more.
pub(super) enum Job {
    Open(Reply<Loaded>),
    Apply(Batch, Reply<()>),
}

/// A handle of the thread. Dropping it waits for the thread's end.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    is_exclusive: bool,
}

impl Worker {
    /// Opens a store on a thread of its own.
    pub(super) fn start(
        place: String,
        open: impl FnOnce() -> Result<Store, StorageError> + Send + 'static,
    ) -> Result<Self, StorageError> {
        let (jobs, inbox) = mpsc::channel();
        let (opened, answer) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("paxoskv-storage".into())
            .spawn(move || match guarded(&place, open) {
                Ok(store) => {
                    let _ = opened.send(Ok(store.is_exclusive()));
                    work(store, &inbox);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|error| StorageError::Failed(format!("cannot start the storage thread: {error}")))?;
        let mut worker = Self { jobs: Some(jobs), thread: Some(thread), is_exclusive: false };
        let ended =
            || Err(StorageError::Failed("the storage thread ended before it had opened the store".into()));
        worker.is_exclusive = answer.recv().unwrap_or_else(|_| ended())?;
        Ok(worker)
    }

    /// Whether no other process can open the store while this one has it open.
    pub(super) fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// Hands over a job. If the thread has ended, the job's reply is dropped, which its receiver sees.
    pub(super) fn submit(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // The next process that opens the store finds it unlocked then.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(store: Store, inbox: &mpsc::Receiver<Job>) {
    let mut failed: Option<StorageError> = None;
    while let Ok(job) = inbox.recv() {
        match job {
            Job::Open(reply) => {
                let _ = reply.send(attempt(&store, &mut failed, || open(&store)));
            }
            Job::Apply(batch, reply) => {
                let _ = reply.send(attempt(&store, &mut failed, || apply(&store, &batch)));
            }
        }
    }
    // Closing writes, so it can fail or panic as well; what was reported durable is not at stake.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(store)));
}

fn open(store: &Store) -> Result<Loaded, format::Fault> {
    let loaded = format::open(&store.db)?;
    store.check_guard(loaded.opening)?;
    Ok(loaded)
}

/// The guard is checked before, so that nothing is written over another process's changes; and afterwards, so that nothing
/// is reported durable that the other process may not have read.
fn apply(store: &Store, batch: &Batch) -> Result<(), format::Fault> {
    store.check_guard(batch.opening)?;
    format::apply(&store.db, batch)?;
    store.check_guard(batch.opening)
}

fn attempt<T>(
    store: &Store,
    failed: &mut Option<StorageError>,
    job: impl FnOnce() -> Result<T, format::Fault>,
) -> Result<T, StorageError> {
    if let Some(first) = failed {
        return Err(first.clone());
    }
    let done = guarded(&store.place, || job().map_err(|fault| file::explain(&store.place, fault)));
    if let Err(error) = &done {
        *failed = Some(error.clone());
    }
    done
}

/// Runs a job that may panic. The store is not used after a panic, so a broken invariant in it does not matter.
fn guarded<T>(place: &str, job: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|panic| Err(file::damaged(place, &panic_text(&*panic))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("reading it failed").to_owned()
}
