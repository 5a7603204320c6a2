//! The blocking pool: threads for work that blocks, as few as will do and as many as it takes.
//!
//! ```text
//!  run, spawn ─► queue ─► thread (up to the number of processors: started on demand, kept)
//!                  │
//!                  └─ nothing began or ended for 10 ms ─► watcher adds one thread, up to the cap;
//!                                                          it ends after 10 s without work
//! ```
//!
//! Two seeds of this project were measured with hundreds of pool threads by default: short jobs then
//! cost more in switches than they do in work. So the pool starts at the number of processors. It must grow,
//! though: jobs that wait for one another would hang, and a cold disk wants more reads in flight
//! than there are processors. Both look the same from outside: jobs wait, all threads are busy, and none
//! of them gets anywhere. That is what the watcher looks for.
//!
//! Invariants, all under one lock:
//! - `idle` threads sleep and have not been promised a job; a promise (`claimed`) moves one of them out of
//!   `idle` at once, so two jobs in a row wake two threads;
//! - a job waits in the queue only while a thread exists that will come back for it;
//! - whenever more jobs wait than threads are on their way to the queue, none is idle and one more is
//!   allowed, the watcher is awake: it looks once per stall time. Else it rests, and ends with the
//!   keep-alive. Only a new job can begin this state, so only `push` looks after the watcher.
//!
//! What it gives up: a stall is told from a machine too busy to run our threads only by the watcher's
//! own lateness, so an overloaded machine may get a few threads too many. They end when idle.

mod config;
mod handle;
mod inner;
mod job;
mod queue;
pub(crate) mod scope;
#[cfg(test)]
mod tests;
mod threads;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use config::BlockingConfig;
pub use handle::BlockingHandle;
pub use inner::StartThread;
use inner::{Inner, Refusal, wait};
pub(crate) use job::Job;
use job::Work;
pub use scope::BlockingScope;

/// What the pool is doing and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockingMetrics {
    /// Threads now.
    pub threads: usize,
    /// Of these, threads that sleep.
    pub idle: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Most threads at any one time.
    pub peak_threads: usize,
    /// Times the pool was found stuck.
    pub stalls: u64,
    /// Jobs that ran to their end, by a panic or not.
    pub completed: u64,
}

/// A job that was not taken. Nothing of it has run.
pub(crate) struct Rejected<J> {
    /// The job itself.
    pub(crate) job: J,
    /// Why.
    pub(crate) why: Refusal,
}

impl<J> From<Rejected<J>> for io::Error {
    /// Drops the job.
    fn from(rejected: Rejected<J>) -> io::Error {
        rejected.into_parts().0
    }
}

impl<J> Rejected<J> {
    /// Why, and the job.
    pub(crate) fn into_parts(self) -> (io::Error, J) {
        let why = match self.why {
            Refusal::Closed => io::Error::other("the blocking pool has been shut down"),
            Refusal::NoThread(e) => e,
            Refusal::NoMemory => io::ErrorKind::OutOfMemory.into(),
        };
        (why, self.job)
    }
}

impl<J> fmt::Debug for Rejected<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejected").field(&self.why).finish()
    }
}

/// See the module. Dropping it shuts it down without waiting.
pub(crate) struct BlockingPool {
    inner: Arc<Inner>,
}

/// See [`BlockingPool::runner`].
#[derive(Clone)]
pub(crate) struct Runner(Arc<Inner>);

impl Runner {
    /// Queues a job nobody waits for. A panic in it is swallowed.
    ///
    /// # Errors
    /// The job, when the pool is closed, or has no memory for it, or cannot start its first thread.
    pub(crate) fn run(&self, job: Job) -> Result<(), Rejected<Job>> {
        match self.0.push(Work::Plain(job)) {
            Ok(_) => Ok(()),
            Err((Work::Plain(job), why)) => Err(Rejected { job, why }),
            Err((Work::Watched(_), _)) => unreachable!("a plain job went in"),
        }
    }
}

impl BlockingPool {
    /// A pool without a thread yet.
    #[cfg(test)]
    pub(crate) fn new(config: BlockingConfig) -> Self {
        Self::with_start(config, |builder, body| builder.spawn(body))
    }

    /// A pool without a thread yet, and how it starts one.
    pub(crate) fn with_start(config: BlockingConfig, start: StartThread) -> Self {
        BlockingPool { inner: Arc::new(Inner::new(config, start)) }
    }

    /// A way to queue jobs that does not keep the pool open.
    pub(crate) fn runner(&self) -> Runner {
        Runner(Arc::clone(&self.inner))
    }

    /// Queues a job; one allocation.
    ///
    /// # Errors
    /// As for [`Runner::run`].
    pub(crate) fn try_spawn<F, T>(&self, job: F) -> Result<BlockingHandle<T>, Rejected<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let pool = Arc::downgrade(&self.inner);
        handle::watch(job, pool, |work| self.inner.push(work)).map_err(|(job, why)| Rejected { job, why })
    }

    /// The same, for callers with nowhere to put an error: the handle of a job that was not taken says
    /// cancelled.
    pub(crate) fn spawn<F, T>(&self, job: F) -> BlockingHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.try_spawn(job).unwrap_or_else(|_| BlockingHandle::cancelled())
    }

    /// Refuses new jobs, cancels those that wait, and waits for those that run: up to `timeout`, or
    /// without an end. Returns whether all threads are gone. Called by a job of this pool it does not wait
    /// for that job, and says no.
    pub(crate) fn shutdown(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        self.inner.close();
        let mut state = self.inner.lock();
        let me = thread::current().id();
        let own = usize::from(state.handles.iter().any(|h| h.thread().id() == me));
        while state.threads + usize::from(state.watching) > own {
            // A timeout beyond the end of time is none.
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            state = wait(&self.inner.ended, state, left).0;
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for handle in handles {
            if handle.thread().id() != me {
                // They have left the pool's code, so this is short.
                let _ = handle.join();
            }
        }
        own == 0
    }

    /// What the pool is doing and has done.
    pub(crate) fn metrics(&self) -> BlockingMetrics {
        let state = self.inner.lock();
        BlockingMetrics {
            threads: state.threads,
            idle: state.idle,
            queued: state.queue.len(),
            peak_threads: state.peak_threads,
            stalls: state.stalls,
            completed: state.completed,
        }
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        self.inner.close();
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingPool").field(&self.metrics()).finish()
    }
}
