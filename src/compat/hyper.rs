//! What hyper asks of a runtime: reads and writes, an executor, a timer.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};

use super::{Compat, Stream, writes};
use crate::time;

impl<S: Stream> Read for Compat<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: the room is only written to.
        let room = unsafe { buf.as_mut() };
        let n = ready!(self.read_now(cx, room))?;
        // SAFETY: the first `n` bytes of it were written just now.
        unsafe { buf.advance(n) };
        Poll::Ready(Ok(()))
    }
}

writes!(Write, poll_shutdown, is_write_vectored);

/// Spawns hyper's tasks, for HTTP/2, on the current runtime, of either kind.
///
/// # Panics
/// When used outside a runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperExecutor;

impl<F> Executor<F> for HyperExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        crate::spawn_detached(async {
            future.await;
        });
    }
}

/// Spawns hyper's tasks, for HTTP/2, on the current [`LocalRuntime`](crate::LocalRuntime); they need not be `Send`.
///
/// # Panics
/// When used outside a `LocalRuntime`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperLocalExecutor;

impl<F> Executor<F> for HyperLocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        crate::spawn_local(async {
            future.await;
        })
        .detach();
    }
}

/// Timers for hyper's timeouts, on the wheel of the thread that polls them.
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperTimer;

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

struct HyperSleep(time::Sleep);

impl Future for HyperSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the inner future is pinned where this one is.
        unsafe { self.map_unchecked_mut(|s| &mut s.0) }.poll(cx)
    }
}

impl Sleep for HyperSleep {}

impl fmt::Debug for HyperSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
