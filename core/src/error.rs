//! How a task can fail to give its output.

use core::error::Error;
use core::fmt;

#[cfg(feature = "std")]
use alloc::boxed::Box;
#[cfg(feature = "std")]
use core::any::Any;

/// Why a join handle has no output for its owner.
///
/// ```
/// use ouzel_core::error::JoinError;
/// assert!(JoinError::Cancelled.is_cancelled());
/// ```
#[non_exhaustive]
pub enum JoinError {
    /// The task was aborted, or its runtime shut down, before it was done. Its future has been dropped.
    Cancelled,
    /// The task's future panicked; here is what it panicked with.
    #[cfg(feature = "std")]
    Panic(Payload),
}

/// What a task panicked with. `Sync`, because it can only be taken out, never looked at.
#[cfg(feature = "std")]
pub struct Payload(Box<dyn Any + Send>);

// SAFETY: a shared reference to a payload gives access to nothing in it.
#[cfg(feature = "std")]
unsafe impl Sync for Payload {}

#[cfg(feature = "std")]
impl Payload {
    /// Wraps what `std::panic::catch_unwind` caught.
    #[must_use]
    pub fn new(payload: Box<dyn Any + Send>) -> Self {
        Payload(payload)
    }

    /// The payload, for `std::panic::resume_unwind` or a downcast.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        self.0
    }
}

#[cfg(feature = "std")]
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Payload")
    }
}

impl JoinError {
    /// Whether the task was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JoinError::Cancelled)
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        !self.is_cancelled()
    }

    /// What the task panicked with.
    ///
    /// # Panics
    /// If the task was cancelled instead.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self {
            JoinError::Panic(payload) => payload.into_inner(),
            JoinError::Cancelled => panic!("the task did not panic, it was cancelled"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_cancelled() { "Cancelled" } else { "Panic(..)" })
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_cancelled() { "the task was cancelled" } else { "the task panicked" })
    }
}

impl Error for JoinError {}
