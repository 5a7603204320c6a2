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
use crate::sched::shared::{Private, Remote, Shared, count, count_shared};
use crate::slab::Slab;
use crate::task::{self, JoinHandle, Notified, Schedule};

/// The part of a worker that the tasks it polls can reach (through the thread-local context).
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    /// Our own place in `shared`, which keeps it.
    remote: NonNull<Remote>,
    /// There are other workers.
    several: bool,
    pub(super) slab: Slab,
    pub(super) searching: Cell<bool>,
    /// Tasks taken from the LIFO slots in a row.
    pub(super) lifo_polls: Cell<u32>,
    /// Out of its loop: what becomes runnable here is for the last worker out.
    pub(super) left: Cell<bool>,
}

/// How a future becomes a task: with a join handle or without.
type Make<F, H> = fn(&Slab, F) -> Result<(Notified, H), F>;

#[inline(always)]
fn detached<F>(slab: &Slab, future: F) -> Result<(Notified, ()), F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Ok((task::spawn_detached_in(slab, future)?, ()))
}

/// What a push leaves to do.
struct Pushed {
    /// There was no room in the ring for this one.
    full: Option<Notified>,
    /// Tasks in the worker's queues, and those of them that no thief can reach. Zero if there are no thieves.
    runnable: usize,
    hidden: usize,
}

impl Core {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let slab = Slab::new(shared.slab_meta());
        let (remote, several) = (NonNull::from(&shared.remotes[index]), shared.remotes.len() > 1);
        let (searching, left, lifo_polls) = (Cell::new(false), Cell::new(false), Cell::new(0));
        Core { shared, index, remote, several, slab, searching, lifo_polls, left }
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

    /// Makes a task of `future` with `make`, one of the task module's two ways, and queues it.
    #[inline]
    fn spawn<F, H>(&self, future: F, make: Make<F, H>) -> Result<H, F> {
        // Only the flag: whoever walks the tasks later comes after this worker has left its loop.
        if self.shared.is_closing() {
            return Err(future);
        }
        let (task, handle) = make(&self.slab, future)?;
        count(&self.remote().counts.spawned, 1);
        self.push(task);
        Ok(handle)
    }

    /// A task became runnable on this worker's thread.
    // Whatever is rare is a call in tail position: so the rest needs no stack frame.
    #[inline]
    pub(super) fn push(&self, task: Notified) {
        if self.left.get() {
            return self.push_left(task);
        }
        let (task, to_tail) = (task.into_raw(), context::to_tail());
        let push = |p: &mut Private| {
            // SAFETY: given up above, and taken back here alone, or below.
            let task = unsafe { Notified::from_raw(task) };
            self.pushed(if to_tail { p.push_tail(task) } else { p.push(task) }, p)
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
        let pushed = self.private(|p| self.pushed(if to_tail { p.push_tail(task) } else { p.push(task) }, p));
        self.after_push(pushed);
    }

    /// Puts the task that was just polled behind everything that waits here already.
    #[inline(always)]
    pub(super) fn push_tail(&self, task: Notified) {
        let pushed = self.private(|p| self.pushed(p.push_tail(task), p));
        self.after_push(pushed);
    }

    /// `full`: a task for which the ring had no room.
    #[inline(always)]
    fn pushed(&self, full: Option<Notified>, p: &Private) -> Pushed {
        // Alone, there is nobody to tell: the pusher is awake.
        let hidden = if self.several { p.hidden() } else { 0 };
        let runnable = if self.several { hidden + p.ring.in_ring() } else { 0 };
        Pushed { full, runnable, hidden }
    }

    #[inline(always)]
    fn after_push(&self, Pushed { full, runnable, hidden }: Pushed) {
        if let Some(task) = full {
            return self.push_full(task);
        }
        if runnable > 1 || (hidden == 1 && !context::polling().is_null() && self.shared.wants_watcher()) {
            self.tell_others();
        }
    }

    #[inline(never)]
    fn tell_others(&self) {
        self.shared.notify();
    }

    /// The ring has no room: half of it goes to the injection queue, with `task`.
    #[cold]
    #[inline(never)]
    pub(super) fn push_full(&self, task: Notified) {
        if let Some(chain) = self.private(|p| p.ring.push(task).err()) {
            self.shared.inject.push_chain(self.index, chain);
        }
        if self.several {
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
        self.spawn_with(future, task::spawn_in)
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
        self.spawn_with(future, detached)
    }

    /// As [`Shared::spawn`], if this thread is one of the workers: queues the task and calls no code of the user's.
    ///
    /// # Errors
    /// The future back, also on any other thread.
    #[inline(always)]
    pub fn spawn_here<F>(&self, future: F) -> Result<JoinHandle<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.current() {
            Some(core) => core.spawn(future, task::spawn_in),
            None => Err(future),
        }
    }

    /// As [`Shared::spawn_detached`], if this thread is one of the workers.
    ///
    /// # Errors
    /// As for `spawn_here`.
    #[inline(always)]
    pub fn spawn_detached_here<F>(&self, future: F) -> Result<(), F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.current() {
            Some(core) => core.spawn(future, detached),
            None => Err(future),
        }
    }

    #[inline]
    fn spawn_with<F, H>(self: &Arc<Self>, future: F, make: Make<F, H>) -> Result<H, F> {
        if let Some(core) = self.current() {
            return core.spawn(future, make);
        }
        if self.is_closing() {
            return Err(future);
        }
        let (task, handle) = self.foreign.with(
            || self.slab_meta(),
            |slab| match slab {
                Some(slab) => make(slab, future),
                None => Err(future),
            },
        )?;
        count_shared(&self.foreign_spawned);
        // Published: if the walk of a shutdown did not see this task, we see its flag here.
        if self.owned.closed_after_publish() {
            task::cancel(task);
            // Who drains may be waiting for just this one.
            self.notify();
        } else {
            self.schedule(task);
        }
        Ok(handle)
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
            core.push(task);
            return;
        }
        // A thread keeps to one shard, so its wake-ups stay in order.
        self.inject.push(context::token() as usize, task);
        count_shared(&self.injected);
        self.notify();
    }
}
