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
    waker: AtomicWaker,
}

/// Something that has still to go out, until it is dropped.
#[derive(Debug)]
pub struct Ticket(Arc<Outstanding>);

impl Outstanding {
    /// One thing more.
    #[must_use]
    pub fn ticket(self: &Arc<Self>) -> Ticket {
        self.count.fetch_add(1, Ordering::AcqRel);
        Ticket(Arc::clone(self))
    }

    /// Whether nothing is left; if something is, wakes when nothing is.
    fn poll_none(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.count.load(Ordering::Acquire) == 0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.waker.wake();
        }
    }
}

/// Waiting until all has gone out, or a short time has passed.
#[derive(Debug, Default)]
pub struct Flush {
    /// Runs while somebody waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Flush {
    /// Ready when nothing is outstanding, or when that was waited for for so long.
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
