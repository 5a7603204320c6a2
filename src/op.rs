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

pub use ouzel_core::op::Request;
use raw::{RawOp, Scratch};

use crate::addr;
use crate::fd::SharedFd;

pub mod raw;

/// The result of a completion, as `std` tells it: a count or descriptor, or the system's error.
pub(crate) fn result(res: i32) -> io::Result<usize> {
    usize::try_from(res).map_err(|_| io::Error::from_raw_os_error(-res))
}

/// An operation that has not been submitted, is in flight, or is over.
#[must_use = "an operation does nothing until it is awaited"]
pub(crate) struct Op<P: 'static, B> {
    state: State<P, B>,
}

enum State<P: 'static, B> {
    Ready(P, B),
    InFlight(RawOp<P>),
    Over,
}

impl<P, B> Op<P, B>
where
    B: FnOnce(*mut P, *mut Scratch) -> Request,
{
    /// An operation on `payload`. `build` names memory in the payload (at its final address), in the
    /// scratch space, or owned by the payload; nothing else. `P` is dropped by whoever ends the
    /// operation, so it must keep alive all that the request points at.
    pub(crate) fn new(payload: P, build: B) -> Self {
        Op { state: State::Ready(payload, build) }
    }
}

// Pinning an operation means nothing: what must not move lies in its slot.
impl<P, B> Unpin for Op<P, B> {}

impl<P, B> Future for Op<P, B>
where
    B: FnOnce(*mut P, *mut Scratch) -> Request,
{
    type Output = (io::Result<usize>, P);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Ready(..) = self.state {
            let State::Ready(payload, build) = std::mem::replace(&mut self.state, State::Over) else {
                unreachable!("looked at a line above")
            };
            // SAFETY: `new`'s callers in this crate name only memory of the payload and the scratch space.
            match unsafe { raw::submit(payload, build) } {
                Ok(op) => self.state = State::InFlight(op),
                Err(e) => {
                    let error = e.reason().into();
                    return Poll::Ready((Err(error), e.into_payload()));
                }
            }
        }
        let State::InFlight(op) = &mut self.state else { panic!("an operation was polled after its end") };
        let (completion, payload) = std::task::ready!(op.poll(cx));
        self.state = State::Over;
        Poll::Ready((result(completion.res), payload))
    }
}

impl<P, B> fmt::Debug for Op<P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Ready(..) => "Op(not submitted)",
            State::InFlight(_) => "Op(in flight)",
            State::Over => "Op(over)",
        })
    }
}

/// The scratch space's room for one address, and for its length.
pub(crate) fn address_room(scratch: *mut Scratch) -> (*mut [u8; addr::STORAGE], *mut u32) {
    let room = scratch.cast::<[u8; addr::STORAGE]>();
    (room, room.wrapping_add(1).cast())
}

/// The payload of an accept: keeps the listener open.
#[derive(Debug)]
pub(crate) struct Accepted {
    _listener: SharedFd,
}

impl Accepted {
    pub(crate) fn new(listener: SharedFd) -> Self {
        Accepted { _listener: listener }
    }
}
