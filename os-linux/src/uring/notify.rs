//! For a host with a loop of its own: one descriptor that is readable when there is something to reap.
//!
//! Not the ring's own descriptor: with `DEFER_TASKRUN` a poll of it that already sleeps is not woken by
//! work that waits to be run (seen on 6.18). An eventfd registered with the ring is signalled by that
//! work too. It is made when a host first asks, so nobody else pays for it.
//!
//! One trap: that signal is deferred, late or lost (seen on 6.18) when the work itself comes from a write
//! to an eventfd. So where unparks are such writes, the host gets an epoll of both eventfds.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::EnterFlags;

use super::driver::UringDriver;
use super::wake::Notify;
use crate::config::Mask;

impl UringDriver {
    /// A descriptor that is readable when [`UringDriver::reap`] would find something, provided that
    /// [`UringDriver::arm_notify`] was called since the last reap. None if the kernel refuses.
    #[must_use]
    pub fn pollable(&self) -> Option<RawFd> {
        let notify = self.notify.get_or_init(|| Notify::new(&self.ring, &self.wake)).as_ref()?;
        Some(notify.both.as_ref().unwrap_or(&notify.event).as_raw_fd())
    }

    /// Before a host waits on [`UringDriver::pollable`], with the park word PARKED: submits what is
    /// queued, and makes an unpark show there.
    pub fn arm_notify(&mut self) {
        let refused = self.arm().is_err() || self.flush().is_err();
        // Taken back first and looked for afterwards: what comes in between shows twice, not never.
        self.signal(false);
        if self.has.has(Mask::DEFER_TASKRUN) && !self.has.has(Mask::COOP_TASKRUN) {
            self.enter(0, EnterFlags::GETEVENTS, None);
        }
        let sq = self.ring.submission();
        let waiting = sq.taskrun() || sq.cq_overflow();
        drop(sq);
        if refused || waiting || self.has_cqes() || !self.stash.is_empty() {
            self.signal(true);
        }
    }

    /// Makes the descriptor readable, or not.
    fn signal(&mut self, readable: bool) {
        let Some(Some(Notify { event: fd, .. })) = self.notify.get() else { return };
        self.counters.syscalls += 1;
        // Reading an eventfd nobody has signalled fails, writing it cannot: neither is news.
        let _ = if readable {
            rustix::io::write(fd, &1u64.to_ne_bytes())
        } else {
            rustix::io::read(fd, &mut [0; 8])
        };
    }
}
