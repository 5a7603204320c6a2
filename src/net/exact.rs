//! The futures of transfers that go on until a buffer is full or empty; otherwise as in [`transfer`](super::transfer).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::limit::limit_methods;
use super::transfer::{By, Owned, Receive, Transmit, debug};
use crate::buf::{IoBuf, IoBufMut};
use crate::fd::SharedFd;
use crate::op::{Op, timed_out};

/// Receives in progress until a buffer is full; see the method that made it.
#[must_use = "a read does nothing until it is awaited"]
pub struct ReadExact<B: IoBufMut> {
    op: Op<Owned<B>, Receive>,
    by: By,
    done: usize,
    room: usize,
}

impl<B: IoBufMut> ReadExact<B> {
    pub(super) fn new(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Socket(0))
    }

    /// Of what is no socket.
    pub(crate) fn of_pipe(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Pipe)
    }

    fn by(fd: &SharedFd, buf: B, by: By) -> Self {
        let room = buf.capacity();
        ReadExact { op: Op::with((fd.clone(), buf), Receive { at: 0, by }), by, done: 0, room }
    }

    /// Asks for the end. Await the future afterwards: it gives the buffer back, with what had arrived.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();

    /// Bytes received so far.
    #[must_use]
    pub fn transferred(&self) -> usize {
        self.done
    }
}

impl<B: IoBufMut> Future for ReadExact<B> {
    type Output = (io::Result<()>, B);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (result, (fd, mut buf)) = ready!(Pin::new(&mut self.op).poll(cx));
            let mut result = match result {
                Ok(0) if self.done < self.room => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.done += n;
                    Ok(())
                }
                Err(e) => Err(e),
            };
            if result.is_ok() && self.done < self.room {
                let (at, by) = (self.done, self.by);
                if !self.op.is_late() {
                    self.op.go_on((fd, buf), Receive { at, by });
                    continue;
                }
                result = Err(timed_out());
            }
            // SAFETY: the kernel wrote so many bytes from the buffer's start, at most its capacity.
            unsafe { buf.set_filled(self.done) };
            return Poll::Ready((result, buf));
        }
    }
}

/// Sends in progress until all of a buffer is out; see the method that made it.
#[must_use = "a write does nothing until it is awaited"]
pub struct WriteAll<B: IoBuf> {
    op: Op<Owned<B>, Transmit>,
    by: By,
    done: usize,
    zero_copy: bool,
}

impl<B: IoBuf> WriteAll<B> {
    pub(super) fn new(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Socket(0))
    }

    /// Of what is no socket.
    pub(crate) fn of_pipe(fd: &SharedFd, buf: B) -> Self {
        Self::by(fd, buf, By::Pipe)
    }

    fn by(fd: &SharedFd, buf: B, by: By) -> Self {
        let transmit = Transmit { at: 0, by, zero_copy: false };
        WriteAll { op: Op::with((fd.clone(), buf), transmit), by, done: 0, zero_copy: false }
    }

    /// As [`Write::zero_copy`](super::Write::zero_copy).
    pub fn zero_copy(mut self) -> Self {
        self.zero_copy = true;
        self.op.change(|transmit| transmit.zero_copy = true);
        self
    }

    /// Asks for the end. Await the future afterwards: it gives the buffer back, and
    /// [`transferred`](Self::transferred) says how much of it went out.
    pub fn cancel(&mut self) {
        self.op.cancel();
    }

    limit_methods!();

    /// Bytes sent so far.
    #[must_use]
    pub fn transferred(&self) -> usize {
        self.done
    }
}

impl<B: IoBuf> Future for WriteAll<B> {
    type Output = (io::Result<()>, B);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (result, (fd, buf)) = ready!(Pin::new(&mut self.op).poll(cx));
            let mut result = match result {
                Ok(0) if self.done < buf.len() => Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.done += n;
                    Ok(())
                }
                Err(e) => Err(e),
            };
            if result.is_ok() && self.done < buf.len() {
                let transmit = Transmit { at: self.done, by: self.by, zero_copy: self.zero_copy };
                if !self.op.is_late() {
                    self.op.go_on((fd, buf), transmit);
                    continue;
                }
                result = Err(timed_out());
            }
            return Poll::Ready((result, buf));
        }
    }
}

debug!(ReadExact: IoBufMut, WriteAll: IoBuf);
