//! Connecting: a future with a name, so that it can be kept, cancelled and given a limit.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec;

use rustix::net::{AddressFamily, SocketType};

use super::base::{family_of, new_socket};
use super::limit::limit_methods;
use super::split::Stream;
use super::split::sealed::Share;
use super::to_socket_addrs::none_given;
use crate::addr::{STORAGE, encode, encode_unix};
use crate::fd::SharedFd;
use crate::op::raw::Scratch;
use crate::op::{self, Build, Op, Request};
use crate::time::{Nanos, Sleep, now, sleep_until};

/// How long nothing is tried after a Unix listener's queue was full: first, and at the most.
const PATIENCE: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(20));

/// An address as the system reads it.
#[derive(Clone, Copy)]
struct Target {
    family: AddressFamily,
    bytes: [u8; STORAGE],
    len: u32,
}

impl Target {
    fn ip(address: SocketAddr) -> Self {
        let mut bytes = [0; STORAGE];
        let len = encode(&address, &mut bytes);
        Target { family: family_of(address), bytes, len }
    }
}

impl Build<SharedFd> for Target {
    fn build(self, payload: *mut SharedFd, scratch: *mut Scratch) -> Request {
        let room = op::address_room(scratch);
        // SAFETY: the scratch space belongs to the slot, which outlives the operation.
        unsafe { room.write(self.bytes) };
        // SAFETY: the payload lies in its slot.
        let fd = unsafe { (*payload).raw() };
        Request::Connect { fd, addr: room.cast(), addr_len: self.len }
    }
}

/// What is tried: the socket, if there is one already, the address after `now`, and what went wrong last.
struct Attempts {
    socket: Option<SharedFd>,
    next: Option<Target>,
    rest: vec::IntoIter<SocketAddr>,
    failed: Option<io::Error>,
    /// A Unix listener whose queue was full is tried again.
    pause: Option<Sleep>,
    patience: Duration,
    now: Option<(Target, Op<SharedFd, Target>)>,
    cancelled: bool,
    limit: Nanos,
}

/// A connection that is being made. Made by `connect`; gives the stream.
///
/// Begins at its first poll, and borrows nothing. Dropping it closes the half-made connection.
///
/// ```
/// use std::time::Duration;
/// use ouzel::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// # ouzel::LocalRuntime::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// // If nobody answered for so long, that would be an error of the kind `TimedOut`.
/// let connect = TcpStream::connect(listener.local_addr()?).timeout(Duration::from_secs(5));
/// let stream = connect.await?;
/// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "a connect does nothing until it is awaited"]
pub struct Connect<S> {
    op: Attempts,
    stream: PhantomData<fn() -> S>,
}

impl<S: Stream> Connect<S> {
    fn new(
        socket: Option<SharedFd>,
        next: Option<Target>,
        rest: Vec<SocketAddr>,
        failed: Option<io::Error>,
    ) -> Self {
        let op = Attempts {
            socket,
            next,
            rest: rest.into_iter(),
            failed,
            pause: None,
            patience: PATIENCE.0,
            now: None,
            cancelled: false,
            limit: Nanos::MAX,
        };
        Connect { op, stream: PhantomData }
    }

    /// To the first of these that answers. Allocates for a second one.
    pub(super) fn any(addresses: io::Result<impl Iterator<Item = SocketAddr>>) -> Self {
        match addresses {
            Ok(mut all) => Self::new(None, all.next().map(Target::ip), all.collect(), None),
            Err(e) => Self::new(None, None, Vec::new(), Some(e)),
        }
    }

    /// By a socket that is there.
    pub(super) fn by(socket: SharedFd, address: SocketAddr) -> Self {
        Self::new(Some(socket), Some(Target::ip(address)), Vec::new(), None)
    }

    /// To a socket of this machine.
    pub(super) fn unix(address: io::Result<UnixAddr>) -> Self {
        let mut bytes = [0; STORAGE];
        match address.and_then(|address| encode_unix(&address, &mut bytes)) {
            Ok(len) => {
                let target = Target { family: AddressFamily::UNIX, bytes, len };
                Self::new(None, Some(target), Vec::new(), None)
            }
            Err(e) => Self::new(None, None, Vec::new(), Some(e)),
        }
    }

    /// Asks for the end. Await the future afterwards: it gives the stream, if the connection was made by then, or an
    /// error for which [`is_cancelled`](crate::op::is_cancelled) holds.
    pub fn cancel(&mut self) {
        self.op.cancelled = true;
        self.op.pause = None;
        if let Some((_, op)) = &mut self.op.now {
            op.cancel();
        }
    }

    limit_methods!();
}

impl Attempts {
    fn set_limit(&mut self, limit: Nanos) {
        self.limit = limit;
    }

    fn is_over(&self) -> Option<io::Error> {
        if self.cancelled {
            return Some(op::cancelled());
        }
        (self.limit != Nanos::MAX && now() >= self.limit).then(op::timed_out)
    }

    /// Begins with the next address; the error if there is none.
    fn begin(&mut self) -> io::Result<(Target, Op<SharedFd, Target>)> {
        let Some(target) = self.next.take().or_else(|| self.rest.next().map(Target::ip)) else {
            return Err(self.failed.take().unwrap_or_else(none_given));
        };
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => new_socket(target.family, SocketType::STREAM)?,
        };
        let mut op = Op::with(socket, target);
        op.set_limit(self.limit);
        if self.cancelled {
            op.cancel();
        }
        Ok((target, op))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<SharedFd>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(Pin::new(pause).poll(cx));
                self.pause = None;
            }
            let mut attempt = match self.now.take() {
                Some(attempt) => attempt,
                None => self.begin()?,
            };
            let Poll::Ready((result, socket)) = Pin::new(&mut attempt.1).poll(cx) else {
                self.now = Some(attempt);
                return Poll::Pending;
            };
            let Err(e) = result else { return Poll::Ready(Ok(socket)) };
            if op::is_cancelled(&e) {
                return Poll::Ready(Err(e));
            }
            if let Some(over) = self.is_over() {
                return Poll::Ready(Err(over));
            }
            if e.kind() == io::ErrorKind::WouldBlock {
                // The listener's queue is full, and the system tells nobody when it no longer is.
                self.next = Some(attempt.0);
                self.pause = Some(sleep_until((now() + self.patience).min(self.limit)));
                self.patience = (self.patience * 2).min(PATIENCE.1);
            }
            self.failed = Some(e);
        }
    }
}

impl<S: Stream> Future for Connect<S> {
    type Output = io::Result<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.op.poll(cx).map_ok(Share::into)
    }
}

impl<S> fmt::Debug for Connect<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("op", &self.op.now.as_ref().map(|now| &now.1)).finish_non_exhaustive()
    }
}
