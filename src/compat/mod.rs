//! Our streams and tasks under other libraries' traits, each behind a feature of its own.
//!
//! | feature      | what it gives                                                              | so that these work |
//! |--------------|----------------------------------------------------------------------------|--------------------|
//! | `futures-io` | [`Compat`] is `futures_io::AsyncRead` and `AsyncWrite`                      | futures, futures-rustls, async-tungstenite |
//! | `tokio-io`   | [`Compat`] is `tokio::io::AsyncRead` and `AsyncWrite`                       | tokio-util's codecs, tokio-rustls |
//! | `hyper`      | [`Compat`] is `hyper::rt::Read` and `Write`; executors and a timer for hyper | hyper 1, and axum on it |
//!
//! These traits lend memory for the time of one call. So a call is made at once, on the caller's memory, and a task that
//! must wait does so for readiness ([`PollFd`]): no copy, no allocation. What is lost against our own reads and
//! writes is io_uring's completion: a read that waits is two system calls, not a part of one.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "tokio-io")]
mod tokio_io;

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use ouzel_core::coop;
use rustix::net::RecvFlags;

#[cfg(feature = "hyper")]
pub use self::hyper::{HyperExecutor, HyperLocalExecutor, HyperTimer};
use crate::net::PollFd;
use crate::platform;

/// A stream under other libraries' traits; see [the module](self).
///
/// One task reads and one task writes at a time, as those traits have it. Dropping it closes the stream.
#[derive(Debug)]
pub struct Compat<S: Stream>(PollFd<S>);

/// The streams there are.
pub trait Stream: AsFd + sealed::Sealed + 'static {}

impl<S: AsFd + sealed::Sealed + 'static> Stream for S {}

mod sealed {
    use crate::net::{TcpStream, UnixStream};

    /// Byte streams over sockets.
    pub trait Sealed {}
    impl Sealed for TcpStream {}
    impl Sealed for UnixStream {}
}

/// `AsyncWrite`, or what it is called elsewhere: by which path, how it calls the end, how it asks for vectored writes.
macro_rules! writes {
    ($($path:ident)::+, $end:ident $(, $vectored:ident)?) => {
        impl<S: super::Stream> $($path)::+ for super::Compat<S> {
            fn poll_write(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.write_now(cx, &[std::io::IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.write_now(cx, bufs)
            }

            $(fn $vectored(&self) -> bool {
                true
            })?

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn $end(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(super::shut_down(self.as_fd()))
            }
        }
    };
}
use writes;

fn recv(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    let (_, n) = rustix::net::recv(fd, room, RecvFlags::DONTWAIT)?;
    Ok(n)
}

fn send(fd: BorrowedFd<'_>, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    if let [one] = bufs {
        return Ok(rustix::net::send(fd, one, platform::SEND_NOW)?);
    }
    let mut nothing = rustix::net::SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(fd, bufs, &mut nothing, platform::SEND_NOW)?)
}

/// Ends the sending side; a connection that is gone already has ended, too.
fn shut_down(fd: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::net::shutdown(fd, rustix::net::Shutdown::Write) {
        Err(rustix::io::Errno::NOTCONN) => Ok(()),
        result => Ok(result?),
    }
}

impl<S: Stream> Compat<S> {
    /// Takes over `stream`.
    ///
    /// # Errors
    /// The system's, when it cannot be made non-blocking.
    pub fn new(stream: S) -> io::Result<Self> {
        Ok(Compat(PollFd::new(stream)?))
    }

    /// The stream.
    pub fn get_ref(&self) -> &S {
        self.0.get_ref()
    }

    /// The stream back.
    ///
    /// # Errors
    /// Itself while a wait that was given up has not ended.
    pub fn into_inner(self) -> Result<S, Self> {
        self.0.into_inner().map_err(Compat)
    }

    /// Reads what is there into `room`, or waits; how many of its first bytes are initialised by that.
    fn read_now(&mut self, cx: &mut Context<'_>, room: &mut [MaybeUninit<u8>]) -> Poll<io::Result<usize>> {
        ready!(coop::proceed(cx));
        self.0.poll_read_with(cx, |stream| recv(stream.as_fd(), room))
    }

    fn write_now(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(coop::proceed(cx));
        self.0.poll_write_with(cx, |stream| send(stream.as_fd(), bufs))
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
