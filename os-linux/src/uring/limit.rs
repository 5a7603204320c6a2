//! Limits of operations, as timeouts linked to their entries.
//!
//! ```text
//!  operation (IO_LINK) ──► linked timeout     done in time: the kernel takes the timeout away, no CQE
//!                                             too late:     the operation is cancelled, no CQE but its own
//! ```
//!
//! The pair goes in by one call, so there is room for both before the first is written. What the time is read from is the
//! kernel's only until that call: as many places as the queue has entries, used in turn. An operation that takes
//! several entries (a wait for readiness, the rest of a send) has the timeout behind each.
//!
//! "Cancelled" after the limit is told as "timed out"; what was done by then counts for more, as with every cancellation.
//!
//! Given up: should the kernel run out of memory between the two entries of a pair, the operation has no limit.

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{TimeoutFlags, Timespec};
use ouzel_core::driver::{Deadline, Errno};
use ouzel_core::op::{AT_POSITION, Completion, OpKey, Request, Submitted};

use super::driver::UringDriver;
use super::op::{Limits, Own};
use super::submit::{done, kernel_time};
use crate::config::Mask;
use crate::{clock, keys};

/// Whether a limit of `req` can be an entry behind that of the request. All else has other ways to begin, or runs in a kernel thread.
fn may_be_linked(req: &Request) -> bool {
    match *req {
        Request::Accept { .. }
        | Request::Connect { .. }
        | Request::Recv { .. }
        | Request::RecvMsg { .. }
        | Request::Send { lazy: false, .. }
        | Request::SendMsg { .. }
        | Request::Poll { .. } => true,
        Request::Read { offset, .. }
        | Request::ReadV { offset, .. }
        | Request::Write { offset, .. }
        | Request::WriteV { offset, .. } => offset == AT_POSITION,
        _ => false,
    }
}

impl UringDriver {
    /// As [`UringDriver::submit`], of an operation that is cancelled at `limit`, and then completes with `-ETIMEDOUT`
    /// unless it had done something.
    ///
    /// None, and nothing done, if this request's limit is the caller's to keep.
    pub fn submit_until(&mut self, key: OpKey, req: &Request, limit: Deadline) -> Option<Submitted> {
        if !self.has.has(Mask::LINK_TIMEOUT) || !may_be_linked(req) {
            return None;
        }
        if !self.copies.is_unused() && self.is_behind_rest(req) {
            return None;
        }
        if let Err(Errno(e)) = keys::room(&mut self.limits.by_key) {
            return Some(done(-e));
        }
        self.limits.by_key.insert(key.0, limit);
        let submitted = self.submit(key, req);
        if submitted != Submitted::InFlight {
            self.limits.by_key.remove(&key.0);
        }
        Some(submitted)
    }

    /// Puts an operation's entry into the ring, its limit behind it.
    pub(super) fn push_operation(&mut self, key: OpKey, entry: Entry) -> Result<(), Errno> {
        let entry = entry.user_data(key.0);
        if self.limits.by_key.is_empty() {
            return self.push(entry);
        }
        let Some(Deadline(limit)) = self.limits.by_key.get(&key.0).copied() else { return self.push(entry) };
        self.push_copy();
        let sq = self.ring.submission();
        let (capacity, room) = (sq.capacity(), sq.capacity() - sq.len());
        drop(sq);
        if room < 2 {
            self.flush()?;
        }
        let Limits { times, next, .. } = &mut self.limits;
        times.try_reserve_exact(capacity.saturating_sub(times.len())).map_err(|_| Errno(libc::ENOMEM))?;
        times.resize(capacity, Timespec::new());
        let at = *next % capacity;
        *next = at + 1;
        times[at] = kernel_time(limit);
        let timeout = opcode::LinkTimeout::new(&raw const times[at]).flags(TimeoutFlags::ABS).build();
        self.push(entry.flags(Flags::IO_LINK))?;
        let timeout = self.own(timeout, Own::Nothing);
        self.push(timeout)
    }

    /// An operation is over: what its caller is told.
    #[inline]
    pub(super) fn end_limit(&mut self, key: OpKey, c: Completion) -> Completion {
        if self.limits.by_key.is_empty() {
            return c;
        }
        match self.limits.by_key.remove(&key.0) {
            Some(limit) if c.res == -libc::ECANCELED && clock::now() >= limit.0 => {
                Completion::done(-libc::ETIMEDOUT)
            }
            _ => c,
        }
    }
}
