//! What tasks of a case share, without allocation and the same on every engine.
//!
//! | type | what for |
//! |---|---|
//! | [`Latch`] | the root waits until so many tasks have done their work, and knows how many did |
//! | [`Baton`] | one task tells one other that it is its turn |
//! | [`yield_now`] | back to the end of the queue, once |
//!
//! None of them is an engine's own: a case then measures how engines run tasks and not how they pass
//! messages.

mod baton;
mod latch;
mod yields;

pub use baton::Baton;
pub use latch::Latch;
pub use yields::{YieldNow, yield_now};
