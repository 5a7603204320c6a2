//! The thread-per-core runtime: everything on the thread that uses it, no locked instruction on its
//! hot path. Many of them, one per thread, make a server that shares nothing.

use std::fmt;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use ouzel_core::driver::Deadline;
pub use ouzel_core::local::Tick;
use ouzel_core::local::{LocalExecutor, LocalSpawner};
use ouzel_core::op::Flavour as OpFlavour;

use crate::blocking::{BlockingHandle, Rejected};
use crate::current::{self, Current, Flavour};
use crate::driver::{Choice, Driver};
use crate::metrics::{IoCounters, IoTotals, Metrics};
use crate::platform::{self, Origin};
use crate::reactor::{ReactorCell, ReactorDriver};
use crate::shared::{LocalShared, Options, check_not_forked};
use ouzel_core::local::LocalJoinHandle;
use ouzel_core::task::{TaskId, TaskState, WakeResult};

/// A runtime that runs its tasks on the thread that calls it.
///
/// Tasks need not be `Send`. It runs while [`LocalRuntime::block_on`] does, or turn by turn
/// ([`LocalRuntime::run_once`], [`LocalRuntime::run_nowait`]) inside a loop that somebody else owns. Dropping
/// it drops every task.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::{cell::Cell, rc::Rc};
/// let runtime = ouzel::LocalRuntime::new()?;
/// let count = Rc::new(Cell::new(0));
/// let seen = count.clone();
/// runtime.block_on(async move {
///     let task = ouzel::spawn_local(async move { count.set(count.get() + 1) });
///     task.await.unwrap();
/// });
/// assert_eq!(seen.get(), 1);
/// # Ok(())
/// # }
/// ```
pub struct LocalRuntime {
    shared: Rc<LocalShared>,
    reactor: Rc<ReactorCell>,
    /// What `enter` makes current, made once.
    place: Rc<Current>,
    choice: Choice,
}

impl LocalRuntime {
    pub(crate) fn start(options: Options) -> io::Result<Self> {
        let reactor = ReactorCell::new(&options.driver, OpFlavour::Local)?;
        let seat = reactor.seat();
        let driver = ReactorDriver::new(Rc::clone(&reactor));
        let executor = LocalExecutor::with_pages(driver, seat.park, seat.unpark, platform::pages());
        let choice = reactor.choice();
        let shared = Rc::new(LocalShared::new(executor, options));
        if choice.name != Driver::Uring.name() {
            // Files are its work then. An operation that needs it can be refused memory, but not the pool itself.
            shared.pool();
        }
        let runtime = Flavour::Local(Rc::clone(&shared));
        let place = Rc::new(Current { reactor: Rc::clone(&reactor), runtime });
        Ok(LocalRuntime { shared, reactor, place, choice })
    }

    /// Makes this runtime the thread's current one until the guard is dropped, so that operations can be begun
    /// and tasks spawned outside a task.
    pub fn enter(&self) -> EnterGuard {
        EnterGuard { _entered: current::enter(Rc::clone(&self.place)) }
    }

    /// Runs `future` and the tasks until `future` is ready. Blocks when there is nothing to do.
    ///
    /// # Panics
    /// Inside one of this runtime's own tasks, and in a forked child.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        check_not_forked(self.shared.origin).unwrap_or_else(|e| panic!("{e}"));
        let _entered = self.enter();
        self.shared.executor.block_on(future)
    }

    /// Runs `job` on the blocking pool. See [`crate::spawn_blocking`].
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingHandle<T> {
        self.shared.pool().spawn(job)
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
        self.shared.pool().try_spawn(job).map_err(Rejected::into_parts)
    }

    /// Wakes the task `id` names, if it is still there. [`LocalHandle::wake`] does it from other threads.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        self.shared.executor.local().wake(id)
    }

    /// A waker of the task `id` names, if it is still there. It keeps the task's memory, but not the task.
    #[must_use]
    pub fn waker(&self, id: TaskId) -> Option<Waker> {
        self.shared.executor.local().waker(id)
    }

    /// Cancels the task `id` names; false if it is not there any more.
    pub fn abort(&self, id: TaskId) -> bool {
        self.shared.executor.local().abort(id)
    }

    /// Spawns `future` on this runtime. It runs when the runtime does.
    pub fn spawn<F: Future + 'static>(&self, future: F) -> LocalJoinHandle<F::Output> {
        let _entered = self.enter();
        self.shared.spawn(&mut Some(future))
    }

    /// One turn: runs what is ready; if nothing was, waits for up to `timeout` (`None`: without an end)
    /// and runs what that brought.
    ///
    /// # Errors
    /// The system's, if waiting failed; an error in a forked child.
    pub fn run_once(&self, timeout: Option<Duration>) -> io::Result<Tick> {
        check_not_forked(self.shared.origin)?;
        let _entered = current::enter_once(&self.place);
        let deadline = timeout.map(|t| Deadline(platform::now() + t));
        self.shared.executor.run_once(deadline).map_err(|e| io::Error::from_raw_os_error(e.0))
    }

    /// One turn as of [`LocalRuntime::run_once`] that waits without an end and counts nothing: for a loop that only goes on.
    ///
    /// # Errors
    /// As [`LocalRuntime::run_once`].
    pub fn turn(&self) -> io::Result<()> {
        check_not_forked(self.shared.origin)?;
        let _entered = current::enter_once(&self.place);
        self.shared.executor.turn(None).map(drop).map_err(|e| io::Error::from_raw_os_error(e.0))
    }

    /// One turn that never waits, of at most `max_polls` polls.
    ///
    /// # Errors
    /// As [`LocalRuntime::run_once`].
    pub fn run_nowait(&self, max_polls: u32) -> io::Result<Tick> {
        check_not_forked(self.shared.origin)?;
        let _entered = current::enter_once(&self.place);
        self.shared.executor.run_nowait(max_polls).map_err(|e| io::Error::from_raw_os_error(e.0))
    }

    /// A descriptor that becomes readable when [`LocalRuntime::run_nowait`] has something to do: for a host
    /// that waits in a loop of its own. Call [`LocalRuntime::before_wait`] before each wait.
    #[must_use]
    pub fn backend_fd(&self) -> Option<i32> {
        self.reactor.pollable()
    }

    /// How long a host may wait: `Some(ZERO)` when tasks are ready, `None` when there is no timer.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        if self.shared.executor.has_ready() {
            return Some(Duration::ZERO);
        }
        self.reactor.next_deadline().map(|d| d.0.since(platform::now()))
    }

    /// To be called before a host waits on [`LocalRuntime::backend_fd`]: submits what is pending and makes
    /// wake-ups from other threads show there. True: work has appeared, do not wait.
    pub fn before_wait(&self) -> bool {
        // There before anything can show on it. Then parked: what is armed below watches for the end of that.
        let _descriptor = self.reactor.pollable();
        self.reactor.settle_lazy_waits();
        let wait = self.shared.executor.begin_wait();
        self.reactor.flush();
        self.reactor.arm_notify();
        !wait
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> LocalHandle {
        let spawner = self.shared.executor.spawner();
        LocalHandle { spawner, io: self.reactor.totals(), origin: self.shared.origin }
    }

    /// Refuses spawns, drops every task, and waits until every operation's buffer is free. Idempotent.
    ///
    /// # Panics
    /// Inside one of this runtime's own tasks.
    pub fn shutdown(&self) {
        let _entered = self.enter();
        self.shared.executor.shutdown().expect("a LocalRuntime was shut down by one of its own tasks");
        self.reactor.close();
    }

    /// Refuses blocking jobs, cancels those that have not begun, and waits until the others have ended and their threads are
    /// gone, or until `timeout` is over. Returns whether they are. Idempotent.
    ///
    /// Dropping a runtime does the same without waiting. Called by one of the jobs it does not wait for that one, and says no.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// # fn main() -> std::io::Result<()> {
    /// static DONE: AtomicBool = AtomicBool::new(false);
    /// let runtime = ouzel::LocalRuntime::new()?;
    /// let (begun, has_begun) = std::sync::mpsc::channel();
    /// runtime.spawn_blocking(move || {
    ///     begun.send(()).unwrap();
    ///     DONE.store(true, Ordering::Relaxed);
    /// });
    /// has_begun.recv().unwrap();
    /// assert!(runtime.shutdown_blocking(None));
    /// assert!(DONE.load(Ordering::Relaxed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_blocking(&self, timeout: Option<Duration>) -> bool {
        self.shared.pool_if_used().is_none_or(|pool| pool.shutdown(timeout))
    }

    /// Gives the memory of tasks that have ended back to the system (on Linux; elsewhere it stays with the runtime),
    /// and that of the run queue.
    ///
    /// Otherwise a runtime keeps what its tasks needed at their peak, for the next ones. It takes time in proportion
    /// to the tasks that have ended.
    pub fn trim(&self) {
        self.shared.executor.trim();
    }

    /// Calls `f` for each task that is there, with its id if one has been made.
    pub fn for_each_task(&self, f: impl FnMut(Option<TaskId>, TaskState)) {
        self.shared.executor.local().for_each_task(f);
    }

    /// Tasks that have been spawned and not yet ended.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.shared.executor.live_tasks()
    }

    /// The driver in use: `uring`, `epoll` or `poll`.
    #[must_use]
    pub fn driver_name(&self) -> &'static str {
        self.choice.name
    }

    /// The driver, the kernel features it uses, and why a better one was not taken.
    #[must_use]
    pub fn driver_description(&self) -> String {
        self.choice.to_string()
    }

    /// The counters so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let local = self.shared.executor.metrics();
        let mut metrics = Metrics {
            workers: 1,
            polls: local.polls,
            spawned: local.spawned,
            completed: local.completed,
            parks: local.parks,
            injected: local.remote_wakes,
            task_bytes: local.task_bytes,
            ..Metrics::default()
        };
        if let Some(pool) = self.shared.pool_if_used() {
            metrics.set_blocking(pool.metrics());
        }
        self.reactor.totals().add_to(&mut metrics.io);
        metrics
    }
}

impl Drop for LocalRuntime {
    fn drop(&mut self) {
        if !self.shared.origin.is_another_process() {
            self.shutdown();
        }
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime").field("driver", &self.choice.name).finish_non_exhaustive()
    }
}

/// See [`LocalRuntime::enter`]. Belongs to its thread; drop guards in the reverse order.
#[derive(Debug)]
#[must_use = "the runtime is current only while the guard lives"]
pub struct EnterGuard {
    _entered: current::Entered,
}

/// A handle to a [`LocalRuntime`] for other threads.
#[derive(Clone, Debug)]
pub struct LocalHandle {
    spawner: LocalSpawner,
    io: Arc<IoTotals>,
    origin: Origin,
}

impl LocalHandle {
    /// Sends `future` to the runtime's thread, to be spawned there. False: the runtime is closed, and `future`
    /// was dropped here.
    pub fn spawn_send(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        self.spawner.spawn_detached(future).is_ok()
    }

    /// As [`spawn_send`](Self::spawn_send), and gives out the task's id. It is stale until the runtime has taken the task
    /// in, at its next turn; an [`abort`](Self::abort) by it comes after that in any case. None: refused.
    ///
    /// `named` is told the id before the task can have run, also if it is then refused.
    pub fn spawn_named(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
        named: impl FnOnce(TaskId),
    ) -> Option<TaskId> {
        self.spawner.spawn_named(future, named).ok()
    }

    /// Whether this process is a forked child of the one the runtime belongs to: there it cannot be used.
    #[inline]
    #[must_use]
    pub fn in_forked_child(&self) -> bool {
        self.origin.is_another_process()
    }

    /// Ends the runtime's wait, if it waits; it looks around and goes on.
    pub fn notify(&self) {
        self.spawner.notify();
    }

    /// Wakes the task `id` names, if it is still there. Lock-free: may be called in signal handlers.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        self.spawner.wake(id)
    }

    /// Wakes many tasks and then the runtime, once; returns how many were queued by this.
    pub fn wake_many(&self, ids: impl IntoIterator<Item = TaskId>) -> usize {
        self.spawner.wake_many(ids)
    }

    /// Cancels the task `id` names; false if it is not there any more.
    pub fn abort(&self, id: TaskId) -> bool {
        self.spawner.abort(id)
    }

    /// Bytes set aside for tasks at this moment. See [`Metrics::task_bytes`].
    #[must_use]
    pub fn task_bytes(&self) -> u64 {
        self.spawner.task_bytes()
    }

    /// What the runtime's driver has counted, as of its last turn. See [`Metrics::io`].
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = ouzel::LocalRuntime::new()?;
    /// let handle = runtime.handle();
    /// runtime.block_on(ouzel::sleep(std::time::Duration::from_millis(1)));
    /// let counted = std::thread::spawn(move || handle.io_counters()).join().unwrap();
    /// assert!(counted.waits > 0 && counted == runtime.metrics().io);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn io_counters(&self) -> IoCounters {
        let mut sum = IoCounters::default();
        self.io.add_to(&mut sum);
        sum
    }

    /// What the task `id` names is doing, as far as this thread can see.
    #[must_use]
    pub fn state(&self, id: TaskId) -> TaskState {
        self.spawner.state(id)
    }
}
