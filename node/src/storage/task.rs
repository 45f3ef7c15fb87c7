//! Work that is done beside the batches.

use std::sync::mpsc::{self, TryRecvError};
use std::thread::{self, JoinHandle};

use paxoskv_core::storage::StorageError;

/// Work on a thread of its own. Dropping it waits for its end.
pub(super) struct Task<T> {
    result: mpsc::Receiver<Result<T, StorageError>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts work; does it at once where `inline` says so, as tests want it.
    pub(super) fn start(
        inline: bool,
        work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Self {
        let (send, result) = mpsc::sync_channel(1);
        let run = move || drop(send.send(work()));
        if inline {
            run();
            return Self { result, thread: None };
        }
        // Where no thread can be started, the sender is dropped, and the result is an error.
        let thread = thread::Builder::new().name("paxoskv-log".into()).spawn(run).ok();
        Self { result, thread }
    }

    /// The result, if the work is done.
    pub(super) fn poll(&self) -> Option<Result<T, StorageError>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(ended())),
        }
    }

    /// Waits for the result.
    pub(super) fn wait(self) -> Result<T, StorageError> {
        self.result.recv().unwrap_or_else(|_| Err(ended()))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ended() -> StorageError {
    StorageError::Failed("a thread of the storage has ended, or could not be started".into())
}
