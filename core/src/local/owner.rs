//! The executor without its driver: spawn, run queue, poll loop, draining what other threads left.
//!
//! Not generic, so that a free function can reach the current thread's one through the thread-local
//! context, and so that a cell's chunk can name it.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::ptr::{self, NonNull};
use core::task::Waker;

use super::cell;
use super::join::{self, LocalJoinHandle};
use super::newborn::Newborn;
use super::refs;
use super::run;
use super::shared::{Home, Job, Shared};
use super::spawner::LocalSpawner;
use super::waker;
use crate::config::COOP_BUDGET;
use crate::context;
use crate::slab::Slab;
use crate::sync::per_thread;
use crate::task::in_slab::untouched;
use crate::task::{Given, Header, TaskId, TaskState, WakeResult};

// The executor in whose turn this thread is; null if none.
per_thread! {
    static CURRENT: Cell<*const Local> = Cell::new(ptr::null());
}

/// The executor of one thread, as its tasks see it: a place to spawn on.
///
/// Reached by [`LocalExecutor::local`](super::LocalExecutor::local) or, inside a task, by
/// [`Local::with_current`].
pub struct Local {
    pub(super) shared: Arc<Shared>,
    pub(super) home: Home,
    /// Inside a turn: no second one may start.
    running: Cell<bool>,
    pub(super) polls: Cell<u64>,
    /// An empty list, for the next look into the inbox.
    jobs: Cell<VecDeque<Job>>,
}

impl Local {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Local {
            home: Home {
                slab: Slab::new(shared.slab_meta()),
                closed: Cell::new(false),
                spawned: Cell::new(0),
            },
            shared,
            running: Cell::new(false),
            polls: Cell::new(0),
            jobs: Cell::default(),
        }
    }

    /// Spawns a task on this executor. It is polled when the executor runs next.
    ///
    /// Allocates only if the slab has to grow. Once the executor is shut down the future is dropped at
    /// once and the handle says cancelled; [`try_spawn`](Local::try_spawn) gives it back instead.
    pub fn spawn<F: Future + 'static>(&self, future: F) -> LocalJoinHandle<F::Output> {
        self.spawn_from(&mut Some(future))
    }

    /// As [`Local::spawn`], of a future that is moved once, into its task. A refused one is where it was.
    ///
    /// # Panics
    /// If there is no future.
    #[inline]
    pub fn spawn_from<F: Future + 'static>(&self, future: &mut Option<F>) -> LocalJoinHandle<F::Output> {
        join::spawn::<false, F>(&self.shared, &self.home, future).unwrap_or_else(LocalJoinHandle::cancelled)
    }

    /// As [`Local::spawn_from`], without a handle. None: refused.
    ///
    /// # Panics
    /// If there is no future.
    #[inline]
    pub fn spawn_detached_from<F: Future + 'static>(&self, future: &mut Option<F>) -> Option<()> {
        join::spawn_detached::<false, F>(&self.shared, &self.home, future)
    }

    /// Spawns a task, or gives the future back if the executor is shut down or out of memory.
    ///
    /// # Errors
    /// The future, untouched.
    pub fn try_spawn<F: Future + 'static>(&self, future: F) -> Result<LocalJoinHandle<F::Output>, F> {
        let mut future = Some(future);
        join::spawn::<false, F>(&self.shared, &self.home, &mut future).ok_or_else(|| untouched(future))
    }

    /// Spawns a task without a handle, or gives the future back if the executor is shut down or out of memory.
    ///
    /// # Errors
    /// The future, untouched.
    pub fn try_spawn_detached<F: Future + 'static>(&self, future: F) -> Result<(), F> {
        let mut future = Some(future);
        self.spawn_detached_from(&mut future).ok_or_else(|| untouched(future))
    }

    /// As [`Local::try_spawn`], if a free cell is at hand. None: the future is where it was, for the longer way.
    ///
    /// # Safety
    /// The future is there: no spawn has taken it.
    #[inline(always)]
    pub unsafe fn spawn_listed<F: Future + 'static>(
        &self,
        future: &mut Given<F>,
    ) -> Option<LocalJoinHandle<F::Output>> {
        join::spawn::<true, F>(&self.shared, &self.home, future)
    }

    /// As [`Local::try_spawn_detached`], where and as [`Local::spawn_listed`] does.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn spawn_detached_listed<F: Future + 'static>(&self, future: &mut Given<F>) -> Option<()> {
        join::spawn_detached::<true, F>(&self.shared, &self.home, future)
    }

    /// A handle for other threads.
    #[must_use]
    pub fn spawner(&self) -> LocalSpawner {
        LocalSpawner::new(Arc::clone(&self.shared))
    }

    /// Wakes the task that `id` names, if it is still there.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        cell::wake_by_id(&self.shared, id)
    }

    /// Aborts the task that `id` names. False: there is no such task, or it has come to its end.
    pub fn abort(&self, id: TaskId) -> bool {
        cell::abort_by_id(&self.shared, id)
    }

    /// A waker of the task that `id` names. None: there is no such task, or it has come to its end.
    #[must_use]
    pub fn waker(&self, id: TaskId) -> Option<Waker> {
        waker::by_id(&self.shared, id)
    }

    /// A clone of `waker` if it is of a task of this executor: asks no thread-local, and runs none of the user's code.
    #[inline(always)]
    #[must_use]
    pub fn clone_waker(&self, waker: &Waker) -> Option<Waker> {
        waker::clone_here(&self.shared, waker)
    }

    /// Drops `waker` if it is of a task of this executor, as [`Local::clone_waker`] does. Else it comes back.
    #[inline(always)]
    #[must_use = "it is still to be dropped"]
    pub fn drop_waker(&self, waker: Waker) -> Option<Waker> {
        waker::drop_here(&self.shared, waker)
    }

    /// Tasks that have not completed.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        (self.home.spawned.get() - self.shared.own.completed.get()) as usize
    }

    /// Gives the memory of tasks that have ended back to where it came from, and what the run queue grew by.
    pub fn trim(&self) {
        self.home.slab.trim();
        self.shared.foreign.trim();
        self.shared.own.shrink();
        self.shared.inbox.shrink();
        // Empty between two turns, and away in one.
        self.jobs.take();
    }

    /// Calls `f` with the executor in whose task, or turn, the caller is, if any.
    pub fn with_current<R>(f: impl FnOnce(Option<&Local>) -> R) -> R {
        let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
        // SAFETY: a turn set it and takes it back before it ends, and it borrows the executor.
        f(unsafe { current.as_ref() })
    }

    /// Makes this the thread's current executor, and the thread the slab's owner, until the guard is
    /// dropped. None if it is already inside a turn.
    pub(super) fn begin_turn(&self) -> Option<Turn<'_>> {
        if self.running.replace(true) {
            return None;
        }
        let outer = CURRENT.try_with(|c| c.replace(self)).unwrap_or(ptr::null());
        // SAFETY: the turn borrows the executor, which neither moves its slab nor is `Send`.
        let slab = unsafe { self.home.slab.enter() };
        Some(Turn { local: self, outer, _slab: slab })
    }

    /// Polls up to `most` tasks; how many it polled.
    pub(super) fn run(&self, most: u32) -> u32 {
        let shared = &*self.shared;
        let before = shared.own.allow(most as usize);
        while let Some(task) = shared.own.pop() {
            context::set_budget(COOP_BUDGET);
            // SAFETY: it comes from the run queue, so it is scheduled, and ours to poll.
            unsafe { run::run(shared, task) };
        }
        let polled = shared.own.taken().wrapping_sub(before) as u32;
        self.polls.set(self.polls.get() + u64::from(polled));
        polled
    }

    /// The batch in progress ends with the poll in progress.
    pub(super) fn stop(&self) {
        self.shared.own.allow(0);
    }

    /// Takes in what other threads left: wakes, references, spawns.
    #[inline]
    pub(super) fn drain(&self) {
        if !self.shared.stack.is_empty() {
            self.drain_stack();
        }
        if self.shared.inbox.has_some() {
            self.drain_inbox();
        }
    }

    fn drain_inbox(&self) {
        let mut jobs = self.jobs.take();
        self.shared.inbox.take(&mut jobs);
        for job in jobs.drain(..) {
            match job {
                Job::Spawn(task) => {
                    self.adopt(task);
                }
                Job::SpawnNamed(task) => {
                    let id = task.id();
                    let exported = TaskId::export(self.adopt(task));
                    debug_assert_eq!(id, exported, "a cell's next generation is known");
                }
                Job::Abort(id) => {
                    cell::abort_by_id(&self.shared, id);
                }
            }
        }
        self.jobs.set(jobs);
    }

    fn adopt(&self, task: Newborn) -> NonNull<Header> {
        self.home.spawned.set(self.home.spawned.get() + 1);
        cell::adopt(&self.shared, task)
    }

    /// Calls `f` for each task that is there, with its id if one has been made.
    pub fn for_each_task(&self, mut f: impl FnMut(Option<TaskId>, TaskState)) {
        self.shared.table.all(|cell| {
            if let Some((id, state)) = TaskId::look(cell) {
                f(id, state);
            }
            true
        });
    }

    #[cold]
    fn drain_stack(&self) {
        for task in self.shared.stack.take_all() {
            self.look_at(task);
        }
    }

    /// Looks at one cell that was popped from the remote stack.
    pub(super) fn look_at(&self, task: NonNull<Header>) {
        let wake = |task| {
            let own = &self.shared.own;
            own.remote_wakes.set(own.remote_wakes.get() + 1);
            // SAFETY: the cell has references of its own left, and this is its owner's thread.
            unsafe { cell::wake(&self.shared, task) };
        };
        // SAFETY: the owner's thread, and it was just popped.
        if unsafe { refs::popped(task, wake) } {
            // SAFETY: that was the last reference.
            unsafe { cell::free(task) };
        }
    }
}

/// A turn of the executor on this thread. Turns of different executors nest.
pub(super) struct Turn<'a> {
    local: &'a Local,
    outer: *const Local,
    _slab: context::EnteredSlab,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _gone = CURRENT.try_with(|c| c.set(self.outer));
        self.local.running.set(false);
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("live", &self.live_tasks())
            .field("ready", &self.shared.own.ready())
            .field("closed", &self.home.closed.get())
            .finish_non_exhaustive()
    }
}
