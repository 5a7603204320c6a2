//! Tasks whose body is a C poll function, and the joins that wait for them.
//!
//! | event            | what happens, in this order                                                |
//! |------------------|----------------------------------------------------------------------------|
//! | poll returns     | pending: nothing. Else the result is kept in the task                      |
//! | the task ends    | `drop(ud)`, the result goes to the join record, joiners are woken          |
//! | never spawned    | `drop(ud)`, before `ouzel_spawn` returns                                   |
//!
//! All of it hangs on [`Body`'s](crate::runtime::Body) tasks being Rust futures whose destructor runs exactly
//! once. A join record exists for each task that is not detached, from its spawn until it is joined or
//! detached; so the runtime's own join handles are not needed, and joining works from any thread.

use core::ffi::c_void;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll, Waker};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Instant;

use ouzel::{TaskId, TaskState};

use crate::error::{Error, OUZEL_ECANCELED, OUZEL_OK, OUZEL_PENDING, OUZEL_READY, Result, code};
use crate::guard::guard;
use crate::options::{self, UdFn, ouzel_task_opts};
use crate::runtime::{Body, Engine, Inside, Kind, Ud, get, ouzel_runtime, pack, unpack, with_anchor};
use crate::waker::ouzel_waker;

/// `ouzel_task`.
#[allow(non_camel_case_types, reason = "it has the header's name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ouzel_task {
    /// Anchor id and index.
    pub slot: u64,
    /// Kind and generation.
    pub generation: u64,
}

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
}

impl Future for CTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _inside = Inside::new(self.place);
        let mut cx = ouzel_cx { place: self.place, waker: context.waker(), budget: BUDGET, now: 0 };
        let result = guard(|| (self.poll)(self.ud.0, (&raw mut cx).cast()));
        if result == OUZEL_PENDING {
            return Poll::Pending;
        }
        self.result = result.min(OUZEL_OK);
        Poll::Ready(())
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
                join.end(self.result);
            }
            if let Ok(body) = self.place.body() {
                // ORDERING: Relaxed, a counter.
                body.tasks.fetch_sub(1, Ordering::Relaxed);
                body.work_ended();
            }
        });
    }
}

/// Where a task's result waits for its joiner.
#[derive(Debug, Default)]
pub(crate) struct Join {
    state: Mutex<JoinState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct JoinState {
    result: Option<i32>,
    joiner: Option<Waker>,
}

/// The join records of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Joins(Mutex<HashMap<TaskId, Arc<Join>>>);

impl Join {
    fn end(&self, result: i32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.result = Some(result);
        let joiner = state.joiner.take();
        drop(state);
        self.ended.notify_all();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    fn result(&self) -> Option<i32> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).result
    }

    /// The result, or `joiner` is woken when there is one.
    fn poll(&self, joiner: &Waker) -> Result<Option<i32>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.result.is_some() {
            return Ok(state.result);
        }
        match &state.joiner {
            Some(known) if known.will_wake(joiner) => {}
            Some(_) => return Err(Error::BUSY),
            None => state.joiner = Some(joiner.clone()),
        }
        Ok(None)
    }

    /// Blocks for the result.
    fn wait(&self, timeout_ns: u64) -> Result<i32> {
        let deadline = crate::run::deadline(timeout_ns);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = state.result {
                return Ok(result);
            }
            state = match deadline {
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::TIMED_OUT);
                    }
                    self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl Joins {
    fn find(&self, id: TaskId) -> Option<Arc<Join>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn remove(&self, id: TaskId) -> Option<Arc<Join>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    fn insert(&self, id: TaskId, join: Arc<Join>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, join);
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

    /// Spawns a future; `out` gets its id if it wants one.
    fn spawn(&self, future: CTask, wants_id: bool) -> Option<TaskId> {
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
                handle.detach();
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

fn export(body: &Body, id: TaskId) -> ouzel_task {
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
    let join = (opts.flags & OUZEL_TASK_DETACHED == 0 && !out.is_null()).then(Arc::<Join>::default);
    // ORDERING: Relaxed, counters; both.
    body.tasks.fetch_add(1, Ordering::Relaxed);
    body.spawned.fetch_add(1, Ordering::Relaxed);
    body.work_begun();
    let future =
        CTask { place, poll, ud: Ud(ud), drop: opts.drop, join: join.clone(), result: OUZEL_ECANCELED };
    let id = body.engine.spawn(future, !out.is_null());
    if let Some(id) = id {
        if let Some(join) = join {
            body.joins.insert(id, join);
        }
        // SAFETY: the caller's promise about `out`; an id is made only if it is not null.
        unsafe { out.write(export(body, id)) };
    }
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
            let ended = matches!(body.engine.state(id), TaskState::Stale);
            if ended && body.joins.find(id).is_none() {
                return Err(Error::STALE);
            }
            if !ended {
                body.engine.abort(id, body.on_loop().is_ok());
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
            let ended = body.joins.find(id).and_then(|join| join.result());
            match (ended, body.engine.state(id)) {
                (Some(OUZEL_ECANCELED), _) => Ok(OUZEL_STATE_CANCELLED),
                (Some(_), _) | (None, TaskState::Complete) => Ok(OUZEL_STATE_DONE),
                (None, TaskState::Idle) => Ok(OUZEL_STATE_IDLE),
                (None, TaskState::Scheduled) => Ok(OUZEL_STATE_SCHEDULED),
                _ => Err(Error::STALE),
            }
        }))
    })
}

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
    let _ = with_task(task.slot, task.generation, |body, _| Ok(body.joins.remove(anchor_checked)));
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
