//! Small things a task does about itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use ouzel_core::{local, task};

use crate::TaskId;

/// Lets other tasks run, once: the task goes to the end of its worker's queue.
///
/// Needs no runtime of ours: it wakes its own waker and returns pending once.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(ouzel::yield_now());
/// # Ok(())
/// # }
/// ```
#[inline]
pub fn yield_now() -> YieldNow {
    YieldNow(false)
}

/// See [`yield_now`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The weak id of the task that `waker` wakes, for hosts in other languages. `None` if it is not a task of
/// ours.
#[must_use]
pub fn task_id(waker: &Waker) -> Option<TaskId> {
    local::id_of(waker).or_else(|| task::id_of(waker))
}

/// Whether the task that `waker` wakes was aborted, for a task that asks in its own poll. False for a waker
/// that is not ours.
#[must_use]
pub fn task_is_aborted(waker: &Waker) -> bool {
    local::is_aborted(waker) || task::is_aborted(waker)
}
