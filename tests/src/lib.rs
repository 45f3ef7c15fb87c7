//! What crosses crates: the simulation of whole clusters, and the checker that judges their histories.
//!
//! The tests themselves are in `tests/tests`, one file a subject.

pub mod linear;
pub mod sim;
