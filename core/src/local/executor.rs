//! The executor with its driver: turns, sleeping, `block_on`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use super::join::LocalJoinHandle;
use super::owner::Local;
use super::shared::Shared;
use super::shutdown::InUse;
use super::spawner::LocalSpawner;
use crate::driver::{Deadline, Driver, Errno, Nanos, Unpark};
use crate::park::ParkWord;
use crate::sched::interval::Interval;
use crate::slab::Pages;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// Polls of tasks.
    pub polled: u64,
    /// Tasks that completed, cancelled ones too.
    pub completed: u64,
    /// Tasks that became ready: woken here or elsewhere, or spawned.
    pub woken: u64,
    /// Events the driver reported when it was asked without blocking.
    pub io_events: u64,
    /// There is something left to do at once.
    pub more: bool,
}

/// Counters since the executor was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalMetrics {
    /// Tasks spawned, the roots of `block_on` included.
    pub spawned: u64,
    /// Tasks completed, cancelled ones included.
    pub completed: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Tasks put on the run queue.
    pub scheduled: u64,
    /// Of these, by a wake on another thread.
    pub remote_wakes: u64,
    /// Sleeps in the driver.
    pub parks: u64,
    /// Looks at the driver without blocking.
    pub driver_polls: u64,
    /// Bytes set aside for tasks at this moment.
    pub task_bytes: u64,
}

/// A single-thread executor around a driver. See the [module](super).
///
/// It stays on the thread that made it; other threads use a [`LocalSpawner`].
///
/// ```
/// use std::{sync::Arc, thread, time::Instant};
/// use ouzel_core::{driver::*, local::LocalExecutor, park::ParkWord};
///
/// /// Sleeps by parking its thread, and has no I/O.
/// struct Sleeper(Instant);
/// impl Driver for Sleeper {
///     fn now(&mut self) -> Nanos {
///         Nanos(0) + self.0.elapsed()
///     }
///     fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
///         match deadline {
///             None => thread::park(),
///             Some(Deadline(end)) => thread::park_timeout(end.since(self.now())),
///         }
///         Ok(())
///     }
///     fn poll(&mut self) -> Result<usize, Errno> {
///         Ok(0)
///     }
/// }
/// struct Waker(thread::Thread);
/// impl Unpark for Waker {
///     fn unpark(&self) {
///         self.0.unpark();
///     }
/// }
///
/// let park = Arc::new(ParkWord::new());
/// let executor = LocalExecutor::new(Sleeper(Instant::now()), park, Arc::new(Waker(thread::current())));
/// let sum = executor.block_on(async {
///     let tasks = [1, 2, 3].map(|i| executor.spawn(async move { i * i }));
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await?;
///     }
///     Ok::<i32, ouzel_core::error::JoinError>(sum)
/// });
/// assert_eq!(sum.unwrap(), 14);
/// ```
pub struct LocalExecutor<D: Driver> {
    /// In a box: the thread-local context and the running tasks point to it.
    pub(super) local: Box<Local>,
    driver: RefCell<D>,
    pace: RefCell<Pace>,
}

/// When to look at the driver next.
struct Pace {
    interval: Interval,
    /// When the driver was last looked at, if the executor has been busy since.
    since: Option<Nanos>,
    parks: u64,
    driver_polls: u64,
}

impl<D: Driver> LocalExecutor<D> {
    /// An executor for the calling thread.
    ///
    /// `park` is the word that `driver` sleeps on (or looks at before it sleeps), and `unpark` ends a
    /// sleep of this driver.
    pub fn new(driver: D, park: Arc<ParkWord>, unpark: Arc<dyn Unpark>) -> Self {
        Self::with_pages(driver, park, unpark, Pages::HEAP)
    }

    /// The same, with memory for its tasks from `pages`.
    pub fn with_pages(driver: D, park: Arc<ParkWord>, unpark: Arc<dyn Unpark>, pages: Pages) -> Self {
        LocalExecutor {
            local: Box::new(Local::new(Shared::new(park, unpark, pages))),
            driver: RefCell::new(driver),
            pace: RefCell::new(Pace { interval: Interval::new(), since: None, parks: 0, driver_polls: 0 }),
        }
    }

    /// The part that is not generic: what tasks see, too.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Spawns a task. See [`Local::spawn`].
    pub fn spawn<F: Future + 'static>(&self, future: F) -> LocalJoinHandle<F::Output> {
        self.local.spawn_from(&mut Some(future))
    }

    /// A handle for other threads.
    #[must_use]
    pub fn spawner(&self) -> LocalSpawner {
        self.local.spawner()
    }

    /// Tasks that have not completed.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.local.live_tasks()
    }

    /// Gives the memory of tasks that have ended back to where it came from, and what the run queue grew by.
    pub fn trim(&self) {
        self.local.trim();
    }

    /// Gives access to the driver.
    ///
    /// # Panics
    /// If the driver is in use: in a waker that the driver calls.
    pub fn with_driver<R>(&self, f: impl FnOnce(&mut D) -> R) -> R {
        f(&mut self.driver.borrow_mut())
    }

    /// The counters.
    #[must_use]
    pub fn metrics(&self) -> LocalMetrics {
        let (local, pace) = (&self.local, self.pace.borrow());
        LocalMetrics {
            spawned: local.home.spawned.get(),
            completed: local.shared.own.completed.get(),
            polls: local.polls.get(),
            scheduled: local.shared.own.scheduled(),
            remote_wakes: local.shared.own.remote_wakes.get(),
            parks: pace.parks,
            driver_polls: pace.driver_polls,
            task_bytes: local.shared.table.bytes(),
        }
    }

    /// Runs `future` and every task of this executor until `future` is done; sleeps when all of them wait.
    ///
    /// The future is polled as a task of its own: a wake of it on this thread costs no locked instruction.
    ///
    /// # Panics
    /// If `future` panics (with its payload), if it is called inside a task of this executor or after
    /// `shutdown`, or if the driver fails.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let turn = self.local.begin_turn().expect("block_on called from within this executor's tasks");
        let mut frame = Frame { future: pin!(future), output: None, local: &self.local };
        let root = Root { frame: (&raw mut frame).cast(), poll: poll_frame::<F> };
        let Ok(handle) = self.local.try_spawn(root) else {
            panic!("block_on called on an executor that is shut down, or without memory");
        };
        // From here on the frame is not touched but by the root task, until that is over.
        let root = RootGuard(handle);
        while !root.0.is_finished() {
            self.local.drain();
            let polled = self.local.run(self.every());
            if root.0.is_finished() {
                break;
            }
            let looked = if self.local.shared.own.ready() == 0 {
                self.sleep(None)
            } else {
                self.look(polled).map(drop)
            };
            looked.expect("the driver failed");
        }
        drop(turn);
        root.finish();
        frame.output.take().expect("the root task is over and did not panic")
    }

    /// Waits until there is something to do, `deadline` at the latest, then polls what is ready, once.
    ///
    /// # Errors
    /// The driver's.
    ///
    /// # Panics
    /// If called inside a task of this executor.
    pub fn run_once(&self, deadline: Option<Deadline>) -> Result<Tick, Errno> {
        let start = self.counts();
        let io_events = self.turn(deadline)?;
        Ok(self.tick(start, io_events))
    }

    /// As [`run_once`](Self::run_once), without counting but the driver's events: for loops that have no use for the rest.
    ///
    /// # Errors
    /// The driver's.
    ///
    /// # Panics
    /// If called inside a task of this executor.
    pub fn turn(&self, deadline: Option<Deadline>) -> Result<u64, Errno> {
        let local = &self.local;
        let _turn = local.begin_turn().expect("a turn begun from within this executor's tasks");
        let mut io_events = 0;
        local.drain();
        if local.shared.own.ready() == 0 {
            self.sleep(deadline)?;
        } else {
            io_events = self.look(0)?;
        }
        local.drain();
        self.run_busy(local.shared.own.ready() as u64, &mut io_events)?;
        Ok(io_events)
    }

    /// Looks at the driver without blocking and makes at most `max_polls` polls.
    ///
    /// # Errors
    /// The driver's.
    ///
    /// # Panics
    /// If called inside a task of this executor.
    pub fn run_nowait(&self, max_polls: u32) -> Result<Tick, Errno> {
        let local = &self.local;
        let _turn = local.begin_turn().expect("run_nowait called from within this executor's tasks");
        let start = self.counts();
        local.shared.park.end();
        local.drain();
        let mut io_events = self.look(0)?;
        self.run_busy(max_polls.into(), &mut io_events)?;
        Ok(self.tick(start, io_events))
    }

    /// Whether a turn would find something to run.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        let shared = &self.local.shared;
        shared.own.ready() != 0 || !shared.stack.is_empty() || shared.inbox.has_some()
    }

    /// For a host that sleeps by itself: says that it is about to. False: there is something to do, call
    /// `run_nowait` (or [`end_wait`](Self::end_wait)) instead.
    ///
    /// After true, an unpark calls the [`Unpark`] given to `new`; the next `run_nowait` ends this state.
    #[must_use]
    pub fn begin_wait(&self) -> bool {
        let local = &self.local;
        if local.shared.own.ready() != 0 || !local.shared.park.begin() {
            return false;
        }
        local.shared.stack.is_empty() && !local.shared.inbox.has_some()
    }

    /// Ends what `begin_wait` began, without running anything.
    pub fn end_wait(&self) {
        // What a token stood for is found by looking at the stack and the inbox.
        self.local.shared.park.end();
    }

    /// Up to `most` polls, with a look at the driver at every interval.
    fn run_busy(&self, most: u64, io_events: &mut u64) -> Result<(), Errno> {
        let mut left = most;
        while left > 0 {
            let polled = self.local.run(self.every().min(u32::try_from(left).unwrap_or(u32::MAX)));
            left -= u64::from(polled);
            if polled == 0 {
                break;
            }
            if left > 0 && self.local.shared.own.ready() != 0 {
                *io_events += self.look(polled)?;
                self.local.drain();
            }
        }
        Ok(())
    }

    fn every(&self) -> u32 {
        self.pace.borrow().interval.every()
    }

    /// Sleeps in the driver, unless somebody has left a token.
    fn sleep(&self, deadline: Option<Deadline>) -> Result<(), Errno> {
        let park = &self.local.shared.park;
        let done = if park.begin() {
            let mut pace = self.pace.borrow_mut();
            pace.parks += 1;
            pace.since = None;
            drop(pace);
            self.driver.borrow_mut().park(deadline)
        } else {
            // Tokens that come without a pause must not keep the driver from being looked at.
            self.look(0).map(drop)
        };
        // The token goes before the stack and the inbox are looked at (by `drain`), never after.
        park.end();
        done
    }

    /// Looks at the driver without blocking, after `polled` more polls.
    fn look(&self, polled: u32) -> Result<u64, Errno> {
        let mut driver = self.driver.borrow_mut();
        let events = driver.poll()?;
        let now = driver.now();
        let mut pace = self.pace.borrow_mut();
        pace.driver_polls += 1;
        if let Some(since) = pace.since {
            pace.interval.record(now.since(since), polled);
        }
        pace.since = Some(now);
        Ok(events as u64)
    }

    fn counts(&self) -> (u64, u64, u64) {
        (self.local.polls.get(), self.local.shared.own.completed.get(), self.local.shared.own.scheduled())
    }

    fn tick(&self, (polls, completed, scheduled): (u64, u64, u64), io_events: u64) -> Tick {
        let shared = &self.local.shared;
        let now = self.counts();
        Tick {
            polled: now.0 - polls,
            completed: now.1 - completed,
            woken: now.2 - scheduled,
            io_events,
            more: shared.own.ready() != 0 || !shared.stack.is_empty() || shared.inbox.has_some(),
        }
    }

    /// Refuses further spawns and drops every task that has not completed, each exactly once. Handles
    /// that are polled later say cancelled. Idempotent; dropping the executor does it too.
    ///
    /// # Errors
    /// [`InUse`] inside a task of this executor: it cannot be torn down under itself.
    pub fn shutdown(&self) -> Result<(), InUse> {
        self.local.shutdown()
    }
}

impl<D: Driver> Drop for LocalExecutor<D> {
    fn drop(&mut self) {
        // A turn borrows the executor, so there is none.
        let done = self.local.shutdown();
        debug_assert!(done.is_ok(), "dropped inside a turn");
    }
}

impl<D: Driver> fmt::Debug for LocalExecutor<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalExecutor").field(&self.local).finish()
    }
}

/// The future of a `block_on`, on its stack.
struct Frame<'a, F: Future> {
    future: Pin<&'a mut F>,
    output: Option<F::Output>,
    local: &'a Local,
}

/// The task that polls it: `'static` by forgetting the frame's type. It has no drop glue, so a cancelled
/// one never touches the frame.
struct Root {
    frame: *mut (),
    poll: unsafe fn(*mut (), &mut Context<'_>) -> Poll<()>,
}

impl Future for Root {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `poll` is `poll_frame` for this frame's type, and a root task that is polled is not
        // over, so `block_on` is still there: it leaves only after the root is finished or aborted.
        unsafe { (self.poll)(self.frame, cx) }
    }
}

/// # Safety
/// `frame` points to a live `Frame<F>` that nobody else uses.
unsafe fn poll_frame<F: Future>(frame: *mut (), cx: &mut Context<'_>) -> Poll<()> {
    // SAFETY: the caller's promise.
    let frame = unsafe { &mut *frame.cast::<Frame<'_, F>>() };
    let Poll::Ready(output) = frame.future.as_mut().poll(cx) else { return Poll::Pending };
    frame.output = Some(output);
    // Whoever waits for `block_on` is not to wait for the rest of the batch.
    frame.local.stop();
    Poll::Ready(())
}

/// Sees to it that the root task does not outlive the frame it polls.
struct RootGuard(LocalJoinHandle<()>);

impl RootGuard {
    /// The root is finished; a panic in it goes on here.
    fn finish(mut self) {
        let mut cx = Context::from_waker(core::task::Waker::noop());
        match Pin::new(&mut self.0).poll(&mut cx) {
            Poll::Ready(Ok(())) => {}
            #[cfg(feature = "std")]
            Poll::Ready(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            #[cfg(not(feature = "std"))]
            Poll::Ready(Err(_)) => unreachable!("nobody aborts the root task"),
            Poll::Pending => unreachable!("the root task is finished"),
        }
    }
}

impl Drop for RootGuard {
    fn drop(&mut self) {
        // The loop unwinds (the driver panicked, or failed): the task is never polled again.
        self.0.abort();
    }
}
