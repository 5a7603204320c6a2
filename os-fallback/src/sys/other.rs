//! No I/O: a system that is not Unix numbers its sockets in another way than a request does.
//!
//! Sleeping, waking and keeping time work there, so tasks and timers do. Errno values are Linux's.

use ouzel_core::op::{Fd, Request};
use polling::Poller;

use super::common::{Attempt, Style};

pub(crate) const EBADF: i32 = 9;
pub(crate) const ECANCELED: i32 = 125;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOBUFS: i32 = 105;
pub(crate) const EOPNOTSUPP: i32 = 95;
const ENOSYS: i32 = 38;

pub(crate) fn style(_: Fd) -> Result<Style, i32> {
    Err(-ENOSYS)
}

/// # Safety
/// None: does nothing.
pub(crate) unsafe fn attempt(_: &Request, _: Style, _: &mut usize, _: bool) -> Attempt {
    Attempt::Done(-ENOSYS)
}

/// # Safety
/// None: does nothing.
pub(crate) unsafe fn recv(_: Fd, _: *mut u8, _: usize, _: i32) -> Attempt {
    Attempt::Done(-ENOSYS)
}

pub(crate) fn shutdown(_: Fd, _: i32) -> i32 {
    -ENOSYS
}

/// # Safety
/// None: does nothing.
pub(crate) unsafe fn close(_: Fd) -> i32 {
    -ENOSYS
}

/// # Safety
/// None: does nothing.
pub(crate) unsafe fn execute(req: &Request) -> i32 {
    match req {
        Request::Nop => 0,
        _ => -ENOSYS,
    }
}

pub(crate) fn arm(_: &Poller, _: Fd, _: bool, _: bool, _: bool) -> Result<(), i32> {
    Err(-ENOSYS)
}

pub(crate) fn disarm(_: &Poller, _: Fd) {}
