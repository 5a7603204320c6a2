//! How many polls a busy worker runs between two looks at the injection queue.
//!
//! Short polls can wait longer for the look (it costs a cache line others write), long ones must not: the
//! worker aims at one look in 200 us. It keeps a moving average of the time one poll takes, weighs a batch
//! of `n` polls as `n` single ones, and divides.
//!
//! ```text
//!   average := keep * average + (1 - keep) * batch mean,   keep = 0.9^n from a table
//!   every    = 200 us / average, 2 to 127, starts at 61, moves when it differs by more than 2
//! ```
//!
//! Integers only (Q16 fractions): this runs without `std` and without a floating-point unit. The clock is
//! read at the ends of a batch, not per poll. One batch counts for at most 16.8 ms per poll: a worker that
//! was stopped for a second recovers within tens of polls, not hundreds.
//!
//! Prior work: Tokio's self-tuning interval (2023), from which the constants are.

use core::time::Duration;

const TARGET_NS: u64 = 200_000;
const FIRST: u32 = 61;
const LEAST: u32 = 2;
const MOST: u32 = 127;
/// A change of the interval up to this much is taken for noise.
const JITTER: u32 = 2;
/// Longest mean poll time that one batch may report.
const LONGEST_NS: u64 = 1 << 24;
/// 1.0 in Q16.
const ONE: u64 = 1 << 16;

/// `KEEP[n]` is 0.9^n in Q16: how much of the old average is left after `n` polls.
const KEEP: [u32; 128] = {
    let mut table = [0; 128];
    // Carried on in Q32, so that rounding does not add up.
    let mut power: u64 = 1 << 32;
    let mut n = 0;
    while n < table.len() {
        table[n] = ((power + (1 << 15)) >> 16) as u32;
        power = power * 9 / 10;
        n += 1;
    }
    table
};

/// A worker's interval between looks at the injection queue. See the module.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Average time of one poll in nanoseconds, Q16.
    average: u64,
    every: u32,
}

impl Interval {
    /// The interval of a worker that has measured nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Interval { average: TARGET_NS * ONE / FIRST as u64, every: FIRST }
    }

    /// Polls to run from one look to the next.
    #[inline]
    #[must_use]
    pub fn every(&self) -> u32 {
        self.every
    }

    /// Takes a batch of `polls` polls into account that took `elapsed` in all. No polls, no change.
    pub fn record(&mut self, elapsed: Duration, polls: u32) {
        if polls == 0 {
            return;
        }
        let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let mean = (ns / u64::from(polls)).min(LONGEST_NS) * ONE;
        let keep = KEEP.get(polls as usize).map_or(0, |&keep| u64::from(keep));
        self.average = (self.average * keep + mean * (ONE - keep)) / ONE;
        let wanted = (TARGET_NS * ONE / self.average.max(1)).clamp(LEAST.into(), MOST.into()) as u32;
        if wanted.abs_diff(self.every) > JITTER {
            self.every = wanted;
        }
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(ouzel_loom)))]
mod tests {
    use super::{Interval, KEEP};
    use core::time::Duration;

    fn after(batches: u32, poll_ns: u64, polls: u32) -> u32 {
        let mut interval = Interval::new();
        for _ in 0..batches {
            interval.record(Duration::from_nanos(poll_ns * u64::from(polls)), polls);
        }
        interval.every()
    }

    #[test]
    fn starts_at_61_and_stays_there_without_polls() {
        assert_eq!(after(0, 0, 0), 61);
        assert_eq!(after(5, 1_000, 0), 61);
    }

    #[test]
    fn settles_at_200_us_between_two_looks() {
        assert!(after(50, 20_000, 10).abs_diff(10) <= 2);
        assert!(after(50, 4_000, 10).abs_diff(50) <= 2);
    }

    #[test]
    fn stays_between_2_and_127() {
        assert_eq!(after(50, 10, 61), 127);
        assert_eq!(after(50, 0, 61), 127);
        assert!(after(50, 5_000_000, 2) <= 4);
        assert!(after(50, u64::MAX / 2, 1) >= 2);
    }

    #[test]
    fn a_jump_of_up_to_two_is_noise() {
        let mut interval = Interval::new();
        interval.record(Duration::from_nanos(200_000 / 63 * 1_000), 1_000);
        let settled = interval.every();
        interval.record(Duration::from_nanos(200_000 / 62 * 1_000), 1_000);
        assert_eq!(interval.every(), settled);
    }

    #[test]
    fn a_batch_of_n_weighs_as_n_single_polls() {
        let (mut one, mut many) = (Interval::new(), Interval::new());
        for _ in 0..20 {
            one.record(Duration::from_nanos(9_000), 1);
        }
        many.record(Duration::from_nanos(9_000 * 20), 20);
        assert!(one.average.abs_diff(many.average) < one.average / 1_000);
    }

    #[test]
    fn the_table_holds_powers_of_nine_tenths() {
        for (n, &keep) in KEEP.iter().enumerate() {
            let exact = 0.9_f64.powi(n as i32) * 65536.0;
            assert!((f64::from(keep) - exact).abs() < 1.0, "n = {n}: {keep} is not {exact}");
        }
    }

    #[test]
    fn a_long_stop_is_forgotten_within_tens_of_polls() {
        let mut interval = Interval::new();
        interval.record(Duration::from_secs(1), 1);
        assert!(interval.every() < 10);
        interval.record(Duration::from_nanos(1_000 * 64), 64);
        assert!(interval.every() > 30);
    }
}
