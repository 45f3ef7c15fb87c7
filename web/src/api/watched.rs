//! A value that tasks wait for changes of.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

/// A value, and who waits for it to change.
#[derive(Default)]
pub(crate) struct Watched<T> {
    value: RefCell<T>,
    wakers: RefCell<Vec<Waker>>,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: RefCell::new(value), wakers: RefCell::default() }
    }

    /// Looks at it.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.borrow())
    }

    /// Changes it, and wakes all who wait.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.borrow_mut());
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    /// Ready once `look` finds something.
    pub(crate) fn poll<R>(
        &self,
        cx: &mut std::task::Context<'_>,
        look: impl FnOnce(&T) -> Option<R>,
    ) -> Poll<R> {
        if let Some(found) = self.look(look) {
            return Poll::Ready(found);
        }
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Resolves once `look` finds something.
    pub(crate) fn until<R>(&self, look: impl Fn(&T) -> Option<R>) -> impl Future<Output = R> {
        poll_fn(move |cx| self.poll(cx, &look))
    }
}
