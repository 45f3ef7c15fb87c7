//! A call on its way: how long it may take, and what it asks of the driver.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::channel::oneshot;

use super::Cluster;
use super::found::{Found, State};
use crate::driver::{Command, Deadline};
use crate::types::{Bucket, CallId, Effect, Error, Key, KeyId, Lease};
use crate::wire::{Op, Outcome};

/// The future of a call: boxed, so that its code is there once, and `Send`.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// How long a call may take.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    /// As long as it takes.
    None,
    /// This long, from when it begins.
    Within(Duration),
    /// As long as the call that it is a step of.
    Until(Deadline),
}

/// A call that has not begun: what all calls have in common.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) cluster: Cluster,
    pub(crate) limit: Limit,
}

impl Caller {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone(), limit: Limit::None }
    }

    /// The call begins: from now on its time runs.
    pub(crate) fn begin(self) -> Call {
        let due = match self.limit {
            Limit::None => Deadline::NEVER,
            Limit::Within(timeout) => Deadline::after(self.cluster.shared.published.now(), timeout),
            Limit::Until(due) => due,
        };
        Call { cluster: self.cluster, due }
    }
}

/// The method of a call that sets its timeout.
macro_rules! timeout_method {
    ($($field:ident).+) => {
        /// Gives up after this long, for the whole call with all its steps, by the clock of the node's timer. The call
        /// begins when its future is first polled. [`Duration::MAX`](std::time::Duration::MAX) is as good as none.
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.$($field).+.limit = $crate::api::call::Limit::Within(timeout);
            self
        }

        /// Makes the call a step of another one, with whose time it ends.
        #[allow(dead_code)] // not every call is a step of another
        pub(crate) fn due(mut self, due: $crate::driver::Deadline) -> Self {
            self.$($field).+.limit = $crate::api::call::Limit::Until(due);
            self
        }
    };
}

/// The method of a call that names the bucket of its key.
macro_rules! bucket_method {
    ($($field:ident).+) => {
        /// Means the bucket of that name; without this, the bucket without a name. A name that no bucket can have is
        /// an error of the call, when that is awaited.
        pub fn bucket(mut self, name: &str) -> Self {
            self.$($field).+ = $crate::types::Bucket::new(name);
            self
        }

        /// Means one of the cluster's own buckets.
        #[allow(dead_code)] // not every call is used by recipes
        pub(crate) fn library(mut self, bucket: &'static str) -> Self {
            self.$($field).+ = Ok($crate::types::Bucket::system(bucket));
            self
        }
    };
}

pub(crate) use {bucket_method, timeout_method};

/// The key that a call is about, as it was given.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) bucket: Result<Bucket, Error>,
    pub(super) key: Result<Key, Error>,
}

impl Target {
    pub(super) fn new(key: Result<Key, Error>) -> Self {
        Self { bucket: Ok(Bucket::default()), key }
    }
}

/// A call that has begun.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) cluster: Cluster,
    pub(crate) due: Deadline,
}

impl Call {
    /// A call of one more operation, and what came of it.
    pub(super) async fn run(&self, op: Op) -> Result<Outcome, Error> {
        let shared = &self.cluster.shared;
        let effect = match &op {
            Op::Put { .. } | Op::End { .. } => Effect::Unknown,
            _ => Effect::None,
        };
        let call = shared.next_call();
        let (reply, answer) = oneshot::channel();
        shared.send(Command::Call { call, op, due: self.due, reply })?;
        match shared.answer(call, answer).await? {
            Outcome::Failed { error } => Err(error.with_effect(effect)),
            outcome => Ok(outcome),
        }
    }

    /// Ends a lease.
    pub(super) async fn end(&self, lease: Lease) -> Result<(), Error> {
        match self.run(Op::End { lease }).await? {
            Outcome::Ended {} => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The state of a key that an operation finds.
    pub(super) async fn state(&self, op: Op) -> Result<State, Error> {
        match self.run(op).await? {
            Outcome::Value { entry, generation, .. } => {
                Ok(State { generation, found: Some(Found::new(entry, generation)) })
            }
            Outcome::Absent { generation } => Ok(State { generation, found: None }),
            other => Err(unexpected(&other)),
        }
    }

    /// The key that the call is about, if that is a good one.
    pub(super) fn key_id(&self, target: Target) -> Result<KeyId, Error> {
        let id = KeyId::new(target.bucket?, target.key?);
        check_size("key", id.key().cbor().len(), self.cluster.shared.settings.max_key)?;
        Ok(id)
    }
}

pub(super) fn check_size(what: &str, size: usize, limit: usize) -> Result<(), Error> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::TooLarge { what: what.into(), size: size as u64, limit: limit as u64 })
}

pub(super) fn unexpected(outcome: &Outcome) -> Error {
    // To show all of it would take the code that shows any message, which browsers would have to download.
    let what = match outcome {
        Outcome::Failed { error } => error.code(),
        _ => "what answers another query",
    };
    Error::invalid(format!("a seat answered something else than was asked: {what}"))
}

impl super::Shared {
    pub(super) fn next_call(&self) -> CallId {
        CallId(self.next_call.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }

    pub(super) fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.unbounded_send(command).map_err(|_| Error::Closed)
    }

    /// Waits for the answer to a call; where the future is dropped before, the call is cancelled.
    pub(super) async fn answer<T>(&self, call: CallId, answer: oneshot::Receiver<T>) -> Result<T, Error> {
        let mut cancel = CancelOnDrop { shared: self, call, armed: true };
        let answer = answer.await;
        cancel.armed = false;
        answer.map_err(|_| Error::Closed)
    }
}

struct CancelOnDrop<'a> {
    shared: &'a super::Shared,
    call: CallId,
    armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            // Where the driver is gone, so is the call.
            self.shared.send(Command::Cancel { call: self.call }).ok();
        }
    }
}
