//! What the driver does with [copies](super::copies).

use ouzel_core::driver::Errno;
use ouzel_core::op::{Completion, Fd, OpKey, Request};

use super::attempt::send;
use super::driver::EpollDriver;
use super::table::Way;
use crate::fork::FORKED;
use crate::rests::{LARGEST, is_ours};

impl EpollDriver {
    /// Takes a copy of `bytes` and sends it before the next look at the kernel, behind all that was taken for `fd` before.
    /// False: it is not taken, and an operation is the way.
    ///
    /// # Errors
    /// Why an earlier one failed, once; [`FORKED`] in a forked child.
    #[inline]
    pub fn try_send(&mut self, fd: Fd, bytes: &[u8]) -> Result<bool, Errno> {
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
        let entry = self.table.entry(fd, &self.fds);
        if entry.failed != 0 {
            return Err(Errno(std::mem::take(&mut entry.failed)));
        }
        if !entry.is_free(Way::Out) {
            return Ok(false);
        }
        entry.used = true;
        self.copies.keep(fd, bytes);
        Ok(true)
    }

    /// Sends what was gathered.
    #[inline(never)]
    pub(super) fn make_copies(&mut self) {
        let mut kept = std::mem::take(&mut self.copies.kept);
        let mut bytes = std::mem::take(&mut self.copies.bytes);
        let mut from = 0;
        for (fd, len) in kept.drain(..) {
            self.send_copy(fd, &bytes[from..from + len]);
            from += len;
        }
        bytes.clear();
        self.copies.kept = kept;
        self.copies.bytes = bytes;
    }

    fn send_copy(&mut self, fd: Fd, bytes: &[u8]) {
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
            self.send_rest(fd, &bytes[sent..]);
        }
    }

    /// The socket had no room.
    #[cold]
    fn send_rest(&mut self, fd: Fd, rest: &[u8]) {
        let in_line = !self.entry(fd).sides[Way::Out as usize].is_empty();
        let waits = if in_line { self.register(fd, Way::Out) } else { self.await_edge(fd, Way::Out) };
        if let Err(Errno(e)) = waits {
            self.entry(fd).failed = e;
            return;
        }
        let rest: Box<[u8]> = rest.into();
        let req = Request::Send { fd, buf: rest.as_ptr(), len: rest.len(), flags: 0, lazy: false };
        let key = self.copies.rests.insert(rest);
        self.table.push(key, req, fd, Way::Out, 0);
    }

    /// An operation is over and out of the table. False: it is not one of our own.
    #[inline]
    pub(super) fn end_rest(&mut self, fd: Fd, key: OpKey, completion: Completion) -> bool {
        is_ours(key) && {
            let rest = self.copies.rests.remove(key);
            let len = rest.map_or(0, |rest| rest.len());
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
