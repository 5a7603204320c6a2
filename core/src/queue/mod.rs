//! Where runnable tasks wait: three queues, from the hottest to the coldest.
//!
//! ```text
//!  wake on the worker            ┌────────┐ evicted ┌────────────────┐ overflow ┌──────────────┐
//!  ─────────────────────────────▶│  Lifo  │────────▶│ Ring (one per  │─────────▶│ Inject (all  │
//!                                │ 0/1/4  │         │ worker, FIFO)  │◀─────────│ workers)     │
//!  yield, wake of a joiner ─────────────────────────▶                │  batch   │              │
//!  wake or spawn from elsewhere ────────────────────────────────────────────────▶              │
//!                                └────────┘         └────────────────┘          └──────────────┘
//!                                owner only          owner, thieves              anyone
//! ```
//!
//! All three hold what they are given by value: a task handed to a queue belongs to the queue until it
//! is popped, and no queue ever refuses one (a task that nobody holds could never be cancelled). None
//! allocates: the ring is an array of pointers, the injection queue links the tasks through
//! themselves ([`Linked`]). Where nobody steals (`LocalRuntime`, a runtime of one worker) a plain ring that grows
//! takes the place of the second (`growing`).

mod chain;
#[cfg(feature = "alloc")]
mod growing;
pub mod inject;
pub(crate) mod intake;
pub mod lifo;
pub mod ring;
mod shards;
pub mod stack;
#[cfg(test)]
pub(crate) mod testing;

pub use chain::{Chain, Linked};
#[cfg(feature = "alloc")]
pub(crate) use growing::GrowingRing;
pub use inject::Inject;
pub use lifo::Lifo;
pub use ring::{Owner, Ring};
pub use stack::StackInject;
