//! Tasks that wait for each other: a semaphore and a bounded channel, on any thread and any executor.
//!
//! Both are fair: who came first is served first. Both may be cancelled anywhere: a future that is dropped
//! while it waits leaves the queue, and what it was handed already goes to the next. Waiting allocates nothing
//! once as many have waited before; a future that has to wait and finds no memory for that panics, and may be polled again.

mod channel;
mod semaphore;
mod waits;

pub use channel::{Receiver, Recv, RecvError, Send, SendError, Sender, TryRecvError, TrySendError, channel};
pub use semaphore::{Acquire, Permit, Semaphore};

/// The same without futures, for what is polled in other ways: the caller keeps its place in the queue.
pub use ouzel_core::waiting as raw;
