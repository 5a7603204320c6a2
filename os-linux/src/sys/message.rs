//! Messages with addresses, and the question whether a descriptor is ready.

use libc::c_int;
use ouzel_core::op::Fd;

use super::base::{answer, retry};

/// # Safety
/// `msg` is a `msghdr` whose parts are readable.
pub(crate) unsafe fn sendmsg(fd: Fd, msg: *const u8, flags: c_int) -> i32 {
    // SAFETY: the caller's.
    answer(unsafe { libc::sendmsg(fd, msg.cast(), flags) })
}

/// # Safety
/// `msg` is a `msghdr` whose parts are writable.
pub(crate) unsafe fn recvmsg(fd: Fd, msg: *mut u8, flags: c_int) -> i32 {
    // SAFETY: the caller's.
    answer(unsafe { libc::recvmsg(fd, msg.cast(), flags | libc::MSG_CMSG_CLOEXEC) })
}

/// What a wait for one direction asks for.
pub(crate) fn poll_events(writing: bool) -> i16 {
    if writing { libc::POLLOUT } else { libc::POLLIN | libc::POLLRDHUP }
}

/// Which events of one direction hold now (`POLL*`), errors and hang-ups among them; zero if none does.
pub(crate) fn poll_now(fd: Fd, writing: bool) -> i32 {
    let mut asked = libc::pollfd { fd, events: poll_events(writing), revents: 0 };
    // SAFETY: `asked` is one pollfd, and lives.
    let ret = retry(|| answer(unsafe { libc::poll(&raw mut asked, 1, 0) } as isize));
    match ret {
        e if e < 0 => e,
        _ if asked.revents & libc::POLLNVAL != 0 => -libc::EBADF,
        _ => i32::from(asked.revents),
    }
}
