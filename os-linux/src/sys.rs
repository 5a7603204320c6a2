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
use ouzel_core::op::{Fd, Request};
use rustix::net::{self, RecvFlags, SendFlags};

mod base;
mod file;
mod message;

pub(crate) use base::*;
pub(crate) use file::*;
pub(crate) use message::*;

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

/// Breaks a connection at once, and lets go of what it had to send.
pub(crate) fn disconnect(fd: Fd) {
    let nobody = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    // SAFETY: the address is a local that outlives the call.
    unsafe { libc::connect(fd, &raw const nobody, size_of::<libc::sockaddr>() as socklen_t) };
}

/// Moves bytes to or from a pipe, as a request says, without waiting for either end. A file may wait for its disk.
pub(crate) fn splice_now(req: &Request) -> i32 {
    let Request::Splice { from, from_offset, to, to_offset, len, .. } = *req else { return -libc::EINVAL };
    let place = |offset: &mut i64| if *offset < 0 { std::ptr::null_mut() } else { &raw mut *offset };
    let (mut from_offset, mut to_offset) = (from_offset as i64, to_offset as i64);
    let (from_offset, to_offset) = (place(&mut from_offset), place(&mut to_offset));
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    // SAFETY: the offsets are null or locals that outlive the call.
    answer(unsafe { libc::splice(from, from_offset, to, to_offset, len as usize, flags) })
}

pub(crate) fn shutdown(fd: Fd, how: c_int) -> i32 {
    // SAFETY: no memory is passed.
    answer(unsafe { libc::shutdown(fd, how) } as isize)
}

pub(crate) fn close(fd: Fd) -> i32 {
    // SAFETY: no memory is passed; that the descriptor is the caller's to close is the request's contract.
    answer(unsafe { libc::close(fd) } as isize)
}

/// Whether the socket is TCP's: there, a short receive has taken everything, or there is urgent data. One of a Unix
/// stream also ends behind a descriptor that was sent along, and before bytes of another sender's.
pub(crate) fn is_tcp(fd: Fd) -> bool {
    let mut protocol: c_int = 0;
    let mut len = size_of::<c_int>() as socklen_t;
    // SAFETY: both pointers are to locals of the sizes given.
    let ret = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL, (&raw mut protocol).cast(), &raw mut len)
    };
    ret == 0 && protocol == libc::IPPROTO_TCP
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
