//! A bell: ends a thread's wait from anywhere, signal handlers included.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::error::Result;

/// Wakes the thread in `ouzel_run` of a runtime with workers: a pipe, since writing to one is
/// async-signal-safe.
#[derive(Debug)]
pub(crate) struct Bell {
    read: OwnedFd,
    write: OwnedFd,
}

impl Bell {
    pub(crate) fn new() -> Result<Self> {
        let mut fds = [0; 2];
        // SAFETY: room for two descriptors.
        if unsafe { libc::pipe(fds.as_mut_ptr()) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        // SAFETY: `pipe` made it for us.
        let read = unsafe { OwnedFd::from_raw_fd(fds[0]) };
        // SAFETY: `pipe` made it for us.
        let write = unsafe { OwnedFd::from_raw_fd(fds[1]) };
        for fd in [&read, &write] {
            // SAFETY: sets a flag of an open descriptor.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
            // SAFETY: sets a flag of an open descriptor.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        }
        Ok(Bell { read, write })
    }

    /// Async-signal-safe. A full pipe rings already.
    pub(crate) fn ring(&self) {
        // SAFETY: one byte of a static.
        unsafe { libc::write(self.write.as_raw_fd(), c"!".as_ptr().cast(), 1) };
    }

    pub(crate) fn wait(&self) {
        let mut poll = libc::pollfd { fd: self.read.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry.
        unsafe { libc::poll(&raw mut poll, 1, -1) };
        let mut bytes = [0u8; 64];
        // SAFETY: 64 bytes of room.
        while unsafe { libc::read(self.read.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } > 0 {}
    }
}
