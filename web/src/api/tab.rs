//! One tab's part in a cluster: the node for its calls, its seat, and how both end.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::rc::Rc;

use futures::future::{AbortHandle, Abortable, Either, select};
use futures::stream::LocalBoxStream;
use futures::{FutureExt, Stream, StreamExt};
use js_sys::Promise;
use paxoskv_core::{Cluster, Effect, Error, Session, SessionId, Status};

use super::error::{Reason, Thrown};
use super::objects::{promise, work};
use super::watched::Watched;
use crate::tabs::seats::SeatLock;

/// One tab's part in a cluster.
///
/// A tab that finds all seats taken is an observer. When it gets a seat later, a second node of the same tab holds it. The
/// first node, with its handle and its sessions, goes on.
pub(crate) struct Tab {
    /// The node that calls go to.
    core: Cluster,
    state: Watched<State>,
    /// The sessions that JavaScript holds, each with the promise for its end. They are few.
    sessions: RefCell<Vec<(Session, Promise)>>,
    closed: OnceCell<Promise>,
    /// Stop all nodes that run, without goodbyes.
    stops: RefCell<Vec<AbortHandle>>,
}

#[derive(Default)]
struct State {
    /// The reason why the tab leaves, once it does.
    leaving: Option<Reason>,
    /// All of its nodes have ended.
    ended: bool,
    /// The seat that it holds, and the node there.
    seated: Option<(u8, Cluster)>,
    /// Counts the nodes that took or left the seat.
    changes: u64,
}

impl Tab {
    pub(crate) fn new(core: Cluster, seat: Option<u8>) -> Self {
        let seated = seat.map(|seat| (seat, core.clone()));
        Self {
            core,
            state: Watched::new(State { seated, ..State::default() }),
            sessions: RefCell::default(),
            closed: OnceCell::new(),
            stops: RefCell::default(),
        }
    }

    /// The node that calls go to.
    pub(crate) fn core(&self) -> &Cluster {
        &self.core
    }

    /// The seat that this tab holds.
    pub(crate) fn seat(&self) -> Option<u8> {
        self.state.read(|state| state.seated.as_ref().map(|(seat, _)| *seat))
    }

    /// The node that knows the cluster's state best.
    pub(crate) fn informed(&self) -> Cluster {
        self.state.read(|state| match &state.seated {
            Some((_, cluster)) => cluster.clone(),
            None => self.core.clone(),
        })
    }

    /// A call's result. If it failed because the node has ended, the error is the reason for that.
    pub(crate) fn answer<T>(&self, result: Result<T, Error>) -> Result<T, Thrown> {
        result.map_err(|error| self.explain(error))
    }

    #[inline(never)]
    fn explain(&self, error: Error) -> Thrown {
        match (&error, self.leaving()) {
            (Error::Closed, Some(reason)) => Thrown(reason.to_js()),
            _ => error.into(),
        }
    }

    /// The error of a call that ran out of time.
    pub(crate) fn out_of_time(self: &Rc<Self>) -> Thrown {
        let status = self.statuses().next().now_or_never().flatten();
        status.map_or(Error::Timeout { effect: Effect::None }, |status| status.timed_out()).into()
    }

    fn leaving(&self) -> Option<Reason> {
        self.state.read(|state| state.leaving.clone())
    }

    /// Leaves for that reason. The first reason counts.
    pub(crate) fn begin_to_leave(&self, reason: Reason) {
        self.state.change(|state| {
            state.leaving.get_or_insert(reason);
        });
    }

    /// Resolves once all nodes have ended, with the reason.
    pub(crate) fn ended(self: &Rc<Self>) -> impl Future<Output = Reason> + use<> {
        let this = self.clone();
        async move {
            let reason = |state: &State| state.leaving.clone().filter(|_| state.ended);
            this.state.until(reason).await
        }
    }

    /// The promise for the reason.
    pub(crate) fn closed(self: &Rc<Self>) -> Promise {
        let make = || {
            let ended = self.ended();
            promise(Ok(work(async move { Ok(ended.await.to_js()) })))
        };
        self.closed.get_or_init(make).clone()
    }

    /// Stops all nodes where they are, as if the tab had crashed.
    pub(crate) fn stop(&self) {
        self.stops.borrow().iter().for_each(AbortHandle::abort);
    }

    /// Runs a node until it has ended by itself, or the tab has left. Gives the reason.
    async fn run(&self, cluster: Cluster, driver: impl Future<Output = Result<(), Error>>) -> Reason {
        let (stop, registration) = AbortHandle::new_pair();
        self.stops.borrow_mut().push(stop);
        let driver = Abortable::new(driver, registration);
        // A driver that leaves ends without an error, so the reason is kept here.
        let refusal = RefCell::new(None);
        let leave = async {
            {
                let refused = std::pin::pin!(cluster.refused());
                let leaving = std::pin::pin!(self.state.until(|state| state.leaving.as_ref().map(|_| ())));
                if let Either::Left((error, _)) = select(refused, leaving).await {
                    *refusal.borrow_mut() = Some(Reason::from(&error));
                }
            }
            cluster.leave().await;
        };
        let ended = match select(std::pin::pin!(driver), std::pin::pin!(leave)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(((), driver)) => driver.await,
        };
        match ended {
            Ok(Err(error)) => Reason::from(&error),
            _ => refusal.take().or(self.leaving()).unwrap_or_else(|| Reason::from(&Error::Closed)),
        }
    }

    /// Runs the node for calls, and a second task beside it, which ends once the tab leaves.
    pub(crate) async fn run_all(
        self: Rc<Self>,
        driver: impl Future<Output = Result<(), Error>>,
        lock: Option<SeatLock>,
        beside: impl Future<Output = ()>,
    ) {
        let own = async {
            let reason = self.run(self.core.clone(), driver).await;
            drop(lock);
            self.begin_to_leave(reason);
        };
        futures::join!(own, beside);
        self.sessions.take();
        self.state.change(|state| {
            state.ended = true;
            state.seated = None;
            state.changes += 1;
        });
    }

    /// Runs a second node in a seat that became free, until it has ended or the tab leaves. Gives the reason.
    pub(crate) async fn sit(
        &self,
        lock: SeatLock,
        cluster: Cluster,
        driver: impl Future<Output = Result<(), Error>>,
    ) -> Reason {
        let sit = |seated| {
            self.state.change(|state| {
                state.seated = seated;
                state.changes += 1;
            });
        };
        sit(Some((lock.seat, cluster.clone())));
        let reason = self.run(cluster, driver).await;
        sit(None);
        reason
    }

    /// Does some work, unless the tab leaves first.
    pub(crate) async fn unless_leaving<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let leaving = self.state.until(|state| state.leaving.as_ref().map(|_| ()));
        match select(std::pin::pin!(leaving), std::pin::pin!(work)).await {
            Either::Left(_) => None,
            Either::Right((done, _)) => Some(done),
        }
    }

    /// The states of the cluster, from the node of this tab that knows them best.
    pub(crate) fn statuses(self: &Rc<Self>) -> impl Stream<Item = Status> + use<> {
        let (this, place) = (self.clone(), self.state.place());
        let mut from: Option<(u64, LocalBoxStream<'static, Status>)> = None;
        futures::stream::poll_fn(move |cx| {
            loop {
                let (changes, ended) = this.state.read(|state| (state.changes, state.ended));
                if from.as_ref().is_none_or(|(seen, _)| *seen != changes) {
                    from = Some((changes, this.informed().statuses().boxed_local()));
                }
                let next = from.as_mut().map(|(_, statuses)| statuses.poll_next_unpin(cx));
                match next {
                    Some(std::task::Poll::Ready(Some(status))) => {
                        return std::task::Poll::Ready(Some(status));
                    }
                    Some(std::task::Poll::Ready(None)) if ended => return std::task::Poll::Ready(None),
                    _ => {}
                }
                let changed = this.state.poll(&place, cx, |state| (state.changes != changes).then_some(()));
                if changed.is_pending() {
                    return std::task::Poll::Pending;
                }
            }
        })
    }

    /// Keeps a session until it has ended. Gives the promise for that, which is made once, however often JavaScript asks
    /// for the session.
    pub(crate) fn keep_session(&self, session: Session, ended: impl FnOnce() -> Promise) -> Promise {
        let mut sessions = self.sessions.borrow_mut();
        if let Some((_, ended)) = sessions.iter().find(|(other, _)| other.id() == session.id()) {
            return ended.clone();
        }
        let ended = ended();
        sessions.push((session, ended.clone()));
        ended
    }

    pub(crate) fn take_session(&self, id: SessionId) -> Option<Session> {
        let mut sessions = self.sessions.borrow_mut();
        let at = sessions.iter().position(|(session, _)| session.id() == id)?;
        Some(sessions.swap_remove(at).0)
    }

    pub(crate) fn with_session<R>(&self, id: SessionId, read: impl FnOnce(&Session) -> R) -> Option<R> {
        self.sessions
            .borrow()
            .iter()
            .find(|(session, _)| session.id() == id)
            .map(|(session, _)| read(session))
    }
}
