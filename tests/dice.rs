//! Numbers that look random and are the same in each run.

use std::time::Duration;

/// A sequence of them, from a seed.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next one, below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        // Knuth's multiplier for 64 bits; the low bits of such a sequence are poor.
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) % n
    }

    /// Fewer than `us` microseconds.
    pub fn moment(&mut self, us: u64) -> Duration {
        Duration::from_micros(self.below(us))
    }
}
