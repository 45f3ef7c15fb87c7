//! A value whose changes tasks wait for.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

/// A value, and the tasks that wait for it to change.
#[derive(Default)]
pub(crate) struct Watched<T> {
    value: RefCell<T>,
    wakers: RefCell<Vec<Waker>>,
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: RefCell::new(value), wakers: RefCell::default() }
    }

    /// Reads it.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.value.borrow())
    }

    /// Changes it, and wakes all tasks that wait.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.borrow_mut());
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    /// Ready once `find` finds something.
    pub(crate) fn poll<R>(
        &self,
        cx: &mut std::task::Context<'_>,
        find: impl FnOnce(&T) -> Option<R>,
    ) -> Poll<R> {
        if let Some(found) = self.read(find) {
            return Poll::Ready(found);
        }
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Resolves once `find` finds something.
    pub(crate) fn until<R>(&self, find: impl Fn(&T) -> Option<R>) -> impl Future<Output = R> {
        poll_fn(move |cx| self.poll(cx, &find))
    }
}
