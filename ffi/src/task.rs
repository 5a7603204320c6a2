//! Tasks whose body is a C poll function.
//!
//! | event            | what happens, in this order                                                |
//! |------------------|----------------------------------------------------------------------------|
//! | poll returns     | pending: nothing. Else the result is kept in the task                      |
//! | the task ends    | `drop(ud)`, the result goes to the join record                             |
//! | never spawned    | `drop(ud)`, before `ouzel_spawn` returns                                   |
//!
//! All of it hangs on the tasks of a runtime being Rust futures whose destructor runs exactly once.

use core::cell::Cell;
use core::ffi::c_void;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::ptr::null;
use core::sync::atomic::Ordering;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use ouzel::{TaskId, TaskState};

use crate::error::{Error, OUZEL_ECANCELED, OUZEL_OK, OUZEL_PENDING, Result, code};
use crate::guard::guard;
use crate::id::{Kind, ouzel_task, ouzel_waker, pack, unpack};
use crate::options::{self, Ud, UdFn, ouzel_task_opts};
use crate::place::{self, Body, Engine, Inside, get, ouzel_runtime, with_anchor};
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

/// In a cx: the task is to be polled again.
const WOKEN: u32 = 1 << 30;
/// In a cx: the clock was read in this poll.
const CLOCK: u32 = 1 << 31;

/// What a poll function is lent: who it is, and the way to be woken. Lives on the stack of one poll.
#[allow(non_camel_case_types, reason = "it has the header's name")]
pub struct ouzel_cx<'a> {
    task: &'a CBody,
    pub(crate) waker: &'a Waker,
    /// Steps left, and what has happened: one word, as it is written for each poll.
    state: Cell<u32>,
}

impl ouzel_cx<'_> {
    pub(crate) fn place(&self) -> &'static ouzel_runtime {
        self.task.place
    }

    /// Sees to it that the task is polled again, once this poll is over.
    #[inline(always)]
    pub(crate) fn wake(&self) {
        self.state.set(self.state.get() | WOKEN);
    }

    /// Takes one from the budget. False: it is used up.
    pub(crate) fn step(&self) -> bool {
        let state = self.state.get();
        let left = state & !(WOKEN | CLOCK) != 0;
        self.state.set(state - u32::from(left));
        left
    }

    /// The clock, read once a poll.
    pub(crate) fn now(&self) -> u64 {
        if self.state.get() & CLOCK == 0 {
            self.state.set(self.state.get() | CLOCK);
            self.task.now.set(ouzel::time::now().0);
        }
        self.task.now.get()
    }
}

/// Wakes the task that a host-driven runtime polls on this thread, if `waker` is its. Knows only wakers that were made in
/// one of its polls.
#[inline(always)]
pub(crate) fn wake_polled(waker: ouzel_waker) -> bool {
    let cx = place::polled().cast::<ouzel_cx<'_>>();
    // SAFETY: it lies in `CTask::poll`, which is under way on this thread; only cells of it are used here.
    let Some(cx) = (unsafe { cx.as_ref() }) else { return false };
    let id = cx.task.id.get();
    let is_its = (id.slot, id.generation) == (waker.slot, waker.generation) && !ouzel::in_forked_child();
    if is_its {
        cx.wake();
    }
    is_its
}

impl fmt::Debug for ouzel_cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ouzel_cx").field("state", &self.state).finish_non_exhaustive()
    }
}

/// The future around a C poll function. Worker threads poll it; else the host's, which is marked as inside for a whole
/// turn.
struct CTask<const WORKERS: bool>(CBody);

/// What it consists of.
struct CBody {
    place: &'static ouzel_runtime,
    poll: PollFn,
    ud: Ud,
    drop: Option<UdFn>,
    join: Option<Arc<Join>>,
    result: Cell<i32>,
    /// Its join record is findable.
    registered: Cell<bool>,
    /// The task's id, once somebody has asked: the same in every poll.
    id: Cell<ouzel_task>,
    /// The clock at the last poll that asked.
    now: Cell<u64>,
}

impl<const WORKERS: bool> Future for CTask<WORKERS> {
    type Output = ();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &self.0;
        // A worker may poll the task before its spawner has its id.
        if WORKERS && !this.registered.replace(true) {
            this.register(context.waker());
        }
        let mut cx = ouzel_cx { task: this, waker: context.waker(), state: Cell::new(BUDGET) };
        let cx = &raw mut cx;
        // A callback does not unwind, so nothing here is behind a guard.
        let result = if WORKERS {
            let _inside = Inside::new(this.place);
            (this.poll)(this.ud.0, cx.cast())
        } else {
            this.place.begin_poll(cx.cast_const().cast());
            let result = (this.poll)(this.ud.0, cx.cast());
            this.place.begin_poll(null());
            result
        };
        if result == OUZEL_PENDING {
            // SAFETY: it lies above.
            let cx = unsafe { &*cx };
            if cx.state.get() & WOKEN != 0 {
                cx.waker.wake_by_ref();
            }
            return Poll::Pending;
        }
        this.result.set(result.min(OUZEL_OK));
        Poll::Ready(())
    }
}

impl CBody {
    /// Makes its join record findable.
    #[cold]
    fn register(&self, waker: &Waker) {
        if let (Some(join), Ok(body), Some(id)) = (&self.join, self.place.body(), ouzel::task_id(waker)) {
            body.joins.register(id, join);
        }
    }
}

impl Drop for CBody {
    fn drop(&mut self) {
        let _inside = Inside::new(self.place);
        guard(|| {
            if let Some(drop) = self.drop {
                drop(self.ud.0);
            }
            if let Some(join) = self.join.take() {
                join.settle(self.result.get());
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

    /// Spawns a task; returns its id if somebody wants one, and if it was not refused.
    fn spawn(&self, body: CBody, wants_id: bool) -> Option<TaskId> {
        match self {
            Engine::Local { runtime, .. } => {
                let handle = runtime.spawn(CTask::<false>(body));
                let id = if wants_id { handle.id() } else { None };
                handle.detach();
                id
            }
            Engine::Shared { handle, .. } => {
                let join = body.join.clone();
                let handle = handle.spawn(CTask::<true>(body));
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

/// A Rust waker for a weak one: the task's own, or for a host-driven runtime's task away from its thread one that
/// looks it up (and allocates).
pub(crate) fn task_waker(waker: ouzel_waker) -> Result<Waker> {
    with_task(waker.slot, waker.generation, |body, id| {
        let own = match &body.engine {
            Engine::Local { runtime, .. } if body.on_loop().is_ok() => runtime.waker(id),
            Engine::Shared { handle, .. } => handle.waker(id),
            Engine::Local { handle, .. } => {
                let alive = matches!(handle.state(id), TaskState::Idle | TaskState::Scheduled);
                alive.then(|| Waker::from(Arc::new(WakeById(waker))))
            }
        };
        own.ok_or(Error::STALE)
    })
}

/// The id of the task being polled by this thread.
pub(crate) fn current(cx: &ouzel_cx<'_>) -> ouzel_task {
    let id = &cx.task.id;
    if id.get() == ouzel_task::default() {
        id.set(exported(cx));
    }
    id.get()
}

#[cold]
fn exported(cx: &ouzel_cx<'_>) -> ouzel_task {
    match (cx.place().body(), ouzel::task_id(cx.waker)) {
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
    let future = CBody {
        place,
        poll,
        ud: Ud(ud),
        drop: opts.drop,
        join: join.clone(),
        result: Cell::new(OUZEL_ECANCELED),
        registered: Cell::new(join.is_none()),
        id: Cell::default(),
        now: Cell::default(),
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
