//! Tasks that wait for each other: a queue of waiters, permits on top of it, a bounded queue on top of those.
//!
//! | type | what it is |
//! |---|---|
//! | [`WaitQueue`] | who waits, in order of arrival; each may leave at any time |
//! | [`Permits`] | a count, and those who want a part of it, served in order |
//! | [`Semaphore`] | permits behind a lock |
//! | [`Gate`] | a storage of limited size behind a lock, with permits for its room and for what lies in it |
//!
//! All are in the style of `poll`: the caller keeps a [`Ticket`] while it waits and gives it back, by polling
//! to the end or by leaving. What was handed to one who leaves goes to the next. None is hot enough for
//! more than a lock: what waits goes through a run queue afterwards. No waker is called, cloned or dropped
//! under the lock, since what that runs may come back here.
//!
//! Nothing is allocated once the queue has been as long before.

mod gate;
mod permits;
mod queue;
mod semaphore;

pub use gate::{Closed, Gate};
pub use permits::Permits;
pub use queue::{Removed, Ticket, WaitQueue};
pub use semaphore::Semaphore;

#[cfg(all(test, feature = "std", not(any(ouzel_loom, ouzel_shuttle))))]
mod tests;
