//! Waiting for readiness alone, for calls that somebody else makes.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::op::raw::{self, RawOp};
use crate::op::{self, Request};
use crate::platform;

/// Any descriptor that can be waited for, and the calls its user makes on it: reads into borrowed memory, and what
/// this crate has no operation for.
///
/// The rule is: make the call, and if it would block, wait, then make it again. What this type waits for is told as long
/// as it holds; it may be gone again when the call is made.
///
/// An adapter to another library's traits keeps one of these and calls [`poll_read_with`](Self::poll_read_with) and
/// [`poll_write_with`](Self::poll_write_with): the bytes go straight to the caller's buffer, and nothing is allocated for
/// a call. One task at a time waits in each direction; for more, use [`readable`](Self::readable).
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// use ouzel::net::{PollFd, UnixStream};
///
/// /// Somebody else's trait.
/// trait BorrowedRead {
///     fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<std::io::Result<usize>>;
/// }
///
/// struct Adapter(PollFd<UnixStream>);
///
/// impl BorrowedRead for Adapter {
///     fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<std::io::Result<usize>> {
///         self.0.poll_read_with(cx, |stream| stream.try_read(buf))
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// runtime.block_on(async {
///     let (a, b) = UnixStream::pair()?;
///     let mut adapter = Adapter(PollFd::new(b)?);
///     a.write_all("borrowed").await.0?;
///     let mut buf = [0; 16];
///     let n = std::future::poll_fn(|cx| Pin::new(&mut adapter).poll_read(cx, &mut buf)).await?;
///     assert_eq!(&buf[..n], b"borrowed");
///     Ok(())
/// })
/// # }
/// ```
pub struct PollFd<T: AsFd + 'static> {
    shared: Arc<Shared<T>>,
    reading: Waiting<T>,
    writing: Waiting<T>,
}

/// Stays as long as an operation is in flight, and keeps the descriptor open: see [`crate::fd`].
struct Shared<T: AsFd> {
    /// Taken with the last reference.
    inner: Option<T>,
}

type Waiting<T> = Option<RawOp<Arc<Shared<T>>>>;

impl<T: AsFd> Shared<T> {
    fn get(&self) -> &T {
        self.inner.as_ref().expect("taken only with the last reference")
    }

    fn raw(&self) -> RawFd {
        self.get().as_fd().as_raw_fd()
    }
}

impl<T: AsFd> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(inner) = &self.inner {
            platform::fd_changed(inner.as_fd().as_raw_fd());
        }
    }
}

impl<T: AsFd + 'static> PollFd<T> {
    /// Takes over `inner`, whose descriptor stays the same, and makes it non-blocking.
    ///
    /// # Errors
    /// The system's, when it cannot be made non-blocking.
    pub fn new(inner: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&inner, true)?;
        platform::fd_changed(inner.as_fd().as_raw_fd());
        Ok(PollFd { shared: Arc::new(Shared { inner: Some(inner) }), reading: None, writing: None })
    }

    /// What is waited for.
    pub fn get_ref(&self) -> &T {
        self.shared.get()
    }

    /// Gives up waiting, and the descriptor back.
    ///
    /// # Errors
    /// Itself while an operation is in flight: a wait that was given up may take a moment to end.
    pub fn into_inner(mut self) -> Result<T, Self> {
        (self.reading, self.writing) = (None, None);
        match Arc::try_unwrap(self.shared) {
            Ok(mut shared) => {
                platform::fd_changed(shared.raw());
                Ok(shared.inner.take().expect("it is the last reference"))
            }
            Err(shared) => Err(PollFd { shared, reading: None, writing: None }),
        }
    }

    /// Waits until it can be read from, or has an error or an end to tell. Dropping the future ends the wait.
    ///
    /// # Errors
    /// The system's, for what cannot be waited for.
    pub async fn readable(&self) -> io::Result<()> {
        let mut waiting = None;
        poll_fn(|cx| wait(&self.shared, &mut waiting, false, cx)).await
    }

    /// Waits until it can be written to, or has an error to tell. Dropping the future ends the wait.
    ///
    /// # Errors
    /// The system's, for what cannot be waited for.
    pub async fn writable(&self) -> io::Result<()> {
        let mut waiting = None;
        poll_fn(|cx| wait(&self.shared, &mut waiting, true, cx)).await
    }

    /// As [`readable`](Self::readable); a wait goes on from one call to the next, and wakes the last task that asked.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        wait(&self.shared, &mut self.reading, false, cx)
    }

    /// As [`writable`](Self::writable); a wait goes on from one call to the next, and wakes the last task that asked.
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        wait(&self.shared, &mut self.writing, true, cx)
    }

    /// Calls `call` until it does not say `WouldBlock`, and waits in between until there is something to read.
    ///
    /// # Errors
    /// What `call` says.
    pub fn poll_read_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        call_or_wait(&self.shared, &mut self.reading, false, cx, call)
    }

    /// Calls `call` until it does not say `WouldBlock`, and waits in between until there is room to write.
    ///
    /// # Errors
    /// What `call` says.
    pub fn poll_write_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        call: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        call_or_wait(&self.shared, &mut self.writing, true, cx, call)
    }

    /// As [`poll_read_with`](Self::poll_read_with), to be awaited.
    ///
    /// # Errors
    /// What `call` says.
    pub async fn read_with<R>(&self, mut call: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let mut waiting = None;
        poll_fn(|cx| call_or_wait(&self.shared, &mut waiting, false, cx, &mut call)).await
    }

    /// As [`poll_write_with`](Self::poll_write_with), to be awaited.
    ///
    /// # Errors
    /// What `call` says.
    pub async fn write_with<R>(&self, mut call: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let mut waiting = None;
        poll_fn(|cx| call_or_wait(&self.shared, &mut waiting, true, cx, &mut call)).await
    }
}

fn wait<T: AsFd + 'static>(
    shared: &Arc<Shared<T>>,
    waiting: &mut Waiting<T>,
    writing: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let op = match waiting {
        Some(op) => op,
        None => {
            let fd = shared.raw();
            // SAFETY: the request points at nothing; its payload keeps the descriptor open.
            let begun = unsafe { raw::submit(Arc::clone(shared), move |_, _| Request::Poll { fd, writing }) };
            waiting.insert(begun.map_err(|e| e.reason())?)
        }
    };
    let (completion, _) = ready!(op.poll(cx));
    *waiting = None;
    match op::result(completion.res) {
        // The runtime went on without us: whoever waits makes the call, and comes again.
        Err(e) if op::is_cancelled(&e) => Poll::Ready(Ok(())),
        result => Poll::Ready(result.map(drop)),
    }
}

fn call_or_wait<T: AsFd + 'static, R>(
    shared: &Arc<Shared<T>>,
    waiting: &mut Waiting<T>,
    writing: bool,
    cx: &mut Context<'_>,
    mut call: impl FnMut(&T) -> io::Result<R>,
) -> Poll<io::Result<R>> {
    loop {
        // A wait in progress first: what it waits for is not there, or it would be over.
        if waiting.is_some() {
            ready!(wait(shared, waiting, writing, cx))?;
        }
        match call(shared.get()) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready!(wait(shared, waiting, writing, cx))?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}

impl<T: AsFd + 'static> AsFd for PollFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd + 'static> AsRawFd for PollFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.raw()
    }
}

impl<T: AsFd + fmt::Debug + 'static> fmt::Debug for PollFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollFd")
            .field("inner", self.get_ref())
            .field("reading", &self.reading)
            .field("writing", &self.writing)
            .finish()
    }
}
