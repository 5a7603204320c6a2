//! A count that tasks take down and one task waits for.

use atomic_waker::AtomicWaker;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// Waits for a number of hits. One waiter at a time; hits may come from any thread.
#[derive(Debug, Default)]
pub struct Latch {
    left: AtomicU64,
    waiter: AtomicWaker,
}

impl Latch {
    /// A latch for the rest of the process, so that a task's copy of the reference costs nothing.
    #[must_use]
    pub fn leak() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Expects `hits` from now on. Nobody may hit or wait meanwhile.
    pub fn arm(&self, hits: u64) {
        // ORDERING: Relaxed; the tasks that hit are spawned or woken after this by the same thread.
        self.left.store(hits, Ordering::Relaxed);
    }

    /// Takes one off. The last one wakes the waiter.
    pub fn hit(&self) {
        self.hit_times(1);
    }

    /// Takes off several at once, on behalf of others.
    pub fn hit_times(&self, n: u64) {
        // ORDERING: AcqRel: each hit publishes its task's writes to the last one, which passes them on with
        // the wake to the Acquire load in `wait`.
        if self.left.fetch_sub(n, Ordering::AcqRel) == n {
            self.waiter.wake();
        }
    }

    /// Hits still missing.
    #[must_use]
    pub fn left(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release half of the last `hit`.
        self.left.load(Ordering::Acquire)
    }

    /// Waits until nothing is left.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            if self.left() == 0 {
                return Poll::Ready(());
            }
            self.waiter.register(cx.waker());
            if self.left() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
