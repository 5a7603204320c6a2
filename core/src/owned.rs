//! All tasks of one stealing runtime: refuse new ones, cancel those there are, wait for the last.
//!
//! There is no list: the chunk table is walked, and each cell's state word says whether a task is in it.
//!
//! ```text
//!  close and walk                          spawn on a foreign thread
//!  --------------                          -------------------------
//!  closed = true                           publish the state word (the chunk is in the table already)
//!  fence                                   fence
//!  walk: cancel what is there              closed? then cancel it as the holder of its N
//! ```
//!
//! Of the two fences one comes first, so one of the two sees the other; if both do, the state word decides, since only
//! the holder of N cancels. A worker's spawn needs no fence: the walk comes after the worker has left its loop.
//!
//! **The walk** makes idle tasks cancelled and scheduled in one CAS, and runs that cancellation in place. A scheduled task
//! it only marks: its N is in a queue, or on its way there from a waker that is between its CAS and its push,
//! and that N is never taken away. So one walk and one emptying of the queues is not enough: who shuts down
//! repeats the emptying, sleeping in between, until [`OwnedTasks::all_complete`].

use alloc::sync::Arc;
use core::fmt;
use core::task::Waker;

pub use crate::slab::ChunkTable;
use crate::sync::{AtomicBool, Ordering, fence};
use crate::task::state::{After, COMPLETE, Word};
use crate::task::{AbortHandle, Notified, TaskId, TaskState, WakeResult};

/// See the module.
pub struct OwnedTasks {
    closed: AtomicBool,
    table: Arc<ChunkTable>,
}

impl OwnedTasks {
    /// The tasks in `table`, which belongs to slabs of one stealing scheduler.
    pub(crate) fn new(table: Arc<ChunkTable>) -> Self {
        OwnedTasks { closed: AtomicBool::new(false), table }
    }

    pub(crate) fn table(&self) -> &Arc<ChunkTable> {
        &self.table
    }

    /// Refuses spawns from now on. Idempotent.
    pub(crate) fn close(&self) {
        // ORDERING: Relaxed: the fence orders it.
        self.closed.store(true, Ordering::Relaxed);
        // ORDERING: SeqCst: two variables, the flag and a state word. Pairs with the fence in `closed_after_publish`:
        // a walk after this sees the task, or its spawner sees the flag.
        fence(Ordering::SeqCst);
    }

    /// Whether spawns are refused. What depends on a "no" is settled by `closed_after_publish`.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: Relaxed: see above.
        self.closed.load(Ordering::Relaxed)
    }

    /// Foreign thread, its task published (`spawn_in` has returned): whether the walk may have missed it. Then
    /// cancel it.
    #[must_use]
    pub(crate) fn closed_after_publish(&self) -> bool {
        // ORDERING: SeqCst: pairs with the fence in `close`.
        fence(Ordering::SeqCst);
        self.is_closed()
    }

    /// After `close`, with all workers out of their loops: cancels every task that is idle (by `cancel`, in place) and
    /// marks the others.
    pub(crate) fn cancel_all(&self, mut cancel: impl FnMut(Notified)) {
        self.table.all(|cell| {
            // SAFETY: cells in a table stay mapped.
            if unsafe { cell.as_ref() }.state.abort() == After::Submit {
                // SAFETY: SCHED was set just now.
                cancel(unsafe { Notified::from_raw(cell) });
            }
            true
        });
    }

    /// Whether no task is left that has a future.
    pub(crate) fn all_complete(&self) -> bool {
        self.table.all(|cell| !is_live(self.word(cell)))
    }

    /// Tasks that have a future. A walk, and not a snapshot.
    pub(crate) fn live(&self) -> usize {
        let mut live = 0;
        self.table.all(|cell| {
            live += usize::from(is_live(self.word(cell)));
            true
        });
        live
    }

    fn word(&self, cell: core::ptr::NonNull<crate::task::Header>) -> Word {
        // SAFETY: cells in a table stay mapped.
        let state = &unsafe { cell.as_ref() }.state;
        // ORDERING: Acquire pairs with the Release of `complete` and of the free: the future has been dropped.
        state.load(Ordering::Acquire)
    }

    /// Wakes a task by its id.
    pub fn wake(&self, id: TaskId) -> WakeResult {
        id.wake(&self.table)
    }

    /// A waker of a task by its id; none if it is not there any more.
    #[must_use]
    pub fn waker(&self, id: TaskId) -> Option<Waker> {
        id.waker(&self.table)
    }

    /// Aborts a task by its id; false if it is not there any more.
    pub fn abort(&self, id: TaskId) -> bool {
        id.abort(&self.table)
    }

    /// What a task does at this moment.
    #[must_use]
    pub fn state(&self, id: TaskId) -> TaskState {
        id.state(&self.table)
    }

    /// Calls `f` for each task that is there, with its id if one has been made. A walk, and not a snapshot.
    pub fn for_each(&self, mut f: impl FnMut(Option<TaskId>, TaskState)) {
        self.table.all(|cell| {
            if let Some((id, state)) = TaskId::look(cell) {
                f(id, state);
            }
            true
        });
    }

    /// A counted handle for a weak id, if its task is still there.
    #[must_use]
    pub fn upgrade(&self, id: TaskId) -> Option<AbortHandle> {
        id.upgrade(&self.table)
    }
}

fn is_live(word: Word) -> bool {
    !word.is_free() && !word.has(COMPLETE)
}

impl fmt::Debug for OwnedTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedTasks").field("closed", &self.is_closed()).field("table", &self.table).finish()
    }
}

#[cfg(all(test, feature = "std", ouzel_loom))]
mod loom_tests;
