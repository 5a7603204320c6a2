//! What a task asks of its scheduler: to take it, and to run it some time.

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use super::header::Header;

/// The right, and the duty, to run a task: it exists exactly while the task's SCHED bit is set.
///
/// It is never thrown away. Whoever holds one puts it in a queue, calls [`run`](super::run) or
/// [`cancel`](super::cancel); a task whose `Notified` is lost is neither polled nor dropped again.
#[must_use = "a task whose `Notified` is lost is neither polled nor dropped"]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Notified(NonNull<Header>);

// SAFETY: tasks of a stealing scheduler are `Send`; the others never leave their owner's thread.
unsafe impl Send for Notified {}

impl Notified {
    /// The same as a pointer, for a queue.
    #[inline(always)]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// The task's cell.
    #[inline(always)]
    pub(super) fn cell(&self) -> NonNull<Header> {
        self.0
    }

    /// Takes back what [`Notified::into_raw`] gave out.
    ///
    /// # Safety
    /// `task` came from `into_raw`, or the caller has just set its SCHED bit, and nobody else does this.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Notified(task)
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        debug_assert!(false, "a task was dropped on its way to be run");
    }
}

/// What a thread was entered with for its scheduler, and whether what it wakes now belongs at the tail.
#[cfg_attr(not(feature = "alloc"), expect(dead_code, reason = "read by a scheduler with workers"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    pub(crate) core: *const (),
    pub(crate) to_tail: bool,
}

/// Takes runnable tasks. Chunks of cells hold it: the scheduler's shared part lives as long as any of its
/// tasks' cells is out, however long a waker keeps one.
///
/// # Safety
/// - `schedule` refuses no task, and runs or cancels it at some later time.
/// - A worker's thread is entered with `context::enter_sched(self, ..)`, `self` being this object's
///   address: there, a wake by value gives its reference away before `schedule` is called.
pub(crate) unsafe trait Schedule: Send + Sync {
    /// Queues `task`. Called from any thread, also inside polls and destructors.
    fn schedule(&self, task: Notified);

    /// The same on a thread that is entered with this object.
    ///
    /// # Safety
    /// `here` is what this thread was entered with, for this object.
    #[inline]
    unsafe fn schedule_here(&self, here: Here, task: Notified) {
        let _ = here;
        self.schedule(task);
    }
}
