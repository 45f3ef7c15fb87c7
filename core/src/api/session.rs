//! Sessions. Keys can be bound to them, so that they are vacant once their owner has left or is suspected.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use futures::channel::oneshot;
use futures::{Stream, stream};

use super::Cluster;
use super::call::{BoxFuture, Call, Caller, timeout_method, unexpected};
use crate::driver::{Command, Deadline, Topic, Waiting};
use crate::types::{Effect, Error, SessionId, SessionState};
use crate::wire::{Op, Outcome, Version};

/// A hold on a session of this node. Keys that were put [`bound_to`](crate::Put::bound_to) it are vacant, all in one
/// instant, once it has ended: when it is closed or dropped, when its node leaves, or when a quorum of seats has
/// suspected the node for as long as [`session_grace`](crate::Settings::session_grace).
///
/// A session is not a connection: links may break and come back, as long as within the grace.
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
/// let session = cluster.open_session().await?;
/// cluster.put("here", "I am").bound_to(&session).await?;
/// assert_eq!(cluster.owner("here").await?, Some(session.id()));
///
/// session.close().await?;
/// assert_eq!(cluster.get("here").await?, None);
/// # Ok::<(), paxoskv_core::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a session that is dropped has ended"]
pub struct Session {
    id: SessionId,
    cluster: Cluster,
    /// Whether it ends with this hold on it; the node's own does not.
    owned: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id.to_string()).finish_non_exhaustive()
    }
}

impl Session {
    /// Its name, by which any node can bind keys to it and monitor it.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// How it is, as far as this node knows.
    pub fn state(&self) -> SessionState {
        self.cluster.shared.published.session(self.id.n)
    }

    /// How it is, now and whenever that changes; a slow reader misses what lies between. Ends after it has ended.
    pub fn states(&self) -> impl Stream<Item = SessionState> + Send + Unpin + use<> {
        let mut waiting = self.waiting();
        let mut seen: Option<SessionState> = None;
        stream::poll_fn(move |cx| {
            if seen.is_some_and(|seen| seen.ended) {
                return Poll::Ready(None);
            }
            let next = waiting.poll_session(cx, |state| Some(state).filter(|now| Some(*now) != seen));
            next.map(|state| {
                seen = Some(state);
                seen
            })
        })
    }

    fn waiting(&self) -> Waiting {
        Waiting::new(self.cluster.shared.published.clone(), Topic::Session(self.id.n))
    }

    /// Resolves once `wanted` finds something in the state.
    pub(crate) fn until<T, F: Fn(SessionState) -> Option<T>>(
        &self,
        wanted: F,
    ) -> impl Future<Output = T> + use<T, F> {
        let mut waiting = self.waiting();
        poll_fn(move |cx| waiting.poll_session(cx, &wanted))
    }

    /// Resolves when it has ended, for ever.
    pub async fn ended(&self) {
        self.until(|state| state.ended.then_some(())).await;
    }

    /// Ends it; resolves when that is decided. To drop the session has the same effect, some time later.
    ///
    /// # Errors
    /// [`Error::Closed`] where the node has left.
    pub async fn close(self) -> Result<(), Error> {
        self.close_until(Deadline::NEVER).await
    }

    /// Ends it as a step of another call.
    pub(crate) async fn close_until(self, due: Deadline) -> Result<(), Error> {
        Call { cluster: self.cluster.clone(), due }.end(self.id.lease()).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.owned {
            // Where the driver is gone, so is the session.
            self.cluster.shared.send(Command::CloseSession { n: self.id.n }).ok();
        }
    }
}

/// The session of a node itself, once somebody has asked for it.
#[derive(Default)]
pub(super) struct OwnSession(Mutex<Option<SessionId>>);

impl OwnSession {
    /// The session, unless it has ended. Where there is none, it is `opened` from now on. Nothing comes in between, so
    /// all that ask at one time are given the same.
    pub(super) fn settle(
        &self,
        opened: Option<SessionId>,
        has_ended: impl FnOnce(SessionId) -> bool,
    ) -> Option<SessionId> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if own.is_none_or(has_ended) {
            *own = opened;
        }
        *own
    }
}

/// A session to be opened: see [`Cluster::open_session`] and [`Cluster::session`].
#[must_use = "a session is not opened until this is awaited"]
pub struct OpenSession {
    pub(super) caller: Caller,
    /// Whether it is the node's own, of which there is one.
    pub(super) own: bool,
}

impl OpenSession {
    timeout_method!(caller);

    async fn run(self) -> Result<Session, Error> {
        let call = self.caller.begin();
        let shared = &call.cluster.shared;
        let session = |id, owned| Session { id, cluster: call.cluster.clone(), owned };
        let settle = |opened| shared.own_session.settle(opened, |id| shared.published.session(id.n).ended);
        if let Some(id) = self.own.then(|| settle(None)).flatten() {
            return Ok(session(id, false));
        }
        let (id, (reply, answer)) = (shared.next_call(), oneshot::channel());
        shared.send(Command::OpenSession { call: id, due: call.due, reply })?;
        let opened = shared.answer(id, answer).await?.map_err(|error| error.with_effect(Effect::None))?;
        let mut opened = session(opened, true);
        if !self.own {
            return Ok(opened);
        }
        match settle(Some(opened.id)) {
            // Another call was faster; this call's session is dropped.
            Some(id) if id != opened.id => Ok(session(id, false)),
            _ => {
                opened.owned = false;
                Ok(opened)
            }
        }
    }
}

impl IntoFuture for OpenSession {
    type Output = Result<Session, Error>;
    type IntoFuture = BoxFuture<Session>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A wait for the end of a session: see [`Cluster::monitor`].
#[must_use = "this does nothing until it is awaited"]
pub struct Monitor {
    pub(super) caller: Caller,
    pub(super) session: SessionId,
}

impl Monitor {
    timeout_method!(caller);
}

impl IntoFuture for Monitor {
    type Output = Result<(), Error>;
    type IntoFuture = BoxFuture<()>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let op = Op::Watch { id: self.session.lease().end(), after: Version::default() };
            match self.caller.begin().run(op).await? {
                Outcome::Value { .. } => Ok(()),
                other => Err(unexpected(&other)),
            }
        })
    }
}
