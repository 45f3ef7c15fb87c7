//! Settings.

use std::net::SocketAddr;
use std::time::Duration;

use paxoskv_links::{LinkSettings, NoRandomness, Secret};

use crate::noise;

/// How a [`WsTransport`](super::WsTransport) is to behave. The defaults are fit for use.
#[derive(Clone, Debug)]
pub struct WsConfig {
    /// The address that the application's listener is really bound to; none if this node only dials. The address
    /// for others is made from it; where its IP is unspecified (`0.0.0.0`, `::`), from the local IPs of links.
    pub listen: Option<SocketAddr>,
    /// The cluster's secret. Without it, every node that reaches the listener comes in.
    pub secret: Option<Secret>,
    /// Origins of web pages that may connect, such as `https://example.org`, beside pages of this listener itself.
    pub allow_origins: Vec<String>,
    /// Names under which the listener may be addressed, beside IP addresses and `localhost`.
    pub allow_hosts: Vec<String>,
    /// Limits and times of links.
    pub link: LinkSettings,
    /// How many others may wait here to be reached through this node, or be joined to another one. 256; 0 turns that off.
    pub max_relays: usize,
    /// Whether to wait, at the nodes that this one dials, for others to reach it through them: for a node that cannot
    /// listen and holds a seat.
    pub wait_at_relays: bool,
    /// How often a node that waits here to be reached gets a ping. A node that gets none three times as long waits anew.
    /// 20 s.
    pub relay_ping_interval: Duration,
    /// Certificates (DER) to trust for `wss://` beside those of the system, or of `SSL_CERT_FILE` if that is set.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for WsConfig {
    fn default() -> Self {
        Self {
            listen: None,
            secret: None,
            allow_origins: Vec::new(),
            allow_hosts: Vec::new(),
            link: LinkSettings::default(),
            max_relays: 256,
            wait_at_relays: false,
            relay_ping_interval: Duration::from_secs(20),
            extra_roots: Vec::new(),
        }
    }
}

impl WsConfig {
    /// Longest WebSocket message: a frame as it is on the wire.
    pub(super) fn max_message(&self) -> usize {
        let max_frame = self.link.max_frame;
        let wire = if self.secret.is_some() { noise::sealed_len(max_frame) } else { max_frame };
        // The handshake's messages have to fit, however short frames are.
        wire.max(1024)
    }
}

/// Why a transport could not be set up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is no runtime to run on.
    #[error("the WebSocket transport needs a tokio runtime: create it inside of one")]
    NoRuntime,
    /// The system gave no random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// An allowed origin is none.
    #[error("{0:?} is no origin: write scheme://host or scheme://host:port, such as https://example.org")]
    Origin(String),
    /// An allowed host is none.
    #[error("{0:?} is no host name: write it without scheme and port, such as example.org")]
    Host(String),
}
