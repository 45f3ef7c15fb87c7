//! Sockets, on tokio.
//!
//! The core polls [`WsTransport`]; tasks do the work behind it and meet it at bounded queues only. From the outside
//! in:
//!
//! | file | what |
//! |---|---|
//! | `transport` | the port that the core polls |
//! | `config`, `guard` | settings; whose upgrade requests are heard |
//! | `serve`, `route` | connections that others open |
//! | `dial`, `connect`, `tls` | connections to others |
//! | `establish`, `socket` | from a connection to a link: preface and Noise |
//! | `link` | one link: its reading, its writing |
//! | `relay` | joining two that cannot reach one another |
//! | `wait` | being reached through a node that does so |
//! | `hub` | what all of them share |

mod config;
mod connect;
mod dial;
mod establish;
mod guard;
mod hub;
mod link;
mod relay;
mod route;
mod serve;
mod socket;
mod tls;
mod transport;
mod wait;

pub use config::{SetupError, WsConfig};
pub use guard::Guard;
pub use serve::{Connection, serve};
pub use transport::WsTransport;
