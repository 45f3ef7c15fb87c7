//! What transports have in common: the core polls a transport, tasks do the work behind it, and the two meet at
//! queues that are bounded and never waited for by the core.
//!
//! | module | what |
//! |---|---|
//! | [`inbox`] | events on their way to the core; links are read no further while it is full |
//! | [`outbox`] | frames that wait to be sent on one link; what finds it full is dropped |
//! | [`outstanding`] | what has still to go out, for [`poll_flush`](paxoskv_core::Transport::poll_flush) |
//! | [`runtime`] | what tasks run on: tokio, or a browser's event loop |
//! | [`pause`] | how long to wait before an address is dialed again |

pub mod inbox;
pub mod outbox;
pub mod outstanding;
pub mod pause;
pub mod runtime;

pub use inbox::{Deliveries, Inbox, Stopped};
pub use outbox::{Limits, Outbox};
pub use outstanding::{Outstanding, Ticket};

/// Whether the `n`th occurrence of something that can happen very often is still worth a line in the log.
///
/// ```
/// let said: Vec<u64> = (1..=20).filter(|n| paxoskv_transport_queues::worth_saying(*n)).collect();
/// assert_eq!(said, [1, 2, 3, 4, 8, 16]);
/// ```
#[must_use]
pub fn worth_saying(n: u64) -> bool {
    n < 4 || n.is_power_of_two()
}
