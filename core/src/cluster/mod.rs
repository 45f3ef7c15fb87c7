//! What callers hold: a handle to the cluster that can be cloned and shared.

mod calls;
mod news;
mod put;
mod session;
mod watch;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{Stream, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::random::Random;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::sorted::Set;
use crate::types::{Bucket, CallId, Error, Key, SessionId, Value};
use crate::wire::{Listed, Op, Outcome, Version};

use calls::{CallOptions, unexpected};
pub use calls::{Chosen, Erase, Found, Get, Owner, StatusCall};
pub(crate) use news::News;
pub use news::Statuses;
pub use put::{BucketKind, Put};
pub use session::{OpenSession, Session};
pub use watch::{State, Watch, WatchPrefix};

/// What the handle tells the driver.
pub(crate) enum Command {
    Call { call: CallId, op: Op, timeout: Option<Duration>, reply: oneshot::Sender<Outcome> },
    Cancel { call: CallId },
    OpenSession { call: CallId, timeout: Option<Duration>, reply: oneshot::Sender<Result<SessionId, Error>> },
    CloseSession { n: u64 },
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
    random: Mutex<Random>,
    settings: Settings,
    news: Arc<News>,
    /// The session of the node's own life, once somebody has asked for it.
    own_session: Mutex<Option<SessionId>>,
    /// Buckets that are known to be plain, which they are for ever.
    plain: Mutex<Set<Bucket>>,
}

/// How many plain buckets a handle remembers.
const PLAIN: usize = 1_024;

impl Shared {
    fn own_session(&self) -> Option<SessionId> {
        *self.own_session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_own_session(&self, id: SessionId) {
        *self.own_session.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    fn is_plain(&self, bucket: &Bucket) -> bool {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner).contains(bucket)
    }

    fn note_plain(&self, bucket: &Bucket) {
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if plain.len() < PLAIN {
            plain.insert(bucket.clone());
        }
    }
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
        random: Random,
        news: Arc<News>,
    ) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, inbox) = mpsc::unbounded();
        let next_call = AtomicU64::new(0);
        let shared = Shared {
            name,
            commands,
            next_call,
            random: Mutex::new(random),
            settings,
            news,
            own_session: Mutex::new(None),
            plain: Mutex::new(Set::new()),
        };
        (Self { shared: Arc::new(shared) }, inbox)
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules::default()
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
        Put::new(self.call(), key, value)
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
        Get { call: self.call(), key, bucket: Ok(Bucket::default()), local: false, wait: false }
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

    /// The session that a key's entry is bound to; `None` where the key is vacant, or bound to none.
    ///
    /// # Errors
    /// When awaited: as [`get`](Self::get).
    pub fn owner<K: Serialize + ?Sized>(&self, key: &K) -> Owner {
        self.owner_cbor(Key::new(key))
    }

    /// Like [`owner`](Self::owner), for a key that is CBOR already.
    pub fn owner_cbor(&self, key: Result<Key, Error>) -> Owner {
        Owner { get: self.get_cbor(key) }
    }

    /// Opens a session, to bind keys to. Resolves once a quorum of seats has heard of this node.
    ///
    /// # Errors
    /// When awaited: with a timeout [`Error::NoQuorum`] or [`Error::Timeout`]; [`Error::Overloaded`],
    /// [`Error::Closed`].
    pub fn open_session(&self) -> OpenSession {
        OpenSession { cluster: self.clone(), timeout: None, own: false }
    }

    /// The session of this node's own life: one for all, opened when it is first asked for, and anew should it have
    /// ended. It ends with the node.
    ///
    /// # Errors
    /// When awaited: as [`open_session`](Self::open_session).
    pub fn session(&self) -> OpenSession {
        OpenSession { cluster: self.clone(), timeout: None, own: true }
    }

    /// Resolves when a session, of whatever node, has ended: so that what hung on it can be put anew.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Overloaded`].
    pub async fn monitor(&self, session: SessionId) -> Result<(), Error> {
        let op = Op::Watch { id: session.lease().end(), after: Version::default() };
        match self.call().run(op).await? {
            Outcome::Value { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The states of a key, now and as they change: the value in generation 0, vacant in generation 1, and so on, each
    /// later than the one before. Begins with what a quorum says, then tells what one seat learns. A slow reader skips
    /// states, but never the last.
    pub fn watch<K: Serialize + ?Sized>(&self, key: &K) -> Watch {
        self.watch_cbor(Key::new(key))
    }

    /// Like [`watch`](Self::watch), for a key that is CBOR already.
    pub fn watch_cbor(&self, key: Result<Key, Error>) -> Watch {
        Watch::new(self.call(), key)
    }

    /// The states of all text keys of a bucket that begin with `prefix`, or of all its keys where it is empty: first
    /// the values that one seat has learned, then changes as it learns of them. For each key the states come in
    /// order, and the last is never missed.
    pub fn watch_prefix(&self, bucket: Bucket, prefix: &str) -> WatchPrefix {
        WatchPrefix::new(self.call(), bucket, prefix, false)
    }

    /// Like [`watch_prefix`](Self::watch_prefix), and tells in the beginning of keys that have become vacant, too.
    pub(crate) fn watch_prefix_with_vacant(&self, bucket: Bucket, prefix: &str) -> WatchPrefix {
        WatchPrefix::new(self.call(), bucket, prefix, true)
    }

    /// Decides what a bucket is, before the first put into it does; resolves to what it is, whoever decided that.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a name that no bucket can have.
    pub async fn create_bucket(&self, name: &str, kind: BucketKind) -> Result<BucketKind, Error> {
        self.call().create_bucket(name, kind).await
    }

    /// Drops a droppable bucket: all its keys are vacant in one instant. Resolves to false where there is no such
    /// bucket. Its name can be used anew.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where it is a plain bucket.
    pub async fn drop_bucket(&self, name: &str) -> Result<bool, Error> {
        self.call().drop_bucket(name).await
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
        self.shared.random.lock().unwrap_or_else(PoisonError::into_inner).name()
    }
}
