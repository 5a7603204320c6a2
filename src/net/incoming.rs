//! Accepting by one operation.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{FromRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::split::Stream;
use super::split::sealed::Share;
use crate::fd::SharedFd;
use crate::op::Request;
use crate::op::raw::{self, Completion, RawOp};
use crate::time::{Sleep, sleep};

/// How long nothing is accepted after the system had no room for a connection: first, and at the most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// The connections of a listener, as they come. Made by `incoming`.
///
/// One operation accepts until it is cancelled, where the system can, else one after the other. When descriptors or
/// memory have run out (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`), `next` says so once, waits a while before it tries
/// again (5 ms, then twice as long each time, up to half a second), and goes on as soon as there is room: the
/// connections stay in the listener's queue.
///
/// Dropping it closes the connections that were accepted and not taken; [`cancel`](Self::cancel) does not.
///
/// ```
/// use ouzel::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let mut incoming = listener.incoming();
///     for _ in 0..3 {
///         let client = TcpStream::connect(listener.local_addr()?).await?;
///         let server = incoming.next().await.expect("nobody has cancelled it")?;
///         assert_eq!(server.peer_addr()?, client.local_addr()?);
///     }
///     Ok(())
/// })
/// # }
/// ```
pub struct Incoming<S> {
    fd: SharedFd,
    op: Option<RawOp<SharedFd>>,
    /// After the system had no room.
    pause: Option<Sleep>,
    patience: Duration,
    cancelled: bool,
    stream: PhantomData<fn() -> S>,
}

impl<S: Stream> Incoming<S> {
    pub(super) fn new(fd: &SharedFd) -> Self {
        let (fd, patience) = (fd.clone(), PATIENCE.0);
        Incoming { fd, op: None, pause: None, patience, cancelled: false, stream: PhantomData }
    }

    /// The next connection; `None` after a cancellation alone.
    ///
    /// Allocates the stream's shared descriptor. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<io::Result<S>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Asks for the end. Connections that were accepted by then still come out of [`next`](Self::next), then `None`;
    /// all others are left to whoever accepts next.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        if let Some(op) = &mut self.op {
            op.cancel();
        }
    }

    /// As [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<S>>> {
        loop {
            let Some(op) = &mut self.op else {
                if self.cancelled {
                    return Poll::Ready(None);
                }
                if let Some(pause) = &mut self.pause {
                    ready!(Pin::new(pause).poll(cx));
                    self.pause = None;
                }
                let raw = self.fd.raw();
                // SAFETY: the request points at nothing; its payload keeps the descriptor open.
                match unsafe { raw::submit(self.fd.clone(), move |_, _| Request::AcceptMulti { fd: raw }) } {
                    Ok(op) => self.op = Some(op),
                    Err(e) => return Poll::Ready(Some(Err(e.reason().into()))),
                }
                continue;
            };
            let Some(c) = ready!(op.poll_next(cx)) else {
                self.op = None;
                continue;
            };
            if !c.more() {
                self.op = None;
            }
            if let Some(fd) = accepted(c) {
                self.patience = PATIENCE.0;
                return Poll::Ready(Some(Ok(Share::into(SharedFd::new(fd)))));
            }
            match -c.res {
                // They came faster than they were taken, or the runtime went on without us, or a client gave up.
                libc::ECANCELED | libc::ECONNABORTED => {}
                e => {
                    if [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&e) {
                        self.pause = Some(sleep(self.patience));
                        self.patience = (self.patience * 2).min(PATIENCE.1);
                    }
                    return Poll::Ready(Some(Err(io::Error::from_raw_os_error(e))));
                }
            }
        }
    }
}

fn accepted(c: Completion) -> Option<OwnedFd> {
    // SAFETY: a completion of an accept names a descriptor made for us, and comes once.
    (c.res >= 0).then(|| unsafe { OwnedFd::from_raw_fd(c.res) })
}

impl<S> Drop for Incoming<S> {
    fn drop(&mut self) {
        // On other threads than a local runtime's own, the runtime does it. After its end nobody else would.
        if let Some(op) = &mut self.op {
            while let Some(c) = op.next_if_here() {
                drop(accepted(c).map(SharedFd::new));
            }
        }
    }
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("fd", &self.fd).field("op", &self.op).finish_non_exhaustive()
    }
}
