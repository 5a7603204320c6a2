//! Tries that never block, on Unix.

use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::slice;

use ouzel_core::op::{Fd, Request};
use polling::{Event, Poller};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::{self, Errno, FdFlags, ioctl_fionbio};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{self, RecvFlags, SendFlags};

use super::common::{Attempt, Style};

pub(crate) const EBADF: i32 = Errno::BADF.raw_os_error();
pub(crate) const ECANCELED: i32 = Errno::CANCELED.raw_os_error();
pub(crate) const ENOMEM: i32 = Errno::NOMEM.raw_os_error();
pub(crate) const EINVAL: i32 = Errno::INVAL.raw_os_error();
pub(crate) const EIO: i32 = Errno::IO.raw_os_error();
pub(crate) const ENOBUFS: i32 = Errno::NOBUFS.raw_os_error();
pub(crate) const EOPNOTSUPP: i32 = Errno::OPNOTSUPP.raw_os_error();

/// Bytes that a pipe which polls writable takes without blocking, on every POSIX system. Not all of
/// them name their own, larger number.
const PIPE_CHUNK: usize = 512;

/// Sends never raise a signal. Apple has no flag for it, but an option of the socket: see [`prepare`].
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Most bytes one call moves: its result is an `i32`.
fn clamp(len: usize) -> usize {
    len.min(i32::MAX as usize)
}

/// # Safety
/// `fd` is open (or stands for the working directory) as long as the result is used, and not -1.
pub(super) unsafe fn descriptor<'a>(fd: Fd) -> BorrowedFd<'a> {
    // SAFETY: the caller's.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// # Safety
/// `len` bytes at `buf` are readable as long as the result is used; `buf` may be null if `len` is 0.
pub(super) unsafe fn bytes<'a>(buf: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { slice::from_raw_parts(buf, clamp(len)) }
}

/// # Safety
/// `len` bytes at `buf` are writable by nobody else as long as the result is used; `buf` may be null if
/// `len` is 0.
pub(super) unsafe fn room<'a>(buf: *mut u8, len: usize) -> &'a mut [MaybeUninit<u8>] {
    if len == 0 {
        return &mut [];
    }
    // SAFETY: the caller's.
    unsafe { slice::from_raw_parts_mut(buf.cast(), clamp(len)) }
}

pub(super) fn count(done: io::Result<usize>) -> i32 {
    done.map_or_else(|e| -e.raw_os_error(), |n| n as i32)
}

fn attempt_of(done: io::Result<usize>) -> Attempt {
    match done {
        Err(Errno::AGAIN) => Attempt::Wait,
        done => Attempt::Done(count(done)),
    }
}

/// How to try a file request on `fd`; a negated errno if it cannot be tried at all.
pub(crate) fn style(fd: Fd) -> Result<Style, i32> {
    // SAFETY: the request lends the descriptor; negative ones were refused by the driver.
    let fd = unsafe { descriptor(fd) };
    let stat = fstat(fd).map_err(|e| -e.raw_os_error())?;
    let non_blocking = || fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
    Ok(match FileType::from_raw_mode(stat.st_mode as _) {
        FileType::Socket => Style::Socket,
        FileType::RegularFile | FileType::Directory | FileType::BlockDevice | FileType::Symlink => {
            Style::Unpollable
        }
        _ if non_blocking() => Style::NonBlocking,
        FileType::Fifo => Style::AskFirst,
        _ => Style::Unpollable,
    })
}

/// Readies a socket for `accept` or `connect`, whose calls know no flag against blocking: puts it in
/// non-blocking mode, for good.
fn prepare(fd: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    net::sockopt::set_socket_nosigpipe(fd, true)?;
    ioctl_fionbio(fd, true)
}

/// Tries `req`. `moved` counts the bytes of a send that have gone out; `first` tells the first try.
///
/// # Safety
/// The request's pointers are valid, and its descriptor is not negative.
pub(crate) unsafe fn attempt(req: &Request, style: Style, moved: &mut usize, first: bool) -> Attempt {
    match *req {
        Request::Accept { fd, addr, addr_len } => {
            // SAFETY: the request lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            let accepted = if first { prepare(fd) } else { Ok(()) }.and_then(|()| accept(fd));
            match accepted {
                Err(Errno::AGAIN) => Attempt::Wait,
                Err(e) => Attempt::Done(-e.raw_os_error()),
                Ok((socket, peer)) => {
                    // SAFETY: the request lends `addr` and `addr_len`, or they are null.
                    unsafe { put_address(peer.as_ref(), addr, addr_len) };
                    Attempt::Done(socket)
                }
            }
        }
        Request::Connect { fd, addr, addr_len } => {
            // SAFETY: the request lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            let addr = RawAddress { addr, len: addr_len };
            if first { begin_connect(fd, &addr) } else { end_connect(fd, &addr) }
        }
        Request::Recv { fd, buf, len, flags } => {
            // SAFETY: as the caller's.
            unsafe { recv(fd, buf, len, flags) }
        }
        Request::Send { fd, buf, len, flags, .. } => {
            // SAFETY: the request lends `len` bytes at `buf`.
            let all = unsafe { bytes(buf, len) };
            send(fd, all, SendFlags::from_bits_retain(flags as _), moved)
        }
        Request::SendMsg { fd, msg, flags } => {
            // SAFETY: the request lends a `msghdr` and what it points at.
            unsafe { super::message::send(fd, msg, flags) }
        }
        Request::RecvMsg { fd, msg, flags } => {
            // SAFETY: the request lends a `msghdr` and what it points at.
            unsafe { super::message::recv(fd, msg, flags) }
        }
        Request::Poll { fd, writing } => super::message::poll(fd, writing),
        // SAFETY: as the caller's.
        Request::Read { fd, buf, len, .. } if style == Style::Socket => unsafe { recv(fd, buf, len, 0) },
        Request::Read { fd, buf, len, .. } => {
            // SAFETY: the request lends the descriptor.
            let fd = unsafe { descriptor(fd) };
            if style == Style::AskFirst && !is_ready(fd, PollFlags::IN) {
                return Attempt::Wait;
            }
            // SAFETY: the request lends `len` bytes at `buf`.
            let room = unsafe { room(buf, len) };
            attempt_of(io::retry_on_intr(|| io::read(fd, &mut *room).map(|(got, _)| got.len())))
        }
        Request::Write { fd, buf, len, .. } => {
            // SAFETY: the request lends the descriptor.
            let borrowed = unsafe { descriptor(fd) };
            // SAFETY: the request lends `len` bytes at `buf`.
            let bytes = unsafe { bytes(buf, len) };
            match style {
                Style::Socket => attempt_of(io::retry_on_intr(|| {
                    net::send(borrowed, bytes, SendFlags::DONTWAIT | NO_SIGNAL)
                })),
                Style::AskFirst => write_pieces(borrowed, bytes),
                Style::NonBlocking | Style::Unpollable => {
                    attempt_of(io::retry_on_intr(|| io::write(borrowed, bytes)))
                }
            }
        }
        _ => Attempt::Done(-EINVAL),
    }
}

/// Receives what is there.
///
/// # Safety
/// `fd` is not negative, and `len` bytes at `buf` are the caller's to write.
pub(crate) unsafe fn recv(fd: Fd, buf: *mut u8, len: usize, flags: i32) -> Attempt {
    // SAFETY: the request lends the descriptor.
    let fd = unsafe { descriptor(fd) };
    // SAFETY: the caller's.
    let room = unsafe { room(buf, len) };
    let flags = RecvFlags::from_bits_retain(flags as _) | RecvFlags::DONTWAIT;
    // The second count is longer than the first when a datagram was cut and `MSG_TRUNC` asked for.
    attempt_of(io::retry_on_intr(|| net::recv(fd, &mut *room, flags).map(|(_, len)| len)))
}

fn send(fd: Fd, all: &[u8], flags: SendFlags, moved: &mut usize) -> Attempt {
    // SAFETY: the request lends the descriptor.
    let fd = unsafe { descriptor(fd) };
    loop {
        match net::send(fd, &all[*moved..], flags | SendFlags::DONTWAIT | NO_SIGNAL) {
            Ok(n) => *moved += n,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return Attempt::Wait,
            Err(e) if *moved == 0 => return Attempt::Done(-e.raw_os_error()),
            // What went out is told first; the next send meets the error again.
            Err(_) => return Attempt::Done(*moved as i32),
        }
        if *moved >= all.len() {
            return Attempt::Done(*moved as i32);
        }
    }
}

/// Writes to a pipe in blocking mode as long as it says that it is ready for a piece.
fn write_pieces(fd: BorrowedFd<'_>, bytes: &[u8]) -> Attempt {
    let mut moved = 0;
    while is_ready(fd, PollFlags::OUT) {
        let piece = &bytes[moved..bytes.len().min(moved + PIPE_CHUNK)];
        match io::retry_on_intr(|| io::write(fd, piece)) {
            Ok(n) => moved += n,
            // What was taken is told first; the next write meets the error again.
            Err(_) if moved > 0 => break,
            done @ Err(_) => return attempt_of(done),
        }
        if moved == bytes.len() {
            return Attempt::Done(moved as i32);
        }
    }
    if moved == 0 { Attempt::Wait } else { Attempt::Done(moved as i32) }
}

/// Accepts by the portable call, so close-on-exec is set a moment later: a fork in between by
/// another thread leaks the descriptor into its child.
fn accept(fd: BorrowedFd<'_>) -> io::Result<(RawFd, Option<net::SocketAddrAny>)> {
    loop {
        match net::acceptfrom(fd) {
            Ok((socket, peer)) => {
                io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
                prepare(std::os::fd::AsFd::as_fd(&socket))?;
                return Ok((socket.into_raw_fd(), peer));
            }
            // The connection went away before it was accepted: the next one, if any.
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Writes as much of the address as there is room for, and its whole length, as `accept` does.
///
/// # Safety
/// `addr` and `addr_len` are null, or `addr_len` holds the room at `addr`.
unsafe fn put_address(peer: Option<&net::SocketAddrAny>, addr: *mut u8, addr_len: *mut u32) {
    if addr.is_null() || addr_len.is_null() {
        return;
    }
    // SAFETY: the caller's.
    let room = unsafe { addr_len.read() };
    let copy = |from: *const SocketAddrOpaque, len: SocketAddrLen| {
        // SAFETY: `with_sockaddr` passes `len` readable bytes; `room` are writable.
        unsafe { from.cast::<u8>().copy_to_nonoverlapping(addr, len.min(room) as usize) };
        len
    };
    // SAFETY: the closure only reads, during the call.
    let len = peer.map_or(0, |peer| unsafe { peer.with_sockaddr(copy) });
    // SAFETY: the caller's.
    unsafe { addr_len.write(len) };
}

/// A `sockaddr` somewhere else in memory.
struct RawAddress {
    addr: *const u8,
    len: u32,
}

// SAFETY: the request lends a valid `sockaddr` of `len` bytes for as long as the operation runs, and
// a `RawAddress` is made only for the call at hand.
unsafe impl SocketAddrArg for RawAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        f(self.addr.cast(), self.len)
    }
}

fn begin_connect(fd: BorrowedFd<'_>, addr: &RawAddress) -> Attempt {
    match prepare(fd).and_then(|()| net::connect(fd, addr)) {
        Ok(()) => Attempt::Done(0),
        // Interrupted or not, the handshake goes on without us.
        Err(Errno::INPROGRESS | Errno::INTR) => Attempt::Wait,
        Err(e) => Attempt::Done(-e.raw_os_error()),
    }
}

/// The socket polled writable: has the handshake succeeded, failed, or was that about something else?
fn end_connect(fd: BorrowedFd<'_>, addr: &RawAddress) -> Attempt {
    match net::sockopt::socket_error(fd) {
        Err(e) | Ok(Err(e)) => Attempt::Done(-e.raw_os_error()),
        Ok(Ok(())) if matches!(net::getpeername(fd), Err(Errno::NOTCONN)) => Attempt::Wait,
        Ok(Ok(())) => {
            // Some systems wait for another `connect` to call the socket connected. What it says is no
            // news: by now there is a peer.
            let _ = net::connect(fd, addr);
            Attempt::Done(0)
        }
    }
}

fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    // An error is left to the call that follows to report.
    !matches!(io::retry_on_intr(|| poll(&mut fds, Some(&zero))), Ok(0))
}

/// Shuts a socket down and answers like a completion.
pub(crate) fn shutdown(fd: Fd, how: i32) -> i32 {
    let how = match how {
        0 => net::Shutdown::Read,
        1 => net::Shutdown::Write,
        2 => net::Shutdown::Both,
        _ => return -EINVAL,
    };
    // SAFETY: the request lends the descriptor; negative ones were refused by the driver.
    net::shutdown(unsafe { descriptor(fd) }, how).map_or_else(|e| -e.raw_os_error(), |()| 0)
}

/// Closes and answers like a completion. Not again after a signal: the number may be somebody else's.
///
/// # Safety
/// The caller owns the descriptor and gives it up.
pub(crate) unsafe fn close(fd: Fd) -> i32 {
    if fd < 0 {
        return -EBADF;
    }
    // SAFETY: the caller's.
    match unsafe { io::try_close(fd) } {
        Ok(()) | Err(Errno::INTR) => 0,
        Err(e) => -e.raw_os_error(),
    }
}

/// Asks for one event of `fd`, whether the poller knows it or not.
///
/// `known` is what the caller believes. A descriptor that was closed has left the poller by itself on
/// most systems, and one that a duplicate keeps alive has not; so the other call is tried on failure.
///
/// # Errors
/// The system's errno, negated, if the descriptor cannot be waited for.
pub(crate) fn arm(poller: &Poller, fd: Fd, read: bool, write: bool, known: bool) -> Result<(), i32> {
    let interest = Event::new(fd as usize, read, write);
    // SAFETY: whoever submitted the operation keeps the descriptor open until it is over, and the
    // driver deletes it before it waits without an operation on it.
    let add = || unsafe { poller.add(fd, interest) };
    let modify = || {
        // SAFETY: the request lends the descriptor.
        poller.modify(unsafe { descriptor(fd) }, interest)
    };
    let told = |e: &std::io::Error, errno: Errno| e.raw_os_error() == Some(errno.raw_os_error());
    let done = if known {
        modify().or_else(|e| if told(&e, Errno::NOENT) { add() } else { Err(e) })
    } else {
        add().or_else(|e| if told(&e, Errno::EXIST) { modify() } else { Err(e) })
    };
    done.map_err(|e| -e.raw_os_error().unwrap_or(EIO))
}

/// Takes `fd` out of the poller. It may have left by itself, so failure is no news.
pub(crate) fn disarm(poller: &Poller, fd: Fd) {
    // SAFETY: at worst the number is closed or used again; then the poller does not know it.
    let _ = poller.delete(unsafe { descriptor(fd) });
}
