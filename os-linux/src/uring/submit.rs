//! The way in: entries into the submission queue, and the queue into the kernel.

use std::mem::MaybeUninit;
use std::ptr::null;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{self, CancelBuilder, Timespec};
use io_uring::{EnterFlags, cqueue, opcode};
use ouzel_core::driver::{Deadline, Errno, Nanos};
use ouzel_core::op::{Completion, Fd, OpKey, Request, Submitted};
use ouzel_core::park::PARKED;

use super::driver::{Cqe, UringDriver};
use super::op::{self, Follow, Lazy, Own};
use super::wake::Wake;
use crate::config::Mask;
use crate::fork::FORKED;
use crate::gather::GATHER_US;
use crate::{clock, keys, sys};

/// `FUTEX2_SIZE_U32`, and not `FUTEX2_PRIVATE`: see [`crate::futex`].
const FUTEX_FLAGS: u32 = 2;

/// A point in time no wait lasts to.
const FAR: Nanos = Nanos(u64::MAX);

/// The kernel's `struct io_uring_getevents_arg`.
#[repr(C)]
struct GetEvents {
    sigmask: u64,
    sigmask_size: u32,
    min_wait: u32,
    time: u64,
}

impl UringDriver {
    /// Starts an operation. Makes a system call only if the submission queue is full, or to try a file.
    ///
    /// What the request points at stays valid and untouched until the operation's last completion:
    /// the contract of [`Request`]. The upper half of `key`, its generation, is not zero, and it is not in flight.
    pub fn submit(&mut self, key: OpKey, req: &Request) -> Submitted {
        debug_assert!(op::is_key(key), "{key:?} looks like the driver's own");
        if self.made.is_foreign() {
            return done(-FORKED.0);
        }
        if self.closing {
            return done(-libc::ECANCELED);
        }
        if !self.copies.is_unused()
            && let Some(held) = self.hold(key, req)
        {
            return held;
        }
        let pushed = match *req {
            Request::Send { lazy: true, .. } if self.has.has(Mask::CQE_SKIP) => self.submit_lazy(key, req),
            Request::RecvMulti { fd } => self.submit_recv_multi(key, fd),
            // One connection at a time: whoever asked for all asks again.
            Request::AcceptMulti { fd } if !self.has.has(Mask::ACCEPT_MULTI) => {
                let (addr, addr_len) = (std::ptr::null_mut(), std::ptr::null_mut());
                self.submit_entry(key, &Request::Accept { fd, addr, addr_len })
            }
            Request::Read { fd, buf, len, offset } if self.may_try(offset) => {
                match self.read_now(fd, &sys::segment(buf, len), 1, offset) {
                    Some(done) => return done,
                    None => self.submit_entry(key, req),
                }
            }
            Request::ReadV { fd, segments, count, offset } if self.may_try(offset) => {
                match self.read_now(fd, segments, count, offset) {
                    Some(done) => return done,
                    None => self.submit_entry(key, req),
                }
            }
            Request::OpenAt { dir, path, flags, .. } if self.has.has(Mask::INLINE_FILES) => {
                match self.open_now(dir, path, flags) {
                    Some(done) => return done,
                    None => self.submit_entry(key, req),
                }
            }
            Request::File(ref call) if !self.file_calls.has(call) => return Submitted::Blocking,
            Request::SendZeroCopy { .. } if self.has.has(Mask::SEND_ZC) => self.submit_zero_copy(key, req),
            Request::SendZeroCopy { .. } => self.submit_entry(key, &req.with_copies()),
            Request::Splice { .. } if op::splices_file(req) && !self.has.has(Mask::SPLICE) => {
                return Submitted::Blocking;
            }
            Request::Splice { .. } if !op::splices_file(req) => match self.splice_now(req) {
                Some(res) => return done(res),
                None => self.await_splice(key, req),
            },
            _ => self.submit_entry(key, req),
        };
        if let Err(Errno(e)) = pushed {
            self.follow.remove(&key.0);
            // Whoever wants it closed has given it away.
            return if let Request::Close { fd } = *req { done(self.close_now(fd)) } else { done(-e) };
        }
        self.begun(key);
        Submitted::InFlight
    }

    /// An operation is in flight.
    pub(super) fn begun(&mut self, key: OpKey) {
        self.in_flight += 1;
        if let Some(keys) = &mut self.keys {
            keys.insert(key.0);
        }
    }

    /// An operation is not in flight any more.
    pub(super) fn ended(&mut self, key: OpKey) {
        self.in_flight -= 1;
        if let Some(keys) = &mut self.keys {
            keys.remove(&key.0);
        }
    }

    fn submit_entry(&mut self, key: OpKey, req: &Request) -> Result<(), Errno> {
        let entry = op::entry(req).ok_or(Errno(libc::EINVAL))?;
        let follow = match *req {
            Request::Close { fd } => {
                self.fds.changed(fd);
                Some(Follow::Close(fd))
            }
            Request::Read { .. }
            | Request::Write { .. }
            | Request::ReadV { .. }
            | Request::WriteV { .. }
            | Request::Accept { .. }
            | Request::AcceptMulti { .. } => Some(Follow::Retry(*req)),
            Request::OpenAt { .. } => Some(Follow::Last { opens: true, sent: 0 }),
            Request::Send { .. } if !self.has.has(Mask::SEND_WAITALL) => {
                Some(Follow::Rest { req: *req, sent: 0 })
            }
            _ => None,
        };
        if let Some(follow) = follow {
            keys::room(&mut self.follow)?;
            self.follow.insert(key.0, follow);
        }
        self.push_operation(key, entry)
    }

    /// Closes on the spot, for want of another way; what the system says.
    #[cold]
    pub(super) fn close_now(&mut self, fd: Fd) -> i32 {
        self.counters.syscalls += 1;
        sys::close(fd)
    }

    fn submit_lazy(&mut self, key: OpKey, req: &Request) -> Result<(), Errno> {
        // Room first: the number is taken when the entry is certain to go in.
        if self.ring.submission().is_full() {
            self.flush()?;
        }
        self.lazy.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
        let seq = self.lazy_base.wrapping_add(self.lazy.len() as u16);
        self.push(op::lazy_send(req).user_data(Own::Lazy(seq).user_data()))?;
        self.lazy.push_back(Lazy { key, req: *req, failed: false, cancelled: false });
        Ok(())
    }

    /// Asks for an operation to end early. It completes all the same: with `-ECANCELED`, or with what
    /// it had done. Unknown keys are ignored.
    pub fn cancel(&mut self, key: OpKey) {
        if self.made.is_foreign() {
            return;
        }
        if let Some(lazy) = self.lazy.iter_mut().find(|l| l.key == key && !l.failed) {
            lazy.cancelled = true;
            return;
        }
        if !self.copies.held.is_empty() && self.cancel_held(key) {
            return;
        }
        if let Some(follow) = self.follow.get_mut(&key.0) {
            follow.end();
        }
        self.receiving.remove(&u64::from(key.index()));
        let entry = self.own(opcode::AsyncCancel::new(key.0).build(), Own::Nothing);
        if self.push(entry).is_err() {
            self.owed_cancels.push(key);
        }
    }

    /// Hands what was submitted to the kernel now, instead of with the next `wait` or `reap`.
    ///
    /// # Errors
    /// What `io_uring_enter` says; [`FORKED`] in a forked child.
    pub fn flush(&mut self) -> Result<(), Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        self.push_copy();
        self.enter_all()
    }

    /// Hands over what is in the queue.
    fn enter_all(&mut self) -> Result<(), Errno> {
        let mut refusals = 0;
        while !self.ring.submission().is_empty() {
            match self.enter(0, EnterFlags::empty(), None) {
                n if n >= 0 || n == -libc::EINTR => {}
                // Too many completions wait, or memory is short: make room, and try again.
                e if (e == -libc::EBUSY || e == -libc::EAGAIN) && refusals < 64 => {
                    refusals += 1;
                    self.stash_completions();
                    self.enter(0, EnterFlags::GETEVENTS, None);
                }
                e => return Err(Errno(-e)),
            }
        }
        Ok(())
    }

    /// One of the driver's own entries; if it only reports failures, without a CQE for success.
    pub(super) fn own(&self, entry: Entry, own: Own) -> Entry {
        let quiet = own == Own::Nothing && self.has.has(Mask::CQE_SKIP);
        let entry = if quiet { entry.flags(Flags::SKIP_SUCCESS) } else { entry };
        entry.user_data(own.user_data())
    }

    pub(super) fn push(&mut self, entry: Entry) -> Result<(), Errno> {
        self.push_copy();
        self.push_entry(entry)
    }

    /// The same ahead of the open copy.
    pub(super) fn push_entry(&mut self, entry: Entry) -> Result<(), Errno> {
        if self.ring.submission().is_full() {
            self.enter_all()?;
        }
        self.counters.sqes += 1;
        // SAFETY: what the entry points at belongs to an operation (valid until its last completion) or
        // to a box of ours, which `drop` leaks rather than free too early.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| Errno(libc::EBUSY))
    }

    /// Puts the unpark entry into the ring unless it is there.
    pub(super) fn arm(&mut self) -> Result<(), Errno> {
        if self.armed {
            return Ok(());
        }
        let entry = match &mut self.wake {
            Wake::Futex(_) => {
                let (word, all) = (self.park.as_ptr(), u64::from(libc::FUTEX_BITSET_MATCH_ANY as u32));
                opcode::FutexWait::new(word, u64::from(PARKED), all, FUTEX_FLAGS).build()
            }
            Wake::Event(event, place) => {
                let place = (&raw mut **place).cast::<u8>();
                opcode::Read::new(types::Fd(event.fd()), place, size_of::<u64>() as u32).build()
            }
        };
        let entry = self.own(entry, Own::Unpark);
        self.push(entry)?;
        self.armed = true;
        Ok(())
    }

    /// Where `io_uring_enter` takes no timeout: makes the ring's timeout entry the one for `deadline`.
    pub(super) fn set_timer(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        let Some(Deadline(at)) = deadline else { return Ok(()) };
        if self.timer.is_some_and(|set| set.0 <= at) {
            // It goes off early enough; too early is a spurious return.
            return Ok(());
        }
        if self.timer.is_some() {
            let remove = opcode::TimeoutRemove::new(Own::Timer.user_data()).build();
            let remove = self.own(remove, Own::Nothing);
            self.push(remove)?;
            self.flush()?;
        }
        *self.timespec = kernel_time(at);
        let timeout =
            opcode::Timeout::new(&raw const *self.timespec).count(0).flags(types::TimeoutFlags::ABS).build();
        let timeout = self.own(timeout, Own::Timer);
        self.push(timeout)?;
        self.timer = deadline;
        Ok(())
    }

    pub(super) fn cancel_everything(&mut self) -> Result<(), Errno> {
        if let Some(keys) = &self.keys {
            let keys: Vec<u64> = keys.iter().copied().collect();
            for user_data in keys.into_iter().chain(self.armed.then_some(Own::Unpark.user_data())) {
                let entry = self.own(opcode::AsyncCancel::new(user_data).build(), Own::Nothing);
                self.push(entry)?;
            }
            return Ok(());
        }
        let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build();
        let entry = self.own(entry, Own::Nothing);
        self.push(entry)
    }

    /// Submits everything and waits for one completion, or for `deadline`. Returns early at will.
    pub(super) fn enter_waiting(&mut self, deadline: Option<Deadline>) -> Result<(), Errno> {
        if !self.has.has(Mask::EXT_ARG) {
            self.set_timer(deadline)?;
        }
        self.counters.waits += 1;
        let want = if self.has.has(Mask::MIN_WAIT) { self.gather.hoped_for(self.in_flight) } else { 1 };
        loop {
            let (result, all) = self.enter_counted(want, EnterFlags::GETEVENTS, deadline);
            match result {
                // A submission cut short did not wait: go on. Otherwise something has arrived.
                n if n >= 0 && !all && !self.has_cqes() => {}
                n if n >= 0 || n == -libc::ETIME => return Ok(()),
                e if e == -libc::EINTR => {}
                e if e == -libc::EBUSY || e == -libc::EAGAIN => return self.flush(),
                e => return Err(Errno(-e)),
            }
        }
    }

    /// One `io_uring_enter` with all that is queued. With `want` zero it does not wait.
    pub(super) fn enter(&mut self, want: u32, flags: EnterFlags, deadline: Option<Deadline>) -> i32 {
        self.enter_counted(want, flags, deadline).0
    }

    /// The same, and whether nothing is queued any more.
    fn enter_counted(&mut self, want: u32, mut flags: EnterFlags, deadline: Option<Deadline>) -> (i32, bool) {
        let queued = self.ring.submission().len() as u32;
        self.counters.syscalls += 1;
        self.counters.enters += 1;
        if self.index.is_some() {
            flags |= EnterFlags::REGISTERED_RING;
        }
        if want > 0 && self.has.has(Mask::NO_IOWAIT) {
            flags |= EnterFlags::NO_IOWAIT;
        }
        let mut time = Timespec::new();
        let mut arg = GetEvents { sigmask: 0, sigmask_size: 0, min_wait: 0, time: 0 };
        let (mut at, mut size) = (null(), 0);
        if want > 1 {
            arg.min_wait = GATHER_US;
            flags |= EnterFlags::EXT_ARG;
            (at, size) = ((&raw const arg).cast(), size_of::<GetEvents>());
        }
        // Without a deadline the kernel would give up after `min_wait`: an idle thread would wake for ever.
        let far = (want > 1).then_some(Deadline(FAR));
        if let Some(Deadline(deadline)) = deadline.or(far).filter(|_| self.has.has(Mask::EXT_ARG)) {
            let wait = if self.has.has(Mask::ABS_TIMER) {
                flags |= EnterFlags::ABS_TIMER;
                deadline
            } else {
                Nanos(deadline.0.saturating_sub(clock::now().0))
            };
            time = kernel_time(wait);
            arg.time = (&raw const time) as u64;
            flags |= EnterFlags::EXT_ARG;
            (at, size) = ((&raw const arg).cast(), size_of::<GetEvents>());
        }
        // SAFETY: the entries' memory as in `push`; `arg` and `time` outlive the call.
        let ret = unsafe { sys::uring_enter(self.enter_fd, queued, want, flags.bits(), at, size) };
        let _ = time;
        // One that did not wait to its end has submitted all the same.
        let all = ret == queued as i32 || self.ring.submission().is_empty();
        if all {
            self.entered = self.lazy.len();
            self.copies.entered = self.copies.pushed;
        }
        (ret, all)
    }

    pub(super) fn has_cqes(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }

    /// Moves what is in the completion queue to the stash, oldest first.
    pub(super) fn stash_completions(&mut self) {
        let mut batch = [const { MaybeUninit::<cqueue::Entry>::uninit() }; 32];
        loop {
            let got = self.ring.completion().fill(&mut batch);
            if got.is_empty() {
                return;
            }
            self.counters.cqes += got.len() as u64;
            self.stash.extend(got.iter().map(|c| Cqe {
                user_data: c.user_data(),
                res: c.result(),
                flags: c.flags(),
            }));
        }
    }
}

/// At most 68 years, which no kernel refuses.
pub(super) fn kernel_time(t: Nanos) -> Timespec {
    Timespec::new().sec((t.0 / 1_000_000_000).min(1 << 31)).nsec((t.0 % 1_000_000_000) as u32)
}

pub(super) fn done(res: i32) -> Submitted {
    Submitted::Done(Completion::done(res))
}
