//! The futures of reads and writes: named, so that they can be kept and cancelled.
//!
//! Each owns its buffer and a share of the descriptor, and borrows nothing. Each begins at its first poll.
//! `cancel` asks for the end and the future is awaited as before: it gives the buffer back, with what it had done
//! by then, or an error for which [`is_cancelled`](crate::op::is_cancelled) holds.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::slice;
use std::task::{Context, Poll, ready};

use rustix::net::RecvFlags;

use super::limit::limit_methods;
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::op::raw::{AT_POSITION, Scratch};
use crate::op::{Build, Op, Request, Tried};
use crate::platform;

/// What a transfer owns until its end.
pub(super) type Owned<B> = (SharedFd, B);

/// By which call bytes move.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// A stream's own, with flags: a receive most often waits, and sends go to the kernel with the next wait.
    Socket(i32),
    /// The same of datagrams, which are tried first.
    Datagram(i32),
    /// A pipe's.
    Pipe,
}

/// A receive into a buffer, from its byte `at` on.
#[derive(Clone, Copy)]
pub(super) struct Receive {
    pub(super) at: usize,
    pub(super) by: By,
}

impl<B: IoBufMut> Build<Owned<B>> for Receive {
    fn build(self, payload: *mut Owned<B>, _: *mut Scratch) -> Request {
        // SAFETY: the payload lies in its slot and nobody else touches it before completion.
        let (fd, buf) = unsafe { &mut *payload };
        let (at, len) = (buf.as_mut_ptr().wrapping_add(self.at), buf.capacity() - self.at);
        match self.by {
            // The kernel would wait for bytes that it then does not take.
            By::Socket(_) | By::Pipe if len == 0 => Request::Nop,
            By::Socket(flags) | By::Datagram(flags) => Request::Recv { fd: fd.raw(), buf: at, len, flags },
            By::Pipe => Request::Read { fd: fd.raw(), buf: at, len, offset: AT_POSITION },
        }
    }

    fn tried(&self, (fd, _): &Owned<B>) -> Option<Tried> {
        matches!(self.by, By::Datagram(_)).then(|| Tried { fd: fd.raw(), writing: false })
    }

    fn attempt(&self, (fd, buf): &mut Owned<B>) -> io::Result<usize> {
        let By::Datagram(flags) = self.by else { return Err(io::ErrorKind::WouldBlock.into()) };
        let (_, n) = rustix::net::recv(fd, room_of(buf), now(flags))?;
        Ok(n)
    }
}

/// A send of a buffer, from its byte `at` on.
#[derive(Clone, Copy)]
pub(super) struct Transmit {
    pub(super) at: usize,
    pub(super) by: By,
    /// Out of the buffer itself, where the system can.
    pub(super) zero_copy: bool,
}

impl<B: IoBuf> Build<Owned<B>> for Transmit {
    fn build(self, payload: *mut Owned<B>, _: *mut Scratch) -> Request {
        // SAFETY: as for `Receive`.
        let (fd, buf) = unsafe { &*payload };
        let (at, len) = (buf.as_ptr().wrapping_add(self.at), buf.len() - self.at);
        match self.by {
            By::Socket(flags) | By::Datagram(flags) if self.zero_copy => {
                Request::SendZeroCopy { fd: fd.raw(), buf: at, len, flags }
            }
            By::Socket(flags) | By::Datagram(flags) => {
                Request::Send { fd: fd.raw(), buf: at, len, flags, lazy: false }
            }
            By::Pipe => Request::Write { fd: fd.raw(), buf: at, len, offset: AT_POSITION },
        }
    }

    fn tried(&self, (fd, _): &Owned<B>) -> Option<Tried> {
        let tried = matches!(self.by, By::Datagram(_)) && !self.zero_copy;
        tried.then(|| Tried { fd: fd.raw(), writing: true })
    }

    fn attempt(&self, (fd, buf): &mut Owned<B>) -> io::Result<usize> {
        Ok(rustix::net::send(fd, bytes_of(buf), platform::SEND_NOW)?)
    }
}

/// The flags of a receive that does not wait.
pub(super) fn now(flags: i32) -> RecvFlags {
    RecvFlags::from_bits_retain(flags as _) | RecvFlags::DONTWAIT
}

/// All of a buffer's room.
pub(super) fn room_of<B: IoBufMut>(buf: &mut B) -> &mut [MaybeUninit<u8>] {
    let (at, len) = (buf.as_mut_ptr().cast(), buf.capacity());
    if len == 0 {
        return &mut [];
    }
    // SAFETY: `IoBufMut` vouches for so many writable bytes, which are the buffer's alone.
    unsafe { slice::from_raw_parts_mut(at, len) }
}

/// The bytes of a buffer.
pub(super) fn bytes_of<B: IoBuf>(buf: &B) -> &[u8] {
    let (at, len) = (buf.as_ptr(), buf.len());
    if len == 0 {
        return &[];
    }
    // SAFETY: `IoBuf` vouches for so many readable bytes.
    unsafe { slice::from_raw_parts(at, len) }
}

/// A receive in progress; see the method that made it.
///
/// ```
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// # let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// # runtime.block_on(async {
/// # let listener = ouzel::net::TcpListener::bind("127.0.0.1:0")?;
/// # let _client = ouzel::net::TcpStream::connect(listener.local_addr()?).await?;
/// # let (stream, _) = listener.accept().await?;
/// let mut read = stream.read(Vec::with_capacity(4096));
/// let (result, _buf) = match ouzel::timeout(Duration::from_millis(1), &mut read).await {
///     Ok(done) => done,
///     Err(_) => {
///         // What arrives while the cancellation is on its way is not lost: it is in the buffer.
///         read.cancel();
///         read.await
///     }
/// };
/// assert!(result.is_err_and(|e| ouzel::op::is_cancelled(&e)));
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "a read does nothing until it is awaited"]
pub struct Read<B: IoBufMut> {
    op: Op<Owned<B>, Receive>,
}

impl<B: IoBufMut> Read<B> {
    pub(super) fn new(fd: &SharedFd, buf: B, flags: i32) -> Self {
        Self::by(fd, buf, By::Socket(flags))
    }

    /// Of one datagram.
    pub(super) fn of_datagram(fd: &SharedFd, buf: B, flags: i32) -> Self {
        Self::by(fd, buf, By::Datagram(flags))
    }

    /// Of what is no socket.
    pub(crate) fn of_pipe(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Pipe)
    }

    fn by(fd: &SharedFd, buf: B, by: By) -> Self {
        Read { op: Op::with((fd.clone(), buf), Receive { at: 0, by }) }
    }

    /// Asks for the end. Await the future afterwards: it gives the buffer back, with what had arrived.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();
}

impl<B: IoBufMut> Future for Read<B> {
    type Output = (io::Result<usize>, B);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, (_, mut buf)) = ready!(Pin::new(&mut self.op).poll(cx));
        if let Ok(n) = result {
            // SAFETY: the kernel wrote `n` bytes from the buffer's start, at most its capacity.
            unsafe { buf.set_filled(n) };
        }
        Poll::Ready((result, buf))
    }
}

/// A send in progress; see the method that made it.
#[must_use = "a write does nothing until it is awaited"]
pub struct Write<B: IoBuf> {
    op: Op<Owned<B>, Transmit>,
}

impl<B: IoBuf> Write<B> {
    pub(super) fn new(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Socket(0))
    }

    /// Of one datagram.
    pub(super) fn of_datagram(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Datagram(0))
    }

    /// Of what is no socket.
    pub(crate) fn of_pipe(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Pipe)
    }

    fn by(fd: &SharedFd, buf: B, by: By) -> Self {
        Write { op: Op::with((fd.clone(), buf), Transmit { at: 0, by, zero_copy: false }) }
    }

    /// Sends out of the buffer itself instead of a copy of it, on io_uring from Linux 6.0 to a TCP or UDP socket; elsewhere
    /// this changes nothing. To be called before the first poll.
    ///
    /// The buffer comes back when the peer has acknowledged all of it, for until then the system reads it. The end of
    /// the runtime gives a silent peer a second, and then resets the connection.
    ///
    /// For large buffers and networks whose hardware can: on loopback the system copies all the same (figures in
    /// `docs/io.md`).
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # ouzel::LocalRuntime::new()?.block_on(async {
    /// use ouzel::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (server, _) = listener.accept().await?;
    /// client.write_all(vec![7; 1000]).zero_copy().await.0?;
    /// assert_eq!(server.read_exact(vec![0; 1000]).await.1, [7; 1000]);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn zero_copy(mut self) -> Self {
        self.op.change(|transmit| transmit.zero_copy = true);
        self
    }

    /// Asks for the end. Await the future afterwards: it gives the buffer back, and the count of what went out.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();
}

impl<B: IoBuf> Future for Write<B> {
    type Output = (io::Result<usize>, B);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, (_, buf)) = ready!(Pin::new(&mut self.op).poll(cx));
        Poll::Ready((result, buf))
    }
}

/// `Debug` of a future with an operation in it.
macro_rules! debug {
    ($($name:ident: $bound:ident),*) => {$(
        impl<B: $bound> std::fmt::Debug for $name<B> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.op).finish()
            }
        }
    )*};
}
pub(super) use debug;
debug!(Read: IoBufMut, Write: IoBuf);
