//! All that the core asks of an operating system: a clock, a place to sleep, a way to end the sleep.
//!
//! [`Driver`] is generic and belongs to one thread; [`Unpark`] is a trait object and belongs to any.
//! I/O is not here: completion and readiness differ in who owns the buffer (see [`crate::op`]).

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A point on a monotonic clock, in nanoseconds since an origin the driver chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The end of time: about 584 years after the origin.
    pub const MAX: Nanos = Nanos(u64::MAX);

    /// The time from `earlier` to `self`, zero if `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Nanos) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Nanos {
    type Output = Nanos;

    /// Saturates at [`Nanos::MAX`].
    fn add(self, d: Duration) -> Nanos {
        let d = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Nanos(self.0.saturating_add(d))
    }
}

/// The point in time at which a wait ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(pub Nanos);

/// An error number as the operating system gave it, positive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({})", self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "os error {}", self.0)
    }
}

impl core::error::Error for Errno {}

/// A worker's clock and sleeping place. Called by the owning thread only.
pub trait Driver {
    /// The present time. Cheap enough to be called once per loop turn, not once per poll.
    fn now(&mut self) -> Nanos;

    /// Waits until `deadline`, an unpark, or an I/O event; returns early at will.
    ///
    /// Blocks the calling thread. Spurious returns are allowed, lost ones are not: an
    /// [`Unpark::unpark`] that happened before this call makes it return at once. With `None` it
    /// waits without an end. Events that arrived are handled (wakers called) before it returns.
    ///
    /// # Errors
    /// The kernel's errno if the wait itself failed; `EINTR` is retried and never returned.
    fn park(&mut self, deadline: Option<Deadline>) -> Result<(), Errno>;

    /// Whether [`Driver::poll`] may find something, as far as that can be told without a system call. If not, a worker
    /// without tasks goes to sleep without asking: [`Driver::park`] submits what was begun, and finds what did arrive.
    fn may_have_arrived(&mut self) -> bool {
        true
    }

    /// Handles what has arrived, without blocking; returns how many events there were.
    ///
    /// # Errors
    /// The kernel's errno if asking it failed.
    fn poll(&mut self) -> Result<usize, Errno>;
}

/// Ends a [`Driver::park`] from another thread.
pub trait Unpark: Send + Sync {
    /// Makes the park in progress, or the next one, return. Callable from any thread; idempotent.
    fn unpark(&self);
}

/// What one driver has done since it was made. Exact counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls of the driver itself, waits and unparks included.
    pub syscalls: u64,
    /// Of these, `io_uring_enter`.
    pub enters: u64,
    /// Submission queue entries written.
    pub sqes: u64,
    /// Completion queue entries read.
    pub cqes: u64,
    /// Calls that may have slept.
    pub waits: u64,
    /// Changes of a readiness registration (`epoll_ctl`).
    pub ctl: u64,
}
