//! Decisions that are read from the fuzzer's bytes.
//!
//! A byte decides one thing, and when there are no more, all decisions are 0: so the fuzzer can change one decision
//! without changing what those after it mean.

/// Bytes that are read from the start.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// From the start of these.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there are any left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that are left.
    #[must_use]
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below this one, which is 256 at most.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    /// One of two.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A string that begins with its length.
    pub fn string(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (string, rest) = self.0.split_at(len);
        self.0 = rest;
        string
    }

    /// Any number: small ones, the largest, and those beside powers of two are likely.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            n @ 0..=199 => n.into(),
            200..=219 => u64::MAX - u64::from(self.byte()),
            220..=239 => (1 << (self.byte() % 64)) - 1,
            _ => {
                let mut bytes = [0; 8];
                bytes.iter_mut().for_each(|byte| *byte = self.byte());
                u64::from_be_bytes(bytes)
            }
        }
    }

    /// A name of 16 bytes, of which few are likely.
    pub fn name(&mut self) -> [u8; 16] {
        [self.byte() % 8; 16]
    }
}
