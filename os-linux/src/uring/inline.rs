//! Reads tried at once: a warm page costs less to copy than an entry costs to queue.

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
}
