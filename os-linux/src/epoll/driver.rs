//! The driver itself: what the module's picture shows, in code.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use ouzel_core::driver::{Counters, Deadline, Errno, Nanos, Unpark};
use ouzel_core::op::{AT_POSITION, Completion, Fd, OpKey, ProvidedMemory, Request, Submitted};
use ouzel_core::park::ParkWord;
use rustix::event::epoll;

use super::attempt::waits_on;
use super::copies::Copies;
use super::lazy::{KEPT, Lazy};
use super::table::{Done, Ready, Table, Way};
use super::timer::Timer;
use crate::buffers::BufferPool;
use crate::config::{DriverConfig, Mask};
use crate::description::{Chosen, Description};
use crate::eventfd::EventUnpark;
use crate::fds::FdTable;
use crate::fork::{FORKED, Generation};
use crate::gather::Gather;
use crate::{clock, sys};

/// Events taken per system call.
const EVENTS: usize = 256;
/// Event numbers that are no descriptors.
pub(super) const WAKE: u64 = u64::MAX;
pub(super) const TIMER: u64 = u64::MAX - 1;

/// The epoll driver of one thread; see [the module](crate::epoll).
pub struct EpollDriver {
    pub(super) epoll: OwnedFd,
    park: Arc<ParkWord>,
    wake: Arc<EventUnpark>,
    pub(super) fds: &'static FdTable,
    pub(super) table: Table,
    /// Descriptors to look at before the next block.
    pub(super) ready: Ready,
    /// So many of those, the first ones, were there at the last look at the kernel: the next look waits for them.
    pub(super) left: usize,
    /// Completions that came about outside of `wait` and `reap`.
    pub(super) done: Done,
    pub(super) lazy: Lazy,
    pub(super) copies: Copies,
    pub(super) pool: Option<BufferPool>,
    pub(super) pool_shape: (u32, u32),
    pub(super) events: Box<[libc::epoll_event]>,
    /// In place of `epoll_pwait2`.
    pub(super) timer: Option<Timer>,
    pub(super) gather: Gather,
    inline_files: bool,
    /// What a short read says is believed.
    pub(super) short_reads: bool,
    /// A host may have waited since the last look: an unpark that ended its wait still shows.
    hosted: bool,
    /// `shutdown` was called: nothing is submitted any more.
    pub(super) closing: bool,
    pub(super) made: Generation,
    pub(super) calls: Cell<u64>,
    pub(super) waits: u64,
    pub(super) ctl: u64,
}

impl fmt::Debug for EpollDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollDriver")
            .field("epoll", &self.epoll)
            .field("in_flight", &self.in_flight())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl EpollDriver {
    /// A driver that sleeps only while `park` is PARKED.
    ///
    /// # Errors
    /// The errno of the call that failed, `EMFILE` most likely.
    pub fn new(config: &DriverConfig, park: Arc<ParkWord>) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| Errno(e.raw_os_error()))?;
        let wake = Arc::new(EventUnpark::new()?);
        // Edge-triggered: each write is an edge, so the count is never read.
        let own = (libc::EPOLLIN | libc::EPOLLET) as u32;
        check(sys::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, wake.fd(), own, WAKE))?;
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS].into_boxed_slice();
        let pwait2 = !config.mask.has(Mask::PWAIT2)
            && sys::epoll_pwait2(epoll.as_raw_fd(), &mut events, Some(Nanos(0))) >= 0;
        let timer = if pwait2 { None } else { Some(Timer::new()?) };
        if let Some(timer) = &timer {
            check(sys::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, timer.fd(), own, TIMER))?;
        }
        Ok(EpollDriver {
            epoll,
            park,
            wake,
            fds: FdTable::of_process(),
            table: Table::default(),
            ready: VecDeque::new(),
            left: 0,
            done: VecDeque::new(),
            lazy: Lazy::default(),
            copies: Copies::default(),
            pool: None,
            pool_shape: (config.buffers, config.buffer_size),
            events,
            timer,
            gather: Gather::default(),
            inline_files: !config.mask.has(Mask::INLINE_FILES),
            short_reads: !config.mask.has(Mask::SHORT_READS),
            hosted: false,
            closing: false,
            made: Generation::current(),
            calls: Cell::new(0),
            waits: 0,
            ctl: 0,
        })
    }

    /// Wakes this driver's owner from any thread. May outlive the driver.
    #[must_use]
    pub fn unparker(&self) -> Arc<dyn Unpark> {
        self.wake.clone()
    }

    /// Starts an operation. Does not block.
    ///
    /// What the request points at stays valid and untouched until the operation's last completion:
    /// the contract of [`Request`]. `key` is not zero and not in flight.
    pub fn submit(&mut self, key: OpKey, req: &Request) -> Submitted {
        if self.made.is_foreign() {
            return done(-FORKED.0);
        }
        if self.closing {
            return done(-libc::ECANCELED);
        }
        if let Request::Send { lazy: true, .. } = *req
            && self.lazy.has_room()
        {
            self.lazy.kept.push((key, *req));
            return Submitted::InFlight;
        }
        self.submit_other(key, req)
    }

    #[inline(never)]
    fn submit_other(&mut self, key: OpKey, req: &Request) -> Submitted {
        self.make_lazy();
        if let Request::Send { lazy: true, .. } = *req {
            self.lazy.kept.reserve(KEPT);
            self.lazy.kept.push((key, *req));
            return Submitted::InFlight;
        }
        match *req {
            Request::SendZeroCopy { .. } => self.submit_now(key, &req.with_copies()),
            _ => self.submit_now(key, req),
        }
    }

    pub(super) fn submit_now(&mut self, key: OpKey, req: &Request) -> Submitted {
        match *req {
            Request::Nop => done(0),
            Request::Close { fd } => done(self.close(fd)),
            // What was taken goes first.
            Request::Shutdown { fd, how: libc::SHUT_WR } if self.has_rest(fd) => {
                self.line_up(key, req, fd, Way::Out)
            }
            Request::Shutdown { fd, how } => {
                self.called();
                done(sys::shutdown(fd, how))
            }
            Request::OpenAt { dir, path, flags, .. } if self.inline_files => {
                self.called();
                // SAFETY: a request's path is NUL-terminated (the contract of `Request`).
                match unsafe { sys::openat_cached(dir, path, flags) } {
                    e if e == -libc::EAGAIN => Submitted::Blocking,
                    fd => self.opened(fd),
                }
            }
            Request::OpenAt { .. } | Request::Fsync { .. } | Request::File(_) => Submitted::Blocking,
            Request::Send { fd, .. } if fd >= 0 => self.start_send(key, req),
            Request::RecvMulti { fd } | Request::AcceptMulti { fd } => self.start_multi(key, req, fd),
            Request::Splice { from_offset, to_offset, .. }
                if from_offset != AT_POSITION || to_offset != AT_POSITION =>
            {
                Submitted::Blocking
            }
            _ => match waits_on(req) {
                Some((fd, way)) if fd >= 0 => self.start(key, req, fd, way),
                Some(_) => done(-libc::EBADF),
                None => done(-libc::EINVAL),
            },
        }
    }

    /// A call on this descriptor said just now that it would have to wait: the next submission need not try. Nothing is
    /// concluded from that where no event would tell that it was long ago.
    pub fn tried_in_vain(&mut self, fd: Fd, writing: bool) {
        if fd >= 0 {
            self.conclude(fd, if writing { Way::Out } else { Way::In });
        }
    }

    /// Asks for an operation to end early. It completes all the same: with `-ECANCELED`, or with what
    /// it had done. Unknown keys are ignored.
    pub fn cancel(&mut self, key: OpKey) {
        self.make_lazy();
        if let Some(op) = self.table.remove(key)
            && !self.forget_rest(key)
        {
            let res = if op.sent > 0 { op.sent as i32 } else { -libc::ECANCELED };
            self.done.push_back((key, Completion::done(res)));
        }
    }

    /// Waits for completions, an unpark or `deadline`; returns early at will. Blocks.
    ///
    /// The caller has called `begin` on the park word. Lazy sends are made before the wait; their completions end
    /// it only if `lazy_waited`.
    ///
    /// # Errors
    /// What the kernel says about the wait, never `EINTR`; [`FORKED`] in a forked child.
    pub fn wait(
        &mut self,
        deadline: Option<Deadline>,
        lazy_waited: bool,
        sink: &mut dyn FnMut(OpKey, Completion),
    ) -> Result<usize, Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        let lazy = self.settle_lazy(sink);
        let count = self.settle_left(sink) + if lazy_waited { lazy } else { 0 };
        if self.left > 0 {
            return Ok(count);
        }
        let block = count == 0 && self.ready.is_empty() && !self.park.has_token();
        if block {
            self.let_gather(deadline);
        }
        self.poll_events(block, deadline)?;
        Ok(count + self.settle(sink))
    }

    /// Takes what has completed, without blocking.
    ///
    /// # Errors
    /// As [`EpollDriver::wait`].
    pub fn reap(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> Result<usize, Errno> {
        if self.made.is_foreign() {
            return Err(FORKED);
        }
        self.settle_lazy(sink);
        let count = self.settle_left(sink);
        if self.table.len() == 0 && !std::mem::take(&mut self.hosted) {
            return Ok(count);
        }
        if self.left > 0 {
            return Ok(count);
        }
        self.poll_events(false, None)?;
        Ok(count + self.settle(sink))
    }

    /// Makes the lazy sends now; all else was a system call when it was submitted.
    ///
    /// # Errors
    /// None.
    pub fn flush(&mut self) -> Result<(), Errno> {
        if !self.made.is_foreign() {
            self.make_lazy();
        }
        Ok(())
    }

    /// Ends all operations, each with its completion, and refuses further ones.
    ///
    /// # Errors
    /// None.
    pub fn shutdown(&mut self, sink: &mut dyn FnMut(OpKey, Completion)) -> Result<usize, Errno> {
        self.closing = true;
        let lazy = self.settle_lazy(sink);
        while let Some(key) = self.table.any() {
            self.cancel(key);
        }
        let count = lazy + self.done.len();
        self.done.drain(..).for_each(|(key, c)| sink(key, c));
        Ok(count)
    }

    /// Whether files are tried without blocking before anything else.
    #[must_use]
    pub fn tries_files(&self) -> bool {
        self.inline_files
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Nanos {
        clock::now()
    }

    /// Makes the provided buffers unless they are there; their memory.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn provide(&mut self) -> Result<Arc<dyn ProvidedMemory>, Errno> {
        if let Some(pool) = &self.pool {
            return Ok(pool.memory());
        }
        let pool = BufferPool::new(self.pool_shape.0, self.pool_shape.1)?;
        Ok(self.pool.insert(pool).memory())
    }

    /// The first byte of provided buffer `id`.
    ///
    /// # Panics
    /// If no completion has named such a buffer.
    #[must_use]
    pub fn buffer(&self, id: u16) -> *mut u8 {
        self.pool.as_ref().expect("a buffer came from a pool").at(id)
    }

    /// Gives a provided buffer back.
    #[inline]
    pub fn recycle(&mut self, id: u16) {
        if let Some(pool) = &mut self.pool {
            pool.put(id);
        }
    }

    /// Operations without their last completion.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.table.len() + self.done.len() + self.lazy.len() + self.copies.len()
    }

    /// What the driver has done since it was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let syscalls = self.calls.get() + self.wake.calls();
        Counters { syscalls, waits: self.waits, ctl: self.ctl, ..Counters::default() }
    }

    /// A descriptor that is readable when `reap` would find something; for a host with its own loop.
    #[must_use]
    pub fn pollable(&self) -> Option<RawFd> {
        Some(self.epoll.as_raw_fd())
    }

    /// Before a host waits on [`EpollDriver::pollable`]: makes it readable if work is left over.
    /// Unparks show there anyway.
    pub fn arm_notify(&mut self) {
        self.hosted = true;
        self.make_lazy();
        if !self.done.is_empty() || !self.ready.is_empty() {
            self.wake.unpark();
        }
    }

    /// `"epoll"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        "epoll"
    }

    /// What was chosen, and why.
    #[must_use]
    pub fn description(&self) -> Description {
        Description(Chosen::Epoll { timerfd: self.timer.is_some(), inline_files: self.inline_files })
    }

    pub(super) fn called(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    fn opened(&mut self, fd: i32) -> Submitted {
        if fd >= 0 {
            self.fds.changed(fd);
        }
        done(fd)
    }

    fn close(&mut self, fd: Fd) -> i32 {
        if fd >= 0 {
            self.fds.changed(fd);
            for way in [Way::In, Way::Out] {
                while let Some(key) = self.table.first(fd, way).map(|op| op.key) {
                    self.cancel(key);
                }
            }
        }
        self.called();
        // Linux frees the number even if a signal came between.
        match sys::close(fd) {
            e if e == -libc::EINTR => 0,
            ret => ret,
        }
    }
}

pub(super) fn done(res: i32) -> Submitted {
    Submitted::Done(Completion::done(res))
}

pub(super) fn check(ret: i32) -> Result<i32, Errno> {
    if ret < 0 { Err(Errno(-ret)) } else { Ok(ret) }
}
