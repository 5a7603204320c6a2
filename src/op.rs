//! Operations: one shape for everything a driver can be asked to do.
//!
//! An operation owns its buffers until the last completion. It is submitted at its first poll, on the
//! driver of the thread that polls it; from then on it may be polled, cancelled and dropped on any
//! thread. Dropping it in flight asks for cancellation and leaves buffers to the driver, which frees
//! them when the kernel has answered.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ouzel_core::coop;
pub use ouzel_core::op::Request;
use raw::{Deadline, Fd, Nanos, RawOp, Scratch};

use crate::current;
use crate::platform::{ECANCELED, ETIMEDOUT};
use crate::time::now;

pub(crate) mod lending;
#[cfg(unix)]
mod message;
pub mod raw;
mod timer;

pub use lending::Lender;
#[cfg(unix)]
pub(crate) use message::{PARTS, address_room, describe};
pub use timer::Timer;

/// The result of a completion, as `std` tells it: a count or descriptor, or the system's error.
pub(crate) fn result(res: i32) -> io::Result<usize> {
    usize::try_from(res).map_err(|_| io::Error::from_raw_os_error(-res))
}

/// An operation that has not been submitted, is in flight, or is over.
#[must_use = "an operation does nothing until it is awaited"]
pub(crate) struct Op<P: 'static, B> {
    state: State<P, B>,
    cancelled: bool,
    /// [`Nanos::MAX`]: none.
    limit: Nanos,
}

enum State<P: 'static, B> {
    Ready(P, B),
    /// Cancelled before it was submitted.
    Withdrawn(P),
    InFlight(RawOp<P>),
    Over,
}

/// Says what is asked for, once payload and scratch space have their addresses. Closures do; a type of its own
/// makes the type of the operation nameable.
pub(crate) trait Build<P> {
    /// May name memory in the payload, in the scratch space, or owned by the payload; nothing else.
    fn build(self, payload: *mut P, scratch: *mut Scratch) -> Request;

    /// What is to be tried before an operation is made of it: calls that seldom wait. See [`attempt`](Self::attempt).
    fn tried(&self, _: &P) -> Option<Tried> {
        None
    }

    /// Makes the call on the spot: `WouldBlock` if it would have to wait.
    fn attempt(&self, _: &mut P) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// A call that can be tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    pub(crate) fd: Fd,
    /// It waits for room rather than for something to read.
    pub(crate) writing: bool,
}

impl<P, F: FnOnce(*mut P, *mut Scratch) -> Request> Build<P> for F {
    fn build(self, payload: *mut P, scratch: *mut Scratch) -> Request {
        self(payload, scratch)
    }
}

/// Whether `error` says that an operation was cancelled, by a future's `cancel` or by the end of its runtime.
#[must_use]
pub fn is_cancelled(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ECANCELED)
}

/// What an operation says that was cancelled.
pub(crate) fn cancelled() -> io::Error {
    io::Error::from_raw_os_error(ECANCELED)
}

/// What an operation says whose time is over.
pub(crate) fn timed_out() -> io::Error {
    io::Error::from_raw_os_error(ETIMEDOUT)
}

impl<P, B> Op<P, B>
where
    B: FnOnce(*mut P, *mut Scratch) -> Request,
{
    /// An operation on `payload`, built by a closure; see [`Build`]. `P` is dropped by whoever ends the operation, so
    /// it must keep alive all that the request points at.
    pub(crate) fn new(payload: P, build: B) -> Self {
        Op::with(payload, build)
    }
}

impl<P, B: Build<P>> Op<P, B> {
    /// As `new`, built by anything.
    pub(crate) fn with(payload: P, build: B) -> Self {
        Op { state: State::Ready(payload, build), cancelled: false, limit: Nanos::MAX }
    }

    /// Changes what will be asked for, unless that has been done.
    pub(crate) fn change(&mut self, how: impl FnOnce(&mut B)) {
        if let State::Ready(_, build) = &mut self.state {
            how(build);
        }
    }

    /// Gives the operation time until `limit`, if it has not begun: then it is cancelled, and the error is `TimedOut`.
    pub(crate) fn set_limit(&mut self, limit: Nanos) {
        self.limit = limit;
    }

    /// Goes on with `build` on a payload that was given back, under the same limit, and cancelled if this was.
    pub(crate) fn go_on(&mut self, payload: P, build: B) {
        self.state = State::Ready(payload, build);
        if self.cancelled {
            self.cancel();
        }
    }

    /// Whether there is a limit and it has passed.
    pub(crate) fn is_late(&self) -> bool {
        self.limit != Nanos::MAX && now() >= self.limit
    }

    /// Asks for the end of the operation. It goes on until it completes, with what it has done so far or as cancelled;
    /// one that was not submitted yet is not any more.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
        match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(payload, _) => self.state = State::Withdrawn(payload),
            State::InFlight(mut op) => {
                op.cancel();
                self.state = State::InFlight(op);
            }
            other => self.state = other,
        }
    }
}

// Pinning an operation means nothing: what must not move lies in its slot.
impl<P, B> Unpin for Op<P, B> {}

impl<P, B: Build<P>> Future for Op<P, B> {
    type Output = (io::Result<usize>, P);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !matches!(self.state, State::InFlight(_)) {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Ready(mut payload, build) => {
                    if let Some(tried) = build.tried(&payload)
                        && tries_here()
                    {
                        // A task with an endless supply of datagrams lets others run now and then.
                        if coop::proceed(cx).is_pending() {
                            self.state = State::Ready(payload, build);
                            return Poll::Pending;
                        }
                        match attempt(&build, &mut payload) {
                            Err(e) if e.kind() == io::ErrorKind::WouldBlock => tried_in_vain(tried),
                            result => return Poll::Ready((result, payload)),
                        }
                    }
                    let build = |payload, scratch| build.build(payload, scratch);
                    let limit = Some(Deadline(self.limit)).filter(|limit| limit.0 != Nanos::MAX);
                    // SAFETY: `Build`'s implementations name only memory of the payload and the scratch space.
                    match unsafe { raw::submit_until(payload, limit, build) } {
                        Ok(op) => self.state = State::InFlight(op),
                        Err(e) => {
                            let error = e.reason().into();
                            return Poll::Ready((Err(error), e.into_payload()));
                        }
                    }
                }
                State::Withdrawn(payload) => return Poll::Ready((Err(cancelled()), payload)),
                other => self.state = other,
            }
        }
        let State::InFlight(op) = &mut self.state else { panic!("an operation was polled after its end") };
        let (completion, payload) = std::task::ready!(op.poll(cx));
        self.state = State::Over;
        Poll::Ready((result(completion.res), payload))
    }
}

/// Whether a call on a socket may be tried here before it is made an operation.
fn tries_here() -> bool {
    // SAFETY: no code of the user's is called.
    unsafe { current::with_top(|c| c.is_some_and(|c| c.reactor.tries_sockets())) }
}

/// Makes the call, again after a signal.
fn attempt<P, B: Build<P>>(build: &B, payload: &mut P) -> io::Result<usize> {
    loop {
        match build.attempt(payload) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Spares the driver a try of its own.
fn tried_in_vain(tried: Tried) {
    // SAFETY: no code of the user's is called.
    unsafe {
        current::with_top(|c| c.inspect(|c| c.reactor.tried_in_vain(tried.fd, tried.writing)).is_some())
    };
}

impl<P, B> fmt::Debug for Op<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Ready(..) => "Op(not submitted)",
            State::Withdrawn(_) => "Op(cancelled)",
            State::InFlight(_) => "Op(in flight)",
            State::Over => "Op(over)",
        })
    }
}
