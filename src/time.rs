//! Sleeping and deadlines on the worker's own timer wheel: no system call per timer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ouzel_core::driver::Deadline;
pub use ouzel_core::driver::Nanos;

use crate::op::raw::{self, RawOp};

/// The present time of the monotonic clock, the one deadlines are given on.
#[must_use]
pub fn now() -> Nanos {
    crate::platform::now()
}

/// Waits for `duration`, counted from this call.
///
/// Never returns early; how late depends on what else the worker has to do (the wheel itself rounds
/// up to a tick of less than 100 us). Dropping the future removes the timer.
///
/// # Panics
/// When polled outside a runtime.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// ouzel::LocalRuntime::new()?.block_on(async {
///     ouzel::time::sleep(std::time::Duration::from_millis(1)).await;
/// });
/// # Ok(())
/// # }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { deadline: now() + duration, timer: None, ahead: !duration.is_zero() }
}

/// Waits until `deadline`. See [`sleep`].
///
/// # Panics
/// When polled outside a runtime.
pub fn sleep_until(deadline: Nanos) -> Sleep {
    Sleep { deadline, timer: None, ahead: false }
}

/// See [`sleep`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    deadline: Nanos,
    timer: Option<RawOp<()>>,
    /// The deadline lay ahead when this was made: the first poll need not ask the clock, for if it has
    /// passed since, the timer ends at once.
    ahead: bool,
}

impl Sleep {
    /// When it ends.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(timer) = &mut self.timer {
                if timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.timer = None;
            }
            // A timer can end without its time having come: its runtime was closed, or its thread's
            // `block_on` returned. Then the sleep goes on where it is polled now.
            if !std::mem::take(&mut self.ahead) && now() >= self.deadline {
                return Poll::Ready(());
            }
            let deadline = Deadline(self.deadline);
            match raw::begin_timer(deadline) {
                Ok(timer) => self.timer = Some(timer),
                Err(e) => panic!("a sleep needs a runtime on the polling thread: {}", e.reason()),
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.end_timer();
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::{now, sleep};
    use crate::LocalRuntime;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    struct Counted;

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }

    /// A sleep that waits, and the waker it holds.
    fn begun(ms: u64) -> (super::Sleep, Arc<Counted>) {
        let counted = Arc::new(Counted);
        let waker = Waker::from(Arc::clone(&counted));
        let mut sleep = sleep(Duration::from_millis(ms));
        assert_eq!(Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)), Poll::Pending);
        (sleep, counted)
    }

    #[test]
    fn a_timer_dropped_anywhere_lets_its_waker_go_and_ends_no_other_one() {
        let (a, b) = (LocalRuntime::new().unwrap(), LocalRuntime::new().unwrap());
        let (at_home, elsewhere, in_another_runtime) = a.block_on(async { (begun(1), begun(1), begun(1)) });
        std::thread::spawn(move || drop(elsewhere.0)).join().unwrap();
        b.block_on(async move { drop(in_another_runtime.0) });
        a.block_on(async move {
            drop(at_home.0);
            // Whose timer went elsewhere is told by this thread, at its next turn.
            sleep(Duration::from_millis(3)).await;
            for (i, waker) in [at_home.1, elsewhere.1, in_another_runtime.1].iter().enumerate() {
                assert_eq!(Arc::strong_count(waker), 1, "timer {i}");
            }
            for _ in 0..20 {
                let (early, waker) = begun(1);
                drop(early);
                assert_eq!(Arc::strong_count(&waker), 1);
                // It has the slot of the one before.
                let due = now() + Duration::from_millis(3);
                sleep(Duration::from_millis(3)).await;
                assert!(now() >= due, "another timer's end was taken for this one's");
            }
        });
    }
}
