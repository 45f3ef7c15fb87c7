//! Settings.

use std::net::SocketAddr;
use std::time::Duration;

use paxoskv_transport_queues::Limits;
use paxoskv_transport_queues::pause::backoff;

use crate::noise;
use crate::secret::Secret;

/// How a [`WsTransport`](super::WsTransport) is to behave. The defaults are fit for use.
#[derive(Clone, Debug)]
pub struct WsConfig {
    /// The address that the application's listener is really bound to; none if this node only dials. What others are
    /// told is made from it; where its IP is unspecified (`0.0.0.0`, `::`), from the local IPs of links.
    pub listen: Option<SocketAddr>,
    /// The cluster's secret. Without it, whoever reaches the listener comes in.
    pub secret: Option<Secret>,
    /// Origins of web pages that may connect, such as `https://example.org`, beside pages of this listener itself.
    pub allow_origins: Vec<String>,
    /// Names under which the listener may be addressed, beside IP addresses and `localhost`.
    pub allow_hosts: Vec<String>,
    /// Longest frame, in bytes; a peer that sends a longer one loses its link. 4 MiB.
    pub max_frame: usize,
    /// How many bytes may wait to be sent on a link before frames are dropped. 16 MiB.
    pub queue_bytes: usize,
    /// How many frames may wait, likewise. 4096.
    pub queue_frames: usize,
    /// How many bytes may wait to be sent on all links together. One link may have as much waiting as is left of it.
    /// 128 MiB.
    pub total_queue_bytes: usize,
    /// How many bytes of received frames may wait for the core, over all links, before links are read no further.
    /// 32 MiB.
    pub inbound_bytes: usize,
    /// How many links there may be. The core keeps some of its own for seats, and to be told of one it has to be linked:
    /// so 64 more than its `max_links`. 1088.
    pub max_links: usize,
    /// How many others may wait here to be reached through this node, or be joined to somebody. 256; 0 turns that off.
    pub max_relays: usize,
    /// Whether to wait, at the nodes that this one dials, for others to reach it through them: for a node that cannot
    /// listen and holds a seat.
    pub wait_at_relays: bool,
    /// How often whoever waits here to be reached hears that this node is there; who hears nothing of it three times
    /// as long waits anew. 20 s.
    pub sign_of_life: Duration,
    /// How many incoming connections may be in their handshake at a time. 64.
    pub max_handshakes: usize,
    /// How many addresses are dialed. 256.
    pub max_addresses: usize,
    /// How long it may take from dialing, or from an upgrade request, to the link. 5 s.
    pub handshake_timeout: Duration,
    /// How long a link that is being closed may take to send what is queued. 1 s.
    pub flush_timeout: Duration,
    /// The pause before an address is dialed again; doubled with each failure, and shortened by chance by up to a
    /// half. 100 ms.
    pub backoff_start: Duration,
    /// What the pause grows to. 3 s.
    pub backoff_cap: Duration,
    /// The pause after a refusal, by either side. 5 s.
    pub refused_pause: Duration,
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
            max_frame: 4 << 20,
            queue_bytes: 16 << 20,
            queue_frames: 4096,
            total_queue_bytes: 128 << 20,
            inbound_bytes: 32 << 20,
            max_links: 1024 + 64,
            max_relays: 256,
            wait_at_relays: false,
            sign_of_life: Duration::from_secs(20),
            max_handshakes: 64,
            max_addresses: 256,
            handshake_timeout: Duration::from_secs(5),
            flush_timeout: Duration::from_secs(1),
            backoff_start: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(3),
            refused_pause: Duration::from_secs(5),
            extra_roots: Vec::new(),
        }
    }
}

impl WsConfig {
    /// Longest WebSocket message: a frame as it is on the wire.
    pub(super) fn max_message(&self) -> usize {
        let wire = if self.secret.is_some() { noise::sealed_len(self.max_frame) } else { self.max_frame };
        // The handshake's messages have to fit, however short frames are.
        wire.max(1024)
    }

    /// What may wait to be sent on a link.
    pub(super) fn queue_limits(&self) -> Limits {
        Limits { bytes: self.queue_bytes, frames: self.queue_frames, all_bytes: self.total_queue_bytes }
    }

    /// The pause after so many failures in a row before this one.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        backoff(self.backoff_start, self.backoff_cap, failures)
    }
}

/// Why a transport could not be set up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is no runtime to run on.
    #[error("the WebSocket transport needs a tokio runtime: create it inside of one")]
    NoRuntime,
    /// An allowed origin is none.
    #[error("{0:?} is no origin: write scheme://host or scheme://host:port, such as https://example.org")]
    Origin(String),
    /// An allowed host is none.
    #[error("{0:?} is no host name: write it without scheme and port, such as example.org")]
    Host(String),
}
