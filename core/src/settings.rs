//! Limits and times, each with a default.

use std::time::Duration;

/// What a node allows and how long it waits. All nodes of a cluster should agree on the sizes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest key, in bytes of its encoding. 4 KiB.
    pub max_key: usize,
    /// The longest value, in bytes of its encoding. 1 MiB.
    pub max_value: usize,
    /// The longest frame, in bytes. 4 MiB; must hold a key, a value and 4 KiB.
    pub max_frame: usize,
    /// Requests in flight at one node, its own and its observers'. 16,384.
    pub max_requests: usize,
    /// Links at one node. As many of them as the cluster has seats are kept for seats, so that observers never shut one
    /// out. A transport has to allow [some more](Self::links_with_strangers). 1,024.
    pub max_links: usize,
    /// How often links are pinged; those of observers only while these are silent. At least 10 ms. 500 ms.
    pub heartbeat: Duration,
    /// A link that is silent for so long is taken down. At least 10 ms. 3 s.
    pub peer_timeout: Duration,
    /// A node that a quorum of seats has lost for so long is gone, and what is bound to its sessions with it. All
    /// seats of a cluster should agree on it. 1 s; 0 ends sessions as soon as a link breaks.
    pub session_grace: Duration,
    /// A session that has had no answer of a quorum for so long is suspended. Must be below
    /// [`session_grace`](Self::session_grace), unless that is 0. 500 ms.
    pub suspend_after: Duration,
    /// How long a key's home has for a forwarded request before this seat takes over. 500 ms.
    pub forward_timeout: Duration,
    /// How long the acceptors have before a question is asked anew; doubles up to eight times that. 500 ms.
    pub retry_after: Duration,
    /// The first wait, at random up to this, of a proposer that was outbid; doubles up to 64 times that. 10 ms.
    pub backoff: Duration,
    /// What is accepted here and unlearned for so long is finished in the background. At least 10 ms. 1 s.
    pub finish_after: Duration,
    /// Learned marks wait this long at most for another batch to go with. 50 ms.
    pub lazy_write: Duration,
}

/// What times are at least that come again and again.
const LEAST: Duration = Duration::from_millis(10);

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_key: 4 << 10,
            max_value: 1 << 20,
            max_frame: 4 << 20,
            max_requests: 16_384,
            max_links: 1_024,
            heartbeat: Duration::from_millis(500),
            peer_timeout: Duration::from_secs(3),
            session_grace: Duration::from_secs(1),
            suspend_after: Duration::from_millis(500),
            forward_timeout: Duration::from_millis(500),
            retry_after: Duration::from_millis(500),
            backoff: Duration::from_millis(10),
            finish_after: Duration::from_secs(1),
            lazy_write: Duration::from_millis(50),
        }
    }
}

/// Links whose other end has not said yet whether it is a seat.
const STRANGERS: usize = 64;

impl Settings {
    /// How many links a transport has to allow: whoever comes when there are enough can still say who it is.
    pub fn links_with_strangers(&self) -> usize {
        self.max_links.saturating_add(STRANGERS)
    }

    /// How often a seat looks whether a lease is over.
    pub(crate) fn look_every(&self) -> Duration {
        (self.session_grace / 4).clamp(Duration::from_millis(20), Duration::from_millis(250))
    }

    /// What is wrong with them, for people.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.max_frame < self.max_key + self.max_value + 4096 {
            return Err("the frame limit must hold a key, a value and 4 KiB".into());
        }
        if self.suspend_after >= self.session_grace && !self.session_grace.is_zero() {
            return Err("a session must be suspended before its grace is over: suspend_after must be below session_grace".into());
        }
        if self.suspend_after < LEAST {
            return Err("suspend_after must be at least 10 ms, for there are several heartbeats in it".into());
        }
        // A node would do nothing else any more than ping, and take others for lost.
        let times = [
            ("heartbeat", self.heartbeat),
            ("peer_timeout", self.peer_timeout),
            ("finish_after", self.finish_after),
        ];
        for (name, time) in times {
            if time < LEAST {
                return Err(format!("{name} must be at least 10 ms"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_come_again_and_again_are_not_too_short() {
        let short = Duration::from_millis(9);
        let heartbeat = Settings { heartbeat: short, ..Settings::default() };
        let peer_timeout = Settings { peer_timeout: short, ..Settings::default() };
        let finish_after = Settings { finish_after: short, ..Settings::default() };
        let all = [(heartbeat, "heartbeat"), (peer_timeout, "peer_timeout"), (finish_after, "finish_after")];
        for (settings, name) in all {
            assert_eq!(settings.check(), Err(format!("{name} must be at least 10 ms")));
        }
        assert_eq!(Settings::default().check(), Ok(()));
    }
}
