//! Small things a task does about itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
pub fn yield_now() -> YieldNow {
    YieldNow(false)
}

/// See [`yield_now`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
