//! Calls on the cluster, to be awaited, and what they come to.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::channel::oneshot;
use serde::de::DeserializeOwned;

use super::{CallId, Cluster, Command, Shared};
use crate::ballot::Generation;
use crate::error::Error;
use crate::identity::RequestId;
use crate::key::{Bucket, Key, KeyId};
use crate::lease::Lease;
use crate::message::{Op, Outcome};
use crate::status::Status;
use crate::value::{Entry, Value};

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

    fn id(&self, bucket: Result<Bucket, Error>, key: Result<Key, Error>) -> Result<KeyId, Error> {
        let id = KeyId { bucket: bucket?, key: key? };
        self.check("key", id.key.cbor().len(), self.cluster.shared.settings.max_key)?;
        Ok(id)
    }

    fn check(&self, what: &str, size: usize, limit: usize) -> Result<(), Error> {
        if size <= limit {
            return Ok(());
        }
        Err(Error::TooLarge { what: what.into(), size: size as u64, limit: limit as u64 })
    }
}

struct CancelOnDrop<'a> {
    shared: &'a Shared,
    call: CallId,
    armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared.commands.unbounded_send(Command::Cancel { call: self.call }).ok();
        }
    }
}

pub(super) fn unexpected(outcome: &Outcome) -> Error {
    Error::invalid(format!("a seat answered something else than was asked: {outcome:?}"))
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A put to be awaited.
#[must_use = "a put does nothing until it is awaited"]
pub struct Put {
    pub(super) call: CallOptions,
    pub(super) key: Result<Key, Error>,
    pub(super) value: Result<Value, Error>,
    pub(super) bucket: Result<Bucket, Error>,
    pub(super) erasable: bool,
}

impl Put {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout = Some(timeout);
        self
    }

    /// Put into the bucket of that name.
    pub fn bucket(mut self, name: &str) -> Self {
        self.bucket = Bucket::new(name);
        self
    }

    /// Let anyone [`erase`](Cluster::erase) the entry.
    pub fn erasable(mut self) -> Self {
        self.erasable = true;
        self
    }

    async fn run(self) -> Result<Chosen, Error> {
        let id = self.call.id(self.bucket, self.key)?;
        let value = self.value?;
        self.call.check("value", value.cbor().len(), self.call.cluster.shared.settings.max_value)?;
        let cluster = &self.call.cluster;
        let leases = if self.erasable { vec![Lease::Latch { nonce: cluster.random() }] } else { Vec::new() };
        let entry = Entry { value, leases, request: RequestId(cluster.random()) };
        match self.call.run(Op::Put { id, entry, within: None }).await? {
            Outcome::Value { value, generation, won, .. } => Ok(Chosen { value, generation, won }),
            other => Err(unexpected(&other)),
        }
    }
}

impl IntoFuture for Put {
    type Output = Result<Chosen, Error>;
    type IntoFuture = BoxFuture<Chosen>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A get to be awaited.
#[must_use = "a get does nothing until it is awaited"]
pub struct Get {
    pub(super) call: CallOptions,
    pub(super) key: Result<Key, Error>,
    pub(super) bucket: Result<Bucket, Error>,
    pub(super) local: bool,
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

    async fn run(self) -> Result<Option<Found>, Error> {
        let id = self.call.id(self.bucket, self.key)?;
        let op = if self.local { Op::Peek { id } } else { Op::Get { id } };
        match self.call.run(op).await? {
            Outcome::Value { value, leases, generation, .. } => Ok(Some(Found { value, leases, generation })),
            Outcome::Absent {} => Ok(None),
            other => Err(unexpected(&other)),
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
        let call = CallOptions { cluster: self.get.call.cluster.clone(), timeout: self.get.call.timeout };
        let Some(found) = self.get.await? else { return Ok(false) };
        let Some(lease) = found.leases.into_iter().find(|lease| matches!(lease, Lease::Latch { .. })) else {
            return Err(Error::invalid(
                "this entry is not erasable: it was put without the option to erase it",
            ));
        };
        match call.run(Op::End { lease }).await? {
            Outcome::Ended {} => Ok(true),
            other => Err(unexpected(&other)),
        }
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

/// What a put came to: the value that the key has, whoever put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    value: Value,
    generation: Generation,
    won: bool,
}

impl Chosen {
    /// The value that was chosen.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.value.decode()
    }

    /// The value that was chosen, as CBOR.
    pub fn cbor(&self) -> &[u8] {
        self.value.cbor()
    }

    /// The fencing token: higher for each new owner of the key.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether it is this put's own entry that was chosen.
    pub fn won(&self) -> bool {
        self.won
    }
}

/// What a get found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    value: Value,
    leases: Vec<Lease>,
    generation: Generation,
}

impl Found {
    /// The value.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is of another type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.value.decode()
    }

    /// The value, as CBOR.
    pub fn cbor(&self) -> &[u8] {
        self.value.cbor()
    }

    /// The fencing token: higher for each new owner of the key.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// What the entry's life hangs on; for ever where this is empty.
    pub fn leases(&self) -> &[Lease] {
        &self.leases
    }
}
