//! `AbortSignal`: how JavaScript cancels a call.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::future::{Either, select};
use paxoskv_core::Timer;
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::error::Thrown;
use super::objects::{Work, work};
use crate::browser::Listener;
use crate::timer::WebTimer;

/// Listens to a signal until it is dropped.
pub(crate) struct Aborts {
    signal: AbortSignal,
    waker: Rc<RefCell<Option<Waker>>>,
    _listener: Listener,
}

impl Aborts {
    pub(crate) fn new(signal: &AbortSignal) -> Self {
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let wakes = waker.clone();
        let listener = Listener::new(signal, "abort", move |_| {
            if let Some(waker) = wakes.borrow_mut().take() {
                waker.wake();
            }
        });
        Self { signal: signal.clone(), waker, _listener: listener }
    }

    /// Ready with the signal's reason once it is aborted.
    pub(crate) fn poll(&self, cx: &mut std::task::Context<'_>) -> Poll<Thrown> {
        if self.signal.aborted() {
            return Poll::Ready(Thrown(self.signal.reason()));
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Does some work. If the signal is aborted first, the work is dropped, and with it its calls to the core.
pub(crate) async fn unless_aborted<T>(
    signal: Option<AbortSignal>,
    work: impl Future<Output = Result<T, Thrown>>,
) -> Result<T, Thrown> {
    let Some(signal) = signal else { return work.await };
    let aborts = Aborts::new(&signal);
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(reason) = aborts.poll(cx) {
            return Poll::Ready(Err(reason));
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// Does some work. If the time is over first, the work is dropped, and there is no result.
pub(crate) async fn within<T>(timeout: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    let Some(timeout) = timeout else { return Some(work.await) };
    let timer = WebTimer::new();
    match select(pin!(work), pin!(timer.sleep_until(timer.now().saturating_add(timeout)))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Does a method's work unless the signal is aborted. The work is boxed first, so that this code is compiled once.
pub(crate) fn abortable(
    signal: Option<AbortSignal>,
    future: impl Future<Output = Result<JsValue, Thrown>> + 'static,
) -> Work {
    let inner = work(future);
    if signal.is_none() { inner } else { work(unless_aborted(signal, inner)) }
}
