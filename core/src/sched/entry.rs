//! How tasks get in: a spawn or wake on a worker of this runtime goes to that worker's own queues, from
//! anywhere else to the injection queue. After a push that another worker may need, a sleeper is woken.
//!
//! - A task woken while another is polled goes to the LIFO slots; one that yields, was notified while
//!   it ran, or joins a task that has just completed goes to the ring's tail.
//! - A push wakes another worker only when there is more than this worker runs next: from one runnable
//!   task to two, not from none to one (waking on every push cost a third on message passing: Tokio #8065).
//!
//! A foreign thread that wakes a task by value keeps its reference until [`Schedule::schedule`] has
//! returned, and a task's cell keeps [`Shared`], so what it reads here cannot be freed under it.

use alloc::sync::Arc;
use core::cell::Cell;
use core::future::Future;
use core::ptr::{self, NonNull};

use crate::context;
use crate::sched::private::Private;
use crate::sched::shared::{Remote, Shared, count};
use crate::slab::Slab;
use crate::task::given::Source;
use crate::task::in_slab::untouched;
use crate::task::schedule::Here;
use crate::task::{self, Given, JoinHandle, Notified, Schedule};

/// The part of a worker that the tasks it polls can reach (through the thread-local context).
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    /// Our own place in `shared`, which keeps it.
    remote: NonNull<Remote>,
    mode: Cell<Mode>,
    /// There are no other workers.
    pub(super) alone: bool,
    pub(super) searching: Cell<bool>,
    /// Tasks taken from the LIFO slots in a row.
    pub(super) lifo_polls: Cell<u32>,
    pub(super) slab: Slab,
}

/// What a push has to mind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing: the pusher is the only worker, and awake.
    Alone,
    /// Thieves.
    Several,
    /// The worker is out of its loop: what becomes runnable here is for the last one out.
    Left,
}

/// How a future becomes a task without a join handle, as `task::spawn_in` makes one with it.
#[inline(always)]
fn detached<const LISTED: bool, F>(slab: &Slab, future: &mut impl Source<F>) -> Option<(Notified, ())>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Some((task::spawn_detached_in::<LISTED, F>(slab, future)?, ()))
}

impl Core {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let slab = Slab::new(shared.slab_meta());
        let (remote, alone) = (NonNull::from(&shared.remotes[index]), shared.remotes.len() == 1);
        let mode = Cell::new(if alone { Mode::Alone } else { Mode::Several });
        let (searching, lifo_polls) = (Cell::new(false), Cell::new(0));
        Core { shared, index, remote, mode, alone, searching, lifo_polls, slab }
    }

    #[inline(always)]
    pub(super) fn remote(&self) -> &Remote {
        // SAFETY: it lies in a box of `shared`, which we hold.
        unsafe { self.remote.as_ref() }
    }

    #[inline(always)]
    pub(super) fn private<R>(&self, f: impl FnOnce(&mut Private) -> R) -> R {
        // SAFETY: only this worker's thread reaches its core, and no closure below calls out.
        unsafe { self.remote().private.own(f) }
    }

    /// As `private`, with what it spares a worker that is known to be alone.
    #[inline(always)]
    pub(super) fn private_if<const ALONE: bool, R>(&self, f: impl FnOnce(&mut Private) -> R) -> R {
        debug_assert!(self.alone == ALONE);
        if ALONE {
            // SAFETY: as above, and there is no other worker to raid.
            unsafe { self.remote().private.own_alone(f) }
        } else {
            self.private(f)
        }
    }

    /// From here on what becomes runnable here goes to the injection queue.
    pub(super) fn leave(&self) {
        self.mode.set(Mode::Left);
    }

    /// Makes a task of `future` with `make`, one of the task module's two ways, and queues it. None: it is where it was.
    #[inline(always)]
    fn spawn<S, H>(
        &self,
        future: &mut S,
        make: impl FnOnce(&Slab, &mut S) -> Option<(Notified, H)>,
    ) -> Option<H> {
        // Only the flag: whoever walks the tasks later comes after this worker has left its loop.
        if self.shared.is_closing() {
            return None;
        }
        let (task, handle) = make(&self.slab, future)?;
        count(&self.remote().counts.spawned, 1);
        self.push(task);
        Some(handle)
    }

    /// A task was spawned on this worker's thread.
    // Whatever is rare is a call in tail position: so the rest needs no stack frame.
    #[inline(always)]
    pub(super) fn push(&self, task: Notified) {
        match self.mode.get() {
            Mode::Alone => {
                if let Some(task) = self.private_if::<true, _>(|p| p.push::<true>(task)) {
                    self.push_full::<true>(task);
                }
            }
            Mode::Several => self.push_beside_others(task, false),
            Mode::Left => self.push_left(task),
        }
    }

    /// A task was woken on this worker's thread.
    #[inline]
    fn push_woken(&self, to_tail: bool, task: Notified) {
        if !to_tail {
            return self.push(task);
        }
        match self.mode.get() {
            Mode::Alone => self.push_tail::<true>(task),
            Mode::Several => self.push_beside_others(task, true),
            Mode::Left => self.push_left(task),
        }
    }

    /// Puts the task that was just polled behind everything that waits here already.
    #[inline(always)]
    pub(super) fn push_tail<const ALONE: bool>(&self, task: Notified) {
        if ALONE {
            if let Some(task) = self.private_if::<true, _>(|p| p.push_tail::<true>(task)) {
                self.push_full::<true>(task);
            }
        } else {
            let pushed = self.private(|p| Pushed::new(p.push_tail::<false>(task), p));
            self.after_push(pushed);
        }
    }

    fn push_beside_others(&self, task: Notified, to_tail: bool) {
        let task = task.into_raw();
        let push = |p: &mut Private| {
            // SAFETY: given up above, and taken back here alone, or below.
            let task = unsafe { Notified::from_raw(task) };
            Pushed::new(if to_tail { p.push_tail::<false>(task) } else { p.push::<false>(task) }, p)
        };
        // SAFETY: only this worker's thread reaches its core, and the closure does not call out.
        let pushed = unsafe { self.remote().private.try_own(push) };
        match pushed {
            Some(pushed) => self.after_push(pushed),
            // SAFETY: as above: the closure was not called.
            None => self.push_after_raid(unsafe { Notified::from_raw(task) }, to_tail),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_after_raid(&self, task: Notified, to_tail: bool) {
        let pushed = self.private(|p| {
            Pushed::new(if to_tail { p.push_tail::<false>(task) } else { p.push::<false>(task) }, p)
        });
        self.after_push(pushed);
    }

    #[inline(always)]
    fn after_push(&self, Pushed { full, runnable, hidden }: Pushed) {
        if let Some(task) = full {
            return self.push_full::<false>(task);
        }
        if runnable > 1 || (hidden == 1 && !context::polling().is_null() && self.shared.wants_watcher()) {
            self.tell_others();
        }
    }

    #[inline(never)]
    fn tell_others(&self) {
        self.shared.notify();
    }

    /// The ring has no room: half of it goes to the injection queue, with `task`. That of a lone worker grows.
    #[cold]
    #[inline(never)]
    pub(super) fn push_full<const ALONE: bool>(&self, task: Notified) {
        if let Some(chain) = self.private_if::<ALONE, _>(|p| p.overflow::<ALONE>(task)) {
            self.shared.inject.push_chain(self.index, chain);
        }
        if !ALONE {
            self.shared.notify();
        }
    }

    #[cold]
    #[inline(never)]
    fn push_left(&self, task: Notified) {
        self.shared.inject.push(self.index, task);
        self.shared.notify();
    }
}

/// What a push leaves to do.
struct Pushed {
    /// There was no room in the ring for this one.
    full: Option<Notified>,
    /// Tasks in the worker's queues, and those of them that no thief can reach.
    runnable: usize,
    hidden: usize,
}

impl Pushed {
    #[inline(always)]
    fn new(full: Option<Notified>, p: &Private) -> Pushed {
        let hidden = p.hidden();
        Pushed { full, runnable: hidden + p.ring.in_ring(), hidden }
    }
}

impl Shared {
    /// Spawns `future`. On a worker of this runtime it goes to that worker's own queues.
    ///
    /// Allocates nothing in steady state.
    ///
    /// # Errors
    /// The future back when the runtime is closing, or when memory has run out.
    pub fn spawn<F>(self: &Arc<Self>, future: F) -> Result<JoinHandle<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut future = Some(future);
        self.spawn_from(&mut future).ok_or_else(|| untouched(future))
    }

    /// As [`Shared::spawn`], of a future that is moved once, into its task. None: it is where it was.
    ///
    /// # Panics
    /// If there is no future.
    #[inline]
    pub fn spawn_from<F>(self: &Arc<Self>, future: &mut Option<F>) -> Option<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(future, task::spawn_in::<false, F>)
    }

    /// As [`Shared::spawn`], without a handle: one reference less to count, and nobody hears of the output.
    ///
    /// # Errors
    /// As for `spawn`.
    pub fn spawn_detached<F>(self: &Arc<Self>, future: F) -> Result<(), F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut future = Some(future);
        self.spawn_detached_from(&mut future).ok_or_else(|| untouched(future))
    }

    /// As [`Shared::spawn_detached`], as [`Shared::spawn_from`] does.
    ///
    /// # Panics
    /// If there is no future.
    #[inline]
    pub fn spawn_detached_from<F>(self: &Arc<Self>, future: &mut Option<F>) -> Option<()>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(future, detached::<false, F>)
    }

    /// As [`Shared::spawn`], if this thread is one of the workers and has a free cell at hand: queues the task and
    /// calls no code of the user's. None: the future is where it was, for the longer way.
    ///
    /// # Safety
    /// The future is there: no spawn has taken it.
    #[inline(always)]
    pub unsafe fn spawn_here<F>(&self, future: &mut Given<F>) -> Option<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.current() {
            Some(core) => core.spawn(future, task::spawn_in::<true, F>),
            None => None,
        }
    }

    /// As [`Shared::spawn_detached`], where and as [`Shared::spawn_here`] does.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn spawn_detached_here<F>(&self, future: &mut Given<F>) -> Option<()>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.current() {
            Some(core) => core.spawn(future, detached::<true, F>),
            None => None,
        }
    }

    #[inline]
    fn spawn_with<F, H>(
        self: &Arc<Self>,
        future: &mut Option<F>,
        make: impl Fn(&Slab, &mut Option<F>) -> Option<(Notified, H)>,
    ) -> Option<H> {
        if let Some(core) = self.current() {
            return core.spawn(future, make);
        }
        if self.is_closing() {
            return None;
        }
        let (task, handle) = self.foreign.with(
            || self.slab_meta(),
            |slab| {
                let made = make(slab?, future)?;
                // The lock lets one do it at a time.
                count(&self.outside.spawned, 1);
                Some(made)
            },
        )?;
        // Published: if the walk of a shutdown did not see this task, we see its flag here.
        if self.owned.closed_after_publish() {
            task::cancel(task);
            // Who drains may be waiting for just this one.
            self.notify();
        } else {
            self.schedule(task);
        }
        Some(handle)
    }

    /// The core of the worker that this thread is, if it is one of this runtime's.
    #[inline]
    pub(super) fn current(&self) -> Option<&Core> {
        context::sched(ptr::from_ref(self).cast()).map(|core| {
            // SAFETY: a worker of this runtime put its core there and takes it away before the core ends; the
            // reference does not leave this thread's current call.
            unsafe { &*core.cast::<Core>() }
        })
    }
}

// SAFETY: `schedule` takes every task it is given: into the current worker's queues or the injection
// queue, which refuse none. The pointer in the chunks is good while the runtime's tasks can be woken.
unsafe impl Schedule for Shared {
    fn schedule(&self, task: Notified) {
        if let Some(core) = self.current() {
            return core.push_woken(context::to_tail(), task);
        }
        // A thread keeps to one shard, so its wake-ups stay in order.
        self.inject.push_foreign(context::token() as usize, task);
        self.notify();
    }

    unsafe fn schedule_here(&self, here: Here, task: Notified) {
        // SAFETY: the caller's promise: a worker of this runtime put its core there, as in `current`.
        unsafe { &*here.core.cast::<Core>() }.push_woken(here.to_tail, task);
    }
}
