//! The handle to the cluster, which callers clone and share, and the calls that it makes.
//!
//! | file | what |
//! |---|---|
//! | `builder` | how a node is put together from its ports |
//! | `call` | a call on its way: its timeout, its steps, what it asks of the driver |
//! | `argument` | what can be given for a key and for a value |
//! | `put`, `get`, `erase`, `bucket`, `session`, `status`, `keys`, `watch` | one kind of call each |

mod argument;
mod bucket;
mod builder;
pub(crate) mod call;
mod erase;
mod found;
mod get;
mod keys;
mod put;
mod session;
mod status;
mod watch;

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::{mpsc, oneshot};
use serde::de::DeserializeOwned;

use crate::driver::{Command, Published, Topic, Waiting};
use crate::random::Random;
use crate::settings::Settings;
use crate::sorted::Set;
use crate::types::{Bucket, Error, SessionId};

pub use argument::{IntoKey, IntoValue};
pub use bucket::{BucketKind, CreateBucket, DropBucket};
pub use builder::{Builder, NoTimer};
use call::{Caller, Target};
pub use erase::Erase;
pub use found::{Found, State};
pub use get::{Get, Owner};
pub use keys::{Keys, Listed};
pub use put::{Chosen, Put};
use session::OwnSession;
pub use session::{Monitor, OpenSession, Session};
pub use status::{StatusCall, Statuses};
pub use watch::{Watch, WatchPrefix};

/// A member's, or an observer's, hold on the cluster. Cheap to clone; all clones are one node.
///
/// # Calls
///
/// A call is built, then awaited: `cluster.put("leader", &me).bound_to(&session).timeout(secs).await?`. It waits for a
/// quorum for as long as it takes, unless given a timeout, which holds for the whole call. To drop a call's future is
/// to cancel it. A put that was cancelled or timed out may or may not have happened; to ask again is safe.
///
/// Keys and values are references to whatever serde can write, or a [`Key`](crate::Key) and a [`Value`](crate::Value)
/// that were made before. A bucket is given by its name, with `.bucket(name)`. A wrong argument is an
/// [`Error::InvalidArgument`] or an [`Error::TooLarge`] when the call is awaited.
///
/// All calls can end in [`Error::Closed`], where the node has left, in [`Error::Overloaded`], in [`Error::Storage`] and
/// [`Error::Refused`], where it has stopped for that reason, and with a timeout in [`Error::NoQuorum`] and
/// [`Error::Timeout`]. The calls below name what else they can end in.
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
    published: Arc<Published>,
    own_session: OwnSession,
    /// Buckets that are known to be plain, which they are for ever.
    plain: Mutex<Set<Bucket>>,
}

/// How many plain buckets a handle remembers.
const PLAIN: usize = 1_024;

impl Shared {
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
    fn new(
        name: String,
        settings: Settings,
        random: Random,
        published: Arc<Published>,
    ) -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, inbox) = mpsc::unbounded();
        let shared = Shared {
            name,
            commands,
            next_call: AtomicU64::new(0),
            random: Mutex::new(random),
            settings,
            published,
            own_session: OwnSession::default(),
            plain: Mutex::new(Set::new()),
        };
        (Self { shared: Arc::new(shared) }, inbox)
    }

    /// The name that the node was given for its cluster.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Associates a key with a value, once: a later put of the same key finds the value that was chosen.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`] for what cannot be CBOR, [`Error::TooLarge`]; a put that is bound to
    /// something, or into a droppable bucket, can end in [`Error::LeaseEnded`].
    pub fn put(&self, key: impl IntoKey, value: impl IntoValue) -> Put {
        Put::new(self.caller(), Target::new(key.into_key()), value.into_value())
    }

    /// The value that was chosen for a key, if any. May run a round of Paxos.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`], [`Error::TooLarge`].
    pub fn get(&self, key: impl IntoKey) -> Get {
        Get::new(self.caller(), Target::new(key.into_key()))
    }

    /// The value that was chosen for a key, or `default` where there is none.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`Error::InvalidArgument`] where the value is of another type.
    pub async fn get_or<V: DeserializeOwned>(&self, key: impl IntoKey, default: V) -> Result<V, Error> {
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
    pub fn erase(&self, key: impl IntoKey) -> Erase {
        Erase { caller: self.caller(), target: Target::new(key.into_key()) }
    }

    /// The session that a key's entry is bound to; `None` where the key is vacant, or bound to none.
    ///
    /// # Errors
    /// When awaited: as [`get`](Self::get).
    pub fn owner(&self, key: impl IntoKey) -> Owner {
        Owner { caller: self.caller(), target: Target::new(key.into_key()) }
    }

    /// Opens a session, to bind keys to. Resolves once a quorum of seats has heard of this node.
    pub fn open_session(&self) -> OpenSession {
        OpenSession { caller: self.caller(), own: false }
    }

    /// The session of this node itself: one for all its handles, opened when it is first asked for, and anew should it
    /// have ended. It ends with the node.
    pub fn session(&self) -> OpenSession {
        OpenSession { caller: self.caller(), own: true }
    }

    /// Resolves when a session, of whatever node, has ended: so that what was bound to it can be put anew.
    pub fn monitor(&self, session: SessionId) -> Monitor {
        Monitor { caller: self.caller(), session }
    }

    /// The states of a key, now and as they change: the value in generation 0, vacant in generation 1, and so on, each
    /// later than the one before. Begins with what a quorum says, then tells what one seat learns. A slow reader skips
    /// states, but never the last.
    ///
    /// ```
    /// # use futures::executor::LocalPool;
    /// # use futures::task::LocalSpawnExt;
    /// # use paxoskv_core::{Cluster, memory};
    /// # let (cluster, driver) = Cluster::builder("demo").cluster_size(1).seat(1)
    /// #     .storage(memory::MemoryStorage::new()).timer(memory::SystemTimer::new()).entropy([7; 32]).build()?;
    /// # let mut pool = LocalPool::new();
    /// # pool.spawner().spawn_local(async { driver.await.expect("memory does not fail") })?;
    /// # pool.run_until(async {
    /// use futures::StreamExt;
    ///
    /// let mut states = cluster.watch("leader");
    /// assert_eq!(states.next().await.expect("it has no end")?.found, None);
    ///
    /// cluster.put("leader", "anna").erasable().await?;
    /// let state = states.next().await.expect("it has no end")?;
    /// assert_eq!(state.found.expect("there is a leader").value::<String>()?, "anna");
    ///
    /// cluster.erase("leader").await?;
    /// let state = states.next().await.expect("it has no end")?;
    /// assert_eq!((state.generation.0, state.found), (1, None));
    /// # Ok::<(), paxoskv_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch(&self, key: impl IntoKey) -> Watch {
        Watch::new(self.caller(), Target::new(key.into_key()))
    }

    /// The states of all text keys that begin with `prefix`, or of all keys of the bucket where it is empty: first the
    /// values that one seat has learned, then changes as it learns of them. For each key the states come in order, and
    /// the last is never missed. The watcher remembers every key of which it has given a state.
    pub fn watch_prefix(&self, prefix: &str) -> WatchPrefix {
        WatchPrefix::new(self.caller(), prefix)
    }

    /// The text keys that begin with `prefix`, or all keys of the bucket where it is empty, as far as one seat has
    /// learned them. A listing is not one instant: keys that are put meanwhile may or may not be in it.
    pub fn keys(&self, prefix: &str) -> Keys {
        Keys::new(self.caller(), prefix)
    }

    /// Decides the kind of a bucket before the first put into it does; resolves to its kind, which another call may have
    /// decided before.
    ///
    /// # Errors
    /// When awaited: [`Error::InvalidArgument`] or [`Error::TooLarge`] for a name that no bucket can have.
    pub fn create_bucket(&self, name: &str, kind: BucketKind) -> CreateBucket {
        CreateBucket { caller: self.caller(), bucket: Bucket::new(name), kind }
    }

    /// Drops a droppable bucket: all its keys are vacant in one instant. Resolves to false where there is no such
    /// bucket. Its name can be used anew.
    ///
    /// # Errors
    /// When awaited: as [`create_bucket`](Self::create_bucket), and [`Error::InvalidArgument`] where it is a plain one.
    pub fn drop_bucket(&self, name: &str) -> DropBucket {
        DropBucket { caller: self.caller(), bucket: Bucket::new(name) }
    }

    /// The state of the cluster: as this seat sees it, or for an observer as a seat sees it.
    pub fn status(&self) -> StatusCall {
        StatusCall { caller: self.caller() }
    }

    /// The state of the cluster as this node sees it, now and whenever it changes; a slow reader misses what lies
    /// between. Ends when the node has left.
    pub fn statuses(&self) -> Statuses {
        Statuses { waiting: self.waiting(Topic::Status), seen: 0 }
    }

    /// Resolves when this node, which was never a member, was refused by every seat that it could reach.
    pub async fn refused(&self) -> Error {
        let mut waiting = self.waiting(Topic::Refusal);
        poll_fn(|cx| waiting.poll(cx, |state| state.refused())).await
    }

    /// Says goodbye to all peers and stops the driver, after all that is under way is durable.
    pub async fn leave(&self) {
        let (done, left) = oneshot::channel();
        // Both fail only where the driver is gone already, which is what is wanted.
        self.shared.send(Command::Leave { done }).ok();
        left.await.ok();
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller::new(self)
    }

    fn waiting(&self, topic: Topic) -> Waiting {
        Waiting::new(self.shared.published.clone(), topic)
    }

    fn random(&self) -> [u8; 16] {
        self.shared.random.lock().unwrap_or_else(PoisonError::into_inner).name()
    }
}

#[cfg(test)]
mod tests;
