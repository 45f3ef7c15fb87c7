//! Links between PaxosKV nodes over libp2p.
//!
//! A libp2p connection (TCP, QUIC or WebSocket, directly or through a relay, encrypted in any case) carries one
//! long-lived stream of the protocol `/paxoskv/1`, which its dialer opens; that is one link. A link comes up in these
//! steps, and the connection of a side that fails one is closed, with the reason:
//!
//! 1. Both send a [`Preface`](paxoskv_links::Preface): the protocol's version, and whether they have a cluster secret and
//!    a cluster's name.
//! 2. With a secret, both prove that they have it, the dialer first.
//! 3. From there on it carries frames; see [`frames`].
//!
//! Before step 3 nothing but that stream is answered, so an unauthenticated peer learns nothing but that it is one.
//! After it, the two offer each other what libp2p has beside links: identify, ping, relays, finding out whether one can be
//! reached, and getting through NATs.
//!
//! | module | what |
//! |---|---|
//! | [`address`], [`frames`], `proofs` | the protocol, without I/O of its own |
//! | `peers` | which peers have proven that they belong here, and what little all others may send |
//! | `streams`, `members` | behaviours for a swarm of any platform |
//! | `swarm` | the swarm, natively and in a browser, and the port that the core polls |
//!
//! What it has in common with other transports is in [`paxoskv_links`]: the secret, prefaces, goodbyes, queues.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use paxoskv_core::Transport;
//! use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport, Secret};
//!
//! let mut transport = Libp2pTransport::new(Libp2pConfig {
//!     cluster: Some("demo".into()),
//!     listen: vec!["/ip4/0.0.0.0/tcp/7411".into(), "/ip4/0.0.0.0/udp/7411/quic-v1".into()],
//!     secret: Some(Secret::new(&std::fs::read("secret")?)?),
//!     ..Libp2pConfig::default()
//! })
//! .await?;
//! transport.dial(&["/ip4/10.0.0.2/tcp/7411".into()]);
//! // give `transport` to `Cluster::builder(…).transport(transport)`
//! # Ok(()) }
//! ```

pub mod address;
pub mod frames;
mod identity;
mod members;
mod peers;
mod proofs;
mod streams;
mod swarm;

pub use identity::{BadIdentity, Identity};
pub use paxoskv_links::{BadSecret, LinkSettings, Secret};
pub use swarm::{Libp2pConfig, Libp2pTransport, SetupError};
