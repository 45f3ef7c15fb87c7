//! How the cluster stands, as this node sees it: who is up, and whether that is a quorum.

use super::{Output, Replica};
use crate::types::{Seat, SeatState, SeatStatus, Status};

impl Replica {
    /// Tells of a change of the cluster's state.
    pub(super) fn news(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let status = self.current_status();
        if self.status.as_ref() != Some(&status) {
            self.outbox.output(Output::Status(status.clone()));
            let had_quorum = self.status.replace(status).is_some_and(|before| before.quorum);
            if !had_quorum && self.has_quorum() {
                self.count_anew();
                self.ready.extend(self.attempts.keys().cloned());
                self.settle_all();
            }
        }
    }

    pub(super) fn current_status(&self) -> Status {
        let state = |seat| match self.seat {
            Some(own) if own == seat => SeatState::Own,
            _ if self.link_to(seat).is_some() => SeatState::Connected,
            _ if self.roster.holder(seat).is_some() => SeatState::Lost,
            _ => SeatState::Empty,
        };
        Status {
            cluster: self.cluster.clone().or_else(|| self.links.cluster()).unwrap_or_default(),
            cluster_size: u32::from(self.roster.cluster_size),
            quorum: self.has_quorum(),
            epoch: self.roster.epoch,
            seats: Seat::all(self.roster.cluster_size)
                .map(|seat| SeatStatus { seat, state: state(seat) })
                .collect(),
            observers: self.links.observers(),
        }
    }

    /// Whether more than half of the cluster's seats are up: linked, and known to be held by those who are there.
    pub(super) fn has_quorum(&self) -> bool {
        self.seats_up() >= self.quorum()
    }

    fn seats_up(&self) -> usize {
        if self.seat.is_none() {
            return self.links.seats().len();
        }
        let others =
            Seat::all(self.roster.cluster_size).filter(|seat| self.voter_link(*seat).is_some()).count();
        others + usize::from(self.may_vote())
    }

    pub(super) fn quorum(&self) -> usize {
        if self.rules.quorum_of_size { self.roster.quorum() } else { self.seats_up() / 2 + 1 }
    }
}
