//! Ticks at a fixed distance.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ouzel_core::driver::Nanos;

use super::clock::now;
use super::sleep::{Sleep, sleep_until};

/// A tick that comes later than this, or than a period, is a late one.
const LATE: Duration = Duration::from_millis(5);

/// What follows a tick that was fetched late: by more than 5 ms, or by a period if that is shorter.
///
/// ```
/// use ouzel::time::{MissedTickBehavior, interval};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let mut ticks = interval(Duration::from_millis(1));
///     ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
///     let first = ticks.tick().await;
///     std::thread::sleep(Duration::from_millis(5));
///     // One that was missed is fetched now; the next is one that lies ahead.
///     ticks.tick().await;
///     assert!(ticks.tick().await.since(first) >= Duration::from_millis(5));
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedTickBehavior {
    /// The ticks that were missed, at once; in the long run there are as many as periods.
    #[default]
    Burst,
    /// A whole period from now on.
    Delay,
    /// The next multiple of the period that lies ahead; what was missed is left out.
    Skip,
}

impl MissedTickBehavior {
    /// The tick after the one that was due at `due` and is fetched at `now`.
    fn next(self, due: Nanos, now: Nanos, period: Duration) -> Nanos {
        let late = now.since(due);
        if late < LATE.min(period) {
            return due + period;
        }
        match self {
            MissedTickBehavior::Burst => due + period,
            MissedTickBehavior::Delay => now + period,
            MissedTickBehavior::Skip => {
                let over = late.as_nanos() % period.as_nanos();
                // Below a period, so the cast loses nothing that `Nanos` could hold.
                now + (period - Duration::from_nanos(over as u64))
            }
        }
    }
}

/// Ticks at once and then every `period`.
///
/// # Panics
/// If `period` is zero.
///
/// ```
/// use std::time::Duration;
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let mut interval = ouzel::time::interval(Duration::from_millis(1));
///     let first = interval.tick().await;
///     let second = interval.tick().await;
///     assert_eq!(second.since(first), Duration::from_millis(1));
/// });
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// Ticks at `start` and then every `period`.
///
/// # Panics
/// If `period` is zero.
#[must_use]
pub fn interval_at(start: Nanos, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval of no length");
    Interval { sleep: sleep_until(start), period, missed: MissedTickBehavior::default() }
}

/// Ticks at a fixed distance; made by [`interval`], with an example. Allocates nothing.
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick; returns when it was due.
    ///
    /// Dropping the future loses no tick.
    ///
    /// # Panics
    /// When polled outside a runtime.
    pub async fn tick(&mut self) -> Nanos {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// As [`Interval::tick`], for those who poll.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Nanos> {
        ready!(Future::poll(Pin::new(&mut self.sleep), cx));
        let due = self.sleep.deadline();
        self.sleep.reset(self.missed.next(due, now(), self.period));
        Poll::Ready(due)
    }

    /// From one tick to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What follows a late tick.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Says what shall follow a late tick.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// The next tick is a period from now.
    pub fn reset(&mut self) {
        self.reset_at(now() + self.period);
    }

    /// The next tick is due at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(now());
    }

    /// The next tick is `after` from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(now() + after);
    }

    /// The next tick is at `deadline`.
    pub fn reset_at(&mut self, deadline: Nanos) {
        self.sleep.reset(deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 50;

    /// In milliseconds: the tick after one that was due at 100 and is fetched at `now`.
    fn next(behavior: MissedTickBehavior, now: u64) -> u64 {
        let ms = |n| Nanos(n * 1_000_000);
        behavior.next(ms(100), ms(now), Duration::from_millis(PERIOD)).0 / 1_000_000
    }

    #[test]
    fn a_tick_in_time_is_followed_a_period_after_it_was_due() {
        for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
            assert_eq!(next(behavior, 100), 150);
            assert_eq!(next(behavior, 104), 150);
        }
    }

    #[test]
    fn a_late_tick_is_followed_as_the_behaviour_says() {
        for (now, burst, delay, skip) in
            [(110, 150, 160, 150), (150, 150, 200, 200), (275, 150, 325, 300), (300, 150, 350, 350)]
        {
            assert_eq!(next(MissedTickBehavior::Burst, now), burst, "at {now}");
            assert_eq!(next(MissedTickBehavior::Delay, now), delay, "at {now}");
            assert_eq!(next(MissedTickBehavior::Skip, now), skip, "at {now}");
        }
    }

    #[test]
    fn a_period_below_what_counts_as_late_skips_too() {
        let us = Duration::from_micros(100);
        let at = |n: u64| Nanos(n * 1000);
        assert_eq!(MissedTickBehavior::Skip.next(at(0), at(250), us), at(300));
        assert_eq!(MissedTickBehavior::Burst.next(at(0), at(250), us), at(100));
        assert_eq!(MissedTickBehavior::Delay.next(at(0), at(99), us), at(100));
        // The end of time is not passed.
        assert_eq!(MissedTickBehavior::Burst.next(Nanos::MAX, Nanos::MAX, us), Nanos::MAX);
    }
}
