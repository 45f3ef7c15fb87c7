//! PaxosKV on native machines: all that an application, or the program `paxoskv`, needs to be a node of a cluster.
//!
//! The core ([`Cluster`] and all that it comes with, re-exported here) knows no runtime, no disk and no network.
//! This crate adds them: tokio, durable storage in redb, links over WebSocket and libp2p. [`native`] puts them together:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A cluster of one, in memory, on any free port.
//! let node = paxoskv::native("demo").cluster_size(1).seat(1).memory().listen("127.0.0.1:0").start().await?;
//!
//! let chosen = node.put("leader", "me").await?;
//! assert!(chosen.won());
//! // Write-once: whoever puts later gets the value that was chosen.
//! assert_eq!(node.put("leader", "you").await?.value::<String>()?, "me");
//!
//! node.leave().await;
//! # Ok(()) }
//! ```
//!
//! | feature | what | default |
//! |---|---|---|
//! | `ws` | links over WebSocket, and [`native`] | yes |
//! | `libp2p` | links over libp2p as well | yes |
//! | `redb` | durable storage in a file | yes |
//! | `cli` | what only the program `paxoskv` needs; applications switch it off | yes |

#[cfg(feature = "ws")]
mod folder;
#[cfg(feature = "libp2p")]
mod identity;
pub mod json;
#[cfg(feature = "ws")]
mod links;
#[cfg(feature = "ws")]
mod native;
#[cfg(feature = "ws")]
mod running;
#[cfg(feature = "redb")]
pub mod storage;
mod timer;

#[cfg(feature = "ws")]
pub use folder::data_folder;
#[cfg(feature = "libp2p")]
pub use native::FIRST_LIBP2P_PORT;
#[cfg(feature = "ws")]
pub use native::{FIRST_PORT, NativeBuilder, StartError, loopback_seats, native};
pub use paxoskv_core::*;
#[cfg(feature = "ws")]
pub use paxoskv_links::{BadSecret, LinkSettings, Secret, ticket};
#[cfg(feature = "libp2p")]
pub use paxoskv_transport_libp2p as libp2p;
#[cfg(feature = "ws")]
pub use paxoskv_transport_ws as ws;
#[cfg(feature = "ws")]
pub use running::NativeNode;
pub use timer::TokioTimer;

/// So that the README's example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
