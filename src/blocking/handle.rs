//! A job that somebody waits for, and the handle that waits.
//!
//! | who            | does                        | the handle then says |
//! |----------------|-----------------------------|----------------------|
//! | a pool thread  | runs the closure            | its result           |
//! | a pool thread  | runs it, and it panics      | `JoinError::Panic`   |
//! | whoever drops the job unrun (abort, shutdown, refusal) | drops the closure | `JoinError::Cancelled` |
//!
//! Closure and result each have a lock of their own in one allocation, which the job and the handle share.
//! Neither lock is held while foreign code runs: closures, destructors, wakers.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use ouzel_core::error::{JoinError, Payload};

use super::inner::Inner;
use super::job::{Runnable, Watched, Work, quietly};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No foreign code runs under these locks, so what they guard is always whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the result appears.
struct Slot<T> {
    outcome: Option<Result<T, JoinError>>,
    waker: Option<Waker>,
    over: bool,
}

trait Outcome<T>: Send + Sync {
    fn slot(&self) -> &Mutex<Slot<T>>;
}

struct Cell<F, T> {
    job: Mutex<Option<F>>,
    slot: Mutex<Slot<T>>,
}

impl<F, T> Cell<F, T> {
    fn finish(&self, outcome: Result<T, JoinError>) {
        let mut slot = lock(&self.slot);
        slot.outcome = Some(outcome);
        slot.over = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<F, T> Runnable for Cell<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn run(&self) {
        let job = lock(&self.job).take();
        if let Some(job) = job {
            let outcome = catch_unwind(AssertUnwindSafe(job));
            self.finish(outcome.map_err(|payload| JoinError::Panic(Payload::new(payload))));
        }
    }

    fn cancel(&self) {
        let job = lock(&self.job).take();
        if let Some(job) = job {
            quietly(|| drop(job));
            quietly(|| self.finish(Err(JoinError::Cancelled)));
        }
    }
}

impl<F: Send, T: Send> Outcome<T> for Cell<F, T> {
    fn slot(&self) -> &Mutex<Slot<T>> {
        &self.slot
    }
}

/// Puts a job into one allocation with room for its result; hands the job to `enqueue`, which answers with
/// the job's ticket or with why not.
///
/// # Errors
/// The closure, with what `enqueue` said.
pub(super) fn watch<F, T, E>(
    job: F,
    pool: Weak<Inner>,
    enqueue: impl FnOnce(Work) -> Result<u64, (Work, E)>,
) -> Result<BlockingHandle<T>, (F, E)>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let slot = Slot { outcome: None, waker: None, over: false };
    let cell = Arc::new(Cell { job: Mutex::new(Some(job)), slot: Mutex::new(slot) });
    match enqueue(Work::Watched(Watched(cell.clone()))) {
        Ok(ticket) => Ok(BlockingHandle { cell, pool, ticket }),
        Err((work, why)) => {
            let job = lock(&cell.job).take().expect("a job that was not queued has not run");
            drop(work);
            Err((job, why))
        }
    }
}

/// Waits for a job on the blocking pool and takes its result.
///
/// Dropping it lets the job run, and drops the result. Polled once more after its end it panics.
#[must_use = "dropping the handle of a blocking job does not stop it"]
pub struct BlockingHandle<T> {
    cell: Arc<dyn Outcome<T>>,
    pool: Weak<Inner>,
    ticket: u64,
}

impl<T: Send + 'static> BlockingHandle<T> {
    /// The handle of a job that no pool took.
    pub(super) fn cancelled() -> Self {
        let slot = Slot { outcome: Some(Err(JoinError::Cancelled)), waker: None, over: true };
        let cell = Arc::new(Cell { job: Mutex::new(None::<fn()>), slot: Mutex::new(slot) });
        BlockingHandle { cell, pool: Weak::new(), ticket: 0 }
    }
}

impl<T> BlockingHandle<T> {
    /// Takes the job out of the queue and drops its closure, if no thread has begun it; the handle then
    /// says cancelled. Returns whether it did. A job that runs cannot be stopped.
    pub fn abort(&self) -> bool {
        let removed = self.pool.upgrade().and_then(|pool| pool.remove(self.ticket));
        removed.is_some()
    }

    /// Whether the result is there (or was, and has been taken).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        lock(self.cell.slot()).over
    }
}

impl<T> Future for BlockingHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(self.cell.slot());
        if let Some(outcome) = slot.outcome.take() {
            return Poll::Ready(outcome);
        }
        assert!(!slot.over, "a blocking handle was polled after its end");
        if slot.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        // Clone and drop are foreign code: not under the lock.
        drop(slot);
        let waker = cx.waker().clone();
        let mut slot = lock(self.cell.slot());
        if let Some(outcome) = slot.outcome.take() {
            drop(slot);
            return Poll::Ready(outcome);
        }
        let old = slot.waker.replace(waker);
        drop(slot);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for BlockingHandle<T> {
    fn drop(&mut self) {
        // The waker keeps a task alive, which need not wait for the job's end.
        let waker = lock(self.cell.slot()).waker.take();
        drop(waker);
    }
}

impl<T> fmt::Debug for BlockingHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
