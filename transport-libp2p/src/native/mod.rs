//! The swarm and its links, on tokio.
//!
//! The core polls [`Libp2pTransport`]; tasks do the work behind it and meet it at bounded queues only. From the outside
//! in:
//!
//! | file | what |
//! |---|---|
//! | `transport` | the port that the core polls |
//! | `config` | settings |
//! | `driver` | the task that runs the swarm |
//! | `behaviour` | what the swarm does |
//! | `book` | whom to dial, and when |
//! | `relays` | by whom this node can be reached where it cannot be reached straight |
//! | `link` | one link: its handshake, its reading, its writing |
//! | `hub` | what all of them share |

mod behaviour;
mod book;
mod config;
mod driver;
mod hub;
mod link;
mod relays;
mod transport;

pub use config::{Libp2pConfig, SetupError};
pub use transport::Libp2pTransport;
