//! Seeded chance.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of chance that gives the same sequence for the same seed on every machine.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// From a seed and a name, so that adding one use of chance does not move the others.
    #[must_use]
    pub fn new(seed: u64, name: &str) -> Self {
        Self(ChaCha8Rng::from_seed(nupeer_primitives::hash::blake2b_256_of(&[&seed.to_be_bytes(), name.as_bytes()]).0))
    }
    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64().checked_rem(bound).unwrap_or(0)
    }
    /// True `per_mille` times of a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
    /// Bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.0.next_u32().to_be_bytes()[0]).take(len).collect()
    }
}
