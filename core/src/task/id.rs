//! A task's name: where its cell is and which of the tasks in it is meant. It holds no reference.
//!
//! What is done through an id is one CAS that compares the generation and asks for references above 0, so an id
//! that outlived its task is *stale*: nothing happens. Making one marks the cell as EXPORTED, for good: from
//! then on its tasks end with a locked instruction, and the cell is not used again once its
//! generation is at its end (`state`).

use core::ptr::NonNull;
use core::task::Waker;

use super::abort;
use super::chunk::chunk_of;
use super::header::Header;
use super::in_slab::{InSlab, task_of};
use super::join::JoinHandle;
use super::schedule::Notified;
use super::state::{After, CANCELLED, COMPLETE, EXPORTED, SCHED, Weak, Word};
use super::waker::{follow, submit, waker_for};
use crate::context;
use crate::slab::ChunkTable;
use crate::sync::Ordering;

type AbortHandle = abort::AbortHandle<InSlab>;

/// Bits of an index that name the cell in its chunk.
const CELL_BITS: u32 = 10;

const _: () = assert!(crate::config::CHUNK_CELLS <= 1 << CELL_BITS);

/// Names one task of one runtime; copied freely, good for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// Where the task's cell is.
    pub index: u32,
    /// Which of the tasks in that cell it is; 24 bits.
    pub generation: u32,
}

/// What a wake through an id did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WakeResult {
    /// The task will be polled.
    Queued,
    /// The task would have been polled anyway.
    AlreadyPending,
    /// There is no such task, or not any more.
    Stale,
}

/// What an id says about its task, at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits to be woken.
    Idle,
    /// It is queued or being polled.
    Scheduled,
    /// It has come to its end, and somebody still holds on to it.
    Complete,
    /// There is no such task, or not any more.
    Stale,
}

impl TaskState {
    /// Of a cell that is not free.
    fn of(word: Word) -> Self {
        if word.has(COMPLETE) {
            TaskState::Complete
        } else if word.has(SCHED) {
            TaskState::Scheduled
        } else {
            TaskState::Idle
        }
    }
}

impl TaskId {
    /// The id of a task that the caller holds a reference to.
    pub(crate) fn export(task: NonNull<Header>) -> TaskId {
        // SAFETY: the caller's reference.
        let generation = unsafe { task.as_ref() }.state.export();
        TaskId::at(task, generation)
    }

    /// The id that a free cell's next task will have. Not to be used before that has begun and been exported.
    pub(crate) fn of_next(cell: NonNull<Header>) -> TaskId {
        // ORDERING: Relaxed: the cell is the caller's alone.
        // SAFETY: the cell is the caller's.
        let word = unsafe { cell.as_ref() }.state.load(Ordering::Relaxed);
        TaskId::at(cell, word.next_generation())
    }

    /// What is in a cell that stays mapped, and its id if that has been made: making one here would need a reference.
    pub(crate) fn look(cell: NonNull<Header>) -> Option<(Option<TaskId>, TaskState)> {
        // ORDERING: Acquire pairs with the Release of `spawn`: the chunk's head, which the id is made of.
        // SAFETY: the caller's promise.
        let word = unsafe { cell.as_ref() }.state.load(Ordering::Acquire);
        let id = || TaskId::at(cell, word.generation());
        (!word.is_free()).then(|| (word.has(EXPORTED).then(id), TaskState::of(word)))
    }

    fn at(cell: NonNull<Header>, generation: u32) -> TaskId {
        // SAFETY: a cell's chunk stays mapped as long as the cell.
        let head = unsafe { chunk_of(cell).as_ref() };
        TaskId { index: (head.index << CELL_BITS) | head.number_of(cell), generation }
    }

    /// The cell this id points at, whatever is in it now. Stays mapped as long as `table`.
    pub(crate) fn cell(self, table: &ChunkTable) -> Option<NonNull<Header>> {
        let chunk = table.get(self.index >> CELL_BITS)?;
        let number = self.index & ((1 << CELL_BITS) - 1);
        // SAFETY: the number has just been compared with the chunk's, which stays mapped.
        (number < chunk.cells()).then(|| unsafe { chunk.cell(number) })
    }

    /// Wakes the task, if it is still there. `table`: of a stealing scheduler, as for all below.
    pub(crate) fn wake(self, table: &ChunkTable) -> WakeResult {
        let Some(cell) = self.cell(table) else { return WakeResult::Stale };
        // SAFETY: cells in a table stay mapped.
        let state = &unsafe { cell.as_ref() }.state;
        if context::polling() == cell.as_ptr().cast() {
            // ORDERING: Relaxed: this thread polls the task in the cell, so the generation stands still.
            if state.load(Ordering::Relaxed).generation() != self.generation {
                return WakeResult::Stale;
            }
            context::wake_self(cell.as_ptr().cast());
            return WakeResult::AlreadyPending;
        }
        match state.wake_if(self.generation) {
            Weak::Submit => {
                // SAFETY: SCHED was set just now, with a reference for us.
                unsafe { submit::<InSlab>(cell) };
                let after = state.drop_ref();
                // SAFETY: just returned by the word; a drop leaves nothing to submit.
                unsafe { follow::<InSlab>(cell, after) };
                WakeResult::Queued
            }
            Weak::Pending => WakeResult::AlreadyPending,
            Weak::Stale => WakeResult::Stale,
        }
    }

    /// As [`wake`](Self::wake) on a thread that knows nothing, but leaves it to the caller to queue the task. The caller
    /// keeps the scheduler until it has.
    pub(crate) fn mark(self, table: &ChunkTable) -> (WakeResult, Option<Notified>) {
        let Some(cell) = self.cell(table) else { return (WakeResult::Stale, None) };
        // SAFETY: cells in a table stay mapped.
        let state = &unsafe { cell.as_ref() }.state;
        match state.wake_if(self.generation) {
            Weak::Submit => {
                // The task has its own reference, which travels with N.
                let after = state.drop_ref();
                debug_assert!(after == After::Nothing, "a task that is to be run is there");
                // SAFETY: SCHED was set just now.
                (WakeResult::Queued, Some(unsafe { Notified::from_raw(cell) }))
            }
            Weak::Pending => (WakeResult::AlreadyPending, None),
            Weak::Stale => (WakeResult::Stale, None),
        }
    }

    /// A counted handle of the task, if its cell still holds it.
    pub(crate) fn upgrade(self, table: &ChunkTable) -> Option<AbortHandle> {
        let cell = self.cell(table)?;
        // SAFETY: cells in a table stay mapped.
        let held = unsafe { cell.as_ref() }.state.upgrade(self.generation);
        held.then(|| AbortHandle::from_reference(cell))
    }

    /// A waker of the task, if it has not come to its end.
    pub(crate) fn waker(self, table: &ChunkTable) -> Option<Waker> {
        let handle = self.upgrade(table).filter(|handle| !handle.is_finished())?;
        // SAFETY: it is given the handle's reference, and a table's cells are in slabs.
        Some(unsafe { waker_for::<InSlab>(handle.into_reference()) })
    }

    /// Aborts the task. False: there is no such task, or it has come to its end.
    pub(crate) fn abort(self, table: &ChunkTable) -> bool {
        // Through a reference, which keeps the scheduler while it is called.
        let Some(handle) = self.upgrade(table) else { return false };
        let live = !handle.is_finished();
        handle.abort();
        live
    }

    /// What the task does at this moment.
    pub(crate) fn state(self, table: &ChunkTable) -> TaskState {
        let Some(cell) = self.cell(table) else { return TaskState::Stale };
        // SAFETY: cells in a table stay mapped.
        let state = &unsafe { cell.as_ref() }.state;
        // ORDERING: Acquire pairs with `complete`: who reads "complete" finds the future's effects.
        let seen = state.load(Ordering::Acquire);
        if seen.is_free() || seen.generation() != self.generation {
            TaskState::Stale
        } else {
            TaskState::of(seen)
        }
    }
}

impl<T> JoinHandle<T, InSlab> {
    /// The task's name, which holds no reference.
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId::export(self.task())
    }
}

impl AbortHandle {
    /// See [`JoinHandle::id`].
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId::export(self.task())
    }
}

/// The id of the task that `waker` wakes. None if that is not a task of a stealing scheduler.
#[must_use]
pub fn id_of(waker: &Waker) -> Option<TaskId> {
    task_of(waker).map(TaskId::export)
}

/// Whether the task that `waker` wakes was aborted; false if it is not a stealing scheduler's.
#[must_use]
pub fn is_aborted(waker: &Waker) -> bool {
    // SAFETY: the waker keeps its task.
    // ORDERING: Relaxed, a hint.
    task_of(waker).is_some_and(|task| unsafe { task.as_ref() }.state.load(Ordering::Relaxed).has(CANCELLED))
}

#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests;
