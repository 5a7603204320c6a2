//! The handle of a task spawned on a [`Runtime`](crate::Runtime).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ouzel_core::error::JoinError;
use ouzel_core::task::{self, TaskId};

/// Waits for a task and takes its output.
///
/// Dropping it detaches the task, which runs on; its output is then dropped where it ends. The handle of
/// a task that was refused, by a closed runtime or for want of memory, says [`JoinError::Cancelled`].
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(1).build()?;
/// let task = runtime.spawn(std::future::pending::<()>());
/// task.abort();
/// assert!(runtime.block_on(task).unwrap_err().is_cancelled());
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a join handle detaches its task; call `detach` to say so"]
pub struct JoinHandle<T>(Option<task::JoinHandle<T>>);

impl<T> JoinHandle<T> {
    pub(crate) fn new(task: task::JoinHandle<T>) -> Self {
        JoinHandle(Some(task))
    }

    /// The handle of a task that was never made.
    pub(crate) fn refused() -> Self {
        JoinHandle(None)
    }

    /// Cancels the task: its future is dropped instead of polled again. Returns at once; await the handle to
    /// know that it has happened. A task that has ended stays as it is.
    pub fn abort(&self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }

    /// Lets the task run on without a handle.
    pub fn detach(self) {}

    /// Whether there never was a task: the runtime was closed, or there was no memory. The future has been dropped.
    #[inline]
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(task::JoinHandle::is_finished)
    }

    /// The task's weak id, for [`Handle::wake`](crate::Handle::wake) and hosts in other languages. `None`
    /// for a task that was refused.
    #[must_use]
    pub fn id(&self) -> Option<TaskId> {
        self.0.as_ref().map(task::JoinHandle::id)
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// After it has been ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(task) => Pin::new(task).poll(cx),
            None => Poll::Ready(Err(JoinError::Cancelled)),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
