//! How long to wait before an address is dialed again, and which address makes room for a new one.

use std::time::Duration;

use crate::random::random;

/// After so many failures in a row an address makes room for a new one, where there are as many as there may be.
pub const HOPELESS: u32 = 8;

/// The pause after so many failures in a row before this one: `start`, doubled with each, up to `cap`, and shortened
/// by chance.
#[must_use]
pub fn backoff(start: Duration, cap: Duration, failures: u32) -> Duration {
    let grown = start.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    jittered(grown.min(cap))
}

/// Shorter by up to a half, so that nodes that lost one another at the same time do not dial at the same time.
#[must_use]
pub fn jittered(pause: Duration) -> Duration {
    // Without random numbers it is just the longest.
    let [chance] = random().unwrap_or([0]);
    pause - pause / 512 * u32::from(chance)
}

/// Which of these addresses makes room, each given with its failures in a row and its age: the hopeless one of the
/// greatest age.
///
/// What counts as age is up to the caller. Members that are somewhere else each time they start leave addresses behind;
/// so the latest address goes first, since those from before are of others.
pub fn to_evict<K, A: Ord>(known: impl Iterator<Item = (K, u32, A)>) -> Option<K> {
    let hopeless = known.filter(|(_, failures, _)| *failures >= HOPELESS);
    hopeless.max_by(|(_, _, one), (_, _, other)| one.cmp(other)).map(|(key, ..)| key)
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

    #[test]
    fn only_a_hopeless_address_makes_room_and_the_greatest_age_goes_first() {
        assert_eq!(to_evict([("a", 7, 9)].into_iter()), None);
        assert_eq!(to_evict([("a", 8, 1), ("b", 20, 3), ("c", 8, 4), ("d", 0, 5)].into_iter()), Some("c"));
    }
}
