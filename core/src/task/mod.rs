//! Tasks: the cell, its state word, wakers and join handles.

#[cfg(feature = "alloc")]
mod header;
#[cfg(feature = "alloc")]
mod schedule;
mod state;

#[cfg(feature = "alloc")]
pub use header::Header;
#[cfg(feature = "alloc")]
pub use schedule::{Notified, Schedule};
