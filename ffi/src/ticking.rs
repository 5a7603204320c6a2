//! A timer in flight: one that ends, or one that ticks.

use core::task::{Context, Poll, Waker};

use ouzel::op::Timer;
use ouzel::op::raw::Nanos;

use crate::lent::{After, Lent};

/// See the module.
pub(crate) struct Ticking {
    timer: Timer,
    lent: Lent,
    /// From tick to tick in nanoseconds; zero for a timer that ends.
    period: u64,
    cancelled: bool,
}

/// What a look at a timer found.
pub(crate) enum Tick {
    Pending,
    /// So many periods have passed since the last.
    Step(u64),
    Over,
    Cancelled,
}

impl Ticking {
    pub(crate) fn new(timer: Timer, period: u64, lent: Lent) -> Self {
        Ticking { timer, lent, period, cancelled: false }
    }

    /// The next tick; `how` is woken for it if it is to come.
    pub(crate) fn look(&mut self, how: Option<&Waker>) -> Tick {
        if self.cancelled {
            return Tick::Cancelled;
        }
        let over = match how {
            Some(waker) => self.is_over_for(waker),
            None => self.timer.is_over(),
        };
        if !over {
            return Tick::Pending;
        }
        if self.period == 0 {
            return Tick::Over;
        }
        let due = self.timer.deadline();
        let periods = 1 + ouzel::time::now().0.saturating_sub(due.0) / self.period;
        self.timer.reset(Nanos(due.0.saturating_add(self.period.saturating_mul(periods))));
        Tick::Step(periods)
    }

    /// Whether there is something to be told; otherwise `waker` is woken when there is.
    pub(crate) fn is_over_for(&mut self, waker: &Waker) -> bool {
        self.cancelled || self.timer.poll(&mut Context::from_waker(waker)) == Poll::Ready(())
    }

    /// Ends it: that is what the next look finds. Returns who is to look.
    pub(crate) fn cancel(&mut self) -> Option<Waker> {
        self.cancelled = true;
        self.timer.disarm()
    }

    /// Gives it another deadline. False: it was cancelled.
    pub(crate) fn reset(&mut self, deadline: Nanos) -> bool {
        if !self.cancelled {
            self.timer.reset(deadline);
        }
        !self.cancelled
    }

    /// The call to make, now that it is over.
    pub(crate) fn settle(self) -> After {
        self.lent.settle()
    }
}
