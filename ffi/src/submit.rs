//! Submitting operations: what all of them have in common, and the least of them.
//!
//! # Safety
//! Of each function that submits: pointers are as the header says, null where it allows that, else good for what
//! it says they are used for, for as long.

use core::ffi::c_void;
use core::mem::offset_of;

use ouzel::op::raw::{self, Deadline, Nanos, Request, Scratch};

use crate::deliver::start_delivering;
use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::guard;
use crate::id::{ouzel_op, ouzel_waker};
use crate::lent::Lent;
use crate::op::{Delivery, DoneFn, Flight};
use crate::options::{self, Ud, UdFn};
use crate::place::{Body, OnLoop, ouzel_runtime};
use crate::polling::Polling;
use crate::stat::ouzel_stat;
use crate::table::Claim;
use crate::waker::task_waker;

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
    /// Cancelled after so long, if not zero.
    pub timeout_ns: u64,
}

// SAFETY: `repr(C)`, `size` first; integers, a pointer and optional functions.
unsafe impl options::Sized32 for ouzel_op_opts {
    const LEAST: usize = offset_of!(ouzel_op_opts, timeout_ns);
}

/// What kind of completions a request has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    /// One, whose result is a descriptor.
    Opens,
    /// Any number, in provided buffers.
    Buffers,
    /// Any number, each a descriptor.
    Accepts,
    /// Any number, of this descriptor's readiness, and whether to be written.
    Polls(i32, bool),
    /// One, of a file's status.
    Stat(*mut ouzel_stat),
}

/// An operation that may be begun.
pub(crate) struct Prepared {
    pub(crate) at: OnLoop,
    pub(crate) claim: Claim,
    pub(crate) lent: Lent,
    /// Zero: none.
    pub(crate) timeout_ns: u64,
    pub(crate) delivery: Delivery,
}

/// Reads options that fit together, and whether they name a task to be woken.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says.
#[inline(always)]
unsafe fn read(opts: *const ouzel_op_opts) -> Result<(ouzel_op_opts, bool)> {
    // SAFETY: the caller's promise.
    let opts = unsafe { options::read(opts) }?;
    let woken = opts.waker != ouzel_waker::default();
    if opts.flags != 0 || (woken && opts.done.is_some()) { Err(Error::INVALID) } else { Ok((opts, woken)) }
}

/// Whether an operation with these options may be begun.
///
/// # Safety
/// As for `read`.
pub(crate) unsafe fn check(opts: *const ouzel_op_opts) -> Result<()> {
    // SAFETY: the caller's promise.
    let (opts, woken) = unsafe { read(opts) }?;
    if woken { task_waker(opts.waker).map(drop) } else { Ok(()) }
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
    // SAFETY: the caller's promise.
    let (opts, woken) = unsafe { read(opts) }?;
    at.body.check_open()?;
    let waker = if woken { Some(task_waker(opts.waker)?) } else { None };
    let claim = at.body.ops.claim().ok_or(Error::NO_MEMORY)?;
    let lent = Lent::new(at.place, opts.release, Ud(opts.ud));
    let delivery = Delivery { waker, done: opts.done.map(|done| (done, Ud(opts.ud))), opens };
    Ok(Prepared { at, claim, lent, timeout_ns: opts.timeout_ns, delivery })
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
pub(crate) unsafe fn submit_with(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
    shape: Shape,
    build: impl FnOnce(*mut Scratch) -> Request,
) -> Result<i32> {
    let opens = matches!(shape, Shape::Opens | Shape::Accepts);
    // SAFETY: the caller's promise about `opts`.
    let Prepared { at, claim, lent, timeout_ns, delivery } = unsafe { prepare(rt, opts, opens) }?;
    let _entered = at.enter();
    let lender = match lender(at.body, shape, timeout_ns) {
        Ok(lender) => lender,
        Err(why) => return refuse(&at, claim, lent, why),
    };
    let limit = (timeout_ns != 0).then(|| Deadline(Nanos(ouzel::time::now().0.saturating_add(timeout_ns))));
    // SAFETY: the caller's promise about the request.
    let op = match unsafe { raw::submit_until(lent, limit, |_, scratch| build(scratch)) } {
        Ok(op) => op,
        Err(refused) => {
            let why = refused.reason().into();
            return refuse(&at, claim, refused.into_payload(), why);
        }
    };
    let flight = match shape {
        Shape::One | Shape::Opens => Flight::One(op),
        Shape::Buffers | Shape::Accepts => Flight::Many(op, lender),
        Shape::Polls(fd, writing) => Flight::Poll(Polling::new(op, fd, writing)),
        Shape::Stat(to) => Flight::Stat(op, Ud(to.cast())),
    };
    // SAFETY: the caller's promise about `out`.
    Ok(unsafe { admit(&at, claim, flight, delivery, out) })
}

/// There is no operation: nothing is released.
#[cold]
pub(crate) fn refuse(at: &OnLoop, claim: Claim, lent: Lent, why: Error) -> Result<i32> {
    let _nothing = lent.settle();
    at.body.ops.unclaim(claim);
    Err(why)
}

/// Whose provided buffers the completions bring.
#[inline(always)]
fn lender(body: &Body, shape: Shape, timeout_ns: u64) -> Result<u16> {
    match shape {
        Shape::Buffers | Shape::Accepts | Shape::Polls(..) if timeout_ns != 0 => Err(Error::INVALID),
        Shape::Buffers => body.buffers.lender().ok_or(Error::NO_MEMORY),
        _ => Ok(0),
    }
}

/// Submits a request: one code for all.
///
/// # Safety
/// As for `submit_with`.
#[inline(never)]
pub(crate) unsafe fn submit(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
    shape: Shape,
    request: &Request,
) -> Result<i32> {
    // SAFETY: the caller's promises.
    unsafe { submit_with(rt, opts, out, shape, |_| *request) }
}

/// What an exported function that submits does, but for making the request.
///
/// # Safety
/// As for `submit_with`.
#[inline]
pub(crate) unsafe fn begin(
    rt: *mut ouzel_runtime,
    opts: *const ouzel_op_opts,
    out: *mut ouzel_op,
    shape: Shape,
    request: impl FnOnce() -> Result<Request>,
) -> i32 {
    // SAFETY: the caller's promises.
    guard(|| code(request().and_then(|request| unsafe { submit(rt, opts, out, shape, &request) })))
}

/// The pointer, which must not be null.
pub(crate) fn given<T>(at: *const T) -> Result<*const u8> {
    if at.is_null() { Err(Error::NULL) } else { Ok(at.cast()) }
}

/// The pointer, which may be null if nothing lies there: then another that is not, as drivers make slices of it.
pub(crate) fn given_if<T>(at: *const T, len: usize) -> Result<*mut u8> {
    if !at.is_null() {
        return Ok(at.cast_mut().cast());
    }
    if len > 0 { Err(Error::NULL) } else { Ok(core::ptr::dangling_mut::<u128>().cast()) }
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
    // SAFETY: the caller's promises.
    unsafe { begin(rt, opts, out, Shape::One, || Ok(Request::Nop)) }
}

/// Gives what was submitted to the kernel. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_submit(rt: *mut ouzel_runtime) -> i32 {
    guard(|| {
        code(OnLoop::of(rt).map(|at| {
            let _entered = at.enter();
            raw::flush();
            OUZEL_OK
        }))
    })
}
