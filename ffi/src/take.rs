//! Taking completions, cancelling, letting go; and the provided buffers that completions bring.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use crate::buffers::OUZEL_BUF_GROUP_DEFAULT;
use crate::cqe::ouzel_cqe;
use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::id::{Kind, ouzel_op, unpack};
use crate::op::{Look, Looked};
use crate::place::{Body, OnLoop, ouzel_runtime};
use crate::table::Place;
use crate::task::ouzel_cx;

/// The operation behind an id of C, on its loop thread.
#[inline]
pub(crate) fn find(op: ouzel_op) -> Result<(OnLoop, Place)> {
    let (anchor, index, generation) = unpack(Kind::Op, op.slot, op.generation)?;
    Ok((OnLoop::named(anchor)?, (index, generation)))
}

/// What `ouzel_op_take` and `ouzel_op_poll` have in common: all but the waker.
#[inline(never)]
pub(crate) fn take(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> i32 {
    guard(|| match take_plain(op, how, cqe) {
        Some(taken) => taken,
        None => take_any(op, how, cqe),
    })
}

/// The short way, in a callback of a host-driven runtime. `None`: it is not that, or not well-formed.
#[inline(always)]
fn take_plain(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> Option<i32> {
    // SAFETY: the host lends room for one.
    let out = unsafe { cqe.cast::<MaybeUninit<ouzel_cqe>>().as_mut() }?;
    let (anchor, index, generation) = unpack(Kind::Op, op.slot, op.generation).ok()?;
    let at = OnLoop::inside(anchor).ok()??;
    let looked = at.body.ops.look_plain(op, (index, generation), how, out)?;
    if matches!(looked, Looked::Pending) {
        return Some(OUZEL_PENDING);
    }
    deliver(at.place, at.body, (index, generation), looked, out);
    Some(OUZEL_READY)
}

/// Any other.
#[inline(never)]
fn take_any(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> i32 {
    code(take_if_any(op, how, cqe))
}

#[inline(always)]
fn take_if_any(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> Result<i32> {
    // SAFETY: the host lends room for one.
    let Some(out) = (unsafe { cqe.cast::<MaybeUninit<ouzel_cqe>>().as_mut() }) else {
        return Err(Error::NULL);
    };
    let (at, place) = find(op)?;
    let _entered = at.enter();
    let looked = at.body.ops.look(op, place, how, out)?;
    if matches!(looked, Looked::Pending) {
        return Ok(OUZEL_PENDING);
    }
    deliver(at.place, at.body, place, looked, out);
    Ok(OUZEL_READY)
}

/// What follows a look: `out` has been written unless it was pending.
#[inline(always)]
pub(crate) fn deliver(
    place: &'static ouzel_runtime,
    body: &Body,
    of: Place,
    looked: Looked,
    out: &mut MaybeUninit<ouzel_cqe>,
) {
    if matches!(looked, Looked::Pending) {
        return;
    }
    // SAFETY: it was written.
    body.buffers.hand_out(unsafe { out.assume_init_mut() });
    match looked {
        Looked::Pending => {}
        Looked::Step { waiting: false } => {}
        Looked::Step { waiting: true } => body.ops.arm(of),
        Looked::Last(after) => place.finish(body, after),
    }
}

/// Takes a completion if there is one. See `ouzel.h`.
///
/// # Safety
/// `cqe` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_op_take(op: ouzel_op, cqe: *mut ouzel_cqe) -> i32 {
    take(op, None, cqe)
}

/// Takes a completion, or makes this task wait for it. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent; `cqe` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_op_poll(op: ouzel_op, cx: *mut ouzel_cx<'_>, cqe: *mut ouzel_cqe) -> i32 {
    // SAFETY: the caller's promise about `cx`.
    let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
    take(op, Some(cx.waker), cqe)
}

/// Asks for cancellation. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_op_cancel(op: ouzel_op) -> i32 {
    guard(|| {
        code(find(op).and_then(|(at, place)| {
            let _entered = at.enter();
            at.body.ops.cancel(place).map(|()| OUZEL_OK)
        }))
    })
}

/// Lets go. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_op_abandon(op: ouzel_op) -> i32 {
    guard(|| {
        code(find(op).and_then(|(at, place)| {
            let _entered = at.enter();
            at.body.ops.abandon(place, &at.body.buffers).map(|()| OUZEL_OK)
        }))
    })
}

fn buffers(rt: *mut ouzel_runtime, group: u32) -> Result<OnLoop> {
    let at = OnLoop::of(rt)?;
    if group == OUZEL_BUF_GROUP_DEFAULT { Ok(at) } else { Err(Error::INVALID) }
}

/// Where a provided buffer is. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_buf_ptr(rt: *mut ouzel_runtime, group: u32, buf_id: u32) -> *mut c_void {
    guard(|| {
        let at = buffers(rt, group).ok().and_then(|at| at.body.buffers.at(buf_id));
        at.map_or(null_mut(), <*mut u8>::cast)
    })
}

/// Gives a provided buffer back. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_buf_return(rt: *mut ouzel_runtime, group: u32, buf_id: u32) -> i32 {
    guard(|| {
        code(buffers(rt, group).and_then(|at| {
            let _entered = at.enter();
            if at.body.buffers.take_back(buf_id) { Ok(OUZEL_OK) } else { Err(Error::STALE) }
        }))
    })
}
