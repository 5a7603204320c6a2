//! The work-stealing scheduler.

pub mod interval;
pub mod sleep;
