//! A connection, from dialing to its end, and when it is made anew.

use std::time::Duration;

use paxoskv_core::transport::LinkId;
use paxoskv_links::dialing::{backoff, jittered};
use paxoskv_links::{Handshake, LinkSettings, Nonce};

use super::socket::Socket;
use crate::address::Address;
use crate::handshake::{Keys, Proving};
use crate::relay::is_relayed;

/// What the pause before dialing grows to where a relay is in between. A browser notes each failure in the page's
/// console, and the node that waited there may be gone for ever.
const RELAYED_CAP: Duration = Duration::from_secs(10);

/// Where a connection leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// To the node at that address.
    At(Address),
    /// To a relay, to wait there for others that reach this node through it.
    WaitsAt(Address),
    /// To a node that came through a relay, by the number of the socket.
    Came(u64),
}

pub(super) struct Connection {
    pub(super) since: Duration,
    /// In a row.
    pub(super) failures: u32,
    pub(super) state: State,
}

pub(super) enum State {
    /// Dialed at that moment.
    Pausing(Duration),
    /// Waits for another node to come.
    Waiting {
        socket: Socket,
        /// When it is given up, unless the relay has answered.
        until: Option<Duration>,
    },
    Handshake {
        socket: Socket,
        /// Taken out only while it handles a message.
        handshake: Option<Handshake<Proving>>,
        /// Given up then.
        until: Duration,
    },
    Up(Up),
    /// Dialed again when this link is down.
    After(LinkId),
    /// Leads back to this node, or is not wanted any more.
    Never,
}

pub(super) struct Up {
    pub(super) socket: Socket,
    pub(super) link: LinkId,
    /// Names the connection on both sides.
    pub(super) connection: Nonce,
    pub(super) keys: Keys,
    pub(super) since: Duration,
}

/// When to dial again.
pub(super) enum Next {
    AtOnce,
    /// After a pause that grows with each failure.
    Backoff,
    /// After the long pause that follows a refusal.
    Refused,
    /// When this link is down.
    After(LinkId),
    Never,
}

impl Connection {
    pub(super) fn new(now: Duration) -> Self {
        Self { since: now, failures: 0, state: State::Pausing(now) }
    }

    /// When something is to be done by itself.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Pausing(until) | State::Handshake { until, .. } => Some(*until),
            State::Waiting { until, .. } => *until,
            State::Up(_) | State::After(_) | State::Never => None,
        }
    }

    pub(super) fn socket(&self) -> Option<&Socket> {
        match &self.state {
            State::Waiting { socket, .. }
            | State::Handshake { socket, .. }
            | State::Up(Up { socket, .. }) => Some(socket),
            State::Pausing(_) | State::After(_) | State::Never => None,
        }
    }

    pub(super) fn up(&self) -> Option<&Up> {
        if let State::Up(up) = &self.state { Some(up) } else { None }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        if let State::Up(up) = &mut self.state { Some(up) } else { None }
    }

    /// What was here has come to its end, and is returned.
    pub(super) fn end(
        &mut self,
        target: &Target,
        now: Duration,
        next: &Next,
        settings: &LinkSettings,
    ) -> State {
        let state = match next {
            Next::AtOnce => State::Pausing(now),
            Next::Backoff => {
                let cap = match target {
                    Target::At(address) if !is_relayed(address) => settings.backoff_cap,
                    _ => RELAYED_CAP,
                };
                let pause = backoff(settings.backoff_start, cap, self.failures);
                self.failures = self.failures.saturating_add(1);
                State::Pausing(now + pause)
            }
            Next::Refused => {
                self.failures = self.failures.saturating_add(1);
                State::Pausing(now + jittered(settings.refused_pause))
            }
            Next::After(link) => {
                self.failures = 0;
                State::After(*link)
            }
            Next::Never => State::Never,
        };
        std::mem::replace(&mut self.state, state)
    }
}
