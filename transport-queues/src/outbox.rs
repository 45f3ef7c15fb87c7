//! What waits to be sent on one link: bounded, and never waited for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paxoskv_core::transport::Closing;
use tokio::sync::{Notify, watch};

use crate::outstanding::Ticket;
use crate::runtime::{Instant, sleep_until};

/// The queue of a link. One task takes out of it.
#[derive(Debug)]
pub struct Outbox {
    max_bytes: usize,
    max_frames: usize,
    queue: Mutex<Queue>,
    filled: Notify,
    /// Why this side closes the link, and since when.
    closing: watch::Sender<Option<(Closing, Instant)>>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Vec<u8>, Ticket)>,
    bytes: usize,
    /// Held until the link is down.
    closing: Option<Ticket>,
}

impl Outbox {
    /// At most so many bytes, in so many frames.
    #[must_use]
    pub fn new(max_bytes: usize, max_frames: usize) -> Self {
        Self {
            max_bytes,
            max_frames,
            queue: Mutex::default(),
            filled: Notify::new(),
            closing: watch::Sender::new(None),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame; false if there is no room for it, and it is dropped. A frame that is alone always has room.
    pub fn push(&self, frame: Vec<u8>, ticket: Ticket) -> bool {
        let mut queue = self.queue();
        if queue.closing.is_some() {
            return true; // On a link that is closed, frames are dropped by contract: that is no overflow.
        }
        let full = queue.frames.len() >= self.max_frames || queue.bytes + frame.len() > self.max_bytes;
        if full && !queue.frames.is_empty() {
            return false;
        }
        queue.bytes += frame.len();
        queue.frames.push_back((frame, ticket));
        drop(queue);
        self.filled.notify_one();
        true
    }

    /// The next frame; none once all are sent and the link is being closed.
    pub async fn next(&self) -> Option<(Vec<u8>, Ticket)> {
        loop {
            {
                let mut queue = self.queue();
                if let Some((frame, ticket)) = queue.frames.pop_front() {
                    queue.bytes -= frame.len();
                    return Some((frame, ticket));
                }
                if queue.closing.is_some() {
                    return None;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Whether no frame waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue().frames.is_empty()
    }

    /// Takes no more frames; those that wait are still sent. Only the first closing counts.
    pub fn close(&self, closing: Closing, ticket: Ticket) {
        let mut queue = self.queue();
        if queue.closing.is_some() {
            return;
        }
        queue.closing = Some(ticket);
        drop(queue);
        self.closing.send_replace(Some((closing, Instant::now())));
        self.filled.notify_one();
    }

    /// Why this side closes the link, if it does.
    #[must_use]
    pub fn closing(&self) -> Option<Closing> {
        self.closing.borrow().as_ref().map(|(closing, _)| closing.clone())
    }

    /// Resolves when this side closes the link, to the time since when.
    pub async fn closed(&self) -> Instant {
        let mut closing = self.closing.subscribe();
        loop {
            if let Some((_, since)) = &*closing.borrow_and_update() {
                return *since;
            }
            if closing.changed().await.is_err() {
                std::future::pending::<()>().await; // Not while `self` is there.
            }
        }
    }

    /// Resolves when closing has taken too long.
    pub async fn overdue(&self, allowed: Duration) {
        let since = self.closed().await;
        sleep_until(since + allowed).await;
    }

    /// Drops everything: the link is down.
    pub fn clear(&self) {
        let mut queue = self.queue();
        let gone = std::mem::take(&mut *queue);
        drop(queue);
        drop(gone);
    }
}
