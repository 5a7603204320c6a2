//! One task's word to another that it is its turn.

use atomic_waker::AtomicWaker;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A flag with a waker: one giver, one taker.
#[derive(Debug, Default)]
pub struct Baton {
    here: AtomicBool,
    taker: AtomicWaker,
}

impl Baton {
    /// Gives it, which wakes the taker.
    #[inline(always)]
    pub fn give(&self) {
        // ORDERING: Release pairs with the Acquire load in `try_take`: the taker sees what the giver wrote.
        self.here.store(true, Ordering::Release);
        self.taker.wake();
    }

    /// Waits for it and takes it.
    pub async fn take(&self) {
        poll_fn(|cx| self.poll_take(cx)).await;
    }

    /// As a poll of [`Baton::take`]'s future.
    #[inline(always)]
    pub fn poll_take(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.try_take() { Poll::Ready(()) } else { self.poll_awaited(cx) }
    }

    /// The same for who has no reason to think that it is there.
    #[inline(always)]
    pub fn poll_awaited(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.taker.register(cx.waker());
        if self.try_take() { Poll::Ready(()) } else { Poll::Pending }
    }

    #[inline(always)]
    fn try_take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release store in `give`.
        let here = self.here.load(Ordering::Acquire);
        if here {
            // ORDERING: Relaxed; the giver does not give again before the taker has answered elsewhere.
            self.here.store(false, Ordering::Relaxed);
        }
        here
    }
}
