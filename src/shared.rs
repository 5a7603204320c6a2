//! What a runtime's threads, handles and places in thread-locals share.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ouzel_core::local::{Local, LocalExecutor};
use ouzel_core::sched::Shared;
use ouzel_core::task::Given;

use crate::blocking::{BlockingConfig, BlockingPool, StartThread};
use crate::driver::{Choice, DriverOptions};
use crate::join::JoinHandle;
use crate::metrics::{IoTotals, Metrics};
use crate::platform::Origin;
use crate::reactor::ReactorDriver;
use ouzel_core::local::LocalJoinHandle;

/// Options with every choice made.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) workers: usize,
    pub(crate) driver: DriverOptions,
    pub(crate) blocking: BlockingConfig,
    pub(crate) name: String,
    pub(crate) worker_start: WorkerStart,
    pub(crate) blocking_start: StartThread,
}

/// What a worker thread does first, if anything.
#[derive(Clone, Default)]
pub(crate) struct WorkerStart(pub(crate) Option<Arc<dyn Fn() + Send + Sync>>);

impl WorkerStart {
    pub(crate) fn run(&self) {
        if let Some(f) = &self.0 {
            f();
        }
    }
}

impl fmt::Debug for WorkerStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}

/// What workers, handles and the runtime share.
pub(crate) struct Inner {
    pub(crate) origin: Origin,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: BlockingPool,
    pub(crate) options: Options,
    pub(crate) choice: Choice,
    pub(crate) io: Vec<Arc<IoTotals>>,
    /// Worker threads that have not ended.
    pub(crate) alive: Mutex<usize>,
    pub(crate) ended: Condvar,
    /// All of them, until a shutdown has waited for their last instruction.
    pub(crate) threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// Waits for threads that are at their end.
pub(crate) fn join_all(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        // One that panicked has ended the process.
        let _ = thread.join();
    }
}

impl Inner {
    /// A refused future stays where it is, and its handle says cancelled.
    pub(crate) fn spawn<F>(&self, future: &mut Option<F>) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.origin.is_another_process() {
            return JoinHandle::refused();
        }
        self.shared.spawn_from(future).map_or_else(JoinHandle::refused, JoinHandle::new)
    }

    /// A refused future stays where it is.
    pub(crate) fn spawn_detached<F>(&self, future: &mut Option<F>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if !self.origin.is_another_process() {
            self.shared.spawn_detached_from(future);
        }
    }

    /// As `spawn`, if this thread is one of the workers; else the future is where it was. Calls no code of the user's.
    ///
    /// # Safety
    /// The future is there: no spawn has taken it.
    #[inline(always)]
    pub(crate) unsafe fn spawn_here<F>(&self, future: &mut Given<F>) -> Option<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.origin.is_another_process() {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { self.shared.spawn_here(future) }.map(JoinHandle::new)
    }

    /// As `spawn_detached`, where and as `spawn_here` does.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub(crate) unsafe fn spawn_detached_here<F>(&self, future: &mut Given<F>) -> Option<()>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.origin.is_another_process() {
            return None;
        }
        // SAFETY: the caller's promise.
        unsafe { self.shared.spawn_detached_here(future) }
    }

    pub(crate) fn trim(&self) {
        if !self.origin.is_another_process() {
            self.shared.trim();
        }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics =
            Metrics { workers: self.options.workers as u64, ..Metrics::from(self.shared.metrics()) };
        metrics.set_blocking(self.pool.metrics());
        for io in &self.io {
            io.add_to(&mut metrics.io);
        }
        metrics
    }

    /// One worker's part of them.
    pub(crate) fn worker_metrics(&self, worker: usize) -> Option<Metrics> {
        let mut metrics = Metrics { workers: 1, ..Metrics::from(self.shared.worker_metrics(worker)?) };
        self.io.get(worker)?.add_to(&mut metrics.io);
        Some(metrics)
    }

    pub(crate) fn shutdown(&self, timeout: Option<Duration>) -> Result<(), ShutdownError> {
        if self.origin.is_another_process() {
            return Err(ShutdownError::Forked);
        }
        let deadline = timeout.map(|t| Instant::now() + t);
        self.shared.close();
        if on_worker() {
            return Err(ShutdownError::OnWorker);
        }
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        while *alive > 0 {
            alive = match deadline {
                None => self.ended.wait(alive).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(ShutdownError::TimedOut { tasks: self.shared.live_tasks() });
                    }
                    self.ended.wait_timeout(alive, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(alive);
        // They are at their end: this is short. What they kept, descriptors too, is gone then.
        join_all(self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        if self.pool.shutdown(left) { Ok(()) } else { Err(ShutdownError::TimedOut { tasks: 0 }) }
    }
}

/// What the runtime and the thread's place in it share.
pub(crate) struct LocalShared {
    pub(crate) origin: Origin,
    pub(crate) executor: LocalExecutor<ReactorDriver>,
    pool: OnceCell<BlockingPool>,
    options: Options,
}

impl LocalShared {
    pub(crate) fn new(executor: LocalExecutor<ReactorDriver>, options: Options) -> Self {
        LocalShared { origin: Origin::here(), executor, pool: OnceCell::new(), options }
    }

    pub(crate) fn pool_if_used(&self) -> Option<&BlockingPool> {
        self.pool.get()
    }

    pub(crate) fn pool(&self) -> &BlockingPool {
        self.pool.get_or_init(|| {
            BlockingPool::with_start(self.options.blocking.clone(), self.options.blocking_start)
        })
    }

    /// A refused future stays where it is.
    pub(crate) fn spawn<F: Future + 'static>(&self, future: &mut Option<F>) -> LocalJoinHandle<F::Output> {
        self.executor.local().spawn_from(future)
    }

    /// A refused future stays where it is.
    pub(crate) fn spawn_detached<F: Future + 'static>(&self, future: &mut Option<F>) {
        self.executor.local().spawn_detached_from(future);
    }

    /// Where a spawn takes the short way.
    pub(crate) fn local(&self) -> &Local {
        self.executor.local()
    }
}

/// Why a shutdown did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The time was over; so many tasks are not dropped yet (0: a blocking job still runs).
    TimedOut {
        /// Tasks that are still alive.
        tasks: usize,
    },
    /// A worker cannot wait for itself. The shutdown has begun and goes on.
    OnWorker,
    /// A forked child has none of its parent's threads.
    Forked,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShutdownError::TimedOut { tasks: 0 } => f.write_str("a blocking job still runs"),
            ShutdownError::TimedOut { tasks } => write!(f, "{tasks} tasks have not ended"),
            ShutdownError::OnWorker => f.write_str("a worker cannot wait for its own end"),
            ShutdownError::Forked => f.write_str("the runtime belongs to the parent process"),
        }
    }
}

impl std::error::Error for ShutdownError {}

pub(crate) fn check_not_forked(origin: Origin) -> io::Result<()> {
    if origin.is_another_process() {
        return Err(io::Error::other(
            "the runtime belongs to the parent process: it cannot be used after fork",
        ));
    }
    Ok(())
}

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn on_worker() -> bool {
    ON_WORKER.try_with(Cell::get).unwrap_or(false)
}

/// Says that this thread is a worker from here on.
pub(crate) fn become_worker() {
    ON_WORKER.set(true);
}
