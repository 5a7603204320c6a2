//! Taking completions, cancelling, letting go; and the provided buffers that completions bring.

use core::cell::RefCell;
use core::ffi::c_void;
use core::ptr::null_mut;

use ouzel::op::raw;

use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::op::{Look, OUZEL_CQE_BUFFER, ouzel_cqe, ouzel_op, with_op};
use crate::place::{Body, Engine, get, ouzel_runtime};
use crate::task::ouzel_cx;

/// `OUZEL_BUF_GROUP_DEFAULT`.
pub const OUZEL_BUF_GROUP_DEFAULT: u32 = 0;

/// Which provided buffers the host has: a bit each. Touched on the loop thread of a host-driven runtime.
#[derive(Debug, Default)]
pub(crate) struct Buffers(RefCell<Vec<u64>>);

impl Buffers {
    /// Notes that a completion brings the host a buffer, and where it is.
    pub(crate) fn hand_out(&self, cqe: &mut ouzel_cqe) {
        if cqe.flags & OUZEL_CQE_BUFFER == 0 {
            return;
        }
        let (word, bit) = (cqe.buf_id as usize / 64, cqe.buf_id % 64);
        let mut words = self.0.borrow_mut();
        if word >= words.len() {
            words.resize(word + 1, 0);
        }
        words[word] |= 1 << bit;
        cqe.extra = raw::buffer(cqe.buf_id as u16).map_or(0, |p| p as u64);
    }

    fn is_out(&self, id: u32) -> bool {
        self.0.borrow().get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    /// False if the host does not have it.
    fn take_back(&self, id: u32) -> bool {
        let out = self.is_out(id);
        if out {
            self.0.borrow_mut()[id as usize / 64] &= !(1 << (id % 64));
        }
        out
    }
}

fn take(op: ouzel_op, how: Look<'_>, cqe: *mut ouzel_cqe) -> Result<i32> {
    if cqe.is_null() {
        return Err(Error::NULL);
    }
    with_op(op, |place, body, id| {
        let _entered = body.enter();
        let Some(mut taken) = body.ops.look(body, id, how, false)? else { return Ok(OUZEL_PENDING) };
        body.buffers.hand_out(&mut taken.cqe);
        // SAFETY: the host lends room for one.
        unsafe { cqe.write(taken.cqe) };
        if taken.is_last() {
            taken.finish(place, body);
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
