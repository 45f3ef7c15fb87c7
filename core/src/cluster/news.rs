//! What the driver tells all clones of the handle, and how they wait for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use web_time::Instant;

use crate::sorted::Map;
use crate::types::{Error, SessionState, Status};

/// The states of a cluster, as one node sees them: see [`Cluster::statuses`](super::Cluster::statuses).
pub struct Statuses {
    pub(super) news: Arc<News>,
    pub(super) seen: u64,
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
pub(super) struct NewsState {
    status: Option<Status>,
    version: u64,
    pub(super) refused: Option<Error>,
    closed: bool,
    sessions: Map<u64, SessionState>,
    /// Until when the node's sessions are not suspended, if nothing more is heard.
    answered_until: Option<Instant>,
    wakers: Vec<std::task::Waker>,
}

impl NewsState {
    /// How a session of this node is: one that nobody tells of has ended, and with the node all have. The clock is
    /// looked at here, since a driver that was not run, on a busy thread, has told nobody of a suspension.
    pub(super) fn session(&self, n: u64) -> SessionState {
        let over = SessionState { suspended: true, suspensions: 0, ended: true };
        let state = self.sessions.get(&n).copied().unwrap_or(over);
        let unanswered = self.answered_until.is_none_or(|until| Instant::now() >= until);
        SessionState { suspended: state.suspended || unanswered, ended: state.ended || self.closed, ..state }
    }
}

impl News {
    pub(crate) fn set_session(&self, n: u64, session: SessionState) {
        self.change(|state| {
            state.sessions.insert(n, session);
        });
    }

    pub(crate) fn forget_session(&self, n: u64) {
        self.change(|state| {
            state.sessions.remove(&n);
        });
    }

    /// Until when the node's sessions are not suspended. Wakes nobody.
    pub(crate) fn answered_for(&self, left: Option<Duration>) {
        let until = left.and_then(|left| Instant::now().checked_add(left));
        self.state.lock().unwrap_or_else(PoisonError::into_inner).answered_until = until;
    }

    pub(super) fn session(&self, n: u64) -> SessionState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).session(n)
    }

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

    pub(super) fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        look: impl FnOnce(&NewsState) -> Option<R>,
    ) -> Poll<R> {
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
