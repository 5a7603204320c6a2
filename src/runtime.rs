//! The work-stealing runtime: worker threads, each with its own driver.

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ouzel_core::driver::Driver as _;
use ouzel_core::op::Flavour as OpFlavour;
use ouzel_core::sched::{Seat, Shared, Worker};

use crate::blocking::{self, BlockingHandle, BlockingPool, BlockingScope, Rejected};
use crate::current::{self, Current, Flavour};
use crate::join::JoinHandle;
use crate::metrics::Metrics;
use crate::platform::{self, Origin};
use crate::reactor::{Prepared, ReactorCell, ReactorDriver};
use crate::shared::{Inner, Options, ShutdownError, become_worker, check_not_forked, join_all, on_worker};
use crate::start::{Start, Waits};
use ouzel_core::task::{TaskId, TaskState, WakeResult};

/// A runtime whose worker threads share their tasks: a worker without work takes from the others.
///
/// Each worker has a driver of its own (see [`Driver`](crate::Driver)) and waits in it. Dropping the runtime
/// shuts it down and waits until every task is dropped; on one of its own workers, where waiting is
/// impossible, it only begins the shutdown.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = ouzel::Runtime::builder().worker_threads(2).build()?;
/// let sum = runtime.block_on(async {
///     let tasks: Vec<_> = (0..10u64).map(|n| ouzel::spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 285);
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    inner: Arc<Inner>,
}

impl Runtime {
    pub(crate) fn start(options: Options) -> io::Result<Self> {
        let workers = options.workers;
        // Before there are threads: a process that has some waits ten milliseconds for the kernel here.
        let heavy_barrier = platform::heavy_barrier();
        // Here and not on the threads: what the system refuses is known before there is one, they need not wait for each
        // other, and their mappings not exclude each other's.
        let mut all = Vec::with_capacity(workers);
        for _ in 0..workers {
            all.push(Prepared::new(&options.driver)?);
        }
        let inner = Arc::new(Inner {
            origin: Origin::here(),
            shared: Shared::new(all.iter().map(Prepared::seat), heavy_barrier, platform::pages()),
            pool: BlockingPool::with_start(options.blocking.clone(), options.blocking_start),
            choice: all[0].choice(),
            io: all.iter().map(Prepared::totals).collect(),
            options,
            alive: Mutex::new(workers),
            threads: Mutex::default(),
            ended: Condvar::new(),
        });
        // On an error those that have begun end.
        let (start, mut threads) = (Start::new(), Vec::with_capacity(workers));
        for (index, prepared) in all.into_iter().enumerate() {
            let name = format!("{}-{index}", inner.options.name);
            let (inner, waits) = (Arc::clone(&inner), start.waits());
            let thread = move || worker_thread(index, inner, prepared, waits);
            match std::thread::Builder::new().name(name).spawn(thread) {
                Ok(thread) => threads.push(thread),
                Err(e) => {
                    drop(start);
                    join_all(threads);
                    return Err(e);
                }
            }
        }
        start.go();
        *inner.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        Ok(Runtime { inner })
    }

    /// Runs `future` on this thread until it is ready; the workers run what it spawns.
    ///
    /// Operations that `future` itself begins are served by a driver of this thread; one that was handed to
    /// a task and is still in flight when `block_on` returns is cancelled.
    ///
    /// # Panics
    /// On a worker, where it would block other tasks, and when this thread's driver cannot be made.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        check_not_forked(self.inner.origin).unwrap_or_else(|e| panic!("{e}"));
        assert!(
            !on_worker(),
            "block_on was called on a worker: it would block the tasks there; await the future, or use spawn_blocking"
        );
        let reactor = ReactorCell::for_this_thread(&self.inner.options.driver)
            .unwrap_or_else(|e| panic!("no driver for the thread that called block_on: {e}"));
        let current =
            Current { reactor: Rc::clone(&reactor), runtime: Flavour::Shared(Arc::clone(&self.inner)) };
        let _entered = current::enter(Rc::new(current));
        let _cancel = reactor.cancel_on_drop();
        drive(&reactor, future)
    }

    /// Spawns `future` on the workers. See [`crate::spawn`].
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.spawn(&mut Some(future))
    }

    /// Spawns `future` without a handle. See [`crate::spawn_detached`].
    pub fn spawn_detached<F>(&self, future: F)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.spawn_detached(&mut Some(future));
    }

    /// Runs `job` on the blocking pool. See [`crate::spawn_blocking`].
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingHandle<T> {
        self.inner.pool.spawn(job)
    }

    /// Runs jobs on the blocking pool that borrow from the caller. See [`crate::blocking_scope`].
    pub fn blocking_scope<'env, T>(
        &self,
        f: impl for<'scope> FnOnce(&'scope BlockingScope<'scope, 'env>) -> T,
    ) -> T {
        blocking::scope::enter(self.inner.pool.runner(), f)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { inner: Arc::clone(&self.inner) }
    }

    /// The driver the workers use: `uring`, `epoll` or `poll`.
    #[must_use]
    pub fn driver_name(&self) -> &'static str {
        self.inner.choice.name
    }

    /// The driver, the kernel features it uses, and why a better one was not taken.
    #[must_use]
    pub fn driver_description(&self) -> String {
        self.inner.choice.to_string()
    }

    /// The counters so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.inner.metrics()
    }

    /// Gives the memory of tasks that have ended back to the system (on Linux; elsewhere it stays with the runtime).
    ///
    /// Otherwise a runtime keeps what its tasks needed at their peak, for the next ones. Returns at once: each worker
    /// gives back its own memory between two polls; one that sleeps is woken for it. [`Metrics::task_bytes`] tells how
    /// far that is. It takes time in proportion to the tasks that have ended: for after a burst, not for every second.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = ouzel::Runtime::new()?;
    /// let tasks: Vec<_> = (0..100_000).map(|_| runtime.spawn(async {})).collect();
    /// runtime.block_on(async {
    ///     for task in tasks {
    ///         task.await.unwrap();
    ///     }
    /// });
    /// runtime.trim();
    /// # Ok(())
    /// # }
    /// ```
    pub fn trim(&self) {
        self.inner.trim();
    }

    /// Refuses spawns, cancels every task, waits until each is dropped and every operation's buffer is free.
    ///
    /// Idempotent. After an error the shutdown goes on in the background and this may be called again.
    ///
    /// # Errors
    /// [`ShutdownError`]: the time was over while a task was still being polled or a blocking job ran, or this
    /// is one of the runtime's own workers, or a forked child, where the workers do not exist.
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        self.inner.shutdown(Some(timeout))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // On a worker it cannot wait for itself, and in a forked child there is nobody to wait for.
        let _ = self.inner.shutdown(None);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("workers", &self.inner.options.workers)
            .field("driver", &self.inner.choice.name)
            .finish_non_exhaustive()
    }
}

/// A handle to a [`Runtime`] for any thread. Keeps the runtime's memory, not its workers.
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

impl Handle {
    /// Spawns `future` on the workers. After a shutdown it is dropped and the handle says cancelled.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.spawn(&mut Some(future))
    }

    /// Runs `job` on the blocking pool.
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingHandle<T> {
        self.inner.pool.spawn(job)
    }

    /// The same for who wants to know why a job was not taken, and have it back.
    ///
    /// # Errors
    /// `Other` after a shutdown, `OutOfMemory` if there is none to remember it, the system's error if there is no thread
    /// and none can be started; and the job, which has not run.
    pub fn try_spawn_blocking<F, T>(&self, job: F) -> Result<BlockingHandle<T>, (io::Error, F)>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.inner.pool.try_spawn(job).map_err(Rejected::into_parts)
    }

    /// Wakes the task `id` names, if it is still there.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        self.inner.shared.wake(id)
    }

    /// The same without a lock and past the workers' own queues, for signal handlers.
    pub fn wake_in_signal(&self, id: TaskId) -> WakeResult {
        self.inner.shared.wake_in_signal(id)
    }

    /// Wakes many tasks; returns how many were queued by this. Off the workers one worker is woken for all of them.
    pub fn wake_many(&self, ids: impl IntoIterator<Item = TaskId>) -> usize {
        self.inner.shared.wake_many(ids)
    }

    /// Whether this process is a forked child of the one the runtime belongs to: there it cannot be used.
    #[inline]
    #[must_use]
    pub fn in_forked_child(&self) -> bool {
        self.inner.origin.is_another_process()
    }

    /// Calls `f` for each task that is there, with its id if one has been made. A walk, and not a snapshot.
    pub fn for_each_task(&self, f: impl FnMut(Option<TaskId>, TaskState)) {
        self.inner.shared.for_each_task(f);
    }

    /// What one worker has counted so far; none if there is no such worker. What comes from outside the workers, and
    /// the blocking pool's part, is zero here.
    #[must_use]
    pub fn worker_metrics(&self, worker: usize) -> Option<Metrics> {
        self.inner.worker_metrics(worker)
    }

    /// Cancels the task `id` names; false if it is not there any more.
    pub fn abort(&self, id: TaskId) -> bool {
        self.inner.shared.abort(id)
    }

    /// A waker of the task `id` names, if it is still there. It keeps the task's memory, but not the task.
    #[must_use]
    pub fn waker(&self, id: TaskId) -> Option<Waker> {
        self.inner.shared.waker(id)
    }

    /// What the task `id` names is doing.
    #[must_use]
    pub fn state(&self, id: TaskId) -> TaskState {
        self.inner.shared.state(id)
    }

    /// Tasks that have been spawned and not yet ended. Walks them all.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.inner.shared.live_tasks()
    }

    /// See [`Runtime::trim`].
    pub fn trim(&self) {
        self.inner.trim();
    }

    /// The counters so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.inner.metrics()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

fn worker_thread(index: usize, inner: Arc<Inner>, prepared: Prepared, waits: Waits) {
    // A panic here is one of ours (a task's is caught with the task): no wake-up could be trusted any more.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let reactor = prepared.bind(OpFlavour::Shared).expect("a driver that was made can be used");
        if !waits.wait() {
            return;
        }
        become_worker();
        let current = Current { reactor: Rc::clone(&reactor), runtime: Flavour::Shared(Arc::clone(&inner)) };
        let _entered = current::enter(Rc::new(current));
        let worker = Worker::new(Arc::clone(&inner.shared), index, ReactorDriver::new(Rc::clone(&reactor)));
        inner.options.worker_start.run();
        drop(worker.run());
        reactor.close();
    }));
    if result.is_err() {
        let name = &inner.options.name;
        let _ = writeln!(io::stderr(), "ouzel: worker {index} of {name} failed; the process cannot go on");
        std::process::abort();
    }
    let mut alive = inner.alive.lock().unwrap_or_else(PoisonError::into_inner);
    *alive -= 1;
    let last = *alive == 0;
    drop(alive);
    if last {
        inner.ended.notify_all();
    }
}

/// Wakes the thread of a `block_on`.
struct RootWaker(Seat);

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.park.unpark(&*self.0.unpark);
    }
}

/// Polls `future` on this thread, sleeping in the thread's driver in between.
fn drive<F: Future>(reactor: &Rc<ReactorCell>, future: F) -> F::Output {
    let mut future = pin!(future);
    let seat = reactor.seat();
    let park = Arc::clone(&seat.park);
    let waker = Waker::from(Arc::new(RootWaker(seat)));
    let mut cx = Context::from_waker(&waker);
    let mut driver = ReactorDriver::new(Rc::clone(reactor));
    loop {
        ouzel_core::coop::refill();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        if park.begin() {
            driver.park(None).unwrap_or_else(|e| panic!("the driver of this thread cannot wait: {e}"));
        } else {
            // Woken already: deliver what has arrived, so that a root that wakes itself cannot starve it.
            driver.poll().unwrap_or_else(|e| panic!("the driver of this thread failed: {e}"));
        }
        park.end();
    }
}
