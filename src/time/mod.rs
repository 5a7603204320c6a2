//! Sleeping, deadlines and intervals on the thread's own timer wheel: no system call and no operation slot per timer.
//!
//! A timer that waits takes 48 bytes of its thread, kept for the next one when it has ended, besides the future itself.

mod clock;
mod interval;
mod sleep;
mod timeout;

#[cfg(test)]
mod tests;

pub use clock::now;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use ouzel_core::driver::Nanos;
pub(crate) use sleep::at_home;
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
