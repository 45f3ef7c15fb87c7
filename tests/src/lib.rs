//! What crosses crates: the simulation of whole clusters, clusters of real processes, and the checker that judges the
//! histories of both.
//!
//! The tests themselves are in `tests/tests`, one file a subject.

#[cfg(unix)]
pub mod history;
pub mod linear;
pub mod messages;
pub mod model;
#[cfg(unix)]
pub mod processes;
pub mod sim;
