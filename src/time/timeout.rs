//! A future with a limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::sleep::sleep;

/// Waits for `future`, but not longer than `duration`.
///
/// Dropping it drops `future`. When the time is over `future` is dropped too, before this returns.
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
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut sleep = sleep(duration);
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed))
    })
    .await
}

/// The time given to [`timeout`] was over.
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
