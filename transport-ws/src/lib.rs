//! Links between PaxosKV nodes over WebSocket.
//!
//! One WebSocket connection is one link; the side that opened it is the *dialer*, the other the *listener*. A link
//! comes up in these steps, and the connection of a side that fails one is closed, with the reason:
//!
//! 1. The listener checks `Host` and `Origin` of the upgrade request, since any web page can reach 127.0.0.1.
//! 2. Both send a [`Preface`](paxoskv_links::Preface): the protocol's version, and whether they have a cluster secret.
//! 3. With a secret, a Noise handshake (`NNpsk0`) follows, whose pre-shared key is derived from the secret; see [`noise`].
//! 4. From there on, each binary message is one frame; with a secret it is encrypted.
//!
//! | module | what |
//! |---|---|
//! | [`noise`], [`handshake`], [`address`], [`relay`] | the protocol, without I/O: native and wasm32 |
//! | `native` | sockets: an axum route that listens, and tasks that dial, on tokio |
//! | `browser` | the browser's sockets, which dial, and wait at nodes for others that cannot dial them |
//!
//! What it has in common with other transports is in [`paxoskv_links`]: the secret, prefaces, goodbyes, queues.
//!
//! Natively, the route shares its port with whatever else the application serves:
//!
//! ```no_run
//! # #[cfg(not(target_family = "wasm"))]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use paxoskv_core::Transport;
//! use paxoskv_transport_ws::{Secret, WsConfig, WsTransport, serve};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:7401").await?;
//! let (mut transport, route) = WsTransport::new(WsConfig {
//!     listen: Some(listener.local_addr()?),
//!     secret: Some(Secret::new(&std::fs::read("secret")?)?),
//!     ..WsConfig::default()
//! })?;
//! tokio::spawn(serve(listener, route)); // or merge `route` into a router of your own first
//! transport.dial(&["127.0.0.1:7402".into()]);
//! // give `transport` to `Cluster::builder(…).transport(transport)`
//! # Ok(()) }
//! ```

pub mod address;
pub mod handshake;
pub mod noise;
pub mod relay;

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub use browser::WebSockets;
#[cfg(not(target_family = "wasm"))]
pub use native::{Connection, Guard, SetupError, WsConfig, WsTransport, serve};
pub use paxoskv_links::{BadSecret, LinkSettings, Secret};
