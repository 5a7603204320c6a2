//! A future with a limit.
//!
//! By a timer on the wheel, for any future. What is late is dropped, and so cancelled as everything that is dropped.
//! A single operation is better given its limit by its own `timeout`, which drops nothing.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ouzel_core::driver::Nanos;

use super::sleep::{Sleep, sleep, sleep_until};

/// Waits for `future`, but not longer than `duration`, counted from this call.
///
/// Takes no memory but its own, and no timer if `future` is ready at once. Dropping it drops `future`, which an `.await`
/// does as soon as the time is over.
///
/// # Errors
/// [`Elapsed`] if the time was over first. A future that is ready at its first poll wins even when
/// `duration` is zero.
///
/// # Panics
/// When polled outside a runtime.
///
/// ```
/// use std::time::Duration;
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     let never = std::future::pending::<()>();
///     assert!(ouzel::time::timeout(Duration::from_millis(1), never).await.is_err());
/// });
/// # Ok(())
/// # }
/// ```
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(duration) }
}

/// Waits for `future`, but not longer than until `deadline`. See [`timeout`].
///
/// ```
/// use ouzel::time::{now, timeout_at};
/// use std::time::Duration;
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     // One deadline for several steps.
///     let deadline = now() + Duration::from_secs(5);
///     timeout_at(deadline, async { "a step" }).await.unwrap();
///     timeout_at(deadline, async { "another" }).await.unwrap();
/// });
/// # Ok(())
/// # }
/// ```
pub fn timeout_at<F: Future>(deadline: Nanos, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep_until(deadline) }
}

/// See [`timeout`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Timeout<F> {
    /// Pinned when the whole is.
    future: F,
    sleep: Sleep,
}

impl<F> Timeout<F> {
    /// The future that has a limit.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future that has a limit.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future without its limit.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `future` is not moved here.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: pinned with the whole: no method moves it out of a pinned one, and there is no `Drop`.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Not by the task's budget: a future that spends all of it in each poll would never be late.
        this.sleep.poll_unbudgeted(cx).map(|()| Err(Elapsed))
    }
}

/// The time given to [`timeout`] was over.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// async fn patient() -> io::Result<()> {
///     // As an error of the kind `TimedOut`.
///     ouzel::timeout(Duration::from_millis(1), std::future::pending()).await?
/// }
///
/// # fn main() -> io::Result<()> {
/// let error = ouzel::LocalRuntime::new()?.block_on(patient()).unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time allowed for the future is over")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(e: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, e)
    }
}
