//! The work-stealing scheduler.

#[cfg(feature = "alloc")]
mod biased;
#[cfg(feature = "alloc")]
mod entry;
#[cfg(feature = "alloc")]
mod injected;
pub mod interval;
#[cfg(feature = "alloc")]
mod private;
#[cfg(feature = "alloc")]
mod run;
#[cfg(feature = "alloc")]
mod shared;
#[cfg(feature = "alloc")]
mod signalled;
pub mod sleep;
// Compiled for its switch, and for its tests.
#[cfg(any(test, ouzel_switch = "spin"))]
mod spin;
#[cfg(feature = "alloc")]
mod watch;
#[cfg(feature = "alloc")]
mod worker;

#[cfg(feature = "alloc")]
pub use biased::HeavyBarrier;
#[cfg(feature = "alloc")]
pub use shared::{SchedulerMetrics, Seat, Shared};
#[cfg(feature = "alloc")]
pub use worker::Worker;

#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod tests;
