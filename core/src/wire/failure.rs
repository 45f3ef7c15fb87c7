//! Why something was not done, as nodes say it to one another.
//!
//! This is a type of its own, so that [`Error`] can change without a change of the format. Whether a call may have
//! changed something is not on the wire: the node that asked knows what it asked for.

use crate::codec::{Malformed, Reader, Wire, Writer, wire_enum};
use crate::types::{Effect, Error};

enum Failure {
    NoQuorum { connected: u64, quorum: u64, cluster_size: u64 },
    Timeout {},
    LeaseEnded {},
    TooLarge { what: String, size: u64, limit: u64 },
    Closed {},
    Storage { why: String },
    Refused { why: String },
    InvalidArgument { why: String },
    Overloaded { limit: u64 },
}

wire_enum!(Failure, "a kind of error" {
    0 => NoQuorum { connected, quorum, cluster_size },
    1 => Timeout {},
    2 => LeaseEnded {},
    3 => TooLarge { what, size, limit },
    4 => Closed {},
    5 => Storage { why },
    6 => Refused { why },
    7 => InvalidArgument { why },
    8 => Overloaded { limit },
});

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NoQuorum { connected, quorum, cluster_size, effect: _ } => {
                Self::NoQuorum { connected, quorum, cluster_size }
            }
            Error::Timeout { effect: _ } => Self::Timeout {},
            Error::LeaseEnded => Self::LeaseEnded {},
            Error::TooLarge { what, size, limit } => Self::TooLarge { what, size, limit },
            Error::Closed => Self::Closed {},
            Error::Storage { why } => Self::Storage { why },
            Error::Refused { why } => Self::Refused { why },
            Error::InvalidArgument { why } => Self::InvalidArgument { why },
            Error::Overloaded { limit } => Self::Overloaded { limit },
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let effect = Effect::Unknown;
        match failure {
            Failure::NoQuorum { connected, quorum, cluster_size } => {
                Self::NoQuorum { connected, quorum, cluster_size, effect }
            }
            Failure::Timeout {} => Self::Timeout { effect },
            Failure::LeaseEnded {} => Self::LeaseEnded,
            Failure::TooLarge { what, size, limit } => Self::TooLarge { what, size, limit },
            Failure::Closed {} => Self::Closed,
            Failure::Storage { why } => Self::Storage { why },
            Failure::Refused { why } => Self::Refused { why },
            Failure::InvalidArgument { why } => Self::InvalidArgument { why },
            Failure::Overloaded { limit } => Self::Overloaded { limit },
        }
    }
}

impl Wire for Error {
    fn write(&self, w: &mut Writer) {
        Failure::from(self.clone()).write(w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Failure::read(r).map(Self::from)
    }
}
