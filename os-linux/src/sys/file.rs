//! Calls on files.

use std::mem::MaybeUninit;

use libc::c_int;
use ouzel_core::op::{AT_POSITION, Fd, Segment};

use super::base::{MAX_BYTES, answer};

pub(crate) fn fsync(fd: Fd, data_only: bool) -> i32 {
    let call = if data_only { libc::fdatasync } else { libc::fsync };
    // SAFETY: no memory is passed.
    answer(unsafe { call(fd) } as isize)
}

/// # Safety
/// `path` is NUL-terminated.
pub(crate) unsafe fn openat(dir: Fd, path: *const u8, flags: c_int, mode: u32) -> i32 {
    // SAFETY: the caller's.
    answer(unsafe { libc::openat(dir, path.cast(), flags | libc::O_CLOEXEC, mode) } as isize)
}

/// Opens what the kernel finds in its caches alone; `-EAGAIN` if it would have to look further.
///
/// `O_NONBLOCK` goes along, so that a FIFO does not hold the thread until its other end comes; it is
/// taken off again if it was not asked for. io_uring opens the same way. May make two system calls.
///
/// # Safety
/// `path` is NUL-terminated.
pub(crate) unsafe fn openat_cached(dir: Fd, path: *const u8, flags: c_int) -> i32 {
    // SAFETY: the caller's.
    let fd = unsafe { openat_cached_nonblocking(dir, path, flags) };
    if fd >= 0 && flags & libc::O_NONBLOCK == 0 {
        set_status_flags(fd, flags & !libc::O_NONBLOCK);
    }
    fd
}

/// As [`openat_cached`], leaving `O_NONBLOCK` on: one system call.
///
/// # Safety
/// As there.
pub(crate) unsafe fn openat_cached_nonblocking(dir: Fd, path: *const u8, flags: c_int) -> i32 {
    const RESOLVE_CACHED: u64 = 0x20;
    const CREATES: c_int = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    if flags & CREATES != 0 {
        return -libc::EAGAIN;
    }
    // An `O_PATH` waits for nothing, and is refused with a flag it has no use for.
    let nonblocking = if flags & libc::O_PATH != 0 { 0 } else { libc::O_NONBLOCK };
    // A `struct open_how`: flags, mode (nothing is created), how to resolve.
    let how: [u64; 3] = [(flags | libc::O_CLOEXEC | nonblocking) as u64, 0, RESOLVE_CACHED];
    // SAFETY: the caller's for `path`; `how` outlives the call and has the size given.
    let ret = unsafe { libc::syscall(libc::SYS_openat2, dir, path, how.as_ptr(), size_of_val(&how)) };
    match answer(ret as isize) {
        // Old kernels, seccomp filters, flags that openat2 refuses and openat ignores, a FIFO
        // without a reader, a signal: whoever asked takes the long way.
        e if LONG_WAY.contains(&-e) => -libc::EAGAIN,
        fd => fd,
    }
}

const LONG_WAY: [c_int; 5] = [libc::ENOSYS, libc::EINVAL, libc::EPERM, libc::ENXIO, libc::EINTR];

/// # Safety
/// `buf` is writable for `len` bytes.
pub(crate) unsafe fn read(fd: Fd, buf: *mut u8, len: usize, offset: Option<u64>) -> i32 {
    let len = len.min(MAX_BYTES);
    answer(match offset {
        // SAFETY: the caller's.
        Some(at) => unsafe { libc::pread64(fd, buf.cast(), len, at as i64) },
        // SAFETY: the caller's.
        None => unsafe { libc::read(fd, buf.cast(), len) },
    })
}

/// # Safety
/// `buf` is readable for `len` bytes.
pub(crate) unsafe fn write(fd: Fd, buf: *const u8, len: usize, offset: Option<u64>) -> i32 {
    let len = len.min(MAX_BYTES);
    answer(match offset {
        // SAFETY: the caller's.
        Some(at) => unsafe { libc::pwrite64(fd, buf.cast(), len, at as i64) },
        // SAFETY: the caller's.
        None => unsafe { libc::write(fd, buf.cast(), len) },
    })
}

/// # Safety
/// `segments` are `count` places, each writable.
pub(crate) unsafe fn readv(fd: Fd, segments: *const Segment, count: u32, offset: Option<u64>) -> i32 {
    // SAFETY: the caller's.
    unsafe { transfer_v(libc::preadv2, fd, segments, count, offset.unwrap_or(AT_POSITION), 0) }
}

/// # Safety
/// `segments` are `count` places, each readable.
pub(crate) unsafe fn writev(fd: Fd, segments: *const Segment, count: u32, offset: Option<u64>) -> i32 {
    // SAFETY: the caller's.
    unsafe { transfer_v(libc::pwritev2, fd, segments, count, offset.unwrap_or(AT_POSITION), 0) }
}

/// Reads what can be read without waiting: `-EAGAIN` if nothing, `-EOPNOTSUPP` if the file cannot tell.
/// At the file's own position if `offset` is [`AT_POSITION`].
///
/// # Safety
/// `segments` are `count` places, each writable.
pub(crate) unsafe fn readv_nowait(fd: Fd, segments: *const Segment, count: u32, offset: u64) -> i32 {
    // SAFETY: the caller's.
    unsafe { transfer_v(libc::preadv2, fd, segments, count, offset, libc::RWF_NOWAIT) }
}

/// Writes what can be written without waiting; answers like [`readv_nowait`].
///
/// # Safety
/// `segments` are `count` places, each readable.
pub(crate) unsafe fn writev_nowait(fd: Fd, segments: *const Segment, count: u32, offset: u64) -> i32 {
    // SAFETY: the caller's.
    unsafe { transfer_v(libc::pwritev2, fd, segments, count, offset, libc::RWF_NOWAIT) }
}

type TransferV = unsafe extern "C" fn(c_int, *const libc::iovec, c_int, libc::off_t, c_int) -> isize;

/// # Safety
/// As for [`readv`] or [`writev`].
unsafe fn transfer_v(
    call: TransferV,
    fd: Fd,
    segments: *const Segment,
    count: u32,
    offset: u64,
    flags: c_int,
) -> i32 {
    // SAFETY: the caller's; a segment is laid out as an `iovec`, and the calls take -1 for the file's position.
    answer(unsafe { call(fd, segments.cast(), count as c_int, offset as libc::off_t, flags) })
}

/// One place, as vectored calls take it.
pub(crate) fn segment(buf: *const u8, len: usize) -> Segment {
    Segment { base: buf.cast_mut(), len: len.min(MAX_BYTES) }
}

/// Whether readiness says nothing about this file: regular files, directories, block devices.
pub(crate) fn is_always_ready(fd: Fd) -> bool {
    let mut stat = MaybeUninit::<libc::stat64>::uninit();
    // SAFETY: `stat` has room for the answer.
    if unsafe { libc::fstat64(fd, stat.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded and filled it.
    let mode = unsafe { stat.assume_init() }.st_mode & libc::S_IFMT;
    [libc::S_IFREG, libc::S_IFDIR, libc::S_IFBLK].contains(&mode)
}

/// The file's status flags (`O_*`).
pub(crate) fn status_flags(fd: Fd) -> i32 {
    // SAFETY: no memory is passed.
    answer(unsafe { libc::fcntl(fd, libc::F_GETFL) } as isize)
}

pub(crate) fn set_status_flags(fd: Fd, flags: c_int) -> i32 {
    // SAFETY: no memory is passed.
    answer(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) } as isize)
}
