//! What waits to be sent on one link: bounded, and never waited for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paxoskv_core::transport::CloseReason;
use tokio::sync::{Notify, watch};

use crate::outstanding::{Outstanding, Unsent};
use crate::runtime::{Instant, sleep_until};
use crate::settings::LinkSettings;

/// What may wait to be sent.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes on one link.
    bytes: usize,
    /// Frames on one link.
    frames: usize,
    /// Bytes on all links together. One link may have as much waiting as is left of it, so that however many do not
    /// read, there is room for others; with `n` that do not, each has an `n + 1`th.
    all_bytes: usize,
}

/// The queue of a link. One task takes out of it.
///
/// The share of each link in what all of them may hold is that of Choudhury and Hahne, "Dynamic Queue Length Thresholds
/// for Shared-Memory Packet Switches" (1998), section II.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    outstanding: Arc<Outstanding>,
    queue: Mutex<Queue>,
    filled: Notify,
    /// Why this side closes the link, and since when.
    closing: watch::Sender<Option<(CloseReason, Instant)>>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Vec<u8>, Unsent)>,
    bytes: usize,
    /// Held until the link is down.
    closing: Option<Unsent>,
}

impl Outbox {
    /// Empty; what is put in is outstanding until it has been sent.
    #[must_use]
    pub fn new(settings: &LinkSettings, outstanding: &Arc<Outstanding>) -> Self {
        let LinkSettings { queue_bytes: bytes, queue_frames: frames, total_queue_bytes: all_bytes, .. } =
            *settings;
        Self {
            limits: Limits { bytes, frames, all_bytes },
            outstanding: Arc::clone(outstanding),
            queue: Mutex::default(),
            filled: Notify::new(),
            closing: watch::Sender::new(None),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame; false if there is no room for it, and it is dropped. A frame that is alone has room, unless all
    /// links together have twice of what they may.
    pub fn push(&self, frame: Vec<u8>) -> bool {
        let mut queue = self.queue();
        if queue.closing.is_some() {
            return true; // On a link that is closed, frames are dropped by contract: that is no overflow.
        }
        let Limits { bytes, frames, all_bytes } = self.limits;
        let waiting = self.outstanding.bytes();
        let may_have = bytes.min(all_bytes.saturating_sub(waiting));
        let full = queue.frames.len() >= frames || queue.bytes + frame.len() > may_have;
        if full && !(queue.frames.is_empty() && waiting < 2 * all_bytes) {
            return false;
        }
        let unsent = self.outstanding.add(frame.len());
        queue.bytes += frame.len();
        queue.frames.push_back((frame, unsent));
        drop(queue);
        self.filled.notify_one();
        true
    }

    /// The next frame; none once all are sent and the link is being closed.
    pub async fn next(&self) -> Option<(Vec<u8>, Unsent)> {
        loop {
            {
                let mut queue = self.queue();
                if let Some((frame, unsent)) = queue.frames.pop_front() {
                    queue.bytes -= frame.len();
                    return Some((frame, unsent));
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
    pub fn close(&self, closing: CloseReason) {
        let mut queue = self.queue();
        if queue.closing.is_some() {
            return;
        }
        queue.closing = Some(self.outstanding.add(0));
        drop(queue);
        self.closing.send_replace(Some((closing, Instant::now())));
        self.filled.notify_one();
    }

    /// Why this side closes the link, if it does.
    #[must_use]
    pub fn closing(&self) -> Option<CloseReason> {
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
        let all = std::mem::take(&mut *queue);
        drop(queue);
        drop(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_BYTES: usize = 200;

    fn filled(outstanding: &Arc<Outstanding>, frame: usize) -> (Outbox, usize) {
        let settings = LinkSettings {
            queue_bytes: 100,
            queue_frames: 10,
            total_queue_bytes: ALL_BYTES,
            ..LinkSettings::default()
        };
        let outbox = Outbox::new(&settings, outstanding);
        let taken = (0..100).take_while(|_| outbox.push(vec![0; frame])).count();
        (outbox, taken)
    }

    #[test]
    fn a_link_has_its_own_limits() {
        assert_eq!(filled(&Arc::default(), 25).1, 4);
        assert_eq!(filled(&Arc::default(), 5).1, 10);
        assert_eq!(filled(&Arc::default(), 1000).1, 1);
    }

    #[test]
    fn however_many_do_not_read_there_is_room_for_others_and_all_is_bounded() {
        let outstanding = Arc::default();
        let links: Vec<_> = (0..1000).map(|_| filled(&outstanding, 10).0).collect();
        assert!(outstanding.bytes() <= 2 * ALL_BYTES, "{}", outstanding.bytes());
        links[2..].iter().for_each(Outbox::clear);
        assert!(outstanding.bytes() < ALL_BYTES, "{}", outstanding.bytes());
        assert!(filled(&outstanding, 1).1 > 1);
        drop(links);
        assert_eq!(outstanding.bytes(), 0);
    }
}
