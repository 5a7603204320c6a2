//! What hyper asks of a runtime: reads and writes, an executor, a timer.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};

use super::{Compat, Stream};
use crate::time;

/// The most bytes of hyper's room that one read fills: they are zeroed before.
const READ: usize = 16 << 10;

impl<S: Stream> Read for Compat<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: the room is only written to, with zeros; none of it is taken as filled.
        let room = unsafe { buf.as_mut() };
        let len = room.len().min(READ);
        let room = &mut room[..len];
        room.fill(std::mem::MaybeUninit::new(0));
        // SAFETY: every byte of it was written just now.
        let room = unsafe { &mut *(std::ptr::from_mut(room) as *mut [u8]) };
        let n = ready!(Compat::poll_read(&mut self, cx, room))?;
        // SAFETY: the first `n` bytes are filled.
        unsafe { buf.advance(n) };
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> Write for Compat<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Compat::poll_write(&mut self, cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Compat::poll_write_vectored(&mut self, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shut_down()
    }
}

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
