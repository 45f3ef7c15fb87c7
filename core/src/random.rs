//! Random numbers from a seed: what SHA-256 makes of the seed and a count, which nobody can tell from true ones who does
//! not know the seed (a pseudorandom function; NIST SP 800-90A, section 10.1.1, does much the same).
//!
//! They are few, and for names that must be new, not for speed.

use sha2::{Digest, Sha256};

/// Makes them. A clone makes the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: [u8; 32],
    /// Sources of one seed that have different numbers make different ones.
    source: u8,
    made: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32], source: u8) -> Self {
        Self { seed, source, made: 0 }
    }

    /// A name that nobody else has.
    pub(crate) fn name(&mut self) -> [u8; 16] {
        self.bytes()
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let hash = Sha256::new()
            .chain_update(self.seed)
            .chain_update([self.source])
            .chain_update(self.made.to_le_bytes())
            .finalize();
        self.made += 1;
        std::array::from_fn(|n| hash[n])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_all_else_differs() {
        let some = |mut random: Random| (0..100).map(|_| random.name()).collect::<Vec<_>>();
        let all = [Random::new([1; 32], 0), Random::new([1; 32], 1), Random::new([2; 32], 0)];
        assert_eq!(some(all[0].clone()), some(all[0].clone()));
        assert_eq!(all.into_iter().flat_map(some).collect::<BTreeSet<_>>().len(), 300);
    }
}
