//! Waiting for one connection: a future with a name, so that it can be kept, cancelled and given a limit.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, ready};

use super::limit::limit_methods;
use super::split::Stream;
use super::split::sealed::Share;
use super::{TcpStream, UnixStream};
use crate::addr::{IpRoom, Room};
use crate::fd::SharedFd;
use crate::op::raw::Scratch;
use crate::op::{Build, Op, Request};

/// A stream that a listener gives, and how its peer is called.
pub trait Accepted: Stream + Sized + sealed::Peer {}

mod sealed {
    use std::io;
    use std::net::SocketAddr;

    pub trait Peer: Sized {
        type Addr;
        /// Whether the system shall tell the peer's IP address with the connection.
        const TELLS: bool;
        fn address(&self, told: Option<SocketAddr>) -> io::Result<Self::Addr>;
    }
}

impl Accepted for TcpStream {}

impl sealed::Peer for TcpStream {
    type Addr = std::net::SocketAddr;
    const TELLS: bool = true;

    fn address(&self, told: Option<Self::Addr>) -> io::Result<Self::Addr> {
        told.map_or_else(|| self.peer_addr(), Ok)
    }
}

impl Accepted for UnixStream {}

impl sealed::Peer for UnixStream {
    type Addr = std::os::unix::net::SocketAddr;
    const TELLS: bool = false;

    fn address(&self, _: Option<std::net::SocketAddr>) -> io::Result<Self::Addr> {
        self.peer_addr()
    }
}

/// What an accept owns until its end: the listener, and room for the peer's address.
type Owned = (SharedFd, IpRoom);

struct Listen {
    tells: bool,
}

impl Build<Owned> for Listen {
    fn build(self, payload: *mut Owned, _: *mut Scratch) -> Request {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let (fd, room) = unsafe { &mut *payload };
        let (mut addr_len, (mut addr, _)) = (room.len_place(), room.place());
        if !self.tells {
            (addr, addr_len) = (ptr::null_mut(), ptr::null_mut());
        }
        Request::Accept { fd: fd.raw(), addr, addr_len }
    }
}

/// A connection that is waited for. Made by `accept`; gives the stream, and the peer's address.
///
/// Begins at its first poll, and borrows nothing. Dropping it loses nothing but a connection that had already been taken
/// from the listener's queue, which is closed. To lose nothing at all, cancel it and await it:
///
/// ```
/// use std::time::Duration;
/// use ouzel::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// # ouzel::LocalRuntime::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut accept = listener.accept();
/// if ouzel::timeout(Duration::from_millis(1), &mut accept).await.is_err() {
///     accept.cancel();
///     match accept.await {
///         Ok((_stream, peer)) => println!("{peer} came just in time"),
///         Err(e) => assert!(ouzel::op::is_cancelled(&e)),
///     }
/// }
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "an accept does nothing until it is awaited"]
pub struct Accept<S> {
    op: Op<Owned, Listen>,
    stream: PhantomData<fn() -> S>,
}

impl<S: Accepted> Accept<S> {
    pub(super) fn new(fd: &SharedFd) -> Self {
        let op = Op::with((fd.clone(), IpRoom::default()), Listen { tells: S::TELLS });
        Accept { op, stream: PhantomData }
    }

    /// Asks for the end. Await the future afterwards: it gives the connection, if one had come, or an error for
    /// which [`is_cancelled`](crate::op::is_cancelled) holds; then none was taken.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();
}

impl<S: Accepted> Future for Accept<S> {
    type Output = io::Result<(S, S::Addr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, (_, room)) = ready!(Pin::new(&mut self.op).poll(cx));
        let raw = result? as RawFd;
        // SAFETY: the driver just created this descriptor and nobody else has its number.
        let stream: S = Share::into(SharedFd::new(unsafe { OwnedFd::from_raw_fd(raw) }));
        let peer = stream.address(room.get())?;
        Poll::Ready(Ok((stream, peer)))
    }
}

impl<S> fmt::Debug for Accept<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accept").field(&self.op).finish()
    }
}
