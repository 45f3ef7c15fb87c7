//! A value whose changes tasks wait for.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A value, and the tasks that wait for it to change.
#[derive(Default)]
pub(crate) struct Watched<T> {
    value: RefCell<T>,
    waiting: Rc<Waiting>,
}

/// Those that wait, each by the number of its place.
#[derive(Default)]
struct Waiting {
    wakers: RefCell<Vec<(u32, Waker)>>,
    last: Cell<u32>,
}

/// A place to wait at: whatever waits has one of its own, and gives it back when it is dropped. So a task that polls and
/// drops many futures leaves nothing behind.
pub(crate) struct Place {
    waiting: Rc<Waiting>,
    number: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.wakers.borrow_mut().retain(|(number, _)| *number != self.number);
    }
}

impl<T> Watched<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: RefCell::new(value), waiting: Rc::default() }
    }

    /// Reads it.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.value.borrow())
    }

    /// Changes it, and wakes all tasks that wait.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.borrow_mut());
        self.waiting.wakers.take().into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// A place to wait at.
    pub(crate) fn place(&self) -> Place {
        let number = self.waiting.last.get().wrapping_add(1);
        self.waiting.last.set(number);
        Place { waiting: self.waiting.clone(), number }
    }

    /// Ready once `find` finds something.
    pub(crate) fn poll<R>(
        &self,
        place: &Place,
        cx: &mut Context<'_>,
        find: impl FnOnce(&T) -> Option<R>,
    ) -> Poll<R> {
        if let Some(found) = self.read(find) {
            return Poll::Ready(found);
        }
        let mut wakers = self.waiting.wakers.borrow_mut();
        match wakers.iter_mut().find(|(number, _)| *number == place.number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => wakers.push((place.number, cx.waker().clone())),
        }
        Poll::Pending
    }

    /// Resolves once `find` finds something.
    pub(crate) fn until<R>(&self, find: impl Fn(&T) -> Option<R>) -> impl Future<Output = R> {
        let place = self.place();
        poll_fn(move |cx| self.poll(&place, cx, &find))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn what_is_polled_and_dropped_leaves_nothing_behind() {
        let watched = Watched::new(0);
        let waits = watched.until(|value| (*value > 0).then_some(()));
        futures::pin_mut!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        for _ in 0..1_000 {
            assert!(watched.until(|value| (*value > 0).then_some(())).now_or_never().is_none());
        }
        assert_eq!(watched.waiting.wakers.borrow().len(), 1);
        watched.change(|value| *value = 1);
        assert!(watched.waiting.wakers.borrow().is_empty());
        assert!(waits.now_or_never().is_some());
    }
}
