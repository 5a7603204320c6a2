//! A job on its way through the pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A closure for [`Runner::run`](super::Runner::run).
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// What waits in the queue.
pub(super) enum Work {
    /// Nobody waits for it.
    Plain(Job),
    /// Somebody may.
    Watched(Watched),
}

impl Work {
    /// Runs it to its end. Does not unwind.
    pub(super) fn run(self) {
        quietly(|| match self {
            Work::Plain(job) => job(),
            Work::Watched(watched) => watched.0.run(),
        });
    }
}

/// Calls `f` and swallows its panic: the panic hook has told of it.
pub(super) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // A payload may panic in its destructor; a second payload is not looked at.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
    }
}

/// A job with a handle. Dropped without having run, it is cancelled.
pub(super) struct Watched(pub(super) Arc<dyn Runnable>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What a [`Watched`] is to the pool.
pub(super) trait Runnable: Send + Sync {
    fn run(&self);
    fn cancel(&self);
}
