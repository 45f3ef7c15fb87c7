//! Seats and the numbers that order what they do.

use std::fmt;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer, wire_struct};

/// A voting place, 1 to `cluster_size`. The node in it is acceptor, proposer and learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seat(NonZeroU8);

impl Seat {
    /// The highest seat there can be, and so the largest cluster.
    pub const MAX: u8 = 31;

    /// Seat `n`, where 1 <= `n` <= 31.
    ///
    /// ```
    /// use paxoskv_core::Seat;
    /// assert_eq!(Seat::new(2).map(Seat::get), Some(2));
    /// assert_eq!(Seat::new(0), None);
    /// ```
    pub fn new(n: u8) -> Option<Self> {
        NonZeroU8::new(n).filter(|n| n.get() <= Self::MAX).map(Self)
    }

    /// The number of this seat, counted from 1.
    pub fn get(self) -> u8 {
        self.0.get()
    }

    /// All seats of a cluster of that size, from 1 on.
    pub fn all(cluster_size: u8) -> impl Iterator<Item = Self> {
        (1..=cluster_size).filter_map(Self::new)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seat {}", self.0)
    }
}

impl Wire for Seat {
    fn write(&self, w: &mut Writer) {
        w.uint(u64::from(self.get()));
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let n = r.uint()?;
        u8::try_from(n).ok().and_then(Self::new).ok_or_else(|| r.malformed("a seat from 1 to 31"))
    }
}

/// A set of seats: who has promised, who has voted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seats(u32);

impl Seats {
    /// Adds a seat; true where it was not there before.
    pub fn insert(&mut self, seat: Seat) -> bool {
        let before = self.0;
        self.0 |= 1 << seat.get();
        before != self.0
    }

    /// Whether the seat is in the set.
    pub fn contains(self, seat: Seat) -> bool {
        self.0 & 1 << seat.get() != 0
    }

    /// How many seats are in the set.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl FromIterator<Seat> for Seats {
    fn from_iter<I: IntoIterator<Item = Seat>>(seats: I) -> Self {
        let mut set = Self::default();
        for seat in seats {
            set.insert(seat);
        }
        set
    }
}

/// More than half of `cluster_size`, however many are connected: 2 of 3, 3 of 5.
///
/// ```
/// assert_eq!([1, 2, 3, 4, 5].map(paxoskv_core::quorum), [1, 2, 2, 3, 3]);
/// ```
pub fn quorum(cluster_size: u8) -> usize {
    usize::from(cluster_size) / 2 + 1
}

/// Defines a number that is not to be confused with another.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Wire for $name {
            fn write(&self, w: &mut Writer) {
                w.uint(self.0);
            }
            fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                r.uint().map(Self)
            }
        }
    };
}

number! {
    /// Which roster is in force; epoch 0 is the founding.
    Epoch
}
number! {
    /// How often a proposer went to the acceptors; round 0 is the home seat's, without a first phase.
    Round
}
number! {
    /// How often a store was opened, durably counted before its first message.
    Opening
}
number! {
    /// Which of a key's registers: one higher for each owner the key has had. It is the fencing token.
    Generation
}

/// A proposal number, ordered by epoch, round, seat, opening. A proposer never uses one twice.
///
/// Lamport, *Paxos Made Simple* (2001), §2.2, "proposal numbers"; the opening makes them differ over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// The roster that counts the votes.
    pub epoch: Epoch,
    /// 0 for the home seat's fast path, else chosen above every round seen.
    pub round: Round,
    /// The proposer.
    pub seat: Seat,
    /// Of the proposer's store.
    pub opening: Opening,
}

wire_struct!(Ballot { epoch, round, seat, opening });

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.epoch, self.round, self.seat.get(), self.opening)
    }
}
