//! The thread that reads and writes a store.
//!
//! The thread does one job after the other. It keeps the first failure, and answers all later jobs with it: after a failed
//! write nobody knows what is on the disk until the store is opened again.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use futures::channel::oneshot;
use paxoskv_core::storage::{Batch, Loaded, StorageError};

#[cfg(feature = "redb")]
use super::convert::convert;
use super::disk::{Disk, Folder};
use super::log::{Log, Plan};

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
}

impl Worker {
    /// Locks a folder, and starts the thread that works in it.
    pub(super) fn start(path: &Path) -> Result<Self, StorageError> {
        let folder = Folder::open(path)?;
        convert(&folder, path)?;
        let store = Store::new(Arc::new(folder), Plan::default());
        let (jobs, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("paxoskv-storage".into())
            .spawn(move || work(store, &inbox))
            .map_err(|error| StorageError::Failed(format!("cannot start the storage thread: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
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

/// A program that cannot read an earlier version's store must not make an empty one beside it.
#[cfg(not(feature = "redb"))]
fn convert(folder: &Folder, path: &Path) -> Result<(), StorageError> {
    let names =
        folder.names().map_err(|error| super::read::failed("read", &path.display().to_string(), &error))?;
    if names.iter().any(|name| name == super::OLD) {
        let place = folder.place(super::OLD);
        let why = format!("{place} is of an earlier version: a program with the feature `redb` converts it");
        return Err(StorageError::Failed(why));
    }
    Ok(())
}

/// A store, opened or not yet, and its first failure.
pub(super) struct Store {
    disk: Arc<dyn Disk>,
    plan: Plan,
    log: Option<Log>,
    failed: Option<StorageError>,
}

impl Store {
    pub(super) fn new(disk: Arc<dyn Disk>, plan: Plan) -> Self {
        Self { disk, plan, log: None, failed: None }
    }

    pub(super) fn open(&mut self) -> Result<Loaded, StorageError> {
        self.attempt(|store| {
            if store.log.is_some() {
                return Err(StorageError::Failed("the store is open already".into()));
            }
            let (log, loaded) = Log::open(store.disk.clone(), store.plan)?;
            store.log = Some(log);
            Ok(loaded)
        })
    }

    pub(super) fn apply(&mut self, batch: &Batch) -> Result<(), StorageError> {
        self.attempt(|store| match &mut store.log {
            Some(log) => log.apply(batch),
            None => Err(StorageError::Failed("the store is not open yet".into())),
        })
    }

    fn attempt<T>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if let Some(first) = &self.failed {
            return Err(first.clone());
        }
        job(self).inspect_err(|error| self.failed = Some(error.clone()))
    }
}

fn work(mut store: Store, inbox: &mpsc::Receiver<Job>) {
    while let Ok(job) = inbox.recv() {
        match job {
            Job::Open(reply) => drop(reply.send(store.open())),
            Job::Apply(batch, reply) => drop(reply.send(store.apply(&batch))),
        }
    }
}
