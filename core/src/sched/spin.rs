//! Looking for work a little longer before sleeping, where recent sleeps were short: a switch of the build.
//!
//! To wake a thread that sleeps costs its waker a system call and the woken one a switch, on a virtual machine up
//! to 26 us together. A worker that looks at the queues for that long instead is counted as searching, so
//! that pushers wake nobody; if nothing comes it has wasted the time. So it looks only while the sleeps of late
//! were shorter than what it saves, and then for twice their length.

use core::time::Duration;

/// Sleeps longer than this are not worth waiting for.
const WORTH: Duration = Duration::from_micros(20);

/// The average of recent sleeps. See the module.
#[derive(Debug)]
pub(super) struct Spin {
    average: Duration,
}

impl Spin {
    pub(super) const fn new() -> Self {
        Spin { average: Duration::MAX }
    }

    /// How long to look before the next sleep; zero: not at all.
    pub(super) fn budget(&self) -> Duration {
        if cfg!(ouzel_switch = "spin") && self.average < WORTH { 2 * self.average } else { Duration::ZERO }
    }

    /// A wait of `time` is over, asleep or not.
    pub(super) fn waited(&mut self, time: Duration) {
        // A long idle time counts as little more than a bad one, so that the average comes back.
        self.average = (3 * self.average.min(4 * WORTH) + time.min(4 * WORTH)) / 4;
    }
}

#[cfg(test)]
mod tests {
    use super::{Spin, WORTH};
    use core::time::Duration;

    #[test]
    fn short_sleeps_are_waited_for_and_long_ones_are_not() {
        let mut spin = Spin::new();
        for _ in 0..20 {
            spin.waited(WORTH / 4);
        }
        let expected = if cfg!(ouzel_switch = "spin") { WORTH / 2 } else { Duration::ZERO };
        assert!(spin.budget().abs_diff(expected) <= WORTH / 20);
        for _ in 0..20 {
            spin.waited(Duration::from_secs(1));
        }
        assert_eq!(spin.budget(), Duration::ZERO);
    }
}
