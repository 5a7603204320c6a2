//! Transfers to and from several buffers at once: named, owning and cancelled like those of
//! [`transfer`](super::transfer).

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, ready};

use ouzel_core::op::Segment;

use super::limit::limit_methods;
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::op::raw::Scratch;
use crate::op::{Build, Op, PARTS, Request, describe};

mod sealed {
    /// The count of the buffers does not change while they are in flight.
    pub trait Sealed {}
    impl<B> Sealed for Vec<B> {}
    impl<B, const N: usize> Sealed for [B; N] {}
}

/// Several buffers, used in order: a vector or an array of them. Systems take 1024 at the most.
pub trait Buffers: sealed::Sealed + 'static {
    /// One of them.
    type Buf: IoBuf;

    /// All of them.
    fn buffers(&mut self) -> &mut [Self::Buf];
}

impl<B: IoBuf> Buffers for Vec<B> {
    type Buf = B;

    fn buffers(&mut self) -> &mut [B] {
        self
    }
}

impl<B: IoBuf, const N: usize> Buffers for [B; N] {
    type Buf = B;

    fn buffers(&mut self) -> &mut [B] {
        self
    }
}

/// What a vectored transfer owns until its end.
struct Owned<T> {
    fd: SharedFd,
    buffers: T,
    /// The description of more parts than the scratch space has room for. Thin, so that a pair of vectors fits a slot.
    #[expect(clippy::box_collection, reason = "one pointer instead of three words")]
    parts: Option<Box<Vec<Part>>>,
}

/// A description that only the kernel reads.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Part(Segment);

// SAFETY: it points into a buffer that lies beside it and moves with it; nobody here follows it.
unsafe impl Send for Part {}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Owned<[Vec<u8>; 2]>>() <= 64, "more is boxed by its operation");

impl<T: Buffers> Owned<T> {
    fn new(fd: &SharedFd, mut buffers: T) -> Self {
        let nothing = Part(Segment { base: ptr::null_mut(), len: 0 });
        let count = buffers.buffers().len();
        let parts = (count > PARTS).then(|| Box::new(vec![nothing; count]));
        Owned { fd: fd.clone(), buffers, parts }
    }

    /// Writes the header of a message to the scratch space; `part` tells where a buffer is.
    fn describe(&mut self, scratch: *mut Scratch, part: impl Fn(&mut T::Buf) -> Segment) {
        let elsewhere = self.parts.as_mut().map_or(ptr::null_mut(), |parts| parts.as_mut_ptr().cast());
        let parts = self.buffers.buffers().iter_mut().map(part);
        // SAFETY: the scratch space is the operation's, and `new` made room where it has none.
        unsafe { describe(scratch.cast(), scratch, elsewhere, parts, (ptr::null_mut(), 0)) };
    }
}

struct Receive;

impl<T: Buffers<Buf: IoBufMut>> Build<Owned<T>> for Receive {
    fn build(self, payload: *mut Owned<T>, scratch: *mut Scratch) -> Request {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let owned = unsafe { &mut *payload };
        if owned.buffers.buffers().iter().all(|buf| buf.capacity() == 0) {
            // The kernel would wait for bytes that it then does not take.
            return Request::Nop;
        }
        owned.describe(scratch, |buf| Segment { base: buf.as_mut_ptr(), len: buf.capacity() });
        Request::RecvMsg { fd: owned.fd.raw(), msg: scratch.cast(), flags: 0 }
    }
}

struct Transmit;

impl<T: Buffers> Build<Owned<T>> for Transmit {
    fn build(self, payload: *mut Owned<T>, scratch: *mut Scratch) -> Request {
        // SAFETY: as for `Receive`.
        let owned = unsafe { &mut *payload };
        // A send only reads there.
        owned.describe(scratch, |buf| Segment { base: buf.as_ptr().cast_mut(), len: buf.len() });
        Request::SendMsg { fd: owned.fd.raw(), msg: scratch.cast(), flags: 0 }
    }
}

/// A receive into several buffers, in progress; see the method that made it.
#[must_use = "a read does nothing until it is awaited"]
pub struct ReadVectored<T: Buffers<Buf: IoBufMut>> {
    op: Op<Owned<T>, Receive>,
}

impl<T: Buffers<Buf: IoBufMut>> ReadVectored<T> {
    pub(super) fn new(fd: &SharedFd, buffers: T) -> Self {
        ReadVectored { op: Op::with(Owned::new(fd, buffers), Receive) }
    }

    /// Asks for the end. Await the future afterwards: it gives the buffers back, with what had arrived.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();
}

impl<T: Buffers<Buf: IoBufMut>> Future for ReadVectored<T> {
    type Output = (io::Result<usize>, T);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, mut owned) = ready!(Pin::new(&mut self.op).poll(cx));
        if let Ok(mut left) = result {
            for buf in owned.buffers.buffers() {
                let n = left.min(buf.capacity());
                // SAFETY: the kernel filled the buffers in order, and so many bytes were this one's.
                unsafe { buf.set_filled(n) };
                left -= n;
            }
        }
        Poll::Ready((result, owned.buffers))
    }
}

/// A send of several buffers, in progress; see the method that made it.
#[must_use = "a write does nothing until it is awaited"]
pub struct WriteVectored<T: Buffers> {
    op: Op<Owned<T>, Transmit>,
}

impl<T: Buffers> WriteVectored<T> {
    pub(super) fn new(fd: &SharedFd, buffers: T) -> Self {
        WriteVectored { op: Op::with(Owned::new(fd, buffers), Transmit) }
    }

    /// Asks for the end. Await the future afterwards: it gives the buffers back, and the count of what went out.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();
}

impl<T: Buffers> Future for WriteVectored<T> {
    type Output = (io::Result<usize>, T);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, owned) = ready!(Pin::new(&mut self.op).poll(cx));
        Poll::Ready((result, owned.buffers))
    }
}

impl<T: Buffers<Buf: IoBufMut>> fmt::Debug for ReadVectored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadVectored").field(&self.op).finish()
    }
}

impl<T: Buffers> fmt::Debug for WriteVectored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteVectored").field(&self.op).finish()
    }
}
