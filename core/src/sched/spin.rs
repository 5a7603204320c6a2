//! Looking for work a little longer before sleeping, where recent sleeps were short: a switch of the build.
//!
//! To wake a thread that sleeps costs its waker a system call and the woken one a switch, on a virtual machine up
//! to 26 us together. A worker that looks at the queues for that long instead is counted as searching, so
//! that pushers wake nobody; if nothing comes it has wasted the time. So it looks only while the sleeps of late
//! were shorter than what it saves, and then for twice their length.

use core::time::Duration;

use crate::driver::Nanos;
use crate::sync::spin_loop;

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
    fn budget(&self) -> Duration {
        if self.average < WORTH { 2 * self.average } else { Duration::ZERO }
    }

    /// Asks `has_work` from `began` on, for as long as that is likely to be enough. The time if there is some.
    pub(super) fn find(
        &self,
        began: Nanos,
        mut now: impl FnMut() -> Nanos,
        has_work: impl Fn() -> bool,
    ) -> Option<Nanos> {
        let budget = self.budget();
        while !budget.is_zero() {
            for _ in 0..32 {
                if has_work() {
                    return Some(now());
                }
                spin_loop();
            }
            if now() >= began + budget {
                break;
            }
        }
        None
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
    use crate::driver::Nanos;
    use core::cell::Cell;
    use core::time::Duration;

    #[test]
    fn short_sleeps_are_waited_for_and_long_ones_are_not() {
        let mut spin = Spin::new();
        assert_eq!(spin.budget(), Duration::ZERO, "nothing is known yet");
        for _ in 0..20 {
            spin.waited(WORTH / 4);
        }
        assert!(spin.budget().abs_diff(WORTH / 2) <= WORTH / 20);
        for _ in 0..20 {
            spin.waited(Duration::from_secs(1));
        }
        assert_eq!(spin.budget(), Duration::ZERO);
    }

    #[test]
    fn it_looks_until_there_is_work_or_its_time_is_over() {
        let began = Nanos(500);
        let clock = Cell::new(began);
        let now = || {
            clock.set(clock.get() + Duration::from_micros(1));
            clock.get()
        };
        assert_eq!(Spin::new().find(began, now, || panic!("without a budget")), None);
        let spin = Spin { average: WORTH / 4 };
        let looks = Cell::new(0);
        let look = |enough: u32| {
            looks.set(looks.get() + 1);
            looks.get() == enough
        };
        assert_eq!(spin.find(began, now, || look(u32::MAX)), None);
        assert_eq!((clock.get(), looks.get()), (began + WORTH / 2, 320));
        // Found in the second round, after one more look at the clock.
        clock.set(began);
        looks.set(0);
        assert_eq!(spin.find(began, now, || look(33)), Some(began + Duration::from_micros(2)));
        assert_eq!(looks.get(), 33);
    }
}
