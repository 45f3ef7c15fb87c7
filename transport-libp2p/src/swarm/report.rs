//! What the tasks of links report to the swarm's driver.

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use paxoskv_links::{Failure, LinkEnd};

/// What the task of a link reports.
#[derive(Debug)]
pub(super) enum Report {
    /// The peer has proven that it belongs here.
    Proven { peer: PeerId },
    /// The link is up.
    Up { peer: PeerId, relayed: bool },
    /// The stream has come to its end.
    Ended { peer: PeerId, connection: ConnectionId, relayed: bool, end: StreamEnd },
}

/// How a stream ended.
#[derive(Debug)]
pub(super) enum StreamEnd {
    /// There was no link.
    NoLink(Failure),
    /// The link came to its end.
    Link(LinkEnd),
}

impl StreamEnd {
    /// For people.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::NoLink(failure) => failure.reason().to_owned(),
            Self::Link(end) => end.reason(),
        }
    }

    /// Whether there was a link.
    pub(super) fn was_up(&self) -> bool {
        matches!(self, Self::Link(end) if *end != LinkEnd::TooMany)
    }
}
