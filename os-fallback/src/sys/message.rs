//! Messages with addresses, and the question whether a descriptor is ready.

use libc::c_int;
use ouzel_core::op::Fd;
use rustix::io::Errno;

use super::common::Attempt;

/// Sends never raise a signal: see `NO_SIGNAL` of `unix`.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: c_int = 0;

fn attempt(mut call: impl FnMut() -> isize) -> Attempt {
    loop {
        let moved = call();
        if moved >= 0 {
            return Attempt::Done(moved as i32);
        }
        match Errno::from_io_error(&std::io::Error::last_os_error()) {
            Some(Errno::INTR) => {}
            Some(Errno::AGAIN) => return Attempt::Wait,
            e => return Attempt::Done(-e.unwrap_or(Errno::IO).raw_os_error()),
        }
    }
}

/// # Safety
/// `msg` is a `msghdr` whose parts are readable.
pub(super) unsafe fn send(fd: Fd, msg: *const u8, flags: c_int) -> Attempt {
    // SAFETY: the caller's.
    attempt(|| unsafe { libc::sendmsg(fd, msg.cast(), flags | libc::MSG_DONTWAIT | NO_SIGNAL) })
}

/// # Safety
/// `msg` is a `msghdr` whose parts are writable.
pub(super) unsafe fn recv(fd: Fd, msg: *mut u8, flags: c_int) -> Attempt {
    // SAFETY: the caller's.
    attempt(|| unsafe { libc::recvmsg(fd, msg.cast(), flags | libc::MSG_DONTWAIT) })
}

/// The events that hold now.
pub(super) fn poll(fd: Fd, writing: bool) -> Attempt {
    let events = if writing { libc::POLLOUT } else { libc::POLLIN };
    let mut asked = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: `asked` is one pollfd, and lives.
    match attempt(|| unsafe { libc::poll(&raw mut asked, 1, 0) } as isize) {
        Attempt::Done(0) => Attempt::Wait,
        Attempt::Done(1..) if asked.revents & libc::POLLNVAL != 0 => {
            Attempt::Done(-Errno::BADF.raw_os_error())
        }
        Attempt::Done(1..) => Attempt::Done(i32::from(asked.revents)),
        other => other,
    }
}
