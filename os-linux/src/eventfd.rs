//! Unpark through an eventfd: for epoll, and for rings that know no futex.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use ouzel_core::driver::{Errno, Unpark};
use rustix::event::{EventfdFlags, eventfd};

/// Adds one to an eventfd the sleeper watches. Counts its system calls.
#[derive(Debug)]
pub(crate) struct EventUnpark {
    fd: OwnedFd,
    calls: AtomicU64,
}

impl EventUnpark {
    /// A new eventfd. In blocking mode: a ring reads a non-blocking one without waiting.
    pub(crate) fn new() -> Result<Self, Errno> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| Errno(e.raw_os_error()))?;
        Ok(EventUnpark { fd, calls: AtomicU64::new(0) })
    }

    /// System calls so far.
    pub(crate) fn calls(&self) -> u64 {
        // ORDERING: Relaxed, a plain counter.
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Unpark for EventUnpark {
    fn unpark(&self) {
        // ORDERING: Relaxed, a plain counter.
        self.calls.fetch_add(1, Ordering::Relaxed);
        // Blocks only at 2^64 - 1 unparks that nobody read, and fails only if the fd is not ours.
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.fd, &1u64.to_ne_bytes()));
    }
}
