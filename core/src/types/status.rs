//! The state of a cluster, as a node sees it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Effect, Epoch, Error, Seat};
use crate::codec::{Malformed, Reader, Wire, Writer, wire_struct};

/// The state of the cluster, as one node sees it.
///
/// Serialized, it is the JSON of `paxoskv status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The cluster's name.
    pub cluster: String,
    /// How many seats it has.
    pub cluster_size: u32,
    /// Whether more than half of the seats are up.
    pub quorum: bool,
    /// The roster in force.
    pub epoch: Epoch,
    /// Each seat, from 1 on.
    pub seats: Vec<SeatStatus>,
    /// Nodes without a seat that are linked to this one.
    pub observers: u32,
}

wire_struct!(Status { cluster, cluster_size, quorum, epoch, seats, observers });

impl Status {
    /// How many seats make a quorum: more than half of the cluster's.
    pub fn needed(&self) -> usize {
        self.cluster_size as usize / 2 + 1
    }

    /// The error of a call that has changed nothing, and whose time is over while the cluster is like this:
    /// [`Error::NoQuorum`] or [`Error::Timeout`].
    pub fn timed_out(&self) -> Error {
        let (up, needed) = (self.up() as u64, self.needed() as u64);
        Error::timed_out(up, needed, self.cluster_size.into()).with_effect(Effect::None)
    }

    /// How many seats are up, this node's own included.
    pub fn up(&self) -> usize {
        self.seats.iter().filter(|seat| matches!(seat.state, SeatState::Own | SeatState::Connected)).count()
    }
}

impl fmt::Display for Status {
    /// The line that is logged when the size or the quorum changes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quorum = if self.quorum { "yes" } else { "no" };
        write!(f, "[quorum:{quorum}] {} of {} seats", self.up(), self.cluster_size)
    }
}

/// One seat of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatStatus {
    /// The seat's number.
    pub seat: Seat,
    /// Whether it is up.
    pub state: SeatState,
}

wire_struct!(SeatStatus { seat, state });

/// The state of a seat, as one node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeatState {
    /// The node itself sits there.
    #[serde(rename = "self")]
    Own,
    /// A link to it is up.
    Connected,
    /// It has a holder, but no link is up.
    Lost,
    /// Nobody was ever seated there, as far as is known.
    Empty,
}

impl Wire for SeatState {
    fn write(&self, w: &mut Writer) {
        w.uint(match self {
            Self::Own => 0,
            Self::Connected => 1,
            Self::Lost => 2,
            Self::Empty => 3,
        });
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        match r.uint()? {
            0 => Ok(Self::Own),
            1 => Ok(Self::Connected),
            2 => Ok(Self::Lost),
            3 => Ok(Self::Empty),
            _ => Err(r.malformed("a seat's state")),
        }
    }
}
