//! What the system offers in no other way than by a call that blocks: one hop to the blocking pool.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ouzel_core::error::JoinError;

use crate::blocking::BlockingHandle;
use crate::current;
use crate::op::raw::SubmitReason;

/// A job on the pool. Dropped before a thread has begun it, it does not run.
pub(super) struct Job<T>(BlockingHandle<io::Result<T>>);

impl<T: Send + 'static> Job<T> {
    pub(super) fn begin(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<Self> {
        current::with(|current| match current {
            Some(current) => Ok(Job(current.runtime.pool().spawn(job))),
            None => Err(SubmitReason::NoRuntime.into()),
        })
    }
}

impl<T> Future for Job<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(result) => result,
            Err(JoinError::Panic(payload)) => resume_unwind(payload.into_inner()),
            Err(_) => Err(io::Error::from_raw_os_error(libc::ECANCELED)),
        })
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs `job` on the pool.
pub(super) async fn on_pool<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    Job::begin(job)?.await
}
