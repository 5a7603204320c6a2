//! Operations on memory the caller answers for: what the C ABI and the owned-buffer types are built on.

use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};

use ouzel_core::coop;
pub use ouzel_core::driver::{Deadline, Nanos};
pub use ouzel_core::op::{
    AT_POSITION, Completion, Fd, FileCall, FileStat, FileTime, Request, Scratch, Segment, StatRoom,
};
use ouzel_core::op::{OpHandle, RejectReason, Rejected};

use crate::current::{self, Current};
use crate::platform::{self, Keeper};

/// Why an operation could not be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitReason {
    /// This thread runs no ouzel runtime and has not entered one.
    NoRuntime,
    /// The runtime is closing.
    Closing,
    /// No memory.
    OutOfMemory,
}

impl fmt::Display for SubmitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubmitReason::NoRuntime => "no ouzel runtime on this thread",
            SubmitReason::Closing => "the runtime is closing",
            SubmitReason::OutOfMemory => "out of memory for an operation",
        })
    }
}

impl std::error::Error for SubmitReason {}

impl From<SubmitReason> for io::Error {
    fn from(reason: SubmitReason) -> Self {
        let kind = match reason {
            SubmitReason::OutOfMemory => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, reason)
    }
}

/// An operation that was not begun, with what it would have owned.
pub struct SubmitError<P> {
    reason: SubmitReason,
    payload: P,
}

impl<P> SubmitError<P> {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> SubmitReason {
        self.reason
    }

    /// What the operation would have owned.
    pub fn into_payload(self) -> P {
        self.payload
    }
}

impl<P> fmt::Debug for SubmitError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Begins an operation on the current thread's driver: inside a task, a `block_on`, or an
/// [`enter`](crate::LocalRuntime::enter).
///
/// The slot owns `payload` until the operation is over; `build` gets the addresses of payload and
/// scratch space, which are good until then. Allocates nothing for payloads up to 64 bytes once the
/// thread has had as many operations in flight before.
///
/// # Errors
/// [`SubmitError`], with the payload.
///
/// # Safety
/// All that the request points at stays valid until the operation's last completion, also after the
/// [`RawOp`] was dropped: it lies in the payload, in the scratch space, or the payload keeps it alive. `build` leaves
/// no runtime that was entered before it.
pub unsafe fn submit<P: 'static>(
    payload: P,
    build: impl FnOnce(*mut P, *mut Scratch) -> Request,
) -> Result<RawOp<P>, SubmitError<P>> {
    // SAFETY: the caller's promise.
    unsafe { submit_until(payload, None, build) }
}

/// As [`submit`], of an operation that is cancelled at `limit`: it then completes with `-ETIMEDOUT`, unless it had done
/// something by then, which it tells. The same on every driver. Timers and multishot operations have no limit.
///
/// # Errors
/// [`SubmitError`], with the payload.
///
/// # Safety
/// As for [`submit`].
pub unsafe fn submit_until<P: 'static>(
    payload: P,
    limit: Option<Deadline>,
    build: impl FnOnce(*mut P, *mut Scratch) -> Request,
) -> Result<RawOp<P>, SubmitError<P>> {
    let submit = |current: Option<&Current>| {
        let Some(current) = current else {
            return Err(SubmitError { reason: SubmitReason::NoRuntime, payload });
        };
        let mut lazy = false;
        let build = |payload, scratch| {
            let request = build(payload, scratch);
            lazy = matches!(request, Request::Send { lazy: true, .. });
            request
        };
        match current.reactor.submit(payload, limit, build, || current.runtime.runner()) {
            Ok(handle) => Ok(RawOp { handle, lazy: lazy && current.reactor.has_lazy_sends() }),
            Err(rejected) => Err(refused(rejected)),
        }
    };
    // SAFETY: a submission wakes nobody, as nobody can wait for it yet, and drops nothing of the user's; `build` is the
    // caller's, who promises the rest.
    unsafe { current::with_top(submit) }
}

#[cold]
fn refused<P>(Rejected { payload, reason }: Rejected<P>) -> SubmitError<P> {
    let reason = match reason {
        RejectReason::OutOfMemory => SubmitReason::OutOfMemory,
        _ => SubmitReason::Closing,
    };
    SubmitError { reason, payload }
}

/// An operation in flight, and the payload that comes back with its result.
///
/// Dropping it asks for cancellation; the payload is dropped when the driver has answered. One of a
/// [`LocalRuntime`](crate::LocalRuntime) may be dropped anywhere but is polled on its thread only.
#[must_use = "dropping an operation cancels it"]
pub struct RawOp<P: 'static> {
    handle: OpHandle<P>,
    lazy: bool,
}

impl<P> RawOp<P> {
    /// The result and the payload, when the operation is over; until then leaves the task's waker.
    ///
    /// # Panics
    /// After it has returned `Ready`; on another thread than its `LocalRuntime`'s.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Completion, P)> {
        // A task that never waits for its operations lets others run now and then.
        ready!(coop::proceed(cx));
        let polled = self.handle.poll(cx);
        if self.lazy && polled.is_pending() {
            // The driver would report it with the next event; now it must not wait for one, nor its thread if that is
            // another.
            current::with(|c| c.inspect(|c| c.reactor.lazy_is_waited_for()).is_some());
            self.handle.hurry();
        }
        polled
    }

    /// The result and the payload if the operation is over; leaves no waker.
    #[inline]
    pub fn try_take(&mut self) -> Option<(Completion, P)> {
        self.handle.try_take()
    }

    /// The next completion of a multishot operation, `None` after the last one.
    #[inline(always)]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completion>> {
        ready!(coop::proceed(cx));
        self.handle.poll_next(cx)
    }

    /// As [`poll_next`](Self::poll_next). After a completion that is not the last it leaves the task's waker for the
    /// next one, unless that is there: whether it did.
    #[inline(always)]
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Completion, bool)>> {
        ready!(coop::proceed(cx));
        self.handle.poll_step(cx)
    }

    /// The next completion of a multishot operation if there is one; leaves no waker.
    #[inline]
    pub fn try_next(&mut self) -> Option<Completion> {
        self.handle.try_next()
    }

    /// As [`try_next`](Self::try_next), but `None` on a thread where that would panic: for destructors.
    pub(crate) fn next_if_here(&mut self) -> Option<Completion> {
        self.handle.next_if_here()
    }

    /// Asks for cancellation; the operation completes all the same, with `-ECANCELED` or its result.
    pub fn cancel(&mut self) {
        self.handle.cancel();
    }

    /// Whether the operation is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.handle.is_done()
    }
}

impl<P> fmt::Debug for RawOp<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// Address of provided buffer `id` of the current thread's driver, as named by
/// [`Completion::buffer`]. `None` outside a runtime.
#[must_use]
pub fn buffer(id: u16) -> Option<*mut u8> {
    current::with(|c| c.and_then(|c| c.reactor.buffer(id)))
}

/// Gives a provided buffer back to the current thread's driver, which is the one it came from. False
/// outside a runtime.
pub fn recycle(id: u16) -> bool {
    current::with(|c| c.inspect(|c| c.reactor.recycle(id)).is_some())
}

/// Gives what was submitted to the kernel now, instead of when the thread next waits.
pub fn flush() {
    current::with(|c| {
        if let Some(c) = c {
            c.reactor.flush();
        }
    });
}

/// What [`FileCall::Stat`] has left in its room.
#[must_use]
pub fn file_stat(room: &StatRoom) -> FileStat {
    platform::file_stat(room)
}

/// Sends a copy of `bytes` on a stream's socket without an operation, behind all that was taken there before, no later than
/// a lazy send. Nobody hears of its end. False: nothing is taken, and [`Request::Send`] is the way, which goes behind what
/// was. That is always so on the portable driver, where the kernel's io_uring is older than 5.17, and in a
/// [`Runtime`](crate::Runtime), whose tasks move; also for much at a time, while there is no room in the socket, and while
/// a send waits for it.
///
/// # Errors
/// Why one taken before failed, once.
///
/// # Safety
/// `fd` is open and the caller's; it is closed by [`Request::Close`] if at all.
#[inline]
pub unsafe fn try_send(fd: Fd, bytes: &[u8]) -> io::Result<bool> {
    try_send_kept(fd, bytes, || None)
}

/// The same; what `keep` makes keeps the descriptor open for as long as it is needed.
#[inline]
pub(crate) fn try_send_kept(fd: Fd, bytes: &[u8], keep: impl FnOnce() -> Option<Keeper>) -> io::Result<bool> {
    let send = |c: Option<&Current>| c.map_or(Ok(false), |c| c.reactor.try_send(fd, bytes, keep));
    // SAFETY: it calls nothing of the user's.
    unsafe { current::with_top(send) }.map_err(|e| io::Error::from_raw_os_error(e.0))
}

/// Makes room for `n` operations more on the current thread's driver: so many submissions do not run out of memory.
///
/// # Errors
/// There is no runtime here, or no memory.
pub fn reserve(n: usize) -> Result<(), SubmitReason> {
    current::with(|c| {
        let reserved = c.ok_or(SubmitReason::NoRuntime)?.reactor.reserve(n);
        if reserved { Ok(()) } else { Err(SubmitReason::OutOfMemory) }
    })
}
