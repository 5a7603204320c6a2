//! Tasks on their owner's thread: spawn, wake, run, cancel, complete, and the walk over all of them.
//!
//! The cell, its payload and its vtable are those of [`crate::task`]; the transitions are plain (`word`).

use core::future::Future;
use core::ptr::NonNull;
use core::task::Context;

use super::shared::{Shared, finish_held};
use super::word::{get, set, take_joiner};
use super::{refs, remote, waker};
use crate::slab::{self, Slab};
use crate::sync::Ordering;
use crate::task::cell::{build, drop_payload_caught, put_panic};
use crate::task::header::{Polled, Stage};
use crate::task::state::{CANCELLED, COMPLETE, JOIN_INTEREST, JOIN_WAKER, NOTIFIED, REF, SCHED, Word};
use crate::task::unwind::{Caught, catch, discard};
use crate::task::{Header, TaskId, WakeResult};

/// Makes a task of `future` and puts it on the run queue. Its handle's reference is the caller's.
///
/// # Errors
/// The future back when memory has run out.
#[inline]
pub(super) fn spawn<F: Future + 'static>(
    shared: &Shared,
    slab: &Slab,
    future: F,
) -> Result<NonNull<Header>, F> {
    let task = build(slab, future)?;
    // The remote word is left as it is: a late weak wake of the cell's last task may be in it.
    // SAFETY: built on the line above, and nobody else's yet.
    unsafe { task.as_ref() }.state.spawn(true);
    let own = &shared.own;
    own.live.set(own.live.get() + 1);
    own.push(task);
    Ok(task)
}

/// Wakes a task.
///
/// # Safety
/// This is its owner's thread, and it has a reference.
#[inline(always)]
pub(super) unsafe fn wake(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if word & COMPLETE != 0 {
        return;
    }
    if word & SCHED != 0 {
        set(cell, word | NOTIFIED);
    } else {
        set(cell, word | SCHED);
        shared.own.push(task);
    }
}

/// Sees to it that the task is cancelled instead of polled.
///
/// # Safety
/// As for `wake`.
pub(super) unsafe fn abort(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if word & COMPLETE != 0 {
        return;
    }
    set(cell, word | SCHED | CANCELLED);
    if word & SCHED == 0 {
        shared.own.push(task);
    }
}

/// Polls a task that was on the run queue, or cancels it. True: it has completed, and may be gone.
///
/// # Safety
/// This is its owner's thread; the task is SCHED and has just left the run queue.
#[inline]
pub(super) unsafe fn run(shared: &Shared, task: NonNull<Header>) -> bool {
    // SAFETY: a scheduled task has its own reference.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    debug_assert!(word & (SCHED | COMPLETE) == SCHED, "run, but not scheduled");
    if word & CANCELLED != 0 {
        // SAFETY: scheduled, not complete, and off the queue.
        unsafe { drop_future(shared, task) };
        return true;
    }
    if word & NOTIFIED != 0 {
        set(cell, word & !NOTIFIED);
    }
    // SAFETY: the task's own reference lasts for the poll.
    let waker = unsafe { waker::borrowed(task) };
    let mut cx = Context::from_waker(&waker);
    // SAFETY: the future is the run queue's taker's; a task at rest that is not complete has one.
    let polled = catch(|| unsafe { (cell.vtable().poll)(task, &mut cx) });
    match polled {
        Ok(Polled::Pending) => {
            let word = get(cell);
            if word & CANCELLED != 0 {
                // SAFETY: scheduled, not complete, and off the queue.
                unsafe { drop_future(shared, task) };
                return true;
            }
            if word & NOTIFIED != 0 {
                shared.own.push(task);
            } else {
                set(cell, word & !SCHED);
            }
            return false;
        }
        // SAFETY: the future is gone, the output there.
        Ok(Polled::Ready) => unsafe { finish(shared, task) },
        // SAFETY: the future is gone, and its output.
        #[cfg(feature = "std")]
        Ok(Polled::Panicked(caught)) => unsafe { finish_panicked(shared, task, caught) },
        Err(caught) => {
            // SAFETY: what panicked was the poll, so the future is still there, and ours.
            if let Err(second) = unsafe { drop_payload_caught(task) } {
                discard(second);
            }
            // SAFETY: the future is gone now.
            unsafe { finish_panicked(shared, task, caught) };
        }
    }
    true
}

/// Shutdown: cancels an idle task; marks a scheduled one, which is on the run queue. True: it has completed.
///
/// # Safety
/// This is the owner's thread, no task is being polled, and `task` is a cell, in use or not.
pub(super) unsafe fn cancel(shared: &Shared, task: NonNull<Header>) -> bool {
    // SAFETY: cells stay mapped.
    let cell = unsafe { task.as_ref() };
    let word = get(cell);
    if Word(word).is_free() || word & COMPLETE != 0 {
        return false;
    }
    set(cell, word | SCHED | CANCELLED);
    if word & SCHED != 0 {
        return false;
    }
    // SAFETY: it was idle; now it is scheduled and on no queue.
    unsafe { drop_future(shared, task) };
    true
}

/// # Safety
/// The task is SCHED, not COMPLETE, and the caller took it off the queue.
#[cold]
unsafe fn drop_future(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the future is the caller's.
    match unsafe { drop_payload_caught(task) } {
        Ok(()) => {
            // SAFETY: the task's own reference is still there.
            unsafe { task.as_ref() }.set_stage(Stage::Cancelled);
            // SAFETY: the future is gone.
            unsafe { finish(shared, task) };
        }
        // SAFETY: as above.
        Err(caught) => unsafe { finish_panicked(shared, task, caught) },
    }
}

/// # Safety
/// As for `finish`; nothing is in the payload.
#[cold]
unsafe fn finish_panicked(shared: &Shared, task: NonNull<Header>, caught: Caught) {
    // SAFETY: the payload is the caller's and empty.
    unsafe { put_panic(task, caught) };
    // SAFETY: the caller's promise.
    unsafe { finish(shared, task) };
}

/// Completes a task and gives its own reference back.
///
/// # Safety
/// The task is SCHED, the caller took it off the queue, and the future is gone.
#[inline]
unsafe fn finish(shared: &Shared, task: NonNull<Header>) {
    // SAFETY: the task's own reference is still there.
    let cell = unsafe { task.as_ref() };
    if get(cell) & JOIN_INTEREST == 0 {
        // SAFETY: nobody wants the output, so it is the caller's.
        if let Err(caught) = unsafe { drop_payload_caught(task) } {
            discard(caught);
        }
    }
    // Read again: the destructor may have dropped wakers of this task.
    let word = get(cell);
    // SAFETY: the bit says that a waker is there; it is cleared below, before anybody looks again.
    let joiner = (word & JOIN_WAKER != 0).then(|| unsafe { take_joiner(cell) });
    let done = (word & !(SCHED | NOTIFIED | CANCELLED | JOIN_WAKER) | COMPLETE) - REF;
    set(cell, done);
    shared.own.live.set(shared.own.live.get() - 1);
    if Word(done).is_free() {
        // SAFETY: the own count has just become zero.
        if unsafe { refs::released(task) } {
            // SAFETY: nobody holds it.
            unsafe { free(task) };
        }
    }
    if let Some(joiner) = joiner
        && let Err(caught) = catch(|| joiner.wake())
    {
        discard(caught);
    }
}

/// One reference less, on the owner's thread.
///
/// # Safety
/// This is the owner's thread, and the caller gives up a reference.
#[inline(always)]
pub(super) unsafe fn drop_own(task: NonNull<Header>) {
    // SAFETY: the caller's promise.
    if unsafe { refs::drop_own(task) } {
        // SAFETY: it was the last reference.
        unsafe { free(task) };
    }
}

/// Gives the cell back, from any thread.
///
/// # Safety
/// A transition said so, this one time.
#[inline(always)]
pub(super) unsafe fn free(task: NonNull<Header>) {
    // SAFETY: nobody holds the cell, and future and output are gone: the task's own reference is.
    unsafe { slab::free(task) };
}

/// The cell that `id` names if its task has not completed, as far as can be seen.
fn find(shared: &Shared, id: TaskId) -> Option<NonNull<Header>> {
    let cell = id.cell(&shared.table)?;
    // ORDERING: Acquire pairs with the Release of `State::spawn`, for an id that came without any.
    // SAFETY: cells in a table stay mapped.
    let word = unsafe { cell.as_ref() }.state.load(Ordering::Acquire);
    // No own count means that the task has completed: its own reference is counted there.
    let gone = word.is_free() || word.has(COMPLETE) || word.generation() != id.generation;
    (!gone).then_some(cell)
}

/// Wakes the task that `id` names, on its owner's thread.
pub(super) fn wake_by_id(shared: &Shared, id: TaskId) -> WakeResult {
    let Some(task) = find(shared, id) else { return WakeResult::Stale };
    // SAFETY: cells in a table stay mapped.
    let pending = get(unsafe { task.as_ref() }) & SCHED != 0;
    // SAFETY: the owner's thread, and a task that has not completed has a reference of its own.
    unsafe { wake(shared, task) };
    if pending { WakeResult::AlreadyPending } else { WakeResult::Queued }
}

/// Aborts the task that `id` names, on its owner's thread. False: stale.
pub(super) fn abort_by_id(shared: &Shared, id: TaskId) -> bool {
    let Some(task) = find(shared, id) else { return false };
    // SAFETY: as in `wake_by_id`.
    unsafe { abort(shared, task) };
    true
}

/// Wakes the task that `id` names, from any thread and from signal handlers: a CAS, a push, an unpark.
///
/// The task may end meanwhile, and its cell serve another one, which is then woken for nothing.
pub(super) fn wake_by_id_elsewhere(shared: &Shared, id: TaskId) -> WakeResult {
    let Some(task) = find(shared, id) else { return WakeResult::Stale };
    // SAFETY: cells in a table stay mapped.
    let after = remote::wake_by_ref(&unsafe { task.as_ref() }.remote);
    let pending = after == remote::Foreign::Nothing;
    // SAFETY: that was this cell's word, and the caller holds `shared`.
    if unsafe { finish_held(shared, task, after) } {
        // SAFETY: it was queued by us alone when the executor ended.
        unsafe { free(task) };
    }
    if pending { WakeResult::AlreadyPending } else { WakeResult::Queued }
}
