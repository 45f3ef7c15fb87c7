//! The thread that reads and writes a store.
//!
//! It does one job after the other. The first failure is kept, and is the answer to everything that is asked later:
//! after a failed write nobody knows what is on the disk until the store is opened anew. A panic of redb, which some
//! damage can cause, is a failure like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use futures::channel::oneshot;
use paxoskv_core::storage::{Batch, Loaded, StorageError};

use super::file::{self, Store};
use super::format;

type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// Something to do, and where to say how it went. Nobody may be waiting any more: the job is done all the same.
pub(super) enum Job {
    Open(Reply<Loaded>),
    Apply(Batch, Reply<()>),
}

/// The thread, from outside.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
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
                    let _ = opened.send(Ok(()));
                    work(store, &inbox);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|error| StorageError::Failed(format!("cannot start the storage thread: {error}")))?;
        let worker = Self { jobs: Some(jobs), thread: Some(thread) };
        let ended =
            || Err(StorageError::Failed("the storage thread ended before it had opened the store".into()));
        answer.recv().unwrap_or_else(|_| ended())?;
        Ok(worker)
    }

    /// Hands over a job. If the thread is gone, the job's reply is dropped, which its asker sees.
    pub(super) fn give(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // So that whoever opens the store next finds it unlocked.
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
                let _ = reply.send(attempt(&store, &mut failed, || format::open(&store.db)));
            }
            Job::Apply(batch, reply) => {
                let _ = reply.send(attempt(&store, &mut failed, || format::apply(&store.db, &batch)));
            }
        }
    }
    // Closing writes, so it can fail or panic as well; what was reported durable is not at stake.
    let _ = catch_unwind(AssertUnwindSafe(move || drop(store)));
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

/// Runs what may panic. The store is not used again after it did, so a broken invariant in it does not matter.
fn guarded<T>(place: &str, job: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| Err(file::damaged(place, &said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("reading it failed").to_owned()
}
