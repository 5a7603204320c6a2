//! Receiving a stream by one operation, into buffers of the driver's.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::chunk::Chunk;
use super::transfer::Read;
use crate::fd::SharedFd;
use crate::op::lending::begin_receiving;
use crate::op::raw::RawOp;
use crate::provided::Provided;

/// Room for a piece that is received without a provided buffer.
const PIECE: usize = 16 * 1024;

/// The bytes of a stream, in pieces as they come. Made by `recv_stream`.
///
/// One operation receives until the stream ends, into provided buffers of the thread it was begun on; it is begun
/// again, on the thread that polls then, when the driver has run out of buffers or pieces came faster than they were
/// taken. No byte is lost or moved by that. Without buffers, a piece is received into memory allocated for it.
///
/// Dropping it loses the pieces that were received and not taken; [`cancel`](Self::cancel) does not.
///
/// ```
/// use ouzel::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let (a, b) = UnixStream::pair()?;
///     let mut pieces = b.recv_stream();
///     a.write_all("hello").await.0?;
///     let piece = pieces.next().await.expect("the stream goes on")?;
///     assert_eq!(&*piece, b"hello");
///     drop(a);
///     assert!(pieces.next().await.is_none());
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct RecvStream {
    fd: SharedFd,
    state: State,
    /// No more is begun.
    cancelled: bool,
}

#[derive(Debug)]
enum State {
    Idle,
    Receiving(RawOp<SharedFd>, Arc<Provided>),
    /// One piece, into memory of its own.
    Plain(Read<Vec<u8>>),
    Ended,
}

impl RecvStream {
    pub(super) fn new(fd: &SharedFd) -> Self {
        RecvStream { fd: fd.clone(), state: State::Idle, cancelled: false }
    }

    /// The next piece, at least one byte; `None` after the peer has finished, or after a cancellation.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<io::Result<Chunk>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Asks for the end. What had been received by then still comes out of [`next`](Self::next), then `None`; after
    /// that the next read of the stream continues at the right byte.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        match &mut self.state {
            State::Receiving(op, _) => op.cancel(),
            State::Plain(read) => read.cancel(),
            State::Idle | State::Ended => {}
        }
    }

    /// As [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        loop {
            let step = match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Idle if self.cancelled => Step::End,
                State::Idle => {
                    match begin_receiving(self.fd.clone()) {
                        Ok(Some((op, home))) => self.state = State::Receiving(op, home),
                        Ok(None) => self.state = State::Plain(self.plain()),
                        Err(e) => return Poll::Ready(Some(Err(e.into()))),
                    }
                    continue;
                }
                State::Receiving(op, home) => match ready!(op.poll_next(cx)) {
                    // The end was told before.
                    None => Step::Again,
                    Some(c) => {
                        if let Some(id) = c.buffer() {
                            // SAFETY: the completion says so, and it comes once.
                            let chunk = unsafe { Chunk::lent(Arc::clone(home), id, c.res as u32) };
                            if !c.more() {
                                self.state = State::Idle;
                            }
                            return Poll::Ready(Some(Ok(chunk)));
                        }
                        match c.res {
                            _ if c.more() => continue,
                            0 => Step::End,
                            e if e == -libc::ENOBUFS => Step::Plain,
                            // Pieces came faster than they were taken, or the runtime went on without us.
                            e if e == -libc::ECANCELED => Step::Again,
                            e => Step::Fail(io::Error::from_raw_os_error(-e)),
                        }
                    }
                },
                State::Plain(read) => match ready!(Pin::new(read).poll(cx)) {
                    (Ok(0), _) => Step::End,
                    (Ok(_), bytes) => {
                        self.state = State::Idle;
                        return Poll::Ready(Some(Ok(Chunk::own(bytes))));
                    }
                    (Err(e), _) if crate::op::is_cancelled(&e) => Step::Again,
                    (Err(e), _) => Step::Fail(e),
                },
            };
            self.state = match step {
                Step::Again => State::Idle,
                Step::Plain if !self.cancelled => State::Plain(self.plain()),
                Step::Plain | Step::End => State::Ended,
                Step::Fail(e) => {
                    self.state = State::Idle;
                    return Poll::Ready(Some(Err(e)));
                }
            };
        }
    }

    fn plain(&self) -> Read<Vec<u8>> {
        Read::new(&self.fd, Vec::with_capacity(PIECE), 0)
    }
}

/// What follows an operation that is over.
enum Step {
    Again,
    Plain,
    End,
    Fail(io::Error),
}
