//! Wakers, and what a poll function can ask about itself.
//!
//! A waker of C is a task's id: weak, by value, checked at each use, with no reference to lose; or the id of a function
//! of the host's, for whoever wants to be woken and is no task. Inside its own poll a task has a cheaper way,
//! `ouzel_wake_self`, which looks nothing up.
//!
//! **Signal handlers.** A handler may have stopped this very thread in the middle of a run queue that has no locks, so
//! there a wake takes the way of other threads: a CAS, a push that never waits, an eventfd or a futex. Whether a thread
//! was stopped inside ouzel is what [`guard`](crate::guard) keeps.

use core::ffi::c_void;
use core::ptr::null_mut;
use std::sync::Arc;
use std::task::{Wake, Waker};

use ouzel::{TaskId, WakeResult};

use crate::error::{Error, OUZEL_OK, Result, code};
use crate::guard::{Where, guard, guard_from, guard_unmarked, is_outside};
use crate::id::{Kind, ouzel_task, ouzel_waker, pack, unpack};
use crate::options::{Ud, UdFn};
use crate::place::{Body, Engine, get, ouzel_runtime, this_thread, with_anchor};
use crate::task::{Found, current, ouzel_cx, wake_polled};
use crate::things::foreign::Foreign;

impl Engine {
    /// `plain`: what only this thread touches is whole at this moment.
    fn wake(&self, id: TaskId, plain: bool) -> WakeResult {
        match self {
            Engine::Local { runtime, .. } if plain => runtime.wake(id),
            Engine::Local { handle, .. } => handle.wake(id),
            Engine::Shared { handle, .. } if plain => handle.wake(id),
            Engine::Shared { handle, .. } => handle.wake_in_signal(id),
        }
    }
}

impl Body {
    /// Whether a thread that ran `from` may use what only it touches: it is in code of the host's, which the loop may have
    /// called, but which is not between two steps of the loop.
    #[inline]
    fn is_plain(&self, place: &ouzel_runtime, from: Where) -> bool {
        match from {
            Where::Inside => false,
            Where::Callback => self.on_loop().is_ok(),
            Where::Outside if self.thread != 0 => {
                self.thread == this_thread() && (place.is_polling() || !self.running.get())
            }
            Where::Outside => self.is_inside() || !ouzel::on_worker(),
        }
    }

    /// 1: queued, 0: was to be polled anyway.
    fn wake(&self, place: &ouzel_runtime, id: TaskId, from: Where) -> Result<i32> {
        let plain = self.is_plain(place, from);
        let mut woken = self.engine.wake(id, plain);
        if woken == WakeResult::Stale {
            match self.find(id, from != Where::Inside) {
                Found::Newborn => return Ok(0),
                Found::Ended => return Err(Error::STALE),
                Found::Idle | Found::Scheduled => woken = self.engine.wake(id, plain),
            }
        }
        match woken {
            WakeResult::Queued => Ok(1),
            WakeResult::AlreadyPending => Ok(0),
            _ => Err(Error::STALE),
        }
    }
}

/// What a waker of C names.
enum Target {
    Task(TaskId),
    Function((u32, u32)),
}

fn target(waker: ouzel_waker) -> Result<(ouzel::anchor::AnchorId, Target)> {
    let ouzel_waker { slot, generation } = waker;
    if let Ok((anchor, index, generation)) = unpack(Kind::Task, slot, generation) {
        return Ok((anchor, Target::Task(TaskId { index, generation })));
    }
    let (anchor, index, generation) = unpack(Kind::Foreign, slot, generation)?;
    Ok((anchor, Target::Function((index, generation))))
}

/// Wakes what is named. `from`: what this thread ran before it came here.
fn wake(waker: ouzel_waker, from: Where) -> Result<i32> {
    let (anchor, target) = target(waker)?;
    match target {
        Target::Task(id) => with_anchor(anchor, |place, body| body.wake(place, id, from)),
        Target::Function(key) => {
            let foreign = with_anchor(anchor, |_, body| body.things.foreign.get(key))?;
            // Without a pin, so that the runtime may be freed meanwhile: it is counted, and it is the host's.
            foreign.wake();
            Ok(1)
        }
    }
}

/// A waker that wakes what an id names, as long as that is there.
struct WakeById(ouzel_waker);

impl Wake for WakeById {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        // Stale: the task has ended, and nobody waits. Rust's wakers are not for signal handlers, and where they are
        // called run queues are whole: as in a callback.
        let _ = match target(self.0) {
            Ok((anchor, Target::Task(id))) => {
                with_anchor(anchor, |place, body| body.wake(place, id, Where::Callback))
            }
            _ => wake(self.0, Where::Inside),
        };
    }
}

/// A Rust waker for a weak one: the task's own; or one that looks the target up (and allocates) for a host-driven runtime's
/// task away from its thread, and for a function.
pub(crate) fn task_waker(waker: ouzel_waker) -> Result<Waker> {
    let (anchor, target) = target(waker)?;
    let by_id = || Waker::from(Arc::new(WakeById(waker)));
    with_anchor(anchor, |_, body| {
        let own = match (target, &body.engine) {
            (Target::Function(key), _) => body.things.foreign.get(key).ok().map(|_| by_id()),
            (Target::Task(id), Engine::Local { runtime, .. }) if body.on_loop().is_ok() => runtime.waker(id),
            (Target::Task(id), Engine::Shared { handle, .. }) => handle.waker(id),
            (Target::Task(id), Engine::Local { .. }) => (body.find(id, true) != Found::Ended).then(by_id),
        };
        own.ok_or(Error::STALE)
    })
}

fn is_alive(waker: ouzel_waker) -> bool {
    let alive = target(waker).and_then(|(anchor, target)| {
        with_anchor(anchor, |_, body| match target {
            Target::Task(id) => Ok(body.find(id, true) != Found::Ended),
            Target::Function(key) => body.things.foreign.get(key).map(|_| true),
        })
    });
    alive == Ok(true)
}

/// Wakes a task. See `ouzel.h`. Async-signal-safe for wakers of tasks.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_wake(waker: ouzel_waker) -> i32 {
    // What a poll function was lent is whole unless a handler has stopped it inside ouzel. Here a handler may: it would set
    // the same bit.
    if is_outside() && wake_polled(waker) { 0 } else { wake_named(waker) }
}

/// What is not the task being polled.
#[inline(never)]
fn wake_named(waker: ouzel_waker) -> i32 {
    guard_from(|from| code(wake(waker, from)))
}

/// Wakes many. See `ouzel.h`.
///
/// # Safety
/// `wakers` is null or points to `n` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_wake_many(wakers: *const ouzel_waker, n: usize) -> i32 {
    guard_from(|from| {
        if wakers.is_null() && n > 0 {
            return Error::NULL.0;
        }
        if n == 0 {
            return 0;
        }
        // SAFETY: the caller's promise.
        let wakers = unsafe { core::slice::from_raw_parts(wakers, n) };
        let runtime = |waker: &ouzel_waker| (waker.slot >> 32, waker.generation >> 32);
        let together = wakers.chunk_by(|a, b| runtime(a) == runtime(b));
        let queued: usize = together.map(|some| wake_together(some, from)).sum();
        i32::try_from(queued).unwrap_or(i32::MAX)
    })
}

/// Wakes things of one kind and one runtime; how many were queued.
fn wake_together(wakers: &[ouzel_waker], from: Where) -> usize {
    let Some(Ok((anchor, Target::Task(_)))) = wakers.first().map(|first| target(*first)) else {
        return wakers.iter().filter(|waker| wake(**waker, from) == Ok(1)).count();
    };
    let ids = wakers.iter().filter_map(|waker| match target(*waker) {
        Ok((_, Target::Task(id))) => Some(id),
        _ => None,
    });
    let woken = with_anchor(anchor, |place, body| {
        let plain = body.is_plain(place, from);
        Ok(match &body.engine {
            Engine::Local { handle, .. } if !plain => handle.wake_many(ids),
            Engine::Shared { handle, .. } if plain => handle.wake_many(ids),
            engine => ids.filter(|id| engine.wake(*id, plain) == WakeResult::Queued).count(),
        })
    });
    woken.unwrap_or(0)
}

/// Whether a waker's task has not ended. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_waker_alive(waker: ouzel_waker) -> i32 {
    guard(|| i32::from(is_alive(waker)))
}

/// Makes a waker of a function. See `ouzel.h`.
///
/// # Safety
/// `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_waker_from_fn(
    rt: *mut ouzel_runtime,
    function: Option<UdFn>,
    ud: *mut c_void,
    drop: Option<UdFn>,
    out: *mut ouzel_waker,
) -> i32 {
    guard(|| {
        let Some(function) = function else { return Error::NULL.0 };
        if out.is_null() {
            return Error::NULL.0;
        }
        code(get(rt).and_then(|body| {
            body.check_open()?;
            let key = body.things.foreign.insert(Foreign::new(function, Ud(ud), drop))?;
            let (slot, generation) = pack(Kind::Foreign, body.anchor, key.0, key.1);
            // SAFETY: the caller's promise.
            unsafe { out.write(ouzel_waker { slot, generation }) };
            Ok(OUZEL_OK)
        }))
    })
}

/// Ends a waker that is a function. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_waker_release(waker: ouzel_waker) -> i32 {
    guard(|| {
        let released = target(waker).and_then(|(anchor, target)| match target {
            Target::Task(_) => Err(Error::INVALID),
            Target::Function(key) => {
                with_anchor(anchor, |_, body| body.things.foreign.remove(key, |_| Ok(())))
            }
        });
        // The last reference drops it: here, or at the end of a wake in progress.
        code(released.map(|_| OUZEL_OK))
    })
}

/// Polls this task again, after the others. See `ouzel.h`.
///
/// # Safety
/// `cx` is null or what this poll function was lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_wake_self(cx: *mut ouzel_cx<'_>) -> i32 {
    // It sets a bit, which a handler that has stopped it here would set too.
    guard_unmarked(|| {
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
