//! Submitting operations: one function of the header per kind, all through [`submit`].
//!
//! # Safety
//! Of each of them: pointers are as the header says, null where it allows that, else good for what it says
//! they are used for, for as long.

use core::ffi::{c_char, c_int, c_void};
use core::ptr::{self, null_mut};

use libc::sockaddr;
use ouzel::op::raw::{self, AT_POSITION, Request, Scratch};

use crate::deliver::start_delivering;
use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::id::{ouzel_op, ouzel_waker};
use crate::lent::Lent;
use crate::op::{Delivery, DoneFn, Flight};
use crate::options::{self, Ud, UdFn};
use crate::place::{Engine, OnLoop, ouzel_runtime};
use crate::table::Claim;
use crate::task::task_waker;

/// `struct ouzel_op_opts`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ouzel_op_opts {
    /// Bytes of this struct.
    pub size: u32,
    /// None yet.
    pub flags: u32,
    /// The task to wake, or zero.
    pub waker: ouzel_waker,
    /// Called for each completion, if not null.
    pub done: Option<DoneFn>,
    /// For `done` and `release`.
    pub ud: *mut c_void,
    /// Called once when the operation's buffers are free.
    pub release: Option<UdFn>,
}

// SAFETY: `repr(C)`, `size` first; integers, a pointer and optional functions.
unsafe impl options::Sized32 for ouzel_op_opts {
    const LEAST: usize = size_of::<Self>();
}

/// `OUZEL_SEND_LAZY`.
pub const OUZEL_SEND_LAZY: u32 = 0x8000_0000;
/// `OUZEL_FSYNC_DATA`.
pub const OUZEL_FSYNC_DATA: u32 = 1;
/// `OUZEL_AT_POSITION`.
pub const OUZEL_AT_POSITION: i64 = -1;

/// What kind of completions a request has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    /// One, whose result is a descriptor.
    Opens,
    Many,
}

/// An operation that may be begun.
pub(crate) struct Prepared {
    pub(crate) at: OnLoop,
    pub(crate) claim: Claim,
    pub(crate) lent: Lent,
    pub(crate) delivery: Delivery,
}

/// Checks everything that does not depend on the operation, and sets an entry aside.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says.
#[inline(always)]
pub(crate) unsafe fn prepare(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    opens: bool,
) -> Result<Prepared> {
    let at = OnLoop::of(rt)?;
    let mut delivery = Delivery { waker: None, done: None, opens };
    let mut release = (None, Ud(null_mut()));
    if !opts.is_null() {
        // SAFETY: the caller's promise.
        let opts = unsafe { options::read(opts) }?;
        let woken = opts.waker != ouzel_waker::default();
        if opts.flags != 0 || (woken && opts.done.is_some()) {
            return Err(Error::INVALID);
        }
        delivery.done = opts.done.map(|done| (done, Ud(opts.ud)));
        release = (opts.release, Ud(opts.ud));
        at.body.check_open()?;
        if woken {
            delivery.waker = Some(task_waker(opts.waker)?);
        }
    }
    at.body.check_open()?;
    let claim = at.body.ops.claim().ok_or(Error::NO_MEMORY)?;
    Ok(Prepared { at, claim, lent: Lent::new(at.place, release.0, release.1), delivery })
}

/// Puts what was begun into the table and sees to its delivery.
///
/// # Safety
/// `out` is null or writable.
#[inline(always)]
pub(crate) unsafe fn admit(
    at: &OnLoop,
    claim: Claim,
    flight: Flight,
    delivery: Delivery,
    out: *mut ouzel_op,
) -> i32 {
    let ops = &at.body.ops;
    let (called, woken) = (delivery.done.is_some(), delivery.waker.is_some());
    if out.is_null() && !called && !woken {
        ops.count_submitted();
        ops.unclaim(claim);
        drop(flight); // nobody will ask for it
        return OUZEL_OK;
    }
    let place = ops.fill(claim, flight, delivery);
    if !out.is_null() {
        // SAFETY: the caller's promise about `out`.
        unsafe { out.write(ops.id(place)) };
    }
    if called {
        start_delivering(at.place, at.body, place);
    } else if woken {
        ops.arm(place);
    }
    OUZEL_OK
}

/// Submits what `build` makes of the operation's scratch space.
///
/// # Safety
/// `opts` and `out` as in the header; what the request points at is lent by the host until the operation is
/// over, or lies in the scratch space.
#[inline]
unsafe fn submit_with(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
    shape: Shape,
    build: impl FnOnce(*mut Scratch) -> Request,
) -> Result<i32> {
    // SAFETY: the caller's promise about `opts`.
    let Prepared { at, claim, lent, delivery } = unsafe { prepare(rt, opts, shape == Shape::Opens) }?;
    if shape == Shape::Many && matches!(at.body.engine, Engine::Shared { .. }) {
        // Its provided buffers are a worker's, and the task that gives them back may be elsewhere by then.
        at.body.ops.unclaim(claim);
        drop(lent.settle());
        return Err(Error::UNSUPPORTED);
    }
    let _entered = at.enter();
    // SAFETY: the caller's promise about the request.
    match unsafe { raw::submit(lent, |_, scratch| build(scratch)) } {
        Ok(op) => {
            let flight = if shape == Shape::Many { Flight::Many(op) } else { Flight::One(op) };
            // SAFETY: the caller's promise about `out`.
            Ok(unsafe { admit(&at, claim, flight, delivery, out) })
        }
        Err(refused) => {
            let why = Error::from(refused.reason());
            // There is no operation, so nothing is released.
            drop(refused.into_payload().settle());
            at.body.ops.unclaim(claim);
            Err(why)
        }
    }
}

/// Submits a request: one code for all.
///
/// # Safety
/// As for `submit_with`.
#[inline(never)]
unsafe fn submit(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
    shape: Shape,
    request: &Request,
) -> Result<i32> {
    // SAFETY: the caller's promises.
    unsafe { submit_with(rt, opts, out, shape, |_| *request) }
}

fn position(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(AT_POSITION)
}

/// Completes with 0 on the next turn. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_nop(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        let request = Request::Nop;
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Waits for a connection. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_accept(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        let request = Request::Accept { fd, addr: null_mut(), addr_len: null_mut() };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::Opens, &request) })
    })
}

/// Receives into the host's buffer. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
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
    guard(|| {
        if buf.is_null() && len > 0 {
            return Error::NULL.0;
        }
        let request = Request::Recv { fd, buf: buf.cast(), len, flags: flags as i32 };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Receives into provided buffers until told to stop. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_recv_multi(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        let request = Request::RecvMulti { fd };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::Many, &request) })
    })
}

/// Sends the host's bytes. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
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
    guard(|| {
        if buf.is_null() && len > 0 {
            return Error::NULL.0;
        }
        let request = Request::Send {
            fd,
            buf: buf.cast(),
            len,
            flags: (flags & !OUZEL_SEND_LAZY) as i32,
            lazy: flags & OUZEL_SEND_LAZY != 0,
        };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Reads from a file or pipe. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_read(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *mut c_void,
    len: usize,
    offset: i64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        if buf.is_null() && len > 0 {
            return Error::NULL.0;
        }
        if offset < OUZEL_AT_POSITION {
            return Error::INVALID.0;
        }
        let request = Request::Read { fd, buf: buf.cast(), len, offset: position(offset) };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Writes to a file or pipe. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_write(
    rt: *mut ouzel_runtime,
    fd: c_int,
    buf: *const c_void,
    len: usize,
    offset: i64,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        if buf.is_null() && len > 0 {
            return Error::NULL.0;
        }
        if offset < OUZEL_AT_POSITION {
            return Error::INVALID.0;
        }
        let request = Request::Write { fd, buf: buf.cast(), len, offset: position(offset) };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Opens a path. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_openat(
    rt: *mut ouzel_runtime,
    dir: c_int,
    path: *const c_char,
    flags: c_int,
    mode: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        if path.is_null() {
            return Error::NULL.0;
        }
        let request = Request::OpenAt { dir, path: path.cast(), flags, mode };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::Opens, &request) })
    })
}

/// Closes a descriptor. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_close(
    rt: *mut ouzel_runtime,
    fd: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        let request = Request::Close { fd };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Flushes a file. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_fsync(
    rt: *mut ouzel_runtime,
    fd: c_int,
    flags: u32,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        if flags & !OUZEL_FSYNC_DATA != 0 {
            return Error::INVALID.0;
        }
        let request = Request::Fsync { fd, data_only: flags & OUZEL_FSYNC_DATA != 0 };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Shuts a socket down. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_shutdown_fd(
    rt: *mut ouzel_runtime,
    fd: c_int,
    how: c_int,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
) -> i32 {
    guard(|| {
        let request = Request::Shutdown { fd, how };
        // SAFETY: the caller's promises.
        code(unsafe { submit(rt, opts, out, Shape::One, &request) })
    })
}

/// Connects a socket. See `ouzel.h`.
///
/// # Safety
/// See the [module](self).
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
