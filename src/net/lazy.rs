//! Sends that are begun at once and that nobody need wait for.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::transfer::Owned;
use crate::buf::IoBuf;
use crate::fd::SharedFd;
use crate::op::raw::{self, Completion, RawOp};
use crate::op::{self, Request};

/// A send that was begun by `write_lazy`: ask for its end, or await it.
///
/// On io_uring, and on any driver of a [`LocalRuntime`](crate::LocalRuntime), it goes out when the task has had its turn, and
/// by itself neither wakes the task nor ends a wait of the thread: its result comes with whatever happens next there. Awaiting
/// it hurries that, on whatever thread. Elsewhere it is a send like any other.
///
/// Dropping it cancels: some of the bytes may have been sent.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # ouzel::LocalRuntime::new()?.block_on(async {
/// use ouzel::net::UnixStream;
///
/// let (server, client) = UnixStream::pair()?;
/// let mut sending = server.write_lazy("a reply").expect("there is a runtime");
/// // The task may do other things, and look for the buffer later.
/// let (n, buf) = client.read(Vec::with_capacity(64)).await;
/// assert_eq!((n?, buf.as_slice()), (7, &b"a reply"[..]));
/// let (n, _) = match sending.try_finish() {
///     Some(done) => done,
///     None => sending.await,
/// };
/// assert_eq!(n?, 7);
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "dropping a send cancels it"]
pub struct LazyWrite<B: IoBuf> {
    op: RawOp<Owned<B>>,
}

impl<B: IoBuf> LazyWrite<B> {
    pub(super) fn begin(fd: &SharedFd, buf: B) -> Result<Self, (io::Error, B)> {
        let build = |payload: *mut Owned<B>, _: *mut raw::Scratch| {
            // SAFETY: the payload lies in its slot and nobody else touches it before completion.
            let (fd, buf) = unsafe { &*payload };
            Request::Send { fd: fd.raw(), buf: buf.as_ptr(), len: buf.len(), flags: 0, lazy: true }
        };
        // SAFETY: the request points into the buffer alone, and its payload keeps that and the descriptor.
        match unsafe { raw::submit((fd.clone(), buf), build) } {
            Ok(op) => Ok(LazyWrite { op }),
            Err(e) => Err((e.reason().into(), e.into_payload().1)),
        }
    }

    /// The result, once it is there: the buffer, and the count, which is its length unless an error came between.
    /// Wakes nobody later.
    ///
    /// # Panics
    /// After the result was told; on another thread than its `LocalRuntime`'s.
    pub fn try_finish(&mut self) -> Option<(io::Result<usize>, B)> {
        self.op.try_take().map(told)
    }

    /// Asks for the end. The result comes all the same, with what was sent by then.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }
}

fn told<B: IoBuf>((completion, (_, buf)): (Completion, Owned<B>)) -> (io::Result<usize>, B) {
    (op::result(completion.res), buf)
}

impl<B: IoBuf> Future for LazyWrite<B> {
    type Output = (io::Result<usize>, B);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(told(ready!(self.op.poll(cx))))
    }
}

impl<B: IoBuf> fmt::Debug for LazyWrite<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LazyWrite").field(&self.op).finish()
    }
}
