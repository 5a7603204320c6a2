//! Wakes that must not wait for anybody: by signal handlers, which may have stopped the holder of any lock and the
//! owner of any plain queue, also on their own thread.
//!
//! ```text
//!   handler:  CAS of the state word ── CAS push ──▶ stack ──▶ notify
//!   worker, where it looks at the injection queue:  take all ──▶ injection queue ──▶ notify
//! ```
//!
//! A stack of its own, so that the injection queue keeps its locks, which cost less than its form without them; an
//! empty one costs a load where a worker looks for injected tasks. A worker on its way to sleep looks at the stack
//! as at every queue ([`Shared::has_work`]), and the push is followed by the same `notify`. While tasks are moved over
//! neither place shows them, so the mover notifies again. Any worker may take: what one swap gets no other does.

use core::iter;

use crate::queue::Chain;
use crate::sched::shared::{Shared, count_shared};
use crate::task::{Notified, TaskId, WakeResult};

impl Shared {
    /// Wakes the task that `id` names, as [`wake`](Self::wake) does, by way of a stack without locks: may be called in
    /// signal handlers, also of a worker's thread.
    pub fn wake_in_signal(&self, id: TaskId) -> WakeResult {
        let (woken, task) = id.mark(self.owned.table());
        if let Some(task) = task {
            // SAFETY: N is ours, and with it the link; it keeps the task until a worker has run it.
            let pushed = unsafe { self.signalled.push(task.into_raw()) };
            debug_assert!(pushed, "it is never closed");
            self.notify();
        }
        woken
    }

    /// Wakes many tasks; returns how many were queued by this. From outside the workers they are queued together, and
    /// one worker is woken for them, which wakes the next if there is more than it takes.
    pub fn wake_many(&self, ids: impl IntoIterator<Item = TaskId>) -> usize {
        if self.current().is_some() {
            return ids.into_iter().filter(|id| self.wake(*id) == WakeResult::Queued).count();
        }
        let mut tasks = Chain::new();
        ids.into_iter().filter_map(|id| id.mark(self.owned.table()).1).for_each(|task| tasks.push_back(task));
        let queued = tasks.len();
        if queued > 0 {
            self.inject.push_chain(crate::context::token() as usize, tasks);
            count_shared(&self.outside.injected);
            self.notify();
        }
        queued
    }

    /// Moves what signal handlers woke to the injection queue.
    #[inline(always)]
    pub(super) fn gather(&self, round: usize) {
        if !self.signalled.is_empty() {
            self.gather_some(round);
        }
    }

    #[cold]
    #[inline(never)]
    fn gather_some(&self, round: usize) {
        let mut taken = self.signalled.take_all();
        let mut tasks = Chain::new();
        // SAFETY: what is on the stack was given up by `wake_in_signal`, and each comes off it once.
        iter::from_fn(|| taken.next().map(|cell| unsafe { Notified::from_raw(cell) }))
            .for_each(|task| tasks.push_back(task));
        self.inject.push_chain(round, tasks);
        self.notify();
    }
}
