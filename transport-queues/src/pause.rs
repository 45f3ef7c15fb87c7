//! How long to wait before an address is dialed again.

use std::time::Duration;

/// The pause after so many failures in a row before this one: `start`, doubled with each, up to `cap`, and shortened
/// by chance.
#[must_use]
pub fn backoff(start: Duration, cap: Duration, failures: u32) -> Duration {
    let grown = start.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    jittered(grown.min(cap))
}

/// Shorter by up to a half, so that nodes that lost one another at the same time do not meet at the same time.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_cap() {
        let (start, cap) = (Duration::from_millis(100), Duration::from_secs(3));
        for (failures, longest) in
            [(0, 100), (1, 200), (4, 1600), (5, 3000), (31, 3000), (32, 3000), (u32::MAX, 3000)]
        {
            let pause = backoff(start, cap, failures);
            let longest = Duration::from_millis(longest);
            assert!(pause <= longest && pause >= longest / 2, "{failures}: {pause:?}");
        }
    }
}
