//! Operations: what a driver is asked to do, and the slot between a future and a driver.
//!
//! ```text
//!   future                    OpSlab (one per driver, one thread)            driver
//!   OpHandle --- slot ------- submit   -> key, request -------------------> submit
//!            \-- waker <----- complete <- key, completion <---------------- reap, wait
//!             \- drop ------> take_cancels -> key ------------------------> cancel
//! ```
//!
//! An operation owns its payload (buffers, addresses, descriptors) and scratch space until its last
//! completion; both have fixed addresses, so a request may point into them, and never at a stack. The
//! handle may move to other threads, poll there, and be dropped at any time; the payload stays until
//! the driver has answered. Who frees the slot is decided by one word (see `word.rs`).
//!
//! The owner's loop: `take_cancels` (to the driver) and `take_unclaimed` (descriptors to close, buffers
//! to recycle) once per turn and before each park; `complete` for whatever the driver reports. At the
//! end: `cancel_all`, then completions and cancels until `is_quiet`, then `close`.
//!
//! Keys are slot number and generation, not addresses: a stale or forged one is recognised, and
//! nothing is assumed about the width of pointers. Bit 63 is never set and the upper half is never
//! zero, so a driver may use other values for itself.
//!
//! Given up: 450 bytes per operation in flight, most of them for what only some operations need. Gained:
//! no allocation, and one kind of slot for all.

mod file;
mod request;

#[cfg(feature = "alloc")]
mod handle;
#[cfg(feature = "alloc")]
mod multi;
#[cfg(feature = "alloc")]
mod own;
#[cfg(feature = "alloc")]
mod payload;
#[cfg(feature = "alloc")]
mod shared;
#[cfg(feature = "alloc")]
mod slab;
#[cfg(feature = "alloc")]
mod slot;
#[cfg(feature = "alloc")]
mod word;

pub use file::{Fd, FileCall, FileStat, FileTime, Segment, StatRoom};
#[cfg(feature = "alloc")]
pub use handle::OpHandle;
#[cfg(feature = "alloc")]
pub use payload::Scratch;
pub use request::{AT_POSITION, Completion, OpKey, ProvidedMemory, Request, Submitted};
#[cfg(feature = "alloc")]
pub use slab::{AfterComplete, Flavour, OpSlab, RejectReason, Rejected};

#[cfg(all(test, ouzel_loom))]
mod loom_tests;
#[cfg(all(test, feature = "std", not(ouzel_loom)))]
mod take_tests;
#[cfg(all(test, feature = "alloc", not(ouzel_loom)))]
mod tests;
