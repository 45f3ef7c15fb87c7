//! Puts, and what the life of what they put is bound to.

use std::future::IntoFuture;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

use super::argument::IntoKey;
use super::call::{BoxFuture, Caller, Target, bucket_method, check_size, timeout_method, unexpected};
use super::found::Found;
use super::session::Session;
use crate::settings::millis;
use crate::types::{Bucket, Entry, Error, Generation, Lease, RequestId, SessionId, Value, each_once};
use crate::wire::{Op, Outcome};

/// A put to be awaited: see [`Cluster::put`](crate::Cluster::put).
///
/// Unless it is bound to something, an entry stays for ever. It can be bound to several things at once; the first of them
/// that ends makes the key vacant, in the same instant as all else that is bound to it.
#[must_use = "a put does nothing until it is awaited"]
pub struct Put {
    caller: Caller,
    target: Target,
    value: Result<Value, Error>,
    request: RequestId,
    leases: Vec<Lease>,
    parents: Vec<Target>,
    in_turn: bool,
}

impl Put {
    pub(super) fn new(caller: Caller, target: Target, value: Result<Value, Error>) -> Self {
        let request = RequestId(caller.cluster.random());
        Self { caller, target, value, request, leases: Vec::new(), parents: Vec::new(), in_turn: false }
    }

    timeout_method!(caller);
    // A bucket comes to be with its first key, unless it was created before.
    bucket_method!(target.bucket);

    /// Lets anyone [`erase`](crate::Cluster::erase) the entry.
    pub fn erasable(mut self) -> Self {
        self.leases.push(Lease::own_latch(self.request));
        self
    }

    /// The key becomes vacant once this session has ended: it was closed, or a quorum of seats has suspected its node
    /// for longer than the grace.
    pub fn bound_to(self, session: &Session) -> Self {
        self.bound_to_peer(session.id())
    }

    /// Like [`bound_to`](Self::bound_to), for a session of any node, by its name.
    pub fn bound_to_peer(mut self, session: SessionId) -> Self {
        self.leases.push(session.lease());
        self
    }

    /// The key becomes vacant once that key does, in the same instant. It stays for ever if that one does. Where that
    /// key has no value, the put ends in [`Error::LeaseEnded`].
    pub fn bound_to_key(self, key: impl IntoKey) -> Self {
        self.bound_to_key_in("", key)
    }

    /// Like [`bound_to_key`](Self::bound_to_key), for a key of the bucket of that name.
    pub fn bound_to_key_in(mut self, bucket: &str, key: impl IntoKey) -> Self {
        self.parents.push(Target { bucket: Bucket::new(bucket), key: key.into_key() });
        self
    }

    /// The key becomes vacant once the clocks of a quorum of seats are past that moment: never before it by their
    /// clocks, but perhaps some time later.
    pub fn until(mut self, moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = millis(since);
        self.leases.push(Lease::Deadline { unix_ms, nonce: self.request.0 });
        self
    }

    /// Waits until another's entry has ended, in a queue at one seat, and never answers with it.
    pub(crate) fn in_turn(mut self) -> Self {
        self.in_turn = true;
        self
    }

    async fn run(mut self) -> Result<Chosen, Error> {
        let call = self.caller.begin();
        let id = call.key_id(self.target)?;
        let value = self.value?;
        check_size("value", value.cbor().len(), call.cluster.shared.settings.max_value)?;
        for parent in self.parents {
            let id = call.key_id(parent)?;
            match call.state(Op::Get { id }).await?.found {
                // Leases of an entry never change.
                Some(found) => self.leases.extend_from_slice(found.leases()),
                None => return Err(Error::LeaseEnded),
            }
        }
        self.leases.extend(call.leases_of_bucket(id.bucket()).await?);
        let entry = Entry { value, leases: each_once(self.leases), request: self.request };
        match call.run(Op::Put { id, entry, within: None, wait: self.in_turn }).await? {
            Outcome::Value { entry, generation, won } => Ok(Chosen::new(entry, generation, won)),
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

/// The outcome of a put: the value that the key has, which may be another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    found: Found,
    won: bool,
}

impl Chosen {
    fn new(entry: Entry, generation: Generation, won: bool) -> Self {
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
        self.found.generation()
    }

    /// Whether it is this put's own entry that was chosen.
    pub fn won(&self) -> bool {
        self.won
    }

    /// The key's value and generation, as a get finds them.
    pub fn found(&self) -> &Found {
        &self.found
    }
}
