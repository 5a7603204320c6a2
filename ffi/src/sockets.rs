//! Operations on sockets, and on whatever can be waited for.
//!
//! # Safety
//! Of each of them: see [`submit`](crate::submit).

use core::ffi::{c_int, c_void};
use core::ptr::{self, null_mut};
use core::slice;

use libc::{msghdr, sockaddr};
use ouzel::op::raw::{self, Request, Scratch};

use crate::error::{Error, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::files::position;
use crate::guard::guard;
use crate::id::ouzel_op;
use crate::place::{OnLoop, ouzel_runtime};
use crate::submit::{Shape, begin, given, given_if, ouzel_op_opts, submit, submit_with};

/// `OUZEL_SEND_LAZY`.
pub const OUZEL_SEND_LAZY: u32 = 0x8000_0000;

/// `OUZEL_SEND_ZERO_COPY`.
pub const OUZEL_SEND_ZERO_COPY: u32 = 0x1000_0000;
/// `OUZEL_SPLICE_FOR_ROOM`.
pub const OUZEL_SPLICE_FOR_ROOM: u32 = 1;

/// What `ouzel_accept` asks for.
pub(crate) fn accept(fd: c_int) -> Request {
    Request::Accept { fd, addr: null_mut(), addr_len: null_mut() }
}

/// What `ouzel_send` asks for.
pub(crate) fn send(fd: c_int, buf: *const u8, len: usize, flags: u32) -> Request {
    let system = (flags & !(OUZEL_SEND_LAZY | OUZEL_SEND_ZERO_COPY)) as i32;
    if flags & OUZEL_SEND_ZERO_COPY != 0 {
        return Request::SendZeroCopy { fd, buf, len, flags: system };
    }
    Request::Send { fd, buf, len, flags: system, lazy: flags & OUZEL_SEND_LAZY != 0 }
}

/// Waits for a connection. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_accept(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::Opens, || Ok(accept(fd))) }
}

/// Waits for connections. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_accept_multi(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::Accepts, || Ok(Request::AcceptMulti { fd })) }
}

/// Connects a socket. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_connect(
    rt: *mut ouzel_runtime,
    fd: c_int,
    addr: *const sockaddr,
    addr_len: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        if addr.is_null() {
            return Error::NULL.0;
        }
        if addr_len as usize > size_of::<libc::sockaddr_storage>() {
            return Error::INVALID.0;
        }
        let build = |scratch: *mut Scratch| {
            // SAFETY: the host lends so many bytes for the call, and the scratch space has room for any address.
            unsafe { ptr::copy_nonoverlapping(addr.cast::<u8>(), scratch.cast::<u8>(), addr_len as usize) };
            Request::Connect { fd, addr: scratch.cast(), addr_len }
        };
        // SAFETY: the caller's promises.
        code(unsafe { submit_with(rt, opts, out, Shape::One, build) })
    })
}

/// Receives into the host's buffer. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_recv(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *mut c_void,
    len: usize,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::Recv { fd, buf: given_if(buf, len)?, len, flags: flags as i32 })
        })
    }
}

/// Receives into provided buffers until told to stop. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_recv_multi(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::Buffers, || Ok(Request::RecvMulti { fd })) }
}

/// Sends the host's bytes. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_send(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *const c_void,
    len: usize,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, || Ok(send(fd, given_if(buf, len)?, len, flags))) }
}

/// Sends a copy of the host's bytes without an operation. See `ouzel.h`.
///
/// # Safety
/// `buf` is null or has `len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_try_send(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *const c_void,
    len: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        code(unsafe { try_send(rt, fd, buf, len) })
    })
}

/// # Safety
/// As for `ouzel_try_send`.
#[inline(always)]
unsafe fn try_send(rt: *mut ouzel_runtime, fd: c_int, buf: *const c_void, len: usize) -> Result<i32> {
    let at = OnLoop::of(rt)?;
    at.body.check_open()?;
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice::from_raw_parts(given_if(buf, len)?, len) };
    let _entered = at.enter();
    // SAFETY: the host answers for its descriptor, as the header says.
    let taken = unsafe { raw::try_send(fd, bytes) }?;
    Ok(if taken { OUZEL_READY } else { OUZEL_PENDING })
}

/// Receives a message. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_recvmsg(
    rt: *mut ouzel_runtime,
    fd: c_int,
    msg: *mut msghdr,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::RecvMsg { fd, msg: given(msg)?.cast_mut(), flags: flags as i32 })
        })
    }
}

/// Sends a message. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_sendmsg(
    rt: *mut ouzel_runtime,
    fd: c_int,
    msg: *const msghdr,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe {
        begin(rt, opts, out, Shape::One, || {
            Ok(Request::SendMsg { fd, msg: given(msg)?, flags: flags as i32 })
        })
    }
}

/// Shuts a socket down. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_shutdown_fd(
    rt: *mut ouzel_runtime,
    fd: c_int,
    how: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, || Ok(Request::Shutdown { fd, how })) }
}

/// Whether `events`, of which one is to be named, is readiness to be written.
fn writing(events: u32) -> Result<bool> {
    let (reading, writing) = (libc::POLLIN as u32, libc::POLLOUT as u32);
    if events == reading || events == writing { Ok(events == writing) } else { Err(Error::INVALID) }
}

/// Waits until a descriptor is ready. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_poll_fd(
    rt: *mut ouzel_runtime,
    fd: c_int,
    events: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    let request = || Ok(Request::Poll { fd, writing: writing(events)? });
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, request) }
}

/// Tells each time a descriptor is ready. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_poll_fd_multi(
    rt: *mut ouzel_runtime,
    fd: c_int,
    events: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        code(writing(events).and_then(|writing| {
            // SAFETY: the caller's promises; the request points at nothing.
            unsafe { submit(rt, opts, out, Shape::Polls(fd, writing), &Request::Poll { fd, writing }) }
        }))
    })
}

/// Moves bytes to or from a pipe. See `ouzel.h`.
///
/// # Safety
/// See [`submit`](crate::submit).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_splice(
    rt: *mut ouzel_runtime,
    from: c_int,
    from_offset: i64,
    to: c_int,
    to_offset: i64,
    len: u32,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    let request = || {
        if flags & !OUZEL_SPLICE_FOR_ROOM != 0 {
            return Err(Error::INVALID);
        }
        let (from_offset, to_offset) = (position(from_offset)?, position(to_offset)?);
        let for_room = flags & OUZEL_SPLICE_FOR_ROOM != 0;
        Ok(Request::Splice { from, from_offset, to, to_offset, len, for_room })
    };
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, request) }
}
