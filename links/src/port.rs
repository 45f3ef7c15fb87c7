//! The end of a transport that the core polls.

use std::sync::Arc;
use std::task::{Context, Poll};

use paxoskv_core::transport::{CloseReason, Event, LinkId};

use crate::hub::Hub;
use crate::inbox::Events;
use crate::outstanding::Flush;
use crate::runtime::Runtime;

/// What all transports with tasks do in the same way of [`Transport`](paxoskv_core::Transport).
#[derive(Debug)]
pub struct Port<T> {
    hub: Arc<Hub<T>>,
    events: Events,
    runtime: Runtime,
    flush: Flush,
}

impl<T> Port<T> {
    /// The end of a hub, and of the events that come from it.
    #[must_use]
    pub fn new(hub: Arc<Hub<T>>, events: Events, runtime: Runtime) -> Self {
        Self { hub, events, runtime, flush: Flush::default() }
    }

    /// What the transport's tasks run on.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// See [`Hub::dropped`].
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.hub.dropped()
    }

    /// See [`Transport::send`](paxoskv_core::Transport::send).
    pub fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.hub.send(link, frame);
    }

    /// See [`Transport::close`](paxoskv_core::Transport::close).
    pub fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.hub.close(link, closing);
    }

    /// See [`Transport::poll_event`](paxoskv_core::Transport::poll_event).
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.events.poll(cx)
    }

    /// See [`Transport::poll_flush`](paxoskv_core::Transport::poll_flush).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let allowed = self.hub.settings.flush_timeout;
        self.flush.poll(self.hub.outstanding(), &self.runtime, allowed, cx)
    }
}
