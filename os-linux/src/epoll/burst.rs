//! What the driver does with [copies](super::copies).

use std::any::Any;
use std::sync::Arc;

use ouzel_core::driver::Errno;
use ouzel_core::op::{Completion, Fd, OpKey, Request};

use super::attempt::send;
use super::driver::EpollDriver;
use super::table::{Pending, Way};
use crate::fork::FORKED;
use crate::rests::{Keep, LARGEST, is_ours};

impl EpollDriver {
    /// Takes a copy of `bytes` and sends it before the next look at the kernel, behind all that was taken for `fd` before.
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
        if !self.copies.has_room(bytes.len()) {
            self.make_lazy();
        }
        if self.table.make_entry(fd).is_err() || !self.copies.make_room(bytes.len()) {
            return Ok(false);
        }
        let entry = self.table.entry(fd, self.fds);
        if entry.failed != 0 {
            return Err(Errno(std::mem::take(&mut entry.failed)));
        }
        if !entry.is_free(Way::Out) {
            return Ok(false);
        }
        entry.used = true;
        self.copies.keep(fd, bytes, keep);
        Ok(true)
    }

    /// Sends what was gathered.
    #[inline(never)]
    pub(super) fn make_copies(&mut self) {
        let mut kept = std::mem::take(&mut self.copies.kept);
        let mut bytes = std::mem::take(&mut self.copies.bytes);
        let mut from = 0;
        for (fd, len, keep) in kept.drain(..) {
            self.send_copy(fd, &bytes[from..from + len], keep);
            from += len;
        }
        bytes.clear();
        self.copies.kept = kept;
        self.copies.bytes = bytes;
    }

    fn send_copy(&mut self, fd: Fd, bytes: &[u8], keep: Keep) {
        let mut sent = 0;
        if self.entry(fd).is_free(Way::Out) {
            while sent < bytes.len() {
                let before = sent;
                // SAFETY: the bytes are borrowed for longer than this.
                match unsafe { send((fd, bytes.as_ptr(), bytes.len(), 0), &mut sent, &self.calls) } {
                    e if e == -libc::EAGAIN => break,
                    e if e < 0 => return self.entry(fd).failed = -e,
                    _ if sent == before => return self.entry(fd).failed = libc::EPIPE,
                    _ => {}
                }
            }
        }
        if sent < bytes.len() {
            self.send_rest(fd, &bytes[sent..], keep);
        }
    }

    /// The socket had no room.
    #[cold]
    fn send_rest(&mut self, fd: Fd, rest: &[u8], keep: Keep) {
        let in_line = !self.entry(fd).sides[Way::Out as usize].is_empty();
        let room = self.table.make_op(&mut self.ready, &mut self.done);
        let copied = room.and_then(|()| {
            let rest = self.copies.rests.copied(rest)?;
            if in_line { self.register(fd, Way::Out) } else { self.await_edge(fd, Way::Out) }.map(|()| rest)
        });
        let rest = match copied {
            Ok(rest) => rest,
            Err(Errno(e)) => return self.entry(fd).failed = e,
        };
        let req = Request::Send { fd, buf: rest.as_ptr(), len: rest.len(), flags: 0, lazy: false };
        let key = self.copies.rests.insert((rest, keep));
        self.table.push(key, req, fd, Way::Out, 0);
    }

    /// Whether something taken for `fd` waits for room.
    pub(super) fn has_rest(&mut self, fd: Fd) -> bool {
        let waits = |first: &mut Pending| is_ours(first.key);
        !self.copies.rests.is_empty() && self.table.first(fd, Way::Out).is_some_and(waits)
    }

    /// An operation is over and out of the table. False: it is not one of our own.
    #[inline]
    pub(super) fn end_rest(&mut self, fd: Fd, key: OpKey, completion: Completion) -> bool {
        is_ours(key) && {
            // Dropped last: it may close the descriptor.
            let rest = self.copies.rests.remove(key);
            let len = rest.as_ref().map_or(0, |(bytes, _)| bytes.len());
            match completion.res {
                e if e < 0 => self.entry(fd).failed = -e,
                sent if (sent as usize) < len => self.entry(fd).failed = libc::EPIPE,
                _ => {}
            }
            true
        }
    }

    /// An operation was taken out of the table before its end. False: it is not one of our own.
    pub(super) fn forget_rest(&mut self, key: OpKey) -> bool {
        is_ours(key) && {
            self.copies.rests.remove(key);
            true
        }
    }
}
