//! A file opened and read without blocking, while the kernel has all of it in memory.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::sys;

/// Opens a path for reading if the kernel's caches know it, in non-blocking mode. One system call.
///
/// # Errors
/// `WouldBlock` if they do not, or the kernel cannot tell; the system's otherwise.
pub fn open_cached(path: &CStr) -> io::Result<OwnedFd> {
    let path = path.as_ptr().cast();
    // SAFETY: a C string is NUL-terminated.
    let fd = result(sys::retry(|| unsafe {
        sys::openat_cached_nonblocking(libc::AT_FDCWD, path, libc::O_RDONLY)
    }))?;
    // SAFETY: the call made it just now.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Reads from byte `offset` what lies in memory.
///
/// # Errors
/// `WouldBlock` if nothing does, `Unsupported` if this kind of file cannot tell; the system's otherwise.
pub fn read_cached(fd: BorrowedFd<'_>, room: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
    let to = sys::segment(room.as_ptr().cast(), room.len());
    // SAFETY: `to` is the whole of `room`, which is ours to write.
    result(sys::retry(|| unsafe { sys::readv_nowait(fd.as_raw_fd(), &raw const to, 1, offset) }))
}

/// Takes `fd` out of non-blocking mode, where other ways of reading would take "not in memory" for an error.
pub fn begin_to_wait(fd: BorrowedFd<'_>) {
    let flags = sys::status_flags(fd.as_raw_fd());
    if flags >= 0 {
        sys::set_status_flags(fd.as_raw_fd(), flags & !libc::O_NONBLOCK);
    }
}

fn result(ret: i32) -> io::Result<usize> {
    usize::try_from(ret).map_err(|_| io::Error::from_raw_os_error(-ret))
}
