//! Puts, and what the life of what they put hangs on.

use std::future::IntoFuture;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::calls::{BoxFuture, CallOptions, Chosen, unexpected};
use super::session::Session;
use crate::types::{Bucket, Entry, Error, Key, KeyId, Lease, RequestId, SessionId, Value, each_once};
use crate::wire::{Op, Outcome};

/// A put to be awaited.
///
/// Unless told otherwise, what is put stays for ever. It can be bound to several things at once; the first of them
/// that ends makes the key vacant, in the same instant as all else that hangs on it.
#[must_use = "a put does nothing until it is awaited"]
pub struct Put {
    call: CallOptions,
    key: Result<Key, Error>,
    value: Result<Value, Error>,
    bucket: Result<Bucket, Error>,
    request: RequestId,
    leases: Vec<Lease>,
    parents: Vec<(Result<Key, Error>, Result<Bucket, Error>)>,
    wait: bool,
}

impl Put {
    pub(super) fn new(call: CallOptions, key: Result<Key, Error>, value: Result<Value, Error>) -> Self {
        let request = RequestId(call.cluster.random());
        let (leases, parents) = (Vec::new(), Vec::new());
        Self { call, key, value, bucket: Ok(Bucket::default()), request, leases, parents, wait: false }
    }

    /// Wait no longer than this. A put into a bucket, or bound to a key, takes several steps, each of which may take
    /// as long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout = Some(timeout);
        self
    }

    /// Put into the bucket of that name, which comes to be with its first key, unless it was
    /// [created](crate::Cluster::create_bucket) before.
    pub fn bucket(mut self, name: &str) -> Self {
        self.bucket = Bucket::new(name);
        self
    }

    pub(crate) fn library(mut self, bucket: &'static str) -> Self {
        self.bucket = Ok(Bucket::system(bucket));
        self
    }

    /// Let anyone [`erase`](crate::Cluster::erase) the entry.
    pub fn erasable(mut self) -> Self {
        self.leases.push(Lease::own_latch(self.request));
        self
    }

    /// The key is vacant once this session has ended: its node is lost to a quorum of seats, or closes it.
    pub fn bound_to(self, session: &Session) -> Self {
        self.bound_to_peer(session.id())
    }

    /// Like [`bound_to`](Self::bound_to), for a session of any node, by its name.
    pub fn bound_to_peer(mut self, session: SessionId) -> Self {
        self.leases.push(session.lease());
        self
    }

    /// The key is vacant once that one is, in the same instant. It stays for ever if that one does.
    pub fn bound_to_key<K: Serialize + ?Sized>(self, key: &K) -> Self {
        self.bound_to_key_in("", Key::new(key))
    }

    /// Like [`bound_to_key`](Self::bound_to_key), for a key of the bucket of that name, as CBOR.
    pub fn bound_to_key_in(mut self, bucket: &str, key: Result<Key, Error>) -> Self {
        self.parents.push((key, Bucket::new(bucket)));
        self
    }

    /// The key is vacant once the clocks of a quorum of seats are past that moment: never before it by their clocks,
    /// but some time later perhaps.
    pub fn until(mut self, moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.leases.push(Lease::Deadline { unix_ms, nonce: self.request.0 });
        self
    }

    /// Not to be told of another's entry, but to wait until it has ended, in a queue at one seat.
    pub(crate) fn in_turn(mut self) -> Self {
        self.wait = true;
        self
    }

    async fn run(mut self) -> Result<Chosen, Error> {
        let id = self.call.id(self.bucket, self.key)?;
        let value = self.value?;
        self.call.check("value", value.cbor().len(), self.call.cluster.shared.settings.max_value)?;
        for (key, bucket) in std::mem::take(&mut self.parents) {
            let parent = self.call.id(bucket, key)?;
            match self.call.run(Op::Get { id: parent }).await? {
                // They never change within a generation.
                Outcome::Value { entry, .. } => self.leases.extend(entry.leases),
                Outcome::Absent { .. } => return Err(Error::LeaseEnded {}),
                other => return Err(unexpected(&other)),
            }
        }
        self.leases.extend(self.call.leases_of_bucket(id.bucket()).await?);
        let entry = Entry { value, leases: each_once(self.leases), request: self.request };
        match self.call.run(Op::Put { id, entry, within: None, wait: self.wait }).await? {
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

/// The id of the register that says what a bucket is.
fn bucket_register(bucket: &Bucket) -> KeyId {
    let key = Key::new(bucket.name()).unwrap_or_else(|_| unreachable!("a text is CBOR"));
    KeyId::new(Bucket::system("$bucket"), key)
}

/// What became of a bucket that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketKind {
    /// It is there for ever.
    Plain,
    /// It can be [dropped](crate::Cluster::drop_bucket), and all its keys with it.
    Droppable,
}

impl CallOptions {
    /// Has it decided what a bucket is.
    async fn decide_bucket(&self, bucket: &Bucket, kind: BucketKind) -> Result<Entry, Error> {
        let request = RequestId(self.cluster.random());
        let (value, leases) = match kind {
            BucketKind::Plain => ("plain", Vec::new()),
            BucketKind::Droppable => ("droppable", vec![Lease::own_latch(request)]),
        };
        let entry = Entry { value: Value::new(value)?, leases, request };
        let op = Op::Put { id: bucket_register(bucket), entry, within: None, wait: false };
        match self.run(op).await? {
            Outcome::Value { entry, .. } => Ok(entry),
            other => Err(unexpected(&other)),
        }
    }

    /// The leases that all keys of a bucket carry. It is a plain one unless somebody has decided otherwise.
    async fn leases_of_bucket(&self, bucket: &Bucket) -> Result<Vec<Lease>, Error> {
        let shared = &self.cluster.shared;
        if bucket.is_system() || *bucket == Bucket::default() || shared.is_plain(bucket) {
            return Ok(Vec::new());
        }
        let entry = self.decide_bucket(bucket, BucketKind::Plain).await?;
        if entry.is_permanent() {
            shared.note_plain(bucket);
        }
        Ok(entry.leases)
    }

    pub(super) async fn create_bucket(&self, name: &str, kind: BucketKind) -> Result<BucketKind, Error> {
        let bucket = named(name)?;
        let entry = self.decide_bucket(&bucket, kind).await?;
        Ok(if entry.is_permanent() { BucketKind::Plain } else { BucketKind::Droppable })
    }

    pub(super) async fn drop_bucket(&self, name: &str) -> Result<bool, Error> {
        let bucket = named(name)?;
        let entry = match self.run(Op::Get { id: bucket_register(&bucket) }).await? {
            Outcome::Value { entry, .. } => entry,
            Outcome::Absent { .. } => return Ok(false),
            other => return Err(unexpected(&other)),
        };
        if entry.is_permanent() {
            return Err(Error::invalid(format!("bucket {name:?} is a plain one, which cannot be dropped")));
        }
        match self.run(Op::End { lease: Lease::own_latch(entry.request) }).await? {
            Outcome::Ended {} => Ok(true),
            other => Err(unexpected(&other)),
        }
    }
}

fn named(name: &str) -> Result<Bucket, Error> {
    match Bucket::new(name)? {
        bucket if bucket == Bucket::default() => {
            Err(Error::invalid("the bucket without a name is always there"))
        }
        bucket => Ok(bucket),
    }
}
