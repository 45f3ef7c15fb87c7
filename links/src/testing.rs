//! What the tests of transports have in common: waiting for events of a transport.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::future::poll_fn;
use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::{Event, LinkId};

use crate::runtime::timeout;
use crate::secret::Secret;
use crate::settings::LinkSettings;

/// Nothing in a test takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A secret of this text.
///
/// # Panics
///
/// Where the text is empty.
#[must_use]
pub fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.as_bytes()).expect("a secret"))
}

/// Quick retries, so that tests need not wait.
#[must_use]
pub fn quick_retries() -> LinkSettings {
    LinkSettings {
        backoff_start: Duration::from_millis(10),
        backoff_cap: Duration::from_millis(100),
        refused_pause: Duration::from_millis(100),
        ..LinkSettings::default()
    }
}

/// A transport whose events a test waits for.
#[derive(Debug)]
pub struct Observed<T> {
    /// The transport.
    pub transport: T,
}

impl<T: Transport> Observed<T> {
    /// The next event.
    ///
    /// # Panics
    ///
    /// Where none comes.
    pub async fn event(&mut self) -> Event {
        let next = poll_fn(|cx| self.transport.poll_event(cx));
        timeout(PATIENCE, next).await.expect("an event was to come")
    }

    /// The first event that `wanted` makes something of; those before it are passed over.
    pub async fn until<F>(&mut self, mut wanted: impl FnMut(&Event) -> Option<F>) -> F {
        loop {
            let event = self.event().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// The next link that comes up.
    pub async fn up(&mut self) -> LinkId {
        self.until(|event| match event {
            Event::Up { link, .. } => Some(*link),
            _ => None,
        })
        .await
    }

    /// Why the link went down.
    pub async fn down(&mut self, of: LinkId) -> String {
        self.until(|event| match event {
            Event::Down { link, reason, .. } if *link == of => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    /// The next frame.
    pub async fn frame(&mut self) -> (LinkId, Vec<u8>) {
        self.until(|event| match event {
            Event::Frame { link, bytes } => Some((*link, bytes.clone())),
            _ => None,
        })
        .await
    }

    /// Address and reason of the next refusal.
    pub async fn refusal(&mut self) -> (String, String) {
        self.unreached(true).await
    }

    /// Address and reason of the next that was not reached.
    pub async fn unreachable(&mut self) -> (String, String) {
        self.unreached(false).await
    }

    async fn unreached(&mut self, by_refusal: bool) -> (String, String) {
        self.until(|event| match event {
            Event::Unreachable { address, reason, refused } if *refused == by_refusal => {
                Some((address.clone(), reason.clone()))
            }
            _ => None,
        })
        .await
    }

    /// Sends all that is queued.
    ///
    /// # Panics
    ///
    /// Where that takes too long.
    pub async fn flush(&mut self) {
        timeout(PATIENCE, poll_fn(|cx| self.transport.poll_flush(cx))).await.expect("flushing is bounded");
    }

    /// Fails if something happens within the time. For what must *not* happen, there is no event to await.
    ///
    /// # Panics
    ///
    /// If something happens.
    pub async fn nothing_for(&mut self, time: Duration) {
        let next = poll_fn(|cx| self.transport.poll_event(cx));
        if let Ok(event) = timeout(time, next).await {
            panic!("nothing was to happen, but {event:?} did");
        }
    }
}

/// Fails unless the text contains these words, with a message that helps.
///
/// # Panics
///
/// If it does not.
pub fn assert_says(text: &str, words: &str) {
    assert!(text.contains(words), "{text:?} does not say {words:?}");
}
