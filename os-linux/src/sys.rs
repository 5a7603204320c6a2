//! System calls that take what a request carries: raw descriptors, raw pointers.
//!
//! rustix wants borrowed descriptors and slices; a request has numbers and addresses whose validity is
//! the operation slot's contract. So most go through libc, and answer like a completion: a result, or
//! an errno negated. Where a descriptor is ours to own, rustix is used instead.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::slice;

use libc::{c_int, c_long, c_void, socklen_t};
use ouzel_core::driver::{Deadline, Nanos};
use ouzel_core::op::Fd;
use rustix::net::{self, RecvFlags, SendFlags};

/// The longest transfer the kernel makes in one call.
pub(crate) const MAX_BYTES: usize = 0x7fff_f000;

/// This thread's errno, negated.
#[cold]
pub(crate) fn last_errno() -> i32 {
    -std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn answer(ret: isize) -> i32 {
    if ret < 0 { last_errno() } else { ret as i32 }
}

/// The two calls of every request go past libc, whose wrappers take part in thread cancellation: two locked
/// instructions each in a process with threads.
fn bare(result: rustix::io::Result<usize>) -> i32 {
    match result {
        Ok(n) => n as i32,
        Err(e) => -e.raw_os_error(),
    }
}

fn number(fd: Fd) -> BorrowedFd<'static> {
    // -1 may not be borrowed; the kernel refuses the next one alike.
    let fd = if fd == -1 { -2 } else { fd };
    // SAFETY: only passed on to the kernel, which checks it.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Calls again while a signal interrupts.
pub(crate) fn retry(mut call: impl FnMut() -> i32) -> i32 {
    loop {
        match call() {
            ret if ret == -libc::EINTR => {}
            ret => return ret,
        }
    }
}

/// # Safety
/// `buf` is writable for `len` bytes.
pub(crate) unsafe fn recv(fd: Fd, buf: *mut u8, len: usize, flags: c_int) -> i32 {
    // SAFETY: the caller's; nobody reads what may not be initialized.
    let room = unsafe { slice::from_raw_parts_mut(buf.cast::<MaybeUninit<u8>>(), len.min(MAX_BYTES)) };
    bare(net::recv(number(fd), room, RecvFlags::from_bits_retain(flags as u32)).map(|(_, n)| n))
}

/// # Safety
/// `buf` is readable for `len` bytes.
pub(crate) unsafe fn send(fd: Fd, buf: *const u8, len: usize, flags: c_int) -> i32 {
    // SAFETY: the caller's.
    let bytes = unsafe { slice::from_raw_parts(buf, len.min(MAX_BYTES)) };
    bare(net::send(number(fd), bytes, SendFlags::from_bits_retain(flags as u32)))
}

/// # Safety
/// `addr` and `len` are null, or `len` is readable and writable and `addr` has the room it says.
pub(crate) unsafe fn accept(fd: Fd, addr: *mut u8, len: *mut u32) -> i32 {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the caller's.
    answer(unsafe { libc::accept4(fd, addr.cast(), len, flags) } as isize)
}

/// # Safety
/// `addr` is readable for `len` bytes.
pub(crate) unsafe fn connect(fd: Fd, addr: *const u8, len: socklen_t) -> i32 {
    // SAFETY: the caller's.
    answer(unsafe { libc::connect(fd, addr.cast(), len) } as isize)
}

pub(crate) fn shutdown(fd: Fd, how: c_int) -> i32 {
    // SAFETY: no memory is passed.
    answer(unsafe { libc::shutdown(fd, how) } as isize)
}

pub(crate) fn close(fd: Fd) -> i32 {
    // SAFETY: no memory is passed; that the descriptor is the caller's to close is the request's contract.
    answer(unsafe { libc::close(fd) } as isize)
}

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
    const RESOLVE_CACHED: u64 = 0x20;
    const CREATES: c_int = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    if flags & CREATES != 0 {
        return -libc::EAGAIN;
    }
    // A `struct open_how`: flags, mode (nothing is created), how to resolve.
    let how: [u64; 3] = [(flags | libc::O_CLOEXEC | libc::O_NONBLOCK) as u64, 0, RESOLVE_CACHED];
    // SAFETY: the caller's for `path`; `how` outlives the call and has the size given.
    let ret = unsafe { libc::syscall(libc::SYS_openat2, dir, path, how.as_ptr(), size_of_val(&how)) };
    let fd = answer(ret as isize);
    if fd >= 0 && flags & libc::O_NONBLOCK == 0 {
        set_status_flags(fd, flags & !libc::O_NONBLOCK);
    }
    match fd {
        // Old kernels, seccomp filters, flags that openat2 refuses and openat ignores, a FIFO
        // without a reader: whoever asked takes the long way.
        e if [-libc::ENOSYS, -libc::EINVAL, -libc::EPERM, -libc::ENXIO].contains(&e) => -libc::EAGAIN,
        fd => fd,
    }
}

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

/// Reads what can be read without waiting: `-EAGAIN` if nothing, `-EOPNOTSUPP` if the file cannot tell.
///
/// # Safety
/// `buf` is writable for `len` bytes.
pub(crate) unsafe fn read_nowait(fd: Fd, buf: *mut u8, len: usize, offset: u64) -> i32 {
    let iov = libc::iovec { iov_base: buf.cast(), iov_len: len.min(MAX_BYTES) };
    // SAFETY: the caller's for `buf`; the array has one element and outlives the call.
    answer(unsafe { libc::preadv2(fd, &raw const iov, 1, offset as i64, libc::RWF_NOWAIT) })
}

/// Writes what can be written without waiting; answers like [`read_nowait`].
///
/// # Safety
/// `buf` is readable for `len` bytes.
pub(crate) unsafe fn write_nowait(fd: Fd, buf: *const u8, len: usize, offset: u64) -> i32 {
    let iov = libc::iovec { iov_base: buf.cast_mut().cast(), iov_len: len.min(MAX_BYTES) };
    // SAFETY: the caller's for `buf`, which is only read; the array has one element.
    answer(unsafe { libc::pwritev2(fd, &raw const iov, 1, offset as i64, libc::RWF_NOWAIT) })
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

/// Whether the socket is a byte stream: there, a short read has taken everything.
pub(crate) fn is_stream_socket(fd: Fd) -> bool {
    let mut kind: c_int = 0;
    let mut len = size_of::<c_int>() as socklen_t;
    // SAFETY: both pointers are to locals of the sizes given.
    let ret = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut len)
    };
    ret == 0 && kind == libc::SOCK_STREAM
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

/// One `epoll_ctl` with `data` as the event's number.
pub(crate) fn epoll_ctl(epoll: Fd, op: c_int, fd: Fd, events: u32, data: u64) -> i32 {
    let mut event = libc::epoll_event { events, u64: data };
    // SAFETY: `event` outlives the call.
    answer(unsafe { libc::epoll_ctl(epoll, op, fd, &raw mut event) } as isize)
}

/// Waits for events up to `timeout` (none: without an end), with nanosecond precision.
pub(crate) fn epoll_pwait2(epoll: Fd, events: &mut [libc::epoll_event], timeout: Option<Nanos>) -> i32 {
    let time = timeout.map(timespec);
    let time = time.as_ref().map_or(std::ptr::null(), |t| t as *const libc::timespec);
    let (room, mask) = (events.len() as c_int, std::ptr::null::<c_void>());
    // SAFETY: `events` has the room given, `time` is null or a live timespec, no mask is passed.
    let ret = unsafe {
        libc::syscall(libc::SYS_epoll_pwait2, epoll, events.as_mut_ptr(), room, time, mask, 0usize)
    };
    answer(ret as isize)
}

/// Sleeps for about so long; a signal may end it early.
pub(crate) fn nap(time: Nanos) {
    let time = timespec(time);
    // SAFETY: `time` is a live timespec; the rest is not wanted.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// Waits for events: `timeout` in milliseconds, -1 without an end.
pub(crate) fn epoll_wait(epoll: Fd, events: &mut [libc::epoll_event], timeout: c_int) -> i32 {
    // SAFETY: `events` has the room given.
    let ret = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as c_int, timeout) };
    answer(ret as isize)
}

/// Wakes everybody who waits on the word, in futex(2) or in a ring.
pub(crate) fn futex_wake_all(word: *mut u32) {
    // SAFETY: waking does not access the word; it only compares addresses.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, c_int::MAX) };
}

/// Sleeps while the word is `expected`, until a point in time on the monotonic clock.
pub(crate) fn futex_wait(word: *mut u32, expected: u32, deadline: Option<Deadline>) {
    // The bitset form, unlike the plain one, takes an absolute time.
    let time = deadline.map(|d| timespec(d.0));
    let time = time.as_ref().map_or(std::ptr::null(), |t| t as *const libc::timespec);
    let (op, none, all) = (libc::FUTEX_WAIT_BITSET, std::ptr::null::<u32>(), libc::FUTEX_BITSET_MATCH_ANY);
    // SAFETY: the word is live (the caller borrows its owner); `time` is null or a live timespec.
    unsafe { libc::syscall(libc::SYS_futex, word, op, expected, time, none, all) };
}

/// One `io_uring_enter` with the extended argument if there is one.
///
/// # Safety
/// What the queue entries point at stays valid until they complete; `arg` is null or of `size` bytes.
pub(crate) unsafe fn uring_enter(
    fd: Fd,
    submit: u32,
    want: u32,
    flags: u32,
    arg: *const c_void,
    size: usize,
) -> i32 {
    // SAFETY: the caller's.
    let ret = unsafe { libc::syscall(libc::SYS_io_uring_enter, fd, submit, want, flags, arg, size) };
    answer(ret as isize)
}

/// One `io_uring_register`.
///
/// # Safety
/// `arg` is what `op` wants.
pub(crate) unsafe fn uring_register(fd: Fd, op: u32, arg: *mut c_void, count: u32) -> i32 {
    // SAFETY: the caller's.
    let ret: c_long = unsafe { libc::syscall(libc::SYS_io_uring_register, fd, op, arg, count) };
    answer(ret as isize)
}

/// The same length of time, or point in time, in the kernel's form.
pub(crate) fn timespec(t: Nanos) -> libc::timespec {
    // Far beyond what the kernel's clock can hold is for ever: 2^31 seconds are 68 years.
    let secs = (t.0 / 1_000_000_000).min(1 << 31) as libc::time_t;
    libc::timespec { tv_sec: secs, tv_nsec: (t.0 % 1_000_000_000) as c_long }
}
