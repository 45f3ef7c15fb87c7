//! PaxosKV on native machines: all that an application, or the program `paxoskv`, needs to run a node of a cluster.
//!
//! The core ([`Cluster`] and all that it comes with, re-exported here) knows no runtime, no disk and no network.
//! This crate adds them: tokio, durable storage, links over WebSocket and libp2p. [`native`] puts them together:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A cluster of one, in memory, on any free port.
//! let node = paxoskv::native("demo").cluster_size(1).seat(1).memory().listen("127.0.0.1:0").start().await?;
//!
//! let cluster = node.cluster();
//! let chosen = cluster.put("leader", "me").await?;
//! assert!(chosen.won());
//! // Write-once: a later put finds the value that was chosen.
//! assert_eq!(cluster.put("leader", "you").await?.value::<String>()?, "me");
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
//! | `axum` | routes of an application's own, of axum 0.8, on the node's address | no |
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
#[cfg(feature = "ws")]
mod start_error;
#[cfg(feature = "disk")]
pub mod storage;
mod timer;

#[cfg(feature = "ws")]
pub use folder::data_folder;
#[cfg(feature = "libp2p")]
pub use native::FIRST_LIBP2P_PORT;
#[cfg(feature = "ws")]
pub use native::{FIRST_PORT, NativeBuilder, loopback_seats, native};
pub use paxoskv_core::{
    Bucket, BucketKind, Builder, Chosen, Cluster, CreateBucket, DropBucket, Effect, Entry, Epoch, Erase,
    Error, Found, Generation, Get, Incarnation, IntoKey, IntoValue, Key, Keys, Lease, Listed, Loss, Monitor,
    NodeId, OpenSession, Opening, Owner, Put, RequestId, Seat, SeatState, SeatStatus, Session, SessionId,
    SessionState, Settings, State, Status, StatusCall, Statuses, Storage, Timer, Transport, Value, Watch,
    WatchPrefix, memory, recipes, transport,
};
#[cfg(feature = "ws")]
pub use paxoskv_links::{BadSecret, LinkSettings, Secret, ticket};
#[cfg(feature = "libp2p")]
pub use paxoskv_transport_libp2p as libp2p;
#[cfg(feature = "ws")]
pub use paxoskv_transport_ws as ws;
#[cfg(feature = "ws")]
pub use running::NativeNode;
#[cfg(feature = "ws")]
pub use start_error::StartError;
pub use timer::TokioTimer;

/// So that the README's example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
