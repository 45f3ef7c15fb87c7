//! Limits and times of links, whichever transport carries them.

use std::time::Duration;

use crate::dialing::backoff;

/// How a transport treats its links. The defaults are fit for use.
#[derive(Clone, Debug)]
pub struct LinkSettings {
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
    /// How many links there may be. The core refuses links of its own accord, so that some are left for seats, and it
    /// needs a link to do so: so 64 more than its `max_links`. 1088.
    pub max_links: usize,
    /// How many connections that others opened may be there at a time without having proven that they belong here. 64.
    pub max_handshakes: usize,
    /// How many addresses are dialed. 256.
    pub max_addresses: usize,
    /// How long it may take from dialing, or from an incoming connection, to the link. 5 s.
    pub handshake_timeout: Duration,
    /// How long a link that is being closed may take to send what is queued. 1 s.
    pub flush_timeout: Duration,
    /// The pause before an address is dialed again; doubled with each failure, and shortened by chance by up to a half.
    /// 100 ms.
    pub backoff_start: Duration,
    /// What the pause grows to. 3 s.
    pub backoff_cap: Duration,
    /// The pause after a refusal, by either side. 5 s.
    pub refused_pause: Duration,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            max_frame: 4 << 20,
            queue_bytes: 16 << 20,
            queue_frames: 4096,
            total_queue_bytes: 128 << 20,
            inbound_bytes: 32 << 20,
            max_links: 1024 + 64,
            max_handshakes: 64,
            max_addresses: 256,
            handshake_timeout: Duration::from_secs(5),
            flush_timeout: Duration::from_secs(1),
            backoff_start: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(3),
            refused_pause: Duration::from_secs(5),
        }
    }
}

impl LinkSettings {
    /// The pause after so many failures in a row before this one.
    #[must_use]
    pub fn backoff(&self, failures: u32) -> Duration {
        backoff(self.backoff_start, self.backoff_cap, failures)
    }
}
