//! The swarm and its links, on tokio or in a browser.
//!
//! The core polls [`Libp2pTransport`]; tasks do the work behind it and meet it at bounded queues only. From the outside
//! in:
//!
//! | file | what |
//! |---|---|
//! | `transport` | the port that the core polls |
//! | `config` | settings |
//! | `driver` | the task that runs the swarm |
//! | `native`, `browser` | what the swarm does here, and by what it connects |
//! | `events` | what behaviours notify the driver of |
//! | `socket` | a browser's WebSocket, as libp2p takes it |
//! | `targets` | which nodes to dial, and when |
//! | `relays` | relays at which this node can be reached where it cannot be reached directly |
//! | `link`, `report` | one link, and what its task reports to the driver |
//! | `hub` | what all of them share |

mod config;
mod driver;
mod events;
mod hub;
mod link;
#[cfg(target_family = "wasm")]
#[path = "browser.rs"]
mod platform;
#[cfg(not(target_family = "wasm"))]
#[path = "native.rs"]
mod platform;
mod relays;
mod report;
#[cfg(target_family = "wasm")]
mod socket;
mod targets;
mod transport;

pub use config::{Libp2pConfig, SetupError};
pub use transport::Libp2pTransport;
