//! Tasks whose body is a C poll function.
//!
//! | event            | what happens, in this order                                                |
//! |------------------|----------------------------------------------------------------------------|
//! | poll returns     | pending: nothing. Else the result is kept in the task                      |
//! | the task ends    | `drop(ud)`, the result goes to the join record                             |
//! | never spawned    | `drop(ud)`, before `ouzel_spawn` returns                                   |
//!
//! All of it hangs on the tasks of a runtime being Rust futures whose destructor runs exactly once.

use core::ffi::c_void;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use ouzel::{TaskId, TaskState};

use crate::error::{Error, OUZEL_ECANCELED, OUZEL_OK, OUZEL_PENDING, Result, code};
use crate::guard::guard;
use crate::id::{Kind, ouzel_task, ouzel_waker, pack, unpack};
use crate::options::{self, Ud, UdFn, ouzel_task_opts};
use crate::place::{Body, Engine, Inside, get, ouzel_runtime, with_anchor};
use crate::record::Join;

/// `ouzel_poll_fn`.
pub type PollFn = extern "C" fn(ud: *mut c_void, cx: *mut ouzel_cx) -> i32;

/// `OUZEL_TASK_DETACHED`.
pub const OUZEL_TASK_DETACHED: u32 = 1;
/// `OUZEL_STATE_IDLE`.
pub const OUZEL_STATE_IDLE: i32 = 0;
/// `OUZEL_STATE_SCHEDULED`.
pub const OUZEL_STATE_SCHEDULED: i32 = 1;
/// `OUZEL_STATE_DONE`.
pub const OUZEL_STATE_DONE: i32 = 2;
/// `OUZEL_STATE_CANCELLED`.
pub const OUZEL_STATE_CANCELLED: i32 = 3;

/// Steps a poll may take before it should yield.
const BUDGET: u32 = 128;

/// What a poll function is lent: who it is, and the way to be woken. Lives on the stack of one poll.
#[allow(non_camel_case_types, reason = "it has the header's name")]
pub struct ouzel_cx<'a> {
    pub(crate) place: &'static ouzel_runtime,
    pub(crate) waker: &'a Waker,
    pub(crate) budget: u32,
    /// The clock, once somebody has asked.
    pub(crate) now: u64,
}

impl fmt::Debug for ouzel_cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ouzel_cx").field("budget", &self.budget).finish_non_exhaustive()
    }
}

/// The future around a C poll function.
struct CTask {
    place: &'static ouzel_runtime,
    poll: PollFn,
    ud: Ud,
    drop: Option<UdFn>,
    join: Option<Arc<Join>>,
    result: i32,
    /// Its join record is findable.
    registered: bool,
}

impl Future for CTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _inside = Inside::new(self.place);
        if !self.registered {
            self.registered = true;
            self.register(context.waker());
        }
        let mut cx = ouzel_cx { place: self.place, waker: context.waker(), budget: BUDGET, now: 0 };
        let result = guard(|| (self.poll)(self.ud.0, (&raw mut cx).cast()));
        if result == OUZEL_PENDING {
            return Poll::Pending;
        }
        self.result = result.min(OUZEL_OK);
        Poll::Ready(())
    }
}

impl CTask {
    /// A worker may poll the task before its spawner has its id.
    #[cold]
    fn register(&self, waker: &Waker) {
        if let (Some(join), Ok(body), Some(id)) = (&self.join, self.place.body(), ouzel::task_id(waker)) {
            body.joins.register(id, join);
        }
    }
}

impl Drop for CTask {
    fn drop(&mut self) {
        let _inside = Inside::new(self.place);
        guard(|| {
            if let Some(drop) = self.drop {
                drop(self.ud.0);
            }
            if let Some(join) = self.join.take() {
                join.settle(self.result);
            }
            if let Ok(body) = self.place.body() {
                // ORDERING: Relaxed, a counter.
                body.tasks.fetch_sub(1, Ordering::Relaxed);
                body.work_ended();
            }
        });
    }
}

impl Engine {
    pub(crate) fn wake(&self, id: TaskId, here: bool) -> ouzel::WakeResult {
        match self {
            Engine::Local { runtime, .. } if here => runtime.wake(id),
            Engine::Local { handle, .. } => handle.wake(id),
            Engine::Shared { handle, .. } => handle.wake(id),
        }
    }

    /// `here`: on the loop thread of a host-driven runtime.
    fn abort(&self, id: TaskId, here: bool) {
        let _already_gone = match self {
            Engine::Local { runtime, .. } if here => runtime.abort(id),
            Engine::Local { handle, .. } => handle.abort(id),
            Engine::Shared { handle, .. } => handle.abort(id),
        };
    }

    pub(crate) fn state(&self, id: TaskId) -> TaskState {
        match self {
            Engine::Local { handle, .. } => handle.state(id),
            Engine::Shared { handle, .. } => handle.state(id),
        }
    }

    /// Spawns a future; returns its id if somebody wants one, and if it was not refused.
    fn spawn(&self, future: CTask, wants_id: bool) -> Option<TaskId> {
        let join = future.join.clone();
        match self {
            Engine::Local { runtime, .. } => {
                let handle = runtime.spawn(future);
                let id = if wants_id { handle.id() } else { None };
                handle.detach();
                id
            }
            Engine::Shared { handle, .. } => {
                let handle = handle.spawn(future);
                let id = if wants_id { handle.id() } else { None };
                if let Some(join) = join {
                    join.attach(handle);
                }
                id
            }
        }
    }
}

/// The task behind an id of C.
pub(crate) fn with_task<R>(
    slot: u64,
    generation: u64,
    f: impl FnOnce(&Body, TaskId) -> Result<R>,
) -> Result<R> {
    let (anchor, index, generation) = unpack(Kind::Task, slot, generation)?;
    with_anchor(anchor, |_, body| f(body, TaskId { index, generation }))
}

pub(crate) fn export(body: &Body, id: TaskId) -> ouzel_task {
    let (slot, generation) = pack(Kind::Task, body.anchor, id.index, id.generation);
    ouzel_task { slot, generation }
}

/// A waker that wakes what an id names, as long as that is there.
struct WakeById(ouzel_waker);

impl Wake for WakeById {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        let ouzel_waker { slot, generation } = self.0;
        // Stale: the task has ended, and nobody waits.
        let _ = with_task(slot, generation, |body, id| Ok(body.wake(id)));
    }
}

impl Body {
    /// Wakes a task on the shortest way there is from this thread.
    pub(crate) fn wake(&self, id: TaskId) -> ouzel::WakeResult {
        self.engine.wake(id, self.on_loop().is_ok())
    }
}

/// A Rust waker for a weak one. Allocates.
pub(crate) fn task_waker(waker: ouzel_waker) -> Result<Waker> {
    let alive = with_task(waker.slot, waker.generation, |body, id| {
        Ok(matches!(body.engine.state(id), TaskState::Idle | TaskState::Scheduled))
    })?;
    if alive { Ok(Waker::from(Arc::new(WakeById(waker)))) } else { Err(Error::STALE) }
}

/// The id of the task being polled by this thread.
pub(crate) fn current(cx: &ouzel_cx<'_>) -> ouzel_task {
    match (cx.place.body(), ouzel::task_id(cx.waker)) {
        (Ok(body), Some(id)) => export(body, id),
        _ => ouzel_task::default(),
    }
}

/// Spawns; `ouzel.h` says when `drop` runs.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says; `out` is null or writable.
unsafe fn spawn(
    rt: *mut ouzel_runtime,
    poll: Option<PollFn>,
    ud: *mut c_void,
    opts: *const ouzel_task_opts,
    out: *mut ouzel_task,
) -> Result<i32> {
    // SAFETY: the caller's promise about `opts`.
    let opts = unsafe { options::read(opts) }?;
    if opts.flags & !OUZEL_TASK_DETACHED != 0 {
        return Err(Error::INVALID);
    }
    let refuse = |why: Error| {
        if let Some(drop) = opts.drop {
            drop(ud);
        }
        Err(why)
    };
    let Some(poll) = poll else { return refuse(Error::NULL) };
    let body = match get(rt) {
        Ok(body) => body,
        Err(why) => return refuse(why),
    };
    if let Err(why) = body.on_loop_if_local().and_then(|()| body.check_open()) {
        return refuse(why);
    }
    // SAFETY: `get` has looked at it.
    let place: &'static ouzel_runtime = unsafe { &*rt };
    let joinable = opts.flags & OUZEL_TASK_DETACHED == 0 && !out.is_null();
    let join = joinable.then(|| Join::new(matches!(body.engine, Engine::Shared { .. })));
    // ORDERING: Relaxed, counters; both.
    body.tasks.fetch_add(1, Ordering::Relaxed);
    body.spawned.fetch_add(1, Ordering::Relaxed);
    body.work_begun();
    let future = CTask {
        place,
        poll,
        ud: Ud(ud),
        drop: opts.drop,
        join: join.clone(),
        result: OUZEL_ECANCELED,
        registered: join.is_none(),
    };
    let id = body.engine.spawn(future, !out.is_null());
    if out.is_null() {
        return Ok(OUZEL_OK);
    }
    // None: a shutdown came in between, and the future has been dropped.
    let id = id.ok_or(Error::CLOSING)?;
    if let Some(join) = join {
        body.joins.register(id, &join);
    }
    // SAFETY: the caller's promise about `out`, which is not null.
    unsafe { out.write(export(body, id)) };
    Ok(OUZEL_OK)
}

/// Starts a task. See `ouzel.h`.
///
/// # Safety
/// `opts` is null or points to as many bytes as it says; `out` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ouzel_spawn(
    rt: *mut ouzel_runtime,
    poll: Option<PollFn>,
    ud: *mut c_void,
    opts: *const ouzel_task_opts,
    out: *mut ouzel_task,
) -> i32 {
    // SAFETY: the same promises.
    guard(|| code(unsafe { spawn(rt, poll, ud, opts, out) }))
}

/// Asks a task to end. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_task_cancel(task: ouzel_task) -> i32 {
    guard(|| {
        code(with_task(task.slot, task.generation, |body, id| {
            if matches!(body.engine.state(id), TaskState::Idle | TaskState::Scheduled) {
                body.engine.abort(id, body.on_loop().is_ok());
            } else if body.joins.find(id).is_none() {
                return Err(Error::STALE);
            }
            Ok(OUZEL_OK)
        }))
    })
}

/// Gives up the join. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_task_detach(task: ouzel_task) -> i32 {
    guard(|| {
        code(with_task(task.slot, task.generation, |body, id| {
            body.joins.remove(id).map(|_| OUZEL_OK).ok_or(Error::STALE)
        }))
    })
}

/// What a task does. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_task_state(task: ouzel_task) -> i32 {
    guard(|| {
        code(with_task(task.slot, task.generation, |body, id| {
            let join = body.joins.find(id);
            match (join.as_ref().and_then(|join| join.result()), body.engine.state(id)) {
                (Some(OUZEL_ECANCELED), _) => Ok(OUZEL_STATE_CANCELLED),
                (Some(_), _) => Ok(OUZEL_STATE_DONE),
                (None, TaskState::Idle) => Ok(OUZEL_STATE_IDLE),
                (None, TaskState::Scheduled) => Ok(OUZEL_STATE_SCHEDULED),
                // Its last reference is about to go, or its result to arrive.
                (None, TaskState::Complete) if join.is_some() => Ok(OUZEL_STATE_DONE),
                _ => Err(Error::STALE),
            }
        }))
    })
}
