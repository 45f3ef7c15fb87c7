//! Counting what has still to go out: frames that are not sent, links that are not closed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;

use crate::runtime::{Runtime, Sleep};

/// Counts what has still to go out.
#[derive(Debug, Default)]
pub struct Outstanding {
    count: AtomicUsize,
    bytes: AtomicUsize,
    waker: AtomicWaker,
}

/// Something that has still to go out, until this is dropped.
#[derive(Debug)]
pub struct Unsent {
    outstanding: Arc<Outstanding>,
    bytes: usize,
}

impl Outstanding {
    /// Something of so many bytes has to go out.
    pub(crate) fn add(self: &Arc<Self>, bytes: usize) -> Unsent {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        Unsent { outstanding: Arc::clone(self), bytes }
    }

    /// How many bytes have still to go out, on all links.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Whether nothing is left; if something is, wakes when nothing is.
    fn poll_none(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.count.load(Ordering::Acquire) == 0
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.outstanding.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        if self.outstanding.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.outstanding.waker.wake();
        }
    }
}

/// Waits until all has gone out, or a short time has passed.
#[derive(Debug, Default)]
pub struct Flush {
    /// Runs while a caller waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Flush {
    /// Ready when nothing is outstanding, or after `allowed`, counted from the first call.
    pub fn poll(
        &mut self,
        outstanding: &Outstanding,
        runtime: &Runtime,
        allowed: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(runtime.sleep(allowed)));
        if outstanding.poll_none(cx) || timer.as_mut().poll(cx).is_ready() {
            self.timer = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
