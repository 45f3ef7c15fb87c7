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
//! | `happened` | what behaviours tell the driver |
//! | `socket` | a browser's WebSocket, as libp2p takes it |
//! | `book` | whom to dial, and when |
//! | `relays` | by whom this node can be reached where it cannot be reached straight |
//! | `link` | one link: its handshake, its reading, its writing |
//! | `hub` | what all of them share |

mod book;
mod config;
mod driver;
mod happened;
mod hub;
mod link;
#[cfg(target_family = "wasm")]
#[path = "browser.rs"]
mod platform;
#[cfg(not(target_family = "wasm"))]
#[path = "native.rs"]
mod platform;
mod relays;
#[cfg(target_family = "wasm")]
mod socket;
mod transport;

pub use config::{Libp2pConfig, SetupError};
pub use transport::Libp2pTransport;
