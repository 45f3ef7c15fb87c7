//! Calls on the cluster, to be awaited, and what they come to.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::channel::oneshot;
use serde::de::DeserializeOwned;

use super::{CallId, Cluster, Command, Shared};
use crate::types::{Bucket, Entry, Error, Generation, Key, KeyId, Lease, SessionId, Status};
use crate::wire::{Op, Outcome, Version};

#[derive(Clone)]
pub(super) struct CallOptions {
    pub(super) cluster: Cluster,
    pub(super) timeout: Option<Duration>,
}

impl CallOptions {
    pub(super) async fn run(&self, op: Op) -> Result<Outcome, Error> {
        let shared = &self.cluster.shared;
        let call = CallId(shared.next_call.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let command = Command::Call { call, op, timeout: self.timeout, reply };
        shared.commands.unbounded_send(command).map_err(|_| Error::Closed {})?;
        let mut cancel = CancelOnDrop { shared, call, armed: true };
        let outcome = answer.await;
        cancel.armed = false;
        match outcome {
            Ok(Outcome::Failed { error }) => Err(error),
            Ok(outcome) => Ok(outcome),
            Err(oneshot::Canceled) => Err(Error::Closed {}),
        }
    }

    /// Has a lease end.
    pub(super) async fn end(&self, lease: Lease) -> Result<(), Error> {
        match self.run(Op::End { lease }).await? {
            Outcome::Ended {} => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    pub(super) fn id(&self, bucket: Result<Bucket, Error>, key: Result<Key, Error>) -> Result<KeyId, Error> {
        let id = KeyId::new(bucket?, key?);
        self.check("key", id.key().cbor().len(), self.cluster.shared.settings.max_key)?;
        Ok(id)
    }

    pub(super) fn check(&self, what: &str, size: usize, limit: usize) -> Result<(), Error> {
        if size <= limit {
            return Ok(());
        }
        Err(Error::TooLarge { what: what.into(), size: size as u64, limit: limit as u64 })
    }
}

pub(super) struct CancelOnDrop<'a> {
    pub(super) shared: &'a Shared,
    pub(super) call: CallId,
    pub(super) armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared.commands.unbounded_send(Command::Cancel { call: self.call }).ok();
        }
    }
}

pub(super) fn unexpected(outcome: &Outcome) -> Error {
    // To show all of it would take the code that shows any message, which browsers would have to download.
    let what = match outcome {
        Outcome::Failed { error } => error.code(),
        _ => "what answers another query",
    };
    Error::invalid(format!("a seat answered something else than was asked: {what}"))
}

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A get to be awaited.
#[must_use = "a get does nothing until it is awaited"]
pub struct Get {
    pub(super) call: CallOptions,
    pub(super) key: Result<Key, Error>,
    pub(super) bucket: Result<Bucket, Error>,
    pub(super) local: bool,
    pub(super) wait: bool,
}

impl Get {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout = Some(timeout);
        self
    }

    /// Look into the bucket of that name.
    pub fn bucket(mut self, name: &str) -> Self {
        self.bucket = Bucket::new(name);
        self
    }

    /// Ask nobody: what one seat has learned. An absent key may have a value all the same, and an erasable one may
    /// be erased already.
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Where the key has no value, wait until it has one.
    pub fn wait(mut self) -> Self {
        self.wait = true;
        self
    }

    pub(crate) fn library(mut self, bucket: &'static str) -> Self {
        self.bucket = Ok(Bucket::system(bucket));
        self
    }

    async fn run(self) -> Result<Option<Found>, Error> {
        let id = self.call.id(self.bucket, self.key)?;
        loop {
            let id = id.clone();
            let op = if self.local { Op::Peek { id: id.clone() } } else { Op::Get { id: id.clone() } };
            let state = self.call.state(op).await?;
            if state.found.is_some() || !self.wait {
                return Ok(state.found);
            }
            // A seat tells when there is something new; what it is, a quorum is asked.
            let after = Version { generation: state.generation, valued: false };
            self.call.state(Op::Watch { id, after }).await?;
        }
    }
}

impl IntoFuture for Get {
    type Output = Result<Option<Found>, Error>;
    type IntoFuture = BoxFuture<Option<Found>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// An erase to be awaited.
#[must_use = "an erase does nothing until it is awaited"]
pub struct Erase {
    pub(super) get: Get,
}

impl Erase {
    /// Wait no longer than this for each of its two steps.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.get = self.get.timeout(timeout);
        self
    }

    /// Look into the bucket of that name.
    pub fn bucket(mut self, name: &str) -> Self {
        self.get = self.get.bucket(name);
        self
    }

    /// Two steps: get, then end the latch that was seen. Only the second is ever retried, with that latch: "erase
    /// whatever is there", retried, could erase a successor.
    async fn run(self) -> Result<bool, Error> {
        let call = self.get.call.clone();
        let Some(found) = self.get.await? else { return Ok(false) };
        // Latches that it took over from a key or a bucket would end more than this entry.
        let latch = Lease::own_latch(found.entry.request);
        if !found.leases().contains(&latch) {
            return Err(Error::invalid(
                "this entry is not erasable: it was put without the option to erase it",
            ));
        }
        call.end(latch).await.map(|()| true)
    }
}

impl IntoFuture for Erase {
    type Output = Result<bool, Error>;
    type IntoFuture = BoxFuture<bool>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A status to be awaited.
#[must_use = "a status does nothing until it is awaited"]
pub struct StatusCall {
    pub(super) call: CallOptions,
}

impl StatusCall {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout = Some(timeout);
        self
    }
}

impl IntoFuture for StatusCall {
    type Output = Result<Status, Error>;
    type IntoFuture = BoxFuture<Status>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.call.run(Op::Status {}).await? {
                Outcome::Status { status } => Ok(status),
                other => Err(unexpected(&other)),
            }
        })
    }
}

/// Who owns a key, to be awaited.
#[must_use = "this does nothing until it is awaited"]
pub struct Owner {
    pub(super) get: Get,
}

impl Owner {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.get = self.get.timeout(timeout);
        self
    }

    /// Look into the bucket of that name.
    pub fn bucket(mut self, name: &str) -> Self {
        self.get = self.get.bucket(name);
        self
    }
}

impl IntoFuture for Owner {
    type Output = Result<Option<SessionId>, Error>;
    type IntoFuture = BoxFuture<Option<SessionId>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.get.await?.and_then(|found| found.owner())) })
    }
}

/// What a put came to: the value that the key has, whoever put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    found: Found,
    won: bool,
}

impl Chosen {
    pub(super) fn new(entry: Entry, generation: Generation, won: bool) -> Self {
        Self { found: Found::new(entry, generation), won }
    }

    /// The value that was chosen.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.found.value()
    }

    /// The value that was chosen, as CBOR.
    pub fn cbor(&self) -> &[u8] {
        self.found.cbor()
    }

    /// The fencing token: higher for each new owner of the key.
    pub fn generation(&self) -> Generation {
        self.found.generation
    }

    /// Whether it is this put's own entry that was chosen.
    pub fn won(&self) -> bool {
        self.won
    }

    /// What is there, as a get finds it.
    pub fn found(&self) -> &Found {
        &self.found
    }
}

/// What a get found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    entry: Entry,
    generation: Generation,
}

impl Found {
    pub(super) fn new(entry: Entry, generation: Generation) -> Self {
        Self { entry, generation }
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.entry.value.decode()
    }

    /// The value, as CBOR.
    pub fn cbor(&self) -> &[u8] {
        self.entry.value.cbor()
    }

    /// The fencing token: higher for each new owner of the key.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// What the entry's life hangs on; for ever where this is empty.
    pub fn leases(&self) -> &[Lease] {
        &self.entry.leases
    }

    /// The session that the entry is bound to, if any.
    pub fn owner(&self) -> Option<SessionId> {
        self.entry.leases.iter().find_map(Lease::session)
    }
}
