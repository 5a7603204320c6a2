//! Taking completions, cancelling, letting go; and the provided buffers that completions bring.

use core::ffi::c_void;
use core::ptr::null_mut;

use ouzel::op::raw;

use crate::buffers::OUZEL_BUF_GROUP_DEFAULT;
use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::id::{Kind, ouzel_op, unpack};
use crate::op::{Look, ouzel_cqe};
use crate::place::{Body, Engine, get, ouzel_runtime, with_anchor};
use crate::task::ouzel_cx;

/// The operation behind an id of C, on its loop thread.
fn with_op<R>(
    op: ouzel_op,
    f: impl FnOnce(&'static ouzel_runtime, &Body, (u32, u32)) -> Result<R>,
) -> Result<R> {
    let (anchor, index, generation) = unpack(Kind::Op, op.slot, op.generation)?;
    with_anchor(anchor, |place, body| {
        body.on_loop()?;
        f(place, body, (index, generation))
    })
}

fn take(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> Result<i32> {
    if cqe.is_null() {
        return Err(Error::NULL);
    }
    with_op(op, |place, body, id| {
        let _entered = body.enter();
        let Some(mut taken) = body.ops.look(id, how, false)? else { return Ok(OUZEL_PENDING) };
        body.buffers.hand_out(&mut taken.cqe);
        // SAFETY: the host lends room for one.
        unsafe { cqe.write(taken.cqe) };
        if taken.is_last() {
            place.finish(body, taken);
        } else {
            body.ops.arm(id);
        }
        Ok(OUZEL_READY)
    })
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
    guard(|| code(with_op(op, |_, body, id| body.ops.cancel(id).map(|()| OUZEL_OK))))
}

/// Lets go. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_op_abandon(op: ouzel_op) -> i32 {
    guard(|| {
        code(with_op(op, |_, body, id| {
            let _entered = body.enter();
            body.ops.abandon(id).map(|()| OUZEL_OK)
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
