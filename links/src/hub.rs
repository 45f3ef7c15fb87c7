//! All links of one transport, and what its tasks share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use paxoskv_core::transport::{CloseReason, Event, LinkId};
use tokio::sync::watch;

use crate::end::LinkEnd;
use crate::goodbye::Goodbye;
use crate::inbox::{Events, Inbox, Stopped};
use crate::outbox::Outbox;
use crate::outstanding::Outstanding;
use crate::random::Nonce;
use crate::settings::LinkSettings;

/// All links of one transport. `T` is what the transport knows of each besides.
#[derive(Debug)]
pub struct Hub<T> {
    /// Limits and times.
    pub settings: LinkSettings,
    inbox: Inbox,
    outstanding: Arc<Outstanding>,
    /// Frames that were not sent because their link's queue was full or they were over the limit.
    dropped: AtomicU64,
    /// Connections of others that were turned away.
    turned_away: AtomicU64,
    leaving: AtomicBool,
    links: Mutex<HashMap<LinkId, Entry<T>>>,
    last_link: AtomicU64,
}

#[derive(Debug)]
struct Entry<T> {
    outbox: Arc<Outbox>,
    connection: Nonce,
    about: T,
    /// Its sender is dropped when the link is down.
    alive: watch::Receiver<()>,
}

/// A link that was entered, and is to be [carried](crate::link::carry).
#[derive(Debug)]
pub struct OpenLink {
    /// Its name.
    pub link: LinkId,
    pub(crate) outbox: Arc<Outbox>,
    /// Dropped when the link is down.
    pub(crate) alive: watch::Sender<()>,
}

impl<T> Hub<T> {
    /// Without links; and the events on their way to the core.
    #[must_use]
    pub fn new(settings: LinkSettings) -> (Self, Events) {
        let (inbox, events) = Inbox::new(settings.inbound_bytes);
        let hub = Self {
            settings,
            inbox,
            outstanding: Arc::default(),
            dropped: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            links: Mutex::default(),
            last_link: AtomicU64::new(0),
        };
        (hub, events)
    }

    fn links(&self) -> MutexGuard<'_, HashMap<LinkId, Entry<T>>> {
        // What is locked here is never left half-changed.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has still to go out, on all links.
    #[must_use]
    pub fn outstanding(&self) -> &Outstanding {
        &self.outstanding
    }

    /// Notifies the core, and waits until there is room.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the transport was dropped.
    pub async fn notify(&self, event: Event) -> Result<(), Stopped> {
        self.inbox.notify(event).await
    }

    /// Notifies the core if there is room: for events that unauthenticated peers can cause.
    pub fn try_notify(&self, event: Event) {
        self.inbox.try_notify(event);
    }

    /// Resolves when the transport is dropped.
    pub async fn stopped(&self) {
        self.inbox.stopped().await;
    }

    /// Whether new links make no sense any more.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || self.inbox.is_stopped()
    }

    /// Whether there are as many links as there may be.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.links().len() >= self.settings.max_links
    }

    /// Enters a link; none if there are too many.
    pub fn enter(&self, connection: Nonce, about: T) -> Option<OpenLink> {
        let mut links = self.links();
        if links.len() >= self.settings.max_links {
            return None;
        }
        let link = LinkId(self.last_link.fetch_add(1, Ordering::Relaxed) + 1);
        let outbox = Arc::new(Outbox::new(&self.settings, &self.outstanding));
        let (sender, alive) = watch::channel(());
        links.insert(link, Entry { outbox: Arc::clone(&outbox), connection, about, alive });
        Some(OpenLink { link, outbox, alive: sender })
    }

    /// The link is down.
    pub(crate) fn leave(&self, link: LinkId) {
        self.links().remove(&link);
    }

    /// The link of a connection.
    #[must_use]
    pub fn link_of(&self, connection: &Nonce) -> Option<LinkId> {
        self.links().iter().find(|(_, entry)| entry.connection == *connection).map(|(link, _)| *link)
    }

    /// The link that is kept instead of one that ended as a duplicate, if it is up.
    #[must_use]
    pub fn kept_instead(&self, of: &LinkEnd) -> Option<LinkId> {
        match of {
            LinkEnd::ClosedHere(CloseReason::Duplicate { kept }) => Some(*kept),
            of => of.kept_there().and_then(|connection| self.link_of(&connection)),
        }
    }

    /// The links that the transport knows this about.
    pub fn find(&self, is_wanted: impl Fn(&T) -> bool) -> Vec<LinkId> {
        self.links().iter().filter(|(_, entry)| is_wanted(&entry.about)).map(|(link, _)| *link).collect()
    }

    /// Resolves when a link is down.
    pub async fn until_down(&self, link: LinkId) {
        let alive = self.links().get(&link).map(|entry| entry.alive.clone());
        if let Some(mut alive) = alive {
            while alive.changed().await.is_ok() {}
        }
    }

    fn outbox(&self, link: LinkId) -> Option<Arc<Outbox>> {
        self.links().get(&link).map(|entry| Arc::clone(&entry.outbox))
    }

    /// Queues a frame. It is dropped on a link that is down, where the queue is full, and where it is over the limit.
    pub fn send(&self, link: LinkId, frame: Vec<u8>) {
        let Some(outbox) = self.outbox(link) else { return };
        let why = if frame.len() > self.settings.max_frame {
            "it is over the limit"
        } else if !outbox.push(frame) {
            "the other side is too slow, its queue is full"
        } else {
            return;
        };
        let count = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if is_worth_logging(count) {
            tracing::warn!(link = link.0, count, "a frame was dropped: {why}");
        }
    }

    /// How many frames were dropped so far because their link's queue was full or they were over the limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Begins to close a link.
    pub fn close(&self, link: LinkId, closing: CloseReason) {
        if closing == CloseReason::Leaving {
            self.leaving.store(true, Ordering::Relaxed);
        }
        if let Some(outbox) = self.outbox(link) {
            outbox.close(closing);
        }
    }

    /// The goodbye for a link that the core closes.
    #[must_use]
    pub(crate) fn goodbye(&self, closing: &CloseReason) -> Goodbye {
        let kept = match closing {
            CloseReason::Duplicate { kept } => self.links().get(kept).map(|entry| entry.connection),
            _ => None,
        };
        Goodbye::closing(closing, kept)
    }

    /// Counts a connection of another's that is turned away, and logs it unless that happens very often.
    pub fn count_turned_away(&self, from: &str, reason: &str) {
        let count = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        if is_worth_logging(count) {
            tracing::warn!(from, reason, count, "a connection was turned away");
        }
    }

    /// A node that dialed this one was turned away: counted, and the core is notified.
    pub fn turned_away(&self, from: &str, reason: &str) {
        self.count_turned_away(from, reason);
        let reason = format!("{from}: {reason}");
        self.try_notify(Event::Unreachable { address: String::new(), reason, refused: true });
    }
}

/// Whether the `n`th occurrence of something that can happen very often is still worth a line in the log.
fn is_worth_logging(n: u64) -> bool {
    n < 4 || n.is_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_logged_ever_more_rarely() {
        let logged: Vec<u64> = (1..=20).filter(|n| is_worth_logging(*n)).collect();
        assert_eq!(logged, [1, 2, 3, 4, 8, 16]);
    }

    #[test]
    fn links_are_bounded_and_found_by_their_connection_while_they_are_up() {
        let (hub, _events) = Hub::new(LinkSettings { max_links: 2, ..LinkSettings::default() });
        let first = hub.enter([1; 32], "a").unwrap().link;
        let second = hub.enter([2; 32], "b").unwrap().link;
        assert!(hub.is_full() && hub.enter([3; 32], "c").is_none());
        assert_eq!((hub.link_of(&[1; 32]), hub.link_of(&[3; 32])), (Some(first), None));
        assert_eq!(hub.find(|name| *name == "b"), [second]);
        let duplicate = CloseReason::Duplicate { kept: second };
        let goodbye = hub.goodbye(&duplicate);
        let there = LinkEnd::ClosedThere(Some(goodbye.code), goodbye.reason);
        assert_eq!(hub.kept_instead(&there), Some(second));
        assert_eq!(hub.kept_instead(&LinkEnd::ClosedHere(duplicate)), Some(second));
        hub.leave(second);
        assert_eq!(hub.kept_instead(&there), None);
        assert!(hub.enter([3; 32], "c").is_some_and(|open| open.link != second));
    }
}
