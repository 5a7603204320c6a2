//! Tasks whose body is a C poll function, their ids and wakers.

use core::ffi::c_void;
use core::fmt;
use core::future::Future;
use core::mem::size_of;
use core::pin::Pin;
use core::ptr::null_mut;
use core::task::{Context, Poll, Waker};

use ouzel::local;
use ouzel::task::{TaskId, TaskState, WakeResult};

use crate::error::{Error, Result, code};
use crate::id::{Kind, ouzel_task, ouzel_waker, pack, unpack};
use crate::runtime::{get, ouzel_runtime, with_anchor};

const DETACHED: u32 = 1;
/// Steps a poll may take before it should yield.
const BUDGET: u32 = 128;

/// `ouzel_poll_fn`.
pub type PollFn = extern "C" fn(ud: *mut c_void, cx: *mut ouzel_cx<'_>) -> i32;

/// What a poll function is lent. Lives on the stack of one poll.
#[allow(non_camel_case_types, reason = "it has the header's name")]
pub struct ouzel_cx<'a> {
    rt: *mut ouzel_runtime,
    waker: &'a Waker,
    budget: u32,
}

impl fmt::Debug for ouzel_cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ouzel_cx").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// `struct ouzel_task_opts`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ouzel_task_opts {
    size: u32,
    flags: u32,
    drop: Option<extern "C" fn(*mut c_void)>,
}

/// The future around a C poll function.
struct CTask {
    rt: *mut ouzel_runtime,
    poll: PollFn,
    ud: *mut c_void,
    drop: Option<extern "C" fn(*mut c_void)>,
}

impl Future for CTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut cx = ouzel_cx { rt: self.rt, waker: context.waker(), budget: BUDGET };
        match (self.poll)(self.ud, &raw mut cx) {
            0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for CTask {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            drop(self.ud);
        }
    }
}

/// Starts a task. See `ouzel_core.h`.
///
/// # Safety
/// `rt` is null or a runtime that has not been freed; `opts` is null or points to as many bytes as it says; `out` is null
/// or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_spawn(
    rt: *mut ouzel_runtime,
    poll: Option<PollFn>,
    ud: *mut c_void,
    opts: *const ouzel_task_opts,
    out: *mut ouzel_task,
) -> i32 {
    let spawn = || {
        // SAFETY: the caller's promise.
        let drop = match unsafe { opts.as_ref() } {
            None => None,
            Some(opts) if opts.size as usize != size_of::<ouzel_task_opts>() => return Err(Error::SIZE),
            Some(opts) if opts.flags & !DETACHED != 0 => return Err(Error::INVALID),
            Some(opts) => opts.drop,
        };
        let refused = |why| {
            if let Some(drop) = drop {
                drop(ud);
            }
            Err(why)
        };
        let Some(poll) = poll else { return refused(Error::NULL) };
        // SAFETY: the caller's promise.
        let Ok(runtime) = (unsafe { get(rt) }) else { return refused(Error::NULL) };
        if runtime.closing.get() {
            return refused(Error::CLOSING);
        }
        // Refused, the future is dropped, and `drop` is called by that.
        let task = runtime.executor.local().try_spawn(CTask { rt, poll, ud, drop });
        let handle = task.map_err(|_future| Error::NO_MEMORY)?;
        let id = handle.id();
        handle.detach();
        if let (Some(id), false) = (id, out.is_null()) {
            // SAFETY: not null, and the caller's to be written.
            unsafe { out.write(export(runtime, id)) };
        }
        Ok(0)
    };
    code(spawn())
}

fn export(rt: &ouzel_runtime, id: TaskId) -> ouzel_task {
    let (slot, generation) = pack(Kind::Task, rt.anchor, id.index, id.generation);
    ouzel_task { slot, generation }
}

/// Calls `f` with what a task's id leads to. Any thread, any bits.
fn with_task<R>(
    (slot, generation): (u64, u64),
    f: impl FnOnce(&local::LocalSpawner, TaskId) -> Result<R>,
) -> Result<R> {
    let (anchor, index, generation) = unpack(Kind::Task, slot, generation)?;
    with_anchor(anchor, |spawner| f(spawner, TaskId { index, generation }))
}

/// Asks a task to end. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_task_cancel(task: ouzel_task) -> i32 {
    code(with_task((task.slot, task.generation), |spawner, id| match spawner.state(id) {
        TaskState::Idle | TaskState::Scheduled if spawner.abort(id) => Ok(0),
        _ => Err(Error::STALE),
    }))
}

/// What a task does. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_task_state(task: ouzel_task) -> i32 {
    code(with_task((task.slot, task.generation), |spawner, id| match spawner.state(id) {
        TaskState::Idle => Ok(0),
        TaskState::Scheduled => Ok(1),
        _ => Err(Error::STALE),
    }))
}

/// Wakes a task. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_wake(waker: ouzel_waker) -> i32 {
    code(with_task((waker.slot, waker.generation), |spawner, id| match spawner.wake(id) {
        WakeResult::Queued => Ok(1),
        WakeResult::AlreadyPending => Ok(0),
        _ => Err(Error::STALE),
    }))
}

/// Whether a waker's task has not ended. See `ouzel_core.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_waker_alive(waker: ouzel_waker) -> i32 {
    let state = ouzel_task_state(ouzel_task { slot: waker.slot, generation: waker.generation });
    i32::from(state >= 0)
}

/// Polls this task again, after the others. See `ouzel_core.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_wake_self(cx: *mut ouzel_cx<'_>) -> i32 {
    // SAFETY: the caller's promise.
    let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
    cx.waker.wake_by_ref();
    0
}

/// The polled task's id. See `ouzel_core.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_task(cx: *const ouzel_cx<'_>) -> ouzel_task {
    // SAFETY: the caller's promise.
    let Some(cx) = (unsafe { cx.as_ref() }) else { return ouzel_task::default() };
    // SAFETY: a task is polled while its runtime is there.
    let Ok(rt) = (unsafe { get(cx.rt) }) else { return ouzel_task::default() };
    local::id_of(cx.waker).map_or(ouzel_task::default(), |id| export(rt, id))
}

/// A waker of the polled task. See `ouzel_core.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_waker(cx: *const ouzel_cx<'_>) -> ouzel_waker {
    // SAFETY: the caller's promise.
    let ouzel_task { slot, generation } = unsafe { ouzel_cx_task(cx) };
    ouzel_waker { slot, generation }
}

/// The polled task's runtime. See `ouzel_core.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_runtime(cx: *const ouzel_cx<'_>) -> *mut ouzel_runtime {
    // SAFETY: the caller's promise.
    unsafe { cx.as_ref() }.map_or(null_mut(), |cx| cx.rt)
}

/// Takes one from the poll's budget. See `ouzel_core.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_cx_budget(cx: *mut ouzel_cx<'_>) -> i32 {
    // SAFETY: the caller's promise.
    let Some(cx) = (unsafe { cx.as_mut() }) else { return Error::NULL.0 };
    let left = cx.budget;
    cx.budget = left.saturating_sub(1);
    i32::from(left != 0)
}
