//! Tasks: the cell, its state word, wakers and join handles.
//!
//! | module     | what it is                                                                  |
//! |------------|-----------------------------------------------------------------------------|
//! | `state`    | the state word and its transitions: who may do what, and when               |
//! | `header`   | what every cell begins with                                                 |
//! | `chunk`    | what every chunk of cells begins with                                       |
//! | `cell`     | a future or an output behind a header: store, poll, drop                    |
//! | `raw`      | `run` and `cancel`: what the holder of a [`Notified`] does with it          |
//! | `waker`    | the `Waker` of a task of a stealing scheduler                               |
//! | `schedule` | what a task asks of its scheduler                                           |
//! | `abort`    | [`AbortHandle`]: may abort a task, and no more                              |
//! | `join`     | spawning, and [`JoinHandle`]                                                |
//! | `id`       | [`TaskId`]: a name without a reference                                      |
//! | `unwind`   | panics of user code, caught one call at a time                              |
//!
//! A task knows its scheduler as a trait object in its chunk's head, and nothing of queues.
//! `state` alone needs no allocator.

#[cfg(feature = "alloc")]
mod abort;
#[cfg(feature = "alloc")]
pub(crate) mod cell;
#[cfg(feature = "alloc")]
pub(crate) mod chunk;
#[cfg(feature = "alloc")]
pub(crate) mod header;
#[cfg(feature = "alloc")]
mod id;
#[cfg(feature = "alloc")]
mod join;
#[cfg(feature = "alloc")]
mod raw;
#[cfg(feature = "alloc")]
pub(crate) mod schedule;
#[cfg_attr(not(feature = "alloc"), expect(dead_code, reason = "its users need an allocator"))]
pub(crate) mod state;
#[cfg(feature = "alloc")]
pub(crate) mod unwind;
#[cfg(feature = "alloc")]
mod waker;

#[cfg(feature = "alloc")]
pub use abort::AbortHandle;
#[cfg(feature = "alloc")]
pub use id::{TaskId, TaskState, WakeResult, id_of, is_aborted};
#[cfg(feature = "alloc")]
pub use join::JoinHandle;
#[cfg(feature = "alloc")]
pub(crate) use {
    header::Header,
    join::{spawn_detached_in, spawn_in},
    raw::{AfterRun, cancel, run},
    schedule::{Notified, Schedule},
};

#[cfg(all(test, feature = "std"))]
pub(crate) mod testing;

#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests;

#[cfg(all(test, feature = "std", ouzel_loom))]
mod loom_tests;
