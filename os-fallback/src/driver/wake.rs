//! Ends of a sleep from outside: the unpark, and the descriptor a host may sleep on.

use std::sync::Arc;

use ouzel_core::driver::Unpark;
use ouzel_core::sync::{AtomicU64, Ordering};
use polling::Poller;

/// Ends the poller's wait.
pub(super) struct Notify {
    pub(super) poller: Arc<Poller>,
    /// Calls so far: a count, nothing more.
    pub(super) calls: AtomicU64,
}

impl Unpark for Notify {
    fn unpark(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        // It fails only if the system has lost the poller's own descriptor; nobody could be told.
        let told = self.poller.notify();
        debug_assert!(told.is_ok(), "the poller's own notification failed: {told:?}");
    }
}

/// Finds out whether a type is a descriptor, without naming the systems where `Poller` is one.
#[cfg(unix)]
pub(super) mod pollable {
    use std::os::fd::{AsRawFd, RawFd};

    pub(in super::super) struct Of<'a, T>(pub(in super::super) &'a T);

    #[allow(dead_code, reason = "used where `Poller` is a descriptor")]
    pub(in super::super) trait Descriptor {
        fn descriptor(&self) -> Option<RawFd>;
    }

    impl<T: AsRawFd> Descriptor for Of<'_, T> {
        fn descriptor(&self) -> Option<RawFd> {
            Some(self.0.as_raw_fd())
        }
    }

    #[allow(dead_code, reason = "used where `Poller` is none")]
    pub(in super::super) trait Otherwise {
        fn descriptor(&self) -> Option<RawFd>;
    }

    impl<T> Otherwise for &Of<'_, T> {
        fn descriptor(&self) -> Option<RawFd> {
            None
        }
    }
}
