//! A connection, from dialing to its end, and when it is made anew.

use std::time::Duration;

use paxoskv_core::transport::LinkId;

use super::handshake::{Greeting, Keys};
use super::socket::Socket;
use crate::address::Address;
use crate::preface::Token;
use crate::relay::is_relayed;

/// The pause before an address is dialed again; doubled with each failure, up to a limit, and shortened by chance by
/// up to a half.
const BACKOFF_START: Duration = Duration::from_millis(100);
pub(super) const BACKOFF_CAP: Duration = Duration::from_secs(3);
/// The limit where a relay is in between. A browser notes each failure in the page's console, and whoever waited
/// there may be gone for ever.
const RELAYED_CAP: Duration = Duration::from_secs(10);
/// The pause after a refusal, by either side.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Where a connection leads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// To whoever is at that address.
    At(Address),
    /// To a node, to wait there for others who reach this one through it.
    WaitsAt(Address),
    /// To somebody who came that way, by the number of the socket.
    Came(u64),
}

impl Place {
    fn cap(&self) -> Duration {
        match self {
            Self::At(address) if !is_relayed(address) => BACKOFF_CAP,
            _ => RELAYED_CAP,
        }
    }
}

pub(super) struct Line {
    pub(super) since: Duration,
    /// In a row.
    pub(super) failures: u32,
    pub(super) state: State,
}

pub(super) enum State {
    /// Dialed at that moment.
    Pausing(Duration),
    /// Waits for somebody to come.
    Waiting {
        socket: u64,
        connection: Socket,
        /// When it is given up, unless the node has answered.
        until: Option<Duration>,
    },
    Greeting {
        socket: u64,
        connection: Socket,
        /// Taken out only while it hears something.
        greeting: Option<Greeting>,
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
    pub(super) socket: u64,
    pub(super) connection: Socket,
    pub(super) link: LinkId,
    pub(super) token: Token,
    pub(super) keys: Keys,
    pub(super) since: Duration,
}

/// When to dial again.
pub(super) enum Next {
    AtOnce,
    Backoff,
    Refused,
    After(LinkId),
    Never,
}

impl Line {
    pub(super) fn new(now: Duration) -> Self {
        Self { since: now, failures: 0, state: State::Pausing(now) }
    }

    /// When something is to be done by itself.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.state {
            State::Pausing(until) | State::Greeting { until, .. } => Some(*until),
            State::Waiting { until, .. } => *until,
            State::Up(_) | State::After(_) | State::Never => None,
        }
    }

    pub(super) fn socket(&self) -> Option<u64> {
        match &self.state {
            State::Waiting { socket, .. } | State::Greeting { socket, .. } | State::Up(Up { socket, .. }) => {
                Some(*socket)
            }
            State::Pausing(_) | State::After(_) | State::Never => None,
        }
    }

    pub(super) fn up(&self) -> Option<&Up> {
        if let State::Up(up) = &self.state { Some(up) } else { None }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        if let State::Up(up) = &mut self.state { Some(up) } else { None }
    }

    /// What was here has come to its end, and is given back.
    pub(super) fn end(&mut self, place: &Place, now: Duration, next: &Next) -> State {
        let state = match next {
            Next::AtOnce => State::Pausing(now),
            Next::Backoff => {
                let pause = jittered(backoff(self.failures, place.cap()));
                self.failures = self.failures.saturating_add(1);
                State::Pausing(now + pause)
            }
            Next::Refused => {
                self.failures = self.failures.saturating_add(1);
                State::Pausing(now + jittered(REFUSED_PAUSE))
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

/// The pause after so many failures in a row before this one.
fn backoff(failures: u32, cap: Duration) -> Duration {
    BACKOFF_START.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(cap)
}

/// Shorter by chance, so that nodes that lost one another at the same time do not meet at the same time.
fn jittered(pause: Duration) -> Duration {
    let mut chance = [0; 1];
    // Without chance it is just the longest.
    let _ = getrandom::fill(&mut chance);
    pause - pause / 512 * u32::from(chance[0])
}
