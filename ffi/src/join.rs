//! Joining: from any thread, with one joining task at a time. See [`record`](crate::record).

use crate::error::{Error, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::id::ouzel_task;
use crate::place::Engine;
use crate::task::{Found, current, ouzel_cx, with_task};

/// Takes a task's result if it has ended.
pub(crate) fn joined(task: ouzel_task) -> Result<Option<i32>> {
    with_task(task.slot, task.generation, |body, id| {
        let result = body.joins.find(id).ok_or(Error::STALE)?.result();
        if result.is_some() {
            body.joins.remove(id);
        }
        Ok(result)
    })
}

/// Blocks until a task has ended.
pub(crate) fn join(task: ouzel_task, timeout_ns: u64) -> Result<i32> {
    let (join, anchor_checked) = with_task(task.slot, task.generation, |body, id| {
        let join = body.joins.find(id).ok_or(Error::STALE)?;
        if join.result().is_none() {
            let local = matches!(body.engine, Engine::Local { .. });
            if body.is_inside() || (local && body.on_loop().is_ok()) {
                return Err(Error::DEADLOCK);
            }
        }
        Ok((join, id))
    })?;
    // Not pinned while it waits: the record is ours, and the runtime's end ends its tasks.
    let result = join.wait(timeout_ns)?;
    let _ = with_task(task.slot, task.generation, |body, _| {
        body.joins.remove(anchor_checked);
        // Its future is gone, and its thread about to mark it as over: from here on its id is stale.
        while join.is_early() && body.find(anchor_checked, true) != Found::Ended {
            std::thread::yield_now();
        }
        Ok(())
    });
    Ok(result)
}

/// Blocks until a task has ended. See `ouzel.h`.
///
/// # Safety
/// `result` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_task_join(task: ouzel_task, timeout_ns: u64, result: *mut i32) -> i32 {
    guard(|| {
        code(join(task, timeout_ns).map(|ended| {
            if !result.is_null() {
                // SAFETY: the caller's promise about `result`.
                unsafe { result.write(ended) };
            }
            OUZEL_OK
        }))
    })
}

fn poll_join(task: ouzel_task, cx: &ouzel_cx<'_>) -> Result<Option<i32>> {
    with_task(task.slot, task.generation, |body, id| {
        let join = body.joins.find(id).ok_or(Error::STALE)?;
        if task == current(cx) {
            return Err(Error::DEADLOCK);
        }
        let result = join.poll(cx.waker)?;
        if result.is_some() {
            body.joins.remove(id);
        }
        Ok(result)
    })
}

/// Joins from a task. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent; `result` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_task_poll_join(
    task: ouzel_task,
    cx: *mut ouzel_cx<'_>,
    result: *mut i32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's promise about `cx`.
        let Some(cx) = (unsafe { cx.as_ref() }) else { return Error::NULL.0 };
        code(poll_join(task, cx).map(|ended| match ended {
            None => OUZEL_PENDING,
            Some(ended) => {
                if !result.is_null() {
                    // SAFETY: the caller's promise about `result`.
                    unsafe { result.write(ended) };
                }
                OUZEL_READY
            }
        }))
    })
}
