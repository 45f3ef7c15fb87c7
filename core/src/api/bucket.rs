//! Buckets: what they are, and how a whole one is dropped.

use std::future::IntoFuture;

use super::call::{BoxFuture, Call, Caller, timeout_method, unexpected};
use crate::types::{Bucket, Entry, Error, Key, KeyId, Lease, RequestId, Value};
use crate::wire::{Op, Outcome};

/// The kinds of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketKind {
    /// It is there for ever.
    Plain,
    /// It can be [dropped](crate::Cluster::drop_bucket), and all its keys with it.
    Droppable,
}

/// A bucket to be created: see [`Cluster::create_bucket`](crate::Cluster::create_bucket).
#[must_use = "a bucket is not created until this is awaited"]
pub struct CreateBucket {
    pub(super) caller: Caller,
    pub(super) bucket: Result<Bucket, Error>,
    pub(super) kind: BucketKind,
}

impl CreateBucket {
    timeout_method!(caller);
}

impl IntoFuture for CreateBucket {
    type Output = Result<BucketKind, Error>;
    type IntoFuture = BoxFuture<BucketKind>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let bucket = named(self.bucket)?;
            let entry = self.caller.begin().decide_bucket(&bucket, self.kind).await?;
            Ok(if entry.is_permanent() { BucketKind::Plain } else { BucketKind::Droppable })
        })
    }
}

/// A bucket to be dropped: see [`Cluster::drop_bucket`](crate::Cluster::drop_bucket).
#[must_use = "a bucket is not dropped until this is awaited"]
pub struct DropBucket {
    pub(super) caller: Caller,
    pub(super) bucket: Result<Bucket, Error>,
}

impl DropBucket {
    timeout_method!(caller);

    async fn run(self) -> Result<bool, Error> {
        let bucket = named(self.bucket)?;
        let call = self.caller.begin();
        let state = call.state(Op::Get { id: bucket_register(&bucket) }).await?;
        let Some(found) = state.found else { return Ok(false) };
        if found.entry().is_permanent() {
            let name = bucket.name();
            return Err(Error::invalid(format!("bucket {name:?} is a plain one, which cannot be dropped")));
        }
        call.end(Lease::own_latch(found.entry().request)).await.map(|()| true)
    }
}

impl IntoFuture for DropBucket {
    type Output = Result<bool, Error>;
    type IntoFuture = BoxFuture<bool>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The id of the register that says what a bucket is.
fn bucket_register(bucket: &Bucket) -> KeyId {
    let key = Key::new(bucket.name()).unwrap_or_else(|_| unreachable!("a text is CBOR"));
    KeyId::new(Bucket::system("$bucket"), key)
}

fn named(bucket: Result<Bucket, Error>) -> Result<Bucket, Error> {
    match bucket? {
        bucket if bucket == Bucket::default() => {
            Err(Error::invalid("the bucket without a name is always there, and plain"))
        }
        bucket => Ok(bucket),
    }
}

impl Call {
    /// Has the kind of a bucket decided; gives the decision, which another may have proposed.
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
    pub(super) async fn leases_of_bucket(&self, bucket: &Bucket) -> Result<Vec<Lease>, Error> {
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
}
