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
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};

use ouzel_core::coop;

#[cfg(feature = "hyper")]
pub use self::hyper::{HyperExecutor, HyperLocalExecutor, HyperTimer};
use crate::net::{PollFd, TcpStream, UnixStream};
use crate::platform;

/// A stream under other libraries' traits; see [the module](self).
///
/// One task reads and one task writes at a time, as those traits have it. Dropping it closes the stream.
#[derive(Debug)]
pub struct Compat<S: Stream>(PollFd<S>);

/// The streams there are.
pub trait Stream: AsFd + sealed::Calls + 'static {}

impl<S: AsFd + sealed::Calls + 'static> Stream for S {}

mod sealed {
    use std::io::{self, IoSlice};

    pub trait Calls {
        fn try_read(&self, buf: &mut [u8]) -> io::Result<usize>;
        fn try_write(&self, buf: &[u8]) -> io::Result<usize>;
        fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
        fn shut_down(&self) -> io::Result<()>;
    }
}

macro_rules! calls {
    ($($stream:ty),*) => {$(
        impl sealed::Calls for $stream {
            fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                <$stream>::try_read(self, buf)
            }
            fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                <$stream>::try_write(self, buf)
            }
            fn try_write_vectored(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
                send_vectored(self.as_fd(), bufs)
            }
            fn shut_down(&self) -> io::Result<()> {
                shut_down(self.as_fd())
            }
        }
    )*};
}
calls!(TcpStream, UnixStream);

fn send_vectored(fd: BorrowedFd<'_>, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
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

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        ready!(coop::proceed(cx));
        self.0.poll_read_with(cx, |stream| stream.try_read(buf))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(coop::proceed(cx));
        self.0.poll_write_with(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(coop::proceed(cx));
        self.0.poll_write_with(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn poll_shut_down(&mut self) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_ref().shut_down())
    }
}
