//! Tasks: the cell, its state word, wakers and join handles.
//!
//! | module     | what it is                                                                  |
//! |------------|-----------------------------------------------------------------------------|
//! | `state`    | the state word and its transitions: who may do what, and when               |
//! | `header`   | what every cell begins with                                                 |
//! | `chunk`    | what every chunk of cells begins with                                       |
//! | `cell`     | a future or an output behind a header: store, poll, drop                    |
//! | `given`    | where a future waits to be moved there                                      |
//! | `raw`      | `run` and `cancel`: what the holder of a [`Notified`] does with it          |
//! | `waker`    | the `Waker` of a task                                                       |
//! | `schedule` | what a task asks of its scheduler                                           |
//! | `home`     | where a cell lies: `in_slab`, for the stealing scheduler, or `place`, in static storage |
//! | `abort`    | [`AbortHandle`]: may abort a task, and no more                              |
//! | `join`     | [`JoinHandle`]                                                              |
//! | `id`       | [`TaskId`]: a name without a reference                                      |
//! | `unwind`   | panics of user code, caught one call at a time                              |
//!
//! A task knows its scheduler as a trait object, in its chunk's head or before its header, and nothing of queues.
//! Slabs and ids need an allocator, nothing else does.

mod abort;
pub(crate) mod cell;
#[cfg(feature = "alloc")]
pub(crate) mod chunk;
pub(crate) mod given;
pub(crate) mod header;
mod home;
#[cfg(feature = "alloc")]
mod id;
#[cfg(feature = "alloc")]
pub(crate) mod in_slab;
mod join;
pub(crate) mod place;
mod raw;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod unwind;
mod waker;

pub use given::Given;
#[cfg(all(test, ouzel_loom))]
pub(crate) use home::Home;
#[cfg(feature = "alloc")]
pub use id::{TaskId, TaskState, WakeResult, id_of, is_aborted};
#[cfg(feature = "alloc")]
pub(crate) use in_slab::{cancel, run, spawn_detached_in, spawn_in};
#[cfg(feature = "alloc")]
pub use in_slab::{clone_waker, drop_waker};
pub(crate) use {
    header::Header,
    raw::AfterRun,
    schedule::{Notified, Schedule},
};

/// Waits for a task of a stealing scheduler and takes its output.
#[cfg(feature = "alloc")]
pub type JoinHandle<T> = join::JoinHandle<T, in_slab::InSlab>;
/// May abort a task of a stealing scheduler, and no more.
#[cfg(feature = "alloc")]
pub type AbortHandle = abort::AbortHandle<in_slab::InSlab>;
/// Waits for a task in static storage and takes its output.
pub type StaticJoinHandle<T> = join::JoinHandle<T, place::InPlace>;
/// May abort a task in static storage, and no more.
pub type StaticAbortHandle = abort::AbortHandle<place::InPlace>;

#[cfg(all(test, feature = "std"))]
pub(crate) mod testing;

#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests;

#[cfg(all(test, feature = "std", ouzel_loom))]
mod loom_tests;
