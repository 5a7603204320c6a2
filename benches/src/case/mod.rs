//! The cases: what every engine is asked to do, what a figure means and what ours should reach.
//!
//! A case does exactly [`Plan::ops`](crate::measure::Plan::ops) operations after a warm-up. Its tasks count
//! what they have done, and a run whose count is another is no result.

#[cfg(feature = "peers")]
pub(crate) mod bare;
pub(crate) mod bursts;
pub(crate) mod echo;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod mixed;
#[cfg(feature = "peers")]
pub(crate) mod rayon;
pub(crate) mod remote;
pub(crate) mod stuck;
pub(crate) mod tasks;
pub(crate) mod timers;

mod catalogue;
mod parts;

pub use catalogue::{CASES, Case, Goal, Id};
pub(crate) use parts::parts;
