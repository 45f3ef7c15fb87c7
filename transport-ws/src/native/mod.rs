//! Sockets, on tokio.
//!
//! The core polls [`WsTransport`]; tasks do the work behind it and meet it at bounded queues only. From the outside
//! in:
//!
//! | file | what |
//! |---|---|
//! | `transport` | the port that the core polls |
//! | `config`, `guard` | settings; which requests are answered |
//! | `serve`, `route`, `upgrade` | connections that others open |
//! | `dial`, `connect`, `tls` | connections to others |
//! | `link`, `socket` | from a WebSocket to a link, and how it carries frames |
//! | `relay`, `waiting` | joining two nodes that cannot reach one another |
//! | `wait` | being reached through a node that does so |
//! | `hub` | what all of them share |

mod config;
mod connect;
mod dial;
mod guard;
mod hub;
mod link;
mod relay;
mod route;
mod serve;
mod socket;
mod tls;
mod transport;
mod upgrade;
mod wait;
mod waiting;

pub use config::{SetupError, WsConfig};
pub use guard::Guard;
pub use serve::{Connection, serve};
pub use transport::WsTransport;
