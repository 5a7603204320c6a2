//! The single-thread executor: no locked instruction for spawn, wake, join and completion on its own thread.
//!
//! | module     | what it is                                                                         |
//! |------------|------------------------------------------------------------------------------------|
//! | `executor` | [`LocalExecutor`]: the driver, turns, sleeping, `block_on`                         |
//! | `owner`    | [`Local`]: spawn, the poll loop, taking in what other threads left; no driver in it |
//! | `cell`     | a task on this thread; `word`: its transitions, plain loads and stores             |
//! | `run`      | polling a task, cancelling it, completing it                                       |
//! | `join`     | [`LocalJoinHandle`]                                                                |
//! | `waker`    | one waker for both sides: it compares the thread's number with the owner's         |
//! | `refs`     | the owner's side of the reference count                                            |
//! | `remote`   | the other threads' side: one word per task, one stack per executor                 |
//! | `shared`   | what both sides reach, and how long it lives                                       |
//! | `inbox`    | tasks from other threads; `newborn`: what they are until they are taken in         |
//! | `spawner`  | the handle other threads use; `packet`: what its join handles wait for             |
//! | `shutdown` | the end                                                                            |
//!
//! Cell, header, slab and vtable are those of [`crate::task`]. What differs is who writes: the state word here
//! belongs to one thread. Other threads' wakes and references go through the header's `remote` word.
//!
//! ```text
//!   this thread:   wake ── state |= SCHED ── run queue (a ring of pointers) ── poll
//!   elsewhere:     wake ── remote |= WAKE|QUEUED ── stack (through the header's link) ── unpark
//!                                                     └── drained once a turn ── wake, as above
//! ```
//!
//! *Fairness.* One queue, first in first out: a joiner goes to the tail like any other, a task that wakes itself
//! comes after all that were ready. There is no LIFO slot: without stealing it saves no locked instruction,
//! and it would let two tasks that wake each other keep the rest waiting. The driver is looked at every
//! `Interval` polls (61 at first), other threads' wakes once per such batch.
//!
//! *What it gives up.* A foreign wake waits for the batch in progress. Nothing here may be used from a signal
//! handler but [`LocalSpawner::wake`] and [`LocalSpawner::notify`].
//!
//! Prior work: biased reference counting (Choi et al. 2018); thread-per-core executors (Seastar 2014,
//! glommio 2020, monoio 2021).

mod cell;
mod executor;
mod inbox;
mod join;
mod newborn;
mod owner;
mod packet;
mod refs;
mod remote;
mod run;
mod shared;
mod shutdown;
mod spawner;
mod waker;
mod word;

pub use executor::{LocalExecutor, LocalMetrics, Tick};
pub use join::LocalJoinHandle;
pub use owner::Local;
pub use packet::SendJoinHandle;
pub use shutdown::InUse;
pub use spawner::LocalSpawner;

/// The id of the task that `waker` wakes. None if that is not a task of a single-thread executor.
#[must_use]
pub fn id_of(waker: &core::task::Waker) -> Option<crate::task::TaskId> {
    waker::task_of(waker).map(crate::task::TaskId::export)
}

/// Whether the task that `waker` wakes was aborted; false if it is not a single-thread executor's.
#[must_use]
pub fn is_aborted(waker: &core::task::Waker) -> bool {
    // SAFETY: the waker keeps its task.
    waker::task_of(waker)
        .is_some_and(|task| word::get(unsafe { task.as_ref() }) & crate::task::state::CANCELLED != 0)
}

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests;
