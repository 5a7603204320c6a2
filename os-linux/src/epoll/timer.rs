//! Ends a wait at a deadline on kernels without `epoll_pwait2`: a timerfd in the epoll set.
//!
//! `epoll_wait` counts in milliseconds, which is too coarse for a wheel of 65 us.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use ouzel_core::driver::{Deadline, Errno};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::sys;

/// A one-shot timer, set anew only when the deadline differs.
#[derive(Debug)]
pub(super) struct Timer {
    fd: OwnedFd,
    set: Option<Deadline>,
}

impl Timer {
    pub(super) fn new() -> Result<Self, Errno> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(|e| Errno(e.raw_os_error()))?;
        Ok(Timer { fd, set: None })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Makes the timer go off at `deadline`, or never. True if that took a system call.
    pub(super) fn set(&mut self, deadline: Option<Deadline>) -> Result<bool, Errno> {
        if self.set == deadline {
            return Ok(false);
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let at = deadline.map_or(zero, |d| {
            let t = sys::timespec(d.0);
            // Zero would switch the timer off.
            Timespec { tv_sec: t.tv_sec, tv_nsec: t.tv_nsec.max(1) }
        });
        let spec = Itimerspec { it_interval: zero, it_value: at };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec).map_err(|e| Errno(e.raw_os_error()))?;
        self.set = deadline;
        Ok(true)
    }

    /// The timer went off.
    pub(super) fn expired(&mut self) {
        self.set = None;
    }
}
