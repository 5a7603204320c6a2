//! Reads and opens tried at once: a warm page costs less to copy, and a known path less to look up, than an entry
//! costs to queue and to wait for.

use ouzel_core::op::{AT_POSITION, Completion, Fd, Segment, Submitted};

use super::driver::UringDriver;
use crate::config::Mask;
use crate::sys;

impl UringDriver {
    /// Whether a read there is tried without blocking first.
    pub(super) fn may_try(&self, offset: u64) -> bool {
        offset != AT_POSITION && self.has.has(Mask::INLINE_FILES)
    }

    pub(super) fn read_now(
        &mut self,
        fd: Fd,
        to: *const Segment,
        count: u32,
        offset: u64,
    ) -> Option<Submitted> {
        self.counters.syscalls += 1;
        // SAFETY: a request's memory is valid until it completes (the contract of `Request`).
        let n = unsafe { sys::readv_nowait(fd, to, count, offset) };
        (n >= 0).then(|| Submitted::Done(Completion::done(n)))
    }

    /// Opens what the kernel's caches know, as the ring itself does first.
    pub(super) fn open_now(&mut self, dir: Fd, path: *const u8, flags: i32) -> Option<Submitted> {
        self.counters.syscalls += 1;
        // SAFETY: a request's path is NUL-terminated (the contract of `Request`).
        let fd = unsafe { sys::openat_cached(dir, path, flags) };
        if fd == -libc::EAGAIN {
            return None;
        }
        if fd >= 0 {
            self.fds.changed(fd);
        }
        Some(Submitted::Done(Completion::done(fd)))
    }
}
