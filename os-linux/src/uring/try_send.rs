//! Small sends without an operation.
//!
//! ```text
//!   try_send ──▶ copied; one entry for neighbours that go to one socket ── enter ──▶ no CQE: all of it went
//!      │                                                                     └─────▶ a CQE: no room, or it failed
//!      │                                                                               │
//!      └──▶ not taken: it is large, or a rest is being sent ◀── an operation of our own, for the rest
//! ```
//! The entry is that of a [lazy send](super), without the operation around it: no slot, nobody who keeps a buffer or notices the
//! end. Behind a rest an operation on the same socket is held until that is out; it has not been given to the kernel, so
//! a limit of it is the caller's to keep. An error is kept with the descriptor and told at the next try.

use std::any::Any;
use std::sync::Arc;

use io_uring::opcode;
use io_uring::squeue::Flags;
use io_uring::types;
use ouzel_core::driver::Errno;
use ouzel_core::op::{Completion, Fd, OpKey, Request, Submitted};

use super::copies::{Copy, Rest};
use super::driver::{Cqe, UringDriver};
use super::op::{self, Follow, Own};
use crate::config::Mask;
use crate::fork::FORKED;
use crate::keys;
use crate::rests::{Keep, LARGEST};

impl UringDriver {
    /// Takes a copy of `bytes` and sends it with what is submitted next, behind all that was taken for `fd` before.
    /// False: it is not taken, and an operation is the way. What `keep` makes is dropped when they are sent, or never will be.
    ///
    /// # Errors
    /// Why an earlier one failed, once; [`FORKED`] in a forked child.
    #[inline]
    pub fn try_send(
        &mut self,
        fd: Fd,
        bytes: &[u8],
        keep: impl FnOnce() -> Option<Arc<dyn Any + Send + Sync>>,
    ) -> Result<bool, Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        if fd < 0 {
            return Err(Errno(libc::EBADF));
        }
        if bytes.len() > LARGEST || self.closing {
            return Ok(false);
        }
        if self.copies.has_room(fd, bytes.len()) {
            self.take_copy(fd, bytes, keep);
            return Ok(true);
        }
        self.try_send_slowly(fd, bytes, keep)
    }

    #[inline]
    fn take_copy(&mut self, fd: Fd, bytes: &[u8], keep: impl FnOnce() -> Keep) {
        if self.copies.is_open_for(fd) {
            self.copies.grow(bytes);
        } else {
            self.push_copy();
            self.copies.begin(fd, bytes, keep());
        }
    }

    #[cold]
    fn try_send_slowly(&mut self, fd: Fd, bytes: &[u8], keep: impl FnOnce() -> Keep) -> Result<bool, Errno> {
        if !self.has.has(Mask::CQE_SKIP) || !self.copies.make_room() || !self.copies.get_to_know(fd) {
            return Ok(false);
        }
        let generation = self.fds.generation(fd);
        for settled in [false, true] {
            let known = self.copies.known(fd);
            let failed = std::mem::take(&mut known.failed);
            if failed != 0 && known.generation == generation {
                return Err(Errno(failed));
            }
            if settled || self.copies.has_room(fd, bytes.len()) {
                break;
            }
            self.settle_copies();
        }
        if !self.copies.has_room(fd, bytes.len()) {
            return Ok(false);
        }
        self.take_copy(fd, bytes, keep);
        Ok(true)
    }

    /// Puts the open one's entry into the ring: before any other entry, and before every look at the queue.
    #[inline]
    pub(super) fn push_copy(&mut self) {
        if self.copies.is_open() {
            self.push_open();
        }
    }

    fn push_open(&mut self) {
        let number = self.copies.pushed;
        let &Copy { fd, from, len, .. } = &self.copies.sends[number];
        // SAFETY: `from` lies in the batch's bytes, and they stay where they are.
        let at = unsafe { self.copies.bytes.as_ptr().add(from) };
        let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let entry = opcode::Send::new(types::Fd(fd), at, len as u32).flags(flags).build();
        let entry = entry.flags(Flags::SKIP_SUCCESS).user_data(Own::Copy(number as u16).user_data());
        if let Err(Errno(e)) = self.push_entry(entry) {
            self.copy_failed(fd, e);
        }
        self.copies.pushed = number + 1;
    }

    /// Gives the kernel all that was taken, and hears what it says.
    #[cold]
    fn settle_copies(&mut self) {
        // What could not be given to it stays, and is not ended below.
        let _ = self.flush();
        self.stash_completions();
        while self.ring.submission().cq_overflow() {
            self.enter(0, io_uring::EnterFlags::GETEVENTS, None);
            self.stash_completions();
        }
        let number = |cqe: &Cqe| match Own::of(cqe.user_data) {
            Some(Own::Copy(number)) => Some((number, cqe.res)),
            _ => None,
        };
        let mut at = 0;
        while let Some(cqe) = self.stash.get(at) {
            match number(cqe) {
                Some((number, res)) => {
                    self.stash.remove(at);
                    self.on_copy(number, res);
                }
                None => at += 1,
            }
        }
        self.end_copies();
    }

    /// What the kernel has seen is over, unless it said otherwise.
    #[inline]
    pub(super) fn end_copies(&mut self) {
        if self.copies.entered > 0 && self.copies.entered == self.copies.sends.len() {
            self.copies.end_batch();
        }
    }

    /// A copy that is not simply sent.
    #[cold]
    pub(super) fn on_copy(&mut self, number: u16, res: i32) {
        let Some(copy) = self.copies.sends.get_mut(usize::from(number)) else { return };
        let Copy { fd, from, len, dropped, .. } = *copy;
        let sent = res.max(0) as usize;
        if dropped || self.closing || sent >= len {
            return;
        }
        if res < 0 && res != -libc::EAGAIN {
            return self.copy_failed(fd, -res);
        }
        let keep = copy.keep.take();
        let copied = self.copies.rests.copied(&self.copies.bytes[from + sent..from + len]);
        let bytes = match copied.and_then(|bytes| keys::room(&mut self.follow).map(|()| bytes)) {
            Ok(bytes) => bytes,
            Err(Errno(e)) => return self.copy_failed(fd, e),
        };
        let req = Request::Send { fd, buf: bytes.as_ptr(), len: bytes.len(), flags: 0, lazy: false };
        let rest = Rest { fd, bytes, _keep: keep, line: Vec::new(), dropped: false };
        let key = self.copies.rests.insert(rest);
        self.copies.known(fd).rest = Some(key);
        self.follow.insert(key.0, Follow::Rest { req, sent: 0 });
        match self.push_operation(key, op::send(&req, 0, libc::MSG_WAITALL)) {
            Ok(()) => self.begun(key),
            Err(Errno(e)) => {
                self.follow.remove(&key.0);
                self.copies.rests.remove(key);
                self.copies.known(fd).rest = None;
                self.copy_failed(fd, e);
            }
        }
    }

    fn copy_failed(&mut self, fd: Fd, error: i32) {
        let generation = self.fds.generation(fd);
        let known = self.copies.known(fd);
        (known.failed, known.generation) = (error, generation);
    }

    fn rest_on(&mut self, fd: Fd) -> Option<&mut Rest> {
        let key = self.copies.rest(fd)?;
        self.copies.rests.get_mut(key)
    }

    /// Whether `req` has to be held, for it sends on a socket with a rest.
    #[cold]
    pub(super) fn is_behind_rest(&mut self, req: &Request) -> bool {
        let Some(fd) = sends_on(req) else { return false };
        if self.copies.has(fd) {
            self.settle_copies();
        }
        self.rest_on(fd).is_some()
    }

    /// Holds it if it has to be, and says so or that there is no memory for it.
    #[cold]
    pub(super) fn hold(&mut self, key: OpKey, req: &Request) -> Option<Submitted> {
        if let Request::Close { fd } = *req {
            self.drop_copies(fd);
        }
        if !self.is_behind_rest(req) {
            return None;
        }
        let room = keys::room(&mut self.copies.held).is_ok();
        if let Some(rest) = sends_on(req).and_then(|fd| self.rest_on(fd)) {
            if !room || rest.line.try_reserve(1).is_err() {
                return Some(Submitted::Done(Completion::done(-libc::ENOMEM)));
            }
            let mut req = *req;
            if let Request::Send { lazy, .. } = &mut req {
                // Whoever waits for it says so once, and before it begins.
                *lazy = false;
            }
            rest.line.push((key, req));
            let fd = rest.fd;
            self.copies.held.insert(key.0, fd);
            self.begun(key);
        }
        Some(Submitted::InFlight)
    }

    /// `fd` is closed by the next entry.
    fn drop_copies(&mut self, fd: Fd) {
        self.push_copy();
        if self.copies.has(fd) {
            self.copies.sends.iter_mut().filter(|copy| copy.fd == fd).for_each(|copy| copy.dropped = true);
        }
        if let Some(key) = self.copies.rest(fd) {
            self.drop_rest(key);
            self.cancel(key);
        }
    }

    /// Nobody hears of it, and those behind it are cancelled.
    fn drop_rest(&mut self, key: OpKey) {
        let Some(rest) = self.copies.rests.get_mut(key) else { return };
        rest.dropped = true;
        let (fd, line) = (rest.fd, std::mem::take(&mut rest.line));
        self.copies.known(fd).rest = None;
        for (key, _) in line {
            self.copies.held.remove(&key.0);
            self.stash.push_back(told(key, -libc::ECANCELED));
        }
    }

    /// The same with all of them.
    pub(super) fn drop_rests(&mut self) {
        let keys: Vec<_> = self.copies.rests.keys().collect();
        keys.into_iter().for_each(|key| self.drop_rest(key));
    }

    /// Cancels an operation that is held. False: it is not.
    #[cold]
    pub(super) fn cancel_held(&mut self, key: OpKey) -> bool {
        let Some(fd) = self.copies.held.remove(&key.0) else { return false };
        if let Some(rest) = self.rest_on(fd) {
            rest.line.retain(|(held, _)| *held != key);
        }
        self.stash.push_back(told(key, -libc::ECANCELED));
        true
    }

    /// An operation of our own has ended.
    #[cold]
    pub(super) fn end_rest(&mut self, key: OpKey, completion: Completion) {
        // Dropped last: it may close the descriptor.
        let Some(mut rest) = self.copies.rests.remove(key) else { return };
        if !rest.dropped {
            self.copies.known(rest.fd).rest = None;
        }
        match completion.res {
            _ if rest.dropped => {}
            e if e < 0 => self.copy_failed(rest.fd, -e),
            sent if (sent as usize) < rest.bytes.len() => self.copy_failed(rest.fd, libc::EPIPE),
            _ => {}
        }
        for (key, req) in std::mem::take(&mut rest.line) {
            self.copies.held.remove(&key.0);
            self.ended(key);
            let res = match self.submit(key, &req) {
                Submitted::InFlight => continue,
                Submitted::Done(completion) => completion.res,
                // It was said to be in flight: too late for another thread.
                Submitted::Blocking => -libc::EOPNOTSUPP,
            };
            self.begun(key);
            self.stash.push_back(told(key, res));
        }
    }
}

/// A completion that no entry leads to.
fn told(key: OpKey, res: i32) -> Cqe {
    Cqe { user_data: key.0, res, flags: 0 }
}

/// The socket that `req` sends bytes on, or the end behind them.
fn sends_on(req: &Request) -> Option<Fd> {
    match *req {
        Request::Send { fd, .. }
        | Request::SendZeroCopy { fd, .. }
        | Request::SendMsg { fd, .. }
        | Request::Write { fd, .. }
        | Request::WriteV { fd, .. }
        | Request::Splice { to: fd, .. }
        | Request::Shutdown { fd, how: libc::SHUT_WR } => Some(fd),
        _ => None,
    }
}
