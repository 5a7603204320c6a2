//! Taking completions, cancelling, letting go; and the provided buffers that completions bring.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

use ouzel::op::raw;

use crate::buffers::OUZEL_BUF_GROUP_DEFAULT;
use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::id::{Kind, ouzel_op, unpack};
use crate::op::{Look, Looked, ouzel_cqe};
use crate::place::{Body, Engine, OnLoop, get, ouzel_runtime};
use crate::table::Place;
use crate::task::ouzel_cx;

/// The operation behind an id of C, on its loop thread.
#[inline]
pub(crate) fn find(op: ouzel_op) -> Result<(OnLoop, Place)> {
    let (anchor, index, generation) = unpack(Kind::Op, op.slot, op.generation)?;
    Ok((OnLoop::named(anchor)?, (index, generation)))
}

#[inline]
fn take(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> Result<i32> {
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
    // SAFETY: it was written.
    at.body.buffers.hand_out(unsafe { out.assume_init_mut() });
    match looked {
        Looked::Pending => {}
        Looked::Step => at.body.ops.arm(place),
        Looked::Last(after) => at.place.finish(at.body, after),
    }
    Ok(OUZEL_READY)
}

/// Takes a completion if there is one. See `ouzel.h`.
///
/// # Safety
/// `cqe` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_op_take(op: ouzel_op, cqe: *mut ouzel_cqe) -> i32 {
    guard(|| code(take(op, None, cqe)))
}

/// Takes a completion, or makes this task wait for it. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent; `cqe` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_op_poll(op: ouzel_op, cx: *mut ouzel_cx<'_>, cqe: *mut ouzel_cqe) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise about `cx`.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        code(take(op, Some(cx.waker), cqe))
    })
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
            at.body.ops.abandon(place).map(|()| OUZEL_OK)
        }))
    })
}

fn buffers(rt: *mut ouzel_runtime, group: u32) -> Result<&'static Body> {
    let body = get(rt)?;
    body.on_loop()?;
    if group != OUZEL_BUF_GROUP_DEFAULT {
        return Err(Error::INVALID);
    }
    if matches!(body.engine, Engine::Shared { .. }) {
        return Err(Error::UNSUPPORTED);
    }
    Ok(body)
}

/// Where a provided buffer is. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_buf_ptr(rt: *mut ouzel_runtime, group: u32, buf_id: u32) -> *mut c_void {
    guard(|| {
        let Ok(body) = buffers(rt, group) else { return null_mut() };
        if !body.buffers.is_out(buf_id) {
            return null_mut();
        }
        let _entered = body.enter();
        raw::buffer(buf_id as u16).map_or(null_mut(), <*mut u8>::cast)
    })
}

/// Gives a provided buffer back. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_buf_return(rt: *mut ouzel_runtime, group: u32, buf_id: u32) -> i32 {
    guard(|| {
        code(buffers(rt, group).and_then(|body| {
            if !body.buffers.take_back(buf_id) {
                return Err(Error::STALE);
            }
            let _entered = body.enter();
            raw::recycle(buf_id as u16);
            Ok(OUZEL_OK)
        }))
    })
}
