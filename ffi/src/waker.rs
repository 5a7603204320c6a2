//! Wakers, and what a poll function can ask about itself.
//!
//! A waker of C is a task's id: weak, by value, checked at each use, with no reference to lose. Inside its own
//! poll a task has a cheaper way, `ouzel_wake_self`, which looks nothing up.

use core::ptr::null_mut;

use ouzel::{TaskState, WakeResult};

use crate::error::{Error, OUZEL_OK, code};
use crate::guard::guard;
use crate::id::{ouzel_task, ouzel_waker};
use crate::place::ouzel_runtime;
use crate::task::{current, ouzel_cx, wake_polled, with_task};

/// Wakes a task. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_wake(waker: ouzel_waker) -> i32 {
    guard(|| if wake_polled(waker) { 0 } else { wake_named(waker) })
}

/// A task that is not the one being polled.
#[inline(never)]
fn wake_named(waker: ouzel_waker) -> i32 {
    code(with_task(waker.slot, waker.generation, |body, id| match body.wake(id) {
        WakeResult::Queued => Ok(1),
        WakeResult::AlreadyPending => Ok(0),
        _ => Err(Error::STALE),
    }))
}

/// Whether a waker's task has not ended. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_waker_alive(waker: ouzel_waker) -> i32 {
    guard(|| {
        let state = with_task(waker.slot, waker.generation, |body, id| Ok(body.engine.state(id)));
        i32::from(matches!(state, Ok(TaskState::Idle | TaskState::Scheduled)))
    })
}

/// Polls this task again, after the others. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_wake_self(cx: *mut ouzel_cx<'_>) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        cx.wake();
        OUZEL_OK
    })
}

/// The polled task's id. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_task(cx: *const ouzel_cx<'_>) -> ouzel_task {
    // SAFETY: the caller's promise.
    guard(|| unsafe { cx.as_ref() }.map_or(ouzel_task::default(), current))
}

/// The polled task's waker. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_waker(cx: *const ouzel_cx<'_>) -> ouzel_waker {
    guard(|| {
        // SAFETY: the caller's promise.
        let task = unsafe { cx.as_ref() }.map_or(ouzel_task::default(), current);
        ouzel_waker { slot: task.slot, generation: task.generation }
    })
}

/// The polled task's runtime. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_runtime(cx: *const ouzel_cx<'_>) -> *mut ouzel_runtime {
    // SAFETY: the caller's promise.
    guard(|| unsafe { cx.as_ref() }.map_or(null_mut(), |cx| core::ptr::from_ref(cx.place()).cast_mut()))
}

/// Whether the polled task was cancelled meanwhile. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_cancelled(cx: *const ouzel_cx<'_>) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        ouzel::task_is_aborted(cx.waker).into()
    })
}

/// Takes one from the poll's budget. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_budget(cx: *mut ouzel_cx<'_>) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        cx.step().into()
    })
}

/// The clock at this poll. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_now(cx: *mut ouzel_cx<'_>) -> u64 {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { cx.as_ref() }.map_or(0, ouzel_cx::now)
    })
}
