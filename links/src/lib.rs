//! What the transports of PaxosKV have in common: how two nodes come to trust a connection, and how a link carries frames.
//!
//! The core polls a transport and never waits for it. Tasks do the work behind it, and the two meet at bounded queues. A
//! browser's WebSockets have no tasks: their events are handled when the core polls. So what concerns bytes alone does no
//! I/O and serves both, and the feature `tasks` adds what tasks need, on tokio or on a browser's event loop.
//!
//! | module | what |
//! |---|---|
//! | [`secret`] | the cluster's secret, keys that are derived from it, and proofs that are compared in constant time |
//! | [`preface`], [`handshake`] | what both sides of a connection send first, up to the link |
//! | [`goodbye`] | the last message of a connection: why it is closed |
//! | [`end`] | how a link ended, and what that means for dialing its address again |
//! | [`dialing`] | how long to wait before an address is dialed again, and which one makes room for others |
//! | [`settings`] | limits and times of links |
//! | [`ticket`] | one line that says all that a new node must know |
//! | [`random`](random()) | random numbers of the system |
//!
//! With the feature `tasks`:
//!
//! | module | what |
//! |---|---|
//! | `inbox` | events on their way to the core; links are read no further while it is full |
//! | `outbox` | frames that wait to be sent on one link; what finds it full is dropped |
//! | `outstanding` | what has still to go out, for [`poll_flush`](paxoskv_core::Transport::poll_flush) |
//! | `frames` | what a connection must be able to do: read, write and close |
//! | `hub` | all links of one transport, and what its tasks share |
//! | `link` | one link, from up to down |
//! | `port` | the end that the core polls |
//! | `runtime` | what tasks run on |

pub mod dialing;
pub mod end;
#[cfg(feature = "tasks")]
pub mod frames;
pub mod goodbye;
pub mod handshake;
#[cfg(feature = "tasks")]
pub mod hub;
#[cfg(feature = "tasks")]
pub mod inbox;
#[cfg(feature = "tasks")]
pub mod link;
#[cfg(feature = "tasks")]
pub mod outbox;
#[cfg(feature = "tasks")]
pub mod outstanding;
#[cfg(feature = "tasks")]
pub mod port;
pub mod preface;
mod random;
#[cfg(feature = "tasks")]
pub mod runtime;
pub mod secret;
pub mod settings;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ticket;

pub use end::{LinkEnd, Redial};
pub use goodbye::{CloseCode, Goodbye};
pub use handshake::{Failure, Handshake};
pub use preface::Preface;
pub use random::{NONCE_LEN, NoRandomness, Nonce, random};
pub use secret::{BadSecret, Secret};
pub use settings::LinkSettings;
#[cfg(feature = "tasks")]
pub use {hub::Hub, port::Port};
