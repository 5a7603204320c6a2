//! The futures of messages with an address: named, owning and cancelled like those of [`transfer`](super::transfer).

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, ready};

use ouzel_core::op::Segment;

use super::limit::limit_methods;
use super::transfer::{bytes_of, now, room_of};
use crate::addr::{At, IpRoom, Room, UnixRoom};
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::op::raw::Scratch;
use crate::op::{Build, Op, Request, Tried, describe};
use crate::platform;

/// What a message owns until its end.
type Owned<B, R> = (SharedFd, B, R);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Owned<Vec<u8>, IpRoom>>() <= 64, "more is boxed by its operation");

/// A receive with the sender's address.
struct ReceiveFrom {
    flags: i32,
}

impl<B: IoBufMut, R: Room> Build<Owned<B, R>> for ReceiveFrom {
    fn build(self, payload: *mut Owned<B, R>, scratch: *mut Scratch) -> Request {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let (fd, buf, room) = unsafe { &mut *payload };
        let part = Segment { base: buf.as_mut_ptr(), len: buf.capacity() };
        let (header, name) = (room.header(scratch), room.place());
        // SAFETY: the scratch space is the operation's, the header lies in it or in the payload, and there is one part.
        unsafe { describe(header, scratch, ptr::null_mut(), [part].into_iter(), name) };
        Request::RecvMsg { fd: fd.raw(), msg: header.cast(), flags: self.flags }
    }

    fn tried(&self, (fd, ..): &Owned<B, R>) -> Option<Tried> {
        Some(Tried { fd: fd.raw(), writing: false })
    }

    fn attempt(&self, (fd, buf, room): &mut Owned<B, R>) -> io::Result<usize> {
        let (_, n, from) = rustix::net::recvfrom(fd, room_of(buf), now(self.flags))?;
        room.put(from);
        Ok(n)
    }
}

/// A send to an address.
struct TransmitTo;

impl<B: IoBuf, R: Room> Build<Owned<B, R>> for TransmitTo {
    fn build(self, payload: *mut Owned<B, R>, scratch: *mut Scratch) -> Request {
        // SAFETY: as for `ReceiveFrom`.
        let (fd, buf, room) = unsafe { &mut *payload };
        // A send only reads there.
        let part = Segment { base: buf.as_ptr().cast_mut(), len: buf.len() };
        let (header, name) = (room.header(scratch), room.place());
        // SAFETY: as for `ReceiveFrom`.
        unsafe { describe(header, scratch, ptr::null_mut(), [part].into_iter(), name) };
        Request::SendMsg { fd: fd.raw(), msg: header.cast(), flags: 0 }
    }

    fn tried(&self, (fd, ..): &Owned<B, R>) -> Option<Tried> {
        Some(Tried { fd: fd.raw(), writing: true })
    }

    fn attempt(&self, (fd, buf, room): &mut Owned<B, R>) -> io::Result<usize> {
        Ok(rustix::net::sendto(fd, bytes_of(buf), platform::SEND_NOW, &At(room))?)
    }
}

macro_rules! messages {
    ($recv:ident, $send:ident, $room:ty, $addr:ty) => {
        /// A receive with the sender's address, in progress; see the method that made it.
        #[must_use = "a receive does nothing until it is awaited"]
        pub struct $recv<B: IoBufMut> {
            op: Op<Owned<B, $room>, ReceiveFrom>,
        }

        impl<B: IoBufMut> $recv<B> {
            pub(super) fn new(fd: &SharedFd, buf: B, flags: i32) -> Self {
                $recv { op: Op::with((fd.clone(), buf, <$room>::default()), ReceiveFrom { flags }) }
            }

            /// Asks for the end. Await the future afterwards: it gives the buffer back, with the message if one had
            /// come.
            pub fn cancel(&mut self) {
                self.op.cancel();
            }

            limit_methods!();
        }

        impl<B: IoBufMut> Future for $recv<B> {
            type Output = (io::Result<(usize, $addr)>, B);

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let (result, (_, mut buf, room)) = ready!(Pin::new(&mut self.op).poll(cx));
                let result = result.and_then(|n| {
                    // SAFETY: the kernel wrote `n` bytes from the buffer's start, at most its capacity.
                    unsafe { buf.set_filled(n) };
                    Ok((n, room.get().ok_or(io::ErrorKind::InvalidData)?))
                });
                Poll::Ready((result, buf))
            }
        }

        impl<B: IoBufMut> fmt::Debug for $recv<B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($recv)).field(&self.op).finish()
            }
        }

        /// A send to an address, in progress; see the method that made it.
        #[must_use = "a send does nothing until it is awaited"]
        pub struct $send<B: IoBuf> {
            op: Op<Owned<B, $room>, TransmitTo>,
            /// There is no such address: told at the first poll.
            refused: Option<io::Error>,
        }

        impl<B: IoBuf> $send<B> {
            pub(super) fn new(fd: &SharedFd, buf: B, to: io::Result<$room>) -> Self {
                let (room, refused) = match to {
                    Ok(room) => (room, None),
                    Err(e) => (<$room>::default(), Some(e)),
                };
                let mut op = Op::with((fd.clone(), buf, room), TransmitTo);
                if refused.is_some() {
                    op.cancel();
                }
                $send { op, refused }
            }

            /// Asks for the end. Await the future afterwards: it gives the buffer back, sent or not.
            pub fn cancel(&mut self) {
                self.op.cancel();
            }

            limit_methods!();
        }

        impl<B: IoBuf> Future for $send<B> {
            type Output = (io::Result<usize>, B);

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let (result, (_, buf, _)) = ready!(Pin::new(&mut self.op).poll(cx));
                Poll::Ready((self.refused.take().map_or(result, Err), buf))
            }
        }

        impl<B: IoBuf> fmt::Debug for $send<B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($send)).field(&self.op).finish()
            }
        }
    };
}
messages!(RecvFrom, SendTo, IpRoom, SocketAddr);
messages!(RecvFromUnix, SendToUnix, UnixRoom, UnixAddr);
