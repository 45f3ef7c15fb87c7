//! Limits and times, each with a default and with bounds.

use std::time::Duration;

/// The limits and times of a node. All nodes of a cluster should agree on the sizes, and all seats on the
/// times of sessions.
///
/// [`Builder::build`](crate::Builder::build) checks the bounds, and names the setting that is outside of them.
///
/// ```
/// use std::time::Duration;
/// use paxoskv_core::{Cluster, Settings, memory};
///
/// let settings = Settings { max_value: 64 << 10, heartbeat: Duration::MAX, ..Settings::default() };
/// let built = Cluster::builder("demo").timer(memory::SystemTimer::new()).entropy([7; 32]).settings(settings).build();
/// let error = built.err().expect("such a heartbeat never comes");
/// assert_eq!(error.to_string(), "the setting heartbeat must be from 10 to 3600000 ms");
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest key, in bytes of its encoding. 4 KiB; from 64 bytes to 7 KiB.
    pub max_key: usize,
    /// The longest value, in bytes of its encoding. 1 MiB; from 64 bytes to 32 MiB.
    pub max_value: usize,
    /// The longest frame, in bytes. 4 MiB; at least a key, a value and 4 KiB, at most 64 MiB.
    pub max_frame: usize,
    /// Requests in flight at one node, its own and its observers'. 16,384; from 1 to 1,048,576.
    pub max_requests: usize,
    /// Links at one node. As many of them as the cluster has seats are kept for seats, so that observers never shut one
    /// out. A transport has to allow [some more](Self::links_with_unauthenticated). 1,024; from 1 to 65,536.
    pub max_links: usize,
    /// How often links are pinged; those of observers only while these are silent. 500 ms; from 10 ms to one hour.
    pub heartbeat: Duration,
    /// A link that is silent for so long is taken down. 3 s; from 10 ms to one day.
    pub peer_timeout: Duration,
    /// How long a quorum of seats must have suspected a node before they end its sessions, and what is bound to them
    /// becomes vacant. All seats of a cluster should agree on it. 1 s; from 0, which ends sessions as soon as a link
    /// breaks, to one day.
    pub session_grace: Duration,
    /// A session that has had no answer of a quorum for so long is suspended. Must be below
    /// [`session_grace`](Self::session_grace), unless that is 0. 500 ms; from 10 ms to one day.
    pub suspend_after: Duration,
    /// How long a key's home seat has for a forwarded request before this seat takes over. 500 ms; from 1 ms to one
    /// hour.
    pub forward_timeout: Duration,
    /// How long the acceptors have before they are asked anew; doubles up to eight times that. 500 ms; from 1 ms to one
    /// hour.
    pub retry_after: Duration,
    /// The first pause, at random up to this, of a proposer that was outbid; doubles up to 64 times that. 10 ms; from 0
    /// to one minute.
    pub backoff: Duration,
    /// An entry that was accepted here and has not been learned for so long is finished in the background. 1 s; from 10 ms to
    /// one hour.
    pub finish_after: Duration,
    /// Learned marks wait at most this long for another batch to go with. 50 ms; from 0 to one hour.
    pub lazy_write: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The least for times at which something is done again and again: with less, a node would do nothing else.
const LEAST: Duration = Duration::from_millis(10);

/// No time of a state machine is longer than this, some 270 years, so that sums of its times and the clock's do not
/// overflow.
const NEVER: Duration = Duration::from_secs(1 << 33);

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
const UNAUTHENTICATED: usize = 64;

/// A setting's name, its value, and the least and the most that it may be.
type Bound<T> = (&'static str, T, T, T);

impl Settings {
    /// How many links a transport has to allow: a node that connects when there are enough can still say whether it is
    /// a seat.
    pub fn links_with_unauthenticated(&self) -> usize {
        self.max_links.saturating_add(UNAUTHENTICATED)
    }

    /// How often a seat checks whether a lease is over.
    pub(crate) fn look_every(&self) -> Duration {
        (self.session_grace / 4).clamp(Duration::from_millis(20), Duration::from_millis(250))
    }

    fn sizes(&self) -> [Bound<usize>; 5] {
        [
            ("max_key", self.max_key, 64, 7 << 10),
            ("max_value", self.max_value, 64, 32 << 20),
            ("max_frame", self.max_frame, 0, 64 << 20),
            ("max_requests", self.max_requests, 1, 1 << 20),
            ("max_links", self.max_links, 1, 1 << 16),
        ]
    }

    fn times(&self) -> [Bound<Duration>; 9] {
        let (none, ms) = (Duration::ZERO, Duration::from_millis(1));
        [
            ("heartbeat", self.heartbeat, LEAST, HOUR),
            ("peer_timeout", self.peer_timeout, LEAST, DAY),
            ("session_grace", self.session_grace, none, DAY),
            ("suspend_after", self.suspend_after, LEAST, DAY),
            ("forward_timeout", self.forward_timeout, ms, HOUR),
            ("retry_after", self.retry_after, ms, HOUR),
            ("backoff", self.backoff, none, MINUTE),
            ("finish_after", self.finish_after, LEAST, HOUR),
            ("lazy_write", self.lazy_write, none, HOUR),
        ]
    }

    /// Checks all that a node is built with; the text names the setting that is wrong.
    pub(crate) fn check_bounds(&self) -> Result<(), String> {
        for (name, size, least, most) in self.sizes() {
            if !(least..=most).contains(&size) {
                return Err(format!("the setting {name} must be from {least} to {most}"));
            }
        }
        for (name, time, least, most) in self.times() {
            if !(least..=most).contains(&time) {
                let (least, most) = (millis(least), millis(most));
                return Err(format!("the setting {name} must be from {least} to {most} ms"));
            }
        }
        self.check()
    }

    /// Checks what a state machine needs: that the settings go together, and that it neither overflows nor does one
    /// thing for ever. A model check sets times that no node that people run may have.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.max_frame < self.max_key.saturating_add(self.max_value).saturating_add(4096) {
            return Err("the setting max_frame must hold a key, a value and 4 KiB".into());
        }
        if self.suspend_after >= self.session_grace && !self.session_grace.is_zero() {
            return Err("a session must be suspended before its grace is over: the setting suspend_after must be below session_grace".into());
        }
        for (name, time, least, _) in self.times() {
            let least = if least == LEAST { least } else { Duration::ZERO };
            if !(least..=NEVER).contains(&time) {
                return Err(format!("the setting {name} must be at least {} ms", millis(least)));
            }
        }
        Ok(())
    }
}

/// A time in whole milliseconds; the largest number where it has more.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(time.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field<T> = fn(&mut Settings) -> &mut T;

    #[test]
    fn the_defaults_are_within_the_bounds() {
        assert_eq!(Settings::default().check_bounds(), Ok(()));
    }

    #[test]
    fn a_setting_outside_of_its_bounds_is_named() {
        let sizes: [(&str, Field<usize>); 5] = [
            ("max_key", |s| &mut s.max_key),
            ("max_value", |s| &mut s.max_value),
            ("max_frame", |s| &mut s.max_frame),
            ("max_requests", |s| &mut s.max_requests),
            ("max_links", |s| &mut s.max_links),
        ];
        for (name, setting) in sizes {
            for wrong in [0, usize::MAX] {
                let mut settings = Settings::default();
                *setting(&mut settings) = wrong;
                let error = settings.check_bounds().unwrap_err();
                assert!(error.contains(name), "{name} {wrong}: {error}");
            }
        }
        let times: [(&str, bool, Field<Duration>); 9] = [
            ("heartbeat", true, |s| &mut s.heartbeat),
            ("peer_timeout", true, |s| &mut s.peer_timeout),
            ("session_grace", false, |s| &mut s.session_grace),
            ("suspend_after", true, |s| &mut s.suspend_after),
            ("forward_timeout", true, |s| &mut s.forward_timeout),
            ("retry_after", true, |s| &mut s.retry_after),
            ("backoff", false, |s| &mut s.backoff),
            ("finish_after", true, |s| &mut s.finish_after),
            ("lazy_write", false, |s| &mut s.lazy_write),
        ];
        for (name, has_least, setting) in times {
            for wrong in [Duration::MAX, Duration::from_secs(25 * 60 * 60), Duration::ZERO] {
                let mut settings = Settings::default();
                *setting(&mut settings) = wrong;
                let checked = settings.check_bounds();
                if wrong.is_zero() && !has_least {
                    assert_eq!(checked, Ok(()), "{name}");
                } else {
                    assert!(checked.as_ref().unwrap_err().contains(name), "{name} {wrong:?}: {checked:?}");
                }
            }
        }
    }

    #[test]
    fn a_state_machine_takes_no_times_that_overflow() {
        let settings = Settings { peer_timeout: Duration::MAX, ..Settings::default() };
        assert!(settings.check().unwrap_err().contains("peer_timeout"));
    }
}
