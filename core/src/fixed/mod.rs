//! The executor that needs no allocator: tasks in static storage, woken from anywhere, interrupts too.
//!
//! | module     | what it is                                                                       |
//! |------------|----------------------------------------------------------------------------------|
//! | `executor` | [`Executor`]: what wakers reach, in a static                                     |
//! | `runner`   | [`Runner`]: the one place that polls; it owns the driver and the run queue       |
//! | `storage`  | [`TaskStorage`] and [`TaskSpace`]: room for one task at a time                   |
//! | `timers`   | [`Timers`]: a fixed number of deadlines, and [`Timed`], the driver that keeps them |
//!
//! ```text
//!   interrupt, another thread, a task                      the thread of the Runner
//!   ---------------------------------                      ------------------------
//!   wake ── CAS on the state word ── push on a stack ──┐
//!   spawn ─ CAS on the state word ── push on a stack ──┼─▶ take all ── run queue ── poll
//!   abort ─ CAS on the state word ── push on a stack ──┘        │
//!                            └── token in the park word ─▶ none: sleep in the driver
//! ```
//!
//! The cell, its state word, wakers and join handles are those of [`crate::task`], with the storage in place of a
//! slab; the stack is that of the single-thread executor's remote wakes; the sleep is the park word's.
//!
//! **Interrupts.** No path takes a lock or waits for another context: a wake, a spawn, an abort, and the drop of a
//! waker or handle are a bounded number of CAS loops on words of 32 bits, each repeated only if another context has
//! succeeded. (With `alloc` the state word has 64 bits: on a processor without such a CAS `portable-atomic` must
//! then be told `unsafe-assume-single-core`. One without any CAS always needs that, or `critical-section`.) What a
//! handle's drop may run is the destructor of the task's output.
//!
//! **What it gives up.** Futures are `Send` even on one core, since an interrupt may spawn them. Without
//! thread-locals a wake does not know that it comes from the runner's own thread: each costs the two atomic steps
//! above, and its token makes the next sleep one look around. There is no shutdown: what is static stays.
//!
//! **Panics** of a task are caught with `std` and end in its handle; without, they end the program.
//!
//! ```
//! use core::{convert::Infallible, time::Duration};
//! use ouzel_core::driver::{Deadline, Driver, Errno, Nanos, Unpark};
//! use ouzel_core::fixed::{Executor, TaskSpace, Timers, task_bytes};
//! use std::{sync::OnceLock, thread, time::Instant};
//!
//! /// Sleeps by parking its thread. (On a microcontroller: by waiting for an interrupt.)
//! struct Sleeper(Instant);
//! impl Driver for Sleeper {
//!     fn now(&mut self) -> Nanos {
//!         Nanos(0) + self.0.elapsed()
//!     }
//!     fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
//!         match deadline {
//!             None => thread::park(),
//!             Some(Deadline(end)) => thread::park_timeout(end.since(self.now())),
//!         }
//!         Ok(())
//!     }
//!     fn poll(&mut self) -> Result<usize, Errno> {
//!         Ok(0)
//!     }
//! }
//! struct Bell(OnceLock<thread::Thread>);
//! impl Unpark for Bell {
//!     fn unpark(&self) {
//!         self.0.get().unwrap().unpark();
//!     }
//! }
//!
//! static BELL: Bell = Bell(OnceLock::new());
//! static EXECUTOR: Executor = Executor::new(&BELL);
//! static TIMERS: Timers<2> = Timers::new(&EXECUTOR);
//!
//! async fn half(n: u32) -> u32 {
//!     TIMERS.sleep_until(Deadline(Nanos(n.into()))).unwrap().await;
//!     n / 2
//! }
//! static HALF: TaskSpace<{ task_bytes(half) }> = TaskSpace::new();
//!
//! BELL.0.set(thread::current()).unwrap();
//! let driver = TIMERS.driver(Sleeper(Instant::now())).expect("the first and only");
//! let mut runner = EXECUTOR.runner(driver).expect("the only one at this time");
//! let handle = HALF.spawn(&EXECUTOR, half(14)).expect("the storage is free");
//! assert!(HALF.spawn(&EXECUTOR, half(16)).is_err(), "and now it is in use");
//! assert_eq!(runner.block_on(handle).unwrap().unwrap(), 7);
//! ```

mod executor;
mod runner;
mod storage;
mod timers;

pub use crate::task::{StaticAbortHandle as AbortHandle, StaticJoinHandle as JoinHandle};
pub use executor::Executor;
pub use runner::Runner;
pub use storage::{Busy, Makes, TaskSpace, TaskStorage, task_bytes};
pub use timers::{Sleep, Timed, Timers};

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, not(any(ouzel_loom, ouzel_shuttle))))]
mod tests;
