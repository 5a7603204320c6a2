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
mod job;
mod queue;
#[cfg(test)]
mod tests;
mod threads;

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use config::BlockingConfig;
pub use job::BlockingHandle;
pub(crate) use job::Job;
use job::{Work, quietly};
use queue::Queue;

/// How a thread is started; tests put in one that fails.
type Start = fn(thread::Builder, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

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

/// Why a pool did not take a job.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It has been shut down.
    Closed,
    /// It has no thread, and the system refuses to start one.
    NoThread(io::Error),
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
        let Rejected { job, why } = rejected;
        drop(job);
        match why {
            Refusal::Closed => io::Error::other("the blocking pool has been shut down"),
            Refusal::NoThread(e) => e,
        }
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

pub(crate) struct Inner {
    config: BlockingConfig,
    start: Start,
    state: Mutex<State>,
    /// Idle threads sleep here.
    work: Condvar,
    /// The watcher sleeps here.
    watch: Condvar,
    /// A shutdown waits here for threads to end.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue<Work>,
    threads: usize,
    idle: usize,
    /// Sleepers that have been promised a job and are not up yet.
    claimed: usize,
    /// Threads that have been started and have not come to the queue yet.
    starting: usize,
    /// Moves whenever a job begins, ends or is removed.
    progress: u64,
    closed: bool,
    /// The watcher's thread exists.
    watching: bool,
    /// It has nothing to watch and wants to be told when it has.
    resting: bool,
    handles: Vec<JoinHandle<()>>,
    peak_threads: usize,
    stalls: u64,
    completed: u64,
}

/// See [`BlockingPool::runner`].
#[derive(Clone)]
pub(crate) struct Runner(Arc<Inner>);

impl Runner {
    /// Queues a job nobody waits for. A panic in it is swallowed.
    ///
    /// # Errors
    /// The job, when the pool is closed or cannot start its first thread.
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
    pub(crate) fn new(config: BlockingConfig) -> Self {
        Self::with_start(config, |builder, body| builder.spawn(body))
    }

    fn with_start(config: BlockingConfig, start: Start) -> Self {
        BlockingPool {
            inner: Arc::new(Inner {
                config: config.within_bounds(),
                start,
                state: Mutex::default(),
                work: Condvar::new(),
                watch: Condvar::new(),
                ended: Condvar::new(),
            }),
        }
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
        job::watch(job, pool, |work| self.inner.push(work)).map_err(|(job, why)| Rejected { job, why })
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

/// Waits on `condvar`; the flag says that `timeout` is over.
fn wait<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    timeout: Option<Duration>,
) -> (MutexGuard<'a, State>, bool) {
    match timeout {
        None => (condvar.wait(state).unwrap_or_else(PoisonError::into_inner), false),
        Some(timeout) => {
            let waited = condvar.wait_timeout(state, timeout);
            let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
            (state, result.timed_out())
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No foreign code runs under the lock, so the state is whole even if a thread died.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, work: Work) -> Result<u64, (Work, Refusal)> {
        let mut state = self.lock();
        if state.closed {
            return Err((work, Refusal::Closed));
        }
        let wake = state.idle > 0;
        if wake {
            state.idle -= 1;
            state.claimed += 1;
        } else if state.threads < self.config.core_threads {
            // With others at work the job can wait for one of them.
            if let Err(e) = self.start_thread(&mut state)
                && state.threads == 0
            {
                return Err((work, Refusal::NoThread(e)));
            }
        }
        let ticket = state.queue.push(work);
        self.see_to_watcher(&mut state);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Ok(ticket)
    }

    /// Takes a job out of the queue and drops it.
    fn remove(&self, ticket: u64) -> Option<()> {
        let mut state = self.lock();
        let work = state.queue.remove(ticket)?;
        state.progress += 1;
        drop(state);
        drop(work);
        Some(())
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        self.work.notify_all();
        self.watch.notify_all();
        let mut queue = queue;
        while let Some(work) = queue.pop() {
            quietly(|| drop(work));
        }
    }

    /// Jobs wait that no thread is coming for, and there may be one more.
    fn is_starved(&self, state: &State) -> bool {
        state.queue.len() > state.claimed + state.starting
            && state.idle == 0
            && state.threads < self.config.max_threads
    }
}
