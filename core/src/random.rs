//! Random numbers from a seed: ChaCha with twelve rounds, in half the code that the crate rand_chacha takes.

use std::fmt;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// Makes them. A clone makes the same ones.
pub(crate) struct Random(ChaCha12Rng);

impl Random {
    /// Sources of one seed that have different numbers make different ones.
    pub(crate) fn new(seed: [u8; 32], source: u64) -> Self {
        let mut random = ChaCha12Rng::from_seed(seed);
        random.set_stream(source);
        Self(random)
    }

    /// A name that nobody else has.
    pub(crate) fn name(&mut self) -> [u8; 16] {
        let mut name = [0; 16];
        self.0.fill_bytes(&mut name);
        name
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

impl Clone for Random {
    fn clone(&self) -> Self {
        Self(ChaCha12Rng::deserialize_state(&self.0.serialize_state()))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
