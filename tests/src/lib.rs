//! What crosses crates: the simulation of whole clusters, clusters of real processes, tabs of real browsers, and the
//! checker that judges histories.
//!
//! The tests themselves are in `tests/tests`, one file a subject.

#[cfg(unix)]
pub mod browser;
#[cfg(unix)]
pub mod history;
pub mod linear;
pub mod messages;
pub mod model;
#[cfg(target_os = "linux")]
pub mod network;
#[cfg(unix)]
pub mod processes;
pub mod sim;
