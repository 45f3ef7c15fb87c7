//! How the cluster is, as this node sees it: which seats are up, and whether they are a quorum.

use super::Output;
use super::context::Context;
use super::membership::Membership;
use super::peers::Peers;
use crate::sorted::Gather;
use crate::types::{Seat, SeatState, SeatStatus, Status};

/// The status that was published last.
#[derive(Clone, Default)]
pub(super) struct Published(Option<Status>);

impl Published {
    /// Publishes the status if it has changed; true if a quorum has come with that.
    pub(super) fn publish(&mut self, cx: &mut Context, membership: &Membership, peers: &Peers) -> bool {
        let status = current(cx, membership, peers);
        if self.0.as_ref() == Some(&status) {
            return false;
        }
        cx.outbox.output(Output::Status(status.clone()));
        let had_quorum = self.0.replace(status).is_some_and(|before| before.quorum);
        !had_quorum && self.has_quorum()
    }

    /// Whether the status that was published says that there is a quorum.
    pub(super) fn has_quorum(&self) -> bool {
        self.0.as_ref().is_some_and(|status| status.quorum)
    }
}

/// The status at this moment.
pub(super) fn current(cx: &Context, membership: &Membership, peers: &Peers) -> Status {
    let electorate = peers.electorate();
    let state = |seat| match cx.me.seat {
        Some(own) if own == seat => SeatState::Own,
        _ if electorate.claimant(seat).is_some() => SeatState::Connected,
        _ if membership.roster().holder(seat).is_some() => SeatState::Lost,
        _ => SeatState::Empty,
    };
    Status {
        cluster: membership.name().cloned().or_else(|| peers.cluster_name()).unwrap_or_default(),
        cluster_size: u32::from(membership.seats()),
        quorum: electorate.has_quorum(),
        epoch: membership.epoch(),
        seats: Seat::all(membership.seats()).map(|seat| SeatStatus { seat, state: state(seat) }).gather(),
        observers: peers.observers(),
    }
}
