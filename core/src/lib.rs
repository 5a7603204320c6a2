//! The heart of ouzel: tasks, queues, scheduler, operation slots and timers, with no operating system in it.
//!
//! Everything here is `no_std`. An adapter gives it a clock and a way to sleep ([`driver::Driver`],
//! [`driver::Unpark`]); what runs on top is the `ouzel` facade or a host of its own.
//!
//! | module | what it is |
//! |---|---|
//! | [`driver`] | all that the core asks of an operating system |
//! | `task` | the task cell, its state word, wakers and join handles |
//! | `slab` | where cells live: local alloc and free without an atomic |
//! | `queue` | LIFO slots, the ring that can be stolen from, the sharded injection queue |
//! | `sched` | the work-stealing scheduler: worker loop, sleep protocol |
//! | `local` | the single-thread executor |
//! | [`fixed`] | the executor for tasks in static storage: no allocator, woken by interrupts |
//! | `op` | the operation slot between a future and a driver |
//! | [`anchor`] | weak ids of runtimes |
//! | [`presence`] | whether there is one of something, without its lock |
//! | `coop` | how long a task may go on without letting others run |
//! | `timer` | the hierarchical timer wheel |
//! | `alarm` | timers that futures wait for, on a thread's wheel |
//! | [`memory`] | memory that may be refused |
//! | `waiting` | tasks that wait for each other: permits, a bounded queue |
#![no_std]
#![warn(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test, ouzel_loom))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod alarm;
pub mod anchor;
pub mod config;
#[cfg_attr(
    not(feature = "alloc"),
    expect(dead_code, reason = "most of it is asked by schedulers with slabs")
)]
pub(crate) mod context;
#[cfg(feature = "alloc")]
pub mod coop;
#[cfg(all(test, feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
mod debug_tests;
pub mod driver;
pub mod error;
pub mod fixed;
#[cfg(feature = "alloc")]
pub mod local;
#[cfg(feature = "alloc")]
pub mod memory;
pub mod op;
#[cfg(feature = "alloc")]
pub mod owned;
#[cfg(feature = "alloc")]
mod pages;
pub mod park;
pub mod presence;
pub mod queue;
pub(crate) mod runnable;
pub mod sched;
#[cfg(feature = "alloc")]
pub mod slab;
pub mod sync;
pub mod task;
#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod testing;
pub mod timer;
#[cfg(feature = "alloc")]
pub mod waiting;
