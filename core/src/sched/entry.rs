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
use core::ptr;

use crate::context;
use crate::queue::Chain;
use crate::sched::shared::{Private, Remote, Shared, count, count_shared};
use crate::slab::Slab;
use crate::sync::Ordering;
use crate::task::{self, JoinHandle, Notified, Schedule};

/// The part of a worker that the tasks it polls can reach (through the thread-local context).
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) slab: Slab,
    pub(super) polling: Cell<bool>,
    pub(super) searching: Cell<bool>,
    /// Out of its loop: what becomes runnable here is for the last worker out.
    pub(super) left: Cell<bool>,
}

/// How a future becomes a task: with a join handle or without.
type Make<F, H> = fn(&Slab, F) -> Result<(Notified, H), F>;

impl Core {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        let slab = Slab::new(shared.slab_meta());
        let (polling, searching, left) = (Cell::new(false), Cell::new(false), Cell::new(false));
        Core { shared, index, slab, polling, searching, left }
    }

    #[inline(always)]
    pub(super) fn remote(&self) -> &Remote {
        &self.shared.remotes[self.index]
    }

    #[inline(always)]
    pub(super) fn private<R>(&self, f: impl FnOnce(&mut Private) -> R) -> R {
        // SAFETY: only this worker's thread reaches its core, and no closure below calls out.
        unsafe { self.remote().private.own(f) }
    }

    /// Makes a task of `future` with `make`, one of the task module's two ways, and queues it.
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
    #[inline]
    pub(super) fn push(&self, task: Notified) {
        if self.left.get() {
            self.shared.inject.push(self.index, task);
            return self.shared.notify();
        }
        if context::to_tail() {
            return self.push_tail(task);
        }
        let (overflow, runnable, hidden) = self.private(|p| {
            let overflow = match p.lifo.push(task) {
                Some(oldest) => p.ring.push(oldest).err(),
                None => None,
            };
            (overflow, p.lifo.len() + p.ring.len(), p.hidden())
        });
        self.after_push(overflow, runnable, hidden);
    }

    /// As `push`, but behind everything that waits here already.
    #[inline]
    fn push_tail(&self, task: Notified) {
        let (overflow, runnable, hidden) =
            self.private(|p| (p.ring.push(task).err(), p.lifo.len() + p.ring.len(), p.hidden()));
        self.after_push(overflow, runnable, hidden);
    }

    /// Puts the task that was just polled back, behind all others. Wakes nobody for a lone one.
    #[inline]
    pub(super) fn requeue(&self, task: Notified) {
        if self.shared.remotes.len() == 1 {
            if let Some(chain) = self.private(|p| p.ring.push(task).err()) {
                self.shared.inject.push_chain(self.index, chain);
            }
            return;
        }
        self.push_tail(task);
    }

    #[inline]
    fn after_push(&self, overflow: Option<Chain<Notified>>, runnable: usize, hidden: usize) {
        self.publish_hidden(hidden);
        if let Some(chain) = overflow {
            self.shared.inject.push_chain(self.index, chain);
        }
        if runnable > 1 || (hidden == 1 && self.polling.get() && self.shared.wants_watcher()) {
            self.shared.notify();
        }
    }

    #[inline]
    pub(super) fn publish_hidden(&self, hidden: usize) {
        // ORDERING: Relaxed, a hint for watchers with one writer (a raid leaves a stale one until the next).
        self.remote().hidden.store(hidden as u32, Ordering::Relaxed);
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
        self.spawn_with(future, |slab, future| Ok((task::spawn_detached_in(slab, future)?, ())))
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
