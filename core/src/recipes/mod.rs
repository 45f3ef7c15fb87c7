//! Recipes: locks, elections, barriers and unique names, made of keys that live as long as a peer.
//!
//! Each of them is some keys bound to a session of its own, and what it grants has a **fencing token**: the next
//! holder of the same has a higher one. Whatever acts for the holder should pass the token on, and whatever is acted
//! upon should refuse lower ones than it has seen: a holder that stands still for long cannot know that it has lost.
//!
//! | recipe | what is granted |
//! |---|---|
//! | [`Cluster::lock`] | a [`LockGuard`], to one at a time, in turn |
//! | [`Cluster::election`] | a [`Leadership`], with a value that all can see |
//! | [`Cluster::register`] | a [`NameRegistration`], to one at a time |
//! | [`Cluster::barrier`] | that all have come |
//!
//! All waits take a timeout, which holds for the whole of it. A wait during which this node was cut off from the
//! others begins anew, at the end of the queue.

mod barrier;
mod election;
mod holding;
mod lock;
mod name;
#[cfg(test)]
mod tests;

#[cfg(doc)]
use crate::Cluster;

pub use barrier::{Barrier, BarrierWait};
pub use election::{Campaign, Election, Leadership};
pub use holding::Holding;
pub use lock::{Lock, LockGuard};
pub use name::{NameRegistration, Registering};
