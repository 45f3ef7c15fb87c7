//! The state that the driver publishes to all handles of its node, and how they wait for changes of it.
//!
//! Each future that waits has a slot of its own, which it gives back when it is done or dropped: so a task that polls
//! a thousand futures and drops them leaves nothing behind. A change wakes those that wait for a change of that kind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::sorted::{Gather, Map};
use crate::types::{Effect, Error, SessionState, Status};

/// Tells the time of the node's timer, on any thread.
pub(crate) type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The part of the state whose changes are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// The cluster's status.
    Status,
    /// Whether the node was refused.
    Refusal,
    /// This session of the node.
    Session(u64),
}

/// The state that the driver publishes.
pub(crate) struct Published {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    status: Option<Status>,
    /// Counts the statuses.
    version: u64,
    refused: Option<Error>,
    closed: bool,
    sessions: Map<u64, SessionState>,
    /// Until when the node's sessions are not suspended, by the clock, if nothing more is heard.
    answered_until: Option<Duration>,
    /// Those that wait: each in its slot.
    waiting: Map<(Topic, u64), Waker>,
    last_slot: u64,
}

impl State {
    /// The status, if it is a later one than that, and which it is.
    pub(crate) fn status_after(&self, version: u64) -> Option<(Status, u64)> {
        self.status.clone().filter(|_| self.version > version).map(|status| (status, self.version))
    }

    pub(crate) fn refused(&self) -> Option<Error> {
        self.refused.clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How a session of this node is: one that is not published has ended, and with the node all have. The clock is
    /// asked here, since a driver that was not run, on a busy thread, has published no suspension.
    fn session(&self, n: u64, now: Duration) -> SessionState {
        let over = SessionState { suspended: true, suspensions: 0, ended: true };
        let state = self.sessions.get(&n).copied().unwrap_or(over);
        let unanswered = self.answered_until.is_none_or(|until| now >= until);
        SessionState { suspended: state.suspended || unanswered, ended: state.ended || self.closed, ..state }
    }

    /// Takes those that wait for a topic, or for anything, out of their slots.
    fn take_waiting(&mut self, topic: Option<Topic>) -> Vec<Waker> {
        let Some(topic) = topic else {
            return std::mem::take(&mut self.waiting).into_values().gather();
        };
        let slots = self.waiting.range((topic, 0)..=(topic, u64::MAX)).map(|(slot, _)| *slot);
        let slots: Vec<(Topic, u64)> = slots.gather();
        slots.iter().filter_map(|slot| self.waiting.remove(slot)).gather()
    }
}

impl Published {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// The time, as the node's timer tells it.
    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self, n: u64) -> SessionState {
        let now = self.now();
        self.state().session(n, now)
    }

    pub(super) fn set_session(&self, n: u64, session: SessionState) {
        self.change(Some(Topic::Session(n)), |state| {
            state.sessions.insert(n, session);
        });
    }

    pub(super) fn forget_session(&self, n: u64) {
        self.change(Some(Topic::Session(n)), |state| {
            state.sessions.remove(&n);
        });
    }

    /// Sets until when the node's sessions are not suspended. Wakes nobody: what ends then is published then.
    pub(super) fn set_answered_until(&self, until: Option<Duration>) {
        self.state().answered_until = until;
    }

    pub(super) fn set_status(&self, status: Status) {
        self.change(Some(Topic::Status), |state| {
            state.version += 1;
            state.status = Some(status);
        });
    }

    pub(super) fn set_refused(&self, error: Error) {
        self.change(Some(Topic::Refusal), |state| state.refused = Some(error));
    }

    pub(super) fn close(&self) {
        self.change(None, |state| state.closed = true);
    }

    /// The error of a call whose time is over, as the cluster was seen last.
    pub(super) fn timed_out(&self) -> Error {
        let state = self.state();
        state.status.as_ref().map_or(Error::Timeout { effect: Effect::None }, Status::timed_out)
    }

    fn change(&self, topic: Option<Topic>, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let wakers = state.take_waiting(topic);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }
}

/// A place to wait for changes of a topic.
pub(crate) struct Waiting {
    published: Arc<Published>,
    topic: Topic,
    /// The number of its slot, while it may be in one.
    slot: Option<u64>,
}

impl Waiting {
    pub(crate) fn new(published: Arc<Published>, topic: Topic) -> Self {
        Self { published, topic, slot: None }
    }

    /// Ready once `check` finds something.
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        check: impl FnOnce(&State) -> Option<R>,
    ) -> Poll<R> {
        let mut state = self.published.state();
        if let Some(found) = check(&state) {
            if let Some(slot) = self.slot.take() {
                state.waiting.remove(&(self.topic, slot));
            }
            return Poll::Ready(found);
        }
        let slot = *self.slot.get_or_insert_with(|| {
            state.last_slot += 1;
            state.last_slot
        });
        match state.waiting.get_mut(&(self.topic, slot)) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => drop(state.waiting.insert((self.topic, slot), cx.waker().clone())),
        }
        Poll::Pending
    }

    /// Ready once `check` finds something in the state of the session that is waited for.
    pub(crate) fn poll_session<R>(
        &mut self,
        cx: &mut Context<'_>,
        check: impl FnOnce(SessionState) -> Option<R>,
    ) -> Poll<R> {
        let (Topic::Session(n), now) = (self.topic, self.published.now()) else { return Poll::Pending };
        self.poll(cx, |state| check(state.session(n, now)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.published.state().waiting.remove(&(self.topic, slot));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn published() -> Arc<Published> {
        Arc::new(Published::new(Arc::new(|| Duration::ZERO)))
    }

    fn wait(published: &Arc<Published>, topic: Topic, wakes: &Arc<Wakes>) -> Waiting {
        let mut waiting = Waiting::new(published.clone(), topic);
        let waker = Waker::from(wakes.clone());
        assert!(waiting.poll(&mut Context::from_waker(&waker), |_| None::<()>).is_pending());
        waiting
    }

    #[test]
    fn those_that_were_polled_and_dropped_leave_nothing_behind() {
        let published = published();
        let wakes: Vec<Arc<Wakes>> = (0..100_000).map(|_| Arc::default()).collect();
        for (n, wakes) in wakes.iter().enumerate() {
            let topic = if n % 2 == 0 { Topic::Session(7) } else { Topic::Status };
            drop(wait(&published, topic, wakes));
        }
        assert_eq!(published.waiting(), 0);
        published.close();
        assert!(wakes.iter().all(|wakes| wakes.0.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_change_wakes_those_that_wait_for_it() {
        let published = published();
        let topics = [Topic::Session(1), Topic::Session(2), Topic::Status, Topic::Refusal];
        let wakes: [Arc<Wakes>; 4] = Default::default();
        let _waiting = [0, 1, 2, 3].map(|n| wait(&published, topics[n], &wakes[n]));
        let woken = || [0, 1, 2, 3].map(|n| wakes[n].0.load(Ordering::Relaxed));
        published.set_session(2, SessionState::default());
        assert_eq!(woken(), [0, 1, 0, 0]);
        published.set_refused(Error::Closed);
        assert_eq!(woken(), [0, 1, 0, 1]);
        published.close();
        assert_eq!(woken(), [1, 1, 1, 1]);
    }

    #[test]
    fn what_is_polled_again_waits_once_and_wakes_the_last_that_polled() {
        let published = published();
        let (first, second): (Arc<Wakes>, Arc<Wakes>) = Default::default();
        let mut waiting = wait(&published, Topic::Status, &first);
        let waker = Waker::from(second.clone());
        for _ in 0..3 {
            assert!(waiting.poll(&mut Context::from_waker(&waker), |_| None::<()>).is_pending());
        }
        assert_eq!(published.waiting(), 1);
        published.close();
        assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
        // It is woken once for each time that it waits.
        assert_eq!(published.waiting(), 0);
    }

    #[test]
    fn a_session_is_suspended_by_the_clock_that_was_given() {
        let clock = Arc::new(Mutex::new(Duration::ZERO));
        let time = clock.clone();
        let published = Published::new(Arc::new(move || *time.lock().unwrap()));
        published.set_session(1, SessionState::default());
        published.set_answered_until(Some(Duration::from_secs(5)));
        assert!(!published.session(1).suspended);
        *clock.lock().unwrap() = Duration::from_secs(5);
        assert!(published.session(1).suspended);
    }
}
