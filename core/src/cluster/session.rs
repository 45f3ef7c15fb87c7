//! Sessions: what a key's life can hang on.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::task::Poll;
use std::time::Duration;

use futures::Stream;
use futures::channel::oneshot;
use futures::stream;

use super::calls::{BoxFuture, CancelOnDrop};
use super::{CallId, Cluster, Command};
use crate::types::{Error, SessionId, SessionState};

/// A hold on a session of this node. Keys that were put [`bound_to`](crate::Put::bound_to) it are vacant, all in one
/// instant, once it has ended: when it is closed or dropped, when its node leaves, or when a quorum of seats has lost
/// the node for as long as [`session_grace`](crate::Settings::session_grace).
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
        self.cluster.shared.news.session(self.id.n)
    }

    /// How it is, now and whenever that changes; a slow reader misses what lies between. Ends after it has ended.
    pub fn states(&self) -> impl Stream<Item = SessionState> + Send + Unpin + use<> {
        let (news, n) = (self.cluster.shared.news.clone(), self.id.n);
        let mut told: Option<SessionState> = None;
        stream::poll_fn(move |cx| {
            if told.is_some_and(|told| told.ended) {
                return Poll::Ready(None);
            }
            let next = news.poll(cx, |state| Some(state.session(n)).filter(|now| Some(*now) != told));
            next.map(|state| {
                told = Some(state);
                told
            })
        })
    }

    /// Resolves once the state makes something of `wanted`.
    pub(crate) fn until<T>(&self, wanted: impl Fn(SessionState) -> Option<T>) -> impl Future<Output = T> {
        let (news, n) = (self.cluster.shared.news.clone(), self.id.n);
        async move { futures::future::poll_fn(|cx| news.poll(cx, |state| wanted(state.session(n)))).await }
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
        self.cluster.call().end(self.id.lease()).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.owned {
            let command = Command::CloseSession { n: self.id.n };
            // Where the driver is gone, so is the session.
            self.cluster.shared.commands.unbounded_send(command).ok();
        }
    }
}

/// A session to be opened.
#[must_use = "a session is not opened until this is awaited"]
pub struct OpenSession {
    pub(super) cluster: Cluster,
    pub(super) timeout: Option<Duration>,
    /// Whether it is the node's own, of which there is one.
    pub(super) own: bool,
}

impl OpenSession {
    /// Wait no longer than this for a quorum of seats.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn run(self) -> Result<Session, Error> {
        let shared = &self.cluster.shared;
        let known = || shared.own_session().filter(|id| !shared.news.session(id.n).ended);
        let session = |id, owned| Session { id, cluster: self.cluster.clone(), owned };
        if let Some(id) = known().filter(|_| self.own) {
            return Ok(session(id, false));
        }
        let call = CallId(shared.next_call.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        let command = Command::OpenSession { call, timeout: self.timeout, reply };
        shared.commands.unbounded_send(command).map_err(|_| Error::Closed {})?;
        let mut cancel = CancelOnDrop { shared, call, armed: true };
        let answer = answer.await;
        cancel.armed = false;
        let opened = session(answer.unwrap_or(Err(Error::Closed {}))?, true);
        if !self.own {
            return Ok(opened);
        }
        if let Some(id) = known() {
            return Ok(session(id, false)); // somebody was faster; the other is dropped
        }
        shared.set_own_session(opened.id);
        let mut own = opened;
        own.owned = false;
        Ok(own)
    }
}

impl IntoFuture for OpenSession {
    type Output = Result<Session, Error>;
    type IntoFuture = BoxFuture<Session>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
