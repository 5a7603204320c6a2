//! Tasks whose body is a C poll function.
//!
//! | event            | what happens, in this order                                                |
//! |------------------|----------------------------------------------------------------------------|
//! | it is polled     | is its deadline over? Then it ends as cancelled                            |
//! | poll returns     | pending: nothing. Else the result is kept in the task                      |
//! | the task ends    | `drop(ud)`, then what it has beside (`extra`), the result goes to the join record |
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

use ouzel::{TaskId, TaskState};

use crate::error::{Error, OUZEL_ECANCELED, OUZEL_OK, OUZEL_PENDING, Result, code};
use crate::extra::{Extra, Wait};
use crate::guard::{callback, guard};
use crate::id::{Kind, ouzel_task, ouzel_waker, pack, unpack};
use crate::memory;
use crate::options::{Ud, UdFn};
use crate::place::{self, Body, Engine, Inside, ouzel_runtime, with_anchor};
use crate::record::Join;

/// `ouzel_poll_fn`.
pub type PollFn = extern "C" fn(ud: *mut c_void, cx: *mut ouzel_cx) -> i32;

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

    /// What the task has beside its function, made if need be and if there is memory for it. `f` calls nothing of the host's.
    pub(crate) fn with_extra<R>(&self, f: impl FnOnce(&mut Extra) -> Result<R>) -> Result<R> {
        let mut extra = match self.task.extra.take() {
            Some(extra) => extra,
            None => memory::boxed(Extra::default())?,
        };
        let result = f(&mut extra);
        self.task.extra.set(Some(extra));
        result
    }

    /// Keeps a wait, which is given up where there is no memory for it.
    pub(crate) fn keep_wait(&self, wait: Wait) -> Result<()> {
        let mut wait = Some(wait);
        let kept = self.with_extra(|extra| extra.keep_wait(&mut wait));
        if let Some(refused) = wait {
            refused.leave();
        }
        kept
    }

    /// The same if there is any.
    pub(crate) fn if_extra<R>(&self, f: impl FnOnce(&mut Extra) -> Option<R>) -> Option<R> {
        let mut extra = self.task.extra.take()?;
        let result = f(&mut extra);
        self.task.extra.set(Some(extra));
        result
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

/// Wakes the task that a host-driven runtime polls on this thread, if `waker` is its. Knows only wakers that were made in an
/// earlier poll of it.
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
/// turn. It may have something to do before its function is called only where it has more than that.
pub(crate) struct CTask<const WORKERS: bool, const MORE: bool>(pub(crate) CBody);

/// What it consists of.
pub(crate) struct CBody {
    place: &'static ouzel_runtime,
    poll: PollFn,
    ud: Ud,
    drop: Option<UdFn>,
    extra: Cell<Option<Box<Extra>>>,
    join: Option<Arc<Join>>,
    result: Cell<i32>,
    /// Its join record is findable.
    registered: Cell<bool>,
    /// The task's id, once somebody has asked: the same in every poll.
    id: Cell<ouzel_task>,
    /// The clock at the last poll that asked.
    now: Cell<u64>,
}

impl CBody {
    /// The runtime counts it from here on.
    pub(crate) fn new(
        (place, body): (&'static ouzel_runtime, &Body),
        poll: PollFn,
        (ud, drop): (Ud, Option<UdFn>),
        extra: Option<Box<Extra>>,
        join: Option<Arc<Join>>,
    ) -> Self {
        // ORDERING: Relaxed, counters; both.
        body.tasks.fetch_add(1, Ordering::Relaxed);
        body.spawned.fetch_add(1, Ordering::Relaxed);
        body.work_begun();
        let registered = join.is_none() && extra.is_none();
        CBody {
            place,
            poll,
            ud,
            drop,
            extra: Cell::new(extra),
            join,
            result: Cell::new(OUZEL_ECANCELED),
            registered: Cell::new(registered),
            id: Cell::default(),
            now: Cell::default(),
        }
    }

    /// Whether there is something to do before its function is called.
    pub(crate) fn has_more(&mut self) -> bool {
        self.extra.get_mut().is_some()
    }

    /// Whether its deadline is over.
    #[inline]
    fn is_late(&self, context: &mut Context<'_>) -> bool {
        let Some(mut extra) = self.extra.take() else { return false };
        let late = extra.is_late(context);
        self.extra.set(Some(extra));
        late
    }
}

impl<const WORKERS: bool, const MORE: bool> Future for CTask<WORKERS, MORE> {
    type Output = ();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &self.0;
        // A worker, or a loop thread that another one has spawned for, may poll the task before its spawner has its id.
        if (WORKERS || MORE) && !this.registered.replace(true) {
            this.register(context.waker());
        }
        if MORE && this.is_late(context) {
            return Poll::Ready(());
        }
        let mut cx = ouzel_cx { task: this, waker: context.waker(), state: Cell::new(BUDGET) };
        let cx = &raw mut cx;
        // A callback does not unwind, so nothing here is behind a guard.
        let result = if WORKERS {
            let _inside = Inside::new(this.place);
            (this.poll)(this.ud.0, cx.cast())
        } else if this.id.get().generation == 0 {
            // Nobody has a waker of C's for it.
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
    /// Makes its join record findable; it is not new any more.
    #[cold]
    fn register(&self, waker: &Waker) {
        let Ok(body) = self.place.body() else { return };
        if let (Some(join), Some(id)) = (&self.join, ouzel::task_id(waker)) {
            body.joins.register(id, join);
        }
        if let Some(mut extra) = self.extra.take() {
            if let Some(number) = extra.newborn.take() {
                body.things.newborns.end(number);
            }
            self.extra.set(Some(extra));
        }
    }
}

impl Drop for CBody {
    fn drop(&mut self) {
        let _inside = Inside::new(self.place);
        guard(|| {
            if let Some(drop) = self.drop {
                callback(|| drop(self.ud.0));
            }
            if let Ok(body) = self.place.body() {
                // ORDERING: Relaxed, a counter.
                body.tasks.fetch_sub(1, Ordering::Relaxed);
            }
            if let Some(extra) = self.extra.take() {
                extra.end(self.place);
            }
            if let Some(join) = self.join.take() {
                join.settle(self.result.get());
            }
            if let Ok(body) = self.place.body() {
                body.work_ended();
            }
        });
    }
}

impl Engine {
    /// `here`: on the loop thread of a host-driven runtime.
    pub(crate) fn abort(&self, id: TaskId, here: bool) {
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
}

/// What can be found out about a task by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Idle,
    Scheduled,
    /// Another thread has just spawned it, and its runtime does not know it yet.
    Newborn,
    /// Over, or it never was.
    Ended,
}

impl Body {
    /// `may_wait`: for another thread that holds a lock; not in a signal handler that has stopped ouzel.
    pub(crate) fn find(&self, id: TaskId, may_wait: bool) -> Found {
        let look = || match self.engine.state(id) {
            TaskState::Idle => Some(Found::Idle),
            TaskState::Scheduled => Some(Found::Scheduled),
            _ => None,
        };
        look().unwrap_or_else(|| {
            if self.things.newborns.contains(id, may_wait) {
                return Found::Newborn;
            }
            // It may have been taken in between the two.
            look().unwrap_or(Found::Ended)
        })
    }

    /// Asks a task to end, if it has not.
    pub(crate) fn cancel(&self, id: TaskId) -> bool {
        let found = self.find(id, true);
        if found != Found::Ended {
            // A newborn's owner gets to it in the order in which it was told.
            self.engine.abort(id, self.on_loop().is_ok() && found != Found::Newborn);
        }
        found != Found::Ended
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

/// Asks a task to end. See `ouzel.h`.
#[unsafe(no_mangle)]
pub extern "C" fn ouzel_task_cancel(task: ouzel_task) -> i32 {
    guard(|| {
        code(with_task(task.slot, task.generation, |body, id| {
            if !body.cancel(id) && body.joins.find(id).is_none() {
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
            match (join.as_ref().and_then(|join| join.result()), body.find(id, true)) {
                (Some(OUZEL_ECANCELED), _) => Ok(OUZEL_STATE_CANCELLED),
                (Some(_), _) => Ok(OUZEL_STATE_DONE),
                (None, Found::Idle) => Ok(OUZEL_STATE_IDLE),
                (None, Found::Scheduled | Found::Newborn) => Ok(OUZEL_STATE_SCHEDULED),
                // Its last reference is about to go, or its result to arrive.
                (None, Found::Ended) if join.is_some() => Ok(OUZEL_STATE_DONE),
                _ => Err(Error::STALE),
            }
        }))
    })
}
