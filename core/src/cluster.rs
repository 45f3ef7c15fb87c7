//! What callers hold: a handle to the cluster that can be cloned and shared.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{Stream, stream};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ballot::Generation;
use crate::error::Error;
use crate::identity::RequestId;
use crate::key::{Bucket, Key, KeyId};
use crate::lease::Lease;
use crate::message::{Listed, Op, Outcome};
use crate::settings::Settings;
use crate::status::Status;
use crate::value::{Entry, Value};

/// Names a call until it is answered or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What the handle tells the driver.
pub(crate) enum Command {
    Call { call: CallId, op: Op, timeout: Option<Duration>, reply: oneshot::Sender<Outcome> },
    Cancel { call: CallId },
    Leave { done: oneshot::Sender<()> },
}

/// A member's, or an observer's, hold on the cluster. Cheap to clone; all clones are one node.
///
/// Calls wait for a quorum for as long as it takes, unless given a timeout. To drop a call's future is to cancel it;
/// a put that was cancelled or timed out may or may not have happened.
///
/// ```
/// use futures::executor::LocalPool;
/// use futures::task::LocalSpawnExt;
/// use paxoskv_core::{Cluster, memory};
///
/// // A cluster of one, on memory. `driver` is the node: a future for any executor.
/// let (cluster, driver) = Cluster::builder("demo")
///     .cluster_size(1)
///     .seat(1)
///     .storage(memory::MemoryStorage::new())
///     .timer(memory::SystemTimer::new())
///     .entropy([7; 32]) // of a real random source, outside of examples
///     .build()?;
/// let mut pool = LocalPool::new();
/// pool.spawner().spawn_local(async { driver.await.expect("memory does not fail") })?;
/// pool.run_until(async {
///     let chosen = cluster.put("leader", "me").await?;
///     assert!(chosen.won());
///     assert_eq!(cluster.put("leader", "you").await?.value::<String>()?, "me");
///     assert_eq!(cluster.get("follower").await?, None);
///     cluster.leave().await;
///     Ok::<(), paxoskv_core::Error>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    name: String,
    commands: mpsc::UnboundedSender<Command>,
    next_call: AtomicU64,
    rng: Mutex<ChaCha12Rng>,
    settings: Settings,
    news: Arc<News>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) fn new(
        name: String,
        settings: Settings,
        rng: ChaCha12Rng,
        news: Arc<News>,
    ) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, inbox) = mpsc::unbounded();
        let next_call = AtomicU64::new(0);
        let shared = Shared { name, commands, next_call, rng: Mutex::new(rng), settings, news };
        (Self { shared: Arc::new(shared) }, inbox)
    }

    /// The name that the node was given for its cluster.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Associates a key with a value, once: whoever puts later gets the value that was chosen.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`] for what cannot be CBOR, [`Error::TooLarge`], and with a timeout
    /// [`Error::NoQuorum`] or [`Error::Timeout`]; an erasable put can end in [`Error::LeaseEnded`].
    pub fn put<K: Serialize + ?Sized, V: Serialize + ?Sized>(&self, key: &K, value: &V) -> Put {
        self.put_cbor(Key::new(key), Value::new(value))
    }

    /// Like [`put`](Self::put), for a key and a value that are CBOR already.
    pub fn put_cbor(&self, key: Result<Key, Error>, value: Result<Value, Error>) -> Put {
        Put { call: self.call(), key, value, bucket: Ok(Bucket::default()), erasable: false }
    }

    /// The value that was chosen for a key, if any. May run a round of Paxos.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`], [`Error::TooLarge`], and with a timeout [`Error::NoQuorum`] or
    /// [`Error::Timeout`].
    pub fn get<K: Serialize + ?Sized>(&self, key: &K) -> Get {
        self.get_cbor(Key::new(key))
    }

    /// Like [`get`](Self::get), for a key that is CBOR already.
    pub fn get_cbor(&self, key: Result<Key, Error>) -> Get {
        Get { call: self.call(), key, bucket: Ok(Bucket::default()), local: false }
    }

    /// The value that was chosen for a key, or `default` where there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`Error::InvalidArgument`] where the value is of another type.
    pub async fn get_or<K: Serialize + ?Sized, V: DeserializeOwned>(
        &self,
        key: &K,
        default: V,
    ) -> Result<V, Error> {
        match self.get(key).await? {
            Some(found) => found.value(),
            None => Ok(default),
        }
    }

    /// Ends the entry that a key has now, if it was put as [`erasable`](Put::erasable); the key is vacant then, and
    /// may be put anew. Resolves to false where there was no entry.
    ///
    /// # Errors
    /// When awaited: as [`get`](Self::get), and [`Error::InvalidArgument`] where the entry is not erasable.
    pub fn erase<K: Serialize + ?Sized>(&self, key: &K) -> Erase {
        self.erase_cbor(Key::new(key))
    }

    /// Like [`erase`](Self::erase), for a key that is CBOR already.
    pub fn erase_cbor(&self, key: Result<Key, Error>) -> Erase {
        Erase { get: self.get_cbor(key) }
    }

    /// The text keys of a bucket that begin with `prefix`, or all keys where it is empty, as far as one seat has
    /// learned them. A listing is not one instant: keys that are put meanwhile may or may not be in it.
    pub fn keys(
        &self,
        bucket: Bucket,
        prefix: &str,
    ) -> impl Stream<Item = Result<Listed, Error>> + Send + use<> {
        struct Paging {
            call: CallOptions,
            bucket: Bucket,
            prefix: String,
            page: std::vec::IntoIter<Listed>,
            after: Option<Key>,
            more: bool,
        }
        let (call, prefix, page) = (self.call(), prefix.to_owned(), Vec::new().into_iter());
        stream::try_unfold(Paging { call, bucket, prefix, page, after: None, more: true }, async |mut at| {
            loop {
                if let Some(listed) = at.page.next() {
                    at.after = Some(listed.key.clone());
                    return Ok(Some((listed, at)));
                }
                if !at.more {
                    return Ok(None);
                }
                let (bucket, prefix, after) = (at.bucket.clone(), at.prefix.clone(), at.after.clone());
                match at.call.run(Op::Keys { bucket, prefix, after }).await? {
                    Outcome::Keys { items, more } => {
                        at.more = more && !items.is_empty();
                        at.page = items.into_iter();
                    }
                    other => return Err(unexpected(&other)),
                }
            }
        })
    }

    /// The state of the cluster: as this seat sees it, or for an observer as a seat sees it.
    ///
    /// # Errors
    /// [`Error::Closed`], and for an observer with a timeout [`Error::NoQuorum`].
    pub fn status(&self) -> StatusCall {
        StatusCall { call: self.call() }
    }

    /// The state of the cluster as this node sees it, now and whenever it changes; a slow reader misses what lies
    /// between. Ends when the node has left.
    pub fn statuses(&self) -> Statuses {
        Statuses { news: self.shared.news.clone(), seen: 0 }
    }

    /// Resolves when this node, which was never a member, was refused by every seat that it could reach.
    pub async fn refused(&self) -> Error {
        let news = &self.shared.news;
        futures::future::poll_fn(|cx| news.poll(cx, |state| state.refused.clone())).await
    }

    /// Says goodbye to all peers and stops the driver, after all that is under way is durable.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        // Both fail only where the driver is gone already, which is what is wanted.
        self.shared.commands.unbounded_send(Command::Leave { done }).ok();
        left.await.ok();
    }

    fn call(&self) -> CallOptions {
        CallOptions { cluster: self.clone(), timeout: None }
    }

    fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.shared.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }
}

struct CallOptions {
    cluster: Cluster,
    timeout: Option<Duration>,
}

impl CallOptions {
    async fn run(&self, op: Op) -> Result<Outcome, Error> {
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

fn unexpected(outcome: &Outcome) -> Error {
    Error::invalid(format!("a seat answered something else than was asked: {outcome:?}"))
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A put to be awaited.
#[must_use = "a put does nothing until it is awaited"]
pub struct Put {
    call: CallOptions,
    key: Result<Key, Error>,
    value: Result<Value, Error>,
    bucket: Result<Bucket, Error>,
    erasable: bool,
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
    call: CallOptions,
    key: Result<Key, Error>,
    bucket: Result<Bucket, Error>,
    local: bool,
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
    get: Get,
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
    call: CallOptions,
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

/// The states of a cluster, as one node sees them: see [`Cluster::statuses`].
pub struct Statuses {
    news: Arc<News>,
    seen: u64,
}

impl Stream for Statuses {
    type Item = Status;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Status>> {
        let seen = self.seen;
        let next = self.news.poll(cx, |state| match &state.status {
            Some(status) if state.version > seen => Some(Some((status.clone(), state.version))),
            _ if state.closed => Some(None),
            _ => None,
        });
        next.map(|next| {
            let (status, version) = next?;
            self.seen = version;
            Some(status)
        })
    }
}

/// What the driver tells all clones of the handle.
#[derive(Default)]
pub(crate) struct News {
    state: Mutex<NewsState>,
}

#[derive(Default)]
struct NewsState {
    status: Option<Status>,
    version: u64,
    refused: Option<Error>,
    closed: bool,
    wakers: Vec<std::task::Waker>,
}

impl News {
    pub(crate) fn status(&self, status: Status) {
        self.change(|state| {
            state.version += 1;
            state.status = Some(status);
        });
    }

    pub(crate) fn refused(&self, error: Error) {
        self.change(|state| state.refused = Some(error));
    }

    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn change(&self, change: impl FnOnce(&mut NewsState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    fn poll<R>(&self, cx: &mut Context<'_>, look: impl FnOnce(&NewsState) -> Option<R>) -> Poll<R> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = look(&state) {
            return Poll::Ready(found);
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
