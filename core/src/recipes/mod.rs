//! What people build from keys that live as long as a peer: locks, elections, barriers, unique names.
//!
//! Each of them is some keys bound to a session of its own, and hands out what it grants as a [`Held`], with a
//! **fencing token**: whoever is granted the same later has a higher one. Whatever acts for the holder should pass it
//! on, and whatever is acted upon refuse lower ones than it has seen: a holder that stands still for long cannot know
//! that it has lost.
//!
//! | recipe | what is granted |
//! |---|---|
//! | [`Cluster::lock`] | a lock, to one at a time, in turn |
//! | [`Cluster::election`] | an office, with a value that all can see |
//! | [`Cluster::barrier`] | that all have come |
//! | [`Cluster::register`] | a name, to one at a time |

mod barrier;
mod election;
mod held;
mod lock;
mod names;

#[cfg(doc)]
use crate::Cluster;

pub use barrier::Barrier;
pub use election::Election;
pub use held::Held;
pub use lock::Lock;
pub use names::Register;
