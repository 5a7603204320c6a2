//! The cooperative budget: how many operations a task may finish in one poll before it lets others run.
//!
//! An operation that is ready at once does not make its task wait, so a task with an endless supply of
//! them (a socket that always has data) would never return from its poll. Each operation spends one unit;
//! with none left it wakes its task and says pending, and the task goes to the end of the queue.
//!
//! The worker refills the budget before each poll. A thread that polls without one (or a target without
//! thread-locals) is never held up. Prior work: Tokio's coop (2020).

use core::task::{Context, Poll};

use crate::config::COOP_BUDGET;
use crate::context;

/// Refills this thread's budget: called before a task, or the root future of a `block_on`, is polled.
#[inline]
pub fn refill() {
    context::set_budget(COOP_BUDGET);
}

/// Spends one unit. Pending, with the task woken, if there is none left: return pending too.
#[inline]
pub fn proceed(cx: &mut Context<'_>) -> Poll<()> {
    if context::spend_budget() {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests {
    use super::*;
    use core::task::Waker;

    #[test]
    fn the_budget_ends_and_is_refilled() {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            refill();
            for _ in 0..COOP_BUDGET {
                assert!(proceed(&mut cx).is_ready());
            }
            assert!(proceed(&mut cx).is_pending());
            assert!(proceed(&mut cx).is_pending());
        }
    }
}
