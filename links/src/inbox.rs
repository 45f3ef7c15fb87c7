//! Events on their way to the core.

use std::sync::Arc;
use std::task::{Context, Poll};

use paxoskv_core::transport::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Events that wait for the core. Frames are bounded in bytes as well.
const MAX_EVENTS: usize = 256;

struct Delivery {
    event: Event,
    /// Its part of the bytes that may wait.
    _bytes: Option<OwnedSemaphorePermit>,
}

/// The transport was dropped, and takes no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// The end of the transport's tasks.
#[derive(Debug)]
pub struct Inbox {
    max_bytes: usize,
    bytes: Arc<Semaphore>,
    events: mpsc::Sender<Delivery>,
}

/// The core's end.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Delivery>);

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.event.fmt(f)
    }
}

impl Inbox {
    /// Both ends; `max_bytes` is how many bytes of frames may wait.
    #[must_use]
    pub fn new(max_bytes: usize) -> (Self, Events) {
        let (sender, receiver) = mpsc::channel(MAX_EVENTS);
        (Self { max_bytes, bytes: Arc::new(Semaphore::new(max_bytes)), events: sender }, Events(receiver))
    }

    /// Notifies the core, and waits until there is room.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the transport was dropped.
    pub async fn notify(&self, event: Event) -> Result<(), Stopped> {
        let bytes = match &event {
            Event::Frame { bytes, .. } => {
                let wanted = u32::try_from(bytes.len().min(self.max_bytes)).unwrap_or(u32::MAX);
                Some(Arc::clone(&self.bytes).acquire_many_owned(wanted).await.map_err(|_| Stopped)?)
            }
            _ => None,
        };
        self.events.send(Delivery { event, _bytes: bytes }).await.map_err(|_| Stopped)
    }

    /// Notifies the core if there is room: for events that unauthenticated peers can cause.
    pub fn try_notify(&self, event: Event) {
        let _ = self.events.try_send(Delivery { event, _bytes: None });
    }

    /// Resolves when the transport is dropped.
    pub async fn stopped(&self) {
        self.events.closed().await;
    }

    /// Whether the transport is dropped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.events.is_closed()
    }
}

impl Events {
    /// The next event. There is no end.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(delivery)) => Poll::Ready(delivery.event),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
